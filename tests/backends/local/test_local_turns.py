"""Models whose calls take turns, each with a cache of its own, where memory runs short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gensdk.backends.local.text import generation
from gensdk.backends.local.text.generation import Generation, is_batchable
from gensdk.backends.local.text.job import TextJob
from gensdk.backends.local.text.model import LoadedModel
from gensdk.backends.local.text.row import Row
from gensdk.backends.local.text.sampling import SamplingWish
from gensdk.backends.local.text.scheduler import RoundRobinScheduler
from gensdk.backends.local.worker import WorkerLimits
from tests.backends.local.test_local_batching import (
    Tray,
    inference,  # noqa: F401  # a fixture
    job,
    loaded,
    run,
)
from tests.support.tiny_models import save_model

JOBS: tuple[TextJob, ...] = (
    job("the moon", 8, sampling=SamplingWish(temperature=0)),
    job("the brave cat " * 5, 9, sampling=SamplingWish(temperature=1.0, seed=3, n=2)),
    job("once upon a time", 7, sampling=SamplingWish(1.0, seed=5, repetition_penalty=1.3)),
)


@pytest.fixture(scope="module", params=["mamba", "mistral", "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """With a running state, with a sliding window, and with plain keys and values."""
    kind: str = request.param
    folder: Path = tmp_path_factory.mktemp("turns") / kind
    found = loaded(save_model(folder, kind))
    assert is_batchable(found) is (kind == "llama")
    return found


@pytest.fixture(autouse=True)
def short_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "PREFILL_TOKENS", 16)


def begun(model: LoadedModel) -> RoundRobinScheduler[int]:
    scheduler: RoundRobinScheduler[int] = RoundRobinScheduler(model, WorkerLimits())
    for number, what in enumerate(JOBS):
        scheduler.admit(number, what)
    return scheduler


def said(tray: Tray) -> list[list[str]]:
    assert not tray.errors
    return [tray.tokens(0), tray.tokens(1, 0), tray.tokens(1, 1), tray.tokens(2)]


def failing(where: Any, name: str, times: set[int], patch: pytest.MonkeyPatch) -> set[int]:
    """Let a function have too little memory, in calls counted from 0; those not yet come."""
    plain, calls, left = getattr(where, name), iter(range(100_000)), set(times)

    def short(*given: Any, **named: Any) -> Any:
        number = next(calls)
        if number in left:
            left.remove(number)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(*given, **named)

    patch.setattr(where, name, short)
    return left


@pytest.mark.parametrize("times", [{0}, {1, 2}, {7}, {5, 9, 12}, {20}])
@pytest.mark.parametrize(("where", "name"), [(Generation, "_forward"), (generation, "sample")])
def test_what_was_said_is_read_again(
    where: Any, name: str, times: set[int], model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tray = Tray()
    run(begun(model), tray)
    expected = said(tray)
    left = failing(where, name, times, monkeypatch)
    tray = Tray()
    run(begun(model), tray)
    assert said(tray) == expected
    assert not left, "memory was short as often as was planned"


def test_the_younger_calls_wait(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler, tray = begun(model), Tray()
    failing(Generation, "_forward", {1}, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        scheduler.step(tray)
    assert scheduler.shrink()
    for _ in range(3):
        scheduler.step(tray)
    assert set(tray.events) == {0}
    run(scheduler, tray)
    assert len(said(tray)[3]) == 7


def test_one_call_alone_is_tried_once_more(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then the engine has made other models leave; the calls behind it are answered."""
    tries: list[int] = []
    plain = Generation.step

    def step(self: Generation) -> Any:
        if len(self._plan.rows) == 2:
            tries.append(len(tries))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self)

    monkeypatch.setattr(Generation, "step", step)
    scheduler, tray = begun(model), Tray()
    scheduler.drop(0)
    run(scheduler, tray)
    assert isinstance(tray.errors.pop(1), torch.OutOfMemoryError)
    assert len(tries) == 3, "with the other call, alone, and once more"
    assert not tray.errors
    assert len(tray.tokens(2)) == 7


def test_a_token_half_taken_is_the_end_of_its_call_alone(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushes = failing(Row, "push", {4}, monkeypatch)
    scheduler, tray = begun(model), Tray()
    run(scheduler, tray)
    assert not pushes
    assert len(tray.errors) == 1
    assert len([call for call in range(3) if tray.ended(call)]) == 2


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
