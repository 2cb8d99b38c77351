"""The three addresses of one token: the router, its chat endpoint, and the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from gensdk.backends.openai.account import Account
from gensdk.catalog.compatible import PRESETS
from gensdk.catalog.huggingface import AS_OF
from gensdk.errors import GenSDKError
from gensdk.spec import Context
from gensdk.toolkit import Failure, KeyedAccount, KeySource, error_for
from gensdk.toolkit.address import chosen_base_url

from .errors import HUB, ROWS, VENDOR, with_wait
from .providers import Providers

__all__ = ["Accounts", "ChatAccount"]

_CHAT = "/v1"


class ChatAccount(Account):
    """The router's chat, whose failures are looked up in Hugging Face's rows first."""

    def error(
        self, failure: Failure, context: Context, *, body: bytes | object = None
    ) -> GenSDKError:
        """The error of a failure's cause."""
        failure = with_wait(failure, body)
        if any(row.matches(failure) for row in ROWS):
            return error_for(
                failure, ROWS, provider=self.name, model=context.model, redact=self.redact
            )
        return super().error(failure, context, body=body)


class Accounts:
    """What one token opens. Nothing is read or opened before the first request.

    Attributes:
        router: The providers behind the router, each below its own name.
        chat: Chat over the router, which chooses the provider itself.
        hub: The hub, asked who has a model.
        providers: What the hub said.
        poll_s: Seconds before the first second look at queued work.
    """

    def __init__(
        self,
        *,
        name: str,
        api_key: KeySource | None,
        bill_to: str | None,
        base_url: str | None,
        hub_url: str | None,
        headers: Mapping[str, str] | None,
        http_client: object | None,
        poll_s: float,
    ) -> None:
        """Set up without I/O and without needing a token.

        Raises:
            ConfigurationError: The token or an address cannot be used.
        """
        all_headers = dict(headers or {})
        if bill_to is not None:
            all_headers["x-hf-bill-to"] = bill_to
        address = chosen_base_url(base_url, VENDOR.url_variable, VENDOR.base_url)
        address = address.removesuffix(_CHAT)  # with which the preset of this name had it
        self.router = KeyedAccount(
            VENDOR,
            name=name,
            api_key=api_key,
            base_url=address,
            headers=all_headers,
            http_client=http_client,
        )
        self.chat = ChatAccount(
            PRESETS["huggingface"],
            name=name,
            api_key=api_key,
            base_url=f"{address}{_CHAT}",
            default_headers=all_headers,
            http_client=http_client,
        )
        self.hub = KeyedAccount(
            HUB, name=name, api_key=api_key, base_url=hub_url, http_client=http_client
        )
        self.providers = Providers(self.hub)
        self.poll_s = poll_s

    @property
    def name(self) -> str:
        """Provider name, as in ``"name:model"``."""
        return self.router.name

    def identity(self) -> str | None:
        """Whose answers these are, without the token."""
        parts = (self.router.identity(), self.hub.identity(), str(AS_OF))
        if None in parts:
            return None
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    async def aclose(self) -> None:
        """Close what was opened here, for good. May be called twice."""
        for account in (self.router, self.chat, self.hub):
            await account.aclose()
