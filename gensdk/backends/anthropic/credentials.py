"""The account's key: where it comes from, and the header that carries it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping

from gensdk.errors import MissingCredentialsError
from gensdk.toolkit import Key, KeySource, KnownSecrets, Secret

__all__ = ["Credential", "KeySource"]

VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""Looked at in this order, as the vendor's own package does."""


class Credential:
    """A key or token, sent as ``Authorization: Bearer``; nothing is read before the first request.

    The vendor's package sends both kinds so since its version 2; the variable is read once.
    """

    def __init__(self, given: KeySource | None, *, provider: str) -> None:
        """Remember where to look."""
        self._provider = provider
        self._source = given if callable(given) else None
        self._known = KnownSecrets()
        self._static: Mapping[str, str] | None = None
        if given is not None and not callable(given):
            self._static = self._header(given)

    def __repr__(self) -> str:
        """Show where the key comes from, never the key."""
        if self._source is not None:
            return "Credential(a function)"
        return f"Credential({'given' if tuple(self._known) else ' or '.join(VARIABLES)})"

    async def headers(self) -> Mapping[str, str]:
        """The header for the next request.

        Raises:
            MissingCredentialsError: There is no key; the message names the variable.
        """
        if self._source is not None:
            key = self._source()
            return self._header(await key if inspect.isawaitable(key) else key)
        if self._static is not None:
            return self._static
        for variable in VARIABLES:
            if value := os.environ.get(variable, "").strip():
                self._static = self._header(Secret(value, variable))
                return self._static
        raise MissingCredentialsError(
            f"no key for {self._provider}: set {VARIABLES[0]}, or pass api_key=… to its backend",
            provider=self._provider,
        )

    def redact(self, text: str) -> str:
        """Mask the keys that were used, and bearer tokens, in a text."""
        return self._known.redact(text)

    def _header(self, key: Key) -> Mapping[str, str]:
        secret = key if isinstance(key, Secret) else Secret(key, "api key")
        self._known.add(secret)
        return {"authorization": f"Bearer {secret.reveal()}"}
