"""``SyncClient.local``: the models on this machine without ``await``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from typing import TYPE_CHECKING

from gensdk._loop import LoopThread

if TYPE_CHECKING:
    from gensdk.backends.local import Estimate, LoadProgress, LocalModels, ModelStatus, Preparation

__all__ = ["SyncLocalModels", "SyncPreparation"]


class SyncPreparation:
    """A model on its way into memory; nothing begins before ``wait`` or the first round of ``for``.

    Leaving the ``for`` early ends the download or load unless a call waits for the model.
    """

    def __init__(self, preparation: Preparation, thread: LoopThread) -> None:
        """Wrap an asynchronous preparation."""
        self._preparation = preparation
        self._thread = thread

    def __iter__(self) -> Generator[LoadProgress]:
        """Give the progress until the model is in memory."""
        stages = self._preparation.__aiter__()
        try:
            while (progress := self._thread.run(_next(stages))) is not None:
                yield progress
        finally:
            self._thread.let_go(stages.aclose())

    def wait(self) -> ModelStatus:
        """Return once the model is in memory."""
        return self._thread.run(_finished(self._preparation))


class SyncLocalModels:
    """The models on this machine: ``client.local`` of a ``SyncClient``.

    Example:
        >>> for progress in client.local.prepare("local:Qwen/Qwen3-4B-Instruct-2507"):
        ...     print(progress.stage, progress.done, progress.total)
    """

    def __init__(self, models: LocalModels, thread: LoopThread) -> None:
        """Look after the models of a client."""
        self._models = models
        self._thread = thread

    def prepare(self, model: str) -> SyncPreparation:
        """Download and load a model before the first call needs it."""
        return SyncPreparation(self._models.prepare(model), self._thread)

    def loaded(self) -> tuple[ModelStatus, ...]:
        """The models in memory or being loaded, the least recently used first."""
        return self._models.loaded()

    def unload(self, model: str) -> bool:
        """Let a model finish the calls it has, then free its memory; a pin ends with it.

        Returns:
            Whether there was anything to free: False for a model that is not in memory. One that
            is on its way out already is waited for.
        """
        return self._thread.run(self._models.unload(model))

    def pin(self, model: str) -> bool:
        """Keep a model in memory from when it is loaded, however long it is idle.

        Returns:
            Whether it is in memory, or being loaded; False where it is kept from when it comes,
            also while it is on its way out.

        Raises:
            ClientClosedError: The backend is closed.
        """
        return self._models.pin(model)

    def unpin(self, model: str) -> bool:
        """Let a model go again as any other.

        Returns:
            Whether it was pinned.
        """
        return self._models.unpin(model)

    def estimate(self, model: str) -> Estimate:
        """What a model needs, and whether it fits now; see ``Client.local``."""
        return self._thread.run(self._models.estimate(model))


async def _next(stages: AsyncGenerator[LoadProgress, None]) -> LoadProgress | None:
    with suppress(StopAsyncIteration):
        return await anext(stages)
    return None


async def _finished(preparation: Preparation) -> ModelStatus:
    return await preparation
