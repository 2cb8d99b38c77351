"""Running the body of a command: every ending becomes an exit code, none a stack trace."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from gensdk.errors import GenSDKError, printable

from .failures import INTERRUPTED, OUTPUT_CLOSED, block, exit_code
from .terminal import Flags, OutputClosed, Terminal

__all__ = ["Told", "guard", "in_loop", "tell_failure"]

_ENGINE_THREAD = "gensdk-"
"""How the names of the threads begin that run models on this machine."""


class Told(Exception):  # noqa: N818  # an end: whatever went wrong is on the terminal already
    """A failure that has been told.

    Attributes:
        code: What the command ends with.
    """

    def __init__(self, code: int) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


def guard(flags: Flags, body: Callable[[Terminal], int]) -> NoReturn:
    """Run ``body`` and leave the command with its exit code, or with the code of its error.

    Raises:
        typer.Exit: Always.
    """
    terminal = Terminal(flags)
    before = frozenset(threading.enumerate())
    with _log_to(terminal):
        try:
            code = _coded(terminal, body)
        except OutputClosed:
            terminal.abandon()
            code = OUTPUT_CLOSED
    if _at_work(before):
        _leave(code)  # the interpreter's own end would wait, or crash inside the engine
    raise typer.Exit(code)


def _coded(terminal: Terminal, body: Callable[[Terminal], int]) -> int:
    try:
        return body(terminal)
    except KeyboardInterrupt:
        terminal.break_line()
        terminal.note("interrupted")
        return INTERRUPTED
    except OutputClosed:
        raise
    except Told as told:
        return told.code
    except Exception as error:  # noqa: BLE001  # the outermost place: a fault is told, not thrown
        return tell_failure(terminal, error)


def tell_failure(terminal: Terminal, error: Exception) -> int:
    """Show an error as a block of its own; returns the code that the command ends with."""
    terminal.break_line()
    terminal.note(block(error, debug=terminal.flags.debug))
    return exit_code(error) if isinstance(error, GenSDKError) else 1


def in_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run asynchronous work; Ctrl-C cancels it, which closes connections and stops devices.

    A second Ctrl-C, where something cannot be cancelled or takes its time, leaves at once.

    Raises:
        KeyboardInterrupt: The work was cancelled by Ctrl-C.
    """
    presses = _Presses()
    with presses, asyncio.Runner() as runner:
        try:
            return runner.run(presses.watch(work))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None


class _Presses:
    """What Ctrl-C does while work is under way in the main thread."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._before: Any = None
        self._count = 0

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._press)

    def __exit__(self, *_: object) -> None:
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._before)

    async def watch(self, work: Coroutine[Any, Any, int]) -> int:
        """Run the work as the task that Ctrl-C cancels."""
        self._task = asyncio.current_task()
        return await work

    def _press(self, *_: object) -> None:
        self._count += 1
        if self._count > 1 or self._task is None or self._task.done():
            _leave(INTERRUPTED)
        else:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def _at_work(before: frozenset[threading.Thread]) -> bool:
    """Whether a local model is still inside a load or a step that nothing can cut short."""
    begun = frozenset(threading.enumerate()) - before
    return any(thread.name.startswith(_ENGINE_THREAD) for thread in begun)


def _leave(code: int) -> None:
    """End the process with threads still at work; a spinner may have hidden the cursor.

    ``Terminal`` has flushed all it wrote; a flush here could wait for a reader that is stuck.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h" + b"\n" * (code == INTERRUPTED))
    os._exit(code)


class _Handler(logging.Handler):
    """Shows gensdk's own log records as notes."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.DEBUG if terminal.flags.debug else logging.WARNING)
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.note(f"{record.levelname.lower()}: {printable(record.getMessage())}")


@contextmanager
def _log_to(terminal: Terminal) -> Iterator[None]:
    logger = logging.getLogger("gensdk")
    handler = logging.NullHandler() if terminal.flags.quiet else _Handler(terminal)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    if terminal.flags.debug:
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
