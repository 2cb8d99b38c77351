"""Tokens of a request, over ``POST /v1/messages/count_tokens`` (anthropic 2.11).

The vendor calls the count an estimate: what it adds to a request by itself is counted, and not
always as it is billed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gensdk.toolkit import Notes
from gensdk.toolkit.counting import tokens_in
from gensdk.types import TokenCount

from .request import prepare

if TYPE_CHECKING:
    from gensdk.spec import Context
    from gensdk.types import TextRequest

    from .account import Account

__all__ = ["count"]

PATH = "/v1/messages/count_tokens"

_COUNTED = frozenset({
    "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config",
    "cache_control",
})  # fmt: skip
"""Fields of a message that the endpoint takes; the others are no input."""


async def count(account: Account, request: TextRequest, context: Context) -> TokenCount:
    """Count once."""
    prepared = prepare(request, context, account, Notes(account.name, context))
    payload = {name: value for name, value in prepared.payload.items() if name in _COUNTED}
    answer = await account.post(PATH, payload, prepared.headers, context)
    found = tokens_in(answer, "input_tokens")
    if found is None:
        raise account.invalid("The answer holds no count of tokens.", answer, context)
    return TokenCount(
        input_tokens=found,
        exact=False,
        source="provider",
        provider=account.name,
        model=context.model,
    )
