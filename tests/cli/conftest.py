"""The command in this process, with a provider of the test's own."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gensdk.cli import main
from gensdk.testing import ScriptedBackend
from gensdk.testing.scripted import Step
from tests.cli import stage

ENTRY_POINTS = "[gensdk.backends]\nstage = tests.cli.stage:create\n"


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed distribution that registers the provider ``stage``."""
    folder = tmp_path_factory.mktemp("plugins")
    info = folder / "stage-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stage\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def installed(plugins: Path, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider ``stage`` in this process, and an empty current folder."""
    monkeypatch.syspath_prepend(plugins)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def command(
    installed: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run ``gensdk`` in this process."""

    def run(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def script() -> Iterator[Callable[..., ScriptedBackend]]:
    """Put a scripted backend behind ``stage:…``."""

    def put(*steps: Step, **settings: object) -> ScriptedBackend:
        backend = ScriptedBackend(*steps, name="stage", **settings)  # type: ignore[arg-type]
        stage.scripted[:] = [backend]
        return backend

    yield put
    stage.scripted.clear()
