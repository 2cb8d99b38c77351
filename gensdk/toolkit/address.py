"""The base URL of an account, and the paths below it. No path can lead to another origin."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from gensdk.errors import ConfigurationError, InvalidRequestError

__all__ = [
    "BaseAddress",
    "address_parts",
    "ascii_host",
    "checked_base_url",
    "chosen_base_url",
    "refuse_plain_http",
]

_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
_KEPT = "/:@!$&'()*+,;=~-._%"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class BaseAddress:
    """Scheme, host, port and path that every request of an account starts with.

    Attributes:
        scheme: ``http`` or ``https``.
        host: ASCII host name, or an address without brackets.
        port: As given; None is the scheme's own.
        origin: ``scheme://host[:port]``.
        host_header: Value of the ``Host`` header.
    """

    __slots__ = ("_path", "_query", "host", "host_header", "origin", "port", "scheme", "target_of")

    def __init__(self, base_url: str) -> None:
        """Take the URL apart.

        Raises:
            ConfigurationError: Not an ``http`` or ``https`` URL, or one with a user name, password
                or fragment.
        """
        base_url = base_url.strip()
        try:
            split = urlsplit(base_url)
            host, port = split.hostname, split.port
        except ValueError as error:
            raise _unusable() from error.with_traceback(None)
        if split.scheme not in _DEFAULT_PORTS or not host or _NOT_IN_A_URL.search(base_url):
            raise _unusable()
        if split.username is not None or split.fragment:
            raise ConfigurationError(
                "base_url must not hold a user name, password or fragment; give keys as keys."
            )
        self.scheme = split.scheme
        self.host = ascii_host(host)
        self.port = None if port == _DEFAULT_PORTS[split.scheme] else port
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.host_header = shown if self.port is None else f"{shown}:{self.port}"
        self.origin = f"{self.scheme}://{self.host_header}"
        self._path = quote(split.path.rstrip("/"), safe=_KEPT)
        self._query = tuple(parse_qsl(split.query, keep_blank_values=True))
        self.target_of = lru_cache(maxsize=256)(self._target_of)

    def target(self, path: str, query: Mapping[str, str]) -> str:
        """Return path and query as they stand in the request line.

        Raises:
            InvalidRequestError: The path is absolute, climbs (``..``), or holds a query or
                characters that do not belong in a path.
        """
        if not query and not self._query:
            return self.target_of(path)
        pairs = dict(self._query) | dict(query)
        return f"{self.target_of(path)}?{urlencode(pairs, quote_via=quote)}"

    def _target_of(self, path: str) -> str:
        plain = unquote(path)
        if (
            _NOT_IN_A_URL.search(plain)
            or "?" in path
            or "#" in path
            or path.startswith("//")
            or "://" in plain
            or not {".", ".."}.isdisjoint(plain.split("/"))
        ):
            raise InvalidRequestError(
                f"{path!r} is not a path below the base URL. Percent-encode names that go into a "
                "path, and give the query apart."
            )
        path = quote(path, safe=_KEPT)
        return f"{self._path}/{path.removeprefix('/')}" if path else self._path or "/"


def ascii_host(host: str) -> str:
    """Return the host in ASCII, lower case.

    Raises:
        ConfigurationError: It cannot be written so.
    """
    if host.isascii():
        return host.lower()
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _unusable() from error.with_traceback(None)


def _unusable() -> ConfigurationError:
    return ConfigurationError(
        "base_url must be an http or https URL with a host, like 'https://api.example.com/v1'."
    )


def chosen_base_url(given: str | None, variable: str, usual: str) -> str:
    """The address to use: the argument's, the environment's, or the usual one.

    Raises:
        ConfigurationError: It is no http(s) address, holds a password, or is not safe.
    """
    if given is not None:
        return checked_base_url(given, "base_url", trusted=True)
    if found := os.environ.get(variable, "").strip():
        return checked_base_url(found, variable, trusted=False)
    return checked_base_url(usual, "base_url", trusted=True)


def checked_base_url(url: str, name: str, *, trusted: bool) -> str:
    """Check a base URL and take the slash off its end.

    Args:
        url: The address.
        name: What to call it in an error: the argument or the environment variable.
        trusted: Whether code chose it. One from the environment must be https or loopback, so
            that a stray variable cannot send the key over the network in the clear.

    Raises:
        ConfigurationError: It is no http(s) address, holds a password, or is not safe.
    """
    url = url.strip()
    parts = address_parts(url, name)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError(f"{name} must be an http(s) address such as https://host/v1")
    if parts.username or parts.password:
        raise ConfigurationError(f"{name} must not hold a user name or password; use api_key=…")
    if not trusted:
        refuse_plain_http(name, parts.scheme, parts.hostname)
    return url.rstrip("/")


def address_parts(url: str, name: str) -> SplitResult:
    """Take an address apart; ``name`` is what to call it in an error.

    Raises:
        ConfigurationError: It is malformed.
    """
    try:
        parts = urlsplit(url)
        usable = parts.port != 0  # reading the port checks it
    except ValueError as error:
        raise ConfigurationError(f"{name} is no usable address: {error}") from error
    if not usable:
        raise ConfigurationError(f"{name} is no usable address: port 0 is none")
    return parts


def refuse_plain_http(name: str, scheme: str, host: str) -> None:
    """Refuse an address that code did not choose, unless it is https or on this machine.

    A stray variable cannot send keys and prompts over the network in the clear.

    Args:
        name: The environment variable, for the message.
        scheme: Of the address.
        host: Of the address, without brackets.

    Raises:
        ConfigurationError: It is plain http to another machine.
    """
    if scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"{name} points to http://{host}: use https, or pass base_url=… in code "
            "if that network is yours"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
