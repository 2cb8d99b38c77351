"""Vectors over ``/v1/embeddings``: base64 of signed bytes, or of single bits.

The wire: ``perplexityai`` 0.46.1 ``types/embedding_create_params.py`` and
``types/shared/embedding_object.py``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gensdk.errors import InvalidResponseError
from gensdk.spec import Context
from gensdk.toolkit import (
    MAX_MEDIA_BYTES,
    Notes,
    decode_base64,
    merge_extra,
    request_id_of,
    vendor_options,
)
from gensdk.types import Cost, EmbedRequest, EmbedResponse, Usage, Vectors

from .options import PerplexityEmbedOptions

if TYPE_CHECKING:
    from gensdk.backends.openai.account import Account

__all__ = ["MAX_INPUTS", "generate", "prepare"]

MAX_INPUTS = 512
_LARGEST = {"pplx-embed-v1-0.6b": 1024, "pplx-embed-v1-4b": 2560}
_SMALLEST = 128
_BITS = 8


class _Cost(BaseModel):
    total_cost: float | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    cost: _Cost | None = None


class _Row(BaseModel):
    embedding: str
    index: int


class _Document(BaseModel):
    data: list[_Row]
    model: str | None = None
    usage: _Usage | None = None


def prepare(
    request: EmbedRequest, options: PerplexityEmbedOptions, model: str, notes: Notes
) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: The model cannot give vectors of that length.
    """
    body: dict[str, Any] = {
        "model": model,
        "input": request.inputs,
        "encoding_format": options.encoding_format,
    }
    if request.dimensions is not None:
        largest = _LARGEST.get(model)
        if largest is not None and not _SMALLEST <= request.dimensions <= largest:
            notes.refuse("dimensions", f"its vectors have {_SMALLEST} to {largest} numbers")
        body["dimensions"] = request.dimensions
    if request.task is not None:
        notes.drop("task", "it makes the same vectors for every purpose")
    if request.user_id is not None:
        notes.drop("user_id", "the API has no such field")
    return body


async def generate(account: Account, request: EmbedRequest, context: Context) -> EmbedResponse:
    """Turn the texts into vectors, in their order."""
    notes = Notes(account.name, context)
    options = vendor_options(
        request,
        PerplexityEmbedOptions,
        provider=account.name,
        vendor=account.dialect.name,
        model=context.model,
    )
    body = prepare(request, options, context.model, notes)
    merge_extra(body, request, provider=account.name, model=context.model)
    answer = await account.post(
        "/v1/embeddings", body, context, notes=notes, max_bytes=MAX_MEDIA_BYTES
    )
    document = account.parsed(_Document, answer, context)
    try:
        vectors = _vectors(document.data, len(request.inputs), options.encoding_format)
    except InvalidResponseError as error:
        raise account.invalid(error.message, answer, context) from error.__cause__
    if request.dimensions is not None and vectors.dim != request.dimensions:
        message = f"Vectors of {request.dimensions} numbers were asked for, {vectors.dim} came."
        raise account.invalid(message, answer, context)
    usage = document.usage or _Usage()
    stated = usage.cost.total_cost if usage.cost else None
    return EmbedResponse(
        vectors=vectors,
        provider=account.name,
        model=document.model or context.model,
        usage=Usage(input_tokens=usage.prompt_tokens),
        cost=None
        if stated is None
        else Cost.model_validate({"amount": str(stated), "source": "provider", "estimated": False}),
        warnings=notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=True,
    )


def _vectors(rows: list[_Row], expected: int, encoding: str) -> Vectors:
    by_index = {row.index: row.embedding for row in rows}
    if len(rows) != expected or by_index.keys() != set(range(expected)):
        raise InvalidResponseError(f"{expected} vectors were expected, others came.")
    read = _bits if encoding == "base64_binary" else _signed
    pieces = [list(read(decode_base64(by_index[index]))) for index in range(expected)]
    if not pieces[0] or any(len(piece) != len(pieces[0]) for piece in pieces):
        raise InvalidResponseError("The vectors are empty or of different lengths.")
    return Vectors(array("f", (value for piece in pieces for value in piece)), len(pieces[0]))


def _signed(data: bytes) -> Iterable[int]:
    return array("b", data)


def _bits(data: bytes) -> Iterable[int]:
    """One number for each bit, the first in the highest place."""
    return (1 if byte >> place & 1 else -1 for byte in data for place in range(_BITS - 1, -1, -1))
