"""``SyncJob``: a ``Job`` without ``await``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from typing import Generic, TypeVar

from gensdk._jobs import Job
from gensdk._loop import LoopThread
from gensdk.types import CancelOutcome, JobHandle, JobProgress, JobState, JobStatus, Response

__all__ = ["SyncJob"]

ResponseT = TypeVar("ResponseT", bound=Response)


class SyncJob(Generic[ResponseT]):
    """Work that a provider goes on with; see ``gensdk.Job``.

    Example:
        >>> job = client.start_video("a paper boat", duration_s=4)
        >>> for progress in job:
        ...     print(progress.status, progress.progress)
        >>> clip = job.result()
    """

    def __init__(self, job: Job[ResponseT], thread: LoopThread) -> None:
        """Wrap an asynchronous job."""
        self._job = job
        self._thread = thread

    @property
    def handle(self) -> JobHandle:
        """What names the job, as plain data without secrets."""
        return self._job.handle

    @property
    def id(self) -> str:
        """The provider's id of the job."""
        return self._job.id

    @property
    def state(self) -> JobState:
        """How it stood when it was last looked at."""
        return self._job.state

    @property
    def status(self) -> JobStatus:
        """How it stood when it was last looked at, in a word."""
        return self._job.status

    def to_json(self) -> str:
        """The handle as JSON, for ``client.job``."""
        return self._job.to_json()

    def __iter__(self) -> Generator[JobProgress]:
        """Its progress as it is seen; see ``Job``."""
        states = self._job.__aiter__()
        try:
            while (progress := self._thread.run(_next(states))) is not None:
                yield progress
        finally:
            self._thread.let_go(states.aclose())

    def result(self, *, deadline_s: float | None = None) -> ResponseT:
        """Wait for the end and return what the job made; see ``Job.result``."""
        return self._thread.run(self._job.result(deadline_s=deadline_s))

    def cancel(self) -> CancelOutcome:
        """Ask the provider to stop it; see ``Job.cancel``."""
        return self._thread.run(self._job.cancel())

    def __repr__(self) -> str:
        """Show where it runs and how it stood."""
        return f"Sync{self._job!r}"


async def _next(states: AsyncIterator[JobProgress]) -> JobProgress | None:
    with suppress(StopAsyncIteration):
        return await anext(states)
    return None
