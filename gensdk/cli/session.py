"""One client for one command: what it waits for, what went wrong, and an end in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import gensdk
from gensdk.errors import printable
from gensdk.policy import CallStarted, Fact, JobCancelled, JobProgressed

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


@asynccontextmanager
async def open_client(terminal: Terminal) -> AsyncIterator[gensdk.Client]:
    """Open a client; an error is told before the closing, which may take its time.

    Raises:
        Told: The block ended with an error; the terminal shows it already.
    """

    def show(fact: Fact) -> None:
        if isinstance(fact, CallStarted):
            first = fact.models[0]
            terminal.loading(first if client.capabilities(first).local else None)
        elif isinstance(fact, JobProgressed):
            terminal.job(fact.progress)
        elif isinstance(fact, JobCancelled):
            job = printable(fact.job_id, 200)
            terminal.note(f"{_CANCELLED[fact.outcome]} (job {job})")
        else:
            terminal.loading(None)

    client = gensdk.Client(hooks=[show])
    try:
        yield client
    except (OutputClosed, Told):
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
