"""``Job``: what ``start_music``, ``start_video`` and ``client.job`` return."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from gensdk.errors import (
    ConfigurationError,
    InvalidRequestError,
    InvalidResponseError,
    UnsupportedFeatureError,
)
from gensdk.policy import OpenJob
from gensdk.spec import JOB_METHODS, Backend, Context
from gensdk.types import (
    CancelOutcome,
    JobHandle,
    JobProgress,
    JobState,
    JobStatus,
    Request,
    Response,
)

__all__ = ["Door", "Job", "check_job_backend", "read_handle"]

ResponseT = TypeVar("ResponseT", bound=Response)


class Job(Generic[ResponseT]):
    """Work that a provider goes on with, whoever waits for it.

    Letting go of a ``Job``, cancelling the task that waits for it or closing the client leaves the
    work alone; only ``cancel`` ends it. ``to_json`` and ``client.job`` take it up in another
    process.

    Example:
        >>> job = await client.start_video("a paper boat", duration_s=4)
        >>> async for progress in job:
        ...     print(progress.status, progress.progress)
        >>> clip = await job.result()
    """

    def __init__(
        self, opened: OpenJob, kind: type[ResponseT], check: Callable[[], None] | None = None
    ) -> None:
        """Wrap a job that is under way; ``check`` raises once the client is closed."""
        self._open = opened
        self._kind = kind
        self._check = check or _fine

    @property
    def handle(self) -> JobHandle:
        """What names the job, as plain data without secrets."""
        return self._open.handle

    @property
    def id(self) -> str:
        """The provider's id of the job."""
        return self._open.handle.id

    @property
    def state(self) -> JobState:
        """How it stood when it was last looked at."""
        return self._open.state

    @property
    def status(self) -> JobStatus:
        """How it stood when it was last looked at, in a word."""
        return self._open.state.status

    def to_json(self) -> str:
        """The handle as JSON, for ``client.job``."""
        return self._open.handle.model_dump_json()

    async def __aiter__(self) -> AsyncGenerator[JobProgress]:
        """Its progress as it is seen, the last state too, for the ``total`` of the timeouts.

        Raises:
            JobFailedError: It failed.
            JobCancelledError: It was cancelled.
            JobExpiredError: The provider has it no more.
            TimedOutError: It takes longer; it goes on.
            GenSDKError: It cannot be looked at; it goes on.
        """
        self._check()
        async with aclosing(self._open.states(self._until(None))) as states:
            async for state in states:
                yield state

    async def result(self, *, deadline_s: float | None = None) -> ResponseT:
        """Wait for the end and return what the job made.

        Args:
            deadline_s: Seconds to wait, ``math.inf`` without end; None takes the ``total`` of the
                timeouts. The job goes on after it, and ``result`` may be called again.

        Raises:
            TimedOutError: It takes longer; ``error.job_handle`` takes it up elsewhere.
            GenSDKError: As iterating.
        """
        self._check()
        response = await self._open.result(self._until(deadline_s))
        if not isinstance(response, self._kind):
            raise InvalidResponseError(
                f"the job made a {type(response).__name__}, not a {self._kind.__name__}",
                provider=self.handle.provider,
                model=self.handle.model,
                job_id=self.handle.id,
            )
        return response

    async def cancel(self) -> CancelOutcome:
        """Ask the provider to stop it.

        Returns:
            ``stopped``: it does not run any more. ``may_still_bill``: the provider was told, but
            may go on, or charge for it. ``unsupported``: it cannot be cancelled and goes on.

        Raises:
            GenSDKError: The provider could not be told; the job goes on.
        """
        self._check()
        return await self._open.cancel()

    def _until(self, deadline_s: float | None) -> float:
        seconds = self._open.call.phases.total if deadline_s is None else deadline_s
        if not isinstance(seconds, int | float) or not seconds > 0:
            raise ConfigurationError(
                f"deadline_s={deadline_s!r:.40}: give seconds over zero, or math.inf"
            )
        return asyncio.get_running_loop().time() + seconds if seconds < math.inf else math.inf

    def __repr__(self) -> str:
        """Show where it runs and how it stood."""
        handle = self.handle
        return f"Job({handle.id!r} at {handle.provider}:{handle.model}, {self.status})"


class Door:
    """The backend's side of one job: a ``gensdk.policy.JobDoor`` over a ``JobBackend``."""

    def __init__(
        self,
        backend: Any,
        handle: JobHandle,
        request: Request | None,
        context: Callable[[], Context],
    ) -> None:
        """Take whom to ask, about what, and what makes the context of one question."""
        self._backend = backend
        self._handle = handle
        self._request = request
        self._context = context

    def poll(self) -> Awaitable[JobState]:
        """Look once."""
        looking: Awaitable[JobState] = self._backend.poll(self._handle, self._context())
        return looking

    def collect(self) -> Awaitable[Response]:
        """Fetch what it made, once."""
        fetching: Awaitable[Response] = self._backend.collect(
            self._handle, self._request, self._context()
        )
        return fetching

    def cancel(self) -> Awaitable[CancelOutcome]:
        """Ask once to stop it."""
        stopping: Awaitable[CancelOutcome] = self._backend.cancel(self._handle, self._context())
        return stopping

    def watch(self) -> AsyncGenerator[JobState] | None:
        """States as they come, where the backend tells them by itself."""
        if not hasattr(self._backend, "watch"):
            return None
        states: AsyncGenerator[JobState] | None = self._backend.watch(self._handle, self._context())
        return states


def read_handle(value: object) -> JobHandle:
    """A handle, from one or from its JSON.

    Raises:
        InvalidRequestError: It is neither.
    """
    if isinstance(value, JobHandle):
        return value
    try:
        if isinstance(value, str | bytes):
            handle = JobHandle.model_validate_json(value)
        else:
            handle = JobHandle.model_validate(value)
    except ValidationError as error:
        raise InvalidRequestError(
            "this is no handle of a job: give job.handle, job.to_json() or error.job_handle"
        ) from error
    if not handle.provider:
        raise InvalidRequestError("the handle names no provider; it was not made by gensdk")
    return handle


def check_job_backend(backend: Backend, handle: JobHandle) -> None:
    """Refuse a backend that has no jobs.

    Raises:
        UnsupportedFeatureError: It has not the methods.
    """
    if all(hasattr(backend, name) for name in JOB_METHODS):
        return
    raise UnsupportedFeatureError(
        f"{handle.provider!r} runs no jobs here, so job {handle.id!r:.80} cannot be taken up with "
        "it; register the account that started it: Client(backends={name: backend})",
        provider=handle.provider,
        model=handle.model,
        job_id=handle.id,
    )


def _fine() -> None:
    """There is no client to be closed."""
