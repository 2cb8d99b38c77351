"""One loaded model and the one thread that runs it.

The thread loads the model, takes calls from a bounded queue, lets the scheduler advance them, and
delivers what came once per step. An error of a step ends the call whose step it was. An error of
the device ends the engine: every call on it gets ``WorkerCrashedError``, and the pool starts a new
one for the next call.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from gensdk.errors import (
    ClientClosedError,
    GenSDKError,
    OverloadedError,
    WorkerCrashedError,
)

from .cores import ONE_CORE_PARAMETERS, keep_to_one_core
from .delivery import Outbox, Sink
from .exit import stop_at_exit
from .failures import (
    LoadAbandonedError,
    call_failure,
    detached,
    is_device_failure,
    is_out_of_memory,
    load_failure,
    step_failure,
)
from .job import Event, Failed, Final, Job, Ready
from .loading import Check
from .safety import ModelFolder
from .status import EngineState, ModelStatus
from .ticket import EngineStoppedError, Ticket
from .worker import Worker, WorkerFacts

__all__ = ["Engine", "EngineStoppedError", "Ticket"]

_GLANCE_SECONDS = 0.05  # how often a worker that waits looks whether it still should


class EngineOwner(Protocol):
    """Who decides how many models are in memory."""

    def make_room(self, engine: Engine) -> Sequence[threading.Thread]:
        """Let idle models go for this one; returns the threads whose memory must be free first."""
        ...

    def trim(self) -> None:
        """Take note that an engine has become idle."""
        ...


class Engine:
    """A model, its thread and its queue.

    Attributes:
        thread: Loads and runs the model.
        owner: Told when the model needs room, and when it has become idle.
        claims: Whether the model is in memory or about to be; set by the owner.
    """

    def __init__(
        self,
        model: str,
        find: Callable[[Check], ModelFolder],
        load: Callable[[ModelFolder, Check], Worker[Ticket]],
        *,
        max_active: int,
        max_waiting: int,
    ) -> None:
        """Prepare; the first call starts the thread, and in it the loading.

        Args:
            model: Name for status and errors.
            find: Brings the model's folder here and inspects it; called once, in the thread.
            load: Loads the model; called once, in the thread.
            max_active: Calls that advance together.
            max_waiting: Calls that may wait for a place; more are refused.
        """
        self._model = model
        self._find = find
        self._load = load
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._change = threading.Condition()
        self._waiting: deque[Ticket] = deque()
        self._active: tuple[Ticket, ...] = ()
        self._begun = False
        self._busy = True
        self._loading = False
        self.owner: EngineOwner | None = None
        self.claims = False
        self._stop: Literal["no", "drain", "abort"] = "no"
        self._state: EngineState = "loading"
        self._facts = WorkerFacts("", "", 0, 0)
        self._steps = self._answered = self._cancelled = 0
        self._on_stopped: list[Callable[[], None]] = []
        self._outbox = Outbox()
        self.thread = threading.Thread(target=self._run, name=f"gensdk-{model}", daemon=True)
        stop_at_exit(self)

    # ---------------------------------------------------------------------- from any thread
    def submit(self, job: Job | None, sink: Sink) -> Ticket:
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
            self._begin()
        return ticket

    def _begin(self) -> None:
        try:
            self.thread.start()
        except RuntimeError as error:  # the system has no more threads
            with self._change:
                self._waiting.clear()
            self._wind_up(OverloadedError("no thread", provider="local"))
            raise OverloadedError(
                f"no thread could be started for this model: {error}",
                provider="local",
                model=self._model,
            ) from error

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

    def interrupt_load(self) -> None:
        """End a load at its next line of Python. Only for the end of the process.

        It may come in the middle of anything, also while transformers has settings of the whole
        process changed.
        """
        identity = self.thread.ident
        with self._change:
            if self._loading and identity is not None:
                abandoned = ctypes.py_object(LoadAbandonedError)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(identity), abandoned)

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
    def stopped(self) -> bool:
        """Whether its memory is free and its thread has nothing left to do."""
        with self._change:
            return self._state == "stopped"

    @property
    def idle(self) -> bool:
        """Whether it has neither calls nor a model to load."""
        with self._change:
            return self._state == "ready" and not self._active and not self._waiting

    def status(self) -> ModelStatus:
        """Facts as of now."""
        facts = self._facts
        with self._change:
            waiting = sum(not ticket.cancelled for ticket in self._waiting)
            ends = self.stopping and self._state != "stopped"
            return ModelStatus(
                model=self._model,
                state="stopping" if ends else self._state,
                device=facts.device,
                dtype=facts.dtype,
                parameters=facts.parameters,
                weight_bytes=facts.weight_bytes,
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
            failure = self._work()
        except LoadAbandonedError as error:  # interrupted between two stages
            failure = detached(load_failure(error, self._model))
        finally:
            self._wind_up(failure)

    def _work(self) -> GenSDKError:
        """Load and serve; returns what to tell the calls that are left."""
        try:
            worker = self._brought()
        except Exception as error:  # noqa: BLE001  # a worker's boundary: everything is typed here
            wanted = self._stop != "abort"  # libraries wrap what ended a load that nobody wants
            return detached(load_failure(error if wanted else LoadAbandonedError(), self._model))
        try:
            self._serve(worker)
        except Exception as error:  # noqa: BLE001  # as above
            return detached(step_failure(error, self._model))
        return ClientClosedError("the local backend was closed", provider="local")

    def _brought(self) -> Worker[Ticket]:
        self._loading = True
        try:
            folder = self._find(self._check)
            for thread in self.owner.make_room(self) if self.owner else ():
                while thread.is_alive():
                    self._check()
                    thread.join(_GLANCE_SECONDS)
            self._check()
            return self._load(folder, self._check)
        finally:
            with self._change:  # from here on nobody interrupts
                self._loading = False

    def _check(self) -> None:
        """Asked between the stages of a load: whether to go on."""
        if self._stop == "abort":
            raise LoadAbandonedError

    def _serve(self, worker: Worker[Ticket]) -> None:
        import torch

        facts = worker.facts
        if facts.device == "cpu" and facts.parameters < ONE_CORE_PARAMETERS:
            keep_to_one_core()
        with self._change:
            self._facts = facts
            self._state = "ready"
        with torch.inference_mode():
            while (admitted := self._next(worker)) is not None:
                for ticket in admitted:
                    self._admit(worker, ticket)
                if worker.active:
                    self._step(worker)
                self._active = worker.active
                self.deliver()
                if not self._busy and self.owner is not None:
                    self.owner.trim()

    def _next(self, worker: Worker[Ticket]) -> list[Ticket] | None:
        """Wait for something to do: calls to begin, possibly none; None at the end."""
        with self._change:
            while self._stop != "abort":
                self._forget_cancelled(worker)
                room = max(0, min(worker.room, self._max_active - len(worker.active)))
                admitted = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
                self._active = (*worker.active, *admitted)
                if self._active or self._busy:
                    self._busy = bool(self._active)
                    return admitted  # none of them after the last call: the owner is told
                if self._stop == "drain":
                    return None
                self._change.wait()
            return None

    def _forget_cancelled(self, worker: Worker[Ticket]) -> None:
        given_up = [ticket for ticket in worker.active if ticket.cancelled]
        for ticket in given_up:
            worker.drop(ticket)
        waiting = deque(ticket for ticket in self._waiting if not ticket.cancelled)
        self._cancelled += len(given_up) + len(self._waiting) - len(waiting)
        self._waiting = waiting

    def _admit(self, worker: Worker[Ticket], ticket: Ticket) -> None:
        if ticket.job is None:
            self._outbox.add(ticket.sink, Ready())
            return
        try:
            worker.admit(ticket, ticket.job)
        except Exception as error:  # one prompt must not end its neighbours' calls
            if is_device_failure(error):
                raise
            self._fail([ticket], call_failure(error, self._model, "the prompt cannot be prepared"))

    def _step(self, worker: Worker[Ticket]) -> None:
        self._steps += 1
        short: GenSDKError | None = None
        try:
            worker.step(self)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            short = step_failure(error, self._model)
            error.__traceback__ = None  # its frames hold what must be freed now
        if short is not None:
            self._relieve(worker, short)

    def _relieve(self, worker: Worker[Ticket], short: GenSDKError) -> None:
        """Make memory free after a step had too little; give its calls up where that is no use."""
        gc.collect()
        again = worker.shrink()
        _return_memory()
        if not again:
            left = worker.active
            for ticket in left:
                worker.drop(ticket)
            self._fail(left, short)

    # --------------------------------------------------------- in the worker: its desk
    def post(self, call: Ticket, events: Sequence[Event]) -> None:
        """Leave events of a call; they are handed over after the step."""
        for event in events:
            self._answered += isinstance(event, Final)
            self._outbox.add(call.sink, event)

    def fail(self, call: Ticket, error: Exception) -> None:
        """End one call with an error; raises it where it is the device that failed."""
        if is_device_failure(error):
            raise error
        self._fail([call], call_failure(error, self._model, "the call failed"))
        _return_memory()

    def wanted(self, call: Ticket) -> bool:
        """Whether somebody still waits for a call, and the engine is to go on."""
        return not call.cancelled and self._stop != "abort"

    def deliver(self) -> None:
        """Hand over what was posted."""
        for loop in self._outbox.flush():
            for ticket in (*self._active, *self._waiting):
                ticket.cancelled = ticket.cancelled or ticket.sink.loop is loop

    def _fail(self, tickets: Sequence[Ticket], failure: GenSDKError) -> None:
        for ticket in tickets:
            self._outbox.add(ticket.sink, Failed(detached(failure)))

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


def _return_memory() -> None:
    """Give cached device memory back, where a device is in use."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():  # needs an accelerator
        torch.cuda.empty_cache()  # needs an accelerator
