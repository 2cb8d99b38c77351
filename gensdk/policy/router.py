"""The route layer: one hop after the other, or a few at once, until one answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gensdk.errors import (
    GenSDKError,
    InvalidResponseError,
    RouteExhaustedError,
)
from gensdk.types import Request, Response

from .call import PAID_ONCE, Call, Hop, Outcome, Step
from .paid import bought, lost
from .route import NOT_ACCEPTED
from .stream import OpenStream

if TYPE_CHECKING:
    from .attempt import MakeReady
    from .retry import Tokens
    from .standby import Standby

__all__ = ["Router"]

logger = logging.getLogger("gensdk")

RequestFor = Callable[[Hop], Request]


class Router:
    """The route layer."""

    def __init__(self, make_ready: MakeReady, allowance: Callable[[str], Tokens]) -> None:
        """Take what the routes need.

        Args:
            make_ready: Brings models of this machine into memory, for routes with standby.
            allowance: A provider's allowance for retries; hedges are paid from it, too.
        """
        self._make_ready = make_ready
        self._allowance = allowance

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        async def routed(call: Call) -> Outcome:
            if len(call.hops) == 1 and call.route.hedge_after is None:
                call.hop = call.hops[0]  # no fork: there is no other hop to keep apart from
                outcome = await step(call)
                return outcome if call.route.accept is None else _accepted(call, outcome)
            trip = Trip(call, step, self._make_ready, self._allowance)
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

    def __init__(
        self, call: Call, step: Step, make_ready: MakeReady, allowance: Callable[[str], Tokens]
    ) -> None:
        """Stand before the first hop."""
        self.allowance = allowance
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
        from .race import or_close
        from .standby import Standby

        standby = Standby(self.hops, partial(self.fork, request_for=request_for), self._make_ready)
        outcome: Outcome = None
        try:
            outcome = await self._run(begin, request_for, standby)
        finally:
            await or_close(standby.end(), outcome)
        return outcome

    async def _run(
        self, begin: int, request_for: RequestFor | None, standby: Standby | None
    ) -> Outcome:
        if self._hedge_s is None:
            return await self._one_by_one(begin, request_for, standby)
        from .race import Race

        return await Race(self, request_for, standby, self._hedge_s).run(begin)

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
