"""One heavy step at a time on an accelerator.

Each model has a thread of its own. Two that compute on one GPU at once both get slower and need
the memory of both; here they take turns, in the order in which they asked. A long step (a picture)
lets others in between its parts. On the processor nobody waits: see docs/local.md for the figures.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from gensdk.toolkit.forking import begins_anew

__all__ = ["DeviceLease", "lease_of"]


class DeviceLease:
    """A lock whose waiters are served in the order they came."""

    def __init__(self) -> None:
        """Begin free."""
        self.begin_anew()
        begins_anew(self)

    def begin_anew(self) -> None:
        """Be free, whichever thread of another process had it."""
        self._lock = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._taken = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the device to oneself."""
        self._take()
        try:
            yield
        finally:
            self._give()

    def share(self) -> None:
        """In the midst of a long step: let those who wait have their turn first."""
        if self._queue:
            self._give()
            self._take()

    def _take(self) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Event()
            self._queue.append(turn)
        turn.wait()

    def _give(self) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().set()  # the device passes on without being free
            else:
                self._taken = False


_LEASES: dict[str, DeviceLease] = {}
_LOCK = threading.Lock()


def lease_of(device: str) -> DeviceLease | None:
    """The lease of a device, one in the process; None where none is needed."""
    if device == "cpu":
        return None
    name = "cuda:0" if device == "cuda" else device
    with _LOCK:
        return _LEASES.setdefault(name, DeviceLease())
