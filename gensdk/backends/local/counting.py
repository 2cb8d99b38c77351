"""How many tokens a prompt is, told without the weights of its model.

Tokenizers are read once for many counts, and again when a file of their model has changed. They
are not those of the models in memory, whose threads have them to themselves.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from gensdk.errors import ModelLoadError

from .extra import require_packages
from .failures import call_failure, detached, load_failure
from .kinds import kind_of
from .loading import Check, held, while_wanted
from .safety import inspect_folder

if TYPE_CHECKING:
    from .text.job import TextJob

__all__ = ["TokenCounters"]

_KEPT = 4
"""Tokenizers kept; one of a large vocabulary takes some hundred megabytes."""

_Files = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class _Place:
    """What counts for one model; its lock is held by who reads it or counts."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    files: _Files = ()
    count: Callable[[TextJob], int] | None = None


class TokenCounters:
    """What counts tokens, by folder. Safe to use from any thread and any event loop."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._places: OrderedDict[Path, _Place] = OrderedDict()

    async def count(self, model: str, folder: Path, job: TextJob) -> int:
        """Count the tokens of a job's prompt, in a thread.

        Raises:
            ModelLoadError: The folder is damaged or unsafe.
            GenSDKError: The model would refuse the prompt for another reason than its length.
        """
        with while_wanted() as check:
            return await asyncio.to_thread(self._counted, model, folder, job, check)

    def clear(self) -> None:
        """Forget every tokenizer."""
        with self._lock:
            self._places.clear()

    def _counted(self, model: str, folder: Path, job: TextJob, check: Check) -> int:
        place = self._place(folder)
        with held(place.lock, check):
            try:
                count = _ready(place, folder, check)
            except Exception as error:  # noqa: BLE001  # what libraries raise is typed here
                failure = detached(load_failure(error, model))
                raise failure from failure.__cause__
            try:
                return count(job)
            except Exception as error:  # noqa: BLE001  # as above
                failure = detached(call_failure(error, model, "the prompt cannot be prepared"))
                raise failure from failure.__cause__

    def _place(self, folder: Path) -> _Place:
        with self._lock:
            place = self._places.setdefault(folder, _Place())
            self._places.move_to_end(folder)
            while len(self._places) > _KEPT:
                self._places.popitem(last=False)
            return place


def _ready(place: _Place, folder: Path, check: Check) -> Callable[[TextJob], int]:
    """What counts for a model as its files are now."""
    files = _files(folder)
    if place.count is None or place.files != files:
        place.count = _read(folder, check)
        place.files = files
    return place.count


def _read(folder: Path, check: Check) -> Callable[[TextJob], int]:
    require_packages()
    inspected = inspect_folder(folder)
    kind = kind_of(inspected.path)
    if not kind.room:
        raise ModelLoadError(f"{folder} is a {kind.name}, which gensdk does not run")
    room = import_module(f".{kind.room}", __package__)
    counting: Callable[[TextJob], int] = room.counting(inspected, check)
    return counting


def _files(folder: Path) -> _Files:
    """Names, sizes and times of a folder's files."""
    found = ((file.name, file.stat()) for file in folder.iterdir() if file.is_file())
    return tuple(sorted((name, facts.st_size, facts.st_mtime_ns) for name, facts in found))
