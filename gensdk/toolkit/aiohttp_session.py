"""The connections of one event loop over aiohttp.

aiohttp keeps the pool and parses (in C). What it leaves open is closed here: it retries a GET by
itself, waits without end for an upload that nobody reads, lets unsent bytes keep a connection
open, forgets what had arrived when a connection breaks, and leaves readers waiting when a session
is closed. Its ``TraceConfig`` would tell how a request fared, for an eighth of the whole call; a
socket factory and a body of our own tell it for nothing.

This module needs aiohttp at import, so it is imported only where a session is made.
"""

from __future__ import annotations

import asyncio
import socket
import weakref
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from gensdk.errors import ClientClosedError

from .transport import IDLE_S, MAX_CONNECTIONS, Outgoing, RawAnswer, Trace, shared_ssl_context
from .wire_errors import forget_tracebacks

__all__ = ["ERRORS", "QueueTimeoutError", "Session"]

ERRORS: tuple[type[Exception], ...] = (
    aiohttp.ClientError,
    aiohttp.http_exceptions.HttpProcessingError,
    OSError,
)
"""What a session and its answers raise when a connection does not do its work."""

READ_AHEAD = 2**18
"""Bytes received and not yet asked for at which the socket is left alone."""
MAX_HEADER = 2**15
"""Bytes of the status line, and of each of at most 128 headers."""
PIECE = 2**16
"""Bytes of a body that are sent at once."""

_NO_TYPE = ("Content-Type",)
"""What aiohttp would say of a body that is not there; of its other headers none is missing."""

_asking: ContextVar[Trace] = ContextVar("_asking")
"""Hears when the request of this context needs a new connection."""


_Readers = weakref.WeakKeyDictionary[Any, "weakref.ref[_Answer]"]
"""The last answer of each connection."""


class QueueTimeoutError(TimeoutError):
    """No connection became free in time."""


class Session:
    """At most ``MAX_CONNECTIONS`` connections to one origin."""

    def __init__(self, origin: str) -> None:
        """Open nothing yet.

        Args:
            origin: Scheme, host and port.
        """
        self._origin = origin
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)
        self._under_way = 0
        self._retired = False
        self._answers: set[_Answer] = set()
        self._readers: _Readers = weakref.WeakKeyDictionary()
        self._bodies: set[_Body] = set()
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=IDLE_S,
            resolver=aiohttp.ThreadedResolver(),
            socket_factory=_new_socket,
            ssl=shared_ssl_context() if origin.startswith("https") else True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=READ_AHEAD // 2,  # aiohttp stops reading at twice this
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
        )
        self._let_go = weakref.finalize(
            self, _let_go, self._session, connector, asyncio.get_running_loop()
        )

    async def send(self, outgoing: Outgoing) -> RawAnswer:
        """Send a request and wait for status and headers."""
        await self._turn(outgoing.read_s)
        self._under_way += 1
        body = None if outgoing.body is None else _Body(outgoing)
        if body is not None:
            self._bodies.add(body)
        try:
            response = await self._request(outgoing, body)
        except BaseException as error:
            if body is not None:
                body.give_up()
            await self._ended()
            if _is_ours(error) and self._session.closed:
                raise aiohttp.ClientConnectionError("The session was closed.") from None
            forget_tracebacks(error)  # aiohttp's frames hold the headers, and the key among them
            raise
        finally:
            if body is not None:
                self._bodies.discard(body)
        answer = _Answer(response, self)
        self._answers.add(answer)
        if response.connection is not None and response.connection.protocol is not None:
            self._watch(response.connection.protocol, answer)
        return RawAnswer(response.status, response.raw_headers, answer, answer.release)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._session.closed

    async def aclose(self) -> None:
        """Close every connection; calls under way end with an error."""
        for body in self._bodies:
            body.give_up()
        for answer in self._answers:
            answer.break_off()
        self._let_go.detach()
        await self._session.close()

    def forget(self) -> None:
        """Let go without the loop, which is closed."""
        self._let_go()

    def is_dead(self, error: Exception, outgoing: Outgoing) -> bool:
        """Whether a request failed because a kept connection had died meanwhile."""
        other = isinstance(error, TimeoutError | aiohttp.ClientConnectorError)
        return not other and outgoing.trace.unseen()

    async def retire(self) -> None:
        """Take no call any more, and close when those under way have ended."""
        self._retired = True
        if not self._under_way:
            await self.aclose()

    async def leave(self, answer: _Answer) -> None:
        """Hear that an answer is done with."""
        self._answers.discard(answer)
        await self._ended()

    def _watch(self, protocol: Any, answer: _Answer) -> None:
        """Tell an answer when its connection ends: aiohttp forgets to, where the framing broke.

        One callback for each connection, which outlives its answers.
        """
        closed = protocol.closed
        if closed is None:
            answer.lost(protocol.exception())
            return
        if protocol not in self._readers:
            told = partial(_lost, self._readers, weakref.ref(protocol))
            closed.add_done_callback(told)
        self._readers[protocol] = weakref.ref(answer)

    async def _ended(self) -> None:
        self._turns.release()
        self._under_way -= 1
        if self._retired and not self._under_way:
            await self.aclose()

    async def _turn(self, wait_s: float) -> None:
        """Wait for a connection to be free, or for the right to open one."""
        if self._turns.locked():
            try:
                async with asyncio.timeout(wait_s):
                    await self._turns.acquire()
            except TimeoutError as error:
                raise QueueTimeoutError from error
        else:
            await self._turns.acquire()
        if self._session.closed:
            self._turns.release()
            raise ClientClosedError("This client was closed while the call was waiting.")

    async def _request(self, outgoing: Outgoing, body: _Body | None) -> aiohttp.ClientResponse:
        _asking.set(outgoing.trace)
        return await self._session.request(
            outgoing.method,
            URL(self._origin + outgoing.target, encoded=True),
            headers=[(name.decode(), value.decode()) for name, value in outgoing.headers],
            data=body,
            skip_auto_headers=_NO_TYPE if body is None else None,
            allow_redirects=False,
            timeout=_timeout(outgoing.connect_s, outgoing.read_s),
            middlewares=None if outgoing.method == "POST" else (_only_once,),
        )


class _Answer:
    """The pieces of a body as they arrive, still content-encoded."""

    __slots__ = ("__weakref__", "_content", "_failure", "_released", "_response", "_session")

    def __init__(self, response: aiohttp.ClientResponse, session: Session) -> None:
        self._response = response
        self._content = response.content
        self._session = session
        self._failure: Exception | None = None
        self._released = False

    def __aiter__(self) -> _Answer:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._content.readany()
        except ERRORS as error:
            piece = self._held_back(error)
        except RuntimeError as error:  # it is read after its connection was closed
            raise aiohttp.ClientConnectionError(str(error)) from error
        if not piece:
            if self._failure is not None:
                raise self._failure
            raise StopAsyncIteration
        return piece

    async def release(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        if self._released:
            return
        self._released = True
        whole = self._content.at_eof() and self._failure is None
        if whole:
            self._response.release()
        else:
            self._abort()
        await self._session.leave(self)
        if not whole:
            await asyncio.sleep(0)  # one turn of the loop, in which the socket is closed

    def lost(self, why: BaseException | None) -> None:
        """Hear that the connection has ended; whoever still reads hears of it."""
        if not self._released and not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError(str(why or "") or "cut off"))

    def break_off(self) -> None:
        """Close the connection; whoever reads hears of it."""
        self._content.set_exception(aiohttp.ClientConnectionError("The session was closed."))
        self._abort()

    def _held_back(self, error: Exception) -> bytes:
        """What arrived before a connection broke comes first, and then the error."""
        self._failure = error
        self._content.set_exception(None)  # type: ignore[arg-type]  # else nothing can be read
        return self._content.read_nowait()

    def _abort(self) -> None:
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        self._response.close()


class _Body(aiohttp.Payload):
    """A body that is sent piece by piece, each in time, and that tells when it is on its way."""

    _autoclose = True

    def __init__(self, outgoing: Outgoing) -> None:
        super().__init__(outgoing.body)
        self._size = len(self._value)
        self._within_s = outgoing.read_s
        self._trace = outgoing.trace
        self._transport: Any = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._transport = getattr(writer, "transport", None)
        try:
            if len(self._value) < PIECE // 2:  # cannot fill the buffer of an idle connection
                await writer.write(self._value)
            else:
                await self._write_pieces(writer)
        except BaseException:
            self.give_up()
            raise
        self._trace.sent()

    def give_up(self) -> None:
        """Close the connection at once: a closing one would first send what it still holds."""
        if self._transport is not None:
            self._transport.abort()

    async def _write_pieces(self, writer: AbstractStreamWriter) -> None:
        whole = memoryview(self._value)
        for start in range(0, len(whole), PIECE):
            try:
                async with asyncio.timeout(self._within_s):
                    await writer.write(whole[start : start + PIECE])
            except TimeoutError as error:
                raise aiohttp.SocketTimeoutError("Nobody reads the request.") from error


async def _only_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request again: it does so by the class of the exception."""
    _asking.get().sent()
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


def _new_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Open a socket, and note that the request that needs it goes over a new connection."""
    _asking.get().connecting()
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def _let_go(
    session: aiohttp.ClientSession, connector: aiohttp.TCPConnector, loop: asyncio.AbstractEventLoop
) -> None:
    """Close what nobody holds any more. aiohttp would log it as an error, and leave it open.

    A program that ends without closing its client is a program like any other.
    """
    session.detach()
    if loop.is_closed():
        _close_now(connector)
    else:
        loop.call_soon_threadsafe(_close_now, connector)


def _close_now(connector: aiohttp.TCPConnector) -> None:
    """Close without waiting for the end of it: all is done before the first wait."""
    closing = connector.close()
    with suppress(StopIteration):
        closing.send(None)
    closing.close()


def _lost(readers: _Readers, of: weakref.ref[Any], closed: asyncio.Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()  # else asyncio logs that nobody asked for it
    protocol = of()
    if protocol is None or protocol not in readers:
        return
    answer = readers.pop(protocol)()
    if answer is not None:
        answer.lost(protocol.exception())


def _is_ours(error: BaseException) -> bool:
    """Whether a cancellation came from closing the session and not from the caller.

    aiohttp cancels its look-ups of names when it is closed.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and not (task and task.cancelling())


@lru_cache(maxsize=64)
def _timeout(connect_s: float, read_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=read_s)
