"""How a network is loaded, behind the inspection of its folder."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from transformers import AutoModelForCausalLM

from gensdk.backends.local.device import DeviceChoice
from gensdk.backends.local.networks import attention_for, load_network, read_config
from gensdk.backends.local.safety import ModelFolder, inspect_folder
from gensdk.errors import ModelLoadError
from tests.support.tiny_models import save_model

CPU = DeviceChoice("cpu", "float32", "a test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return inspect_folder(save_model(tmp_path_factory.mktemp("networks") / "model"))


def test_code_in_a_folder_does_not_run_even_where_nobody_inspected_it(tmp_path: Path) -> None:
    place = save_model(tmp_path / "model")
    found = inspect_folder(place)
    file = place / "config.json"
    mapped = {"auto_map": {"AutoConfig": "configuration_evil.Evil"}, "model_type": "evil"}
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | mapped), "utf-8")
    mark = tmp_path / "it ran"
    (place / "configuration_evil.py").write_text(f"open({str(mark)!r}, 'w')\n", "utf-8")
    with pytest.raises(ValueError, match="trust_remote_code"):
        read_config(found)
    assert not mark.exists()


@pytest.mark.parametrize("attention", ["eager", None])
def test_the_network_is_what_was_asked_for(folder: ModelFolder, attention: str | None) -> None:
    config = read_config(folder)
    network = load_network(folder, CPU, AutoModelForCausalLM, config, attention=attention)
    assert network.config._attn_implementation == (attention or "sdpa")
    assert not network.training
    assert {one.dtype for one in network.parameters()} == {torch.float32}
    assert {one.device.type for one in network.parameters()} == {"cpu"}


def test_another_number_format_than_the_choices(folder: ModelFolder) -> None:
    config = read_config(folder)
    network = load_network(folder, CPU, AutoModelForCausalLM, config, dtype="float64")
    assert {one.dtype for one in network.parameters()} == {torch.float64}


def test_the_attention_that_an_architecture_has(folder: ModelFolder) -> None:
    config = read_config(folder)
    assert attention_for(AutoModelForCausalLM, config) == "sdpa"

    unknown = SimpleNamespace(_model_mapping={})
    assert attention_for(unknown, config) == "eager"


def test_a_load_that_nobody_wants_any_more_takes_no_memory(folder: ModelFolder) -> None:
    class UnwantedError(Exception):
        pass

    def check() -> None:
        raise UnwantedError

    with pytest.raises(UnwantedError):
        load_network(folder, CPU, AutoModelForCausalLM, read_config(folder), check=check)


def test_a_network_goes_where_it_was_sent(folder: ModelFolder) -> None:
    nowhere = DeviceChoice("meta", "float32", "a test")
    network = load_network(folder, nowhere, AutoModelForCausalLM, read_config(folder))
    assert {one.device.type for one in network.parameters()} == {"meta"}


def noting(missing: frozenset[str] = frozenset()) -> Any:
    """A factory that builds what it is asked for, and tells with which words."""

    class Noting(AutoModelForCausalLM):
        told: ClassVar[dict[str, Any]] = {}

        @classmethod
        def from_pretrained(cls, folder: str, **told: Any) -> Any:
            cls.told.update(told)
            network, report = AutoModelForCausalLM.from_pretrained(folder, **told)
            return network, report | {"missing_keys": missing}

    return Noting


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_every_load_is_told(folder: ModelFolder, device: str) -> None:
    factory = noting()
    load_network(folder, DeviceChoice(device, "float32", "a test"), factory, read_config(folder))
    assert factory.told["trust_remote_code"] is False
    assert factory.told["local_files_only"] is True
    assert factory.told["use_safetensors"] is True
    assert factory.told.get("device_map") == (None if device == "cpu" else device)


def test_no_weight_is_left_to_chance(folder: ModelFolder) -> None:
    factory = noting(missing=frozenset({"model.embed_tokens.weight"}))
    with pytest.raises(ModelLoadError, match=r"model\.embed_tokens\.weight"):
        load_network(folder, CPU, factory, read_config(folder))
    load_network(folder, CPU, factory, read_config(folder), unused=("model.embed*",))
