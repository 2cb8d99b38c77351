"""Log-probabilities: the shape of chat, and the parallel lists of legacy completions."""

from __future__ import annotations

from gensdk.types import TokenLogprob

from .chat_wire import WireLogprobs

__all__ = ["token_logprobs"]


def token_logprobs(wire: WireLogprobs | None) -> tuple[TokenLogprob, ...] | None:
    """One entry per token; None where the answer has none.

    Tokens without a number (the first echoed one of legacy completions) are left out.
    """
    if wire is None:
        return None
    if wire.tokens is not None:
        return _from_lists(wire)
    if wire.content is None and wire.refusal is None:
        return None
    return tuple(
        TokenLogprob(
            token=item.token,
            logprob=item.logprob,
            alternatives=tuple((top.token, top.logprob) for top in item.top_logprobs or ()),
        )
        for item in (*(wire.content or ()), *(wire.refusal or ()))
    )


def _from_lists(wire: WireLogprobs) -> tuple[TokenLogprob, ...]:
    tops = wire.top_logprobs or []
    return tuple(
        TokenLogprob(
            token=token,
            logprob=logprob,
            alternatives=tuple((tops[place] or {}).items()) if place < len(tops) else (),
        )
        for place, (token, logprob) in enumerate(
            zip(wire.tokens or [], wire.token_logprobs or [], strict=False)
        )
        if logprob is not None
    )
