"""The models a backend has in memory: one engine for each, however many calls ask at once.

A model that is needed gets a seat on a device before it is loaded. Where its size does not fit into
what is free, or into the budget, idle models go first, the least recently used before the others;
then the next device is tried; then it is an error that says the numbers. Nothing that is in use, or
pinned, ever goes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from gensdk.errors import ClientClosedError, OutOfMemoryError
from gensdk.toolkit.forking import begins_anew

from .delivery import Sink
from .engine import Engine, EngineStoppedError, Ticket
from .hold import Hold
from .job import Job
from .memory import free_memory, shown
from .names import ModelReference
from .placing import Seat, Wish
from .status import ModelStatus

__all__ = ["EnginePool"]

StartEngine = Callable[[ModelReference], Engine]
_LOGGER = logging.getLogger("gensdk")


class EnginePool:
    """Engines by model. Safe to use from any thread and any event loop.

    Room is made only for a model that has been found: a name that is wrong costs nobody a place.
    """

    def __init__(
        self,
        start: StartEngine,
        *,
        kept: int | None = None,
        budget: int | None = None,
        keep_alive_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[str], int | None] = free_memory,
    ) -> None:
        """Start with no model.

        Args:
            start: Makes an engine; its first call starts it.
            kept: Models to keep in memory, None for as many as fit.
            budget: Bytes that the models may take on each device, None for what is free.
            keep_alive_s: Seconds that an idle model stays, None for ever.
            clock: Tells the seconds.
            free: Tells the bytes a device has free.
        """
        self._start = start
        self._kept = kept
        self._budget = budget
        self._keep_alive_s = keep_alive_s
        self._clock = clock
        self._free = free
        self._pinned: set[ModelReference] = set()
        self._closed = False
        self._begin()
        begins_anew(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._engines: dict[ModelReference, Engine] = {}
        self._leaving: list[Engine] = []

    def begin_anew(self) -> None:
        """Forget engines whose threads are in another process; the next call starts its own."""
        self._begin()

    # ------------------------------------------------------------------------- for the backend
    def submit(
        self, reference: ModelReference, job: Job | None, sink: Sink, hold: Hold | None = None
    ) -> Ticket:
        """Put a call into the queue of its model, which is loaded first where need be.

        Args:
            reference: The model.
            job: What is asked; None only wants the model loaded.
            sink: Where the events go.
            hold: What keeps the model for the call. It ends here, where there is a job; a wish to
                have the model loaded takes it.

        Raises:
            OverloadedError: The model's queue is full.
            ClientClosedError: The backend is closed.
        """
        with self._lock:
            held = hold.engine if hold is not None else None
            try:
                engine = held or self._engine(reference)
                ticket = engine.submit(job, sink, held=held is not None)
            except EngineStoppedError:  # it ended just now; a new one takes its first call always
                engine = self._engine(reference)
                ticket = engine.submit(job, sink)
            if hold is not None and job is None:
                hold.take(engine)
            elif hold is not None:
                hold.end()
            return ticket

    def hold(self, reference: ModelReference, hold: Hold) -> bool:
        """Keep a model for a call that is about to come; False where it is not in memory."""
        with self._lock:
            engine = self._engines.get(reference)
            if engine is None or engine.loading or engine.stopping:
                return False
            self._engines[reference] = self._engines.pop(reference)  # the most recently used
            hold.take(engine)
            return True

    def statuses(self) -> tuple[ModelStatus, ...]:
        """The models in memory, the least recently used first."""
        with self._lock:
            found = [pair for pair in self._engines.items() if not pair[1].stopping]
            return tuple(engine.status(pinned=name in self._pinned) for name, engine in found)

    def release(self, reference: ModelReference) -> list[Engine]:
        """Let a model finish its calls and go, pinned or not.

        Returns the engines to wait for, with those of the model that were on their way out before.
        """
        with self._lock:
            self._pinned.discard(reference)
            self._forget_dead()
            engine = self._engines.pop(reference, None)
            if engine is not None:
                self._retire(engine)
            name = str(reference)
            return [gone for gone in self._leaving if gone.model == name and not gone.stopped]

    def pin(self, reference: ModelReference) -> bool:
        """Keep a model in memory from when it is loaded until it is unpinned or released.

        Returns whether it is there, or on its way here, now.

        Raises:
            ClientClosedError: The backend is closed.
        """
        with self._lock:
            self._require_open()
            self._pinned.add(reference)
            self._forget_dead()
            engine = self._engines.get(reference)
            if engine is None or engine.stopping:
                return False
            engine.rest.keep_alive_s = None
            return True

    def unpin(self, reference: ModelReference) -> bool:
        """Let a model go as any other; returns whether it was pinned."""
        with self._lock:
            pinned = reference in self._pinned
            self._pinned.discard(reference)
            engine = self._engines.get(reference)
            if engine is not None:
                engine.rest.keep_alive_s = self._keep_alive_s
                engine.wake()
            return pinned

    def judge(self, wishes: Sequence[Wish]) -> tuple[Wish, int | None, bool]:
        """Where a model would run, what there is for it when idle ones go, and whether it fits."""
        with self._lock:
            for wish in wishes:
                room = self._room(wish.choice.device)
                if room is not None:
                    room += sum(_claim(engine) for _, engine in self._idle(wish.choice.device))
                if room is None or room >= wish.need.total:
                    return wish, room, True
            wish = wishes[0]
            return wish, self._room(wish.choice.device), False

    def beside(self, reference: ModelReference, seat: Seat) -> int | None:
        """What there is on the device of a model in memory, beside it, when idle ones go."""
        with self._lock:
            room = self._room(seat.device)
            if room is None:
                return None
            own = self._engines.get(reference)
            return room + sum(_claim(engine) for _, engine in self._idle(seat.device, but=own))

    def engine(self, reference: ModelReference) -> Engine | None:
        """What has a model in memory, or loads it."""
        with self._lock:
            engine = self._engines.get(reference)
            return None if engine is None or engine.stopping else engine

    def seat_of(self, reference: ModelReference) -> Seat | None:
        """The place a model has, None where it is not in memory."""
        with self._lock:
            engine = self._engines.get(reference)
            return None if engine is None or engine.stopping else engine.seat

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

    # ------------------------------------------------------------------------- for the engines
    def seat(self, engine: Engine, wishes: Sequence[Wish]) -> Seat | list[threading.Thread]:
        """Give a found model its place; else the threads to wait for, before asking again.

        Waiting cannot go round in a circle: an engine waits only for those that had a seat before
        it and are on their way out.

        Raises:
            OutOfMemoryError: It fits nowhere, and nothing that would help may go.
        """
        with self._lock:
            if self._kept is not None:
                self._retire_beyond(self._kept - 1)
                if leaving := self._going(engine):
                    return [gone.thread for gone in leaving]
            for wish in wishes:
                room = self._room(wish.choice.device)
                if room is None or room >= wish.need.total:
                    engine.seat = self._seat(wish, room)
                    if wish is not wishes[0]:
                        _LOGGER.warning("%s runs on %s", engine.model, wish.choice.reason)
                    return engine.seat
                if going := self._made_room(engine, wish, wish.need.total - room):
                    return [gone.thread for gone in going]
            raise self._refusal(engine, wishes)

    def relieve(self, engine: Engine) -> list[threading.Thread]:
        """Let the idle models on an engine's device go; returns the threads to wait for."""
        with self._lock:
            if engine.seat is None:
                return []
            gone = [self._retire(self._engines.pop(name)) for name, _ in self._idle(
                engine.seat.device, but=engine)]  # fmt: skip
            return [other.thread for other in gone]

    def trim(self) -> None:
        """Let go what was idle for too long, or is one too many."""
        with self._lock:
            if self._keep_alive_s is not None:
                for name, engine in self._idle():
                    if engine.rest.seconds >= self._keep_alive_s:
                        self._retire(self._engines.pop(name))
            if self._kept is not None:
                self._retire_beyond(self._kept)

    # ------------------------------------------------------------------------- under the lock
    def _engine(self, reference: ModelReference) -> Engine:
        self._require_open()
        self._forget_dead()
        engine = self._engines.pop(reference, None)
        if engine is None:
            engine = self._start(reference)
            engine.owner = self
            engine.rest.clock = self._clock
            engine.rest.keep_alive_s = None if reference in self._pinned else self._keep_alive_s
        self._engines[reference] = engine  # at the end: the most recently used
        return engine

    def _require_open(self) -> None:
        if self._closed:
            raise ClientClosedError("the local backend is closed; make a new one", provider="local")

    def _forget_dead(self) -> None:
        for reference, engine in list(self._engines.items()):
            if engine.stopping:
                self._retire(self._engines.pop(reference))
        self._leaving = [gone for gone in self._leaving if not gone.stopped]

    def _idle(
        self, device: str | None = None, *, but: Engine | None = None
    ) -> list[tuple[ModelReference, Engine]]:
        """The models that may go, the least recently used first."""
        return [
            (name, engine)
            for name, engine in self._engines.items()
            if name not in self._pinned and engine is not but and engine.idle
            and engine.seat is not None and device in {None, engine.seat.device}
        ]  # fmt: skip

    def _retire_beyond(self, kept: int) -> None:
        seated = [
            engine for engine in self._engines.values() if engine.seat and not engine.stopping
        ]
        for name, _ in self._idle()[: max(0, len(seated) - kept)]:
            self._retire(self._engines.pop(name))

    def _going(self, but: Engine, device: str | None = None) -> list[Engine]:
        return [
            gone
            for gone in self._leaving
            if gone is not but and gone.seat is not None and not gone.stopped
            and device in {None, gone.seat.device}
        ]  # fmt: skip

    def _made_room(self, engine: Engine, wish: Wish, missing: int) -> list[Engine]:
        """Engines whose end makes room for a wish; idle ones are let go only where it helps."""
        device = wish.choice.device
        going = self._going(engine, device)
        idle = self._idle(device, but=engine)
        if sum(map(_claim, going)) + sum(_claim(other) for _, other in idle) < missing:
            return []
        for name, _ in idle:
            if sum(map(_claim, going)) >= missing:
                break
            going.append(self._retire(self._engines.pop(name)))
        return going

    def _room(self, device: str) -> int | None:
        """Bytes there are for one more model, None where nobody knows."""
        seated = [other for other in self._seated() if other.seat and other.seat.device == device]
        rooms = []
        if self._budget is not None:
            rooms.append(self._budget - sum(map(_claim, seated)))
        free = self._free(device)
        if free is not None:  # what is being loaded is not taken from it yet
            rooms.append(free - sum(_claim(other) for other in seated if other.loading))
        return min(rooms, default=None)

    def _seated(self) -> Iterable[Engine]:
        yield from (engine for engine in self._engines.values() if not engine.stopped)
        yield from (gone for gone in self._leaving if not gone.stopped)

    def _seat(self, wish: Wish, room: int | None) -> Seat:
        need = wish.need
        working = need.working if room is None else min(need.working, room - need.weights)
        working = max(working, need.least)
        return Seat(wish, working, None if self._budget is None else working)

    def _retire(self, engine: Engine) -> Engine:
        engine.stop(drain=True)
        self._leaving.append(engine)
        return engine

    def _refusal(self, engine: Engine, wishes: Sequence[Wish]) -> OutOfMemoryError:
        places = "; ".join(self._shortage(wish) for wish in wishes)
        seated = [other for other in self._engines.values() if other.seat and not other.stopping]
        others = [other.model for other in seated if other is not engine]
        advice = [f"unload {' or '.join(others)}, or wait until it is idle"] if others else []
        advice += ["raise memory_budget"] if self._budget is not None else []
        advice += ["take a smaller model", "dtype='bfloat16' halves float32"]
        if all(wish.choice.quantization is None for wish in wishes):
            advice += ["quantization='int8' halves that again where it can be had"]
        return OutOfMemoryError(
            f"there is not enough memory to load the model: {places}. {'; '.join(advice)}",
            provider="local",
            model=engine.model,
        )

    def _shortage(self, wish: Wish) -> str:
        need, device = wish.need, wish.choice.device
        room = self._room(device) or 0
        bound = "" if self._budget is None else f" of a budget of {shown(self._budget)}"
        return (
            f"on {device} in {wish.choice.dtype} it needs {shown(need.total)} "
            f"({shown(need.weights)} of weights and {shown(need.least)} to work in), and "
            f"{shown(max(0, room))} are free{bound}"
        )


def _claim(engine: Engine) -> int:
    return 0 if engine.seat is None else engine.seat.claimed
