"""``LocalBackend``: the engine on this machine as a backend.

Fields with the same meaning as everywhere keep it. What is this backend's own:

* ``max_tokens`` defaults to 512, or to what the context leaves; a larger value than the context
  leaves is lowered, with a note.
* Without ``temperature`` the model's ``generation_config.json`` decides; where it says nothing the
  answer is greedy, unless ``seed``, ``top_k``, ``top_p``, ``min_p`` or ``n > 1`` ask for sampling.
* With the same ``seed``, device and number format a call gives the same text, whatever else runs.
* ``logprobs`` are those of the model's own distribution, before penalties and temperature.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from importlib import import_module
from pathlib import Path

from gensdk.errors import ConfigurationError, ModelLoadError, WorkerCrashedError
from gensdk.spec import Capabilities, Context
from gensdk.types import Finished, TextDelta, TextEvent, TextRequest, TextResponse

from .delivery import Mailbox
from .device import check_names, choose_device, probe
from .engine import Engine, Ticket
from .extra import require_packages
from .job import Event, Failed, Final, Job
from .kinds import ANY, Kind, kind_of
from .loading import Check
from .names import STORYTELLER, ModelReference, is_offline, locate, parse_model
from .pool import EnginePool
from .safety import ModelFolder, inspect_folder
from .status import ModelStatus
from .worker import Worker, WorkerLimits

__all__ = ["LocalBackend"]

_CLOSING_SECONDS = 5.0
_LOGGER = logging.getLogger("gensdk")


class LocalBackend:
    """Models on this machine. One object serves any number of tasks, threads and event loops.

    A model is loaded by the first call that names it, off the event loop and once, however many
    calls ask for it together. ``aclose`` ends all work, frees the memory and joins the threads.
    """

    def __init__(
        self,
        *,
        name: str = "local",
        device: str = "auto",
        dtype: str = "auto",
        offline: bool | None = None,
        cache_dir: Path | None = None,
        models_kept: int = 1,
        max_active: int = 8,
        max_waiting: int = 64,
    ) -> None:
        """Take settings; nothing is loaded, looked up or started yet.

        Args:
            name: Provider name.
            device: ``auto`` (CUDA, then MPS, then the processor), ``cuda[:n]``, ``mps``, ``cpu``.
            dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
            offline: Never ask the hub; None follows ``HF_HUB_OFFLINE``.
            cache_dir: The hub's cache, None for its usual place.
            models_kept: Models kept in memory; an idle one makes room for the next.
            max_active: Calls of one model that advance together.
            max_waiting: Calls of one model that may wait; more raise ``OverloadedError``.

        Raises:
            ConfigurationError: A setting has an impossible value.
        """
        check_names(device, dtype)
        counts = {"models_kept": models_kept, "max_active": max_active, "max_waiting": max_waiting}
        for setting, value in counts.items():
            if value < 1:
                raise ConfigurationError(f"{setting} must be at least 1, not {value}")
        self._name = name
        self._device = device
        self._dtype = dtype
        self._offline = offline
        self._cache_dir = cache_dir
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._pool = EnginePool(self._start, kept=models_kept)

    def __repr__(self) -> str:
        return f"LocalBackend(name={self._name!r}, device={self._device!r}, dtype={self._dtype!r})"

    @property
    def name(self) -> str:
        """Provider name, as in ``"local:model"``."""
        return self._name

    def capabilities(self, model: str) -> Capabilities:
        """What a model can do, from its configuration; all there is for one not yet here."""
        kind = self._kind(model)
        return Capabilities(
            abilities=kind.abilities,
            streams=kind.streams,
            local=True,
            demo=model == STORYTELLER,
        )

    async def text(self, request: TextRequest, context: Context) -> TextResponse[object]:
        """Answer a text request.

        Raises:
            UnsupportedFeatureError: It asks for what this model or engine does not have.
            ContextLengthError: The prompt does not fit the model.
            ModelNotDownloadedError: The model is not on this machine.
            ModelLoadError: Its folder is damaged or unsafe.
            OverloadedError: Too many calls wait for it already.
        """
        from .text import prepare, respond

        job, notes = prepare(request, context, self._name, streams=False)
        return respond(await self._run(job, context.model), notes, context.model, self._name)

    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[TextEvent]:
        """Stream the answer to a text request; closing the generator ends the work."""
        from .text import prepare, respond
        from .text.job import Delta

        job, notes = prepare(request, context, self._name, streams=True)
        async with aclosing(self._events(job, context.model)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    yield TextDelta(text=event.text, index=event.index)
                elif isinstance(event, Final):
                    response = respond(event, notes, context.model, self._name)
                    yield Finished(response=response)

    async def preload(self, model: str) -> None:
        """Load a model before the first call needs it; errors as in ``text``."""
        await self._run(None, model)

    def loaded(self) -> tuple[ModelStatus, ...]:
        """The models in memory or being loaded, the least recently used first."""
        return self._pool.statuses()

    async def unload(self, model: str) -> None:
        """Let a model finish the calls it has, then free its memory. Unknown ones are ignored."""
        await _gone(self._pool.release(parse_model(model)))

    async def aclose(self) -> None:
        """End all work: running calls fail with ``ClientClosedError``, threads are joined.

        A download or load in progress ends at its next file, weight or stage. What has not ended
        after five seconds is left to end by itself, with a warning in the log. May be called any
        number of times, also at once.
        """
        await _gone(self._pool.close(), _CLOSING_SECONDS)

    async def _run(self, job: Job | None, model: str) -> Final:
        async with aclosing(self._events(job, model)) as events:
            async for event in events:
                if isinstance(event, Final):
                    return event
        raise WorkerCrashedError("the worker ended without an answer", provider=self._name)

    async def _events(self, job: Job | None, model: str) -> AsyncGenerator[Event, None]:
        """What comes of a call, up to its final event; closing it gives the call up."""
        mailbox, ticket = self._submit(job, model)
        try:
            while not isinstance(event := _sound(await mailbox.next()), Final):
                yield event
        finally:
            ticket.cancel()
        yield event

    def _kind(self, model: str) -> Kind:
        reference = parse_model(model)
        return ANY if reference.kind == "hub" else kind_of(Path(reference.place))

    def _submit(self, job: Job | None, model: str) -> tuple[Mailbox, Ticket]:
        mailbox = Mailbox()
        return mailbox, self._pool.submit(parse_model(model), job, mailbox)

    def _start(self, reference: ModelReference) -> Engine:
        require_packages()

        def find(check: Check) -> ModelFolder:
            offline = is_offline(self._offline)
            place = locate(reference, offline=offline, cache_dir=self._cache_dir, check=check)
            check()
            return inspect_folder(place)

        def load(folder: ModelFolder, check: Check) -> Worker[Ticket]:
            kind = kind_of(folder.path)
            if not kind.room:
                raise ModelLoadError(f"{folder.path}: gensdk runs no {folder.model_type} models")
            choice = choose_device(probe(), self._device, self._dtype)
            check()
            room = import_module(f".{kind.room}", __package__)
            worker: Worker[Ticket] = room.load(folder, choice, check, limits)
            return worker

        limits = WorkerLimits(max_active=self._max_active)

        return Engine(
            str(reference),
            find,
            load,
            max_active=self._max_active,
            max_waiting=self._max_waiting,
        )


def _sound(event: Event) -> Event:
    if isinstance(event, Failed):
        raise event.error
    return event


async def _gone(engines: Sequence[Engine], seconds: float | None = None) -> None:
    """Wait until engines have freed their memory, then join their threads."""
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    for engine in engines:
        stopped = loop.create_future()
        engine.on_stopped(partial(_settle_soon, stopped))
        try:
            async with asyncio.timeout_at(deadline):
                await stopped
        except TimeoutError:
            _LOGGER.warning(
                "local model %s is inside a long step or load and is left to end by itself",
                engine.status().model,
            )
        else:
            if engine.thread.is_alive():
                engine.thread.join()  # it has nothing left to do but return


def _settle_soon(future: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the loop that waited is closed by now
        future.get_loop().call_soon_threadsafe(_settle, future)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
