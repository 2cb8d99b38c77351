"""What workers have in common: their model's facts, the calls in progress, and how a call ends."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

from gensdk.errors import OutOfMemoryError

from .failures import is_device_failure, is_out_of_memory
from .worker import Desk, WorkerFacts, WorkerLimits

__all__ = ["CallsWorker", "Separable", "SharedRuns"]

CallT = TypeVar("CallT", bound=Hashable)
StateT = TypeVar("StateT")


class CallsWorker(Generic[CallT, StateT]):
    """Keeps the calls in progress; a worker adds how they are admitted and advanced."""

    def __init__(self, facts: WorkerFacts, limits: WorkerLimits) -> None:
        """Begin with no calls."""
        self._facts = facts
        self._limits = limits
        self._calls: dict[CallT, StateT] = {}

    @property
    def facts(self) -> WorkerFacts:
        """What was loaded, and where."""
        return self._facts

    @property
    def active(self) -> tuple[CallT, ...]:
        """Calls in progress, oldest first, or the one whose turn it is."""
        return tuple(self._calls)

    @property
    def room(self) -> int:
        """How many calls more it can take."""
        return self._limits.max_active - len(self._calls)

    def drop(self, call: CallT) -> None:
        """Forget a call."""
        self._calls.pop(call, None)

    def _end(
        self,
        desk: Desk[CallT],
        call: CallT,
        error: Exception,
        short: Callable[[str], OutOfMemoryError],
    ) -> None:
        """End a call with an error; ``short`` words one that had too little memory."""
        self.drop(call)
        if not is_out_of_memory(error):
            desk.fail(call, error)
            return
        typed = short(str(error))
        typed.__cause__ = error
        desk.fail(call, typed)


class Separable(Protocol):
    """A call that can be told to share its runs with no other."""

    alone: bool


SeparableT = TypeVar("SeparableT", bound=Separable)


class SharedRuns(CallsWorker[CallT, SeparableT]):
    """A worker whose runs may serve several calls."""

    def _failed(
        self,
        desk: Desk[CallT],
        calls: Sequence[CallT],
        error: Exception,
        short: Callable[[str], OutOfMemoryError],
    ) -> None:
        """End the call whose run failed; of several, each is tried alone first."""
        if len(calls) > 1 and not is_device_failure(error):
            for call in calls:
                self._calls[call].alone = True
            return
        self._end(desk, calls[0], error, short)
