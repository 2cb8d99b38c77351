"""Who computes next: the calls in progress take turns, one step each.

A scheduler lives in its engine's worker thread. It is told of calls (``admit``) and asked to
``step``; everything about threads, queues and delivery is the engine's. A scheduler that puts all
calls into one batch can take this one's place without the engine noticing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from .generation import Generation
from .job import Event, TextJob
from .loading import LoadedModel

__all__ = ["RoundRobinScheduler", "Scheduler"]

CallT = TypeVar("CallT", bound=Hashable)


class Scheduler(Protocol[CallT]):
    """Advances the calls it was given."""

    @property
    def active(self) -> tuple[CallT, ...]:
        """Calls in progress, oldest first."""
        ...

    def admit(self, call: CallT, job: TextJob) -> None:
        """Begin a call; raises what is wrong with it."""
        ...

    def drop(self, call: CallT) -> None:
        """Forget a call and free what it holds."""
        ...

    def step(self) -> Iterator[tuple[CallT, list[Event] | Exception]]:
        """Advance every call by one step and yield what came of each; a call that ended is gone."""
        ...


class RoundRobinScheduler(Generic[CallT]):
    """Every call has a batch and a cache of its own; each step advances all of them in turn."""

    def __init__(self, model: LoadedModel) -> None:
        """Serve one model."""
        self._model = model
        self._generations: dict[CallT, Generation] = {}

    @property
    def active(self) -> tuple[CallT, ...]:
        """Calls in progress, oldest first."""
        return tuple(self._generations)

    def admit(self, call: CallT, job: TextJob) -> None:
        """Tokenize a call's prompt and let it take part from the next step on."""
        self._generations[call] = Generation(self._model, job)

    def drop(self, call: CallT) -> None:
        """Forget a call; its cache is freed with it."""
        self._generations.pop(call, None)

    def step(self) -> Iterator[tuple[CallT, list[Event] | Exception]]:
        """Advance each call by one step."""
        for call, generation in list(self._generations.items()):
            outcome: list[Event] | Exception
            try:
                outcome = generation.step()
            except Exception as error:  # noqa: BLE001  # the engine decides what it means
                outcome = error
            if generation.finished or isinstance(outcome, Exception):
                self.drop(call)
            yield call, outcome
