"""Secrets: keys that cannot be shown, saved or copied by accident.

Rule of the room: the value leaves only through ``reveal()``, and is deleted from local variables
before anything can raise, so that a traceback which prints locals does not print it either.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import NoReturn, Self
from urllib.parse import quote, quote_plus

from gensdk.errors import ConfigurationError

__all__ = ["MASK", "Key", "KeySource", "KnownSecrets", "Secret", "redactor"]

MASK = "[redacted]"
"""What stands where a secret stood."""

_MAX_REMEMBERED = 4

_BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{12,}")
_SHORTEST_TO_REDACT = 4


class Secret:
    """A key, token or password.

    ``repr``, ``str``, f-strings, ``vars``, pickles and copies do not show it.

    Attributes:
        name: What it is, for messages: ``"OPENAI_API_KEY"``, ``"api key"``.
    """

    __slots__ = ("_reveal", "name")

    name: str
    _reveal: Callable[[], str]

    def __init__(self, value: str, name: str = "api key") -> None:
        """Strip and check the value.

        Args:
            value: The secret; blanks around it are dropped.
            name: What to call it in messages.

        Raises:
            ConfigurationError: It is empty, or holds characters that fit no HTTP header. The
                message tells its length only.
        """
        value = value.strip()
        length, fit = len(value), value.isascii() and value.isprintable()
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_reveal", _keeper(value))
        del value
        if length and fit:
            return
        object.__setattr__(self, "_reveal", _keeper(""))
        if not length:
            raise ConfigurationError(f"The {name} is empty. Set it, or leave it out altogether.")
        raise ConfigurationError(
            f"The {name} ({length} characters) holds line breaks, control characters or "
            "characters outside ASCII. Copy it again, without quotes or line breaks."
        )

    def reveal(self) -> str:
        """Return the value. Keep it out of variables that outlive the next line."""
        return self._reveal()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __repr__(self) -> str:
        """Show the name, never the value."""
        return f"Secret({self.name!r})"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash((Secret, self._reveal()))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled; give the other process its own")


def _keeper(value: str) -> Callable[[], str]:
    """Hold the value in a closure, where neither ``vars`` nor a slot scan finds it."""
    return lambda: value


def redactor(*secrets: Secret) -> Callable[[str], str]:
    """Make a function that masks these secrets, and bearer tokens, wherever they occur.

    A secret is found as it is and as it looks inside JSON or a URL.
    """
    spellings = {
        spelling
        for secret in secrets
        if len(value := secret.reveal()) >= _SHORTEST_TO_REDACT
        for spelling in (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    }
    known = [re.escape(text) for text in sorted(spellings, key=len, reverse=True)]
    pattern = re.compile("|".join(known)) if known else None
    del spellings, known

    def redact(text: str) -> str:
        if pattern is not None:
            text = pattern.sub(MASK, text)
        return _BEARER.sub(_without_token, text)

    return redact


def _without_token(bearer: re.Match[str]) -> str:
    return bearer[1] + MASK


Key = str | Secret
KeySource = Key | Callable[[], Key | Awaitable[Key]]
"""A key, or a function that returns the current one: called before every request, for tokens
that rotate. It may be async; a function that blocks holds up the event loop."""


class KnownSecrets:
    """The last few keys that were used, for masking them in messages."""

    def __init__(self) -> None:
        """Start with none."""
        self._secrets: tuple[Secret, ...] = ()
        self._redact = redactor()

    def __iter__(self) -> Iterator[Secret]:
        """The keys, oldest first."""
        return iter(self._secrets)

    def add(self, secret: Secret) -> None:
        """Remember a key; the oldest is forgotten."""
        if any(secret == known for known in self._secrets):
            return
        self._secrets = (*self._secrets[1 - _MAX_REMEMBERED :], secret)
        self._redact = redactor(*self._secrets)

    def redact(self, text: str) -> str:
        """Mask the keys, and bearer tokens, in a text."""
        return self._redact(text)
