"""The wall clock over a whole call: attempts, waits and fallbacks share it."""

from __future__ import annotations

import asyncio
import math

from gensdk.errors import GenSDKError, OutcomeUnknownError, TimedOutError

from .call import PAID_ONCE, Call, Outcome, Step

__all__ = ["Deadline"]


class Deadline:
    """The deadline layer. An open stream carries its deadline on by itself."""

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        async def timed(call: Call) -> Outcome:
            if math.isinf(call.deadline):
                return await step(call)
            scope = asyncio.timeout_at(call.deadline)
            try:
                async with scope:
                    return await step(call)
            except TimeoutError:
                if not scope.expired():
                    raise
                raise _over(call) from None

        return timed


def _over(call: Call) -> GenSDKError:
    message = f"the call took longer than the {call.phases.total:g} s allowed in total"
    last = call.attempts[-1] if call.attempts else None
    in_flight = [one for one in call.attempts if one.outcome == "cancelled" and one.billed != "no"]
    provider, model = (last.provider, last.model) if last else (None, None)
    if in_flight and call.ability in PAID_ONCE:
        return OutcomeUnknownError(
            f"{message}; the last request may still be billed", provider=provider, model=model
        )
    return TimedOutError(message, phase="total", provider=provider, model=model)
