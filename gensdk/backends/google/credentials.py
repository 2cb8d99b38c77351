"""Where the key comes from, and the header that carries it; it is never part of an address."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping

from gensdk.errors import MissingCredentialsError
from gensdk.toolkit import Key, KeySource, KnownSecrets, Secret

__all__ = ["HEADER", "VARIABLES", "Credential", "KeySource"]

HEADER = "x-goog-api-key"
VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""In this order, as google-genai reads them."""


class Credential:
    """One key, or the way to it. Nothing is read before the first request."""

    def __init__(self, given: KeySource | None, provider: str) -> None:
        """Remember where to look."""
        self._given = given
        self._provider = provider
        self._known = KnownSecrets()
        if given is not None and not callable(given):
            self._given = self._remembered(given)

    def __repr__(self) -> str:
        """Show where the key comes from, never the key."""
        origin = "a function" if callable(self._given) else "given" if self._given else "unset"
        return f"Credential({origin})"

    async def headers(self) -> Mapping[str, str]:
        """The header for the next request.

        Raises:
            MissingCredentialsError: There is no key; the message names the variables.
        """
        key = self._given
        if callable(key):
            asked = key()
            return self._header(await asked if inspect.isawaitable(asked) else asked)
        if key is None:
            key = self._given = self._from_environment()
        return self._header(key)

    def redact(self, text: str) -> str:
        """Remove the keys that were used from a text."""
        return self._known.redact(text)

    def _from_environment(self) -> Secret:
        for variable in VARIABLES:
            if value := os.environ.get(variable, "").strip():
                return Secret(value, variable)
        raise MissingCredentialsError(
            f"no key for {self._provider}: set GEMINI_API_KEY or GOOGLE_API_KEY, or pass "
            "api_key=… to its backend",
            provider=self._provider,
        )

    def _header(self, key: Key) -> Mapping[str, str]:
        return {HEADER: self._remembered(key).reveal()}

    def _remembered(self, key: Key) -> Secret:
        secret = key if isinstance(key, Secret) else Secret(key, "api key")
        self._known.add(secret)
        return secret
