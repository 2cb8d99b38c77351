"""``gensdk models refresh`` in this process, against a provider that lists what it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gensdk.cli.failures import exit_code
from gensdk.errors import ServerError
from gensdk.testing import ScriptedBackend
from gensdk.types import ListedModel
from tests.cli import stage
from tests.cli.conftest import Command

Script = Callable[..., ScriptedBackend]


class Lister(ScriptedBackend):
    """A backend that lists models."""

    async def list_models(self, context: Any) -> list[ListedModel]:
        return [
            ListedModel(id="old", retires_on=date(2020, 1, 1), successor="new"),
            ListedModel(id="someone's"),
        ]


@pytest.fixture
def lister() -> Any:
    stage.scripted[:] = [Lister(name="stage")]
    yield
    stage.scripted.clear()


@pytest.mark.usefixtures("lister")
def test_it_shows_what_differs_and_writes_it_down(command: Command, in_folder: Path) -> None:
    ran = command("models", "refresh", "stage", "--to", "lists.json")
    assert ran.code == 0
    first, count, written = ran.out.splitlines()
    assert first.split() == ["retired", "stage:old", "2020-01-01", "use", "stage:new",
                             "the", "catalogue", "has", "no", "end"]  # fmt: skip
    assert count == (
        "stage: 2 models listed, 1 of them unknown to the catalogue (--all shows them)"
    )
    assert written == "written to lists.json"
    kept = json.loads((in_folder / "lists.json").read_text("utf-8"))
    assert set(kept["providers"]["stage"]["models"]) == {"old", "someone's"}


@pytest.mark.usefixtures("lister")
def test_a_dry_run_writes_nothing(command: Command, in_folder: Path) -> None:
    ran = command("models", "refresh", "stage", "--to", "lists.json", "--dry-run", "--all")
    assert ran.code == 0
    assert "unknown  stage:someone's" in ran.out
    assert "written" not in ran.out
    assert not (in_folder / "lists.json").exists()


@pytest.mark.usefixtures("lister")
def test_json(command: Command) -> None:
    ran = command("models", "refresh", "stage", "--dry-run", "--json")
    told = json.loads(ran.out)
    assert [one["change"] for one in told["changes"]] == ["retired", "unknown"]
    assert (told["listed"], told["failures"], told["path"]) == ({"stage": 2}, {}, None)


def test_nobody_to_ask_and_nobody_who_answers(command: Command, script: Script) -> None:
    ran = command("models", "refresh")
    assert ran.code == 2
    assert "no key of a provider is set" in ran.err
    script("x")
    ran = command("models", "refresh", "stage", "--dry-run")
    assert ran.code != 0
    assert "stage has no list of models" in ran.err


@pytest.mark.usefixtures("lister")
def test_one_of_several_that_fails_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(self: Any, context: Any) -> list[ListedModel]:
        raise ServerError("it is down")

    monkeypatch.setattr("gensdk.backends.openai.OpenAIBackend.list_models", down)
    ran = command("models", "refresh", "stage", "openai", "stability", "--dry-run")
    assert ran.code == exit_code(ServerError("x"))
    assert "stage: 2 models listed" in ran.out
    assert "warning: openai could not be asked: it is down" in ran.err
    assert "warning: stability could not be asked" in ran.err  # it was named, so it is told
    monkeypatch.setenv("STABILITY_API_KEY", "sk-1234567890")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1234567890")
    ran = command("models", "refresh", "--dry-run")
    assert "it is down" in ran.err
