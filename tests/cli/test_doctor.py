"""``models`` and ``doctor``: what they find, and that they never show a key."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from gensdk._registry import Registry
from gensdk.cli import inventory, machine
from gensdk.errors import ConfigurationError
from tests.cli.conftest import Command

SECRET = "sk-do-not-show-me"
DEVICES = machine.devices


@pytest.fixture(autouse=True)
def quick_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch is not loaded."""
    monkeypatch.setattr(machine, "devices", lambda: ["local models run on a test"])


@pytest.fixture
def without_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that lacks the extra ``local``."""
    version = metadata.version

    def find(package: str) -> str:
        if package in {"torch", "transformers"}:
            raise metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(metadata, "version", find)


# ------------------------------------------------------------------------------------ models
def test_models(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("GENSDK_IMAGE_MODEL", "stage:a, stage:b")
    Path("gensdk.toml").write_text(
        '[models]\nembed = "stage:e"\ncheap = ["stage:c", "stage:d"]\n', encoding="utf-8"
    )
    ran = command("models")
    assert ran.code == 0
    assert re.search(r"^  openai +OPENAI_API_KEY is set$", ran.out, re.MULTILINE)
    assert re.search(r"^  stage +-$", ran.out, re.MULTILINE)
    assert "stage:a, stage:b" in ran.out
    assert "GENSDK_IMAGE_MODEL" in ran.out
    assert "catalogue" in ran.out
    assert "Aliases (gensdk.toml)\n  cheap  stage:c, stage:d\n" in ran.out
    assert "  text  local:storyteller\n" in ran.out
    assert SECRET not in ran.out


def test_models_json(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = command("models", "--json")
    found = json.loads(ran.out)
    openai = next(each for each in found["providers"] if each["name"] == "openai")
    assert openai == {
        "name": "openai", "key": "OPENAI_API_KEY", "key_set": False, "key_required": True,
    }  # fmt: skip
    assert found["defaults"]["text"]["model"] == "local:storyteller"
    assert found["defaults"]["text"]["source"] == "demo"
    assert found["defaults"]["image"] == {
        "model": None, "source": "none", "note": "set GENSDK_IMAGE_MODEL or OPENAI_API_KEY",
    }  # fmt: skip
    assert (found["aliases"], found["config_file"]) == ({}, None)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("GENSDK_TEXT_MODEL", "stage:one")
    Path("gensdk.toml").write_text('[models]\nimage = "stage:i"\nx = "stage:y"\n', encoding="utf-8")
    ran = command("models", "--json")
    found = json.loads(ran.out)
    assert found["defaults"]["text"] == {
        "model": "stage:one", "source": "GENSDK_TEXT_MODEL", "note": "",
    }  # fmt: skip
    assert found["defaults"]["image"]["source"] == "configuration file"
    assert (found["aliases"], found["config_file"]) == ({"x": "stage:y"}, "gensdk.toml")
    assert SECRET not in ran.out


def test_models_with_a_broken_file(command: Command) -> None:
    Path("gensdk.toml").write_text("[models\n", encoding="utf-8")
    ran = command("models")
    assert ran.code == 2
    assert "error: gensdk.toml: " in ran.err


def test_an_optional_key_says_so(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    names = ["groq", "vllm", "transformers-serve"]
    monkeypatch.setattr(Registry, "names", lambda _: names)
    ran = command("models")
    assert "  groq                GROQ_API_KEY is not set\n" in ran.out
    assert "  vllm                VLLM_API_KEY is not set (optional)\n" in ran.out
    assert "  transformers-serve  -\n" in ran.out


def test_config_file_order(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inventory.config_file() is None
    (in_folder / "pyproject.toml").write_text('[tool.gensdk.models]\na = "b:c"\n')
    assert inventory.config_file() == Path("pyproject.toml")
    (in_folder / "gensdk.toml").write_text("")
    assert inventory.config_file() == Path("pyproject.toml")
    (in_folder / "gensdk.toml").write_text('[models]\na = "b:c"\n')
    assert inventory.config_file() == Path("gensdk.toml")
    (in_folder / "own.toml").write_text("")
    monkeypatch.setenv("GENSDK_CONFIG", "own.toml")
    assert inventory.config_file() == Path("own.toml")
    monkeypatch.setenv("GENSDK_CONFIG", "gone.toml")
    with pytest.raises(ConfigurationError, match=r"gone\.toml"):
        inventory.config_file()


def test_a_model_that_ends_says_so(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.setattr(inventory, "default_model", lambda *_: "openai:dall-e-3")
    assert "was shut down on 2026" in command("models").out
    end = date(2027, 1, 6)
    speech = "openai:gpt-4o-mini-tts"
    assert inventory.ending(speech, end - timedelta(1)) == "will be shut down on 2027-01-06"
    assert inventory.ending(speech, end) == "was shut down on 2027-01-06"
    assert inventory.ending("openai:unheard-of", end) == ""


# ------------------------------------------------------------------------------------ doctor
def test_doctor_is_usable_with_a_key(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", f"https://me:{SECRET}@gateway.example:8443/v1")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@proxy.example:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv("ALL_PROXY", "http://[bad")
    ran = command("doctor")
    assert ran.code == 0
    assert re.search(rf"^  openai +{re.escape(metadata.version('openai'))}$", ran.out, re.MULTILINE)
    assert "  set: OPENAI_API_KEY\n" in ran.out
    assert "OPENAI_BASE_URL: https://gateway.example:8443/v1\n" in ran.out
    assert "HTTPS_PROXY  http://proxy.example:3128\n" in ran.out
    assert "no_proxy     localhost\n" in ran.out
    assert "ALL_PROXY    (not an address)\n" in ran.out
    assert "  configuration file: none\n" in ran.out
    assert "  local models run on a test\n" in ran.out
    assert ran.out.endswith("Usable.\n")
    assert SECRET not in ran.out + ran.err
    assert "me:" not in ran.out


def test_doctor_json(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    ran = command("doctor", "--json")
    found = json.loads(ran.out)
    assert found["usable"] is True
    assert found["problems"] == []
    assert found["keys"]["OPENAI_API_KEY"] is True
    assert found["keys"]["GROQ_API_KEY"] is False
    assert {extra["name"] for extra in found["extras"]} >= {"cli", "local"}
    assert "all" not in {extra["name"] for extra in found["extras"]}
    assert found["packages"]["pydantic"] == metadata.version("pydantic")
    assert SECRET not in ran.out


def test_doctor_says_what_to_install(command: Command, without_local: None) -> None:
    ran = command("doctor")
    assert ran.code == 2
    assert 'local   missing torch, transformers: pip install "gensdk[local]"\n' in ran.out
    assert "Problem: no model can answer: set a provider's key (such as OPENAI_API_KEY)" in ran.out


def test_a_configured_model_is_enough(
    command: Command, without_local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENSDK_TEXT_MODEL", "stage:m,stage:n")
    ran = command("doctor")
    assert ran.code == 0
    assert "stage:m, stage:n" in ran.out


def test_doctor_with_a_broken_file(command: Command) -> None:
    Path("gensdk.toml").write_text("[models]\ntext = 3\n", encoding="utf-8")
    ran = command("doctor")
    assert ran.code == 2
    assert "Problem: the configuration file is broken: gensdk.toml: text = 3" in ran.out


def test_doctor_without_a_core_package(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "core_versions", lambda: {"tenacity": None})
    ran = command("doctor")
    assert ran.code == 2
    assert "Problem: the package tenacity is missing" in ran.out


def test_model_cache(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = tmp_path / "hub" / "models--a--b" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "x").write_bytes(b"0" * 1000)
    snapshot = blobs.parent / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (snapshot / "x").symlink_to(blobs / "x")
    cache = machine.model_cache({"HF_HUB_CACHE": str(tmp_path / "hub")})
    assert (cache.exists, cache.models, cache.bytes) == (True, 1, 1000)
    assert machine.model_cache({"HF_HOME": str(tmp_path)}).models == 1
    elsewhere = machine.model_cache({"XDG_CACHE_HOME": str(tmp_path / "caches")})
    assert elsewhere.folder == str(tmp_path / "caches" / "huggingface" / "hub")
    assert not elsewhere.exists
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert f"model cache: {tmp_path / 'hub'} (1 models, 0.00 GB)" in command("doctor").out
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no"))
    assert f"model cache: {tmp_path / 'no'} (not there yet)" in command("doctor").out


def test_a_blob_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = tmp_path / "models--a--b" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "x").write_bytes(b"0")
    original: Callable[[Path], Any] = Path.lstat

    def gone(path: Path) -> Any:
        if path.name == "x":
            raise FileNotFoundError(str(path))
        return original(path)

    monkeypatch.setattr(Path, "lstat", gone)
    assert machine.model_cache({"HF_HUB_CACHE": str(tmp_path)}).bytes == 0


def test_an_installation_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(package: str) -> list[str]:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "requires", unknown)
    assert machine.extras() == []
    assert machine.core_versions() == {}
    monkeypatch.setattr(metadata, "requires", lambda _: ["", "pydantic>=2", "nope>1"])
    assert machine.core_versions() == {"pydantic": metadata.version("pydantic"), "nope": None}


def test_without_the_local_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gensdk.backends.local", None)
    (line,) = DEVICES()
    assert line.startswith("the local backend is not part of this installation")


def test_the_local_backend_explains_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import gensdk.backends.local as room

    monkeypatch.setattr(room, "explain_device", lambda: ["a card"], raising=False)
    assert DEVICES() == ["a card"]
