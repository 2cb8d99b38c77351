"""Server-sent events from bytes, by the whole grammar of the WHATWG standard.

CR, LF and CRLF end lines, also when a chunk ends between the CR and the LF; comments, ``id`` and
``retry`` are passed over; a byte order mark at the start is dropped; several ``data`` lines make
one event; a block that the stream leaves unfinished is no event.
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from gensdk.errors import ResponseTooLargeError

__all__ = ["MAX_EVENT_BYTES", "SSEEvent", "server_sent_events"]

MAX_EVENT_BYTES = 8 * 2**20
_BOM = b"\xef\xbb\xbf"
_TURN = 1024
"""Events after which other tasks have their turn, though more have come already."""


@dataclass(frozen=True, slots=True)
class SSEEvent:
    """One event.

    Attributes:
        data: The ``data`` lines joined by LF, undecoded.
        event: The event's name; empty where the stream gave none (``message``).
    """

    data: bytes
    event: str = ""


def server_sent_events(
    chunks: AsyncIterator[bytes], *, max_event_bytes: int = MAX_EVENT_BYTES
) -> AsyncIterator[SSEEvent]:
    """Iterate over the events in a stream of bytes, however it is cut into chunks.

    Args:
        chunks: The bytes. Closing their source is left to whoever opened it.
        max_event_bytes: Size at which an event is refused.

    Raises:
        ResponseTooLargeError: While iterating: an event is over the cap.
    """
    return _Events(chunks, _Splitter(max_event_bytes))


class _Events:
    """The iterator. A class, not an async generator: leaving it early leaves nothing to close."""

    __slots__ = ("_chunks", "_given", "_ready", "_splitter")

    def __init__(self, chunks: AsyncIterator[bytes], splitter: _Splitter) -> None:
        self._chunks = aiter(chunks)
        self._splitter = splitter
        self._ready: deque[SSEEvent] = deque()
        self._given = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SSEEvent:
        try:
            while not self._ready:
                self._splitter.refuse_more()
                self._ready.extend(self._splitter.feed(await anext(self._chunks)))
        except BaseException:
            self._splitter.forget()  # the error's traceback would keep it
            raise
        self._given += 1
        if not self._given % _TURN:
            await asyncio.sleep(0)
        return self._ready.popleft()


class _Splitter:
    """Keeps the unfinished block between chunks; the work is linear in the bytes."""

    __slots__ = ("_after_return", "_begun", "_limit", "_over", "_rest")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._over = False
        self._rest = bytearray()
        self._begun = False
        self._after_return = False

    def feed(self, chunk: bytes) -> list[SSEEvent]:
        """Take a chunk and give the events it completes."""
        if self._after_return or b"\r" in chunk:
            chunk = self._line_feeds_only(chunk)
        rest = self._rest
        if not rest and self._begun and chunk.endswith(b"\n\n"):
            return self._events(chunk)
        searched = max(0, len(rest) - 1)
        rest += chunk
        if not self._begun and not self._begin():
            return []
        events: list[SSEEvent] = []
        end = rest.rfind(b"\n\n", searched)
        if end >= 0:
            complete = bytes(memoryview(rest)[:end])
            del rest[: end + 2]
            events = self._events(complete)
        self._over = self._over or len(rest) > self._limit
        return events

    def refuse_more(self) -> None:
        """Raise once an event was over the cap: after those before it were given."""
        if self._over:
            raise ResponseTooLargeError(
                f"The provider sent an event of more than {self._limit} bytes; the stream was cut "
                "off."
            )

    def forget(self) -> None:
        """Drop the unfinished block."""
        self._rest = bytearray()

    def _line_feeds_only(self, chunk: bytes) -> bytes:
        if self._after_return and chunk:
            self._after_return = False
            chunk = chunk.removeprefix(b"\n")
        if chunk:
            self._after_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _begin(self) -> bool:
        """Drop the byte order mark; False while too few bytes are there to tell."""
        if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
            return False
        if self._rest.startswith(_BOM):
            del self._rest[: len(_BOM)]
        self._begun = True
        return True

    def _events(self, blocks: bytes) -> list[SSEEvent]:
        events: list[SSEEvent] = []
        for block in blocks.split(b"\n\n"):
            if len(block) > self._limit:
                self._over = True
                break
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(SSEEvent(block[6:]))
            elif block:
                event = _event_of(block)
                if event is not None:
                    events.append(event)
        return events


def _event_of(block: bytes) -> SSEEvent | None:
    data: list[bytes] = []
    name = b""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    if not data:
        return None
    return SSEEvent(b"\n".join(data), name.decode("utf-8", "replace"))
