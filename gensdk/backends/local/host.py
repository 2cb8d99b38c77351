"""What ``LocalBackend`` has beside its abilities: the models in memory, and what is done to them.

Settings, loading, pinning, letting go and measuring are here; ``backend`` adds a method for each
ability and knows what a request means.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from gensdk.errors import (
    ConfigurationError,
    ModelLoadError,
    UnsupportedFeatureError,
    WorkerCrashedError,
)
from gensdk.types import Response

from .auto import Chooser
from .cache import cached_folder
from .counting import TokenCounters
from .delivery import Mailbox, Sink
from .device import check_names, probe
from .engine import Engine, Ticket
from .extra import require_packages
from .hold import Hold
from .identity import Identities
from .job import Event, Failed, Final, Job, Progress
from .kinds import ANY, BUILT_IN_KINDS, ENGINE_KINDS, Kind, kind_of
from .loading import Watch, turn, while_wanted
from .memory import parse_bytes
from .names import ModelReference, is_offline, locate, named, parse_model
from .placing import Found, Seat, wishes_for
from .pool import EnginePool
from .prepare import Estimate, LoadProgress, LocalModels, Preparation
from .quantization import Held, check_quantization
from .safety import inspect_folder
from .status import ModelStatus
from .worker import Worker, WorkerLimits

__all__ = ["ModelHost"]

ResponseT = TypeVar("ResponseT", bound=Response)

_CLOSING_SECONDS = 5.0
_LOGGER = logging.getLogger("gensdk")


class ModelHost:
    """The models of one backend on this machine."""

    def __init__(
        self,
        *,
        name: str = "local",
        device: str = "auto",
        dtype: str = "auto",
        quantization: str | None = None,
        offline: bool | None = None,
        cache_dir: Path | None = None,
        memory_budget: int | str | None = None,
        keep_alive_s: float | None = 300.0,
        models_kept: int | None = None,
        max_active: int = 32,
        max_waiting: int = 64,
    ) -> None:
        """Take settings; nothing is loaded, looked up or started yet.

        Args:
            name: Provider name.
            device: ``auto`` (CUDA, then MPS, then the processor), ``cuda[:n]``, ``mps``, ``cpu``.
            dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
            quantization: ``int8`` holds the linear layers of text models, encoders and
                transcription in eight bits (extra ``quantized``); None as the files have them.
            offline: Never ask the hub; None follows ``HF_HUB_OFFLINE``.
            cache_dir: The hub's cache, None for its usual place.
            memory_budget: What the models may take on each device together, in bytes or as
                ``"8GiB"``; None for what is free when a model is loaded.
            keep_alive_s: Seconds that a model stays in memory after its last call; 0 lets it go
                at once, None keeps it.
            models_kept: Models kept in memory at most; None for as many as fit.
            max_active: Calls of one model that advance together.
            max_waiting: Calls of one model that may wait; more raise ``OverloadedError``.

        Raises:
            ConfigurationError: A setting has an impossible value.
        """
        check_names(device, dtype)
        check_quantization(quantization)
        counts = {"models_kept": models_kept, "max_active": max_active, "max_waiting": max_waiting}
        for setting, value in counts.items():
            if value is not None and value < 1:
                raise ConfigurationError(f"{setting} must be at least 1, not {value}")
        if keep_alive_s is not None and not keep_alive_s >= 0:
            raise ConfigurationError(f"keep_alive_s={keep_alive_s}: give seconds, or None for ever")
        budget = None if memory_budget is None else parse_bytes(memory_budget)
        self._name = name
        self._device = device
        self._dtype = dtype
        self._quantization = quantization
        self._held: dict[ModelReference, Held] = {}
        self._offline = offline
        self._cache_dir = cache_dir
        self._max_active = max_active
        self._max_waiting = max_waiting
        self._pool = EnginePool(
            self._start, kept=models_kept, budget=budget, keep_alive_s=keep_alive_s
        )
        self._identities = Identities(self._pool, f"{device} {dtype}")
        self._chooser = Chooser(cache_dir, self._fits)
        self._counters = TokenCounters()

    def __repr__(self) -> str:
        kind, device, dtype = type(self).__name__, self._device, self._dtype
        return f"{kind}(name={self._name!r}, device={device!r}, dtype={dtype!r})"

    @property
    def name(self) -> str:
        """Provider name, as in ``"local:model"``."""
        return self._name

    def identity(self, model: str) -> str:
        """Which weights answer; for caches."""
        return self._identities.of(model)

    @property
    def models(self) -> LocalModels:
        """The models in memory, and what is done to them; ``client.local``."""
        return LocalModels(self)

    # ------------------------------------------------------------------------ models in memory
    async def preload(self, model: str) -> None:
        """Load a model before the first call needs it; errors as in ``text``."""
        named(model)
        await self._run(None, model)

    def prepare(self, model: str) -> Preparation:
        """Load a model with progress: ``await`` it, or iterate over it.

        Giving it up ends the load, unless another call waits for the model as well.
        """
        return Preparation(partial(self._prepared, model), partial(self._status, model))

    def loaded(self) -> tuple[ModelStatus, ...]:
        """The models in memory or being loaded, the least recently used first."""
        return self._pool.statuses()

    async def unload(self, model: str) -> bool:
        """Let a model finish the calls it has, then free its memory; a pin ends with it.

        Returns:
            Whether there was anything to free: False for a model that is not in memory. One that
            is on its way out already is waited for.
        """
        going = self._pool.release(named(model))
        await _gone(going)
        return bool(going)

    def pin(self, model: str) -> bool:
        """Keep a model in memory, from when it is loaded; it never makes room for another.

        Returns:
            Whether it is in memory, or being loaded; False where it is kept from when it comes,
            also while it is on its way out.

        Raises:
            ClientClosedError: The backend is closed.
        """
        return self._pool.pin(named(model))

    def unpin(self, model: str) -> bool:
        """Let a model go again when it is idle for long enough, or in the way.

        Returns:
            Whether it was pinned.
        """
        return self._pool.unpin(named(model))

    async def estimate(self, model: str) -> Estimate:
        """What a model needs, and whether it fits now. Reads headers; loads nothing.

        Raises:
            ModelNotDownloadedError: It is not on this machine, so nobody knows its size.
            ModelLoadError: Its folder is damaged or unsafe.
        """
        reference = named(model)
        found = await asyncio.to_thread(self._found, reference, None)
        seat = self._pool.seat_of(reference)
        if seat is not None:
            free = await asyncio.to_thread(self._pool.beside, reference, seat)
            return Estimate.of(model, seat.wish, free, fits=True, held=seat.claimed)
        wish, free, fits = await asyncio.to_thread(self._pool.judge, found.wishes)
        return Estimate.of(model, wish, free, fits=fits)

    async def aclose(self) -> None:
        """End all work: running calls fail with ``ClientClosedError``, threads are joined.

        A download or load in progress ends at its next file, weight or stage. What has not ended
        after five seconds is left to end by itself, with a warning in the log. May be called any
        number of times, also at once.
        """
        self._counters.clear()
        await _gone(self._pool.close(), _CLOSING_SECONDS)

    # ----------------------------------------------------------------------- for the abilities
    async def _run(self, job: Job | None, model: str, hold: Hold | None = None) -> Final:
        async with aclosing(self._events(job, model, hold)) as events:
            async for event in events:
                if isinstance(event, Final):
                    return event
        raise WorkerCrashedError("the worker ended without an answer", provider=self._name)

    async def _events(
        self, job: Job | None, model: str, hold: Hold | None = None, *, abandons: bool = False
    ) -> AsyncGenerator[Event, None]:
        """What comes of a call, up to its final event; closing it gives the call up."""
        mailbox = Mailbox()
        ticket = self._submit(job, model, mailbox, hold)
        try:
            while not isinstance(event := _sound(await mailbox.next()), Final):
                yield event
        finally:
            if abandons:
                ticket.abandon()
            else:
                ticket.cancel()
        yield event

    def _submit(self, job: Job | None, model: str, sink: Sink, hold: Hold | None) -> Ticket:
        return self._pool.submit(parse_model(model).base, job, sink, hold)

    async def _adapted(self, job: Job, model: str) -> Job:
        """The job, done with the adapter that the model's name asks for, brought here."""
        reference = parse_model(model)
        if reference.adapter is None:
            return job
        if "adapter" not in getattr(type(job), "__dataclass_fields__", ()):
            raise UnsupportedFeatureError(
                f"this ability takes no adapter on this machine: name {reference.base} alone",
                provider=self._name,
                model=model,
            )
        wanted = parse_model(reference.adapter)
        offline = is_offline(self._offline)
        with while_wanted() as check:
            folder = await asyncio.to_thread(
                locate, wanted, offline=offline, cache_dir=self._cache_dir, check=check
            )
        adapted: Job = replace(job, adapter=str(folder))  # type: ignore[type-var]  # it has it
        return adapted

    def _kind(self, model: str) -> Kind:
        """What a model is for, as far as files on this machine say."""
        reference = parse_model(model)
        if reference.kind == "auto":
            return self._chooser.kind()
        if reference.kind == "engine":
            return ENGINE_KINDS[reference.place]
        if reference.kind == "hub":
            folder = cached_folder(reference.place, reference.revision, self._cache_dir)
            return ANY if folder is None else kind_of(folder)
        folder = Path(reference.place)
        if reference.kind == "builtin" and not folder.is_dir():
            return BUILT_IN_KINDS[folder.name]
        return kind_of(folder)

    def _told(self, response: ResponseT, model: str) -> ResponseT:
        """The response, saying how the weights of its model were held where that is not plain."""
        held = self._held.get(parse_model(model).base) if self._held else None
        return response if held is None else held.told(response)

    # ------------------------------------------------------------------------------- inside
    async def _prepared(self, model: str) -> AsyncGenerator[LoadProgress, None]:
        named(model)
        async with aclosing(self._events(None, model, abandons=True)) as events:
            async for event in events:
                if isinstance(event, Progress):
                    yield LoadProgress.of(event)

    def _status(self, model: str) -> ModelStatus:
        name = str(parse_model(model).base)
        found = [status for status in self._pool.statuses() if status.model == name]
        return found[0] if found else ModelStatus(name, "stopped")  # it went again meanwhile

    def _start(self, reference: ModelReference) -> Engine:
        if reference.kind != "engine":
            here = reference.kind in ("builtin", "folder")
            require_packages(
                Path(reference.place) if here else None, demo=reference.kind == "builtin"
            )
        return Engine(
            str(reference),
            partial(self._found, reference),
            partial(self._load, reference),
            max_active=self._max_active,
            max_waiting=self._max_waiting,
        )

    def _found(self, reference: ModelReference, watch: Watch | None) -> Found:
        """Find and inspect a model; without a ``watch`` only on this machine. Blocks."""
        if reference.kind == "engine":
            room = import_module(f".{ENGINE_KINDS[reference.place].room}", __package__)
            program: Found = room.find(watch)
            return program
        require_packages()
        check = watch or _go_on
        offline = watch is None or is_offline(self._offline)
        place = locate(reference, offline=offline, cache_dir=self._cache_dir, check=check)
        check()
        folder = inspect_folder(place)
        facts = probe()
        check()
        return wishes_for(
            folder, facts, self._device, self._dtype, self._max_active, self._quantization
        )

    def _load(
        self, reference: ModelReference, found: Found, seat: Seat, watch: Watch
    ) -> Worker[Ticket]:
        folder = found.folder
        engine = reference.kind == "engine"
        kind = ENGINE_KINDS[reference.place] if engine else kind_of(folder.path)
        if not kind.room:
            raise ModelLoadError(
                f"{folder.path} is a {kind.name} ({folder.model_type}), which gensdk does not run"
            )
        how = seat.wish.choice.quantization
        if not engine and (how is not None or self._quantization is not None):
            self._held[reference] = Held(how, self._quantization, kind.name)
        room = import_module(f".{kind.room}", __package__)
        limits = WorkerLimits(max_active=self._max_active, memory_bytes=seat.granted)
        with nullcontext() if engine else turn(watch):
            worker: Worker[Ticket] = room.load(folder, seat.wish.choice, watch, limits)
        return worker

    def _fits(self, name: str) -> bool:
        """Whether a model of the cache is whole, can be run, and has room. Blocks."""
        reference = parse_model(name)
        if self._pool.seat_of(reference) is not None:
            return True
        found = self._found(reference, None)
        return self._pool.judge(found.wishes)[2]


def _go_on() -> None:
    """Nobody gives a look at this machine up."""


def _sound(event: Event) -> Event:
    if isinstance(event, Failed):
        raise event.error
    return event


async def _gone(engines: Sequence[Engine], seconds: float | None = None) -> None:
    """Wait until engines have freed their memory, then join their threads."""
    loop = asyncio.get_running_loop()
    stopped = {engine: loop.create_future() for engine in engines}
    for engine, future in stopped.items():
        engine.on_stopped(partial(_settle_soon, future))
    if stopped:
        await asyncio.wait(stopped.values(), timeout=seconds)
    for engine, future in stopped.items():
        if not future.done():
            _LOGGER.warning(
                "local model %s is inside a long step or load and is left to end by itself",
                engine.model,
            )
        elif engine.thread.is_alive():
            engine.thread.join()  # it has nothing left to do but return


def _settle_soon(future: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the loop that waited is closed by now
        future.get_loop().call_soon_threadsafe(_settle, future)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
