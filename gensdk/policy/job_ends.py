"""How jobs end, in words and errors, and the backend's side of one."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol, TypeVar

from gensdk.errors import (
    GenSDKError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    Phase,
    TimedOutError,
)
from gensdk.types import CancelOutcome, JobState, JobStatus, Media, Response

__all__ = [
    "DONE", "OUTCOMES", "SAID", "JobDoor", "failure_of", "is_empty", "next_pause_s", "status_of",
    "timed",
]  # fmt: skip

ValueT = TypeVar("ValueT")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0


class JobDoor(Protocol):
    """The backend's side of one job; each method asks once."""

    def poll(self) -> Awaitable[JobState]:
        """Look."""
        ...

    def collect(self) -> Awaitable[Response]:
        """Fetch what it made."""
        ...

    def cancel(self) -> Awaitable[CancelOutcome]:
        """Stop it."""
        ...

    def watch(self) -> AsyncGenerator[JobState] | None:
        """New states as they come; None where the backend has to be asked."""
        ...


SAID: dict[JobStatus, str] = {
    "failed": "the provider reports that the job failed",
    "cancelled": "the job was cancelled",
    "expired": "the provider does not keep the job any more",
}
_ERRORS: dict[JobStatus, type[JobError]] = {
    "failed": JobFailedError,
    "cancelled": JobCancelledError,
    "expired": JobExpiredError,
}
_KINDS: tuple[tuple[type[JobError], JobStatus], ...] = (
    (JobCancelledError, "cancelled"),
    (JobExpiredError, "expired"),
)

OUTCOMES: dict[CancelOutcome | None, str] = {
    "stopped": "it was cancelled, and does not run any more",
    "may_still_bill": "it was cancelled, but may go on and be billed",
    "unsupported": "it cannot be cancelled and goes on; client.job(error.job_handle) takes it up",
    None: "it could not be cancelled and goes on; client.job(error.job_handle) takes it up",
}
"""What is told of a job that nobody waits for any more."""

DONE = "it has succeeded; client.job(error.job_handle) fetches what it made"


def failure_of(state: JobState) -> JobError:
    """The error for a job that ended without a result."""
    said = SAID[state.status]
    message = f"{said}: {state.message}" if state.message else said
    return _ERRORS[state.status](message, code=state.code, billed=state.billed)


def is_empty(response: Response) -> bool:
    """Whether a response holds no output where its kind has some."""
    for name in ("videos", "images", "audio"):
        made = getattr(response, name, None)
        if isinstance(made, Media):
            return not made.data
        if isinstance(made, tuple):
            return not made or not all(item.data for item in made)
    return False


def next_pause_s(asked_s: float | None, before_s: float, poll_s: float) -> float:
    """Seconds to the next look: growing and jittered, or what the provider asks for."""
    if asked_s is not None:
        return asked_s * random.uniform(1.0, 1.1)
    grown = before_s * 1.5 if before_s else FIRST_PAUSE_S
    return min(grown * random.uniform(0.8, 1.2), LONGEST_PAUSE_S, poll_s)


def status_of(error: GenSDKError) -> JobStatus:
    """How a job stands that ended with an error."""
    return next((status for kind, status in _KINDS if isinstance(error, kind)), "failed")


async def timed(question: Callable[[], Awaitable[ValueT]], seconds: float, phase: Phase) -> ValueT:
    """Ask the backend about a job, for a time; the answer that does not come costs nothing."""
    scope = asyncio.timeout(None if math.isinf(seconds) else seconds)
    try:
        async with scope:
            return await question()
    except TimeoutError:
        if not scope.expired():
            raise
        raise TimedOutError(
            f"no answer about the job within {seconds:g} s", phase=phase, billed="no"
        ) from None
