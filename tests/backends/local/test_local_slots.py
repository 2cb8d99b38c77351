"""The buffer of the batch: what it costs, and when the first tokens are handed over."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from gensdk.backends.local.text.batching import BatchScheduler
from gensdk.backends.local.text.model import LoadedModel
from gensdk.backends.local.text.slots import KeysValues, Slots
from gensdk.backends.local.worker import WorkerLimits
from tests.backends.local.test_local_batching import (
    Tray,
    alone,
    inference,  # noqa: F401  # a fixture
    job,
    loaded,
    nothing_left,
    run,
)
from tests.support.tiny_models import save_model


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder: Path = tmp_path_factory.mktemp("slots") / "llama"
    return loaded(save_model(folder, max_position_embeddings=4096))


def test_first_tokens_do_not_wait_for_other_prompts(llama: LoadedModel) -> None:
    """Several passes may be made in one step; what came of one is handed over before the next."""
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    for number in range(3):
        scheduler.admit(number, job(f"{number} " * 200, 4))
    scheduler.step(tray)
    assert set(tray.events) == {0, 1, 2}
    assert tray.handed_over == [set(), {0}, {0, 1}]
    scheduler.admit(3, job("the moon", 4))
    scheduler.step(tray)
    assert len(tray.handed_over) == 4, "those who run get their tokens before a prompt is read"
    scheduler.step(tray)
    assert len(tray.handed_over) == 4, "without a prompt the engine hands over"
    run(scheduler, tray)
    nothing_left(scheduler)


def test_a_buffer_grows_once_for_all_that_wait(
    llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[int] = []
    plain = Slots._rebuild

    def counted(slots: Slots, rows: int, *rest: Any) -> None:
        moves.append(rows)
        plain(slots, rows, *rest)

    monkeypatch.setattr(Slots, "_rebuild", counted)
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits(max_active=64))
    tray = Tray()
    for number in range(20):
        scheduler.admit(number, job("the brave cat " * 12, 4))
    run(scheduler, tray, until=lambda: len(scheduler._lines) == 20)
    assert moves == []
    assert scheduler._slots.layers[0].keys.shape[0] == 32
    run(scheduler, tray)
    nothing_left(scheduler)


@pytest.mark.parametrize("first", [2, 9])
def test_what_a_broken_row_left_behind_is_not_seen(first: int) -> None:
    """Memory is used again as it is: a mask hides numbers, but not what is no number."""

    def row(tokens: int, number: float) -> KeysValues:
        return [(torch.full((1, 2, tokens, 4), number), torch.full((1, 2, tokens, 4), number))]

    slots = Slots()
    slots.coming = 4
    slots.join(row(first, 1.0))
    slots.join(row(9, math.nan))
    slots.leave(1)
    slots.join(row(2, 1.0))
    slots.join(row(9, 1.0))
    used = slots.layers[0].keys[:3, :, slots.start : slots.end]
    assert used.shape[2] == 9
    assert bool(used.isfinite().all())


def test_where_there_is_no_room_for_all_that_wait_it_grows_with_them(
    llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[int] = []
    plain = Slots._make_room

    def tight(slots: Slots, parts: KeysValues, rows: int, width: int) -> None:
        if slots.coming:
            refused.append(slots.coming)
            raise torch.OutOfMemoryError("not that much at once")
        plain(slots, parts, rows, width)

    monkeypatch.setattr(Slots, "_make_room", tight)
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    for number in range(5):
        scheduler.admit(number, job("the brave cat", 4))
    with pytest.raises(torch.OutOfMemoryError):
        scheduler.step(tray)
    assert scheduler.shrink()
    run(scheduler, tray)
    assert refused == [4]
    assert not tray.errors
    assert tray.tokens(4) == alone(llama, job("the brave cat", 4))
    nothing_left(scheduler)


def test_no_room_is_kept_for_calls_that_were_given_up(llama: LoadedModel) -> None:
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits(max_active=64))
    tray = Tray()
    for number in range(60):
        scheduler.admit(number, job(f"{number} " * 60, 30))
    scheduler.step(tray)
    waiting = [call.call for call in scheduler._waiting]
    assert scheduler._slots.coming == len(waiting) > len(scheduler._lines) > 0
    before = scheduler._slots.memory_bytes
    for call in waiting:
        scheduler.drop(call)
    assert scheduler._slots.coming == 0
    assert scheduler._slots.memory_bytes < before
    run(scheduler, tray)
    nothing_left(scheduler)
