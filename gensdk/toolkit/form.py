"""Multipart forms (RFC 7578), built in one piece."""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass

from gensdk.errors import InvalidRequestError

__all__ = ["Form", "FormFile"]

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""How the HTML standard writes these in names, so that no name can add a header."""


@dataclass(frozen=True)
class FormFile:
    """A file in a form.

    Attributes:
        field: Name of the form field.
        filename: File name told to the server.
        content: The bytes.
        media_type: IANA type.
    """

    field: str
    filename: str
    content: bytes = dataclasses.field(repr=False)
    media_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Form:
    """Fields and files of a ``multipart/form-data`` body, in order; a name may occur twice."""

    fields: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    files: tuple[FormFile, ...] = ()

    def encode(self) -> tuple[str, bytes]:
        """Return the content type, with a fresh random boundary, and the body.

        Raises:
            InvalidRequestError: A field is not text that can be sent, or a media type is none.
        """
        boundary = secrets.token_hex(16)
        pieces: list[bytes] = []
        for name, value in self.fields:
            pieces += [_head(boundary, name), b"\r\n\r\n", _encoded(name, value), b"\r\n"]
        for file in self.files:
            if not (file.media_type.isascii() and file.media_type.isprintable()):
                raise InvalidRequestError(f"{file.media_type!r} is not a media type.")
            # Files may have names outside Unicode; to the server a name is no more than a label.
            label = file.filename.translate(_ESCAPES).encode("utf-8", "replace")
            pieces += [_head(boundary, file.field), b'; filename="', label, b'"\r\nContent-Type: ']
            pieces.append(file.media_type.encode())
            pieces += [b"\r\n\r\n", file.content, b"\r\n"]
        pieces.append(f"--{boundary}--\r\n".encode())
        return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def _head(boundary: str, name: str) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
    return f"--{boundary}\r\n{disposition}".encode()


def _encoded(name: str, value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        message = f"{name!r} holds half of a surrogate pair, which is not text: {error.reason}"
    raise InvalidRequestError(message, param=name)
