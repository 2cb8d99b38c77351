"""Tokens of a request, over ``POST /models/{model}:countTokens`` (ai.google.dev)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gensdk.toolkit.counting import tokens_in
from gensdk.types import TokenCount

from .account import model_path
from .text import prepared_body

if TYPE_CHECKING:
    from gensdk.spec import Context
    from gensdk.types import TextRequest

    from .account import Account

__all__ = ["count"]


async def count(account: Account, request: TextRequest, context: Context) -> TokenCount:
    """Count once; the request goes whole, as its instructions and tools are counted too."""
    path = model_path(context.model)
    whole = {"model": path, **await prepared_body(account, request, context)}
    answer = await account.post(f"{path}:countTokens", {"generateContentRequest": whole}, context)
    found = tokens_in(answer, "totalTokens")
    if found is None:
        raise account.invalid("The answer holds no count of tokens.", answer, context)
    return TokenCount(
        input_tokens=found,
        exact=True,
        source="provider",
        provider=account.name,
        model=context.model,
    )
