"""Media: bytes with a sniffed type. A ``str`` is never taken for a path or a URL."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from .base import Value

__all__ = ["EXTENSIONS", "URL", "Media", "MediaKind", "sniff"]

MediaKind = Literal["image", "audio", "video", "document", "other"]

EXTENSIONS: dict[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/svg+xml": "svg",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/avif": "avif",
    "image/heic": "heic",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
    "audio/pcm": "pcm",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "application/pdf": "pdf",
    "application/json": "json",
    "text/plain": "txt",
    "text/html": "html",
}
"""File extension by media type, for names that gensdk makes itself."""

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"%PDF-", "application/pdf"),
)
_FTYP_BRANDS: dict[bytes, str] = {
    b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"avif": "image/avif", b"avis": "image/avif",
    b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heic",
}  # fmt: skip


def sniff(data: bytes) -> str | None:
    """Tell the media type from the first bytes; None where they say nothing.

    The declared type of a provider's answer is not believed; these bytes are.
    """
    for prefix, media_type in _PREFIXES:
        if data.startswith(prefix):
            return media_type
    if data[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _FTYP_BRANDS.get(data[8:12], "video/mp4")
    if data[:4] == b"OggS":
        return "audio/opus" if b"OpusHead" in data[:64] else "audio/ogg"
    if len(data) > 1 and data[0] == 0xFF:
        if data[1] & 0xF6 == 0xF0:
            return "audio/aac"
        if data[1] & 0xE0 == 0xE0:
            return "audio/mpeg"
    return _sniff_text(data[:256].lstrip().lower())


def _sniff_text(head: bytes) -> str | None:
    if head.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return "image/svg+xml"
    return None


@dataclass(frozen=True)
class URL:
    """A web address given on purpose; a bare ``str`` is always text.

    It is handed to the provider as it is where the provider fetches by itself, else fetched by
    the guarded downloader (https, public addresses, capped size).
    """

    url: str

    def __str__(self) -> str:
        """Return the address."""
        return self.url


class Media(Value):
    """Bytes with a type: a picture, a sound, a document.

    Attributes:
        data: The bytes exactly as they came; they are never re-encoded.
        media_type: IANA type, sniffed from the bytes; the given one counts only where the
            bytes say nothing (raw PCM, text).
        name: File name to tell a provider, where one was given.
        sample_rate: Samples per second, for raw PCM audio.
    """

    data: bytes = Field(repr=False)
    media_type: str = "application/octet-stream"
    name: str | None = None
    sample_rate: int | None = None

    @model_validator(mode="after")
    def _trust_the_bytes(self) -> Self:
        found = sniff(self.data)
        if (
            found is not None
            and found != self.media_type
            and not _same_container(found, self.media_type)
        ):
            object.__setattr__(self, "media_type", found)
        return self

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file (blocking). Raises ``OSError`` as ``open`` does."""
        file = Path(path)
        by_suffix = {ext: media_type for media_type, ext in reversed(EXTENSIONS.items())}
        declared = by_suffix.get(file.suffix.lower().lstrip("."), "application/octet-stream")
        return cls(data=file.read_bytes(), media_type=declared, name=file.name)

    @property
    def kind(self) -> MediaKind:
        """Broad class of the media type."""
        family = self.media_type.partition("/")[0]
        if family in {"image", "audio", "video"}:
            return family  # type: ignore[return-value]  # narrowed by the test above
        return "document" if family in {"text", "application"} else "other"

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def extension(self) -> str:
        """File extension that fits the media type, without the dot."""
        return EXTENSIONS.get(self.media_type, "bin")

    @property
    def filename(self) -> str:
        """The given name, or one made from hash and type. Never taken from a provider."""
        return self.name or f"{self.kind}-{self.sha256[:12]}.{self.extension}"

    def base64(self) -> str:
        """The bytes as standard base64 text."""
        return base64.b64encode(self.data).decode("ascii")

    def data_uri(self) -> str:
        """The bytes as a ``data:`` URI."""
        return f"data:{self.media_type};base64,{self.base64()}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the bytes as they are and return the path.

        The file appears whole or not at all: a temporary neighbour is written, flushed and moved
        into place. A folder as path gets a name made from the hash.
        """
        target = Path(path)
        if target.is_dir():
            target = target / self.filename
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with draft.open("xb") as file:
                file.write(self.data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return target

    def __len__(self) -> int:
        """Size in bytes."""
        return len(self.data)

    def __repr__(self) -> str:
        """Show type and size, never the bytes."""
        return f"Media({self.media_type}, {len(self.data)} bytes)"

    __str__ = __repr__

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Show itself in a notebook."""
        uri = self.data_uri()
        shown = {
            "image": f'<img src="{uri}" style="max-width:100%">',
            "audio": f'<audio controls src="{uri}"></audio>',
            "video": f'<video controls src="{uri}" style="max-width:100%"></video>',
        }.get(self.kind)
        return {"text/plain": repr(self), "text/html": shown or escape(repr(self))}


def _same_container(sniffed: str, declared: str) -> bool:
    """Whether the bytes cannot tell the two apart (webm or mp4 with sound only, opus in ogg)."""
    same: dict[str, frozenset[str]] = {
        "video/webm": frozenset({"audio/webm"}),
        "video/mp4": frozenset({"audio/mp4"}),
        "audio/opus": frozenset({"audio/ogg"}),
    }
    return declared in same.get(sniffed, frozenset())
