"""The installed command as a process: terminals, Ctrl-C, pipes that break, a missing extra."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gensdk
from tests.cli.launch import LIMIT_S, SCRIPT, OnTerminal, argv, environment, pipe_to_nobody, run
from tests.cli.stage import SHOWN

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")


@pytest.fixture
def env(plugins: Path) -> dict[str, str]:
    return environment(plugins)


def text(part: str, *more: str) -> tuple[str, ...]:
    return ("text", "hello", "-m", f"stage:{part}", *more)


# -------------------------------------------------------------------------------- a terminal
def test_on_a_terminal_the_facts_follow(env: dict[str, str], in_folder: Path) -> None:
    with OnTerminal(*text("echo"), env=env, cwd=in_folder) as shown:
        assert shown.end() == 0
    assert "heard: hello\nstage:echo | " in shown.screen
    assert shown.screen.index("writing") < shown.screen.index("heard")
    assert "loading stage:echo, then writing" in shown.screen


def test_quiet_on_a_terminal(env: dict[str, str], in_folder: Path) -> None:
    with OnTerminal(*text("echo", "-q"), env=env, cwd=in_folder) as shown:
        assert shown.end() == 0
    assert shown.screen == "heard: hello\n"


def test_no_prompt_on_a_terminal_is_an_error(env: dict[str, str], in_folder: Path) -> None:
    with OnTerminal("text", env=env, cwd=in_folder) as shown:
        assert shown.end() == 2
    assert "error: no prompt: give it as an argument, or pipe it in\n" in shown.screen


def test_no_escape_sequence_reaches_a_terminal(env: dict[str, str], in_folder: Path) -> None:
    with OnTerminal(*text("evil", "-q"), env=env, cwd=in_folder) as shown:
        assert shown.end() == 0
    assert shown.screen == f"{SHOWN}\n"


def test_pipes_get_the_same_and_no_facts(env: dict[str, str], in_folder: Path) -> None:
    ran = run(*text("evil"), env=env, cwd=in_folder)
    assert (ran.returncode, ran.stdout.decode(), ran.stderr) == (0, f"{SHOWN}\n", b"")


def test_stdin_is_the_prompt(env: dict[str, str], in_folder: Path) -> None:
    ran = run("text", "-m", "stage:echo", env=env, cwd=in_folder, stdin="grüße\n".encode())
    assert (ran.returncode, ran.stdout.decode()) == (0, "heard: grüße\n")


# ------------------------------------------------------------------------------------ Ctrl-C
def test_interrupt_keeps_the_text_and_closes(plugins: Path, in_folder: Path) -> None:
    marks = in_folder / "marks"
    env = environment(plugins, STAGE_MARKS=str(marks))
    with OnTerminal(*text("slow"), env=env, cwd=in_folder) as shown:
        shown.until("heard: hello")
        shown.interrupt()
        assert shown.end() == 130
    assert shown.screen.endswith("heard: hello\ninterrupted\n")
    assert "Traceback" not in shown.screen
    assert marks.read_text(encoding="utf-8") == "stream closed\nbackend closed\n"


def test_a_video_shows_how_far_its_job_is(env: dict[str, str], in_folder: Path) -> None:
    with OnTerminal(
        "video", "x", "-m", "stage:film", "-o", "a.mp4", env=env, cwd=in_folder
    ) as shown:
        assert shown.end() == 0
    assert "filming: running 25%" in shown.screen
    assert "a.mp4" in shown.screen
    assert (in_folder / "a.mp4").read_bytes().endswith(b"film")


def test_interrupt_cancels_the_job_and_says_so(plugins: Path, in_folder: Path) -> None:
    marks = in_folder / "marks"
    env = environment(plugins, STAGE_MARKS=str(marks))
    work = ("video", "x", "-m", "stage:endless-film", "-o", "a.mp4")
    with OnTerminal(*work, env=env, cwd=in_folder) as shown:
        shown.until("running 25%")
        shown.interrupt()
        assert shown.end() == 130
    assert "the job was cancelled and does not run any more (job job-1)" in shown.screen
    assert shown.screen.endswith("interrupted\n")
    assert "handle" not in shown.screen
    assert marks.read_text(encoding="utf-8") == "job cancelled\nbackend closed\n"
    assert not (in_folder / "a.mp4").exists()


def test_interrupt_tells_how_a_job_that_goes_on_is_taken_up(
    env: dict[str, str], in_folder: Path
) -> None:
    work = ("video", "x", "-m", "stage:stubborn-film", "-o", "a.mp4")
    with OnTerminal(*work, env=env, cwd=in_folder) as shown:
        shown.until("running 25%")
        shown.interrupt()
        assert shown.end() == 130
    told = "the job goes on: its provider has no way to cancel it (job job-1)"
    assert told in shown.screen
    _, _, rest = shown.screen.partition("  handle: ")
    handle = rest.splitlines()[0].replace("stubborn-film", "film")
    assert "  next: gensdk video --job HANDLE -o FILE takes it up\n" in shown.screen
    ran = run("video", "--job", handle, "-o", "b.mp4", env=env, cwd=in_folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"b.mp4\n", b"")
    assert (in_folder / "b.mp4").read_bytes().endswith(b"film")


def test_interrupt_while_the_video_is_fetched(plugins: Path, in_folder: Path) -> None:
    marks = in_folder / "marks"
    env = environment(plugins, STAGE_MARKS=str(marks))
    work = ("video", "x", "-m", "stage:heavy-film", "-o", "a.mp4")
    with OnTerminal(*work, env=env, cwd=in_folder) as shown:
        shown.until("succeeded")
        while not (marks.is_file() and "fetching" in marks.read_text(encoding="utf-8")):
            assert shown.process.poll() is None
            os.sched_yield()
        shown.interrupt()
        assert shown.end() == 130
    assert "the job has succeeded (job job-1)" in shown.screen
    assert '  handle: {"id":"job-1"' in shown.screen
    assert marks.read_text(encoding="utf-8") == "fetching\nbackend closed\n"


def test_interrupt_leaves_a_job_that_was_taken_up(plugins: Path, in_folder: Path) -> None:
    marks = in_folder / "marks"
    env = environment(plugins, STAGE_MARKS=str(marks))
    handle = '{"id": "job-1", "provider": "stage", "model": "endless-film"}'
    with OnTerminal("video", "--job", handle, "-o", "a.mp4", env=env, cwd=in_folder) as shown:
        shown.until("running 25%")
        shown.interrupt()
        assert shown.end() == 130
    assert "the job goes on (job job-1)" in shown.screen
    assert '  handle: {"id":"job-1"' in shown.screen
    assert marks.read_text(encoding="utf-8") == "backend closed\n"


def test_a_second_interrupt_leaves_what_cannot_be_cancelled(plugins: Path, in_folder: Path) -> None:
    marks = in_folder / "marks"
    env = environment(plugins, STAGE_MARKS=str(marks))
    with OnTerminal(*text("stuck"), env=env, cwd=in_folder) as shown:
        shown.until("heard: hello")
        shown.interrupt()
        while not (marks.is_file() and "backend closed" in marks.read_text(encoding="utf-8")):
            assert shown.process.poll() is None
            os.sched_yield()
        shown.interrupt()
        assert shown.end() == 130
    assert "Traceback" not in shown.screen


# ---------------------------------------------------------------------------- a load too long
def test_a_timeout_is_told_before_a_load_is_left_behind(
    env: dict[str, str], in_folder: Path
) -> None:
    with OnTerminal(*text("loading", "--timeout", "0.2"), env=env, cwd=in_folder) as shown:
        shown.until("error: the call took longer than the 0.2 s allowed in total")
        assert shown.process.poll() is None, "the error was told only after the closing"
        assert shown.end() == 6
    assert "Traceback" not in shown.screen


def test_a_load_is_left_behind_on_ctrl_c(env: dict[str, str], in_folder: Path) -> None:
    with OnTerminal(*text("loading"), env=env, cwd=in_folder) as shown:
        shown.until("loading stage:loading, then writing")
        shown.interrupt()
        assert shown.end() == 130
    assert "interrupted" in shown.screen


def test_a_cut_stream_leaves_the_line_on_a_terminal(env: dict[str, str], in_folder: Path) -> None:
    with OnTerminal(*text("cut"), env=env, cwd=in_folder) as shown:
        assert shown.end() == 9
    assert "heard: hello\nerror: the wire was cut\n" in shown.screen


# ------------------------------------------------------------------------------- broken pipe
def test_head_has_seen_enough(plugins: Path, in_folder: Path) -> None:
    marks = in_folder / "marks"
    env = environment(plugins, STAGE_MARKS=str(marks))
    with pipe_to_nobody(*text("endless"), env=env, cwd=in_folder) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"heard: helloagain and again\n"
        process.stdout.close()
        told = process.stderr.read()
    assert (process.returncode, told) == (141, b"")
    assert "stream closed\n" in marks.read_text(encoding="utf-8")


def test_a_full_disk_is_told(env: dict[str, str], in_folder: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("wb") as out:
        ran = subprocess.run(
            argv(*text("echo")), env=env, cwd=in_folder, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.PIPE, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"error: No space left on device\n")
    assert b"Traceback" not in ran.stderr


# ----------------------------------------------------------------------------- installations
def test_the_script_and_the_module_are_the_same(env: dict[str, str], in_folder: Path) -> None:
    for command in ([str(SCRIPT)], [sys.executable, "-m", "gensdk.cli"]):
        ran = subprocess.run(
            [*command, "--version"], env=env, cwd=in_folder, capture_output=True, timeout=LIMIT_S,
            check=False,
        )  # fmt: skip
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert ran.stdout.decode() == f"gensdk {gensdk.__version__}\n"


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_a_missing_extra(package: str, env: dict[str, str], in_folder: Path) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from gensdk.cli import main; sys.exit(main(['text', 'hi']))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=in_folder, capture_output=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.decode() == (
        f"error: the gensdk command needs the package {package!r}\n"
        '  next: pip install "gensdk[cli]"\n'
    )


def test_the_entry_imports_nothing_heavy(env: dict[str, str], in_folder: Path) -> None:
    code = (
        "import sys, gensdk.cli\n"
        "print([n for n in ('typer', 'rich', 'pydantic', 'openai', 'torch') if n in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=in_folder, capture_output=True, timeout=LIMIT_S,
        check=True,
    )  # fmt: skip
    assert ran.stdout == b"[]\n"


def test_the_command_loads_no_engine(env: dict[str, str], in_folder: Path) -> None:
    code = (
        "import sys\nfrom gensdk.cli import main\nassert main(['models']) == 0\n"
        "found = [n for n in ('openai', 'torch', 'transformers') if n in sys.modules]\n"
        "assert not found, found"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=in_folder, capture_output=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, b"")
