"""Who computes next: the calls in progress take turns, one step each.

When memory runs out, the younger half of the calls gives up what it holds and waits; a call that
alone has too little is tried once more after other models made room. Whoever waited, or was tried
again, reads what it has said so far and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Protocol, TypeVar

from ..calls import CallsWorker
from ..failures import is_out_of_memory
from ..job import Event
from ..relief import RowLimit
from ..worker import Desk, WorkerLimits
from .generation import Generation
from .job import TextJob
from .model import LoadedModel

__all__ = ["Answering", "RoundRobinScheduler"]

CallT = TypeVar("CallT", bound=Hashable)


class Answering(Protocol):
    """A call being answered."""

    @property
    def finished(self) -> bool:
        """Whether it is complete."""
        ...

    @property
    def adapter(self) -> str | None:
        """Name of the adapter that answers."""
        ...

    def step(self) -> list[Event]:
        """Compute some more."""
        ...

    def restart(self) -> bool:
        """Free the memory, to read again what was said; False where a token is half taken."""
        ...


class RoundRobinScheduler(CallsWorker[CallT, Answering]):
    """Every call has a batch and a cache of its own; each step advances all of them in turn."""

    def __init__(
        self,
        model: LoadedModel,
        limits: WorkerLimits,
        begin: Callable[[TextJob], Answering] | None = None,
    ) -> None:
        """Serve one model; ``begin`` begins to answer a call, a ``Generation`` if not given."""
        super().__init__(model.facts, limits)
        self._model = model
        self._begin = begin or partial(Generation, model)
        self._limit = RowLimit()
        self._relieved = False

    def admit(self, call: CallT, job: TextJob) -> None:
        """Tokenize a call's prompt and let it take part from the next step on."""
        self._calls[call] = self._begin(job)
        self._model.adapters.tidy({other.adapter for other in self._calls.values()})

    def drop(self, call: CallT) -> None:
        """Forget a call; its cache is freed with it."""
        super().drop(call)
        if not self._calls:
            self._limit.reset()

    def step(self, desk: Desk[CallT]) -> None:
        """Advance each call by one step."""
        self._limit.step()
        for call, generation in self._running:
            if not desk.wanted(call):
                continue
            try:
                events: list[Event] = generation.step()
            except Exception as error:
                if is_out_of_memory(error) and not self._hopeless and generation.restart():
                    raise
                self.drop(call)
                desk.fail(call, error)
                continue
            self._relieved = False
            if generation.finished:
                self.drop(call)
            desk.post(call, events)

    def shrink(self) -> bool:
        """Let the younger half of the calls wait, without memory, until the others have ended."""
        running = len(self._running)
        self._relieved = running <= 1
        self._limit.halve(running)
        for generation in list(self._calls.values())[self._limit.most :]:
            generation.restart()
        return True

    @property
    def _running(self) -> list[tuple[CallT, Answering]]:
        """The calls that take turns, oldest first."""
        return list(self._calls.items())[: self._limit.most]

    @property
    def _hopeless(self) -> bool:
        """Whether one call alone has everything there is, and it was not enough before."""
        return self._relieved and len(self._running) <= 1
