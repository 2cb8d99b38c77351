"""What every room needs to turn a folder into a model. Runs in a worker thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from typing import Any

from gensdk.errors import ModelLoadError
from gensdk.toolkit.forking import LockAnew

from .failures import LoadAbandonedError
from .job import Progress
from .quantization import quiet_torchao
from .safety import ModelFolder

__all__ = [
    "GLANCE_SECONDS",
    "Check",
    "Watch",
    "held",
    "loading",
    "require_complete",
    "turn",
    "while_wanted",
]

_SHARED = (
    "transformers.cache_utils",
    "transformers.generation.utils",
    "transformers.modeling_utils",
    "transformers.processing_utils",
    "transformers.tokenization_utils_base",
    "transformers.utils.chat_template_utils",
)

Check = Callable[[], None]
"""Raises when the load is wanted no more."""

# transformers sets torch's default dtype and swaps initialisers while it loads, for the whole
# process: two loads at once would mix theirs up. Its modules import each other in circles, so two
# threads that import at once see halves of them.
_LOADING = LockAnew(threading.RLock)

GLANCE_SECONDS = 0.05
"""How often one who waits for a turn looks whether it still should."""

_WEIGHTS_BAR = "Loading weights"
"""What transformers writes beside the bar that counts tensors."""

_REPORTS = 200
"""Reports of one stage, at most: a model may have ten thousand tensors."""


class Watch:
    """A ``Check`` that is also told how far a download or a load has come. From any thread."""

    def __init__(self, check: Check, tell: Callable[[Progress], None]) -> None:
        """Ask ``check`` whether to go on, and pass on to ``tell`` what is worth showing.

        Attributes:
            tensors: Tensors in all files of the model; set once they are known.
        """
        self._check = check
        self._tell = tell
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}
        self._loaded = 0
        self.tensors = 0

    def __call__(self) -> None:
        """Raise when the load is wanted no more."""
        self._check()

    def loaded(self, tensors: int = 1) -> None:
        """Take note of tensors that are in memory."""
        self._loaded = min(self._loaded + tensors, self.tensors)
        self.report("load", self._loaded, self.tensors)

    def report(self, stage: str, done: int, total: int | None) -> None:
        """Take note of how far a stage has come."""
        share = done * _REPORTS // total if total else done // 2**22
        with self._lock:
            if self._last.get(stage) == share:
                return
            self._last[stage] = share
            self._tell(Progress(stage, done, total))


@contextmanager
def while_wanted() -> Iterator[Check]:
    """A check for work in another thread, which ends it once this block is left."""
    left = threading.Event()

    def check() -> None:
        if left.is_set():
            raise LoadAbandonedError

    try:
        yield check
    finally:
        left.set()


@contextmanager
def loading(check: Check) -> Iterator[None]:
    """Load alone in the process, with progress bars off the terminal and ``check`` asked."""
    with turn(check), quiet_torchao(), _watched_progress(check):
        check()
        yield
        check()


@contextmanager
def held(lock: threading.Lock | threading.RLock, check: Check) -> Iterator[None]:
    """Hold a lock, asking ``check`` whether to go on waiting for it."""
    while not lock.acquire(timeout=GLANCE_SECONDS):
        check()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def turn(check: Check) -> Iterator[None]:
    """Wait until no other model is being loaded; may be entered again by who is inside.

    What answers need besides, whole by the first load, is not left to be imported beside another.
    """
    with held(_LOADING.lock, check):
        _import_shared()
        yield


@cache
def _import_shared() -> None:
    with quiet_torchao():
        for name in _SHARED:
            import_module(name)


def require_complete(
    folder: ModelFolder, report: dict[str, Any], unused: Sequence[str] = ()
) -> None:
    """Weights that are missing would silently be random numbers; those ``unused`` may be.

    Raises:
        ModelLoadError: Some are missing.
    """
    for key in ("missing_keys", "mismatched_keys"):
        found = sorted(str(name) for name in report.get(key) or ())
        names = [name for name in found if not any(fnmatchcase(name, one) for one in unused)]
        if names:
            shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
            raise ModelLoadError(
                f"{folder.path} lacks weights that its configuration asks for ({len(names)}: "
                f"{shown}); the folder is incomplete, its config.json belongs to another model, or "
                "the model was never trained for this"
            )


@contextmanager
def _watched_progress(check: Check) -> Iterator[None]:
    """Keep this thread's progress bars off the terminal, and ask ``check`` as they advance.

    Other threads keep theirs.
    """
    from transformers.utils import logging

    thread = threading.get_ident()

    def checked(items: Iterable[Any], weights: bool) -> Iterator[Any]:
        for item in items:
            check()
            yield item
            if weights and isinstance(check, Watch):
                check.loaded()

    def make(factory: Any, args: Any, options: Any) -> Any:
        if threading.get_ident() == thread:
            check()
            options = {**options, "disable": True}
            if args and isinstance(args[0], Iterable):
                if isinstance(args[0], Sized):
                    options.setdefault("total", len(args[0]))
                args = (checked(args[0], options.get("desc") == _WEIGHTS_BAR), *args[1:])
        elif previous is not None:
            return previous(factory, args, options)
        return factory(*args, **options)

    previous = logging.set_tqdm_hook(make)
    try:
        yield
    finally:
        logging.set_tqdm_hook(previous)
