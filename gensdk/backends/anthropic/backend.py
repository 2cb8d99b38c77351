"""Anthropic as a backend: text, whole and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from gensdk.catalog import abilities_of, ending_of
from gensdk.catalog.anthropic import claude_model
from gensdk.spec import Capabilities, Context
from gensdk.toolkit import HostedBackend, KeySource
from gensdk.types import Ability, ListedModel, TextEvent, TextRequest, TextResponse, TokenCount

from .account import Account

__all__ = ["AnthropicBackend"]

_TEXT: frozenset[Ability] = frozenset({"text"})


class AnthropicBackend(HostedBackend):
    """Claude over Anthropic's Messages API: text from text, pictures and documents.

    ::

        Client(backends={"anthropic": AnthropicBackend(api_key=…)})

    Nothing is sent, and no key is needed, before the first request.
    """

    account: Account

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
        """Set up an account.

        Args:
            name: Provider name, as in ``"name:model"``.
            api_key: Key or token, or a sync or async function that returns the current one; None
                takes ``ANTHROPIC_API_KEY``, then ``ANTHROPIC_AUTH_TOKEN``.
            base_url: Address without its ``/v1``; None takes ``ANTHROPIC_BASE_URL`` or
                Anthropic's own. Any server that speaks the Messages API will do.
            api_version: ``anthropic-version`` of every request. None takes the newest, and the
                one before it for requests with sampling fields that the model still takes there.
            betas: Values of ``anthropic-beta`` for every request.
            default_headers: Further headers of every request (``anthropic-workspace-id``, …).
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``); never closed.

        Raises:
            ConfigurationError: The base URL is unusable or unsafe.
        """
        self.account = Account(
            name=name,
            api_key=api_key,
            base_url=base_url,
            api_version=api_version,
            betas=betas,
            default_headers=default_headers,
            http_client=http_client,
        )

    def capabilities(self, model: str) -> Capabilities:
        """What a model can do; an unknown one is taken for a model of text."""
        abilities = _TEXT & abilities_of("anthropic", model)
        return Capabilities(
            abilities=abilities,
            streams=abilities,
            continues=claude_model(model, official=self.account.official).prefill,
            max_candidates=1,
            price_provider="anthropic",
            ending=ending_of("anthropic", model, official=self.account.official),
        )

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        """Answer with text."""
        from . import text

        return await text.generate(self.account, request, context)

    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[TextEvent]:
        """Stream text."""
        from . import text

        async with aclosing(text.stream(self.account, request, context)) as events:
            async for event in events:
                yield event

    async def count_tokens(self, request: TextRequest, context: Context) -> TokenCount:
        """How many tokens a request's input is, by the provider's own count."""
        from . import counting

        return await counting.count(self.account, request, context)

    async def list_models(self, context: Context) -> list[ListedModel]:
        """The models that the account lists."""
        from . import listing

        return await listing.list_models(self.account, context)
