"""What a load tells those who wait, and what it does to the process around it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from transformers.utils import logging

from gensdk.backends.local import LocalBackend
from gensdk.backends.local.job import Progress
from gensdk.backends.local.loading import Watch, loading, require_complete, turn
from gensdk.backends.local.safety import ModelFolder
from gensdk.backends.local.text import model as text_model
from gensdk.errors import ModelLoadError
from tests.support.local_calls import ask

FOLDER = ModelFolder(Path("/models/one"), "llama", (), 0, 0)


class UnwantedError(Exception):
    """The load is wanted no more."""


def watched(tensors: int) -> tuple[Watch, list[Progress]]:
    told: list[Progress] = []
    watch = Watch(lambda: None, told.append)
    watch.tensors = tensors
    return watch, told


def test_each_tensor_is_told_up_to_their_number() -> None:
    watch, told = watched(3)
    watch.loaded()
    watch.loaded(2)
    watch.loaded()  # more than there are: told already
    assert told == [Progress("load", 1, 3), Progress("load", 3, 3)]


def test_at_most_two_hundred_reports_of_a_stage() -> None:
    watch, told = watched(10_000)
    for _ in range(10_000):
        watch.loaded()
    assert len(told) == 201
    assert told[-1] == Progress("load", 10_000, 10_000)
    watch.report("download", 0, None)
    watch.report("download", 2**22 - 1, None)
    watch.report("download", 2**22, None)
    assert told[201:] == [Progress("download", 0, None), Progress("download", 2**22, None)]


def test_a_bar_over_weights_is_silent_counts_and_can_be_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = [True]

    def check() -> None:
        if not wanted[0]:
            raise UnwantedError

    told: list[Progress] = []
    watch = Watch(check, told.append)
    watch.tensors = 4
    with loading(watch):
        bar = iter(logging.tqdm(range(4), desc="Loading weights"))
        assert [next(bar), next(bar), next(bar)] == [0, 1, 2]
        assert list(logging.tqdm(["a", "b"], desc="something else")) == ["a", "b"]
        wanted[0] = False
        with pytest.raises(UnwantedError):
            next(bar)
        wanted[0] = True
    assert [one.done for one in told] == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_bars_of_other_threads_stay_as_they_were() -> None:
    seen: list[Any] = []

    def hook(factory: Any, args: Any, options: Any) -> Any:
        seen.append(options.get("disable"))
        return factory(*args, **{**options, "disable": True})

    previous = logging.set_tqdm_hook(hook)
    try:
        with loading(lambda: None):
            list(logging.tqdm(range(2)))
            other = threading.Thread(target=lambda: list(logging.tqdm(range(2))))
            other.start()
            other.join()
        assert seen == [None], "only the other thread's"
        list(logging.tqdm(range(2)))
        assert len(seen) == 2, "the hook is back"
    finally:
        logging.set_tqdm_hook(previous)


def test_whether_a_load_is_wanted_is_asked_before_it_at_every_bar_and_after_it() -> None:
    asked: list[str] = []
    at = "before"
    with loading(lambda: asked.append(at)):
        at = "bar"
        logging.tqdm(total=3)
        at = "after"
    assert asked == ["before", "bar", "after"]


def test_a_bar_gets_all_that_it_was_given() -> None:
    def made(*args: Any, **options: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, options

    with loading(lambda: None):
        make: Any = logging.set_tqdm_hook(None)
        logging.set_tqdm_hook(make)
        (items, *rest), options = make(made, (range(2), "words"), {"unit": "B"})
        assert list(items) == [0, 1]
        assert rest == ["words"]
        assert options == {"disable": True, "total": 2, "unit": "B"}
        assert make(made, (iter("ab"),), {})[1] == {"disable": True}
        assert make(made, (5,), {}) == ((5,), {"disable": True})
        assert make(made, (), {"total": 3}) == ((), {"disable": True, "total": 3})


class Counted:
    """The lock around loads, which says when somebody had to wait for it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.waited = threading.Event()

    def acquire(self, timeout: float) -> bool:
        taken = self._lock.acquire(timeout=timeout)
        if not taken:
            self.waited.set()
        return taken

    def release(self) -> None:
        self._lock.release()


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr("gensdk.backends.local.loading._LOADING.lock", counted)
    return counted


def test_who_is_inside_may_enter_again_and_others_wait(lock: Counted) -> None:
    order: list[str] = []

    def other() -> None:
        with turn(lambda: None):
            order.append("other")

    thread = threading.Thread(target=other)
    with turn(lambda: None), turn(lambda: None):
        thread.start()
        lock.waited.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


def test_a_load_that_fails_leaves_the_turn_to_the_next(lock: Counted) -> None:
    with pytest.raises(UnwantedError), turn(lambda: None):
        raise UnwantedError
    thread = threading.Thread(target=lambda: turn(lambda: None).__enter__())
    thread.start()
    thread.join()
    assert not lock.waited.is_set()


class Held:
    """Holds every load of a text model at its tokenizer until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[Path] = []
        self.reached, self.go = threading.Event(), threading.Event()
        load = text_model._load_tokenizer

        def held(folder: ModelFolder) -> Any:
            self.begun.append(folder.path)
            self.reached.set()
            self.go.wait()
            return load(folder)

        monkeypatch.setattr(text_model, "_load_tokenizer", held)


async def test_calls_wait_their_turn_while_another_model_loads(
    llama: Path, chat_llama: Path, backend: LocalBackend, lock: Counted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    held = Held(monkeypatch)
    first = asyncio.create_task(ask(backend, llama, "once", max_tokens=1))
    await asyncio.to_thread(held.reached.wait)
    second = asyncio.create_task(ask(backend, chat_llama, "once", max_tokens=1))
    await asyncio.to_thread(lock.waited.wait)
    assert held.begun == [llama], "one loads, the other waits"
    held.go.set()
    for one in (await first, await second):
        assert one.usage.output_tokens == 1
    assert held.begun == [llama, chat_llama]


async def _prepared(backend: LocalBackend, model: Path) -> Any:
    return await backend.prepare(str(model))


@pytest.mark.parametrize("way", ["prepare", "call"])
async def test_one_that_is_cancelled_while_it_waits_leaves_the_turn_free(
    way: str, llama: Path, chat_llama: Path, backend: LocalBackend, lock: Counted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    held = Held(monkeypatch)
    first = asyncio.create_task(ask(backend, llama, "once", max_tokens=1))
    await asyncio.to_thread(held.reached.wait)
    loads = {engine.thread for engine in backend._pool._engines.values()}
    waits = ask(backend, chat_llama, "once") if way == "call" else _prepared(backend, chat_llama)
    second = asyncio.create_task(waits)
    await asyncio.to_thread(lock.waited.wait)
    (waiting,) = {engine.thread for engine in backend._pool._engines.values()} - loads
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    if way == "prepare":  # what a call has begun to load is kept for the next
        await asyncio.to_thread(waiting.join, 30)
        assert not waiting.is_alive(), "it was given up without its turn"
    assert held.begun == [llama], "the first one has it still"
    held.go.set()
    await first
    assert (await ask(backend, chat_llama, "once", max_tokens=1)).usage.output_tokens == 1
    assert held.begun == [llama, chat_llama]


def test_weights_that_are_missing_are_named_and_unused_ones_may_be() -> None:
    report = {"missing_keys": [f"layer.{n}" for n in range(7)], "mismatched_keys": set()}
    with pytest.raises(ModelLoadError, match=r"\(7: layer\.0, .*, layer\.4 …\)"):
        require_complete(FOLDER, report)
    require_complete(FOLDER, report, unused=["layer.*"])
    five = {"missing_keys": [f"layer.{n}" for n in range(5)]}
    with pytest.raises(ModelLoadError, match=r"layer\.4\)"):
        require_complete(FOLDER, five)
    with pytest.raises(ModelLoadError, match=r"1: head"):
        require_complete(FOLDER, {"missing_keys": None, "mismatched_keys": ["head"]})
