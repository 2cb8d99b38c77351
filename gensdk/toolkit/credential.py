"""Where an account's key comes from, and the header that carries it; never part of an address."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping

from gensdk.errors import MissingCredentialsError

from .secrets import Key, KeySource, KnownSecrets, Secret

__all__ = ["Credential"]


class Credential:
    """One way to prove who is asking.

    Nothing is read before the first request, so an account can be made without a key. The
    environment variable is read once.

    Attributes:
        header: Header that carries the key.
    """

    def __init__(
        self,
        given: KeySource | None,
        *,
        provider: str,
        variables: tuple[str, ...] = (),
        required: bool = True,
        header: str = "authorization",
        prefix: str = "Bearer ",
    ) -> None:
        """Remember where to look.

        Args:
            given: Key, or a sync or async function that returns the current one.
            provider: Whose key it is, for messages.
            variables: Environment variables, tried in order where nothing was given.
            required: Whether a request without any key is an error.
            header: Header that carries the key.
            prefix: What stands before the key in it.

        Raises:
            ConfigurationError: The key is empty or fits no header.
        """
        self._provider = provider
        self._variables = variables
        self._required = required
        self.header = header
        self._prefix = prefix
        self._source = given if callable(given) else None
        self._known = KnownSecrets()
        self._static: Mapping[str, str] | None = None
        if given is not None and not callable(given):
            self._static = self._as_header(given)

    def __repr__(self) -> str:
        """Show where the key comes from, never the key."""
        if self._source is not None:
            return "Credential(a function)"
        origin = " or ".join(self._variables) or "nowhere"
        return f"Credential({'given' if tuple(self._known) else origin})"

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
        self._static = self._from_environment()
        return self._static

    def redact(self, text: str) -> str:
        """Mask every key that was used, and bearer tokens, in a text."""
        return self._known.redact(text)

    def _from_environment(self) -> Mapping[str, str]:
        for variable in self._variables:
            if value := os.environ.get(variable, "").strip():
                return self._as_header(Secret(value, variable))
        if not self._required:
            return {}
        names = " or ".join(self._variables)
        raise MissingCredentialsError(
            f"no key for {self._provider}: "
            + (f"set {names}, or " if names else "")
            + "pass api_key=… to its backend",
            provider=self._provider,
        )

    def _as_header(self, key: Key) -> Mapping[str, str]:
        secret = key if isinstance(key, Secret) else Secret(key)
        self._known.add(secret)
        return _Header({self.header: f"{self._prefix}{secret.reveal()}"})


class _Header(dict[str, str]):
    """A header whose value ``vars`` of its owner and tracebacks do not show."""

    def __repr__(self) -> str:
        """Show the name."""
        return f"<header {', '.join(self)}>"
