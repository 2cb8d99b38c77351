"""The models a backend has in memory: one engine for each, however many calls ask at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gensdk.errors import ClientClosedError

from .delivery import Sink
from .engine import Engine, EngineStoppedError, Ticket
from .job import Job
from .names import ModelReference
from .status import ModelStatus

__all__ = ["EnginePool"]

StartEngine = Callable[[ModelReference], Engine]


class EnginePool:
    """Engines by model. Safe to use from any thread and any event loop.

    When a further model is needed than may be kept, the one unused for longest makes room, if it
    is idle; models that are busy stay until they are not. Room is made only for a model that has
    been found: a name that is wrong costs nobody a place.
    """

    def __init__(self, start: StartEngine, *, kept: int) -> None:
        """Start with no model.

        Args:
            start: Makes an engine; its first call starts it.
            kept: Models to keep in memory.
        """
        self._start = start
        self._kept = kept
        self._lock = threading.Lock()
        self._engines: dict[ModelReference, Engine] = {}
        self._leaving: list[Engine] = []
        self._closed = False

    def submit(self, reference: ModelReference, job: Job | None, sink: Sink) -> Ticket:
        """Put a call into the queue of its model, which is loaded first where need be.

        Raises:
            OverloadedError: The model's queue is full.
            ClientClosedError: The backend is closed.
        """
        with self._lock:
            try:
                return self._engine(reference).submit(job, sink)
            except EngineStoppedError:  # it ended just now; a new one takes its first call always
                return self._engine(reference).submit(job, sink)

    def statuses(self) -> tuple[ModelStatus, ...]:
        """The models in memory, the least recently used first."""
        with self._lock:
            engines = [engine for engine in self._engines.values() if not engine.stopping]
            return tuple(engine.status() for engine in engines)

    def release(self, reference: ModelReference) -> list[Engine]:
        """Let a model finish its calls and go; returns the engines to wait for."""
        with self._lock:
            engine = self._engines.pop(reference, None)
            return [] if engine is None else [self._retire(engine)]

    def close(self) -> list[Engine]:
        """Refuse further calls and end every engine; returns the engines to wait for."""
        with self._lock:
            self._closed = True
            self._leaving = [*self._engines.values(), *self._leaving]
            self._engines.clear()
            engines = list(self._leaving)  # kept: whoever closes next waits for them, too
        for engine in engines:
            engine.stop()
        return engines

    def make_room(self, engine: Engine) -> list[threading.Thread]:
        """Let idle models go for one that has been found and is about to be loaded.

        Waiting for the threads that are returned cannot go round in a circle: an engine waits
        only for those that claimed their place before it.
        """
        with self._lock:
            self._retire_idle(self._kept - 1)
            engine.claims = True
            return [gone.thread for gone in self._leaving if gone.claims and gone is not engine]

    def trim(self) -> None:
        """Keep no more models than may be kept, as soon as enough of them are idle."""
        with self._lock:
            self._retire_idle(self._kept)

    def _engine(self, reference: ModelReference) -> Engine:
        if self._closed:
            raise ClientClosedError("the local backend is closed; make a new one", provider="local")
        self._forget_dead()
        engine = self._engines.pop(reference, None)
        if engine is None:
            engine = self._start(reference)
            engine.owner = self
        self._engines[reference] = engine  # at the end: the most recently used
        return engine

    def _forget_dead(self) -> None:
        for reference, engine in list(self._engines.items()):
            if engine.stopping:
                self._retire(self._engines.pop(reference))
        self._leaving = [gone for gone in self._leaving if not gone.stopped]

    def _retire_idle(self, kept: int) -> None:
        there = {
            reference: engine
            for reference, engine in self._engines.items()
            if engine.claims and not engine.stopping
        }
        idle = [reference for reference, engine in there.items() if engine.idle]
        for reference in idle[: max(0, len(there) - kept)]:
            self._retire(self._engines.pop(reference))

    def _retire(self, engine: Engine) -> Engine:
        engine.stop(drain=True)
        self._leaving.append(engine)
        return engine
