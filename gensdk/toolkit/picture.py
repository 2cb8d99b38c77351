"""What a picture's own header says, read without decoding it: its size, and whether it is whole.

A decoder unfolds a picture of a few bytes to whatever its header promises. So that header is read
first, of the formats that providers send; of others nothing is known and nothing is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["MAX_PIXELS", "picture_problem", "picture_size"]

MAX_PIXELS = 100_000_000
"""Pixels of the largest picture that is taken: ten times what any model draws."""

Size = tuple[int, int]

_PNG_SIGNATURE = 8
_CHUNK_FRAME = 12
"""Length, name and checksum around each chunk of a PNG."""
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a JPEG frame (ITU T.81, table B.1); the three left out are no frames."""
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xDA)})
"""Markers without a length (there, B.1.1.3)."""


def picture_problem(data: bytes, media_type: str) -> str | None:
    """Say why a picture must not be taken; None where nothing speaks against it.

    Args:
        data: The whole file.
        media_type: What the bytes were sniffed to be.
    """
    whole = _WHOLE.get(media_type)
    if whole is not None and not whole(data):
        return "is cut off or damaged"
    size = picture_size(data, media_type)
    if size is None:
        return None
    width, height = size
    if not width or not height:
        return "has no pixels"
    if width * height > MAX_PIXELS:
        return f"claims to be {width} x {height} pixels, more than {MAX_PIXELS}"
    return None


def picture_size(data: bytes, media_type: str) -> Size | None:
    """Width and height in pixels as the header states them; None where it cannot be read."""
    read = _SIZES.get(media_type)
    return read(data) if read is not None else None


def _png(data: bytes) -> Size | None:
    if len(data) < 24 or data[12:16] != b"IHDR":
        return None
    return _big(data, 16, 4), _big(data, 20, 4)


def _png_is_whole(data: bytes) -> bool:
    """Whether the chunks lead from ``IHDR`` to ``IEND`` within the file."""
    if data[12:16] != b"IHDR":
        return False
    at = _PNG_SIGNATURE
    while at + _CHUNK_FRAME <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += _big(data, at, 4) + _CHUNK_FRAME
    return False


def _gif(data: bytes) -> Size | None:
    return (_little(data, 6, 2), _little(data, 8, 2)) if len(data) >= 10 else None


def _bmp(data: bytes) -> Size | None:
    if len(data) < 26:
        return None
    if _little(data, 14, 4) == 12:  # the oldest header
        return _little(data, 18, 2), _little(data, 20, 2)
    height = _little(data, 22, 4)
    return _little(data, 18, 4), min(height, 2**32 - height)  # negative: drawn from the top


def _jpeg(data: bytes) -> Size | None:
    """Walk the segments to the frame; fill bytes before a marker are passed over."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            return _big(data, at + 7, 2), _big(data, at + 5, 2)
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        else:
            at += 2 + max(2, _big(data, at + 2, 2))
    return None


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if len(data) < 30:
        return None
    if kind == b"VP8X":
        return _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
    if kind == b"VP8L":
        bits = _little(data, 21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
    return None


def _webp_is_whole(data: bytes) -> bool:
    return _little(data, 4, 4) + 8 <= len(data)


def _heif(data: bytes) -> Size | None:
    """The largest ``ispe`` property (ISO/IEC 23008-12, 6.5.3), wherever its box stands."""
    sizes = [
        (int.from_bytes(width, "big"), int.from_bytes(height, "big"))
        for width, height in _ISPE.findall(data[:_HEIF_HEAD])
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


_ISPE = re.compile(rb"ispe(?=.{4}(.{4})(.{4}))", re.DOTALL)
"""The property's name, its version and flags, its sides; one may begin within another."""
_HEIF_HEAD = 2**16
"""Behind it these four letters may be part of the drawing."""


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


_SIZES: dict[str, Callable[[bytes], Size | None]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/avif": _heif,
    "image/heic": _heif,
}
_WHOLE: dict[str, Callable[[bytes], bool]] = {
    "image/png": _png_is_whole,
    "image/webp": _webp_is_whole,
}
