"""A server on loopback that answers every request in one and the same faulty way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

__all__ = ["Fault", "FaultyServer", "faulty_server", "free_port"]


@dataclass(frozen=True)
class Fault:
    """How a server answers.

    Attributes:
        status: HTTP status.
        body: What follows.
        content_type: What it is said to be.
        headers: Further headers.
        ending: ``whole``; ``cut``: more is announced than is sent before the connection closes;
            ``silent``: nothing is ever sent; ``stalled``: more is announced than is sent, and
            then nothing comes.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Literal["whole", "cut", "silent", "stalled"] = "whole"


class FaultyServer:
    """What it has seen.

    Attributes:
        url: ``http://127.0.0.1:…``.
        requests: How many requests came.
        arrived: Set when the first one came.
        left: Set when a client let go of its connection.
    """

    def __init__(self, fault: Fault) -> None:
        """Take the way of answering."""
        self.url = ""
        self.requests = 0
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()
        self._fault = fault

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while await _request(reader):
                self.requests += 1
                self.arrived.set()
                if not await self._answer(reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left, which is what some checks wait for
        finally:
            self.left.set()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer; returns whether the connection goes on."""
        fault = self._fault
        if fault.ending == "silent":
            await reader.read()
            return False
        length = len(fault.body) + (1000 if fault.ending in {"cut", "stalled"} else 0)
        headers = {
            "content-type": fault.content_type, "content-length": str(length), **fault.headers,
        }  # fmt: skip
        phrase = HTTPStatus(fault.status).phrase if fault.status in _KNOWN else "Unknown"
        lines = [f"HTTP/1.1 {fault.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + fault.body)
        await writer.drain()
        if fault.ending == "stalled":
            await reader.read()
        return fault.ending == "whole"


_KNOWN = frozenset(status.value for status in HTTPStatus)


async def _request(reader: asyncio.StreamReader) -> bool:
    """Read one request to its end; False where the connection has ended."""
    head = await reader.readuntil(b"\r\n\r\n")
    headers = head.lower()
    if b"transfer-encoding: chunked" in headers:
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            await reader.readexactly(size + 2)
            if not size:
                return True
    for line in headers.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return bool(head)


@asynccontextmanager
async def faulty_server(fault: Fault) -> AsyncIterator[FaultyServer]:
    """Serve on loopback while the block goes on."""
    faulty = FaultyServer(fault)
    running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served in a task")
        running[task] = writer
        await faulty.serve(reader, writer)
        del running[task]

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    host, port = server.sockets[0].getsockname()
    faulty.url = f"http://{host}:{port}"
    try:
        yield faulty
    finally:
        server.close()
        for writer in running.values():
            writer.transport.abort()  # cancelling would be told of as a fault by asyncio
        if running:
            await asyncio.wait(list(running))
        await server.wait_closed()


def free_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
