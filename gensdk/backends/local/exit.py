"""The end of the process: engines are stopped before the interpreter goes.

Their threads are daemons, so that a forgotten backend cannot hold up the exit. At exit every
engine is stopped, a load in progress is interrupted at its next line of Python, and all are
waited for a few seconds. One that is inside a single long call into torch by then is left behind;
the interpreter may abort (SIGABRT) when such a call comes back after its end.
"""

from __future__ import annotations

import atexit
import ctypes
import threading
import time
import weakref
from typing import Protocol

__all__ = ["interrupt", "stop_at_exit"]

_EXIT_SECONDS = 5.0


class Stoppable(Protocol):
    """What can be stopped: an engine."""

    thread: threading.Thread

    def stop(self) -> None:
        """Take no more calls and end."""
        ...

    def interrupt_load(self) -> None:
        """End a load at its next line of Python."""
        ...


_ENGINES: weakref.WeakSet[Stoppable] = weakref.WeakSet()


def stop_at_exit(engine: Stoppable) -> None:
    """Stop an engine when the process ends, if it still is there."""
    _ENGINES.add(engine)


def interrupt(thread: threading.Thread, error: type[Exception]) -> None:
    """Raise an error in a thread at its next line of Python, wherever that is."""
    if thread.ident is not None:
        raised = ctypes.py_object(error)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), raised)


@atexit.register
def _stop_all() -> None:
    """Stop every engine at exit; one that is inside a long call into torch is left behind."""
    engines = [engine for engine in _ENGINES if engine.thread.is_alive()]
    for engine in engines:
        engine.stop()
        engine.interrupt_load()
    deadline = time.monotonic() + _EXIT_SECONDS
    for engine in engines:
        if engine.thread.is_alive():
            engine.thread.join(max(0.0, deadline - time.monotonic()))
