"""Many moments behind one timer of the event loop.

Nearly every clock of a call is stopped before it strikes. A timer of asyncio's own costs an object,
a copy of the context, and comparisons in Python each time it is set, sorted and swept; a call has
several. Here a moment is a tuple in a heap, and the loop has one timer for the earliest.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from contextvars import Context
from heapq import heapify, heappop, heappush
from itertools import count

__all__ = ["Alarm"]

FEW = 64
"""Alarms that were switched off and may stay in the heap, whatever its size."""

_EARLY_S = time.get_clock_info("monotonic").resolution
"""How much too early an event loop may wake us."""


class Alarm:
    """Rings at a moment of the running loop's clock, unless it is switched off before.

    Raises ``RuntimeError`` where no loop is running.

    Attributes:
        call: What is called then; None once it has rung or is off.
    """

    __slots__ = ("_clock", "call")

    def __init__(self, when: float, call: Callable[[], object]) -> None:
        """Take the moment, and what is to be called."""
        loop = asyncio.get_running_loop()
        clock = _latest()
        if clock is None or clock.loop() is not loop:
            clock = _clock_of(loop)
        self._clock = clock
        self.call: Callable[[], object] | None = call
        clock.add(when, self)

    def off(self) -> None:
        """Let it never ring; holds nothing from here on. May be called twice."""
        if self.call is not None:
            self.call = None
            self._clock.one_off()

    def ring(self) -> None:
        """Ring, once."""
        call, self.call = self.call, None
        if call is not None:
            call()


class _LoopClock:
    """The alarms of one event loop.

    ``_timers`` are the moments of the loop's own timers, the earliest last: each was set because
    it was earlier than all before it. They are not taken back; one that finds nothing due goes on
    to the next moment.

    Those timers are what keeps it: alarms lead to tasks, and these to their loop, so whoever else
    held it would hold a loop that was closed in the midst of its work.
    """

    __slots__ = ("__weakref__", "_alarms", "_context", "_count", "_off", "_timers", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = weakref.ref(loop)
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._context = Context()  # empty: a timer outlives the call that it was first set for
        self._count = count()
        self._off = 0
        self._timers: list[float] = []

    def add(self, when: float, alarm: Alarm) -> None:
        heappush(self._alarms, (when, next(self._count), alarm))
        if not self._timers or when < self._timers[-1]:
            self._wake_at(when)

    def one_off(self) -> None:
        """Count what was switched off since the last sweep; sweep once it may be the most."""
        self._off += 1
        if self._off > FEW and 2 * self._off > len(self._alarms):
            self._alarms = [item for item in self._alarms if item[2].call is not None]
            heapify(self._alarms)
            self._off = 0

    def _wake_at(self, when: float) -> None:
        loop = self.loop()
        if loop is not None:
            loop.call_at(when, self._wake, context=self._context)
            self._timers.append(when)

    def _wake(self) -> None:
        loop = self.loop()
        if loop is None:
            return
        self._timers.pop()
        due, later = loop.time() + _EARLY_S, next(self._count)
        try:
            while self._alarms:
                when, number, alarm = self._alarms[0]
                if alarm.call is not None and (when > due or number > later):
                    break  # what is set by one that rings has a turn of the loop's to itself
                heappop(self._alarms)
                alarm.ring()
        finally:  # whatever one of them did, the others will ring
            if self._alarms and (not self._timers or self._alarms[0][0] < self._timers[-1]):
                self._wake_at(self._alarms[0][0])


def _none() -> None:
    """No clock yet."""


_clocks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Callable[[], _LoopClock | None]]
_clocks = weakref.WeakKeyDictionary()
_latest: Callable[[], _LoopClock | None] = _none
"""Where the one that was asked for last is: nearly always the one that is asked for next."""


def _clock_of(loop: asyncio.AbstractEventLoop) -> _LoopClock:
    global _latest  # a shortcut to one entry of the table, no state of its own
    found = _clocks.get(loop, _none)
    clock = found()
    if clock is None:
        clock = _LoopClock(loop)
        found = _clocks[loop] = weakref.ref(clock)
    _latest = found
    return clock
