"""Streams, failures and endings, piece by piece."""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import os
import re
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer

from gensdk import errors
from gensdk.cli import app, main, terminal
from gensdk.cli.failures import EXIT_CODES, INTERRUPTED, OUTPUT_CLOSED, block, exit_code
from gensdk.cli.guard import guard as run_guarded
from gensdk.cli.guard import in_loop
from gensdk.cli.summary import attempt_lines, tell
from gensdk.cli.terminal import Flags, OutputClosed, Terminal
from gensdk.errors import GenSDKError, RouteExhaustedError
from gensdk.types import Attempt, Cost, Response, Usage

Body = Callable[[Terminal], int]


class Tty(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        self.kept = io.BytesIO()
        super().__init__(self.kept, encoding="utf-8", newline="")

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        self.flush()
        return self.kept.getvalue().decode()


class Broken(Tty):
    """A stream whose writes fail."""

    code = errno.EPIPE

    def write(self, text: str) -> int:
        raise OSError(self.code, os.strerror(self.code))


def ending(body: Body, flags: Flags | None = None) -> int:
    with pytest.raises(typer.Exit) as left:
        run_guarded(flags or Flags(), body)
    code = left.value.exit_code
    assert isinstance(code, int)
    return code


def all_errors(kind: type[GenSDKError] = GenSDKError) -> list[type[GenSDKError]]:
    return [each for child in kind.__subclasses__() for each in (child, *all_errors(child))]


# -------------------------------------------------------------------------------- exit codes
@pytest.mark.parametrize(
    "kind", [each for each in all_errors() if each.__module__ == "gensdk.errors"]
)
def test_every_error_has_a_code_and_advice(kind: type[GenSDKError]) -> None:
    facts: dict[str, Any] = {}
    if issubclass(kind, RouteExhaustedError):
        error: GenSDKError = kind("all failed", [errors.ServerError("inner\nline", status=500)])
    else:
        if issubclass(kind, errors.TimedOutError):
            facts["phase"] = "total"
        error = kind("what happened", **facts)
    assert 2 <= exit_code(error) <= 10
    assert block(error).splitlines()[-1].startswith("  next: ")


def test_codes_are_the_documented_ones() -> None:
    codes = {kind.__name__: code for kind, code in EXIT_CODES}
    assert codes == {
        "ConfigurationError": 2, "InvalidRequestError": 3, "AuthenticationError": 4,
        "PermissionDeniedError": 4, "QuotaExceededError": 5, "BudgetExceededError": 5,
        "RouteExhaustedError": 6, "TransientError": 6, "ContentBlockedError": 7,
        "ModelNotFoundError": 8, "ModelRetiredError": 8, "InvalidResponseError": 9,
        "OutputValidationError": 9, "StreamInterruptedError": 9, "OutcomeUnknownError": 9,
        "JobError": 9, "LocalError": 10,
    }  # fmt: skip
    assert exit_code(GenSDKError("something")) == 1


def test_the_documentation_lists_the_codes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    listed = {name: int(row[1]) for row in rows for name in re.findall(r"`(\w+Error)`", row[3])}
    assert listed == {kind.__name__: code for kind, code in EXIT_CODES}
    assert {INTERRUPTED, OUTPUT_CLOSED} <= {int(row[1]) for row in rows}


def test_a_route_lists_every_failure() -> None:
    inner = [
        errors.RateLimitError(
            "slow", provider="a", model="m", status=429, code="x", request_id="r"
        ),
        errors.ServerError("two\nlines", provider="b", model="n"),
    ]
    tries = [
        Attempt(provider="a", model="m", outcome="error", error="rate_limit", status=429),
        Attempt(
            provider="b", model="n", outcome="error", error="server", delay_s=2, billed="maybe"
        ),
        Attempt(provider="b", model="n", outcome="error", error="server", billed="yes"),
    ]
    shown = block(RouteExhaustedError("every model failed", inner, attempts=tries))
    assert shown.splitlines() == [
        "error: every model failed",
        "  failed: slow [a:m, status 429, x, request r] (rate_limit)",
        "  failed: two lines [b:n] (server)",
        "  billed: perhaps; the outcome is not known",
        "  tried: a:m error (rate_limit, status 429) 0.0 s",
        "  tried: b:n error (server) 0.0 s after waiting 2.0 s perhaps billed",
        "  tried: b:n error (server) 0.0 s billed",
        "  next: act on the errors above, or name one more model with -m",
    ]


@pytest.mark.parametrize(
    ("successor", "advice"),
    [
        ("new-1", "use its successor: -m openai:new-1"),
        ("other:new-2", "use its successor: -m other:new-2"),
        (None, "choose another model with -m; 'gensdk models' shows the defaults"),
    ],
)
def test_a_retired_model_names_its_successor(successor: str | None, advice: str) -> None:
    error = errors.ModelRetiredError(
        "gone\nfor good", successor=successor, retired_on=date(2026, 5, 12), provider="openai"
    )
    assert block(error).splitlines() == [
        "error: gone", "  for good", "  where: openai", f"  next: {advice}",
    ]  # fmt: skip


def test_an_error_without_a_message() -> None:
    assert block(errors.ServerError("", billed="no")).startswith("error: server\n")
    assert block(OSError("strange")) == "error: strange"
    assert block(PermissionError(13, "Permission denied", "a\x1b.png")) == (
        r"error: Permission denied: a\x1b.png"
    )


def test_a_successful_try_is_never_called_billed() -> None:
    tries = [Attempt(provider="a", model="m\x9b", outcome="ok", duration_s=1.25, billed="yes")]
    assert list(attempt_lines(tries)) == [r"a:m\x9b ok 1.2 s"]


# ------------------------------------------------------------------------------------- guard
def test_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    def body(shown: Terminal) -> int:
        shown.write("half")
        raise KeyboardInterrupt

    assert ending(body) == 130
    assert capsys.readouterr() == ("half", "interrupted\n")


def test_an_interrupt_on_a_terminal_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Tty(), Tty()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    def body(shown: Terminal) -> int:
        with shown.waiting("work"):
            shown.write("half")
            raise KeyboardInterrupt

    assert ending(body) == 130
    assert out.shown == "half\n"
    assert err.shown.endswith("interrupted\n")


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Codes the process would have been left with; Ctrl-C works as in a foreground process."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield codes
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_cancels_the_work(left: list[int]) -> None:
    closed = []

    async def work() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            closed.append(True)
        return 0

    with pytest.raises(KeyboardInterrupt):
        in_loop(work())
    assert (closed, left) == ([True], [])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_second_ctrl_c_leaves_at_once(
    on_terminal: bool, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    err = Tty()
    monkeypatch.setattr(err, "fileno", lambda: writer)
    monkeypatch.setattr(err, "isatty", lambda: on_terminal)
    monkeypatch.setattr(sys, "stderr", err)

    async def work() -> int:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()
        return 0

    with pytest.raises(KeyboardInterrupt):
        in_loop(work())
    os.close(writer)
    with os.fdopen(reader, "rb") as shown:
        assert shown.read() == (b"\x1b[?25h\n" if on_terminal else b"")
    assert left == [130]


def test_ctrl_c_after_the_work_leaves_at_once(
    left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    close = asyncio.Runner.close

    def slow(runner: asyncio.Runner) -> None:
        signal.raise_signal(signal.SIGINT)
        close(runner)

    monkeypatch.setattr(asyncio.Runner, "close", slow)

    async def work() -> int:
        return 3

    assert in_loop(work()) == 3
    assert left == [130]


def test_in_another_thread_ctrl_c_is_left_alone(left: list[int]) -> None:
    async def work() -> int:
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        return 4

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(lambda: in_loop(work())).result() == 4


def test_a_handler_of_the_application_is_left_alone(left: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def work() -> int:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return 5

    assert in_loop(work()) == 5


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_has_left(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()
    monkeypatch.setattr(sys, stream, broken)

    def body(shown: Terminal) -> int:
        shown.write("x") if stream == "stdout" else shown.note("x")
        return 0

    assert ending(body) == 141

    def fails(shown: Terminal) -> int:
        if stream == "stdout":
            shown._line_open = True
            shown.break_line()
            shown.data(b"")
            shown.line("x")
        raise errors.ServerError("x")

    assert ending(fails) == 141


def test_bytes_to_a_reader_that_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise BrokenPipeError(errno.EPIPE, "gone")

    out = Tty()
    monkeypatch.setattr(sys, "stdout", out)
    shown = Terminal(Flags())
    monkeypatch.setattr(out, "flush", gone)
    with pytest.raises(OutputClosed):
        shown.data(b"x")
    monkeypatch.undo()


def test_a_full_disk_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = Broken()
    full.code = errno.ENOSPC
    monkeypatch.setattr(sys, "stdout", full)

    def body(shown: Terminal) -> int:
        shown.line("x")
        return 0

    assert ending(body) == 1
    assert capsys.readouterr().err == "error: No space left on device\n"


def test_no_streams_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)

    def body(shown: Terminal) -> int:
        shown.line("x")
        shown.note("y")
        return 5

    assert ending(body) == 5


def test_the_log_is_shown_and_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("gensdk")
    before = (list(logger.handlers), logger.level, logger.propagate)

    def body(_: Terminal) -> int:
        logger.warning("careful \x1b[2J")
        logger.debug("details")
        return 0

    assert ending(body) == 0
    assert capsys.readouterr().err == "warning: careful \\x1b[2J\n"
    assert ending(body, Flags(debug=True)) == 0
    assert capsys.readouterr().err == "warning: careful \\x1b[2J\ndebug: details\n"
    assert ending(body, Flags(quiet=True)) == 0
    assert capsys.readouterr().err == ""
    assert (list(logger.handlers), logger.level, logger.propagate) == before


# ---------------------------------------------------------------------------------- terminal
def test_waiting_shows_itself_on_a_terminal_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    err = Tty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", err)
    shown = Terminal(Flags())
    with shown.waiting("drawing [bold]", bar=True) as waiting:
        shown.note("a note [red]")
        waiting.stop()
        waiting.stop()
        shown.note("after")
    assert "drawing [bold]" in err.shown
    assert "a note [red]\n" in err.shown.replace("\r\n", "\n")
    assert err.shown.endswith("after\n")
    assert shown.tells_facts
    assert not Terminal(Flags(quiet=True)).tells_facts


def test_waiting_shows_nothing_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Terminal(Flags())
    with shown.waiting("drawing"):
        shown.note("a note")
    assert capsys.readouterr().err == "a note\n"


def test_json_is_ascii_where_the_stream_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding="latin-1"))
    shown = Terminal(Flags())
    shown.json({"a": "ü日"}, indent=None)
    shown.write("ü日")
    shown.end_text()
    shown.end_text()
    assert kept.getvalue() == b'{"a": "\\u00fc\\u65e5"}\n\xfc\\u65e5\n'


def test_a_text_that_ends_in_a_carriage_return(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Terminal(Flags())
    shown.write("a\n")
    shown.write("\r")
    shown.write("")
    shown.end_text()
    assert capsys.readouterr().out == "a\n\\r\n"


def test_facts_tell_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Terminal(Flags(verbose=True))
    cost = Cost(amount=Decimal("0.5"), estimated=False)
    usage = Usage(characters=12, audio_s=2.5, reasoning_tokens=3)
    tell(shown, Response(provider="a", model="m", usage=usage, cost=cost))
    tell(shown, Response(provider="a", model="m"))
    assert capsys.readouterr().err == (
        "a:m | 3 of them reasoning, 12 characters, 2.5 s of sound | 0.5 USD\na:m\n"
    )


def test_a_stream_that_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = io.StringIO()
    monkeypatch.setattr(sys, "stdout", kept)
    shown = Terminal(Flags())
    shown.json("ü")
    shown.line("ü")
    assert kept.getvalue() == '"\\u00fc"\nü\n'


def test_short_values_are_not_taken_for_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT_TOKEN", "abc")
    monkeypatch.setenv("SOME_SECRET", "abcdefgh")
    assert terminal.without_secrets("abc abcdefgh") == "abc <SOME_SECRET>"


# ------------------------------------------------------------------------------------- front
def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    import gensdk

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gensdk {gensdk.__version__}\n"
    assert main(["-h"]) == 0
    listed = capsys.readouterr().out
    for name in (
        "text", "image", "speech", "music", "transcribe", "video", "embed", "moderate", "models",
        "doctor",
    ):  # fmt: skip
        assert f" {name} " in listed
        assert main([name, "--help"]) == 0
        assert "--debug" in capsys.readouterr().out


def test_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["gensdk", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("gensdk.cli", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("gensdk ")


class Unready:
    """Stands for ``gensdk.cli.app`` while it cannot be imported."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        raise self._error


def unready(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    monkeypatch.setitem(sys.modules, "gensdk.cli.app", Unready(error))


def test_a_missing_extra_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unready(monkeypatch, ModuleNotFoundError("no", name="rich.console"))
    assert main(["--version"]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err == (
        "error: the gensdk command needs the package 'rich'\n  next: pip install \"gensdk[cli]\"\n"
    )


@pytest.mark.parametrize("name", ["pydantic", None])
def test_another_missing_package_is_not_hidden(
    name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    unready(monkeypatch, ModuleNotFoundError("no", name=name))
    with pytest.raises(ModuleNotFoundError):
        main([])


def test_an_interrupt_while_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    unready(monkeypatch, KeyboardInterrupt())
    assert main([]) == 130


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (3, 3), ("words", 1)])
def test_exit_codes_of_the_parser(
    code: object, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(**_: object) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(app, "app", leave)
    assert app.run([]) == expected
    monkeypatch.setattr(app, "app", lambda **_: None)
    assert app.run() == 0
