"""JSON of a request, and base64 to bytes and to floats; strict and fast."""

from __future__ import annotations

import binascii
import sys
from array import array
from collections.abc import Callable
from functools import cache
from math import isfinite

from pydantic_core import PydanticSerializationError, to_json

from gensdk.errors import InvalidRequestError, InvalidResponseError

__all__ = ["decode_base64", "encode_json", "floats_from_base64"]

_FLOAT_BYTES = 4
_HUGE_OR_NOT_FINITE = (b"\x7f", b"\xff")


def encode_json(payload: object, *, provider: str, model: str) -> bytes:
    """Write a request body.

    Raises:
        InvalidRequestError: Something in it cannot be written, such as half of a surrogate pair.
    """
    try:
        return to_json(payload)
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        detail = str(error)
    # Outside the block, so that the cause is not kept: it may hold the prompt.
    raise InvalidRequestError(
        f"the request cannot be written as JSON: {detail}", provider=provider, model=model
    )


@cache
def _decoder() -> Callable[[bytes], bytes]:
    """Return pybase64's decoder where it is installed (30 times faster), else the stdlib's."""
    try:
        from pybase64 import b64decode
    except ImportError:
        return lambda data: binascii.a2b_base64(data, strict_mode=True)
    return lambda data: bytes(b64decode(data, validate=True))


def decode_base64(text: str | bytes) -> bytes:
    """Decode standard base64 with padding; nothing else is tolerated.

    Raises:
        InvalidResponseError: It is not base64.
    """
    try:
        return _decoder()(text.encode("ascii") if isinstance(text, str) else text)
    except ValueError as error:  # binascii.Error and UnicodeError are ValueErrors
        raise InvalidResponseError(
            f"The provider sent {len(text)} characters that are not valid base64."
        ) from error.with_traceback(None)


def floats_from_base64(text: str | bytes) -> array[float]:
    """Decode base64 of little-endian float32 numbers, as embeddings come.

    Raises:
        InvalidResponseError: Not base64, not a whole number of floats, or NaN or infinity
            among them.
    """
    data = decode_base64(text)
    if len(data) % _FLOAT_BYTES:
        raise InvalidResponseError(f"{len(data)} bytes are not a whole number of float32 values.")
    values = array("f")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    # Only numbers from 2**127 up, NaN and infinity have such a top byte, so this scan (a few
    # microseconds) spares looking at each number of an ordinary vector.
    tops = data[_FLOAT_BYTES - 1 :: _FLOAT_BYTES]
    if any(top in tops for top in _HUGE_OR_NOT_FINITE) and not all(map(isfinite, values)):
        raise InvalidResponseError("The provider sent a vector that holds NaN or infinity.")
    return values
