"""Perplexity as a backend: OpenAI's chat protocol, with a search before it and sources behind."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from gensdk.backends.openai import chat
from gensdk.backends.openai.account import Account
from gensdk.catalog.compatible import PRESETS
from gensdk.errors import GenSDKError
from gensdk.spec import Capabilities, Context
from gensdk.toolkit import Failure, HostedBackend, KeySource, error_for
from gensdk.toolkit.address import checked_base_url
from gensdk.types import (
    Ability,
    EmbedRequest,
    EmbedResponse,
    Finished,
    TextEvent,
    TextRequest,
    TextResponse,
)

from .errors import ROWS, VENDOR

__all__ = ["PerplexityBackend"]

_ROW = PRESETS["perplexity"]
_DIALECT = replace(_ROW, details=(*_ROW.details, "usage"))
_VECTORS = "pplx-embed-"
_TEXT: frozenset[Ability] = frozenset({"text"})
_EMBED: frozenset[Ability] = frozenset({"embed"})


class _Account(Account):
    """An account whose failures are looked up in Perplexity's rows first."""

    def error(
        self, failure: Failure, context: Context, *, body: bytes | object = None
    ) -> GenSDKError:
        """The error of a failure's cause."""
        if any(row.matches(failure) for row in ROWS):
            return error_for(
                failure, ROWS, provider=self.name, model=context.model, redact=self.redact
            )
        return super().error(failure, context, body=body)


class PerplexityBackend(HostedBackend):
    """Perplexity's API: answers from the web with their sources, and vectors.

    ::

        Client(backends={"perplexity": PerplexityBackend(api_key=…)})

    Nothing is sent, and no key is needed, before the first request.
    """

    account: Account

    def __init__(
        self,
        *,
        name: str = "perplexity",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up an account.

        Args:
            name: Provider name, as in ``"name:model"``.
            api_key: Key, or a (sync or async) function that returns the current one; None takes
                ``PERPLEXITY_API_KEY``.
            base_url: None takes ``PERPLEXITY_BASE_URL`` or the vendor's own.
            headers: Further headers of every request.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.

        Raises:
            ConfigurationError: The key or the address cannot be used.
        """
        variable = VENDOR.url_variable
        if base_url is None and (found := os.environ.get(variable, "").strip()):
            base_url = checked_base_url(found, variable, trusted=False)
        self.account = _Account(
            _DIALECT,
            name=name,
            api_key=api_key,
            base_url=base_url,
            default_headers=headers,
            http_client=http_client,
        )

    def capabilities(self, model: str) -> Capabilities:
        """What a model does, told by its name."""
        from .embeddings import MAX_INPUTS

        vectors = model.startswith(_VECTORS)
        return Capabilities(
            abilities=_EMBED if vectors else _TEXT,
            streams=frozenset() if vectors else _TEXT,
            max_candidates=_DIALECT.max_candidates,
            max_inputs=MAX_INPUTS if vectors else None,
            price_provider=_DIALECT.price_provider,
        )

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        """Answer from the web, or without it."""
        from .text import with_sources

        return with_sources(
            await chat.generate(self.account, self._asked(request, context), context)
        )

    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[TextEvent]:
        """Stream the answer; its sources come with the last event."""
        from .text import with_sources

        opened = chat.stream(self.account, self._asked(request, context), context)
        async with aclosing(opened) as events:
            async for event in events:
                if isinstance(event, Finished):
                    yield Finished(response=with_sources(event.response))
                else:
                    yield event

    async def embed(self, request: EmbedRequest, context: Context) -> EmbedResponse:
        """Turn texts into vectors."""
        from . import embeddings

        return await embeddings.generate(self.account, request, context)

    def _asked(self, request: TextRequest, context: Context) -> TextRequest:
        from .text import with_search

        return with_search(request, name=self.name, vendor=VENDOR.name, model=context.model)
