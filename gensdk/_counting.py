"""Counting the tokens of a request's input, at the first model that could answer it."""

from __future__ import annotations

import asyncio

from gensdk._calls import Calls
from gensdk._given import CallSettings
from gensdk.errors import GenSDKError, TimedOutError, UnsupportedFeatureError
from gensdk.spec import TokenCountBackend
from gensdk.types import TextRequest, TokenCount

__all__ = ["count_tokens"]


async def count_tokens(calls: Calls, request: TextRequest, settings: CallSettings) -> TokenCount:
    """One question to one model: no retry, no fallback, nothing kept."""
    call = calls.call_of(request, settings, "answer")
    call.hop = hop = call.hops[0]
    if not isinstance(hop.backend, TokenCountBackend):
        raise UnsupportedFeatureError(
            f"{hop.provider} has no way to count tokens before a call; "
            "response.usage.input_tokens tells it afterwards",
            provider=hop.provider,
            model=hop.model,
        )
    if hop.facts.ending is not None:
        calls.lifecycle.mind(call, hop.facts.ending)
    asked, context = calls.asked_of(call)
    assert isinstance(asked, TextRequest)  # the request above, options renamed
    scope = asyncio.timeout(call.phases.attempt)
    try:
        async with scope:
            counted = await hop.backend.count_tokens(asked, context)
    except TimeoutError:
        if not scope.expired():
            raise  # of the user's own function for keys
        raise TimedOutError(
            f"no count within {call.phases.attempt:g} s", phase="attempt",
            provider=hop.provider, model=hop.model, billed="no",
        ) from None  # fmt: skip
    except GenSDKError as error:
        error.billed = "no"  # counting costs nothing, whatever became of it
        raise calls.lifecycle.judged(call, call.blame(error)) from error
    return counted.model_copy(update={"provider": hop.provider, "model": hop.model})
