"""The one guarded downloader: https, public addresses looked up once and pinned, small trust.

What it holds against: addresses of the inside (also behind IPv6 forms, redirects and names that
resolve differently the second time), credentials on the way, endless or exploding bodies, types
that are declared but not there. Proxies are not used: behind one, the address that was checked
would not be the address that is connected to.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

from gensdk.errors import (
    ClientClosedError,
    ConnectionFailedError,
    GenSDKError,
    InvalidResponseError,
    ResponseTooLargeError,
    ServerError,
    TimedOutError,
    UnsafeURLError,
)
from gensdk.types import URL, Media

from .answer import StreamAnswer
from .encoding import decode_base64
from .exchange import Exchange
from .failures import retry_after_s
from .headers import user_agent
from .public_address import checked_host, is_metadata, is_private_name, is_public
from .transport import Outgoing, OwnedTransport, Trace

__all__ = ["Downloader", "MediaPolicy", "Resolve"]

MAX_REDIRECTS = 5
CONNECT_S = 10.0
_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 429})
_SERVER_FAILED = 500
_PORTS = {"https": 443, "http": 80}
_BAD_CHARACTER = re.compile(r"[\x00-\x20\x7f\\]")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_KEPT = "/:@!$&'()*+,;=~-._%?"
_UNKNOWN_TYPE = "application/octet-stream"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks a host name up: host and port to IP addresses as text. Raises ``OSError`` if it cannot."""


@dataclass(frozen=True)
class MediaPolicy:
    """What may be downloaded.

    Attributes:
        max_bytes: Size of one download, decoded.
        allow_hosts: Host names (or addresses) that may also be reached over ``http`` and at
            private addresses. Metadata addresses of clouds stay refused.
        timeout_s: Seconds for one download: look-ups, redirects and body together.
    """

    max_bytes: int = 256 * 2**20
    allow_hosts: frozenset[str] = frozenset()
    timeout_s: float = 60.0


@dataclass(frozen=True)
class _Target:
    """A URL taken apart and found fit, before its name is looked up."""

    scheme: str
    host: str
    port: int | None
    path: str
    allowed: bool

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host_header}"


class Downloader:
    """Fetches URLs that a provider or a caller named. One attempt each.

    ``billed`` of its errors speaks of the download alone. A backend that fetches the outcome of
    paid work says ``billed="yes"`` itself.
    """

    def __init__(
        self, policy: MediaPolicy | None = None, *, resolve: Resolve | None = None
    ) -> None:
        """Nothing is opened.

        Args:
            policy: What may be downloaded.
            resolve: Looks names up; the system's resolver by default.
        """
        self._policy = policy or MediaPolicy()
        self._allowed = frozenset(host.lower().strip("[]") for host in self._policy.allow_hosts)
        self._resolve = resolve or _system_resolve
        self._closed = False

    async def fetch(self, url: URL) -> Media:
        """Download one URL; ``data:`` URIs are decoded. The media type is sniffed.

        Raises:
            UnsafeURLError: The URL, or one it redirects to, must not be fetched.
            ResponseTooLargeError: Over ``max_bytes``.
            TimedOutError: Over ``timeout_s`` in all, or silent, or no connection.
            ConnectionFailedError: The name has no address, or the connection broke.
            ServerError: The host has trouble (5xx, 429); it may work later.
            InvalidResponseError: Any other status than 200, or an empty or damaged body.
        """
        if self._closed:
            raise ClientClosedError("This client is closed; make a new one.")
        if url.url[:5].lower() == "data:":
            return _inline(url.url, self._policy.max_bytes)
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                return await self._follow(url.url)
        except TimeoutError as error:
            raise TimedOutError(
                f"The download took longer than {self._policy.timeout_s:g} seconds.",
                phase="total",
                billed="no",
            ) from error

    async def aclose(self) -> None:
        """Refuse further downloads. Nothing is kept open between them."""
        self._closed = True

    async def _follow(self, address: str) -> Media:
        for _ in range(MAX_REDIRECTS + 1):
            target = self._checked(address)
            outcome = await self._hop(target, await self._addresses(target))
            if isinstance(outcome, Media):
                return outcome
            address = urljoin(f"{target.origin}{target.path}", outcome)
        raise UnsafeURLError(f"The download was redirected more than {MAX_REDIRECTS} times.")

    def _checked(self, address: str) -> _Target:
        """Judge all that can be judged before a look-up."""
        if _BAD_CHARACTER.search(address):
            raise UnsafeURLError("The URL holds blanks, control characters or backslashes.")
        try:
            split = urlsplit(address)
            host, port = split.hostname or "", split.port
        except ValueError as error:
            raise UnsafeURLError("The URL cannot be read.") from error.with_traceback(None)
        if split.scheme not in _PORTS:
            raise UnsafeURLError(f"Only https URLs are fetched, not {split.scheme or 'bare'} ones.")
        if split.username is not None or split.password is not None:
            raise UnsafeURLError("A URL with a user name or password is not fetched.")
        host = checked_host(host)
        allowed = host in self._allowed
        if split.scheme != "https" and not allowed:
            raise UnsafeURLError("Only https URLs are fetched; MediaPolicy(allow_hosts=…) can add.")
        if port == 0:
            raise UnsafeURLError("The URL's port is 0.")
        path = quote(split.path or "/", safe=_KEPT)
        path += f"?{quote(split.query, safe=_KEPT)}" if split.query else ""
        port = None if port == _PORTS[split.scheme] else port
        return _Target(split.scheme, host, port, path, allowed)

    async def _addresses(self, target: _Target) -> list[str]:
        """Look the host up once; every address must be fit, or none is used."""
        try:
            found = [ip_address(target.host)]
        except ValueError:
            if not target.allowed and is_private_name(target.host):
                raise UnsafeURLError(f"{target.host} is a name of a private network.") from None
            found = [ip_address(text) for text in await self._looked_up(target)]
        for address in found:
            if is_metadata(address) or not (target.allowed or is_public(address)):
                raise UnsafeURLError(
                    f"{target.host} is at {address}, which is not an address of the open internet."
                )
        return [str(address) for address in dict.fromkeys(found)]

    async def _looked_up(self, target: _Target) -> Sequence[str]:
        try:
            found = await self._resolve(target.host, target.port or _PORTS[target.scheme])
        except (OSError, UnicodeError) as error:
            raise ConnectionFailedError(f"{target.host} could not be looked up.") from error
        if not found:
            raise ConnectionFailedError(f"{target.host} has no address.")
        return found

    async def _hop(self, target: _Target, addresses: list[str]) -> Media | str:
        """Fetch from one of the addresses: the media, or where a redirect leads."""
        transport = OwnedTransport(target.scheme, target.host, target.port, addresses=addresses)
        exchange = Exchange(
            transport,
            lambda: self._outgoing(target),
            origin=target.origin,
            redact=str,
            facts={},
            follows_redirects=True,
        )
        try:
            async with exchange as answer:
                if answer.status in _REDIRECTS and (where := answer.headers.get("location")):
                    return where
                if answer.status != _OK:
                    raise _failure(answer, target)
                return self._media(answer, await answer.read(self._policy.max_bytes), target)
        finally:
            await transport.aclose()

    async def _outgoing(self, target: _Target) -> Outgoing:
        headers = [
            (b"host", target.host_header.encode()),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"identity"),
            (b"user-agent", user_agent().encode()),
            (b"connection", b"close"),
        ]
        read_s = self._policy.timeout_s
        return Outgoing("GET", target.path, headers, None, CONNECT_S, read_s, Trace())

    def _media(self, answer: StreamAnswer, data: bytes, target: _Target) -> Media:
        if not data:
            raise InvalidResponseError(f"{target.origin} sent an empty file.", billed="no")
        return Media(data=data, media_type=_declared(answer.headers.get("content-type", "")))


def _failure(answer: StreamAnswer, target: _Target) -> GenSDKError:
    facts: dict[str, Any] = {"status": answer.status, "billed": "no"}
    if answer.status >= _SERVER_FAILED or answer.status in _TRY_AGAIN:
        wait = retry_after_s(answer.headers)
        return ServerError(f"{target.origin} cannot serve now.", retry_after=wait, **facts)
    return InvalidResponseError(
        f"{target.origin} did not serve the file; links to generated media expire.", **facts
    )


def _declared(content_type: str) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else _UNKNOWN_TYPE


def _inline(uri: str, max_bytes: int) -> Media:
    """Decode a ``data:`` URI (RFC 2397)."""
    head, comma, payload = uri[5:].partition(",")
    if not comma:
        raise InvalidResponseError("The data: URI has no comma, so no data.", billed="no")
    media_type, *flags = head.split(";")
    is_base64 = bool(flags) and flags[-1].strip().lower() == "base64"
    # Escapes and base64 make text longer, never shorter: bounds before anything is decoded.
    if len(payload) > (max_bytes * 4 // 3 + 4) * (3 if "%" in payload else 1):
        raise _too_large(max_bytes)
    raw = unquote_to_bytes(payload) if "%" in payload else payload.encode()
    data = decode_base64(raw) if is_base64 else raw
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    default = "text/plain" if not media_type else _UNKNOWN_TYPE
    media_type = media_type.strip().lower()
    return Media(data=data, media_type=media_type if _MEDIA_TYPE.fullmatch(media_type) else default)


def _too_large(max_bytes: int) -> ResponseTooLargeError:
    return ResponseTooLargeError(f"The data: URI holds more than {max_bytes} bytes.", billed="no")


async def _system_resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]
