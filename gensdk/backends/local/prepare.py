"""Loading with progress, and what ``client.local`` offers: prepare, pin, unload, estimate."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .job import Progress
from .memory import shown
from .placing import Wish
from .status import ModelStatus

if TYPE_CHECKING:
    from .host import ModelHost

__all__ = ["Estimate", "LoadProgress", "LocalModels", "Preparation"]


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a model has come.

    Attributes:
        stage: ``download`` (in bytes) or ``load`` (in tensors).
        done: Units finished.
        total: Units in all, None where nobody knows yet.
    """

    stage: str
    done: int
    total: int | None = None

    @classmethod
    def of(cls, event: Progress) -> LoadProgress:
        """From what the engine tells."""
        return cls(event.stage, event.done, event.total)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model needs, and whether there is room for it.

    Attributes:
        model: Name it was asked for by.
        weight_bytes: Its weights in the number format it would be loaded in.
        working_bytes: What one call needs beside them, at least.
        free_bytes: What it could have on the device if idle models went, without what it has
            already where it is in memory; None where nobody knows.
        fits: Whether it could be loaded now.
        device: torch name of the device.
        dtype: torch name of the number format.
        reason: One sentence: why there, and why not.
        quantization: ``int8`` or the method its files name, where its weights would be held so.
    """

    model: str
    weight_bytes: int
    working_bytes: int
    free_bytes: int | None
    fits: bool
    device: str
    dtype: str
    reason: str
    quantization: str | None = None

    @property
    def total_bytes(self) -> int:
        """What must be free."""
        return self.weight_bytes + self.working_bytes

    @classmethod
    def of(
        cls, model: str, wish: Wish, free: int | None, *, fits: bool, held: int | None = None
    ) -> Estimate:
        """From where a model would run, or runs, with so many bytes ``held`` there."""
        need, choice = wish.need, wish.choice
        room = "an unknown amount is" if free is None else f"{shown(max(0, free))} are"
        takes = f"it needs {shown(need.total)} there and {room} free for it"
        if held is not None:
            takes = f"it is in memory with {shown(held)} of its own, and {room} free beside it"
        return cls(
            model,
            need.weights,
            need.least,
            free,
            fits,
            choice.device,
            choice.dtype,
            f"{choice.reason}; {takes}",
            choice.quantization,
        )


class Preparation:
    """A model on its way into memory; nothing begins before it is awaited or iterated over.

    ``await`` gives the model's status once it is there; ``async for`` gives the progress until it
    is. Leaving either early, or being cancelled, ends the download or load unless another call
    waits for the model.
    """

    def __init__(
        self,
        begin: Callable[[], AsyncGenerator[LoadProgress, None]],
        status: Callable[[], ModelStatus],
    ) -> None:
        """Made by ``prepare``."""
        self._begin = begin
        self._status = status

    def __await__(self) -> Generator[Any, None, ModelStatus]:
        """Wait until the model is in memory."""
        return self._finished().__await__()

    def __aiter__(self) -> AsyncGenerator[LoadProgress, None]:
        """Give the progress until the model is in memory."""
        return self._begin()

    async def _finished(self) -> ModelStatus:
        async with aclosing(self._begin()) as progress:
            async for _ in progress:
                continue
        return self._status()


class LocalModels:
    """The models on this machine: ``client.local``. Names with or without ``local:``.

    Example:
        >>> async for progress in client.local.prepare("local:Qwen/Qwen3-4B-Instruct-2507"):
        ...     print(progress.stage, progress.done, progress.total)
    """

    def __init__(self, host: ModelHost) -> None:
        """Look after the models of one backend."""
        self._host = host

    def prepare(self, model: str) -> Preparation:
        """Download and load a model before the first call needs it."""
        return self._host.prepare(self._own(model))

    def loaded(self) -> tuple[ModelStatus, ...]:
        """The models in memory or being loaded, the least recently used first."""
        return self._host.loaded()

    async def unload(self, model: str) -> bool:
        """Let a model finish the calls it has, then free its memory; a pin ends with it.

        Returns:
            Whether there was anything to free: False for a model that is not in memory. One that
            is on its way out already is waited for.
        """
        return await self._host.unload(self._own(model))

    def pin(self, model: str) -> bool:
        """Keep a model in memory from when it is loaded, however long it is idle.

        Returns:
            Whether it is in memory, or being loaded; False where it is kept from when it comes,
            also while it is on its way out.

        Raises:
            ClientClosedError: The backend is closed.
        """
        return self._host.pin(self._own(model))

    def unpin(self, model: str) -> bool:
        """Let a model go again as any other.

        Returns:
            Whether it was pinned.
        """
        return self._host.unpin(self._own(model))

    async def estimate(self, model: str) -> Estimate:
        """What a model needs, and whether it fits now; loads nothing.

        Raises:
            ModelNotDownloadedError: It is not on this machine, so nobody knows its size.
        """
        return await self._host.estimate(self._own(model))

    def _own(self, model: str) -> str:
        return model.removeprefix(f"{self._host.name}:")
