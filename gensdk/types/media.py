"""Media: bytes with a sniffed type. A ``str`` is never taken for a path or a URL."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from errno import EEXIST, ENOENT
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from .base import Base64Bytes, Text, Value

__all__ = ["EXTENSIONS", "URL", "Media", "MediaKind", "sniff"]

MediaKind = Literal["image", "audio", "video", "document", "other"]

_SCHEME = re.compile("[a-z][a-z0-9+.-]*:", re.IGNORECASE)

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
    "video/quicktime": "mov",
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
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"%PDF-", "application/pdf"),
)
_UNKNOWN = "application/octet-stream"
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9][\w!#$&^.+-]*/[A-Za-z0-9][\w!#$&^.+-]*(;[ \w=.+-]*)*\Z", re.ASCII
)
_FTYP_BRANDS: dict[bytes, str] = {
    b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"avif": "image/avif", b"avis": "image/avif",
    b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
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
    if data[:2] == b"BM" and data[6:10] == bytes(4):
        return "image/bmp"
    if data[:3] == b"ID3" and data[3:5] < b"\x10":
        return "audio/mpeg"
    return _sniff_frames(data[:3]) or _sniff_text(data[:256].lstrip().lower())


def _sniff_frames(head: bytes) -> str | None:
    """A bare frame of AAC (ADTS) or MPEG audio layer II or III, by the fields of its header.

    Layer I, which nobody sends, looks like a UTF-16 mark or like quiet PCM.
    """
    if len(head) < 3 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    version, layer, bitrate, rate = (
        head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    )  # fmt: skip
    framed = head[1] & 0xE0 == 0xE0 and version != 1 and layer in {1, 2}
    return "audio/mpeg" if framed and 0 < bitrate < 15 and rate != 3 else None


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

    url: Text

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

    data: Base64Bytes = Field(repr=False)
    media_type: Text = _UNKNOWN
    name: Text | None = None
    sample_rate: int | None = None

    @field_validator("name", mode="before")
    @classmethod
    def _sendable_name(cls, value: Any) -> Any:
        """A file's name may hold bytes that are no UTF-8; they are shown as ``?``."""
        return value.encode(errors="replace").decode() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _trust_the_bytes(self) -> Self:
        declared = self.media_type if _MEDIA_TYPE.match(self.media_type) else _UNKNOWN
        found = sniff(self.data)
        if found is None or _cannot_tell(found, declared, self.data):
            found = declared
        if found != self.media_type:
            object.__setattr__(self, "media_type", found)
        return self

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file (blocking). Raises ``OSError`` as ``open`` does."""
        file = Path(path)
        by_suffix = {ext: media_type for media_type, ext in reversed(EXTENSIONS.items())}
        declared = by_suffix.get(file.suffix.lower().lstrip("."), _UNKNOWN)
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

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; its hash is its own."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("sha256", None)
        return copy

    @property
    def extension(self) -> str:
        """File extension that fits the media type, without the dot."""
        return EXTENSIONS.get(self.media_type, "bin")

    @property
    def filename(self) -> str:
        """The last part of the given name, or a name made from hash and type.

        Never taken from a provider, and never a path.
        """
        name = re.split(r"[/\\\0]", self.name or "")[-1].strip()
        if name.strip(". "):
            return name
        return f"{self.kind}-{self.sha256[:12]}.{self.extension}"

    def base64(self) -> str:
        """The bytes as standard base64 text."""
        return base64.b64encode(self.data).decode("ascii")

    def data_uri(self) -> str:
        """The bytes as a ``data:`` URI."""
        return f"data:{self.media_type};base64,{self.base64()}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the bytes as they are and return the path.

        The file appears whole or not at all: a temporary neighbour is written, flushed and moved
        into place. In a folder it gets ``filename``. A symbolic link at the path is replaced,
        not followed.

        Raises:
            FileExistsError: A device, a pipe or a socket is there; it is left alone.
            OSError: As ``open`` does.
        """
        target = Path(path)
        if target.is_dir():
            target = target / self.filename
        if target.exists() and not target.is_file():
            raise FileExistsError(EEXIST, "not a regular file", str(target))
        if not target.parent.exists():
            raise FileNotFoundError(ENOENT, "there is no such folder", str(target.parent))
        draft = target.with_name(f".{secrets.token_hex(8)}.part")
        file = draft.open("xb")
        try:
            with file:
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
        uri = escape(self.data_uri())
        shown = {
            "image": f'<img src="{uri}" style="max-width:100%">',
            "audio": f'<audio controls src="{uri}"></audio>',
            "video": f'<video controls src="{uri}" style="max-width:100%"></video>',
        }.get(self.kind)
        return {"text/plain": repr(self), "text/html": shown or escape(repr(self))}


def _cannot_tell(sniffed: str, declared: str, data: bytes) -> bool:
    """Whether the bytes cannot tell the two apart.

    So it is with webm or mp4 with sound only, opus in ogg, and raw samples that happen to begin
    like a frame of MPEG audio.
    """
    if declared.startswith("audio/pcm"):
        return sniffed == _sniff_frames(data[:3])
    same: dict[str, frozenset[str]] = {
        "video/webm": frozenset({"audio/webm"}),
        "video/mp4": frozenset({"audio/mp4"}),
        "audio/opus": frozenset({"audio/ogg"}),
    }
    return declared in same.get(sniffed, frozenset())


def no_media(value: object) -> str | None:
    """What to write in place of something that is often taken for media; None for the rest."""
    if isinstance(value, str):
        shown = repr(value) if len(value) <= 60 else "..."
        if value.startswith(("https://", "http://", "data:")):
            return f"a str is text, never an address; write URL({shown})"
        return f"a str is text, never a file; write Path({shown}) or URL('https://...')"
    if isinstance(value, Path):
        return f"the client's verbs read a Path; here write Media.read({str(value)!r})"
    if isinstance(value, bytes | bytearray | memoryview):
        return "the client's verbs take bytes; here write Media(data=...)"
    return None


def _as_media(value: Any) -> Any:
    """Say what to write, before the types are tried one by one."""
    said = no_media(value)
    if said is not None:
        raise ValueError(said)
    if not isinstance(value, Media | URL | dict):
        raise ValueError(f"give Media or URL(...), not {type(value).__name__}")
    return value


def _not_empty(value: Media | URL) -> Media | URL:
    if is_empty(value):
        raise ValueError("it is empty")
    if said := no_address(value):
        raise ValueError(said)
    return value


def is_empty(value: object) -> bool:
    """Whether media hold no bytes, or an address is blank."""
    if isinstance(value, URL):
        return not value.url.strip()
    return isinstance(value, Media) and not value.data


def no_address(value: object) -> str | None:
    """What to write in place of a ``URL`` that names no scheme; None for the rest."""
    if not isinstance(value, URL) or _SCHEME.match(value.url.strip()):
        return None
    shown = repr(value.url) if len(value.url) <= 60 else "..."
    return f"URL({shown}) is no address; write URL('https://...'), or Path({shown}) for a file"


def _as_several(value: Any) -> Any:
    return (value,) if isinstance(value, Media | URL) or no_media(value) else value


MediaIn = Annotated[Media | URL, BeforeValidator(_as_media), AfterValidator(_not_empty)]
"""Media or an address on the way in; mistakes are answered with what to write."""

OwnMedia = Annotated[Media, BeforeValidator(_as_media), AfterValidator(_not_empty)]
"""Media on the way in, where no address will do."""

MediasIn = Annotated[tuple[MediaIn, ...], BeforeValidator(_as_several)]
"""Several of them; a single one is taken too."""
