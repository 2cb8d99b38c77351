"""Where an account's key comes from, and the header that carries it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Literal

from gensdk.errors import MissingCredentialsError
from gensdk.toolkit import Key, KeySource, KnownSecrets, Secret

__all__ = ["Credential", "KeySource"]


class Credential:
    """One way to prove who is asking.

    Nothing is read before the first request, so an account can be made without a key. The
    environment variable is read once.
    """

    def __init__(
        self,
        given: KeySource | None,
        *,
        provider: str,
        variables: tuple[str, ...] = (),
        required: bool = True,
        header: Literal["authorization", "api-key"] = "authorization",
    ) -> None:
        """Remember where to look; ``variables`` are tried in order when nothing was given."""
        self._provider = provider
        self._variables = variables
        self._required = required
        self._header = header
        self._source = given if callable(given) else None
        self._known = KnownSecrets()
        self._static: Mapping[str, str] | None = None
        if given is not None and not callable(given):
            self._static = self._as_header(given)

    def __repr__(self) -> str:
        """Show where the key comes from, never the key."""
        origin = "a function" if self._source else " or ".join(self._variables) or "nowhere"
        return f"Credential({'given' if self.known and not self._source else origin})"

    @property
    def known(self) -> tuple[Secret, ...]:
        """The keys that are known by now, for masking them in messages."""
        return tuple(self._known)

    async def headers(self) -> Mapping[str, str]:
        """The header for the next request; empty where the server needs no key.

        Raises:
            MissingCredentialsError: There is no key; the message names the variable.
        """
        if self._static is not None:
            return self._static
        if self._source is not None:
            key = self._source()
            return self._as_header(await key if inspect.isawaitable(key) else key)
        for variable in self._variables:
            if value := os.environ.get(variable, "").strip():
                self._static = self._as_header(Secret(value, variable))
                return self._static
        if not self._required:
            self._static = {}
            return self._static
        names = " or ".join(self._variables)
        raise MissingCredentialsError(
            f"no key for {self._provider}: "
            + (f"set {names}, or " if names else "")
            + "pass api_key=… to its backend",
            provider=self._provider,
        )

    def redact(self, text: str) -> str:
        """Remove every key that was used from a text."""
        return self._known.redact(text)

    def _as_header(self, key: Key) -> Mapping[str, str]:
        secret = key if isinstance(key, Secret) else Secret(key, "api key")
        value = secret.reveal()
        self._known.add(secret)
        return {self._header: f"Bearer {value}" if self._header == "authorization" else value}
