"""``client.local``: loading with progress, giving it up, pinning, unloading, estimating."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk.backends.local import LoadProgress, LocalBackend, LocalModels
from gensdk.backends.local.failures import LoadAbandonedError
from gensdk.backends.local.hub import _components, snapshot
from gensdk.backends.local.job import Progress
from gensdk.backends.local.loading import Watch
from gensdk.backends.local.text import model as loading_module
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    ModelLoadError,
    ModelNotDownloadedError,
    OutOfMemoryError,
    UnknownModelError,
    WorkerCrashedError,
)
from gensdk.testing import ScriptedBackend
from tests.support.hub_cache import put_into_cache
from tests.support.local_calls import ask
from tests.support.local_pictures import saved
from tests.support.tiny_models import Gate, save_model
from tests.support.tiny_pipelines import stable_diffusion

PROMPT = "once upon a time"


class Slow:
    """Holds loads at their tokenizer until they may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.networks = 0
        tokenizer, network = loading_module._load_tokenizer, loading_module._load_network

        def slow(folder: Any) -> Any:
            self.begun.set()
            self.go.wait()
            return tokenizer(folder)

        def counted(*args: Any) -> Any:
            self.networks += 1
            return network(*args)

        monkeypatch.setattr(loading_module, "_load_tokenizer", slow)
        monkeypatch.setattr(loading_module, "_load_network", counted)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    held = Slow(monkeypatch)
    yield held
    held.go.set()


def thread_of(backend: LocalBackend) -> threading.Thread:
    (engine,) = backend._pool._engines.values()
    return engine.thread


async def test_progress_until_the_model_is_there(llama: Path, backend: LocalBackend) -> None:
    seen = [progress async for progress in backend.prepare(str(llama))]
    assert {progress.stage for progress in seen} == {"load"}
    assert seen[0] == LoadProgress("load", 0, 21)
    assert seen[-1] == LoadProgress("load", 21, 21)
    done = [progress.done for progress in seen]
    assert done == sorted(set(done)), "each step once, in order"
    assert len(done) > 10
    assert backend.loaded()[0].state == "ready"
    assert [progress async for progress in backend.prepare(str(llama))] == [], "it is there"


async def test_awaiting_gives_the_status(llama: Path, backend: LocalBackend) -> None:
    status = await backend.prepare(str(llama))
    assert (status.model, status.state, status.device) == (str(llama), "ready", "cpu")


async def test_a_pipeline_s_tensors_are_counted_together(
    models: Path, backend: LocalBackend
) -> None:
    folder = saved(models, "prepared", stable_diffusion)
    seen = [progress async for progress in backend.prepare(str(folder))]
    assert seen[-1].done == seen[-1].total
    assert seen[-1].total is not None
    assert seen[-1].total > 50
    assert all(progress.total == seen[-1].total for progress in seen)


async def test_errors_are_those_of_a_call(tmp_path: Path, backend: LocalBackend) -> None:
    with pytest.raises(ModelNotDownloadedError):
        await backend.prepare(str(tmp_path / "gone"))
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelLoadError):
        async for _ in backend.prepare(str(tmp_path)):
            raise AssertionError("there is no progress")


async def test_giving_it_up_ends_the_load(llama: Path, slow: Slow, backend: LocalBackend) -> None:
    task = asyncio.ensure_future(_status(backend, llama))
    await asyncio.to_thread(slow.begun.wait)
    thread = thread_of(backend)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    slow.go.set()
    await asyncio.to_thread(thread.join)
    assert slow.networks == 0, "nobody wanted it any more"
    assert backend.loaded() == ()
    assert (await ask(backend, llama, PROMPT, max_tokens=1)).usage.output_tokens == 1


async def _status(backend: LocalBackend, model: Path) -> Any:
    return await backend.prepare(str(model))


async def test_leaving_the_iteration_ends_the_load(
    llama: Path, slow: Slow, backend: LocalBackend
) -> None:
    async with aclosing(aiter(backend.prepare(str(llama)))) as progress:
        assert await anext(progress) == LoadProgress("load", 0, 21)
        await asyncio.to_thread(slow.begun.wait)
        thread = thread_of(backend)
    slow.go.set()
    await asyncio.to_thread(thread.join)
    assert slow.networks == 0


async def test_giving_it_up_leaves_the_load_to_others(
    llama: Path, slow: Slow, backend: LocalBackend
) -> None:
    task = asyncio.ensure_future(_status(backend, llama))
    await asyncio.to_thread(slow.begun.wait)
    call = asyncio.create_task(ask(backend, llama, PROMPT, max_tokens=1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    slow.go.set()
    assert (await call).usage.output_tokens == 1
    assert slow.networks == 1


async def test_a_call_that_is_given_up_leaves_the_load_to_the_next(
    llama: Path, slow: Slow, backend: LocalBackend
) -> None:
    call = asyncio.create_task(ask(backend, llama, PROMPT))
    await asyncio.to_thread(slow.begun.wait)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    slow.go.set()
    await backend.prepare(str(llama))
    assert slow.networks == 1


async def test_giving_up_on_a_model_that_is_there_lets_it_be(
    llama: Path, backend: LocalBackend
) -> None:
    await backend.preload(str(llama))
    (engine,) = backend._pool._engines.values()
    engine.abandon()
    assert (await ask(backend, llama, PROMPT, max_tokens=1)).usage.output_tokens == 1


# ----------------------------------------------------------------------------------- downloads
def test_progress_of_a_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the hub's library does with its bars: one of received bytes, one of written ones."""
    import huggingface_hub

    def snapshot_download(repository: str, **options: Any) -> str:
        kind, name = options["tqdm_class"], "huggingface_hub.snapshot_download"
        if "model_index.json" in options["allow_patterns"]:
            return str(tmp_path)
        wire = kind(unit="B", total=0, name=f"{name}.transfer", disable=True)
        disk = kind(unit="B", total=0, name=name, disable=True)
        disk.total = 1000
        for _ in range(10):
            wire.update(50)
            disk.update(100)
        kind(total=3, disable=True).update(1)  # files
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    seen: list[Progress] = []
    watch = Watch(lambda: None, seen.append)
    snapshot("acme/tiny", None, offline=False, cache_dir=None, check=watch)
    assert seen == [Progress("download", n * 100, 1000) for n in range(1, 11)]


def test_not_every_piece_is_told() -> None:
    seen: list[Progress] = []
    watch = Watch(lambda: None, seen.append)
    for done in range(100_001):
        watch.report("load", done, 100_000)
    assert len(seen) == 201
    assert seen[-1] == Progress("load", 100_000, 100_000)
    seen.clear()
    for done in range(0, 2**24, 1000):
        watch.report("download", done, None)
    assert len(seen) == 4, "every four megabytes, where nobody knows how many there are"


def test_a_watch_ends_a_load() -> None:
    def gone() -> None:
        raise LoadAbandonedError

    with pytest.raises(LoadAbandonedError):
        Watch(gone, lambda progress: None)()


def test_what_is_fetched_of_a_pipeline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, models: Path
) -> None:
    import huggingface_hub
    from huggingface_hub.utils._paths import filter_repo_objects

    folder = saved(models, "fetched", stable_diffusion)
    files = [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]
    whole = [name for name in files if name.endswith(".safetensors")]
    files += [name.replace(".safetensors", ".fp16.safetensors") for name in whole]
    files += ["sd.safetensors", "unet/model.onnx", "unet/run.py", "docs/a.json", "vae/old/a.json"]
    fetched: list[set[str]] = []

    def snapshot_download(repository: str, **options: Any) -> str:
        patterns = (options["allow_patterns"], options["ignore_patterns"])
        fetched.append(
            set(filter_repo_objects(files, allow_patterns=patterns[0], ignore_patterns=patterns[1]))
        )
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    snapshot("acme/paint", None, offline=False, cache_dir=None, check=lambda: None)
    first, second = fetched
    assert first == {"model_index.json"}
    assert {name for name in second if name.endswith(".safetensors")} == set(whole)
    assert "unet/config.json" in second
    assert not second & {"unet/run.py", "unet/model.onnx", "vae/old/a.json"}


def test_what_is_fetched_of_a_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub
    from huggingface_hub.utils._paths import filter_repo_objects

    wanted = {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "t.model"}
    layers = {"modules.json", "1_Pooling/config.json", "2_Dense/model.safetensors"}
    others = {"pytorch_model.bin", "run.py", "consolidated.00.safetensors", "onnx/config.json"}
    fetched: set[str] = set()

    def snapshot_download(repository: str, **options: Any) -> str:
        patterns = (options["allow_patterns"], options["ignore_patterns"])
        fetched.update(
            filter_repo_objects(
                sorted(wanted | layers | others),
                allow_patterns=patterns[0],
                ignore_patterns=patterns[1],
            )
        )
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    snapshot("acme/tiny", None, offline=False, cache_dir=None, check=lambda: None)
    assert fetched == wanted | layers


def test_a_pipeline_that_has_only_half_precision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model_index.json").write_text(
        '{"_class_name": "X", "unet": ["diffusers", "U"], "gone": [null, null], '
        '"../up": ["a", "b"]}',
        encoding="utf-8",
    )
    assert _components(tmp_path / "model_index.json") == ("unet",)
    ignored: list[list[str]] = []

    def snapshot_download(repository: str, **options: Any) -> str:
        ignored.append(options["ignore_patterns"])
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    snapshot("acme/paint", None, offline=False, cache_dir=None, check=lambda: None)
    assert ["*.fp16.*" in patterns for patterns in ignored] == [False, True, False]


@pytest.mark.parametrize("content", ["", "[]", "{", "{}"])
def test_what_is_no_pipeline(content: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(content, encoding="utf-8")
    assert _components(tmp_path / "model_index.json") == ()


# ------------------------------------------------------------------------------------ the facade
async def test_the_models_of_a_client(llama: Path, chat_llama: Path) -> None:
    backend = LocalBackend(device="cpu")
    async with gensdk.Client(backends={"local": backend}) as client:
        local = client.local
        assert isinstance(local, LocalModels)
        name = f"local:{llama}"
        told = await local.estimate(name)
        assert (told.fits, told.device) == (True, "cpu")
        assert local.loaded() == ()
        assert told.free_bytes is not None
        assert "it needs" in told.reason
        assert not await local.unload(name), "it is not in memory"
        assert not local.unpin(name)
        assert not local.pin(name), "it will be kept from when it is loaded"
        assert local.unpin(name)
        status = await local.prepare(name)
        assert status.model == str(llama)
        assert local.pin(name)
        assert local.loaded()[0].pinned
        local.unpin(str(llama))
        assert not local.loaded()[0].pinned
        again = await local.estimate(name)
        assert again.fits
        assert "it is in memory with" in again.reason
        await client.text(PROMPT, model=name, max_tokens=1)
        assert local.loaded()[0].answered == 1
        assert await local.unload(name)
        assert local.loaded() == ()
        stages = [progress.stage async for progress in local.prepare(str(chat_llama))]
        assert stages[-1] == "load"
    await backend.aclose()
    with pytest.raises(ClientClosedError):
        _ = client.local


async def test_what_a_model_has_is_not_free(
    llama: Path, chat_llama: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    """Both the budget's rest and what an idle neighbour could give up count, its own share not."""
    need = (await make_backend().estimate(str(llama))).total_bytes
    backend = make_backend(memory_budget=20 * need)

    async def free() -> int:
        told = await backend.estimate(str(llama))
        assert told.fits
        assert told.free_bytes is not None
        return told.free_bytes

    before = await free()
    assert before == 20 * need
    await backend.preload(str(llama))
    (own,) = backend.loaded()
    alone = await free()
    assert before - alone == own.memory_bytes
    await backend.preload(str(chat_llama))
    assert await free() == alone
    backend.pin(str(chat_llama))
    other = next(one for one in backend.loaded() if one.pinned)
    assert alone - await free() == other.memory_bytes


def test_the_models_of_a_client_without_await(llama: Path, chat_llama: Path) -> None:
    with gensdk.SyncClient() as client:
        name = f"local:{llama}"
        assert client.local.estimate(name).fits
        assert client.local.loaded() == ()
        assert client.local.prepare(name).wait().model == str(llama)
        assert client.local.pin(name)
        assert client.local.loaded()[0].pinned
        assert client.local.unpin(name)
        client.text(PROMPT, model=name, max_tokens=1)
        assert client.local.loaded()[0].answered == 1
        assert client.local.unload(name)
        assert not client.local.unload(name)
        assert client.local.loaded() == ()
        assert [progress.stage for progress in client.local.prepare(str(chat_llama))][-1] == "load"
        for _ in client.local.prepare(name):
            break
    with pytest.raises(ClientClosedError):
        _ = client.local


async def test_a_backend_of_another_kind_by_that_name() -> None:
    async with gensdk.Client(backends={"local": ScriptedBackend("hi", name="local")}) as client:
        with pytest.raises(ConfigurationError, match="no LocalBackend"):
            _ = client.local


async def test_an_estimate_of_what_is_not_here(
    tmp_path: Path, llama: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(cache_dir=tmp_path, offline=False)
    with pytest.raises(ModelNotDownloadedError, match="acme/tiny"):
        await backend.estimate("acme/tiny")
    put_into_cache(tmp_path, "acme/tiny", llama)
    told = await backend.estimate("acme/tiny")
    assert told.weight_bytes == (await backend.estimate(str(llama))).weight_bytes
    assert told.total_bytes > told.weight_bytes


async def test_what_went_meanwhile_has_a_status_too(
    llama: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(keep_alive_s=0)
    assert (await backend.prepare(str(llama))).state in {"ready", "stopped", "stopping"}


async def test_a_damaged_model_has_no_size(models: Path, backend: LocalBackend) -> None:
    folder = save_model(models / "damaged")
    (folder / "model.safetensors").write_bytes(b"12")
    with pytest.raises(ModelLoadError, match="damaged"):
        await backend.estimate(str(folder))


async def test_a_model_whose_load_failed_is_not_in_memory(
    tmp_path: Path, llama: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    damaged = save_model(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"")
    backend = make_backend(memory_budget=1000)
    with pytest.raises(ModelLoadError):
        await backend.preload(str(damaged))
    with pytest.raises(OutOfMemoryError) as short:
        await backend.preload(str(llama))
    assert "unload" not in short.value.message  # nothing that is there could go
    assert not backend.pin(str(damaged))
    assert not await backend.unload(str(damaged))


async def test_auto_is_no_one_model(backend: LocalBackend) -> None:
    models = backend.models
    for name in ("auto", "local:auto"):
        with pytest.raises(UnknownModelError, match="name the one you mean"):
            await models.prepare(name)
        with pytest.raises(UnknownModelError):
            models.pin(name)
        with pytest.raises(UnknownModelError):
            models.unpin(name)
        with pytest.raises(UnknownModelError):
            await models.unload(name)
        with pytest.raises(UnknownModelError):
            await models.estimate(name)
    with pytest.raises(UnknownModelError):
        await backend.preload("auto")


# ------------------------------------------------------------------------------- on the way out
async def test_a_load_that_was_given_up_is_not_there_to_pin(
    llama: Path, backend: LocalBackend, slow: Slow
) -> None:
    name = str(llama)

    async def prepared() -> None:
        await backend.prepare(name)

    load = asyncio.create_task(prepared())
    await asyncio.to_thread(slow.begun.wait)
    assert backend.pin(name), "it is being loaded"
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)
    assert not backend.pin(name), "nobody waits for it any more"
    leaving = asyncio.create_task(backend.unload(name))
    await asyncio.sleep(0)
    assert not leaving.done()
    slow.go.set()
    assert await leaving, "it held what it had loaded"
    assert not await backend.unload(name)


async def test_a_model_that_is_unloaded_twice_is_waited_for_twice(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    name = str(gated)
    await backend.preload(name)
    thread = thread_of(backend)
    gate.close()
    call = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=2))
    await asyncio.to_thread(gate.entered.acquire)
    leaving = [asyncio.create_task(backend.unload(name)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not backend.pin(name), "the one that comes next is kept"
    assert not any(task.done() for task in leaving)
    gate.open()
    assert (await call).usage.output_tokens == 2
    assert await asyncio.gather(*leaving) == [True, True]
    assert not thread.is_alive()
    await ask(backend, gated, PROMPT, max_tokens=1)
    assert backend.loaded()[0].pinned


async def test_a_model_that_crashed_is_gone(gated: Path, gate: Gate, backend: LocalBackend) -> None:
    name = str(gated)
    await backend.preload(name)
    thread = thread_of(backend)
    gate.failures = iter([RuntimeError("CUDA error: device-side assert triggered")])
    with pytest.raises(WorkerCrashedError):
        await ask(backend, gated, PROMPT)
    await asyncio.to_thread(thread.join)
    assert not backend.pin(name)
    assert not await backend.unload(name), "its memory is free already"


async def test_after_closing(llama: Path, backend: LocalBackend) -> None:
    await backend.preload(str(llama))
    await backend.aclose()
    with pytest.raises(ClientClosedError):
        backend.pin(str(llama))
    assert not await backend.unload(str(llama))
    assert not backend.unpin(str(llama))
