"""Jobs of this process: work of an engine that goes on whoever waits for it.

A job lives on the event loop it was started on, and ends with it, with its backend, or with the
process; a handle taken up elsewhere is an error that says so.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

from gensdk.errors import ContentBlockedError, GenSDKError, JobExpiredError, JobFailedError
from gensdk.toolkit.forking import begins_anew
from gensdk.types import CancelOutcome, JobHandle, JobState, Response

from .delivery import Sink
from .job import Event, Failed, Final, Progress
from .ticket import Ticket

__all__ = ["LocalJob", "LocalJobs"]

_KEPT = 16
"""Jobs that have ended and can still be asked for what they made."""

_FIRST_SECONDS = 5.0
"""How long starting a job waits for a sign that it can be done at all."""


class LocalJob:
    """One job: a sink of an engine's events that outlives the call that started it."""

    def __init__(self, respond: Callable[[Final], Response]) -> None:
        """Begin queued, on the running loop; ``respond`` turns the last event into a response."""
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.state = JobState(status="queued")
        self.ticket: Ticket | None = None
        self._respond = respond
        self._final: Final | None = None
        self._response: Response | None = None
        self._watchers: list[tuple[asyncio.AbstractEventLoop, asyncio.Queue[JobState]]] = []
        self._begun = asyncio.Event()
        self._under_way = False

    @property
    def orphaned(self) -> bool:
        """Whether its event loop ended before it: the engine has given it up, and told nobody."""
        return self.loop.is_closed() and not self.state.ended

    def receive(self, event: Event) -> None:
        """Take an event of the engine."""
        if self.state.ended:
            return
        if isinstance(event, Failed):
            self._end(event, "failed", event.error)
        elif isinstance(event, Final):
            self._end(event, "succeeded")
        elif isinstance(event, Progress):
            self._under_way = True
            share = event.done / event.total if event.total else None
            self._change(
                JobState(
                    status="running",
                    progress=None if share is None else min(share, 1.0),
                    step=event.done,
                    steps=event.total,
                )
            )

    def look(self) -> JobState:
        """How it stands.

        Raises:
            ContentBlockedError: The model's own filter ended it.
        """
        if isinstance(self._final, Failed) and isinstance(self._final.error, ContentBlockedError):
            raise self._final.error
        return self.state

    def response(self) -> Response:
        """What it made.

        Raises:
            GenSDKError: It has not ended, or ended badly.
        """
        if isinstance(self._final, Failed):
            raise self._final.error
        if self._final is None:
            raise JobFailedError(f"the job is {self.state.status}; it has made nothing yet")
        if self._response is None:
            self._response = self._respond(self._final)
        return self._response

    def cancel(self) -> None:
        """End the work before its next step."""
        if self.ticket is not None:
            self.ticket.cancel()
        if not self.state.ended:
            self._change(JobState(status="cancelled", billed="no"))

    async def begun(self) -> None:
        """Wait a little for the first sign of the engine, and raise the error that came instead.

        What fails once it is under way has been started all the same.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._begun.wait()
        if isinstance(self._final, Failed) and not self._under_way:
            raise self._final.error

    async def watch(self) -> AsyncGenerator[JobState]:
        """Each new state, the present one first."""
        seen: asyncio.Queue[JobState] = asyncio.Queue()
        watcher = (asyncio.get_running_loop(), seen)
        self._watchers.append(watcher)
        try:
            state = self.look()
            yield state
            while not state.ended:
                state = await seen.get()
                self.look()
                yield state
        finally:
            self._watchers.remove(watcher)

    def _end(self, event: Final, status: Any, error: GenSDKError | None = None) -> None:
        self._final = event
        if error is None:
            self._change(JobState(status=status, progress=1.0, billed="no"))
        else:
            self._change(
                JobState(status=status, message=error.message, code=error.kind, billed="no")
            )

    def _change(self, state: JobState) -> None:
        self.state = state
        self._begun.set()
        for loop, seen in self._watchers:
            with suppress(RuntimeError):  # a loop that is closed by now
                loop.call_soon_threadsafe(seen.put_nowait, state)


class LocalJobs:
    """The jobs of one backend."""

    def __init__(self, provider: str) -> None:
        """Begin with none."""
        self._provider = provider
        self._jobs: dict[str, LocalJob] = {}
        begins_anew(self)

    def begin_anew(self) -> None:
        """Forget jobs that run in another process."""
        self._jobs = {}

    async def start(
        self, submit: Callable[[Sink], Ticket], respond: Callable[[Final], Response]
    ) -> str:
        """Queue a job and return its id, once it is under way or waits for its turn.

        Raises:
            GenSDKError: It cannot be done; nothing goes on.
        """
        job = LocalJob(respond)
        job.ticket = submit(job)
        try:
            await job.begun()
        except BaseException:
            job.cancel()
            raise
        self._forget()
        name = f"local-{secrets.token_hex(12)}"
        self._jobs[name] = job
        return name

    def job(self, handle: JobHandle) -> LocalJob:
        """The job of a handle.

        Raises:
            JobExpiredError: It belonged to another process or backend, ended long ago, or with
                the event loop it was started on.
        """
        job = self._jobs.get(handle.id)
        if job is None or job.orphaned:
            raise JobExpiredError(
                f"job {handle.id:.80} is not one of this process: what runs on this machine ends "
                "with the process, the client and the event loop that started it, and the last "
                f"{_KEPT} results are kept; start it again",
                provider=self._provider,
                model=handle.model or None,
                job_id=handle.id,
            )
        return job

    def cancel(self, handle: JobHandle) -> CancelOutcome:
        """Stop a job; one that has ended is stopped already."""
        self.job(handle).cancel()
        return "stopped"

    def _forget(self) -> None:
        ended = [name for name, job in self._jobs.items() if job.state.ended or job.orphaned]
        for name in ended[: max(0, len(ended) - _KEPT + 1)]:
            del self._jobs[name]
