"""What ``/images`` answers, as small models, and as pictures with usage."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, Field, JsonValue

from gensdk.errors import ContentBlockedError, InvalidResponseError
from gensdk.toolkit import OR_NONE, Answer, StreamAnswer, billed
from gensdk.types import URL, ImageResponse, Media, Usage

from .errors import request_id_of
from .image_calls import ImageCall
from .media_wire import decoded, parsed, picture

__all__ = ["ImageFacts", "image_response", "whole_response"]


class _Tokens(BaseModel):
    image_tokens: int | None = None
    text_tokens: int | None = None


class ImageUsage(BaseModel):
    """Tokens of one call."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Tokens | None = None
    output_tokens_details: _Tokens | None = None


class ImageItem(BaseModel):
    """One picture: bytes or an address."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: Annotated[str | None, OR_NONE] = None
    content_filter_results: Annotated[dict[str, Any] | None, OR_NONE] = None


class ImageFacts(BaseModel):
    """How a picture was really made, where the answer says so."""

    created: Annotated[
        int | None, OR_NONE, Field(validation_alias=AliasChoices("created", "created_at"))
    ] = None
    model: Annotated[str | None, OR_NONE] = None
    background: Annotated[str | None, OR_NONE] = None
    output_format: Annotated[str | None, OR_NONE] = None
    quality: Annotated[str | None, OR_NONE] = None
    size: Annotated[str | None, OR_NONE] = None
    seed: Annotated[int | None, OR_NONE] = None
    usage: Annotated[ImageUsage | None, OR_NONE] = None
    svg_usage: Annotated[dict[str, JsonValue] | None, OR_NONE] = None


class ImageDocument(ImageFacts):
    """The whole answer. ``data`` may be there and empty: the pictures were withheld."""

    data: list[ImageItem]


_DETAILS = ("created", "size", "quality", "background", "output_format", "svg_usage")


async def whole_response(call: ImageCall, answer: Answer) -> ImageResponse:
    """The response of a plain answer.

    Raises:
        ContentBlockedError: The answer is whole but its pictures were withheld.
        InvalidResponseError: It cannot be read, or an item is no picture.
    """
    document = parsed(ImageDocument, answer, call.account, call.context)
    images = await _pictures(document, answer, call)
    response = image_response(call, answer, images, document)
    return response.replace(revised_prompt=document.data[0].revised_prompt)


async def _pictures(document: ImageDocument, answer: Answer, call: ImageCall) -> tuple[Media, ...]:
    """The pictures of an answer; those behind an address are downloaded while it holds.

    Raises:
        ContentBlockedError: The answer is whole but its pictures were withheld.
        InvalidResponseError: An item is no picture.
    """
    kept = [item for item in document.data if item.b64_json or item.url]
    if not kept:
        raise _nothing(document, answer, call)
    found: list[Media] = []
    for item in kept:
        text = item.b64_json or item.url or ""
        if item.b64_json or text.startswith("data:"):
            data = decoded(text, answer, call.account, call.context)
        else:
            data = await _downloaded(URL(text), call)
        found.append(picture(data, answer, call.account, call.context, document.output_format))
    return tuple(found)


async def _downloaded(address: URL, call: ImageCall) -> bytes:
    """The picture behind an address. It is paid for by now, whatever becomes of the download."""
    with billed("yes"):
        return (await call.context.collect(address)).data


def _nothing(
    document: ImageDocument, answer: Answer, call: ImageCall
) -> ContentBlockedError | InvalidResponseError:
    """No picture in an answer of status 200 means that a filter withheld them."""
    categories = tuple(
        dict.fromkeys(
            name
            for item in document.data
            for name, verdict in (item.content_filter_results or {}).items()
            if isinstance(verdict, dict) and (verdict.get("filtered") or verdict.get("detected"))
        )
    )
    if document.data and not categories:
        message = "The answer holds neither bytes nor an address."
        return call.account.invalid(message, answer, call.context)
    return ContentBlockedError(
        "The provider answered without a picture: its safety filter withheld it. "
        "Change the prompt or the input pictures.",
        stage="output",
        categories=categories,
        provider=call.account.name,
        model=call.context.model,
        status=answer.status,
        request_id=request_id_of(answer.headers),
        billed="maybe",
    )


def image_response(
    call: ImageCall,
    answer: Answer | StreamAnswer,
    images: tuple[Media, ...],
    facts: ImageFacts,
) -> ImageResponse:
    """The response around the pictures; reproducible where a seed was sent and taken."""
    asked = call.request.n or 1
    if len(images) < asked:
        call.notes.other(f"{asked} pictures were asked for, {len(images)} came", "n")
    details = ((name, getattr(facts, name)) for name in _DETAILS)
    sent_seed = call.request.seed if call.seeded else None
    return ImageResponse(
        images=images,
        seed=sent_seed if facts.seed is None else facts.seed,
        provider=call.account.name,
        model=facts.model or call.context.model,
        usage=_usage(facts.usage),
        warnings=call.notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=call.seeded,
        provider_details={name: value for name, value in details if value is not None},
    )


def _usage(usage: ImageUsage | None) -> Usage:
    if usage is None:
        return Usage()
    into, out = usage.input_tokens_details or _Tokens(), usage.output_tokens_details or _Tokens()
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_image_tokens=into.image_tokens,
        output_image_tokens=out.image_tokens,
    )
