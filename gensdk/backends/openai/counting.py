"""Tokens of a request, over ``POST /responses/input_tokens``.

The wire: ``openai`` 3.52 ``types/responses/input_token_count_params.py``. Compatible servers have
no such endpoint, and a count of another model's tokenizer would be a guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gensdk.errors import UnsupportedFeatureError
from gensdk.toolkit import Notes
from gensdk.toolkit.counting import tokens_in
from gensdk.types import TokenCount

from .responses_request import prepare
from .routing import choose_protocol

if TYPE_CHECKING:
    from gensdk.catalog.compatible import TextProtocol
    from gensdk.spec import Context
    from gensdk.types import TextRequest

    from .account import Account

__all__ = ["count"]

PATH = "/responses/input_tokens"

_COUNTED = frozenset({
    "conversation", "input", "instructions", "model", "parallel_tool_calls",
    "previous_response_id", "reasoning", "text", "tool_choice", "tools", "truncation",
})  # fmt: skip
"""Fields of a response's request that the endpoint takes; the others are no input."""


async def count(
    account: Account, request: TextRequest, context: Context, preferred: TextProtocol | None
) -> TokenCount:
    """Count once.

    Raises:
        UnsupportedFeatureError: The request would go over another protocol than Responses.
    """
    if choose_protocol(request, account, preferred)[0] != "responses":
        raise UnsupportedFeatureError(
            "tokens are counted for requests over OpenAI's Responses API alone; this one goes "
            "over another protocol",
            provider=account.name,
            model=context.model,
        )
    notes = Notes(account.name, context)
    whole = prepare(request, context, account, notes)
    payload = {name: value for name, value in whole.items() if name in _COUNTED}
    answer = await account.post(PATH, payload, context, notes=notes)
    found = tokens_in(answer, "input_tokens")
    if found is None:
        raise account.invalid("The answer holds no count of tokens.", answer, context)
    return TokenCount(
        input_tokens=found,
        exact=True,
        source="provider",
        provider=account.name,
        model=context.model,
    )
