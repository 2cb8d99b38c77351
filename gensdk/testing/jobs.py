"""Jobs that go by a script, for tests of applications and of the waiting for jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import get_args

from gensdk.errors import JobExpiredError
from gensdk.types import CancelOutcome, JobState, JobStatus, Response

__all__ = ["Look", "Pause", "ScriptError", "ScriptedJob"]


class ScriptError(AssertionError):
    """The code under test asked for something the script does not have."""


class Pause:
    """A step, an event of a stream, or a look at a job that waits until the test says go on.

    ``await pause.reached()`` returns when the backend has come to it; ``pause.go_on()`` lets it
    go on. Cancelling the call while it waits is recorded in ``cancelled``.
    """

    def __init__(self) -> None:
        """Start unreached."""
        self._reached = asyncio.Event()
        self._go_on = asyncio.Event()
        self.cancelled = False

    async def reached(self) -> None:
        """Wait until the backend waits here."""
        await self._reached.wait()

    def go_on(self) -> None:
        """Let the backend go on."""
        self._go_on.set()

    async def wait(self) -> None:
        """Wait, on the backend's side."""
        self._reached.set()
        try:
            await self._go_on.wait()
        except BaseException:
            self.cancelled = True
            raise


Look = JobStatus | float | JobState | BaseException | Pause
"""What one look at a job shows: a status, a share that is done, a whole state, an error to raise;
or a pause before it."""


class ScriptedJob:
    """One job of a ``ScriptedBackend``: how it goes on, what it makes, how it is cancelled.

    Args:
        *looks: What each look shows, in order; the last one stays. A job whose looks name no
            ending has succeeded after the last of them.
        result: What fetching it gives: a response, an error to raise, or several in order.
        cancel: What cancelling it gives: an outcome, an error to raise, or a ``Pause``.
        after_cancel: How it goes on once it was cancelled with ``may_still_bill``.

    Attributes:
        looked: How often it was looked at.
        collected: How often its result was fetched.
        cancelled: How often it was told to stop.
    """

    def __init__(
        self,
        *looks: Look,
        result: Response | BaseException | Sequence[Response | BaseException] | None = None,
        cancel: CancelOutcome | BaseException | Pause = "stopped",
        after_cancel: JobStatus = "cancelled",
    ) -> None:
        """Take the script."""
        self._looks: list[Look] = list(looks)
        if not any(isinstance(look, JobState | str) and state_of(look).ended for look in looks):
            self._looks.append("succeeded")
        self._results = list(result) if isinstance(result, Sequence) else [result]
        self._cancel = cancel
        self._after_cancel = after_cancel
        self.looked = 0
        self.collected = 0
        self.cancelled = 0

    async def look(self) -> JobState:
        """The next state."""
        self.looked += 1
        while isinstance(self._looks[0], Pause):
            pause = self._looks[0]
            await pause.wait()
            self._forget(pause)
        look = self._looks[0]
        if len(self._looks) > 1:
            self._looks.pop(0)
        if isinstance(look, BaseException):
            raise look
        assert not isinstance(look, Pause)
        return state_of(look)

    async def watch(self) -> AsyncGenerator[JobState]:
        """Every state from here on."""
        while True:
            state = await self.look()
            yield state
            if state.ended:
                return

    async def collect(self) -> Response:
        """What it made."""
        self.collected += 1
        result = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        if isinstance(result, BaseException):
            raise result
        if result is None:
            raise ScriptError("the script of this job has no result")
        return result

    async def cancel(self) -> CancelOutcome:
        """Stop it."""
        self.cancelled += 1
        if isinstance(self._cancel, Pause):
            await self._cancel.wait()
            return "stopped"
        if isinstance(self._cancel, BaseException):
            raise self._cancel
        if self._cancel == "may_still_bill":
            self._looks = [self._after_cancel]
        return self._cancel

    def _forget(self, pause: Pause) -> None:
        if self._looks and self._looks[0] is pause:
            self._looks.pop(0)


def state_of(look: JobState | JobStatus | float) -> JobState:
    """A whole state; a scripted job may be asked again at once."""
    if isinstance(look, JobState):
        if look.poll_after_s is not None:
            return look
        return look.model_copy(update={"poll_after_s": 0.0})
    if isinstance(look, str):
        if look not in get_args(JobStatus):
            raise ScriptError(f"{look!r} is no status of a job")
        return JobState(status=look, poll_after_s=0.0)
    return JobState(status="running", progress=look, poll_after_s=0.0)


def job_of(jobs: dict[str, ScriptedJob], job_id: str) -> ScriptedJob:
    """The job of that id.

    Raises:
        JobExpiredError: There is none: it was another backend's.
    """
    if job_id not in jobs:
        raise JobExpiredError(f"no job {job_id!r} is known here")
    return jobs[job_id]
