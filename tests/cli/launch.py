"""Starting the installed command as a process of its own, on pipes or on a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from select import select
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("gensdk")
LIMIT_S = 60.0

_WITH_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""A test run in the background ignores Ctrl-C, and so would its children."""


def argv(*arguments: str) -> list[str]:
    """The command line of the installed script."""
    return [sys.executable, "-c", _WITH_SIGINT, str(SCRIPT), *arguments]


def environment(plugins: Path | None = None, /, **more: str) -> dict[str, str]:
    """This process's clean environment, with the provider ``stage`` where its folder is given."""
    paths = [str(ROOT)] + ([str(plugins)] if plugins else [])
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TERM": "xterm"} | more


def run(
    *arguments: str, env: Mapping[str, str], cwd: Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run to the end, on pipes."""
    return subprocess.run(
        argv(*arguments), env=env, cwd=cwd, input=stdin, capture_output=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip


class OnTerminal:
    """The command on a pseudo-terminal; ``screen`` is all it has written there."""

    def __init__(self, *arguments: str, env: Mapping[str, str], cwd: Path) -> None:
        self._master, side = pty.openpty()
        self.screen = ""
        self.process = subprocess.Popen(
            argv(*arguments), env=env, cwd=cwd, stdin=side, stdout=side, stderr=side
        )
        os.close(side)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def until(self, text: str) -> None:
        """Read until the screen has shown a text."""
        while text not in self.screen:
            assert self._read(), f"{text!r} was never shown: {self.screen!r}"

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            continue
        return self.process.wait(LIMIT_S)

    def _read(self) -> bool:
        ready, _, _ = select([self._master], [], [], LIMIT_S)
        assert ready, f"nothing more came: {self.screen!r}"
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux: the other side is closed
            return False
        self.screen += piece.decode().replace("\r\n", "\n")
        return bool(piece)


@contextmanager
def pipe_to_nobody(
    *arguments: str, env: Mapping[str, str], cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The command with a pipe whose reader the test closes."""
    with subprocess.Popen(
        argv(*arguments), env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        yield process
        process.wait(LIMIT_S)


async def start(
    *arguments: str, env: Mapping[str, str], cwd: Path, stdin: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    """Start on pipes, for tests that serve it from their own loop."""
    return await asyncio.create_subprocess_exec(
        *argv(*arguments), env=env, cwd=cwd, stdin=stdin,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
