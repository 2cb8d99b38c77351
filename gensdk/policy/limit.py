"""How much may run at once and per minute, so that a provider's limits are met beforehand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from gensdk.errors import ConfigurationError, TimedOutError

from .attempt import refused
from .call import Call, Outcome, Step
from .stream import OpenStream

__all__ = ["Limit", "Limiter"]


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds for one provider, on each event loop.

    Attributes:
        concurrency: Attempts under way at once; an open stream counts until it ends.
        requests_per_minute: Attempts begun in any 60 seconds.
    """

    concurrency: int | None = None
    requests_per_minute: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for value in (self.concurrency, self.requests_per_minute):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ConfigurationError("Limit(...) takes whole numbers from 1")


class _Gate:
    """The places and the window of one provider on one loop."""

    def __init__(self, limit: Limit) -> None:
        self._places = asyncio.Semaphore(limit.concurrency) if limit.concurrency else None
        self._per_minute = limit.requests_per_minute
        self._begun: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def enter(self, call: Call) -> None:
        """Wait for a place; raises ``TimedOutError`` for the phase ``queue``."""
        allowed = call.phases.queue
        if allowed >= call.left_s:  # the deadline's own clock strikes first
            await self._wait(call)
            return
        scope = asyncio.timeout(allowed)
        try:
            async with scope:
                await self._wait(call)
        except TimeoutError:
            if not scope.expired():
                raise
            error = TimedOutError(
                f"no free place for {call.here} within {allowed:g} s (see Limit)", phase="queue"
            )
            raise refused(call, error) from None

    async def _wait(self, call: Call) -> None:
        if self._places is not None:
            await self._places.acquire()
        try:
            await self._window(call)
        except BaseException:
            self.leave()
            raise

    async def _window(self, call: Call) -> None:
        if self._per_minute is None:
            return
        async with self._turn:
            now = call.clock()
            while self._begun and self._begun[0] <= now - 60:
                self._begun.popleft()
            if len(self._begun) >= self._per_minute:
                await asyncio.sleep(self._begun[0] + 60 - now)
                self._begun.popleft()
            self._begun.append(call.clock())

    def leave(self) -> None:
        """Give the place back."""
        if self._places is not None:
            self._places.release()


class Limiter:
    """The limit layer, inside the retries, so that waiting for another try holds no place."""

    def __init__(self, limits: Limit | Mapping[str, Limit] | None) -> None:
        """Take one limit for every provider, or limits by provider name."""
        for limit in limits.values() if isinstance(limits, Mapping) else [limits]:
            if not isinstance(limit, Limit | None):
                raise ConfigurationError(f"limit={limit!r}: give a Limit, or one by provider name")
        self._limits = limits
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Gate]]
        self._gates = WeakKeyDictionary()

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step; no limits, no layer."""
        if not self._limits:
            return step

        async def limited(call: Call) -> Outcome:
            gate = self._gate(call.here.provider)
            if gate is None:
                return await step(call)
            await gate.enter(call)
            kept = False
            try:
                outcome = await step(call)
                if isinstance(outcome, OpenStream):
                    outcome.on_end(lambda *_: gate.leave())
                    kept = True
                return outcome
            finally:
                if not kept:
                    gate.leave()

        return limited

    def _gate(self, provider: str) -> _Gate | None:
        limits = self._limits
        limit = limits.get(provider) if isinstance(limits, Mapping) else limits
        if limit is None:
            return None
        gates = self._gates.setdefault(asyncio.get_running_loop(), {})
        if provider not in gates:
            gates[provider] = _Gate(limit)
        return gates[provider]
