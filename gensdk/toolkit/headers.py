"""The headers of a request: the account's, the call's and our own, ready for the wire.

Rule of the room: a header's value never enters a message; it may be the key.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache

from gensdk.errors import ConfigurationError

from .content import ACCEPTED

__all__ = ["HeaderSource", "Headers", "user_agent"]

HeaderSource = Callable[[], Awaitable[Mapping[str, str]]] | Mapping[str, str]
"""Headers of an account, or a function awaited before each request."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


class QuietHeaders(dict[bytes, bytes]):
    """Headers that do not show themselves, so that a traceback with locals has no key in it."""

    def __repr__(self) -> str:
        """Show the number."""
        return f"<{len(self)} headers>"


class QuietSource(dict[str, str]):
    """What a source gave, as it was then; it does not show itself either."""

    def __repr__(self) -> str:
        """Show the number."""
        return f"<{len(self)} headers>"


class QuietPairs(list[tuple[bytes, bytes]]):
    """The same as a list."""

    def __repr__(self) -> str:
        """Show the number."""
        return f"<{len(self)} headers>"


class Headers:
    """Completes the headers of each request of one account."""

    __slots__ = ("_fixed", "_latest", "_source")

    def __init__(self, source: HeaderSource, host_header: str) -> None:
        """Check the account's headers once where they are fixed.

        Raises:
            ConfigurationError: A name or value cannot stand in an HTTP header.
        """
        self._fixed = QuietHeaders(
            {
                b"host": host_header.encode(),
                b"accept": b"*/*",
                b"accept-encoding": ACCEPTED.encode(),
                b"user-agent": user_agent().encode(),
            }
        )
        self._source: Callable[[], Awaitable[Mapping[str, str]]] | None = None
        self._latest = QuietSource(), QuietHeaders()
        if callable(source):
            self._source = source
        else:
            self._fixed.update(_checked(source))

    async def complete(
        self, extra: Mapping[str, str], body: bytes | None, content_type: str
    ) -> QuietPairs:
        """Return all headers; ``extra`` wins over the account's, those win over ours.

        Raises:
            ConfigurationError: A name or value cannot stand in an HTTP header.
        """
        headers = QuietHeaders(self._fixed)
        if body is not None:
            headers[b"content-type"] = content_type.encode()
            headers[b"content-length"] = b"%d" % len(body)
        if self._source is not None:
            given = QuietSource(await self._source())
            known, checked = self._latest  # one pair: requests on other loops' threads have others
            if given != known:  # mostly it is the same key as before
                checked = _checked(given)
                self._latest = given, checked
            headers.update(checked)
        if extra:
            headers.update(_checked(extra))
        return QuietPairs(headers.items())


def _checked(headers: Mapping[str, str]) -> QuietHeaders:
    checked = QuietHeaders()
    for name, value in headers.items():
        fit = value.isascii() and value.isprintable()
        if not (fit and _TOKEN.fullmatch(name) and name.lower() not in _OURS):
            refused, length = name, len(value)
            del headers, name, value
            break
        checked[name.lower().encode()] = value.strip().encode()
    else:
        return checked
    raise ConfigurationError(
        f"The header {refused!r} (value of {length} characters) cannot be sent: the name must be "
        "a token that the HTTP layer does not set itself, the value printable ASCII without line "
        "breaks."
    )


@cache
def user_agent() -> str:
    """``gensdk/<version>``."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"gensdk/{version('gensdk')}"
    except PackageNotFoundError:
        return "gensdk"
