"""One loaded model and the one thread that runs it.

The thread loads the model, takes calls from a bounded queue, lets the scheduler advance them, and
delivers what came once per step. An error that concerns one call ends that call; anything else
that fails ends the engine: every call on it gets ``WorkerCrashedError``, and the pool starts a new
one for the next call. The thread is a daemon, so that a forgotten backend cannot hold up the
interpreter's exit; at exit every engine is stopped and waited for a short while.
"""

from __future__ import annotations

import atexit
import gc
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from gensdk.errors import (
    ClientClosedError,
    GenSDKError,
    LocalError,
    OverloadedError,
    WorkerCrashedError,
)

from .cores import ONE_CORE_PARAMETERS, keep_to_one_core
from .delivery import Outbox, Sink
from .failures import detached, is_out_of_memory, load_failure, step_failure
from .job import Ended, Event, Failed, TextJob
from .loading import LoadedModel
from .scheduler import RoundRobinScheduler, Scheduler
from .status import EngineState, ModelStatus

__all__ = ["Engine", "EngineStoppedError", "Ticket"]

_EXIT_SECONDS = 5.0


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

    def __init__(self, job: TextJob | None, sink: Sink, wake: Callable[[], None]) -> None:
        """Made by ``Engine.submit``."""
        self._wake = wake
        self.job = job
        self.sink = sink
        self.cancelled = False

    def cancel(self) -> None:
        """Give the call up: it ends before its next step. Harmless when it is over."""
        self.cancelled = True
        self._wake()


class Engine:
    """A model, its thread and its queue."""

    def __init__(
        self,
        model: str,
        load: Callable[[], LoadedModel],
        *,
        max_active: int,
        max_waiting: int,
        after: Sequence[threading.Thread] = (),
    ) -> None:
        """Prepare; the first call starts the thread, and in it the loading.

        Args:
            model: Name for status and errors.
            load: Loads the model; called once, in the thread.
            max_active: Calls that advance together.
            max_waiting: Calls that may wait for a place; more are refused.
            after: Threads whose memory must be free before this model is loaded.
        """
        self._model = model
        self._load = load
        self._after = tuple(after)
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._change = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._active: tuple[Ticket, ...] = ()
        self._begun = False
        self._stop: Literal["no", "drain", "abort"] = "no"
        self._state: EngineState = "loading"
        self._facts: LoadedFacts = ("", "", 0, 0)
        self._steps = self._answered = self._cancelled = 0
        self._on_stopped: list[Callable[[], None]] = []
        self._outbox = Outbox()
        self.thread = threading.Thread(target=self._run, name=f"gensdk-{model}", daemon=True)
        _ENGINES.add(self)

    # ---------------------------------------------------------------------- from any thread
    def submit(self, job: TextJob | None, sink: Sink) -> Ticket:
        """Queue a call.

        Raises:
            OverloadedError: The queue is full; nothing was begun.
            EngineStoppedError: The engine is on its way out.
        """
        ticket = Ticket(job, sink, self.wake)
        with self._change:
            if self._stop != "no":
                raise EngineStoppedError
            calls = sum(not other.cancelled for other in (*self._active, *self._waiting))
            if calls >= self._max_active + self._max_waiting:
                raise OverloadedError(
                    f"this model has {calls} calls already; ask again later, or raise "
                    "LocalBackend(max_waiting=…)",
                    provider="local",
                    model=self._model,
                )
            self._waiting.append(ticket)
            self._change.notify()
            begins, self._begun = not self._begun, True
        if begins:
            self.thread.start()
        return ticket

    def wake(self) -> None:
        """Let the worker look at its queue again."""
        with self._change:
            self._change.notify()

    def stop(self, *, drain: bool = False) -> None:
        """End the engine; with ``drain`` the calls it has are answered first."""
        with self._change:
            if self._stop != "abort":
                self._stop = "drain" if drain else "abort"
            self._change.notify()

    def on_stopped(self, callback: Callable[[], None]) -> None:
        """Call back, from the engine's thread, once the model's memory is free."""
        with self._change:
            if self._state != "stopped":
                self._on_stopped.append(callback)
                return
        callback()

    @property
    def stopping(self) -> bool:
        """Whether the engine takes no calls any more."""
        return self._stop != "no"

    @property
    def idle(self) -> bool:
        """Whether it has neither calls nor a model to load."""
        with self._change:
            return self._state == "ready" and not self._active and not self._waiting

    def status(self) -> ModelStatus:
        """Facts as of now."""
        device, dtype, parameters, weight_bytes = self._facts
        with self._change:
            waiting = sum(not ticket.cancelled for ticket in self._waiting)
            ends = self.stopping and self._state != "stopped"
            return ModelStatus(
                model=self._model,
                state="stopping" if ends else self._state,
                device=device,
                dtype=dtype,
                parameters=parameters,
                weight_bytes=weight_bytes,
                active=len(self._active),
                waiting=waiting,
                steps=self._steps,
                answered=self._answered,
                cancelled=self._cancelled,
            )

    # ------------------------------------------------------------------------- in the worker
    def _run(self) -> None:
        failure: GenSDKError = WorkerCrashedError("the worker ended unexpectedly", provider="local")
        try:
            for thread in self._after:
                thread.join()
            self._after = ()
            failure = self._work()
        finally:
            self._wind_up(failure)

    def _work(self) -> GenSDKError:
        """Load and serve; returns what to tell the calls that are left."""
        try:
            model = self._load()
        except Exception as error:  # noqa: BLE001  # a worker's boundary: everything is typed here
            return detached(load_failure(error, self._model))
        try:
            self._serve(model)
        except Exception as error:  # noqa: BLE001  # as above
            return detached(step_failure(error, self._model))
        return ClientClosedError("the local backend was closed", provider="local")

    def _serve(self, model: LoadedModel) -> None:
        import torch

        if model.device == "cpu" and model.parameters < ONE_CORE_PARAMETERS:
            keep_to_one_core()
        scheduler: Scheduler[Ticket] = RoundRobinScheduler(model)
        with self._change:
            self._facts = (model.device, model.dtype, model.parameters, model.weight_bytes)
            self._state = "ready"
        with torch.inference_mode():
            while (admitted := self._next(scheduler)) is not None:
                for ticket in admitted:
                    self._admit(scheduler, ticket)
                if scheduler.active:
                    self._step(scheduler)
                self._active = scheduler.active
                self._deliver()

    def _next(self, scheduler: Scheduler[Ticket]) -> list[Ticket] | None:
        """Wait for something to do: calls to begin, possibly none; None at the end."""
        with self._change:
            while self._stop != "abort":
                self._forget_cancelled(scheduler)
                room = self._max_active - len(scheduler.active)
                admitted = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
                self._active = (*scheduler.active, *admitted)
                if self._active:
                    return admitted
                if self._stop == "drain":
                    return None
                self._change.wait()
            return None

    def _forget_cancelled(self, scheduler: Scheduler[Ticket]) -> None:
        given_up = [ticket for ticket in scheduler.active if ticket.cancelled]
        for ticket in given_up:
            scheduler.drop(ticket)
        waiting = deque(ticket for ticket in self._waiting if not ticket.cancelled)
        self._cancelled += len(given_up) + len(self._waiting) - len(waiting)
        self._waiting = waiting

    def _admit(self, scheduler: Scheduler[Ticket], ticket: Ticket) -> None:
        if ticket.job is None:
            device, dtype, _, _ = self._facts
            self._outbox.add(ticket.sink, Ended((), 0, True, device, dtype))
            return
        try:
            scheduler.admit(ticket, ticket.job)
        except Exception as error:  # noqa: BLE001  # one prompt must not end its neighbours' calls
            self._fail([ticket], self._admission_failure(error))

    def _admission_failure(self, error: Exception) -> GenSDKError:
        if isinstance(error, GenSDKError) or is_out_of_memory(error):
            return step_failure(error, self._model)
        failure = LocalError(f"the prompt cannot be prepared: {type(error).__name__}: {error}")
        failure.__cause__ = error
        return step_failure(failure, self._model)

    def _step(self, scheduler: Scheduler[Ticket]) -> None:
        self._steps += 1
        for ticket, outcome in scheduler.step():
            if isinstance(outcome, Exception):
                if not (isinstance(outcome, GenSDKError) or is_out_of_memory(outcome)):
                    raise outcome
                self._fail([ticket], step_failure(outcome, self._model))
                _return_memory()
            else:
                self._post(ticket, outcome)
            if self._stop == "abort":
                return

    def _post(self, ticket: Ticket, events: Sequence[Event]) -> None:
        for event in events:
            self._answered += isinstance(event, Ended)
            self._outbox.add(ticket.sink, event)

    def _fail(self, tickets: Sequence[Ticket], failure: GenSDKError) -> None:
        for ticket in tickets:
            self._outbox.add(ticket.sink, Failed(detached(failure)))

    def _deliver(self) -> None:
        for loop in self._outbox.flush():
            for ticket in (*self._active, *self._waiting):
                ticket.cancelled = ticket.cancelled or ticket.sink.loop is loop

    def _wind_up(self, failure: GenSDKError) -> None:
        with self._change:
            self._stop = "abort"
            left = (*self._active, *self._waiting)
            self._active, self._waiting = (), deque()
        gc.collect()
        _return_memory()
        self._fail(left, failure)
        self._outbox.flush()
        with self._change:
            self._state = "stopped"
            callbacks, self._on_stopped = self._on_stopped, []
        for callback in callbacks:
            callback()


LoadedFacts = tuple[str, str, int, int]  # device, dtype, parameters, weight bytes

_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def _return_memory() -> None:
    """Give cached device memory back, where a device is in use."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():  # needs an accelerator
        torch.cuda.empty_cache()  # needs an accelerator


@atexit.register
def _stop_all() -> None:
    """Stop every engine at exit; one that is inside a long load or step is left behind."""
    engines = list(_ENGINES)
    for engine in engines:
        engine.stop()
    deadline = time.monotonic() + _EXIT_SECONDS
    for engine in engines:
        if engine.thread.is_alive():
            engine.thread.join(max(0.0, deadline - time.monotonic()))
