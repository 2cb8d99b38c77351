"""Sockets for httpcore2's pool, straight on asyncio.

The pool's default goes through anyio, which costs half as much again as the rest of a call; and it
asks the kernel about every idle connection on every call, where asyncio has already told. Here a
request leaves in one piece (headers and body in one packet where they fit), and a connection that
the server closed while idle is known at once. Connections can be pinned to addresses that were
chosen beforehand, whatever the name would resolve to now.

This module needs httpcore2 at import, so it is imported only where a pool is made.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpcore2

from gensdk._alarms import Alarm

from .connecting import connected_socket

__all__ = ["AsyncioBackend"]

GATHER = 2**16
"""Bytes written before they are sent; what stays below leaves when the answer is awaited."""
READ_AHEAD = 2**18
"""Bytes received and not yet asked for at which the socket is left alone."""


class AsyncioBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections on the running event loop."""

    def __init__(self, addresses: Sequence[str] = ()) -> None:
        """Keep the addresses to connect to; without any, host names are looked up."""
        self._addresses = addresses
        self._open: set[_Stream] = set()
        self._closed = False

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect, to the pinned addresses in order where there are any.

        Raises:
            httpcore2.ConnectError: Nobody answers there, or ``close`` was called.
            httpcore2.ConnectTimeout: Not in time.
        """
        if self._closed:
            raise httpcore2.ConnectError("closed")
        with _mapped(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            async with asyncio.timeout(timeout):
                *others, last = self._addresses or (host,)
                for address in others:
                    try:
                        return await self._connect(address, port)
                    except OSError:
                        continue
                return await self._connect(last, port)

    async def sleep(self, seconds: float) -> None:
        """Wait (the pool's own retries, which are off)."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Close every connection, and those that are just being made; no new one is opened.

        A pool forgets the connections it is still making, and would send on them afterwards.
        """
        self._closed = True
        for stream in tuple(self._open):
            await stream.aclose()

    def distrust(self) -> None:
        """Take no connection of today for another request: one of them has just proved dead.

        What broke one (a balancer, a restart) has mostly broken its neighbours too, and a request
        that is tried again must not go through them one by one.
        """
        for stream in self._open:
            stream.trusted = False

    async def _connect(self, host: str, port: int) -> _Stream:
        sock = await connected_socket(host, port)
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: _Stream(self._open), sock=sock)
        if self._closed:
            await stream.aclose()
            raise httpcore2.ConnectError("closed")
        return stream


class _Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection: what arrives is queued, what leaves is gathered."""

    def __init__(self, among: set[_Stream]) -> None:
        self.trusted = True
        self._among = among
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._received: deque[bytes] = deque()
        self._held = 0
        self._halted = False
        self._outgoing: list[bytes] = []
        self._gathered = 0
        self._ended = False
        self._broken: Exception | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------- told by the event loop
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._among.add(self)

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._held += len(data)
        if self._held > READ_AHEAD and not self._halted and not self._transport.is_closing():
            self._halted = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._among.discard(self)
        self._ended = True
        self._broken = exc if exc is None or isinstance(exc, OSError) else OSError(str(exc))
        self._paused = False
        self._wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, timeout: float | None) -> None:
        """Wait until the event loop has told something new."""
        waiter = self._waiter = self._loop.create_future()
        alarm = None
        if timeout is not None:
            alarm = Alarm(self._loop.time() + timeout, partial(_expire, waiter))
        try:
            await waiter
        finally:
            self._waiter = None
            if alarm is not None:
                alarm.off()

    # ------------------------------------------------------------------------ asked by the pool
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Send what was gathered, then return what has arrived; ``b""`` is the end."""
        if self._outgoing and not self._ended:
            await self._flush(timeout)
        received = self._received  # an early answer counts, also where not all was sent
        with _mapped(httpcore2.ReadTimeout, httpcore2.ReadError):
            while not received:
                if self._broken is not None:
                    raise self._broken
                if self._ended:
                    return b""
                await self._wait(timeout)
        data = received.popleft()
        if len(data) > max_bytes:
            received.appendleft(data[max_bytes:])
            data = data[:max_bytes]
        self._held -= len(data)
        if self._halted and self._held <= READ_AHEAD:
            self._halted = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Gather bytes to send."""
        if buffer:
            self._outgoing.append(buffer)
            self._gathered += len(buffer)
            if self._gathered > GATHER:
                await self._flush(timeout)

    async def _flush(self, timeout: float | None) -> None:
        pieces, self._outgoing, self._gathered = self._outgoing, [], 0
        if self._ended:
            raise httpcore2.WriteError("the connection is closed")
        self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        del pieces  # the key is in them, and a call that is cut off here shows this frame
        with _mapped(httpcore2.WriteTimeout, httpcore2.WriteError):
            while self._paused:
                await self._wait(timeout)

    async def aclose(self) -> None:
        """Close at once: what was asked for has been read, or is not wanted any more."""
        self._transport.abort()
        await asyncio.sleep(0)  # one turn of the loop, in which the socket is closed

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Begin TLS. Raises ``httpcore2.ConnectError`` where certificate or handshake fail."""
        if self._outgoing:
            await self._flush(timeout)
        try:
            with _mapped(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                async with asyncio.timeout(timeout):
                    self._transport = await self._loop.start_tls(
                        self._transport, self, ssl_context, server_hostname=server_hostname
                    )
        except BaseException:
            await self.aclose()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """Answer the pool's questions; ``is_readable`` of an idle connection means it has ended."""
        if info == "is_readable":
            return self._ended or bool(self._received) or not self.trusted
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


@contextmanager
def _mapped(timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timed_out(str(error)) from error
    except OSError as error:  # ssl.SSLError is one
        raise failed(str(error)) from error
