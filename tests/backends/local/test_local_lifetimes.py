"""Loads that go wrong, take long, or are wanted no more; places for models."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gensdk.backends.local import LocalBackend
from gensdk.backends.local import host as host_module
from gensdk.backends.local.text import model as loading_module
from gensdk.errors import (
    AuthenticationError,
    ClientClosedError,
    GenSDKError,
    LocalError,
    MissingDependencyError,
    ModelLoadError,
    ModelNotDownloadedError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    WorkerCrashedError,
)
from tests.support.local_calls import ask
from tests.support.tiny_models import Gate

PROMPT = "once upon a time"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def engine_of(backend: LocalBackend) -> Any:
    return next(iter(backend._pool._engines.values()))


def names(backend: LocalBackend) -> list[str]:
    return [Path(entry.model).name for entry in backend.loaded()]


async def test_a_wrong_name_costs_nobody_a_place(
    llama: Path, tmp_path: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(models_kept=1)
    await backend.preload(str(llama))
    engine = engine_of(backend)
    (tmp_path / "config.json").write_text("{")
    for place, error in ((tmp_path / "gone", ModelNotDownloadedError), (tmp_path, ModelLoadError)):
        with pytest.raises(error):
            await ask(backend, place, PROMPT)
        await ask(backend, llama, PROMPT, max_tokens=1)
        assert engine_of(backend) is engine
    assert names(backend) == ["llama"]


async def test_a_dead_engine_takes_no_place(
    llama: Path, chat_llama: Path, tmp_path: Path, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(models_kept=2)
    await backend.preload(str(llama))
    with pytest.raises(ModelNotDownloadedError):
        await backend.preload(str(tmp_path / "gone"))
    await backend.preload(str(chat_llama))
    assert names(backend) == ["llama", "chat"]


async def test_models_that_were_busy_together_go_when_they_are_idle(
    gated: Path, llama: Path, gate: Gate, make_backend: Callable[..., LocalBackend]
) -> None:
    backend = make_backend(models_kept=1)
    await backend.preload(str(gated))
    gate.close()
    busy = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=1))
    await asyncio.to_thread(gate.entered.acquire)
    await ask(backend, llama, PROMPT, max_tokens=1)
    gate.open()
    await busy
    async with asyncio.timeout(30):
        while len(backend.loaded()) > 1:  # noqa: ASYNC110  # a thread's doing, which sets no event
            await asyncio.sleep(0.001)
    assert names(backend) == ["gated"] or names(backend) == ["llama"]


async def test_a_thread_that_cannot_start_spoils_nothing(
    llama: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def full(self: threading.Thread) -> None:
        if self.name.startswith("gensdk-"):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", full)
    with pytest.raises(OverloadedError, match="no thread could be started"):
        await backend.preload(str(llama))
    monkeypatch.undo()
    await backend.preload(str(llama))
    assert names(backend) == ["llama"]


async def test_an_error_of_one_call_leaves_the_others(
    gated: Path, gate: Gate, backend: LocalBackend
) -> None:
    await backend.preload(str(gated))
    gate.close()
    gate.failures = iter([IndexError("index -1 is out of bounds")])
    bad = asyncio.create_task(ask(backend, gated, PROMPT))
    await asyncio.to_thread(gate.entered.acquire)
    good = asyncio.create_task(ask(backend, gated, PROMPT, max_tokens=2))
    await asyncio.sleep(0)
    gate.open()
    with pytest.raises(LocalError, match="index -1") as caught:
        await bad
    assert not isinstance(caught.value, WorkerCrashedError)
    assert isinstance(caught.value.__cause__, IndexError)
    assert (await good).usage.output_tokens == 2
    assert backend.loaded()[0].answered == 1


async def test_everyone_who_closes_waits(gated: Path, gate: Gate, backend: LocalBackend) -> None:
    await backend.preload(str(gated))
    thread = engine_of(backend).thread
    gate.close()
    call = asyncio.create_task(ask(backend, gated, PROMPT))
    await asyncio.to_thread(gate.entered.acquire)

    async def close() -> bool:
        await backend.aclose()
        return bool(thread.is_alive())

    closing = [asyncio.create_task(close()) for _ in range(3)]
    await asyncio.sleep(0)
    gate.open()
    assert await asyncio.gather(*closing) == [False, False, False]
    with pytest.raises(ClientClosedError):
        await call


async def test_closing_ends_a_load_between_its_stages(
    llama: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    original = loading_module._load_tokenizer
    networks: list[object] = []

    def slow(folder: Any) -> Any:
        begun.set()
        go.wait()
        return original(folder)

    monkeypatch.setattr(loading_module, "_load_tokenizer", slow)
    monkeypatch.setattr(loading_module, "_load_network", lambda *args: networks.append(args))
    call = asyncio.create_task(ask(backend, llama, PROMPT))
    await asyncio.to_thread(begun.wait)
    closing = asyncio.create_task(backend.aclose())
    await asyncio.sleep(0)
    go.set()
    await closing
    with pytest.raises(ClientClosedError, match="while the model was loaded"):
        await call
    assert networks == []


async def test_closing_ends_a_load_between_two_weights(
    llama: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    begun, go, after = threading.Event(), threading.Event(), threading.Event()
    original = transformers.PreTrainedTokenizerFast.__init__

    def slow(self: Any, *args: Any, **options: Any) -> None:
        from transformers.utils import logging as bars

        for _ in bars.tqdm(range(3)):
            begun.set()
            go.wait()
        after.set()
        original(self, *args, **options)

    monkeypatch.setattr(transformers.PreTrainedTokenizerFast, "__init__", slow)
    call = asyncio.create_task(ask(backend, llama, PROMPT))
    await asyncio.to_thread(begun.wait)
    closing = asyncio.create_task(backend.aclose())
    await asyncio.sleep(0)
    go.set()
    await closing
    with pytest.raises(ClientClosedError):
        await call
    assert not after.is_set()


async def test_closing_does_not_wait_for_ever(
    llama: Path,
    backend: LocalBackend,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(host_module, "_CLOSING_SECONDS", 0.01)
    begun, go = threading.Event(), threading.Event()

    def slow(folder: Any) -> Any:
        begun.set()
        go.wait()

    monkeypatch.setattr(loading_module, "_load_tokenizer", slow)
    call = asyncio.create_task(ask(backend, llama, PROMPT))
    await asyncio.to_thread(begun.wait)
    thread = engine_of(backend).thread
    with caplog.at_level(logging.WARNING, logger="gensdk"):
        await backend.aclose()
    assert "left to end by itself" in caplog.text
    assert thread.is_alive()
    go.set()
    with pytest.raises(ClientClosedError):
        await call
    await asyncio.to_thread(thread.join)


async def test_a_caller_who_leaves_during_a_load_leaves_at_once(
    llama: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    original = loading_module._load_tokenizer

    def slow(folder: Any) -> Any:
        begun.set()
        go.wait()
        return original(folder)

    monkeypatch.setattr(loading_module, "_load_tokenizer", slow)
    call = asyncio.create_task(ask(backend, llama, PROMPT))
    await asyncio.to_thread(begun.wait)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go.set()
    assert (await ask(backend, llama, PROMPT, max_tokens=1)).usage.output_tokens == 1


AT_EXIT = """
import asyncio, sys, threading, torch
from gensdk.backends.local import LocalBackend
from gensdk.backends.local.text import model as loading
torch.set_num_threads(1)
begun = threading.Event()
def endless(*args):
    begun.set()
    while True:
        torch.ones(1).add_(1)
loading._load_network = endless
async def main():
    task = asyncio.create_task(LocalBackend(device="cpu").preload(sys.argv[1]))
    await asyncio.to_thread(begun.wait)
    task.cancel()
asyncio.run(main())
"""


def test_exit_during_a_load(llama: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", AT_EXIT, str(llama)],
        capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[3],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_transformers_that_is_too_old_fails_loudly(
    llama: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.utils import chat_template_utils

    monkeypatch.delattr(chat_template_utils, "mark_control_tokens")
    with pytest.raises(MissingDependencyError, match=r"transformers>=5\.23"):
        await backend.preload(str(llama))


async def test_a_torch_that_cannot_be_loaded_is_named(
    llama: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    original = builtins.__import__

    def broken(name: str, *args: Any, **options: Any) -> Any:
        if name == "torch" and threading.current_thread().name.startswith("gensdk-"):
            raise OSError("libtorch_cpu.so: cannot open shared object file")
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(MissingDependencyError, match="install it again: libtorch_cpu"):
        await backend.preload(str(llama))


class Hub:
    """A hub on this machine that answers every question in the same way."""

    status = 500
    headers: ClassVar[dict[str, str]] = {}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Hub]]:
    import huggingface_hub

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(Hub.status)
            for name, value in Hub.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815  # the name that http.server calls

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    place = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", place)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    yield Hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "headers", "kind", "message"),
    [
        (401, {}, AuthenticationError, "HF_TOKEN"),
        (401, {"x-error-code": "RepoNotFound"}, ModelNotFoundError, "does not know"),
        (403, {}, PermissionDeniedError, "hf auth login"),
        (403, {"x-error-code": "GatedRepo"}, PermissionDeniedError, "licence"),
        (404, {"x-error-code": "RepoNotFound"}, ModelNotFoundError, "does not know"),
        (404, {"x-error-code": "RevisionNotFound"}, ModelNotFoundError, "does not know"),
        (404, {}, ModelNotFoundError, "does not know"),
        (429, {"retry-after": "7"}, RateLimitError, "too many requests"),
        (500, {}, ServerError, "status 500"),
    ],
)
async def test_what_the_hub_says(
    status: int, headers: dict[str, str], kind: type[GenSDKError], message: str,
    hub: type[Hub], tmp_path: Path, make_backend: Callable[..., LocalBackend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the hub's own second tries
    Hub.status, Hub.headers = status, headers
    local = make_backend(offline=False, cache_dir=tmp_path)
    with pytest.raises(kind, match=message) as caught:
        await ask(local, "acme/tiny", PROMPT)
    assert type(caught.value) is kind
    assert caught.value.billed == "no"
    assert caught.value.retry_after == (7 if status == 429 else None)


def test_a_download_ends_when_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's library tells its progress bar of every piece, and the bar asks."""
    import huggingface_hub

    from gensdk.backends.local import hub as hub_module
    from gensdk.backends.local.failures import LoadAbandonedError

    pieces = 0

    def snapshot_download(repository: str, **options: Any) -> str:
        nonlocal pieces
        bar = options["tqdm_class"](total=10, disable=True)
        try:
            for _ in range(10):
                bar.update(1)
                pieces += 1
        except LoadAbandonedError as error:
            raise OSError("the transfer broke off") from error
        return "."

    def check() -> None:
        if pieces == 3:
            raise LoadAbandonedError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(LoadAbandonedError):
        hub_module.snapshot("acme/tiny", None, offline=False, cache_dir=None, check=check)
    assert pieces == 3
