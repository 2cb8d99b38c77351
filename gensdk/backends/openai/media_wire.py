"""What pictures and sound have in common on the wire: files in, JSON or bytes out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from gensdk.errors import InvalidRequestError, RequestTooLargeError
from gensdk.spec import Context
from gensdk.toolkit import (
    Answer,
    FormFile,
    Notes,
    StreamAnswer,
    first_problem,
    json_in,
    picture_problem,
)
from gensdk.types import URL, Media, sniff

if TYPE_CHECKING:
    from .account import Account

__all__ = [
    "decoded",
    "fetched",
    "form_file",
    "kept",
    "not_media",
    "parsed",
    "picture",
    "read_or_none",
]


_JSON_START = re.compile(rb"\s*\{\s*\"[a-z_]+\"\s*:")

ModelT = TypeVar("ModelT", bound=BaseModel)


def parsed(kind: type[ModelT], answer: Answer, account: Account, context: Context) -> ModelT:
    """Read a JSON answer.

    Raises:
        InvalidResponseError: It is no JSON, or lacks what a result must have.
        GenSDKError: It holds an error object in spite of its status.
    """
    try:
        return kind.model_validate_json(answer.body)
    except ValidationError as error:
        problem = first_problem(error, "the answer")
    # Outside the block, so that the cause is not kept: it quotes the answer.
    _raise_if_error(answer.body, account, context, answer)
    raise account.invalid(f"The answer cannot be read: {problem}.", answer, context)


def read_or_none(kind: type[ModelT], data: bytes) -> ModelT | None:
    """Read one event of a stream; None where it cannot be read."""
    try:
        return kind.model_validate_json(data)
    except ValidationError:
        return None


def _raise_if_error(
    body: bytes, account: Account, context: Context, answer: Answer | StreamAnswer
) -> None:
    document = json_in(body)
    if isinstance(document, dict) and document.get("error"):
        raise account.error_inside(document, context, answer.headers)


def not_media(
    head: bytes, answer: Answer | StreamAnswer, account: Account, context: Context, wanted: str
) -> None:
    """Refuse a document where sound was expected, by its declared type or its first bytes.

    Args:
        head: The whole body, or the first piece of a stream.
        answer: The answer, for its headers.
        account: Account that asked.
        context: Attempt.
        wanted: What was expected, for the message.

    Raises:
        InvalidResponseError: It is empty, a web page, or JSON.
        GenSDKError: It is JSON that holds an error object.
    """
    if not head:
        raise account.invalid(f"The answer is empty; {wanted} was expected.", answer, context)
    declared = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    json = _JSON_START.match(head) is not None
    if json:
        _raise_if_error(head, account, context, answer)
    document = declared.startswith("text/") or declared.endswith(("json", "xml"))
    if document or json or sniff(head) == "text/html":
        what = declared if document else "a document"
        raise account.invalid(f"The answer is {what}; {wanted} was expected.", answer, context)


def decoded(text: str, answer: Answer | StreamAnswer, account: Account, context: Context) -> bytes:
    """Decode base64, with or without a ``data:`` prefix.

    Raises:
        InvalidResponseError: It is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    return account.decoded(text, answer, context)


def picture(
    data: bytes,
    answer: Answer | StreamAnswer,
    account: Account,
    context: Context,
    declared: str | None = None,
) -> Media:
    """Bytes as a picture; the bytes decide, except for an SVG with a long preamble.

    Raises:
        InvalidResponseError: They are no picture, half of one, or one that would unfold to more
            pixels than anybody wants.
    """
    svg = declared == "svg" and b"<svg" in data[:8192]
    media = Media(data=data, media_type="image/svg+xml" if svg else "application/octet-stream")
    if media.kind != "image":
        message = f"The answer holds {media.media_type} where a picture was expected."
        raise account.invalid(message, answer, context)
    problem = picture_problem(data, media.media_type)
    if problem is not None:
        raise account.invalid(f"The picture in the answer {problem}.", answer, context)
    return media


def kept(parameter: str, body: Mapping[str, object], notes: Notes) -> bool:
    """Whether a preference was sent, and the server did not refuse it on the way."""
    return parameter in body and not any(
        note.parameter == parameter and note.kind == "unsupported" for note in notes.warnings
    )


async def fetched(items: Sequence[Media | URL], context: Context) -> tuple[Media, ...]:
    """The media themselves; addresses are downloaded side by side by the guarded downloader."""
    if not any(isinstance(item, URL) for item in items):
        return tuple(item for item in items if isinstance(item, Media))
    tasks = [asyncio.create_task(_fetch(item, context)) for item in items]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:  # by hand: before Python 3.13 a TaskGroup leaves its caller marked as cancelled
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _fetch(item: Media | URL, context: Context) -> Media:
    return item if isinstance(item, Media) else await context.fetch(item)


def form_file(
    field: str, media: Media, allowed: Sequence[str], limit: int, *, provider: str, model: str
) -> FormFile:
    """A picture as a file of a form.

    Args:
        field: Name of the form field.
        media: The picture.
        allowed: Media types the API takes.
        limit: Bytes it must stay below.
        provider: Name of the account, for errors.
        model: Model asked, for errors.

    Raises:
        InvalidRequestError: It is of a type the API does not take.
        RequestTooLargeError: It is larger than the API takes.
    """
    name = field.removesuffix("[]")
    if media.media_type not in allowed:
        raise InvalidRequestError(
            f"{name} is {media.media_type}; the API takes {', '.join(allowed)}",
            provider=provider,
            model=model,
            param=name,
        )
    if len(media.data) >= limit:
        raise RequestTooLargeError(
            f"{name} has {len(media.data)} bytes; the API takes less than {limit}",
            provider=provider,
            model=model,
            param=name,
        )
    return FormFile(field, media.filename, media.data, media.media_type)
