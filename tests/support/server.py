"""A tiny HTTP/1.1 server on loopback that says exactly what a test tells it to.

Use::

    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", answer_json({"id": "r1"}))

        async def handler(request: RecordedRequest, reply: Reply) -> None:
            assert request.json()["model"] == "m"          # fails the test when it fails here
            await reply.sse([("response.created", {"a": 1}), (None, {"b": 2})], done=True)

        server.on("POST", "/v1/chat", handler)
        ... call the client with base_url=server.url + "/v1" ...
        assert server.requests[0].headers["authorization"] == "Bearer k"
        await server.closed_by_client()                    # the client let go of its connection

Several handlers for one route answer in turn, the last one goes on answering. What a handler
raises (``ConnectionError`` aside: the client has left) fails the test at the end of the ``async
with`` block. Everything is bounded in count, size and time; nothing sleeps: to drip, wait for an
``asyncio.Event`` of the test between two ``reply.chunk`` calls.
"""

from __future__ import annotations

import asyncio
import builtins
import json
import socket
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = [
    "FormPart",
    "Handler",
    "LoopbackServer",
    "RecordedRequest",
    "Reply",
    "answer_bytes",
    "answer_error",
    "answer_json",
    "answer_sse",
]

MAX_BODY = 64 * 2**20
MAX_REQUESTS = 20_000


@dataclass(frozen=True)
class FormPart:
    """One part of a multipart body."""

    name: str
    filename: str | None
    content_type: str
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


@dataclass(frozen=True)
class RecordedRequest:
    """What the client sent. Header names are lower-case; ``connection`` counts connections."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int
    target: str

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> list[FormPart]:
        """Parse a multipart body."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = message_from_bytes(head + self.body, policy=policy.HTTP)
        return [
            FormPart(
                str(part.get_param("name", header="content-disposition")),
                part.get_filename(),
                part.get_content_type(),
                bytes(part.get_payload(decode=True) or b""),
            )
            for part in message.iter_parts()
        ]


class Reply:
    """The answer to one request: whole (``json``, ``bytes``, ``sse``, ``error``) or in pieces."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._chunked = False
        self.started = False
        self.ended = False
        self.close_after = False
        """Close the connection after this answer without having announced it."""

    async def json(
        self, obj: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a JSON document."""
        await self.bytes(json.dumps(obj).encode(), "application/json", status, headers)

    async def error(
        self, status: int, body: object, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a failure: a ``str`` as text, ``bytes`` as HTML, anything else as JSON."""
        if isinstance(body, str):
            await self.bytes(body.encode(), "text/plain", status, headers)
        elif isinstance(body, bytes):
            await self.bytes(body, "text/html", status, headers)
        else:
            await self.json(body, status, headers)

    async def bytes(
        self,
        data: bytes,
        content_type: str = "application/octet-stream",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a body of known length."""
        given = {"content-type": content_type, "content-length": str(len(data))}
        await self.start(status, given | dict(headers or {}), chunked=False)
        await self.raw(data)
        self.ended = True

    async def sse(
        self,
        events: Iterable[tuple[str | None, object]],
        done: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole event stream; ``done`` adds ``data: [DONE]``."""
        await self.start(200, {"content-type": "text/event-stream"} | dict(headers or {}))
        for name, data in events:
            await self.event(data, name)
        if done:
            await self.event("[DONE]")
        await self.end()

    async def event(self, data: object, name: str | None = None) -> None:
        """Send one server-sent event (after ``start``); a ``str`` goes as it is."""
        text = data if isinstance(data, str) else json.dumps(data)
        await self.chunk(
            (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()
        )

    async def start(
        self,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        chunked: bool = True,
    ) -> None:
        """Send status and headers; a chunked body unless the headers give a length."""
        given = {name.lower(): value for name, value in (headers or {}).items()}
        self._chunked = chunked and "content-length" not in given
        if self._chunked:
            given["transfer-encoding"] = "chunked"
        if given.get("connection", "").lower() == "close":
            self.close_after = True
        try:
            reason = HTTPStatus(status).phrase
        except ValueError:
            reason = "Unknown"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{k}: {v}" for k, v in given.items())]
        self.started = True
        await self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def chunk(self, data: builtins.bytes | str) -> None:
        """Send a piece of the body."""
        data = data.encode() if isinstance(data, str) else data
        if self._chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        await self.raw(data)

    async def end(self) -> None:
        """Finish a body that was started."""
        if self._chunked:
            await self.raw(b"0\r\n\r\n")
        self.ended = True

    async def raw(self, data: builtins.bytes) -> None:
        """Write bytes as they are, framing included."""
        self._connection.write(data)
        await self._connection.drain()

    def abort(self) -> None:
        """Reset the connection (RST) now."""
        self.ended = True
        self._connection.reset()

    def close(self) -> None:
        """Close the connection now (FIN), wherever the answer stands."""
        self.ended = True
        self._connection.close()


Handler = Callable[[RecordedRequest, Reply], Awaitable[None]]


def answer_json(
    obj: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Handler:
    """A handler that sends this JSON document."""

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.json(obj, status, headers)

    return handler


def answer_bytes(
    data: bytes,
    content_type: str = "application/octet-stream",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Handler:
    """A handler that sends this body."""

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.bytes(data, content_type, status, headers)

    return handler


def answer_sse(
    events: Iterable[tuple[str | None, object]],
    done: bool = True,
    headers: Mapping[str, str] | None = None,
) -> Handler:
    """A handler that sends this event stream."""
    kept = list(events)

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.sse(kept, done, headers)

    return handler


def answer_error(status: int, body: object, headers: Mapping[str, str] | None = None) -> Handler:
    """A handler that sends this failure."""

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.error(status, body, headers)

    return handler


@dataclass
class _Route:
    handlers: list[Handler]
    used: int = 0

    def next(self) -> Handler:
        handler = self.handlers[min(self.used, len(self.handlers) - 1)]
        self.used += 1
        return handler


class _Connection(asyncio.StreamReaderProtocol):
    """One connection; tells the server when the client lets go of it."""

    def __init__(self, server: LoopbackServer, number: int) -> None:
        self.number = number
        self.busy = False
        self.closed_here = False
        self.gone = False
        self._server = server
        self.reader = asyncio.StreamReader(limit=2**20)
        self.writer: asyncio.StreamWriter | None = None
        super().__init__(self.reader, self._connected)

    async def _connected(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        await self._server.serve(self)

    def write(self, data: bytes) -> None:
        if self.writer is None or self.writer.is_closing():
            raise ConnectionResetError("the connection is closed")
        self.writer.write(data)

    async def drain(self) -> None:
        if self.writer is not None:
            await self.writer.drain()

    def eof_received(self) -> bool:
        self._note_gone()
        return bool(super().eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self._note_gone()
        super().connection_lost(exc)

    def close(self) -> None:
        self.closed_here = True
        if self.writer is not None:
            self.writer.close()

    def reset(self) -> None:
        self.closed_here = True
        if self.writer is None:
            return
        sock = self.writer.get_extra_info("socket")
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    def _note_gone(self) -> None:
        if not self.gone:
            self.gone = True
            if not self.closed_here:
                self._server.note_closed_by_client()


@dataclass
class LoopbackServer:
    """See the module's docstring.

    Attributes:
        limit_s: Seconds a handler may take, and ``closed_by_client`` may wait.
        ssl: Server TLS context; the URL is then ``https``.
        requests: What came, oldest first.
        connections: Connections accepted so far.
        open_connections: Connections open now.
    """

    limit_s: float = 20.0
    ssl: ssl_module.SSLContext | None = None
    requests: list[RecordedRequest] = field(default_factory=list, repr=False)
    connections: int = 0
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        self._routes: dict[tuple[str, str], _Route] = {}
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed_by_client = 0
        self._changed = asyncio.Event()
        self._errors: list[Exception] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Origin without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.ssl else 'http'}://{host}:{self.port}"

    @property
    def open_connections(self) -> int:
        return sum(not connection.gone for connection in self._open)

    def on(self, method: str, path: str, *handlers: Handler) -> None:
        """Answer a route; several handlers take turns. The path ``"*"`` matches any."""
        self._routes[method.upper(), path] = _Route(list(handlers))

    def move(self, prefix: str) -> None:
        """Put every route there is now behind a prefix."""
        moved = {(method, prefix + path): route for (method, path), route in self._routes.items()}
        self._routes = moved

    async def closed_by_client(self, count: int = 1) -> None:
        """Wait until the client has closed ``count`` connections in all; TimeoutError if not."""
        await self._until(lambda: self._closed_by_client >= count)

    async def received(self, count: int = 1) -> None:
        """Wait until ``count`` requests have come in all; TimeoutError if not."""
        await self._until(lambda: len(self.requests) >= count)

    async def drop_idle(self) -> None:
        """Close every connection that is between two requests, as a keep-alive timeout does."""
        for connection in [c for c in self._open if not c.busy]:
            connection.close()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._accept, self.host, 0, ssl=self.ssl, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._open):
            if connection.writer is not None:
                connection.closed_here = True
                connection.writer.transport.abort()
        for _turn in range(3):
            await asyncio.sleep(0)
        if self._errors and kind is None:
            raise self._errors[0]

    def _accept(self) -> _Connection:
        self.connections += 1
        return _Connection(self, self.connections)

    def note_closed_by_client(self) -> None:
        self._closed_by_client += 1
        self._changed.set()

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(self.limit_s):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, connection: _Connection) -> None:
        """Answer the requests of one connection, one after the other."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(connection)
        try:
            while not connection.closed_here and await self._serve_one(connection):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        except asyncio.CancelledError:
            return
        finally:
            connection.close()
            self._open.discard(connection)
            self._tasks.discard(task)

    async def _serve_one(self, connection: _Connection) -> bool:
        request = await _read_request(connection)
        if request is None:
            return False
        self.requests.append(request)
        self._changed.set()
        if len(self.requests) > MAX_REQUESTS:
            raise ConnectionResetError("too many requests for a test")
        reply = Reply(connection)
        connection.busy = True
        try:
            async with asyncio.timeout(self.limit_s):
                await self._handler(request)(request, reply)
        except ConnectionError:
            return False
        except Exception as error:  # noqa: BLE001  # raised again where the test will see it
            self._errors.append(error)
            return False
        finally:
            connection.busy = False
        if reply.started and not reply.ended:
            await reply.end()
        return reply.ended and not reply.close_after

    def _handler(self, request: RecordedRequest) -> Handler:
        for key in ((request.method, request.path), (request.method, "*"), ("*", "*")):
            if key in self._routes:
                return self._routes[key].next()
        return answer_error(404, {"error": {"message": f"no route {request.path}", "code": "test"}})


async def _read_request(connection: _Connection) -> RecordedRequest | None:
    reader = connection.reader
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await _read_body(reader, headers)
    split = urlsplit(target)
    query = dict(parse_qsl(split.query, keep_blank_values=True))
    path = unquote(split.path)
    return RecordedRequest(method, path, query, headers, body, connection.number, target)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = int(headers.get("content-length", "0"))
        if length > MAX_BODY:
            raise ConnectionResetError("a body too large for a test")
        return await reader.readexactly(length)
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        if len(body) > MAX_BODY:
            raise ConnectionResetError("a body too large for a test")
    await reader.readline()
    return bytes(body)
