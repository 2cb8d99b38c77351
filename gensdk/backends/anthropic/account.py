"""One key at one origin: sends a request once and answers with bytes or with an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gensdk.errors import GenSDKError
from gensdk.toolkit import (
    Answer,
    Credential,
    HostedAccount,
    KeySource,
    StreamAnswer,
    encode_json,
)
from gensdk.toolkit.address import chosen_base_url
from gensdk.toolkit.http import MAX_BYTES, MAX_ERROR_BYTES

from .errors import error_inside, error_of_answer

if TYPE_CHECKING:
    from gensdk.spec import Context

__all__ = ["API_VERSION", "SAMPLING_VERSION", "Account"]

API_VERSION = "2026-10-21"
"""Version of the API these requests are written for (``anthropic`` 2.11 ``_constants.py``)."""

SAMPLING_VERSION = "2023-06-01"
"""The version before, still served: the last one that takes temperature, top_p and top_k."""

MAX_STREAM_BYTES = 256 * 2**20
_NOTHING: Mapping[str, str] = {}
_ORIGIN = "https://api.anthropic.com"
_VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""Looked at in this order, and both sent as bearer tokens, as the vendor's own package does."""


class Account(HostedAccount):
    """An account at Anthropic, or at a server that speaks its wire format.

    Attributes:
        base_url: Origin and path prefix, without ``/v1`` and without a slash at the end.
        api_version: What was asked for; None lets each request choose.
    """

    def __init__(
        self,
        *,
        name: str = "anthropic",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        betas: tuple[str, ...] = (),
        default_headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up without I/O and without needing a key; arguments as for ``AnthropicBackend``.

        Raises:
            ConfigurationError: The base URL is unusable or unsafe.
        """
        super().__init__(
            name,
            chosen_base_url(base_url, "ANTHROPIC_BASE_URL", _ORIGIN),
            Credential(api_key, provider=name, variables=_VARIABLES),
            headers=default_headers,
            http_client=http_client,
        )
        self.api_version = api_version
        self._betas = betas

    @property
    def official(self) -> bool:
        """Whether this is Anthropic's own address, not a gateway's."""
        return urlsplit(self.base_url).hostname == "api.anthropic.com"

    def identity(self) -> str | None:
        """Whose answers these are, without the key; None where a client of the user's decides."""
        return self.digest(self.api_version, self._betas)

    def headers_for(self, betas: tuple[str, ...], version: str) -> dict[str, str]:
        """The headers of one request; ``version`` is its choice, the account's own goes first."""
        headers = {"anthropic-version": self.api_version or version}
        wanted = dict.fromkeys((*self._betas, *betas))
        if wanted:
            headers["anthropic-beta"] = ",".join(wanted)
        return headers

    async def post(
        self,
        path: str,
        payload: dict[str, object],
        headers: Mapping[str, str],
        context: Context,
    ) -> Answer:
        """Send JSON and return the answer of a status 2xx; anything else raises its error."""
        opened = self.stream(path, payload, headers, context, max_bytes=None)
        async with opened as answer:
            return Answer(answer.status, answer.headers, await answer.read(MAX_BYTES))

    async def get(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], context: Context
    ) -> Answer:
        """Read something of the account's; a status other than 2xx raises its error."""
        async with self._opened("GET", path, context, headers=headers, query=query) as answer:
            return Answer(answer.status, answer.headers, await answer.read(MAX_BYTES))

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        payload: dict[str, object],
        headers: Mapping[str, str],
        context: Context,
        *,
        max_bytes: int | None = MAX_STREAM_BYTES,
    ) -> AsyncIterator[StreamAnswer]:
        """Send JSON and open the answer; leaving the block closes the connection."""
        body = encode_json(payload, provider=self.name, model=context.model)
        async with self._opened(
            "POST", path, context, body=body, headers=headers, max_bytes=max_bytes
        ) as answer:
            yield answer

    @asynccontextmanager
    async def _opened(
        self,
        method: str,
        path: str,
        context: Context,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        query: Mapping[str, str] = _NOTHING,
        max_bytes: int | None = None,
    ) -> AsyncIterator[StreamAnswer]:
        async with self.exchange(
            method, path, context, body=body, headers=headers, query=query, max_bytes=max_bytes
        ) as answer:
            if 200 <= answer.status < 300:
                yield answer
                return
            failed = Answer(answer.status, answer.headers, await answer.read(MAX_ERROR_BYTES))
        raise error_of_answer(
            failed,
            provider=self.name,
            model=context.model,
            redact=self.redact,
        )

    def error_inside(
        self, body: object, context: Context, headers: Mapping[str, str]
    ) -> GenSDKError:
        """The error for an error object that came inside a stream or inside a 200."""
        return error_inside(
            body, headers, provider=self.name, model=context.model, redact=self.redact
        )
