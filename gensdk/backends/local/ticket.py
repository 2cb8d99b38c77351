"""One call on its way through an engine."""

from __future__ import annotations

from collections.abc import Callable

from .delivery import Sink
from .job import Job

__all__ = ["EngineStoppedError", "Ticket"]


class EngineStoppedError(Exception):
    """The engine takes no calls any more; the pool asks a new one. Never leaves this room."""


class Ticket:
    """One call on its way through an engine.

    Attributes:
        job: What is asked for; None only wants the model loaded.
        sink: Where its events go.
        cancelled: Whether nobody waits for the answer any more.
    """

    __slots__ = ("_wake", "cancelled", "job", "sink")

    def __init__(self, job: Job | None, sink: Sink, wake: Callable[[], None]) -> None:
        """Made by ``Engine.submit``."""
        self._wake = wake
        self.job = job
        self.sink = sink
        self.cancelled = False

    def cancel(self) -> None:
        """Give the call up: it ends before its next step. Harmless when it is over."""
        self.cancelled = True
        self._wake()
