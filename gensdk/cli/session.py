"""One client for one command: what it waits for, what went wrong, and an end in bounded time."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import gensdk
from gensdk.errors import printable
from gensdk.policy import CallStarted, Fact, JobCancelled, JobProgressed, JobStarted
from gensdk.types import JobHandle

from .guard import Told, tell_failure
from .terminal import OutputClosed, Terminal

__all__ = ["open_client"]

_CANCELLED = {
    "stopped": "the job was cancelled and does not run any more",
    "may_still_bill": "the job was cancelled, but may go on and be billed",
    "unsupported": "the job goes on: its provider has no way to cancel it",
    None: "the job goes on: its provider could not be told to cancel it",
}

CLOSE_S = 2.0
"""Time for closing; a model that is inside a long load is then left behind."""


class _Work:
    """What the hooks tell of one command's work, and of the provider's job it waits for."""

    def __init__(self, terminal: Terminal, handle: JobHandle | None) -> None:
        self.client: gensdk.Client | None = None
        self._terminal = terminal
        self._handle = handle
        self._ours = handle is None  # a job that was taken up is not cancelled with the command
        self._done = False
        self._stopped = False

    def show(self, fact: Fact) -> None:
        """Show a fact."""
        terminal = self._terminal
        if isinstance(fact, CallStarted):
            first = fact.models[0]
            local = self.client is not None and self.client.capabilities(first).local
            terminal.loading(first if local else None)
        elif isinstance(fact, JobStarted):
            self._handle, self._done, self._stopped = fact.handle, False, False
        elif isinstance(fact, JobProgressed):
            self._done = fact.progress.status == "succeeded"
            terminal.job(fact.progress)
        elif isinstance(fact, JobCancelled):
            self._stopped = fact.outcome == "stopped"
            job = printable(fact.job_id, 200)
            terminal.note(f"{_CANCELLED[fact.outcome]} (job {job})")
        else:
            terminal.loading(None)

    def tell_left(self) -> None:
        """After Ctrl-C: say what takes up a job that may still give something."""
        handle = self._handle
        if handle is None or self._stopped:
            return
        if self._done or not self._ours:
            state = "has succeeded" if self._done else "goes on"
            self._terminal.note(f"the job {state} (job {printable(handle.id, 200)})")
        self._terminal.note(f"  handle: {handle.model_dump_json()}")
        if handle.ability == "video":
            self._terminal.note("  next: gensdk video --job HANDLE -o FILE takes it up")


@asynccontextmanager
async def open_client(
    terminal: Terminal, taken_up: JobHandle | None = None
) -> AsyncIterator[gensdk.Client]:
    """Open a client; an error is told before the closing, which may take its time.

    Args:
        terminal: Where things are told.
        taken_up: The job that the command waits for, where another one started it.

    Raises:
        Told: The block ended with an error; the terminal shows it already.
    """
    work = _Work(terminal, taken_up)
    client = work.client = gensdk.Client(hooks=[work.show])
    try:
        with warnings.catch_warnings():  # the answer's own warnings tell it, as a note
            warnings.simplefilter("ignore", gensdk.ModelRetiring)
            yield client
    except (OutputClosed, Told):
        raise
    except asyncio.CancelledError:
        work.tell_left()
        raise
    except Exception as error:
        raise Told(tell_failure(terminal, error)) from error
    finally:
        await _close(client)


async def _close(client: gensdk.Client) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await client.aclose()
    except TimeoutError:
        return  # ``guard`` ends a process whose threads are still at work
