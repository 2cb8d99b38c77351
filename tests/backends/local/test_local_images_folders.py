"""Folders of pipelines that must not be loaded: hostile, damaged, incomplete."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk.backends.local import LocalBackend, extra
from gensdk.backends.local.kinds import kind_of
from gensdk.backends.local.safety import inspect_folder
from gensdk.errors import MissingDependencyError, ModelLoadError
from tests.support import tiny_pipelines
from tests.support.local_pictures import saved
from tests.support.tiny_models import edit_json

PROMPT = "a red cat"


@pytest.fixture
async def client(backend: LocalBackend) -> AsyncIterator[gensdk.Client]:
    async with gensdk.Client(backends={"local": backend}) as client:
        yield client


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """A sound pipeline to spoil."""
    sound = saved(models, "sd", tiny_pipelines.stable_diffusion, num_inference_steps=2)
    return Path(shutil.copytree(sound, tmp_path / "spoilt"))


@pytest.fixture
def tripwire(folder: Path) -> Path:
    """A file that appears when any code of the folder runs; the code lies wherever it is sought."""
    sign = folder.parent / "it-ran"
    code = (
        f"open({str(sign)!r}, 'w').close()\n"
        "class Evil:\n"
        "    @classmethod\n"
        "    def from_pretrained(cls, *a, **k):\n"
        f"        open({str(sign)!r}, 'w').close()\n"
        "AutoencoderKL = StableDiffusionPipeline = DDIMScheduler = Evil\n"
    )
    for place in (folder, folder / "unet", folder / "vae", folder / "scheduler"):
        for name in ("pipeline", "evil", "diffusers", "modeling_evil", "os"):
            (place / f"{name}.py").write_text(code, encoding="utf-8")
    return sign


class _Bomb:
    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.sign),)


def index(**changes: Any) -> Callable[[Path], None]:
    """Change ``model_index.json``."""
    return lambda folder: edit_json(folder / "model_index.json", **changes)


def part(name: str, **changes: Any) -> Callable[[Path], None]:
    """Change the configuration of a component."""
    return lambda folder: edit_json(folder / name, **changes)


def only_pickles(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    bomb = pickle.dumps(_Bomb(folder.parent / "it-ran"))
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(bomb)


def shards(name: str) -> Callable[[Path], None]:
    """Let the index of a component's weights name a file."""

    def spoil(folder: Path) -> None:
        (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(
            folder / "away.safetensors"
        )
        content = {"metadata": {}, "weight_map": {"conv_in.weight": name}}
        file = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
        file.write_text(json.dumps(content), encoding="utf-8")

    return spoil


def link_out(folder: Path) -> None:
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.rename(folder.parent / "elsewhere.safetensors")
    weights.symlink_to(folder.parent / "elsewhere.safetensors")


def in_the_root(folder: Path) -> None:
    shutil.rmtree(folder / "vae")


def cut_short(folder: Path) -> None:
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def no_json(folder: Path) -> None:
    (folder / "model_index.json").write_text("{", encoding="utf-8")


def a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "unet" / "extra_config.json")


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipeline of its own": (index(_class_name=["pipeline", "Evil"]), "came with"),
    "a pipe that nobody writes to": (a_pipe, "neither a file nor a folder"),
    "pipeline by module path": (index(_class_name="pipeline.Evil"), "came with"),
    "not a pipeline": (index(_class_name="AutoencoderKL"), "no pipeline of diffusers"),
    "pipeline nobody has": (index(_class_name="EvilPipeline"), "no pipeline EvilPipeline"),
    "component of its own": (index(unet=["evil", "Evil"]), "not known"),
    "component by module path": (index(unet=["diffusers.models", "Evil"]), "public"),
    "component from the system": (index(unet=["os", "System"]), "not known"),
    "component that is a function": (index(unet=["diffusers", "logging"]), "public"),
    "component that is a pipeline": (index(unet=["diffusers", "DiffusionPipeline"]), "is no model"),
    "component that is a mixin": (index(unet=["diffusers", "ConfigMixin"]), "is no model"),
    "component elsewhere": (index(**{"../vae": ["diffusers", "AutoencoderKL"]}), "public"),
    "component that is not there": (index(other=["diffusers", "Vae"]), "lacks the folder"),
    "component in the root": (in_the_root, "lacks the folder 'vae'"),
    "a network that is no network": (index(vae=["diffusers", "DDIMScheduler"]), "vae"),
    "fetches more models": (index(_class_name="KandinskyCombinedPipeline"), "fetches further"),
    "remote code in a part": (
        part("text_encoder/config.json", auto_map={"AutoModel": "modeling_evil.Evil"}), "auto_map",
    ),
    "remote code in a tokenizer": (
        part("tokenizer/tokenizer_config.json", auto_map={"Auto": "evil.Evil"}), "auto_map",
    ),
    "a kernel from the hub": (
        part("text_encoder/config.json", attn_implementation="evil/kernel"), "attn_implementation",
    ),
    "pickles": (only_pickles, "can run code"),
    "a shard outside": (shards("../../secret.safetensors"), "plain safetensors file name"),
    "a shard that is a pickle": (shards("weights.bin"), "plain safetensors file name"),
    "a shard that is not there": (shards("other.safetensors"), "is missing"),
    "a link outside": (link_out, "link out of"),
    "cut short": (cut_short, "cut short"),
    "a billion layers": (
        part("text_encoder/config.json", num_hidden_layers=10**9), "lacks weights",
    ),
    "a trillion pixels": (part("unet/config.json", sample_size=10**6), "which no model has"),
    "a billion steps": (
        part("scheduler/scheduler_config.json", num_train_timesteps=10**9), "which no model has",
    ),
    "endless blocks": (
        part("unet/config.json", down_block_types=["DownBlock2D"] * 5000), "which no model has",
    ),
    "endless layers in a block": (
        part("unet/config.json", layers_per_block=[10**6, 1]), "which no model has",
    ),
    "no JSON": (no_json, "JSON"),
    "no components": (
        index(**dict.fromkeys(("vae", "unet", "scheduler", "text_encoder", "tokenizer"))),
        "0 components",
    ),
    "defaults that are none": (
        part("gensdk_defaults.json", num_inference_steps="many"), "gensdk_defaults.json",
    ),
}  # fmt: skip


def ran(tripwire: Path) -> bool:
    """Whether any code of the folder has run."""
    return tripwire.exists()


@pytest.mark.parametrize("how", HOSTILE)
async def test_it_is_refused_and_nothing_in_it_runs(
    how: str, folder: Path, tripwire: Path, client: gensdk.Client
) -> None:
    spoil, said = HOSTILE[how]
    spoil(folder)
    with pytest.raises(ModelLoadError, match=said):
        await client.image(PROMPT, model=f"local:{folder}")
    assert not ran(tripwire)


def test_the_wire_trips(folder: Path, tripwire: Path) -> None:
    """The tests above would see code that runs."""
    import runpy

    runpy.run_path(str(folder / "evil.py"))
    assert ran(tripwire)


async def test_code_that_nobody_asks_for_does_no_harm(
    folder: Path, tripwire: Path, client: gensdk.Client
) -> None:
    answer = await client.image(PROMPT, model=f"local:{folder}")
    assert answer.images
    assert not ran(tripwire)


def test_what_a_sound_folder_is(folder: Path) -> None:
    found = inspect_folder(folder)
    assert found.model_type == "StableDiffusionPipeline"
    assert sorted(file.parent.name for file in found.weight_files) == [
        "text_encoder", "unet", "vae",
    ]  # fmt: skip
    assert found.weight_bytes == sum(file.stat().st_size for file in found.weight_files)
    assert 0 < found.elements < found.weight_bytes


@pytest.mark.parametrize(
    ("component", "weight"),
    [
        ("unet", "conv_in.weight"),
        ("vae", "decoder.conv_in.bias"),
        ("text_encoder", "final_layer_norm.weight"),
    ],
)
async def test_weights_that_are_missing(
    component: str, weight: str, folder: Path, client: gensdk.Client
) -> None:
    from safetensors.torch import load_file, save_file

    file = next((folder / component).glob("*.safetensors"))
    weights = load_file(file)
    name = next(name for name in weights if name.endswith(weight))
    del weights[name]
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ModelLoadError, match="lacks weights"):
        await client.image(PROMPT, model=f"local:{folder}")


async def test_weights_of_another_shape(folder: Path, client: gensdk.Client) -> None:
    edit_json(folder / "unet" / "config.json", block_out_channels=[8, 32])
    with pytest.raises(ModelLoadError):
        await client.image(PROMPT, model=f"local:{folder}")


async def test_weights_in_shards(folder: Path, client: gensdk.Client) -> None:
    from diffusers import UNet2DConditionModel

    expected = await client.image(PROMPT, model=f"local:{folder}", seed=1)
    other = Path(shutil.copytree(folder, folder.parent / "shards"))
    unet = UNet2DConditionModel.from_pretrained(other, subfolder="unet")
    shutil.rmtree(other / "unet")
    unet.save_pretrained(other / "unet", max_shard_size="100KB")
    assert len(inspect_folder(other).weight_files) > 3
    answer = await client.image(PROMPT, model=f"local:{other}", seed=1)
    assert answer.images == expected.images


async def test_one_stage_of_several(folder: Path, client: gensdk.Client) -> None:
    edit_json(folder / "model_index.json", _class_name="StableDiffusionUpscalePipeline")
    edit_json(folder / "model_index.json", low_res_scheduler=["diffusers", "DDIMScheduler"])
    with pytest.raises(ModelLoadError, match="low_res_scheduler"):
        await client.image(PROMPT, model=f"local:{folder}")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("StableDiffusionXLPipeline", "image"),
        ("Cosmos2TextToImagePipeline", "image"),
        ("LongCatImageEditPipeline", "image"),
        ("DDPMPipeline", "image"),
        ("WanImageToVideoPipeline", "video"),
        ("HunyuanVideo15Pipeline", "video"),
        ("LTXConditionPipeline", "video"),
        ("Kandinsky5T2VPipeline", "video"),
        ("TextToVideoSDPipeline", "video"),
        ("StableAudioPipeline", "music"),
        ("AceStepPipeline", "music"),
        ("LongCatAudioDiTPipeline", "music"),
        ("MusicLDMPipeline", "music"),
    ],
)
def test_kinds_of_pipelines(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": name}), encoding="utf-8")
    found = kind_of(tmp_path)
    assert found.name == f"{kind} pipeline"
    assert found.abilities == ({kind} if found.room else set())
    assert found.jobs == ({kind} if kind != "image" else set())


async def test_a_pipeline_without_diffusers_is_refused_before_anything_is_loaded(
    client: gensdk.Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "diffusers" else object())
    for model in ("local:painter", f"local:{folder}"):
        with pytest.raises(MissingDependencyError, match="diffusers runs: pip install"):
            await client.image(PROMPT, model=model)
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"need torch, .*gensdk\[local-image\]"):
        await client.image(PROMPT, model="local:painter")
    with pytest.raises(MissingDependencyError, match=r"need torch, .*gensdk\[local\]"):
        await client.text(PROMPT, model="local:storyteller")
    assert client.local.loaded() == ()
