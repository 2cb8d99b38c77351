"""The models a backend has in memory: one engine for each, however many calls ask at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from gensdk.errors import ClientClosedError

from .delivery import Sink
from .engine import Engine, EngineStoppedError, Ticket
from .job import TextJob
from .names import ModelReference
from .status import ModelStatus

__all__ = ["EnginePool"]

StartEngine = Callable[[ModelReference, Sequence[threading.Thread]], Engine]


class EnginePool:
    """Engines by model. Safe to use from any thread and any event loop.

    When a further model is needed than may be kept, the one unused for longest makes room, if it
    is idle; models that are busy stay until they are not.
    """

    def __init__(self, start: StartEngine, *, kept: int) -> None:
        """Start with no model.

        Args:
            start: Makes an engine that waits for some threads before it loads.
            kept: Models to keep in memory.
        """
        self._start = start
        self._kept = kept
        self._lock = threading.Lock()
        self._engines: dict[ModelReference, Engine] = {}
        self._leaving: list[Engine] = []
        self._closed = False

    def submit(self, reference: ModelReference, job: TextJob | None, sink: Sink) -> Ticket:
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
            engines = [*self._engines.values(), *self._leaving]
            self._engines.clear()
            self._leaving.clear()
        for engine in engines:
            engine.stop()
        return engines

    def _engine(self, reference: ModelReference) -> Engine:
        if self._closed:
            raise ClientClosedError("the local backend is closed; make a new one", provider="local")
        engine = self._engines.pop(reference, None)
        if engine is not None and engine.stopping:
            self._retire(engine)
            engine = None
        if engine is None:
            self._make_room()
            self._leaving = [gone for gone in self._leaving if gone.thread.is_alive()]
            engine = self._start(reference, [gone.thread for gone in self._leaving])
        self._engines[reference] = engine  # at the end: the most recently used
        return engine

    def _make_room(self) -> None:
        surplus = len(self._engines) - self._kept + 1
        idle = [reference for reference, engine in self._engines.items() if engine.idle]
        for reference in idle[: max(0, surplus)]:
            self._retire(self._engines.pop(reference))

    def _retire(self, engine: Engine) -> Engine:
        engine.stop(drain=True)
        self._leaving.append(engine)
        return engine
