"""The route layer: one hop after the other, or a few at once, until one answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidResponseError,
    RouteExhaustedError,
)
from gensdk.types import Request, Response

from .call import PAID_ONCE, Call, Hedge, Hop, Outcome, Step
from .paid import bought, lost
from .route import NOT_ACCEPTED
from .stream import OpenStream

if TYPE_CHECKING:
    from .attempt import MakeReady
    from .standby import Standby

__all__ = ["Router"]

logger = logging.getLogger("gensdk")

RequestFor = Callable[[Hop], Request]


class Router:
    """The route layer."""

    def __init__(self, make_ready: MakeReady) -> None:
        """Take what brings models of this machine into memory, for routes with standby."""
        self._make_ready = make_ready

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        async def routed(call: Call) -> Outcome:
            if len(call.hops) == 1 and call.route.hedge_after is None:
                hop = call.hops[0]
                here = call.fork(hop=hop, mark="")
                outcome = await step(here)
                call.hop = here.hop
                return outcome if call.route.accept is None else _accepted(here, outcome)
            trip = Trip(call, step, self._make_ready)
            outcome = await trip.run()
            more = trip.at + 1 < len(call.hops)
            if isinstance(outcome, OpenStream) and call.interrupted != "raise" and more:
                from .relay import Relayed

                return Relayed(call, trip, outcome)
            return outcome

        return routed


class Trip:
    """One call on its way over the hops of its route.

    Attributes:
        hops: The hops; one that is to be asked twice at once stands here twice.
        at: Index of the hop that answered last.
        failed: What each hop that was tried failed with, by index.
    """

    def __init__(self, call: Call, step: Step, make_ready: MakeReady) -> None:
        """Stand before the first hop."""
        self.call = call
        self.at = 0
        self.failed: dict[int, GenSDKError] = {}
        self._step = step
        self._make_ready = make_ready
        self._since = 0
        self._hedge_s = None if _as_job(call) else call.route.hedge_after
        alone = len(call.hops) == 1 and self._hedge_s is not None
        self.hops = call.hops * 2 if alone else call.hops

    async def run(self, begin: int = 0, request_for: RequestFor | None = None) -> Outcome:
        """The first acceptable answer, from the hop ``begin`` on.

        Raises:
            RouteExhaustedError: All have failed.
            GenSDKError: One failed in a way that ends the call.
        """
        if not self.call.route.standby:
            return await self._run(begin, request_for, None)
        from .standby import Standby

        standby = Standby(self.hops, partial(self.fork, request_for=request_for), self._make_ready)
        outcome: Outcome = None
        try:
            outcome = await self._run(begin, request_for, standby)
        finally:
            await _or_close(standby.end(), outcome)
        return outcome

    async def _run(
        self, begin: int, request_for: RequestFor | None, standby: Standby | None
    ) -> Outcome:
        if self._hedge_s is None:
            return await self._one_by_one(begin, request_for, standby)
        return await _Race(self, request_for, standby, self._hedge_s).run(begin)

    def fork(
        self, index: int, request_for: RequestFor | None, standby: Standby | None = None
    ) -> Call:
        """The call at one of its hops."""
        hop = self.hops[index]
        request = request_for(hop) if request_for is not None else None
        here = self.call.fork(hop=hop, request=request, mark=f"-{index}" if index else "")
        if standby is not None:
            here.watchers = (partial(standby.attempted, index),)
        return here

    async def attempt(self, here: Call) -> Outcome:
        """Ask the hop of a fork; where its model is gone, its successor may have answered."""
        asked = here.hop
        outcome = await self._step(here)
        if here.hop is not asked:
            self.hops = tuple(here.here if hop is asked else hop for hop in self.hops)
        return _accepted(here, outcome)

    def answered(self, index: int) -> None:
        """Note who answered."""
        self.at = index
        self.call.hop = self.hops[index]

    async def _one_by_one(
        self, begin: int, request_for: RequestFor | None, standby: Standby | None
    ) -> Outcome:
        index = begin
        while True:
            try:
                outcome = await self.attempt(self.fork(index, request_for, standby))
            except GenSDKError as error:
                index = self.after(index, error)
            else:
                self.answered(index)
                return outcome

    def after(self, index: int, error: GenSDKError) -> int:
        """The hop that follows one that failed.

        Raises:
            RouteExhaustedError: There is none left.
            GenSDKError: The error itself, where it ends the call.
        """
        following = self.following(index, index, error)
        if following is None:
            raise error
        if following == len(self.hops):
            raise self.exhausted(error)
        return following

    def following(
        self, index: int, latest: int, error: GenSDKError, *, buying: bool = False
    ) -> int | None:
        """Where the call goes after an error: past the end where nothing is left, None nowhere.

        Args:
            index: The hop that failed.
            latest: The last hop that was asked.
            error: What it failed with.
            buying: Whether a paid hop is being asked at this moment.
        """
        call = self.call
        self.failed[index] = error
        if error.code == NOT_ACCEPTED:  # the user's own test wants it made again
            self._since = len(call.attempts)
        following = self._next(latest, error, paid=self.paid(buying=buying))
        call.lost = lost(call.attempts[self._since :])
        if following is not None and following < len(self.hops):
            to = self.hops[following]
            logger.warning("%s failed (%s); trying %s", self.hops[index], error.kind, to)
        return following

    def paid(self, *, buying: bool = False) -> bool:
        """Whether no hop that costs money may follow, as the answer is bought already."""
        call = self.call
        once = call.ability in PAID_ONCE and not call.retry.unknown_outcome
        return bought(call, self._since) or (buying and once)

    def _next(self, latest: int, error: GenSDKError, *, paid: bool) -> int | None:
        hops, moves_on = self.hops, self.call.route.moves_on
        if latest == len(hops) - 1:
            return len(hops) if moves_on(error, hops[latest]) else None
        after = [at for at in range(latest + 1, len(hops)) if moves_on(error, hops[at])]
        free = [at for at in after if hops[at].facts.local or not paid]
        if after and not free:
            error.add_note(
                f"{hops[after[0]]} was not tried: this {self.call.ability} request may be paid for "
                "already (see error.attempts); Retry(unknown_outcome=True) buys it again"
            )
        return next(iter(free), None)

    def exhausted(self, last: GenSDKError) -> GenSDKError:
        """The error that holds those of all hops; of a single model its own."""
        if len(self.call.hops) == 1:
            return last
        failed = sorted(self.failed.items())
        tried = "; ".join(f"{self.hops[at]}: {_brief(error)}" for at, error in failed)
        return RouteExhaustedError(
            f"every model of the route failed: {tried}", [error for _, error in failed]
        )


class _Race:
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

    async def run(self, begin: int) -> Outcome:
        self._start(begin)
        outcome: Outcome = None
        try:
            index, outcome = await self._first()
        finally:
            await _or_close(self._end(won=outcome is not None), outcome)
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
            if over and spare is not None:
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
        if self._final:
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


async def _or_close(ending: Awaitable[None], outcome: Outcome) -> None:
    """Wait for an end; where that is cut short, close the stream that nobody will get now."""
    try:
        await ending
    except BaseException:
        await _close(outcome)
        raise


async def _close(outcome: Outcome) -> None:
    if isinstance(outcome, OpenStream):
        await outcome.close()


def _as_job(call: Call) -> bool:
    """Whether the call starts a job at one of its hops: it is created once, never twice."""
    return not call.streaming and any(call.ability in hop.facts.jobs for hop in call.hops)


def _brief(error: GenSDKError, limit: int = 160) -> str:
    """Kind and message of a hop's error, short enough to stand beside others."""
    message = error.message if len(error.message) <= limit else f"{error.message[:limit]}…"
    return f"{error.kind} ({message})"


def _accepted(here: Call, outcome: Outcome) -> Outcome:
    accept = here.route.accept
    if accept is None or not isinstance(outcome, Response) or accept(outcome):
        return outcome
    error = InvalidResponseError(
        "the answer was refused by the route's accept= test",
        provider=outcome.provider,
        model=outcome.model,
        code=NOT_ACCEPTED,
        billed="no" if here.here.facts.local else "yes",
    )
    hop, attempts = here.here, here.attempts
    last = max(
        at
        for at, one in enumerate(attempts)
        if (one.provider, one.model, one.outcome) == (hop.provider, hop.model, "ok")
    )
    changes = {"outcome": "error", "error": error.kind, "message": error.message}
    attempts[last] = attempts[last].model_copy(update=changes)
    raise error
