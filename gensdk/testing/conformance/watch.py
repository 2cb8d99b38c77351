"""What a call leaves behind, and whether it holds up the event loop."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ..audit import listening

__all__ = ["Turns", "nothing_left", "tasks_left", "watch_loop"]

_PATIENCE_S = 10.0
"""Real seconds that a thread which was told to end may take for it."""


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail if the block leaves open sockets or threads, or drops what should have been closed."""
    gc.freeze()  # what others dropped is not this block's, and need not be looked through
    sockets, threads = _sockets(), set(threading.enumerate())
    try:
        with warnings.catch_warnings(record=True) as dropped:
            warnings.simplefilter("always", ResourceWarning)
            yield
            gc.collect()
    finally:
        gc.unfreeze()
    unclosed = [str(one.message) for one in dropped if one.category is ResourceWarning]
    assert not unclosed, f"dropped without being closed: {unclosed}"
    others = [one for one in dropped if one.category is not ResourceWarning]
    assert not others, f"warnings: {[str(one.message) for one in others]}"
    for thread in set(threading.enumerate()) - threads:
        thread.join(_PATIENCE_S)
        assert not thread.is_alive(), f"the thread {thread.name!r} goes on after aclose()"
    left = _sockets() - sockets
    assert not left, f"{len(left)} sockets are open after aclose()"


async def tasks_left() -> list[str]:
    """Names of the tasks beside this one that go on when all have had a few turns."""
    for _ in range(10):
        await asyncio.sleep(0)
    mine = asyncio.current_task()
    return [str(task.get_coro()) for task in asyncio.all_tasks() if task is not mine]


def _sockets() -> set[str]:
    """The sockets of this process, where the system tells."""
    found: set[str] = set()
    try:
        files = os.listdir("/proc/self/fd")
    except OSError:
        return found
    for file in files:
        try:
            target = os.readlink(f"/proc/self/fd/{file}")
        except OSError:
            continue  # closed meanwhile, as the one that lists them is
        if target.startswith("socket:"):
            found.add(target)
    return found


class Turns:
    """What was seen of an event loop.

    Attributes:
        blocking: Calls on the loop's thread that wait: a sleep, a look-up, a connection.
        longest_s: Seconds of this thread's processor time that the longest turn took. Waiting,
            and what other processes do, do not count.
    """

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self.blocking: list[str] = []
        self.longest_s = 0.0
        self._thread = threading.get_ident()

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if threading.get_ident() != self._thread:
            return
        waits = event in {"time.sleep", "socket.getaddrinfo", "socket.gethostbyname"}
        if waits or (event == "socket.connect" and args[0].gettimeout() != 0):
            self.blocking.append(event)

    async def count(self) -> None:
        """Measure turn after turn, until cancelled."""
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest_s = max(self.longest_s, now - before)
            before = now


@asynccontextmanager
async def watch_loop() -> AsyncIterator[Turns]:
    """Watch the running loop while the block goes on."""
    turns = Turns()
    counting = asyncio.create_task(turns.count())
    await asyncio.sleep(0)
    # Before Python 3.13 no audit event tells of a sleep.
    sleep: Any = vars(time)["sleep"]

    def heard(seconds: float) -> None:
        turns.hear("time.sleep", (seconds,))
        sleep(seconds)

    vars(time)["sleep"] = heard
    try:
        with listening(turns.hear):
            yield turns
    finally:
        vars(time)["sleep"] = sleep
        counting.cancel()
        await asyncio.wait([counting])
