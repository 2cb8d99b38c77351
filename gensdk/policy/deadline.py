"""Clocks: the wall clock over a whole call, and what it shares with those of single attempts."""

from __future__ import annotations

import asyncio
import math

from gensdk._alarms import Alarm
from gensdk.errors import GenSDKError, OutcomeUnknownError, TimedOutError

from .call import PAID_ONCE, Call, Outcome, Step

__all__ = ["Clock", "Deadline", "StruckError"]


class StruckError(Exception):
    """The time of a ``Clock`` is over. Whoever set the clock says what that means."""


class Clock:
    """Cancels what runs within it at a moment, and turns that into ``StruckError``.

    ``asyncio.timeout_at`` at a third of its price, as entering and leaving wait for nothing: every
    call pays for two. Cancellations from elsewhere pass through as they do there.
    """

    __slots__ = ("_alarm", "_baseline", "_struck", "_task", "_when")

    def __init__(self, when: float) -> None:
        """Set it to a moment on the loop's clock."""
        self._when = when
        self._struck = False

    def __enter__(self) -> None:
        """Start it for the current task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("gensdk is awaited outside of a task")
        self._task = task
        self._baseline = task.cancelling()
        self._alarm = Alarm(self._when, self._strike)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop it."""
        self._alarm.off()
        if not self._struck:
            return
        if self._task.uncancel() <= self._baseline and kind is asyncio.CancelledError:
            raise StruckError from None

    def _strike(self) -> None:
        self._struck = True
        self._task.cancel()


class Deadline:
    """The deadline layer. An open stream carries its deadline on by itself."""

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        async def timed(call: Call) -> Outcome:
            if math.isinf(call.deadline):
                return await step(call)
            try:
                with Clock(call.deadline):
                    return await step(call)
            except StruckError:
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
