"""Hedging: hops of a route that are asked at the same time, each a while after the one before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from gensdk.errors import ContentBlockedError, GenSDKError

from .call import Hedge, Hop, Outcome
from .stream import OpenStream

if TYPE_CHECKING:
    from .retry import Tokens
    from .router import RequestFor, Trip
    from .standby import Standby

__all__ = ["Race", "or_close"]

logger = logging.getLogger("gensdk")


class Race:
    """Hops that are asked at the same time, each a while after the one before it.

    The while counts from where that one's request was begun. Its wait for a place under a limit
    is of our own making: asking others for it would multiply requests where they are scarce.
    """

    def __init__(
        self, trip: Trip, request_for: RequestFor | None, standby: Standby | None, wait_s: float
    ) -> None:
        self._trip = trip
        self._request_for = request_for
        self._standby = standby
        self._wait_s = wait_s
        self._running: dict[asyncio.Task[Outcome], int] = {}
        self._hedges: dict[int, Hedge] = {}
        self._begun_at: float | None = None
        self._final: dict[int, GenSDKError] = {}
        self._latest = -1
        self._taken: list[tuple[Tokens, float]] = []
        self._spent = False

    async def run(self, begin: int) -> Outcome:
        """The first answer; whoever else still runs is cancelled, and what it opened is closed."""
        self._start(begin)
        outcome: Outcome = None
        try:
            index, outcome = await self._first()
        finally:
            await or_close(self._end(won=outcome is not None), outcome)
        for tokens, price in self._taken:
            tokens.give(price)
        self._trip.answered(index)
        attempts, own = self._trip.call.attempts, self._hedges[index].attempts
        attempts.sort(key=lambda one: any(one is mine for mine in own))  # the answer's stand last
        return outcome

    def _start(self, index: int) -> None:
        here = self._trip.fork(index, self._request_for, self._standby)
        hedge = Hedge(asyncio.get_running_loop().create_future())
        here.hedge = self._hedges[index] = hedge
        here.watchers = (*here.watchers, hedge.attempts.append)
        self._running[asyncio.create_task(self._trip.attempt(here))] = index
        self._latest, self._begun_at = index, None

    async def _first(self) -> tuple[int, Outcome]:
        """Wait for the first answer, asking more hops as time goes by."""
        while True:
            spare = self._spare()
            done, over = await self._something(waiting=spare is not None)
            if over and spare is not None and self._afford(self._hop(spare)):
                logger.info("no answer within %g s; asking %s too", self._wait_s, self._hop(spare))
                self._start(spare)
            for task in sorted(done, key=lambda one: self._running[one]):
                index = self._running[task]
                error = task.exception()
                if error is None:
                    del self._running[task]
                    return index, task.result()
                del self._running[task]
                if not isinstance(error, GenSDKError):
                    raise error
                self._failed(index, error)

    async def _something(self, *, waiting: bool) -> tuple[set[asyncio.Task[Outcome]], bool]:
        """Wait until hops have ended, or the latest has been under way for the time it is given.

        Gives those that have ended, and whether that time is over.
        """
        begun = self._hedges[self._latest].begun
        clock = self._trip.call.clock
        tasks = set(self._running)
        if waiting and self._begun_at is None:
            await asyncio.wait({*tasks, begun}, return_when=asyncio.FIRST_COMPLETED)
            self._begun_at = clock() if begun.done() else None
        timeout = None
        if waiting and self._begun_at is not None:
            timeout = max(0.0, self._begun_at + self._wait_s - clock())
        done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return done, not done

    def _afford(self, hop: Hop) -> bool:
        """Take a hedge's price from the allowance; an outage that is slow is not multiplied."""
        tokens = self._trip.allowance(hop.provider)
        price = 0.0 if hop.facts.local else tokens.spend()
        self._spent = not price and not hop.facts.local
        self._taken.append((tokens, price))
        return not self._spent

    def _hop(self, index: int) -> Hop:
        return self._trip.hops[index]

    def _failed(self, index: int, error: GenSDKError) -> None:
        """Ask the next hop at once; where there is none, the others that run may still answer.

        An error that ends the call is held back while a hop before it runs: without hedging
        nobody would have asked the one that failed, unless that hop had failed first. Blocked
        content alone is not taken from anyone else.
        """
        trip = self._trip
        if len(trip.call.hops) == 1:  # trying one hop again is left to the retries
            following: int | None = len(trip.hops)
        else:
            following = trip.following(index, self._latest, error, buying=self._buying())
        if following is not None and following < len(trip.hops) and not self._final:
            self._start(following)
            return
        moves = any(trip.call.route.moves_on(error, self._hop(at)) for at in self._running.values())
        if following is None and not moves:
            self._final[index] = error
        held = min(self._running.values(), default=index) < index
        if moves or (held and not isinstance(error, ContentBlockedError)):
            return
        raise self._final[min(self._final)] if self._final else trip.exhausted(error)

    def _buying(self) -> bool:
        return any(not self._hop(index).facts.local for index in self._running.values())

    def _spare(self) -> int | None:
        """The hop to ask when the time is over; a second purchase is none."""
        if self._final or self._spent:
            return None
        paid = self._trip.paid(buying=self._buying())
        for index in range(self._latest + 1, len(self._trip.hops)):
            if self._hop(index).facts.local or not paid:
                return index
        return None

    async def _end(self, *, won: bool) -> None:
        """Cancel whoever still runs, wait until all have let go, close what they opened."""
        for task, index in self._running.items():
            self._hedges[index].lost = won
            task.cancel()
        try:
            await asyncio.gather(*self._running, return_exceptions=True)
        finally:
            for task in self._running:
                if task.done() and not task.cancelled() and task.exception() is None:
                    await _close(task.result())


async def or_close(ending: Awaitable[None], outcome: Outcome) -> None:
    """Wait for an end; where that is cut short, close the stream that nobody will get now."""
    try:
        await ending
    except BaseException:
        await _close(outcome)
        raise


async def _close(outcome: Outcome) -> None:
    if isinstance(outcome, OpenStream):
        await outcome.close()
