"""Answers that come in another form than was asked for, as some servers' do."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gensdk.toolkit import Answer, SSEEvent, server_sent_events

__all__ = ["events_in", "is_event_stream"]


def is_event_stream(answer: Answer) -> bool:
    """Whether a plain call was answered with an event stream, which some servers do unasked."""
    if "event-stream" in answer.headers.get("content-type", ""):
        return True
    return answer.body[:64].lstrip().startswith((b"data:", b"event:"))


def events_in(answer: Answer) -> AsyncIterator[SSEEvent]:
    """The events of a body that is an event stream."""
    return server_sent_events(_once(answer.body))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    # The blank line ends an event that the server left open at the end of its body.
    yield body + b"\n\n"
