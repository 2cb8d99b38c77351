"""Vectors over ``:batchEmbedContents``: one request for each text, all in one call.

The wire: ``_EmbedContentParameters`` of google-genai 3.4.0; ai.google.dev, page "embeddings":
``gemini-embedding-001`` takes the task as a field, ``gemini-embedding-2`` as words before the text.
"""

from __future__ import annotations

from array import array
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Annotated, Any

from gensdk.catalog.google import GoogleModel, google_model
from gensdk.toolkit import MAX_MEDIA_BYTES, OR_NONE, Answer, Notes
from gensdk.types import EmbedRequest, EmbedResponse, Usage, Vectors

from .account import model_path
from .options import GoogleEmbedOptions, options_of
from .wire import UsageMetadata, Wire, merge_extra, parsed

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["generate", "prepare"]

_TASKS = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
}
_PREFIXES = {
    "query": "task: search result | query: ",
    "similarity": "task: sentence similarity | query: ",
    "classification": "task: classification | query: ",
    "clustering": "task: clustering | query: ",
}
_NEARLY = 1e-3


class _Vector(Wire):
    values: list[float]


class _Document(Wire):
    embeddings: list[_Vector]
    usage_metadata: Annotated[UsageMetadata | None, OR_NONE] = None


def prepare(
    request: EmbedRequest, row: GoogleModel, options: GoogleEmbedOptions, model: str, notes: Notes
) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: The model has no vectors of that length.
    """
    if request.user_id is not None:
        notes.drop("user_id", "the Gemini API takes no user here")
    if options.title is not None and request.task != "document":
        notes.drop("title", "titles belong to task='document'")
    wide = row.dimensions
    if request.dimensions is not None and wide is not None and request.dimensions > wide:
        notes.refuse("dimensions", f"its vectors have at most {wide} numbers")
    prefix = _prefix(request, row, options, notes)
    name = model if "/" in model else f"models/{model}"
    requests: list[dict[str, Any]] = []
    for text in request.inputs:
        one: dict[str, Any] = {"model": name, "content": {"parts": [{"text": prefix + text}]}}
        if request.task is not None and row.task_field:
            one["taskType"] = _TASKS[request.task]
            if options.title is not None and request.task == "document":
                one["title"] = options.title
        if request.dimensions is not None:
            one["outputDimensionality"] = request.dimensions
        requests.append(one)
    return {"requests": requests}


def _prefix(
    request: EmbedRequest, row: GoogleModel, options: GoogleEmbedOptions, notes: Notes
) -> str:
    if request.task is None or row.task_field:
        return ""
    if row.dimensions is None:
        notes.drop("task", "how this model is told what the vectors are for is not known")
        return ""
    if request.task == "document":
        prefix = f"title: {options.title or 'none'} | text: "
    else:
        prefix = _PREFIXES[request.task]
    notes.adapt("task", f"This model reads the task before each text: {prefix!r}", prefix)
    return prefix


async def generate(account: Account, request: EmbedRequest, context: Context) -> EmbedResponse:
    """Turn the texts into vectors, in their order."""
    notes = Notes(account.name, context)
    row = google_model(context.model)
    options = options_of(request, GoogleEmbedOptions, account.name, context.model)
    payload = prepare(request, row, options, context.model, notes)
    merge_extra(payload, request, account, context.model)
    answer = await account.post(
        f"{model_path(context.model)}:batchEmbedContents",
        payload,
        context,
        max_bytes=MAX_MEDIA_BYTES,
    )
    return _response(answer, request, row, account, context, notes)


def _response(
    answer: Answer,
    request: EmbedRequest,
    row: GoogleModel,
    account: Account,
    context: Context,
    notes: Notes,
) -> EmbedResponse:
    """The vectors of an answer.

    Raises:
        InvalidResponseError: They are not one for each input, of one length, the length asked
            for, and all finite.
    """
    document = parsed(_Document, answer.body, answer, account, context)
    rows = [one.values for one in document.embeddings]
    problem = _problem(rows, len(request.inputs), request.dimensions)
    if problem is not None:
        raise account.invalid(problem, answer, context)
    if not row.unit_vectors and request.dimensions is not None:
        rows = _unit(rows, notes)
    counted = document.usage_metadata
    return EmbedResponse(
        vectors=Vectors(array("f", [number for one in rows for number in one]), len(rows[0])),
        provider=account.name,
        model=context.model,
        usage=Usage(input_tokens=counted.prompt_token_count if counted else None),
        warnings=notes.warnings,
        reproducible=True,
    )


def _problem(rows: list[list[float]], expected: int, asked: int | None) -> str | None:
    if len(rows) != expected:
        return f"{expected} vectors were expected, {len(rows)} came."
    length = len(rows[0])
    if not length or any(len(one) != length for one in rows):
        return "The vectors are empty, or of different lengths."
    if asked is not None and length != asked:
        return f"Vectors of {asked} numbers were asked for, {length} came."
    if not all(isfinite(number) and abs(number) < 3e38 for one in rows for number in one):
        return "The vectors hold NaN or infinity."
    return None


def _unit(rows: list[list[float]], notes: Notes) -> list[list[float]]:
    """Vectors of length 1: this model shortens them without that."""
    lengths = [sqrt(sum(number * number for number in one)) for one in rows]
    if all(abs(length - 1) < _NEARLY for length in lengths):
        return rows
    notes.adapt("dimensions", "Shortened vectors of this model are not of length 1; they were made")
    return [
        [number / length for number in one] if length else one
        for one, length in zip(rows, lengths, strict=True)
    ]
