"""What a backend may do beside generating: list its models, count tokens, read webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from gensdk.types import ListedModel, TextRequest, TokenCount, WebhookEvent

if TYPE_CHECKING:
    from . import Context

__all__ = ["ListingBackend", "TokenCountBackend", "WebhookBackend"]


@runtime_checkable
class ListingBackend(Protocol):
    """Can be asked which models it has. Only ``client.refresh_models`` asks."""

    async def list_models(self, context: Context) -> Sequence[ListedModel]:
        """Read the provider's own list, all pages of it, and nothing else; each page once.

        What comes is not trusted: ``gensdk.toolkit.listing.read_list`` bounds pages, entries and
        names. ``context.model`` is empty. A status or a date is given only where the list has it.
        """
        ...


@runtime_checkable
class TokenCountBackend(Protocol):
    """Can tell how many tokens a request's input is. Only ``client.count_tokens`` asks."""

    async def count_tokens(self, request: TextRequest, context: Context) -> TokenCount:
        """Count once, without generating anything.

        The request is prepared as for ``text``, so that the same input is counted; what ``text``
        would refuse is refused here, its length apart.
        """
        ...


@runtime_checkable
class WebhookBackend(Protocol):
    """Reads what its provider delivers about jobs. Pure: no network, no clock."""

    def read_webhook(
        self,
        body: bytes,
        headers: Mapping[str, str],
        secrets: Sequence[str],
        *,
        now: datetime,
        tolerance_s: float,
    ) -> WebhookEvent:
        """Check the signature, then read the body. Headers come in any case.

        Raises:
            MissingCredentialsError: No secret was given, and the environment has none.
            AuthenticationError: It is not signed with a secret, or not just now.
            InvalidResponseError: It is signed, and not what the provider says it is.
        """
        ...
