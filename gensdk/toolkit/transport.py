"""How bytes leave: our own connection pools, or a client the user lent us.

Two transports with one face. ``OwnedTransport`` drives httpcore2's pool directly: the client layer
above it (cookies, redirects, auth flows, two more copies of every header) is what a call to one
origin with one key does not need, and costs more than all the rest of a call here. One pool per
event loop, one TLS context per process. ``BorrowedTransport`` uses an ``httpx2.AsyncClient``, or a
legacy ``httpx.AsyncClient``, as it is, and never closes it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from gensdk.errors import ClientClosedError, ConfigurationError, MissingDependencyError

if TYPE_CHECKING:
    import ssl

    import httpcore2

__all__ = [
    "BorrowedTransport",
    "Outgoing",
    "OwnedTransport",
    "RawAnswer",
    "Trace",
    "Transport",
    "borrowed_module",
    "shared_ssl_context",
]

MAX_CONNECTIONS = 1000
MAX_IDLE_CONNECTIONS = 64
"""Every call looks at each idle connection (15 microseconds each), so the pool stays small."""
IDLE_S = 30.0


class Trace:
    """Hears from the pool whether a connection was opened for this request."""

    __slots__ = ("fresh",)

    def __init__(self) -> None:
        self.fresh = False

    async def __call__(self, name: str, _: Mapping[str, object]) -> None:
        """Take one event of the pool's ``trace`` extension."""
        if name == "connection.connect_tcp.started":
            self.fresh = True


@dataclass(slots=True)
class Outgoing:
    """One request, ready to go.

    Attributes:
        method: HTTP method.
        target: Path and query, encoded.
        headers: All of them, in order; never shown, the key is among them.
        body: The whole body.
        connect_s: Seconds for opening a connection.
        read_s: Seconds of silence, and of waiting for a free connection.
        trace: Notes how the request fared.
    """

    method: str
    target: str
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes | None = field(repr=False)
    connect_s: float
    read_s: float
    trace: Trace

    def extensions(self) -> dict[str, Any]:
        """The options httpcore2 takes along with a request."""
        timeout = {
            "connect": self.connect_s,
            "read": self.read_s,
            "write": self.read_s,
            "pool": self.read_s,
        }
        return {"timeout": timeout, "trace": self.trace}


@dataclass(slots=True)
class RawAnswer:
    """Status and headers, and a body still to be read.

    Attributes:
        status: HTTP status.
        headers: As they came.
        body: Pieces, still content-encoded.
        release: Gives the connection back, or closes it where the body was not read to its end.
        released: That has been done, so no more can be read.
    """

    status: int
    headers: Iterable[tuple[bytes, bytes]]
    body: AsyncIterator[bytes]
    release: Callable[[], Awaitable[None]]
    released: bool = False

    async def aclose(self) -> None:
        """Let go of the connection."""
        self.released = True
        await self.release()


class Transport(Protocol):
    """Sends one request to the one origin it was made for."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What ``send`` and the body may raise when the connection does not do its work."""
        ...

    async def send(self, outgoing: Outgoing) -> RawAnswer:
        """Send the request and wait for status and headers."""
        ...

    async def aclose(self) -> None:
        """Close what this transport opened itself."""
        ...


@cache
def shared_ssl_context() -> ssl.SSLContext:
    """The process's TLS context; loading the certificates takes 20 ms, so it is done once."""
    import httpx2

    return httpx2.create_ssl_context()


class OwnedTransport:
    """Connection pools of our own, one for each event loop that uses them."""

    def __init__(
        self, scheme: str, host: str, port: int | None, *, addresses: Sequence[str] = ()
    ) -> None:
        """Remember the origin; nothing is opened.

        Args:
            scheme: ``http`` or ``https``.
            host: ASCII host name, or an address without brackets.
            port: None takes the scheme's own.
            addresses: Connect to one of these and to nothing else, without a proxy. The host
                still names the server in TLS.
        """
        self._addresses = tuple(addresses)
        self._scheme, self._host, self._port = scheme.encode(), host.encode(), port
        self._pools: dict[asyncio.AbstractEventLoop, httpcore2.AsyncConnectionPool] = {}
        self._closed = False

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """See ``Transport``."""
        return _httpcore_errors()

    async def send(self, outgoing: Outgoing) -> RawAnswer:
        """See ``Transport``."""
        import httpcore2

        pool = self._pool()
        request = httpcore2.Request(
            outgoing.method,
            httpcore2.URL(
                scheme=self._scheme, host=self._host, port=self._port, target=outgoing.target
            ),
            headers=outgoing.headers,
            content=outgoing.body,
            extensions=outgoing.extensions(),
        )
        response = await pool.handle_async_request(request)
        body: Any = aiter(response.stream)  # type: ignore[arg-type]  # async, since the pool is

        async def release() -> None:
            await body.aclose()
            await response.aclose()

        return RawAnswer(response.status, response.headers, body, release)

    async def aclose(self) -> None:
        """Close the pools of every loop that still runs; those of dead loops are dropped."""
        self._closed = True
        self._drop_dead()
        here = asyncio.get_running_loop()
        pools, self._pools = self._pools, {}
        for loop, pool in pools.items():
            if loop is here:
                await pool.aclose()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(pool.aclose(), loop)
                await asyncio.wrap_future(closing)

    def _pool(self) -> httpcore2.AsyncConnectionPool:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is not None:
            return pool
        if self._closed:
            raise ClientClosedError("This client is closed; make a new one.")
        self._drop_dead()
        pool = self._pools[loop] = self._new_pool()
        return pool

    def _new_pool(self) -> httpcore2.AsyncConnectionPool:
        import httpcore2

        from .sockets import AsyncioBackend

        scheme, host, pinned = self._scheme.decode(), self._host.decode(), self._addresses
        return httpcore2.AsyncConnectionPool(
            ssl_context=shared_ssl_context() if self._scheme == b"https" else None,
            proxy=None if pinned else _proxy_for(scheme, host),
            network_backend=AsyncioBackend(pinned),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_S,
        )

    def _drop_dead(self) -> None:
        """Let go of pools whose loop is closed. Their sockets can only be closed by collection."""
        dead = [loop for loop in self._pools if loop.is_closed()]
        if not dead:
            return
        with warnings.catch_warnings():
            # asyncio complains of transports that outlive their loop, and no one can close them.
            warnings.simplefilter("ignore", ResourceWarning)
            for loop in dead:
                del self._pools[loop]
            del dead
            gc.collect()


@cache
def _httpcore_errors() -> tuple[type[Exception], ...]:
    import httpcore2

    return (
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.ProxyError,
        httpcore2.TimeoutException,
        httpcore2.UnsupportedProtocol,
        OSError,
    )


def _proxy_for(scheme: str, host: str) -> httpcore2.Proxy | None:
    """Return the proxy the environment names for this origin; loopback needs none."""
    from urllib.request import getproxies, proxy_bypass

    if host in {"localhost", "::1"} or host.startswith("127.") or proxy_bypass(host):
        return None
    proxies = getproxies()
    address = proxies.get(scheme) or proxies.get("all")
    if not address:
        return None
    import httpcore2

    split = urlsplit(address if "://" in address else f"http://{address}")
    if split.scheme.startswith("socks") and not _importable("socksio"):
        raise MissingDependencyError(
            "The environment names a SOCKS proxy, which needs the package 'socksio': "
            "pip install socksio."
        )
    if split.scheme not in {"http", "https", "socks5", "socks5h"} or not split.hostname:
        raise ConfigurationError(
            "The proxy named by the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) is not an "
            "http, https, socks5 or socks5h URL."
        )
    auth = None
    if split.username is not None:
        auth = (unquote(split.username).encode(), unquote(split.password or "").encode())
    port = split.port or {"http": 80, "https": 443}.get(split.scheme, 1080)
    url = httpcore2.URL(scheme=split.scheme, host=split.hostname, port=port, target="/")
    return httpcore2.Proxy(url, auth=auth)


def _importable(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


# ------------------------------------------------------------------------------------ borrowed
def borrowed_module(client: object) -> str | None:
    """Tell whose ``AsyncClient`` this is, ``"httpx2"`` or ``"httpx"``, importing neither."""
    for kind in type(client).__mro__:
        module = kind.__module__.partition(".")[0]
        if kind.__name__ == "AsyncClient" and module in {"httpx2", "httpx"}:
            return module
    return None


class BorrowedTransport:
    """A client of the user's, with its own proxies, certificates, hooks and pool."""

    def __init__(self, client: object, origin: str) -> None:
        """Keep the client.

        Args:
            client: An ``httpx2.AsyncClient`` or ``httpx.AsyncClient``, or a subclass.
            origin: Scheme, host and port that every request goes to.

        Raises:
            ConfigurationError: It is neither.
        """
        module = borrowed_module(client)
        if module is None:
            raise ConfigurationError(
                f"http_client must be an httpx2.AsyncClient (or a legacy httpx.AsyncClient), "
                f"not {type(client).__module__}.{type(client).__qualname__}."
            )
        self._client: Any = client
        self._origin = origin
        library = sys.modules[module]
        self._errors: tuple[type[Exception], ...] = (
            library.HTTPError,
            library.InvalidURL,
            library.CookieConflict,
            library.StreamError,
            OSError,
        )

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """See ``Transport``."""
        return self._errors

    async def send(self, outgoing: Outgoing) -> RawAnswer:
        """See ``Transport``. Redirects are never followed, whatever the client's default is."""
        if self._client.is_closed:
            raise ClientClosedError("The http_client given to this backend has been closed.")
        request = self._client.build_request(
            outgoing.method,
            self._origin + outgoing.target,
            headers=outgoing.headers,
            content=outgoing.body,
            timeout=(outgoing.connect_s, outgoing.read_s, outgoing.read_s, outgoing.read_s),
            extensions={"trace": outgoing.trace},
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        headers = response.headers.raw
        if response.is_stream_consumed:  # a response hook of the user's has read, and decoded, it
            headers = [pair for pair in headers if pair[0].lower() != b"content-encoding"]
            return RawAnswer(response.status_code, headers, _one(response.content), response.aclose)
        body: Any = aiter(response.stream)

        async def release() -> None:
            await body.aclose()
            await response.aclose()

        return RawAnswer(response.status_code, headers, body, release)

    async def aclose(self) -> None:
        """Do nothing: the client belongs to whoever made it."""


async def _one(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
