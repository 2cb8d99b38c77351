"""What the conformance tests of the hosted backends share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tests.support.server import Handler, LoopbackServer, RecordedRequest, Reply

__all__ = ["by_asking", "sent_to", "wire_of"]

_UNCOMPARED = frozenset({"content-length", "content-type", "host"})


def sent_to(server: LoopbackServer, *methods: str) -> list[object]:
    """What came, in a form that equal requests share; of these methods, or of all."""
    return [_asked(one) for one in server.requests if not methods or one.method in methods]


def _asked(request: RecordedRequest) -> object:
    headers = {name: value for name, value in request.headers.items() if name not in _UNCOMPARED}
    _, found, boundary = request.headers.get("content-type", "").partition("boundary=")
    body = request.body.replace(boundary.encode(), b"") if found else request.body
    return request.method, request.target, headers, body


def wire_of(events: Iterable[tuple[str | None, Any]]) -> bytes:
    """Events as they go over the wire."""
    lines = (
        (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"
        for name, data in events
    )
    return "".join(lines).encode()


def by_asking(plain: Handler, streamed: Sequence[tuple[str | None, Any]], done: bool) -> Handler:
    """Answer with a stream where the body asks for one."""

    async def handler(request: RecordedRequest, reply: Reply) -> None:
        if request.json().get("stream"):
            await reply.sse(streamed, done=done)
        else:
            await plain(request, reply)

    return handler
