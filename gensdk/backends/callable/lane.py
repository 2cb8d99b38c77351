"""One worker thread, and the bounded queue of the calls that wait for it.

What runs here runs alone: functions with state, and torch modules, need not be safe against
themselves. The thread starts with the first call, and ends with ``stop`` or the process.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from gensdk.errors import ClientClosedError, GenSDKError, OverloadedError
from gensdk.toolkit.forking import begins_anew

from .ticket import Failed, Ticket

__all__ = ["Lane", "closed"]

_EXIT_SECONDS = 5.0


class Lane:
    """A thread and its queue. Any thread and any event loop may submit.

    Attributes:
        ended: Done once the thread has nothing left to do.
    """

    def __init__(self, name: str, max_waiting: int, releases: Sequence[Callable[[], None]]) -> None:
        """Prepare; nothing is started yet.

        Args:
            name: Name of the thread.
            max_waiting: Calls that may wait; more are refused.
            releases: Called in the thread at its end.
        """
        self._name = name
        self._max_waiting = max_waiting
        self._releases = releases
        self._stopping = False
        self._begin()
        _LANES.add(self)
        begins_anew(self)

    def _begin(self) -> None:
        self._change = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._running: tuple[Ticket, ...] = ()
        self._thread: threading.Thread | None = None
        self.ended: Future[None] = Future()
        self.ended.set_running_or_notify_cancel()  # whoever waits for it cannot cancel it

    def begin_anew(self) -> None:
        """Forget a thread that is in another process; the next call starts one of its own."""
        self._begin()
        if self._stopping:
            self.ended.set_result(None)

    # --------------------------------------------------------------------- from any thread
    def submit(self, ticket: Ticket) -> None:
        """Queue a call.

        Raises:
            OverloadedError: The queue is full, or the system has no more threads.
            ClientClosedError: The backend is closed.
        """
        with self._change:
            if self._stopping:
                raise closed()
            if len(self._waiting) >= self._max_waiting:
                raise OverloadedError(
                    f"{len(self._waiting)} calls wait already; ask again later, or raise "
                    "CallableBackend(max_waiting=…)"
                )
            if self._thread is None:
                self._thread = self._started()
            self._waiting.append(ticket)
            self._change.notify()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OverloadedError(f"no thread could be started: {error}") from error
        return thread

    def withdraw(self, ticket: Ticket) -> None:
        """Give a call up: one that waits is forgotten, one that runs is told."""
        ticket.cancel()
        with self._change:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                self._change.notify()

    def stop(self) -> None:
        """Take no more calls, drop those that wait, tell those that run, and end."""
        with self._change:
            self._stopping = True
            dropped, self._waiting = self._waiting, deque()
            running = self._running
            if self._thread is None and not self.ended.done():
                self.ended.set_result(None)
            self._change.notify()
        for ticket in running:
            ticket.stop()
        for ticket in dropped:
            ticket.end(Failed(closed()))

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end of the thread."""
        if self._thread is not None:
            self._thread.join(seconds)

    # ----------------------------------------------------------------------- in the thread
    def _work(self) -> None:
        while tickets := self._next():
            tickets[0].run(tickets)
            self._running = ()
            del tickets  # a thread that waits keeps nobody's pictures
        try:
            for release in self._releases:
                release()
        finally:
            self.ended.set_result(None)

    def _next(self) -> tuple[Ticket, ...]:
        """Wait for a call, and for those that may run with it; nothing at the end."""
        with self._change:
            while not self._stopping:
                if not self._waiting:
                    self._change.wait()
                    continue
                alike = self._gathered(self._waiting[0])
                if alike and not self._stopping:
                    for ticket in alike:
                        self._waiting.remove(ticket)
                    self._running = alike
                    return alike
        return ()

    def _gathered(self, first: Ticket) -> tuple[Ticket, ...]:
        """The calls that run with the first one; they stay in the queue while others may come.

        Empty where the first one was given up meanwhile.
        """
        due = time.monotonic() + first.wait_s
        while not self._stopping and self._waiting and self._waiting[0] is first:
            alike = tuple(one for one in self._waiting if one is first or _same(one, first))
            left = due - time.monotonic()
            if len(alike) >= first.most or left <= 0:
                return alike[: first.most]
            self._change.wait(left)
        return ()


def _same(one: Ticket, other: Ticket) -> bool:
    try:
        return one.key is not None and bool(one.key == other.key)
    except Exception:  # noqa: BLE001  # whatever somebody else's __eq__ raises: they run apart
        return False


def closed() -> GenSDKError:
    """The error of calls that a closed backend does not answer."""
    return ClientClosedError("this backend is closed; make a new one")


_LANES: weakref.WeakSet[Lane] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """End every thread with the process; one inside a single long call is left behind."""
    lanes = list(_LANES)
    for lane in lanes:
        lane.stop()
    deadline = time.monotonic() + _EXIT_SECONDS
    for lane in lanes:
        lane.join(max(0.0, deadline - time.monotonic()))
