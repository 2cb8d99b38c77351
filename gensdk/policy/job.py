"""A job under way: looked at until it ends, fetched when it is done, cancelled.

Looking is free, so it is repeated; only the start, which is an attempt, is bought. Whoever holds
the job says when to stop waiting; a job that was started for a single call is cancelled with it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar, get_args

from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidResponseError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    Phase,
    TimedOutError,
)
from gensdk.types import CancelOutcome, JobHandle, JobProgress, JobState, Response

from . import job_ends as ends
from .call import Call
from .hooks import JobCancelled, JobProgressed
from .paid import worst
from .retry import passing, repeat_look
from .stream import close

__all__ = ["OpenJob"]

logger = logging.getLogger("gensdk")

ValueT = TypeVar("ValueT")
Ending = Callable[[Response | None, BaseException | None], None]

GIVE_UP_S = 5.0
"""Time for telling a provider that nobody waits for a job any more."""
_GIVE_UP_SHARE = 0.05
"""Share of a call's whole time, at most, that is kept for that."""
_LATE_S = 0.3
"""How much later than its deadline a call may end for it."""


class OpenJob:
    """A job that was started, or taken up. Any number of tasks may wait for it.

    At the end ``finish`` completes the response and the ``on_end`` callbacks run, once.
    """

    def __init__(self, call: Call, handle: JobHandle) -> None:
        """Take a call at its hop, whose last attempt is the job's start."""
        self.call = call
        self.handle = handle
        self.state = JobState(status="queued")
        self.door: ends.JobDoor | None = None
        self.begin: Callable[[], None] = _nothing
        self.finish: Callable[[Response], Response] = _as_it_is
        self._endings: list[Ending] = []
        self._failure: GenSDKError | None = None
        self._response: Response | None = None
        self._cancelling = False
        self._given_up = False
        self._stopped = asyncio.Event()
        self._turn = asyncio.Lock()

    @classmethod
    def started(cls, call: Call, handle: JobHandle) -> OpenJob:
        """A job that the call's attempt has just started; fills in its handle."""
        facts = {
            "provider": call.here.provider,
            "model": call.here.model,
            "ability": call.ability,
            "created_at": handle.created_at or datetime.now(UTC),
            "fingerprint": call.request.fingerprint(),
            "idempotency_key": call.idempotency_key,
        }
        return cls(call, handle.model_copy(update=facts))

    def on_end(self, ending: Ending) -> None:
        """Call ``ending(response, error)`` once, when the job ends in whatever way."""
        self._endings.append(ending)

    # --------------------------------------------------------------------------- waiting
    async def states(self, until: float = math.inf) -> AsyncGenerator[JobState]:
        """Every state that is seen, the last one too, up to a moment on the loop's clock.

        Raises:
            TimedOutError: The moment has come; the job goes on.
            ContentBlockedError: Safety rules ended it.
            GenSDKError: It cannot be looked at; it goes on.
        """
        self._begin()
        if self._failure is None and self.state.ended:
            yield self.state
        async with aclosing(self._pushed(until)) as pushed:
            async for state in pushed:
                yield state
        pause_s = 0.0
        while not self.state.ended:
            await self._within(until, self._rest(pause_s))
            if not self.state.ended:
                self._take(await self._within(until, self._look()))
            yield self.state
            pause_s = ends.next_pause_s(self.state.poll_after_s, pause_s, self.call.phases.poll)
        if self._failure is not None:
            raise self._failure

    async def result(self, until: float = math.inf) -> Response:
        """Wait for the end, and fetch what the job made.

        Raises:
            JobFailedError: It failed, or made nothing.
            JobCancelledError: It was cancelled.
            JobExpiredError: The provider has it no more.
            GenSDKError: As ``states``, or what it made cannot be fetched; that may be repeated.
        """
        return await self._within(until, self._result())

    async def answer(self) -> Response:
        """``result`` for the one call that the job was started for: no caller, no job.

        Cancelling the call, and its deadline, cancel the job, in bounded time. After another
        error the job goes on; ``error.job_handle`` takes it up.
        """
        deadline = self.call.deadline
        kept_s = min(GIVE_UP_S, _GIVE_UP_SHARE * (deadline - self.call.started))
        try:
            async with aclosing(self.states(deadline - kept_s)) as states:
                async for _ in states:
                    continue
            return await self.result(deadline)
        except asyncio.CancelledError as error:
            _, told = await self.give_up(self.call.clock() + GIVE_UP_S)
            error.add_note(f"the job {self.handle.id} at {self.call.here}: {told}")
            self.settle(None, error)
            raise
        except TimedOutError as error:
            final = await self._too_late(error) if error.phase == "total" else error
            self.settle(None, final)
            if final is error:
                raise
            raise final from None
        except Exception as error:
            self.settle(None, error)
            raise

    async def _too_late(self, error: TimedOutError) -> GenSDKError:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        now = self.call.clock()
        until = min(now + GIVE_UP_S, max(now, self.call.deadline) + _LATE_S)
        outcome, told = await self.give_up(until)
        if task and task.cancelling() > before:
            self.settle(None, asyncio.CancelledError())
            raise asyncio.CancelledError
        return self._told(
            TimedOutError(
                f"the job {self.handle.id} did not end in the {self.call.phases.total:g} s allowed "
                f"in total; {told}",
                phase=error.phase,
                billed="maybe",
                retryable=outcome == "stopped",
            )
        )

    async def _result(self) -> Response:
        async with self._turn:
            async with aclosing(self.states()) as states:
                async for _ in states:
                    continue
            if self._response is None:
                made = await self._ask(self._door.collect, self.call.phases.attempt, "attempt")
                self._response = self._collected(made)
            return self._response

    async def _pushed(self, until: float) -> AsyncGenerator[JobState]:
        """States that the backend tells by itself; ends where it has to be asked."""
        events = None if self.state.ended else self._door.watch()
        if events is None:
            return
        try:
            while not self.state.ended:
                state = await self._within(until, self._event(events))
                if state is None:
                    return
                self._take(state)
                yield self.state
        finally:
            await close(events)

    async def _event(self, events: AsyncIterator[JobState]) -> JobState | None:
        try:
            return await anext(events, None)
        except GenSDKError as error:
            if passing(error):
                return None
            self._told(error)
            raise

    async def _look(self) -> JobState:
        return await self._ask(self._poll, self.call.phases.poll, "poll")

    async def _poll(self) -> JobState:
        try:
            return await self._door.poll()
        except JobExpiredError as error:
            if not self._cancelling:
                raise
            raise JobCancelledError(ends.SAID["cancelled"]) from error  # deleted, as we asked

    async def _rest(self, seconds: float) -> None:
        """Wait, but not for a job that is cancelled meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    def _take(self, state: object) -> None:
        if not isinstance(state, JobState):
            raise self._told(
                InvalidResponseError(f"the backend told a job's state as {type(state).__name__}")
            )
        if self.state.ended:  # cancelled while it was looked at
            return
        self.state = state
        seen = {name: getattr(state, name) for name in JobProgress.model_fields}
        progress = JobProgress.model_construct(**(seen | {"preview": None}))
        call = self.call
        call.emit(JobProgressed(call.id, call.ability, self.handle.id, progress))
        if state.status != "succeeded" and state.ended:
            self._ended_badly(ends.failure_of(state))

    def _collected(self, response: Response) -> Response:
        if not isinstance(response, Response):
            raise self._told(
                InvalidResponseError(f"the backend answered with {type(response).__name__}")
            )
        if ends.is_empty(response):
            raise self._ended_badly(
                JobFailedError(
                    "the provider says that the job succeeded, but it made nothing",
                    code="no_output",
                )
            )
        self._record(billed="yes")
        complete = self.finish(
            response.replace(
                warnings=(*self.handle.warnings, *response.warnings),
                request_id=response.request_id or self.handle.id,
            )
        )
        self.settle(complete, None)
        return complete

    # ------------------------------------------------------------------------ cancelling
    async def cancel(self) -> CancelOutcome:
        """Ask the provider to stop it; a job that has ended is left alone."""
        self._begin()
        if self.state.ended:
            return "stopped"
        self._cancelling = True
        outcome = await self._ask(self._door.cancel, self.call.phases.poll, "poll")
        if outcome not in get_args(CancelOutcome):
            raise self._told(InvalidResponseError(f"the backend cancelled with {outcome!r:.40}"))
        call = self.call
        call.emit(JobCancelled(call.id, call.ability, self.handle.id, outcome))
        if outcome == "unsupported":
            self._cancelling = False
        elif outcome == "stopped" and not self.state.ended:
            self.state = JobState(status="cancelled")
            self._ended_badly(ends.failure_of(self.state))
        return outcome

    async def give_up(self, until: float) -> tuple[CancelOutcome | None, str]:
        """Cancel it by a moment on the loop's clock, whatever comes, and say what came of it.

        None stands where the provider could not be told, or had done the work already. A
        cancellation that comes meanwhile waits; the task's ``cancelling()`` shows it.
        """
        self._given_up = True
        if self.state.status == "succeeded":
            return None, ends.DONE
        telling = asyncio.create_task(self.cancel())
        while not telling.done() and self.call.clock() < until:
            with suppress(asyncio.CancelledError):
                await asyncio.wait({telling}, timeout=until - self.call.clock())
        if not telling.done():
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({telling}, timeout=1.0)
        done = telling.done() and not telling.cancelled()
        error = telling.exception() if done else TimeoutError()
        if error is None:
            return telling.result(), ends.OUTCOMES[telling.result()]
        call, job_id = self.call, self.handle.id
        logger.warning("job %s at %s was not cancelled: %r", job_id, call.here, error)
        call.emit(JobCancelled(call.id, call.ability, job_id, None))
        return None, ends.OUTCOMES[None]

    # ---------------------------------------------------------------------------- inside
    @property
    def _door(self) -> ends.JobDoor:
        if self.door is None:
            raise RuntimeError("the job has no door")
        return self.door

    def _begin(self) -> None:
        begin, self.begin = self.begin, _nothing
        begin()

    async def _ask(
        self, question: Callable[[], Awaitable[ValueT]], seconds: float, phase: Phase
    ) -> ValueT:
        """Ask the backend, in the time of one question, again after a failure in passing."""
        try:
            return await repeat_look(partial(ends.timed, question, seconds, phase), self.call.retry)
        except (JobError, ContentBlockedError) as error:
            final = self._ended_badly(error)
            if final is error:
                raise
            raise final from error
        except GenSDKError as error:
            self._told(error)
            raise

    async def _within(self, until: float, work: Awaitable[ValueT]) -> ValueT:
        if math.isinf(until):
            return await work
        scope = asyncio.timeout_at(until)
        try:
            async with scope:
                return await work
        except TimeoutError:
            if not scope.expired():
                raise
            raise self._told(
                TimedOutError(
                    f"the job {self.handle.id} is still {self.state.status}, and the time for "
                    "waiting is over; it goes on, and client.job(error.job_handle) takes it up",
                    phase="total",
                    billed="maybe",
                )
            ) from None

    def _told(self, error: GenSDKError) -> GenSDKError:
        """Put on an error which job it is about, and what that may cost."""
        self.call.blame(error)
        error.job_id = self.handle.id
        error.job_handle = self.handle.model_dump_json()
        error.attempts = tuple(self.call.attempts)
        error.billed = worst(error, self.call.attempts)
        return error

    def _ended_badly(self, error: GenSDKError) -> GenSDKError:
        """Take an error for the job's end; gives the first one back where it had ended before."""
        if self._failure is None:
            self.call.blame(error)
            self._record(
                outcome="error", error=error.kind, message=error.message, billed=error.billed
            )
            self._failure = self._told(error)
            self._stopped.set()
            if not self.state.ended or self.state.status == "succeeded":
                self.state = JobState(status=ends.status_of(error), message=error.message)
            if not self._given_up:  # else the call ends with its own error
                self.settle(None, error)
        return self._failure

    def _record(self, **changes: Any) -> None:
        """Change the record of the start into that of the whole job."""
        if self.call.here.facts.local:
            changes["billed"] = "no"
        self.call.attempts[-1] = self.call.attempts[-1].model_copy(update=changes)

    def settle(self, response: Response | None, error: BaseException | None) -> None:
        """Tell those who asked to be told; only the first ending counts."""
        endings, self._endings = self._endings, []
        for ending in endings:
            ending(response, error)


def _nothing() -> None:
    """Nothing is to be told."""


def _as_it_is(response: Response) -> Response:
    return response
