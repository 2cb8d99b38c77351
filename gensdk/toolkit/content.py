"""Content codings undone in bounded pieces, so that a decompression bomb stops at the cap."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from gensdk.errors import InvalidResponseError

__all__ = ["ACCEPTED", "Decoder", "decoder_for"]

ACCEPTED = "gzip, deflate"
"""What we tell a server we can read."""

PIECE = 2**18
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_BARE_DEFLATE = -zlib.MAX_WBITS


class Decoder:
    """Undoes gzip, or deflate with or without its zlib header; yields at most 256 KiB at a time.

    Attributes:
        taken: Encoded bytes that what was yielded so far was made of.
    """

    __slots__ = ("_begun", "_engine", "_first", "taken")

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._begun = False
        self._first = b""
        self.taken = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take encoded bytes and yield decoded ones.

        Raises:
            InvalidResponseError: They are not what the header said.
        """
        if not self._begun:  # it takes two bytes to tell whether there is a header
            data = self._first + data
            self._first = data if len(data) < 2 else b""
            data = data if len(data) >= 2 else b""
        while data:
            if self._engine.eof:
                # Another gzip member may follow; padding with zero bytes is tolerated.
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._engine = zlib.decompressobj(_GZIP_OR_ZLIB)
            piece, before = self._decompress(data), len(data)
            data = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
            self.taken += before - len(data)
            if piece:
                yield piece

    def finish(self) -> None:
        """Check that the encoded data was complete.

        Raises:
            InvalidResponseError: It was cut off.
        """
        if self._first or (self._begun and not self._engine.eof):
            raise InvalidResponseError("The provider's compressed answer was cut off.")

    def _decompress(self, data: bytes) -> bytes:
        try:
            piece = self._engine.decompress(data, PIECE)
        except zlib.error as error:
            if self._begun:
                raise _damaged() from error
            self._engine = zlib.decompressobj(_BARE_DEFLATE)
            try:
                piece = self._engine.decompress(data, PIECE)
            except zlib.error as second:
                raise _damaged() from second
        self._begun = True
        return piece


def _damaged() -> InvalidResponseError:
    return InvalidResponseError("The provider's compressed answer cannot be decompressed.")


def decoder_for(coding: str | None) -> Decoder | None:
    """Return the decoder for a ``content-encoding`` header; None where there is nothing to undo.

    Raises:
        InvalidResponseError: A coding we did not offer to read, or several on top of each other.
    """
    codings = [name for part in (coding or "").split(",") if (name := part.strip().lower())]
    codings = [name for name in codings if name != "identity"]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in {"gzip", "x-gzip", "deflate"}:
        raise InvalidResponseError(  # which one is not told: a server may put the key there
            f"The provider compressed its answer in a way that was not asked for ({ACCEPTED} was)."
        )
    return Decoder()
