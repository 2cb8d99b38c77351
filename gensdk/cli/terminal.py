"""Where output goes: results to stdout, everything about them to stderr."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO

from gensdk.types import JobProgress

from .escape import Escaper, json_text, visible
from .progress import Waiting

__all__ = ["Flags", "OutputClosed", "Terminal", "without_secrets"]

_GONE = frozenset({errno.EPIPE, errno.EINVAL})
"""What a write to a reader that has left fails with; the second one is Windows' word."""

_SECRET_NAMES = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHORTEST_SECRET = 8


class OutputClosed(Exception):  # noqa: N818  # an end, not an error: `| head` has seen enough
    """Whoever read our output has left."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What every command takes beside its own options.

    Attributes:
        verbose: Tell the facts of a call even where stderr is no terminal.
        quiet: Tell nothing but errors.
        debug: Show stack traces.
    """

    verbose: bool = False
    quiet: bool = False
    debug: bool = False


class Terminal:
    """The two streams of one command."""

    def __init__(self, flags: Flags) -> None:
        """Take the process's streams as they are now."""
        self.flags = flags
        self._out = _stream(sys.stdout)
        self._err = _stream(sys.stderr)
        self._escaper = Escaper()
        self._line_open = False
        self._waiting: Waiting | None = None
        self.wrote = False

    @property
    def tells_facts(self) -> bool:
        """Whether model, usage and cost are told after an answer."""
        return not self.flags.quiet and (self.flags.verbose or self._err.isatty())

    # ------------------------------------------------------------------------------ stdout
    def write(self, text: str, *, raw: bool = False) -> None:
        """Show a piece of a model's text at once; with ``raw`` exactly as it is.

        Raises:
            OutputClosed: Nobody reads it any more.
        """
        shown = text if raw else self._escaper.feed(text)
        if shown:
            self._put(self._out, shown)
            self.wrote = True
            self._line_open = not shown.endswith("\n")

    def end_text(self) -> None:
        """End a model's text with exactly one line break, if it has none."""
        rest = self._escaper.end()
        if rest or self._line_open:
            self._put(self._out, f"{rest}\n")
        self._line_open = False

    def line(self, text: str) -> None:
        """Print a line of results."""
        self._put(self._out, f"{visible(text)}\n")
        self.wrote = True

    def json(self, value: object, *, indent: int | None = 2) -> None:
        """Print a value as JSON."""
        ascii_only = not (self._out.encoding or "").lower().replace("-", "").startswith("utf8")
        self._put(self._out, json_text(value, ascii_only=ascii_only, indent=indent) + "\n")

    def data(self, data: bytes) -> None:
        """Write bytes, for ``-o -``."""
        try:
            self._out.flush()
            self._out.buffer.write(data)
            self._out.buffer.flush()
        except OSError as error:
            raise _closed_or(error) from error

    # ------------------------------------------------------------------------------ stderr
    def note(self, text: str) -> None:
        """Tell something about the work, on a line of its own."""
        shown = without_secrets(visible(text))
        if self._waiting is not None and self._waiting.above(shown):
            return
        self._put(self._err, f"{shown}\n")

    @contextmanager
    def waiting(self, label: str, *, bar: bool = False) -> Iterator[Waiting]:
        """Show that work goes on until the block is left or the result's first piece comes."""
        shows = self._err.isatty() and not self.flags.quiet
        self._waiting = waiting = Waiting(label, self._err if shows else None, bar=bar)
        waiting.start()
        try:
            yield waiting
        finally:
            waiting.stop()
            self._waiting = None

    def loading(self, model: str | None) -> None:
        """Say that a model is loaded first; None takes it back."""
        if self._waiting is not None:
            self._waiting.loading(model)

    def job(self, progress: JobProgress) -> None:
        """Show how far a provider's job is."""
        if self._waiting is not None:
            self._waiting.job(progress)

    def break_line(self) -> None:
        """Leave the line a text was cut off in, so that a message begins on its own."""
        if self._line_open and self._out.isatty():
            with suppress(OutputClosed):
                self._put(self._out, "\n")
        self._line_open = False

    def abandon(self) -> None:
        """Point both streams at nothing, so that the interpreter's last flush cannot fail."""
        with open(os.devnull, "wb") as nowhere:
            for stream in (self._out, self._err):
                with suppress(OSError, ValueError):
                    os.dup2(nowhere.fileno(), stream.fileno())

    @staticmethod
    def _put(stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except OSError as error:
            raise _closed_or(error) from error


def without_secrets(text: str) -> str:
    """Take out the values of the environment's keys, should a message ever hold one."""
    for name, value in os.environ.items():
        if name.upper().endswith(_SECRET_NAMES) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, f"<{name}>")
    return text


def _closed_or(error: OSError) -> Exception:
    return OutputClosed() if error.errno in _GONE else error


def _stream(stream: TextIO | None) -> TextIO:
    """A stream that takes every character, or one into nothing where there is none."""
    if stream is None:
        return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream
