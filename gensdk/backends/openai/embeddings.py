"""Vectors over ``/embeddings``.

The wire: ``openai`` 3.52 ``types/embedding_create_params.py``, ``create_embedding_response.py``.
Vectors travel as base64 of little-endian float32 where the server can: the block is put together
from the bytes, and no number becomes a Python object on the way.
"""

from __future__ import annotations

import sys
from array import array
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel

from gensdk.catalog.openai_media import embedding_model
from gensdk.errors import InvalidResponseError
from gensdk.spec import Context
from gensdk.toolkit import MAX_MEDIA_BYTES, OR_NONE, Answer, Notes, decode_base64, merge_extra
from gensdk.types import EmbedRequest, EmbedResponse, Usage, Vectors

from .errors import request_id_of
from .media_wire import parsed
from .options_media import OpenAIEmbedOptions, media_options

if TYPE_CHECKING:
    from .account import Account

__all__ = ["generate", "map_answer", "prepare"]

_FLOAT_BYTES = 4


class _Tokens(BaseModel):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Row(BaseModel):
    embedding: str | list[float]
    index: int | None = None


class _Document(BaseModel):
    data: list[_Row]
    model: Annotated[str | None, OR_NONE] = None
    usage: Annotated[_Tokens | None, OR_NONE] = None


def prepare(
    request: EmbedRequest, account: Account, options: OpenAIEmbedOptions, model: str, notes: Notes
) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: The model cannot give vectors of that length.
    """
    row = embedding_model(model)
    body: dict[str, Any] = {"model": model, "input": request.inputs}
    body["encoding_format"] = options.encoding_format or account.dialect.embedding_encoding
    if request.dimensions is not None:
        if not row.dimensions and request.dimensions != row.max_dimensions:
            notes.refuse("dimensions", f"its vectors always have {row.max_dimensions} numbers")
        if row.max_dimensions is not None and request.dimensions > row.max_dimensions:
            notes.refuse("dimensions", f"its vectors have at most {row.max_dimensions} numbers")
        if row.dimensions:
            body["dimensions"] = request.dimensions
    if request.task is not None:
        notes.drop("task", "it makes the same vectors for every purpose")
    if request.user_id is not None:
        if "user_id" in account.dialect.refuses:
            notes.drop("user_id", "the server takes no user")
        else:
            body["user"] = request.user_id
    return body


async def generate(account: Account, request: EmbedRequest, context: Context) -> EmbedResponse:
    """Turn the texts into vectors, in their order."""
    notes = Notes(account.name, context)
    options = media_options(request, OpenAIEmbedOptions, account, context.model)
    body = prepare(request, account, options, context.model, notes)
    merge_extra(body, request, provider=account.name, model=context.model)
    answer = await account.post(
        "/embeddings", body, context, notes=notes, max_bytes=MAX_MEDIA_BYTES
    )
    return map_answer(answer, request, account, context, notes)


def map_answer(
    answer: Answer, request: EmbedRequest, account: Account, context: Context, notes: Notes
) -> EmbedResponse:
    """The vectors of an answer.

    Raises:
        InvalidResponseError: They are not one for each input, of one length, the length asked
            for, and all finite.
    """
    document = parsed(_Document, answer, account, context)
    try:
        vectors = _vectors(document.data, len(request.inputs))
    except InvalidResponseError as error:
        raise account.invalid(error.message, answer, context) from error.__cause__
    if request.dimensions is not None and vectors.dim != request.dimensions:
        message = f"Vectors of {request.dimensions} numbers were asked for, {vectors.dim} came."
        raise account.invalid(message, answer, context)
    return EmbedResponse(
        vectors=vectors,
        provider=account.name,
        model=document.model or context.model,
        usage=Usage(input_tokens=document.usage.prompt_tokens if document.usage else None),
        warnings=notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=True,
    )


def _vectors(rows: list[_Row], expected: int) -> Vectors:
    if len(rows) != expected:
        raise InvalidResponseError(f"{expected} vectors were expected, {len(rows)} came.")
    indices = [row.index for row in rows]
    if indices != list(range(expected)) and any(index is not None for index in indices):
        by_index = {row.index: row for row in rows}
        if by_index.keys() != set(range(expected)):
            raise InvalidResponseError(f"The vectors are not numbered 0 to {expected - 1}.")
        rows = [by_index[index] for index in range(expected)]
    pieces = [_bytes(row.embedding) for row in rows]
    size = len(pieces[0])
    if not size or size % _FLOAT_BYTES or set(map(len, pieces)) != {size}:
        raise InvalidResponseError("The vectors are empty, cut off, or of different lengths.")
    return Vectors(_block(b"".join(pieces)), size // _FLOAT_BYTES)


def _bytes(embedding: str | list[float]) -> bytes:
    """A vector as little-endian float32; some servers send numbers though base64 was asked for."""
    if isinstance(embedding, str):
        return decode_base64(embedding)
    numbers = array("f", embedding)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _block(data: bytes) -> array[float]:
    block = array("f")
    block.frombytes(data)
    if sys.byteorder == "big":
        block.byteswap()
    # Infinity, NaN and numbers from 2**127 up are the only floats whose top byte is 7F or FF:
    # two scans in C spare a look at every number (0.5 ms against 9 ms for 400 000).
    tops = data[_FLOAT_BYTES - 1 :: _FLOAT_BYTES]
    if (b"\x7f" in tops or b"\xff" in tops) and not all(map(isfinite, block)):
        raise InvalidResponseError("The vectors hold NaN or infinity.")
    return block
