"""The inspection of model folders at its exact limits, on folders written by hand: no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gensdk.backends.local import safety, safety_pipeline
from gensdk.backends.local.safety import ModelFolder, Tensor, checked_weights, inspect_folder
from gensdk.backends.local.safety_pipeline import Component, read_index, weights_of
from gensdk.errors import ModelLoadError

F32 = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
ONE = {"a": F32}


def weights(file: Path, header: Any = None, data: int = 24) -> Path:
    """A safetensors file of zeros."""
    raw = json.dumps(ONE if header is None else header).encode()
    file.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(data))
    return file


def note(file: Path, content: Any) -> Path:
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound folder of one tensor."""
    place = tmp_path / "model"
    place.mkdir()
    note(place / "config.json", {"model_type": "llama"})
    weights(place / "model.safetensors")
    return place


def refused(folder: Path, match: str) -> None:
    with pytest.raises(ModelLoadError, match=match):
        inspect_folder(folder)


# ---------------------------------------------------------------------------------------- weights
def test_a_sound_folder(folder: Path) -> None:
    file = folder / "model.safetensors"
    assert inspect_folder(folder) == ModelFolder(folder, "llama", (file,), file.stat().st_size, 6)
    assert ModelFolder(folder, "llama", (), 1).elements == 0


def test_the_sum_of_several_files(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    files = [weights(folder / f"part-{n}.safetensors") for n in (1, 2)]
    shards = {"a": files[1].name, "b": files[0].name, "c": files[0].name}
    note(folder / "model.safetensors.index.json", {"weight_map": shards})
    found = inspect_folder(folder)
    assert found.weight_files == tuple(files)
    assert (found.weight_bytes, found.elements) == (2 * files[0].stat().st_size, 12)


@pytest.mark.parametrize("shards", [None, [], {}, "x"])
def test_an_index_without_a_map(folder: Path, shards: Any) -> None:
    (folder / "model.safetensors").unlink()
    note(folder / "model.safetensors.index.json", {"weight_map": shards})
    refused(folder, "no weight_map")


def test_what_a_header_says(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "a": F32,
        "b": {"dtype": "I64", "shape": [], "data_offsets": [24, 32]},
        "c": {"dtype": "BF16", "shape": [0], "data_offsets": [32, 32]},
    }
    found = checked_weights(weights(tmp_path / "x", header, 32))
    assert found.tensors == (
        Tensor("a", "F32", (2, 3), 24), Tensor("b", "I64", (), 8), Tensor("c", "BF16", (0,), 0),
    )  # fmt: skip
    assert [one.numbers for one in found.tensors] == [6, 1, 0]
    assert [one.is_float for one in found.tensors] == [True, False, True]
    assert (found.size, found.elements) == ((tmp_path / "x").stat().st_size, 7)
    for name in ("F64", "F32", "F16", "BF16"):
        assert Tensor("a", name, (), 0).is_float


def test_a_header_without_tensors(tmp_path: Path) -> None:
    assert checked_weights(weights(tmp_path / "x", {}, 0)).tensors == ()
    with pytest.raises(ModelLoadError, match="cut short: 11 bytes, but its header promises 10"):
        checked_weights(weights(tmp_path / "x", {}, 1))


@pytest.mark.parametrize("raw", [b"", bytes(7), (1).to_bytes(8, "little"), b"\x03" + bytes(9)])
def test_no_complete_header(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(ModelLoadError, match="no complete safetensors header"):
        checked_weights(tmp_path / "x")


def test_a_header_may_be_as_long_as_the_format_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert safety._MAX_HEADER == 100 * 2**20
    file = weights(tmp_path / "x")
    length = len(json.dumps(ONE))
    monkeypatch.setattr(safety, "_MAX_HEADER", length)
    assert checked_weights(file).elements == 6
    monkeypatch.setattr(safety, "_MAX_HEADER", length - 1)
    with pytest.raises(ModelLoadError, match="no complete safetensors header"):
        checked_weights(file)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": [-1]}, "not readable"), ({"data_offsets": [25, 24]}, "not readable"),
        ({"data_offsets": [0]}, "not readable"), ({"data_offsets": None}, "not readable"),
        ({"shape": None}, "not readable"), ({"shape": ["x", "y"]}, "not readable"),
        ({"data_offsets": [0, 25]}, "promises"),
    ],
)  # fmt: skip
def test_tensors_that_cannot_be(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelLoadError, match=says):
        checked_weights(weights(tmp_path / "x", {"a": F32 | change}))


@pytest.mark.parametrize("suffix", safety.PICKLES)
def test_pickles_are_named(folder: Path, suffix: str) -> None:
    assert len(safety.PICKLES) == 8
    (folder / "model.safetensors").rename(folder / f"pytorch_model{suffix}")
    refused(folder, f"only as pytorch_model{suffix}, which can run code")


def test_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.txt")
    refused(folder, "has no model.safetensors; the folder is incomplete")


# ---------------------------------------------------------------------------------- configurations
def test_a_configuration_of_bounded_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert safety._MAX_JSON == 64 * 2**20
    size = (folder / "config.json").stat().st_size
    monkeypatch.setattr(safety, "_MAX_JSON", size)
    assert inspect_folder(folder).model_type == "llama"
    monkeypatch.setattr(safety, "_MAX_JSON", size - 1)
    refused(folder, "no configuration is")


@pytest.mark.parametrize("name", safety._CONFIGURATIONS)
def test_every_configuration_is_looked_through(folder: Path, name: str) -> None:
    assert len(safety._CONFIGURATIONS) == 6
    note(folder / name, {"model_type": "llama", "deep": [{"auto_map": {"A": "b.C"}}]})
    refused(folder, f"{name} holds 'auto_map'")


@pytest.mark.parametrize(
    ("key", "value", "unsafe"),
    [
        *((key, "x", True) for key in sorted(safety._UNSAFE_KEYS)),
        ("auto_map", None, False), ("auto_map", False, False), ("auto_map", {}, False),
        ("auto_map", [], False),
        ("auto_map", 0.5, True), ("auto_map", {"a": 1}, True), ("automap", "x", False),
        ("_attn_implementation", "x/y", True), ("attn_implementation_autoset", True, False),
        ("_attn_implementation", None, False), ("__attn_implementation", "x", True),
        ("attn", "x/y", False),
    ],
)  # fmt: skip
def test_keys_that_run_code(key: str, value: Any, unsafe: bool) -> None:
    assert list(safety.unsafe_keys({key: value})) == [key] * unsafe


def test_keys_at_any_depth() -> None:
    deep: Any = {"auto_map": {"auto_map": 1}, "b": [[{"auto_map": 1}], 1, None]}
    assert list(safety.unsafe_keys(deep)) == ["auto_map"] * 3
    assert len(safety._UNSAFE_KEYS) == 7


@pytest.mark.parametrize(
    ("key", "most"),
    [
        ("num_hidden_layers", 256), ("n_layer", 256), ("num_local_experts", 4096),
        ("num_expert", 4096), ("num_labels", 10**5), ("decoder_layers", 256),
        ("num_blocks", 256), ("n_codebooks", 256), ("text_num_stages", 256),
    ],
)  # fmt: skip
def test_counts_that_the_files_need_not_hold(tmp_path: Path, key: str, most: int) -> None:
    safety.refuse_counts(tmp_path, {"deep": [{key: most}]}, 0)
    with pytest.raises(ModelLoadError, match=f"{key} is {most + 1}, but the files hold 0 tensors"):
        safety.refuse_counts(tmp_path, {"deep": [{key: most + 1}]}, 0)
    safety.refuse_counts(tmp_path, {key: most + 1}, most + 1)


def test_other_numbers_are_no_counts(tmp_path: Path) -> None:
    safety.refuse_counts(tmp_path, {"vocab_size": 10**12, "num_layers": "many", "layers": None}, 0)


@pytest.mark.parametrize("name", [None, 7, "", "a" * 101, "a/b", "a b"])
def test_no_model_type(folder: Path, name: Any) -> None:
    note(folder / "config.json", {"model_type": name})
    refused(folder, "names no model_type")


def test_what_is_no_model(folder: Path) -> None:
    note(folder / "adapter_config.json", {})
    refused(folder, "an adapter, not a model")
    (folder / "config.json").unlink()
    refused(folder, "no model folder")


# ------------------------------------------------------------------------------------------- links
def hub(tmp_path: Path, folder: Path) -> Path:
    """The folder as the hub's cache lays it out: files are links to blobs."""
    store = tmp_path / "models--a--b"
    (store / "snapshots").mkdir(parents=True)
    (store / "blobs").mkdir()
    place = folder.rename(store / "snapshots" / "1")
    (place / "model.safetensors").rename(store / "blobs" / "x")
    (place / "model.safetensors").symlink_to("../../blobs/x")
    return place


def test_links_into_the_hub_s_store(tmp_path: Path, folder: Path) -> None:
    place = hub(tmp_path, folder)
    assert inspect_folder(place).elements == 6
    note(place.parents[1] / "secret.json", {})
    (place / "vocab.json").symlink_to("../../secret.json")
    refused(place, "link out of")


@pytest.mark.parametrize(("of", "to"), [("snapshots", "shots"), ("models--a--b", "other")])
def test_what_only_looks_like_the_hub_s_store(
    tmp_path: Path, folder: Path, of: str, to: str
) -> None:
    place = hub(tmp_path, folder)
    old = place.parent if of == "snapshots" else place.parents[1]
    new = old.rename(old.with_name(to))
    refused(new / "1" if of == "snapshots" else new / "snapshots" / "1", "link out of")


def test_links_within_the_folder_and_deep_ones(folder: Path) -> None:
    (folder / "same.json").symlink_to("config.json")
    (folder / "sub").mkdir()
    assert inspect_folder(folder).elements == 6
    (folder / "sub" / "out").symlink_to("/etc")
    refused(folder, "link out of")


def test_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    refused(folder, "neither a file nor a folder")


# --------------------------------------------------------------------------------------- pipelines
INDEX = {"_class_name": "APipeline", "_name": ["x", "y"], "unet": ["diffusers", "UNet"]}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A sound pipeline of one network and a scheduler."""
    place = tmp_path / "pipeline"
    (place / "unet").mkdir(parents=True)
    (place / "scheduler").mkdir()
    note(place / "model_index.json", INDEX | {"scheduler": ["diffusers", "Steps"], "plain": [1, 2]})
    note(place / "unet" / "config.json", {"num_layers": 1})
    weights(place / "unet" / "diffusion_pytorch_model.safetensors")
    return place


def test_a_sound_pipeline(pipeline: Path) -> None:
    file = pipeline / "unet" / "diffusion_pytorch_model.safetensors"
    size = file.stat().st_size
    assert inspect_folder(pipeline) == ModelFolder(pipeline, "APipeline", (file,), size, 6)
    name, components, settings = read_index(pipeline)
    assert (name, settings) == ("APipeline", {"plain": [1, 2]})
    assert components == (
        Component("unet", "diffusers", "UNet"), Component("scheduler", "diffusers", "Steps"),
    )  # fmt: skip


def test_the_sum_of_its_parts(pipeline: Path) -> None:
    (pipeline / "vae").mkdir()
    note(pipeline / "vae" / "config.json", {})
    second = weights(pipeline / "vae" / "model.safetensors")
    note(pipeline / "model_index.json", INDEX | {"vae": ["transformers", "Vae"]})
    found = inspect_folder(pipeline)
    assert len(found.weight_files) == 2
    assert (found.weight_bytes, found.elements) == (2 * second.stat().st_size, 12)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"_class_name": None}, "came with"), ({"_class_name": "A" * 101}, "came with"),
        ({"_class_name": "a"}, "came with"), ({"unet": ["os.path", "UNet"]}, "public"),
        ({"unet": ["diffusers", "a.B"]}, "public"), ({"a/b": ["diffusers", "B"]}, "public"),
        ({"unet": [None, "UNet"]}, "0 components"), ({"unet": ["diffusers", None]}, "0 components"),
        ({"unet": ["diffusers", "UNet", "x"]}, "0 components"), ({"unet": "x"}, "0 components"),
        ({"other": ["diffusers", "UNet"]}, "lacks the folder 'other'"),
        ({"trust_remote_code": True}, "model_index.json holds 'trust_remote_code'"),
    ],
)  # fmt: skip
def test_indexes_that_name_something_else(
    pipeline: Path, changes: dict[str, Any], says: str
) -> None:
    note(pipeline / "model_index.json", INDEX | changes)
    with pytest.raises(ModelLoadError, match=says):
        read_index(pipeline)


@pytest.mark.parametrize(("count", "fits"), [(32, True), (33, False)])
def test_so_many_components(pipeline: Path, count: int, fits: bool) -> None:
    names = [f"part{n}" for n in range(count)]
    for name in names:
        (pipeline / name).mkdir()
    index = {"_class_name": "A" * 100} | {name: ["diffusers", "A_1"] for name in names}
    note(pipeline / "model_index.json", index)
    if fits:
        assert len(read_index(pipeline)[1]) == count
    else:
        with pytest.raises(ModelLoadError, match="33 components"):
            read_index(pipeline)


def spoil(file: str, content: Any) -> Callable[[Path], Any]:
    return lambda place: note(place / file, content)


LARGEST: dict[str, int] = {
    "sample_size": 8192, "sample_height": 8192, "sample_width": 8192, "sample_frames": 8192,
    "pos_embed_max_size": 8192, "patch_size": 512, "rope_max_seq_len": 1_000_000,
    "max_position_embeddings": 1_000_000, "max_seq_length": 1_000_000,
    "num_train_timesteps": 100_000, "block_size": 1_000_000, "image_size": 8192,
    "attention_head_dim": 65_536, "num_attention_heads": 65_536, "layers_per_block": 256,
    "transformer_layers_per_block": 256, "num_res_blocks": 256, "depth": 512, "layers": 512,
    "anything": 1_000_000_000,
}  # fmt: skip


@pytest.mark.parametrize(("key", "most"), LARGEST.items())
def test_the_largest_numbers_of_parts(pipeline: Path, key: str, most: int) -> None:
    file = pipeline / "unet" / "config.json"
    for value in (most, -most, [most], {"deep": most}):
        note(file, {key: value} if not isinstance(value, dict) else {"x": {key: most}})
        assert inspect_folder(pipeline).elements == 6
    for value in (most + 1, -most - 1, [1, most + 1]):
        note(file, {key: value})
        refused(pipeline, f"says {key} = .* which no model has")
    assert set(LARGEST) == {*safety_pipeline._LARGEST, "anything"}


def test_samples_of_sound_are_many(pipeline: Path) -> None:
    file = pipeline / "unet" / "config.json"
    note(file, {"_class_name": "UNet1DModel", "sample_size": 2**24})
    assert inspect_folder(pipeline).elements == 6
    note(file, {"_class_name": "UNet1DModel", "sample_size": 2**24 + 1})
    refused(pipeline, "sample_size")


def test_long_lists(pipeline: Path) -> None:
    file = pipeline / "unet" / "config.json"
    note(file, {"names": [None] * 4096, "flag": True, "word": "x"})
    assert inspect_folder(pipeline).elements == 6
    note(file, {"names": [None] * 4097})
    refused(pipeline, "the length of names = 1e.10")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (spoil("scheduler/scheduler_config.json", {"depth": 513}), "scheduler_config.json says"),
        (spoil("unet/tokenizer_config.json", {"depth": 513}), None),
        (spoil("unet/vocabulary.json", {"depth": 513, "auto_map": "x"}), None),
        (spoil("unet/tokenizer_config.json", {"auto_map": "x"}), "tokenizer_config.json holds"),
        (spoil("unet/config.json", {"num_layers": 257}), "lacks weights"),
    ],
)  # fmt: skip
def test_configurations_of_parts(
    pipeline: Path, change: Callable[[Path], Any], says: str | None
) -> None:
    change(pipeline)
    if says is None:
        assert inspect_folder(pipeline).elements == 6
    else:
        refused(pipeline, says)


@pytest.mark.parametrize(
    ("library", "names", "chosen", "variant"),
    [
        ("diffusers", ["diffusion_pytorch_model", "model"], "diffusion_pytorch_model", ""),
        ("transformers", ["diffusion_pytorch_model", "model"], "model", ""),
        ("diffusers", ["model"], "model", ""),
        ("diffusers", ["model.fp16", "model.bf16"], "model.fp16", "fp16"),
        ("diffusers", ["model.bf16"], "model.bf16", "bf16"),
        ("diffusers", ["model.fp16", "model"], "model", ""),
    ],
)  # fmt: skip
def test_which_weights_of_a_part(
    tmp_path: Path, library: str, names: list[str], chosen: str, variant: str
) -> None:
    place = tmp_path / "unet"
    place.mkdir()
    part = Component("unet", library, "UNet")
    for name in names:
        weights(place / f"{name}.safetensors")
    assert weights_of(tmp_path, part).files == (), "no configuration, no network"
    note(place / "config.json", {})
    found = weights_of(tmp_path, part)
    assert (found.files, found.variant) == ((place / f"{chosen}.safetensors",), variant)


@pytest.mark.parametrize(
    ("index", "variant"),
    [
        ("model.safetensors.index.json", ""), ("model.safetensors.index.fp16.json", "fp16"),
        ("model.fp16.safetensors.index.json", "fp16"),
    ],
)  # fmt: skip
def test_shards_of_a_part(tmp_path: Path, index: str, variant: str) -> None:
    place = tmp_path / "unet"
    place.mkdir()
    note(place / "config.json", {})
    part = Component("unet", "diffusers", "UNet")
    note(place / index, {"weight_map": {"a": "2.safetensors", "b": "1.safetensors"}})
    with pytest.raises(ModelLoadError, match="is missing"):
        weights_of(tmp_path, part)
    for name in "12":
        weights(place / f"{name}.safetensors")
    found = weights_of(tmp_path, part)
    assert ([file.name[0] for file in found.files], found.variant) == (["1", "2"], variant)
    nothing: list[Any] = [{}, [], None]
    for broken in nothing:
        note(place / index, {"weight_map": broken})
        with pytest.raises(ModelLoadError, match="no weight_map"):
            weights_of(tmp_path, part)
    note(place / index, {"weight_map": {"a": 7}})
    with pytest.raises(ModelLoadError, match="no plain safetensors file name"):
        weights_of(tmp_path, part)


def test_a_part_without_weights(pipeline: Path) -> None:
    file = pipeline / "unet" / "diffusion_pytorch_model.safetensors"
    pickled = file.rename(file.with_suffix(".bin"))
    refused(pipeline, "only as diffusion_pytorch_model.bin, which can run code")
    pickled.unlink()
    refused(pipeline, "unet has no weights")
    (pipeline / "unet" / "config.json").unlink()
    refused(pipeline, "pipeline has no weights")
