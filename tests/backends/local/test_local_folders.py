"""Broken and hostile folders: each is refused with a typed error, and nothing in it runs."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gensdk.backends.local import LocalBackend
from gensdk.backends.local.safety import inspect_folder
from gensdk.errors import (
    GenSDKError,
    MissingDependencyError,
    ModelLoadError,
    ModelNotDownloadedError,
    ModelNotFoundError,
    PermissionDeniedError,
)
from tests.support.local_calls import ask
from tests.support.tiny_models import edit_json, save_model

TRIPWIRE = "import pathlib\npathlib.Path({place!r}).write_text('ran')\n"
FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
Change = Callable[[Path], Any]


@pytest.fixture(scope="session")
def whole(models: Path) -> Path:
    return save_model(models / "whole")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of a good model, to be spoiled."""
    import shutil

    return Path(shutil.copytree(whole, tmp_path / "model"))


def config(**changes: Any) -> Change:
    return lambda folder: edit_json(folder / "config.json", **changes)


def write(name: str, content: bytes | str) -> Change:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def index(shard: object) -> Change:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        content = {"metadata": {}, "weight_map": {"lm_head.weight": shard}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(content))

    return change


def cut(size: int) -> Change:
    def change(folder: Path) -> None:
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:size])

    return change


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))


def empty_index(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {}}')


def no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


def link_outwards(folder: Path) -> None:
    target = folder.parent / "elsewhere.json"
    target.write_text("{}")
    (folder / "vocab.json").symlink_to(target)


def linked_folder(folder: Path) -> None:
    (folder / "more").symlink_to(folder.parent, target_is_directory=True)


def header(raw: bytes) -> Change:
    return write("model.safetensors", len(raw).to_bytes(8, "little") + raw)


BROKEN: dict[str, tuple[Change, str]] = {
    "no config": (remove("config.json"), "no config.json"),
    "config no JSON": (write("config.json", "{"), "cannot be read as JSON"),
    "config no object": (write("config.json", "[]"), "no JSON object"),
    "config too large": (
        lambda folder: os.truncate(folder / "config.json", 65 * 2**20),
        "no configuration is",
    ),
    "no model type": (config(model_type=None), "no model_type"),
    "unknown model type": (config(model_type="no-such-thing"), "no-such-thing"),
    "no language model": (config(model_type="vit"), "Unrecognized configuration class"),
    "encoder and decoder": (config(model_type="t5"), "an encoder and a decoder"),
    "of another kind": (config(model_type="gpt2"), "lacks weights"),
    "no weights": (remove("model.safetensors"), "has no model.safetensors"),
    "cut": (cut(100_000), "cut short"),
    "cut in the header": (cut(200), "no complete safetensors header"),
    "empty": (cut(0), "no complete safetensors header"),
    "header no JSON": (header(b"{{{{"), "header is not readable"),
    "header no object": (header(b"[1]"), "header is not readable"),
    "header without offsets": (header(b'{"a": {"dtype": "F32"}}'), "header is not readable"),
    "other shapes": (config(intermediate_size=48), "."),
    "missing layers": (config(num_hidden_layers=3), "lacks weights"),
    "no tokenizer": (no_tokenizer, "."),
    "shard missing": (index("model-00001-of-00002.safetensors"), "is missing"),
    "weight map empty": (empty_index, "no weight_map"),
    "adapter": (write("adapter_config.json", '{"base_model_name_or_path": "x/y"}'), "an adapter"),
    "pickle only": (pickle_only, "can run code"),
    "auto_map": (config(auto_map={"AutoConfig": "code.Config"}), "'auto_map'"),
    "auto_map of another repository": (
        config(auto_map={"AutoModelForCausalLM": "evil/repo--code.Model"}),
        "'auto_map'",
    ),
    "nested auto_map": (config(text_config={"auto_map": {"AutoConfig": "c.C"}}), "'auto_map'"),
    "auto_map in a list": (config(parts=[{"auto_map": {"a": "b"}}]), "'auto_map'"),
    "tokenizer auto_map": (
        lambda folder: edit_json(
            folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["code.Tok", None]}
        ),
        "tokenizer_config.json holds 'auto_map'",
    ),
    "trust_remote_code": (config(trust_remote_code=True), "'trust_remote_code'"),
    "custom pipelines": (config(custom_pipelines={"x": {"impl": "code.P"}}), "'custom_pipelines'"),
    "attention kernel": (config(_attn_implementation="evil/kernel"), "'_attn_implementation'"),
    "internal attention": (
        config(_attn_implementation_internal="evil/kernel"),
        "'_attn_implementation_internal'",
    ),
    "plain attention": (config(attn_implementation="evil/kernel"), "'attn_implementation'"),
    "another configuration": (
        config(configuration_files=["config.4.0.0.json"]),
        "'configuration_files'",
    ),
    "another tokenizer": (
        lambda folder: edit_json(
            folder / "tokenizer_config.json", fast_tokenizer_files=["tokenizer.4.0.0.json"]
        ),
        "'fast_tokenizer_files'",
    ),
    "a billion layers": (config(num_hidden_layers=10**9), "num_hidden_layers is 1000000000"),
    "layers as a float": (config(num_hidden_layers=1e9), "num_hidden_layers is"),
    "a billion nested layers": (config(text_config={"n_layer": 10**9}), "n_layer is"),
    "a billion labels": (config(num_labels=10**9), "num_labels is 1000000000"),
    "a huge vocabulary": (config(vocab_size=10**12), "the files hold"),
    "huge layers": (config(intermediate_size=10**10), "the files hold"),
    "weights elsewhere": (config(transformers_weights="../x.safetensors"), "transformers_weights"),
    "link": (link_outwards, "a link out of"),
    "linked folder": (linked_folder, "a link out of"),
    **{
        f"shard {shard!r}": (index(shard), "no plain safetensors file name")
        for shard in (
            "../../outside.safetensors", "/etc/passwd", "/etc/x.safetensors",
            "..\\outside.safetensors", "C:x.safetensors", "sub/x.safetensors",
            "model.bin", ".safetensors", "a\x00.safetensors", 7, None,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
async def test_a_bad_folder_is_refused(case: str, folder: Path, backend: LocalBackend) -> None:
    change, message = BROKEN[case]
    ran = folder.parent / "ran"
    code = TRIPWIRE.format(place=str(ran))
    for name in ("code.py", "configuration.py", "modeling.py"):
        (folder / name).write_text(code)
    change(folder)
    modules = set(sys.modules)
    with pytest.raises(ModelLoadError, match=message) as caught:
        await ask(backend, folder, "once")
    assert (caught.value.provider, caught.value.model) == ("local", str(folder))
    assert not ran.exists()
    assert not [name for name in set(sys.modules) - modules if "transformers_modules" in name]
    assert backend.loaded() == ()


class _Bomb:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


async def test_a_pickle_is_never_opened(folder: Path, backend: LocalBackend) -> None:
    ran = folder.parent / "exploded"
    opened: list[str] = []
    bomb = pickle.dumps(_Bomb(ran))
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
    for name in ("pytorch_model.bin", "training_args.bin", "scheduler.pt"):
        (folder / name).write_bytes(bomb)
    opened.clear()
    assert (await ask(backend, folder, "once", max_tokens=1)).usage.output_tokens == 1
    await backend.unload(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"pytorch_model\.bin"):
        await ask(backend, folder, "once")
    assert not ran.exists()
    assert not [name for name in opened if name.endswith((".bin", ".pt"))]
    assert [name for name in opened if name.endswith("config.json")], "the hook was listening"


async def test_the_link_target_is_never_opened(folder: Path, backend: LocalBackend) -> None:
    os.remove(folder / "model.safetensors")
    (folder / "model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(ModelLoadError, match="a link out of"):
        await ask(backend, folder, "once")


async def test_a_hub_cache_may_link_into_its_blobs(
    whole: Path, tmp_path: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    """The layout of the hub's cache, and an offline call by hub id that finds it."""
    entry = tmp_path / "hub" / "models--acme--tiny"
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = entry / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (entry / "blobs").mkdir()
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text(commit)
    for number, file in enumerate(FILES):
        (entry / "blobs" / str(number)).write_bytes((whole / file).read_bytes())
        (snapshot / file).symlink_to(f"../../blobs/{number}")
    assert inspect_folder(snapshot).model_type == "llama"
    offline = make_backend(offline=True, cache_dir=tmp_path / "hub")
    for model in ("acme/tiny", "acme/tiny@main", f"acme/tiny@{commit}"):
        answer = await ask(offline, model, "once", max_tokens=1)
        assert answer.model == model
    (snapshot / "stray.json").symlink_to(tmp_path / "hub")
    with pytest.raises(ModelLoadError, match="a link out of"):
        inspect_folder(snapshot)


def test_booleans_that_old_versions_wrote_are_harmless(folder: Path) -> None:
    edit_json(folder / "config.json", _attn_implementation_autoset=True, _attn_implementation=None)
    content = json.loads((folder / "config.json").read_text()) | {"auto_map": None}
    (folder / "config.json").write_text(json.dumps(content))
    checked = inspect_folder(folder)
    assert checked.weight_bytes == (folder / "model.safetensors").stat().st_size


async def test_a_model_in_shards(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_model(tmp_path / "shards", shard_size="60KB")
    assert len(inspect_folder(folder).weight_files) > 1
    assert (await ask(backend, folder, "once", max_tokens=2)).usage.output_tokens == 2


@pytest.mark.parametrize("name", ["./nothing", "/no/such/folder"])
async def test_no_such_folder(name: str, backend: LocalBackend) -> None:
    with pytest.raises(ModelNotDownloadedError, match="there is no folder"):
        await ask(backend, name, "once")


async def test_offline_and_not_in_the_cache(
    tmp_path: Path,
    make_backend: Callable[..., LocalBackend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for offline in (True, None):
        local = make_backend(offline=offline, cache_dir=tmp_path)
        with pytest.raises(ModelNotDownloadedError, match="offline") as caught:
            await ask(local, "acme/nothing@v2", "once")
        assert "hf download acme/nothing --revision v2" in caught.value.message


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda hub, answer: hub.GatedRepoError("no", response=answer), PermissionDeniedError),
        (
            lambda hub, answer: hub.RepositoryNotFoundError("no", response=answer),
            ModelNotFoundError,
        ),
        (lambda hub, answer: hub.RevisionNotFoundError("no", response=answer), ModelNotFoundError),
        (lambda hub, answer: hub.LocalEntryNotFoundError("no"), ModelNotDownloadedError),
        (lambda hub, answer: hub.HFValidationError("bad"), ModelNotFoundError),
        (lambda hub, answer: ConnectionRefusedError("no"), ModelNotDownloadedError),
        (lambda hub, answer: OSError(28, "No space left on device"), ModelLoadError),
    ],
)
async def test_what_the_hub_answers(
    make: Callable[[Any, Any], Exception],
    kind: type[GenSDKError],
    make_backend: Callable[..., LocalBackend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import httpx2
    import huggingface_hub
    from huggingface_hub import errors as hub

    request = httpx2.Request("GET", "https://hub.invalid/acme/tiny")
    error = make(hub, httpx2.Response(403, request=request))
    asked: list[dict[str, Any]] = []

    def snapshot_download(repository: str, **options: Any) -> str:
        asked.append({"repository": repository} | options)
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    local = make_backend(offline=False)
    with pytest.raises(kind) as caught:
        await ask(local, "acme/tiny", "once")
    assert type(caught.value) is kind
    assert (caught.value.provider, caught.value.model) == ("local", "acme/tiny")
    assert asked[0]["local_files_only"] is False
    assert not [name for name in asked[0]["allow_patterns"] if name.endswith((".py", ".bin", "*"))]
    assert len(asked) == 1, "what the hub has refused is not asked for again"


async def test_a_package_the_model_needs(folder: Path, backend: LocalBackend) -> None:
    edit_json(
        folder / "config.json",
        quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True},
    )
    with pytest.raises((MissingDependencyError, ModelLoadError)):
        await ask(backend, folder, "once")


async def test_tied_weights_are_stored_once(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_model(tmp_path / "tied", tie_word_embeddings=True)
    stored = inspect_folder(folder).elements
    assert (await ask(backend, folder, "once", max_tokens=1)).usage.output_tokens == 1
    assert backend.loaded()[0].parameters == stored
