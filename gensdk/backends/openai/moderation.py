"""Verdicts over ``/moderations``.

The wire: ``openai`` 3.52 ``types/moderation_create_params.py``, ``moderation_create_response.py``.
A list of texts gets a verdict each; a list of parts (a text and pictures) gets one together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, FiniteFloat

from gensdk.catalog.openai_media import moderation_model
from gensdk.spec import Context
from gensdk.toolkit import OR_NONE, Answer, Notes, merge_extra
from gensdk.types import Media, ModerationRequest, ModerationResponse, Verdict

from .errors import request_id_of
from .media_wire import parsed
from .options_media import OpenAIModerationOptions, media_options

if TYPE_CHECKING:
    from .account import Account

__all__ = ["generate", "map_answer", "prepare"]


class _Result(BaseModel):
    flagged: bool
    categories: dict[str, bool | None]
    category_scores: dict[str, FiniteFloat | None] = {}


class _Document(BaseModel):
    results: list[_Result]
    id: Annotated[str | None, OR_NONE] = None
    model: Annotated[str | None, OR_NONE] = None


def prepare(request: ModerationRequest, model: str, notes: Notes) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: Pictures with several texts, or with a model for text alone.
    """
    if not request.images:
        return {"model": model, "input": list(request.inputs)}
    if not moderation_model(model).images:
        notes.refuse("images", "it judges text alone; omni-moderation-latest judges pictures")
    if len(request.inputs) > 1:
        notes.refuse("images", "pictures are judged with one text; ask for each text by itself")
    parts: list[dict[str, Any]] = [{"type": "text", "text": text} for text in request.inputs]
    for image in request.images:
        url = image.data_uri() if isinstance(image, Media) else image.url
        parts.append({"type": "image_url", "image_url": {"url": url}})
    return {"model": model, "input": parts}


async def generate(
    account: Account, request: ModerationRequest, context: Context
) -> ModerationResponse:
    """Judge the texts, each by itself, or the pictures with their text."""
    notes = Notes(account.name, context)
    media_options(request, OpenAIModerationOptions, account, context.model)
    body = prepare(request, context.model, notes)
    merge_extra(body, request, provider=account.name, model=context.model)
    answer = await account.post("/moderations", body, context, notes=notes)
    return map_answer(answer, request, account, context, notes)


def map_answer(
    answer: Answer,
    request: ModerationRequest,
    account: Account,
    context: Context,
    notes: Notes,
) -> ModerationResponse:
    """The verdicts of an answer.

    Raises:
        InvalidResponseError: They are not one for each input.
    """
    document = parsed(_Document, answer, account, context)
    expected = 1 if request.images else len(request.inputs)
    if len(document.results) != expected:
        message = f"{expected} verdicts were expected, {len(document.results)} came."
        raise account.invalid(message, answer, context)
    return ModerationResponse(
        verdicts=tuple(
            Verdict(
                flagged=result.flagged,
                categories=tuple(name for name, over in result.categories.items() if over),
                scores={k: v for k, v in result.category_scores.items() if v is not None},
            )
            for result in document.results
        ),
        provider=account.name,
        model=document.model or context.model,
        warnings=notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=True,
        provider_details={"id": document.id} if document.id else {},
    )
