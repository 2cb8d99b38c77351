"""Memory that is short in the midst of a step: it is done again, and nobody's text changes."""

from __future__ import annotations

import functools
import pkgutil
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from gensdk.backends.local.device import DeviceChoice
from gensdk.backends.local.safety import inspect_folder
from gensdk.backends.local.text.batching import BatchScheduler
from gensdk.backends.local.text.job import TextJob
from gensdk.backends.local.text.model import LoadedModel, load_model
from gensdk.backends.local.text.sampling import SamplingWish
from gensdk.backends.local.worker import WorkerLimits
from tests.backends.local.test_local_batching import (
    Tray,
    failing,
    job,
    nothing_left,
    prompt_of,
    run,
)
from tests.support.tiny_models import save_model


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = save_model(tmp_path_factory.mktemp("short") / "llama", max_position_embeddings=2048)
    return load_model(
        inspect_folder(folder), DeviceChoice("cpu", "float32", "the tests"), lambda: None
    )


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture
def make_short(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, set[int]], set[int]]:
    """Let a function find no memory at some of its calls; returns those that are yet to come."""

    def make(where: str, times: set[int]) -> set[int]:
        name = f"gensdk.backends.local.text.{where}"
        plain = pkgutil.resolve_name(name)
        count = iter(range(10**6))
        left = set(times)

        @functools.wraps(plain)
        def short(*args: Any, **options: Any) -> Any:
            if (number := next(count)) in left:
                left.discard(number)
                raise torch.OutOfMemoryError("CUDA out of memory")
            return plain(*args, **options)

        monkeypatch.setattr(name.replace(":", "."), short)
        return left

    return make


def jobs() -> list[TextJob]:
    """Calls that share a beginning, which is stored, and are drawn in several ways."""
    rng = random.Random(5)
    beginning = prompt_of(rng, 60)
    wishes = [
        SamplingWish(temperature=1.0, seed=0, repetition_penalty=1.2),
        SamplingWish(temperature=1.0, seed=1, top_p=0.9, n=2),
        SamplingWish(temperature=0, frequency_penalty=1.0),
        SamplingWish(temperature=1.0, seed=3, top_k=9),
    ]
    return [
        job(f"{beginning} {prompt_of(rng, 3)}", 6 + 5 * n, sampling=wish, lookup=4 * (n == 0))
        for n, wish in enumerate(wishes)
    ]


def answers(model: LoadedModel) -> list[list[str]]:
    """What is said to calls that come one after the other, while those before are answered."""
    scheduler: BatchScheduler[int] = BatchScheduler(model, WorkerLimits())
    tray = Tray()
    for number, what in enumerate(jobs()):
        scheduler.admit(number, what)
        for _ in range(2):
            run(scheduler, tray, until=_once())
    run(scheduler, tray)
    assert not tray.errors
    nothing_left(scheduler)
    return [tray.tokens(n, row) for n, row in ((0, 0), (1, 0), (1, 1), (2, 0), (3, 0))]


def _once() -> Callable[[], bool]:
    stops = iter((False, True))
    return lambda: next(stops)


@pytest.mark.parametrize(
    ("where", "times"),
    [
        ("sampling:_places", {2, 5, 6}),
        ("sampling:_sorted_floors", {2, 7}),
        ("sampling:RowSampler.adjust", {4, 9}),
        ("slots:Slots._moved", {1}),
        ("slots:Slots._moved", {3}),
        ("slots:Slots.give_back", {0, 2}),
        ("prefix:PrefixStore.add", {0, 1}),
        ("batching:joined", {1, 2}),
    ],
)
def test_memory_may_be_short_at_any_place(
    where: str,
    times: set[int],
    llama: LoadedModel,
    make_short: Callable[[str, set[int]], set[int]],
) -> None:
    expected = answers(llama)
    left = make_short(where, times)
    assert answers(llama) == expected
    assert not left, "memory was short as often as was planned"


def test_without_memory_to_choose_a_guess_is_made_again(
    llama: LoadedModel, make_short: Callable[[str, set[int]], set[int]]
) -> None:
    """Some tokens of a guess have been taken by then: they stay."""
    wish = SamplingWish(temperature=1.0, seed=1, top_k=2)
    what = job("the cat " * 12, 30, sampling=wish, lookup=8)

    def alone() -> tuple[list[str], int]:
        scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
        tray = Tray()
        scheduler.admit(0, what)
        scheduler.admit(1, job("moon", 1))  # a single row without memory would be given up
        scheduler._store.add(list(range(64)), _parts(llama), None)
        steps = run(scheduler, tray)
        return tray.tokens(0), steps

    expected, _ = alone()
    left = make_short("sampling:_places", {9})
    assert alone()[0] == expected
    assert not left


def _parts(model: LoadedModel) -> Any:
    config = model.network.config
    shape = (1, config.num_key_value_heads, 64, config.hidden_size // config.num_attention_heads)
    return [(torch.zeros(shape), torch.zeros(shape)) for _ in range(config.num_hidden_layers)]


def test_a_cancel_without_memory_disturbs_nobody(
    llama: LoadedModel, make_short: Callable[[str, set[int]], set[int]]
) -> None:
    """Making the buffer smaller takes memory for a moment, and then there may be none."""
    endless = SamplingWish(temperature=0, logit_bias={0: -100.0})
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    scheduler.admit(0, job("the brave cat", 12, sampling=endless))
    run(scheduler, tray)
    for number in range(1, 10):
        scheduler.admit(number, job("the brave cat", 12, sampling=endless))
    scheduler.step(tray)
    left = make_short("slots:Slots._moved", {1})
    for number in range(2, 10):
        scheduler.drop(number)
    assert not left
    run(scheduler, tray)
    assert tray.tokens(1) == tray.tokens(0)
    nothing_left(scheduler)


def test_what_is_read_again_is_stored_as_it_was_read(llama: LoadedModel) -> None:
    """A row that is read again chooses its next token before its beginning is kept."""
    endless = SamplingWish(temperature=0, logit_bias=dict.fromkeys(llama.end_ids, -100.0))
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    scheduler.admit(0, job("the moon", 40, sampling=endless))
    scheduler.admit(1, job(prompt_of(random.Random(8), 50), 40, sampling=endless))
    scheduler.step(tray)
    run(scheduler, tray, until=lambda: len(scheduler._lines[1].ids) % 32 == 31)
    hook = failing(llama, {1, 2})  # what is stored goes first, then the younger row
    try:
        run(scheduler, tray)
    finally:
        hook.remove()
    assert scheduler._store._entries
    for stored in scheduler._store._entries.values():
        assert {keys.shape[-2] for keys, _ in stored.parts} == {len(stored.ids)}


def test_memory_that_was_short_is_forgotten_with_the_last_call(llama: LoadedModel) -> None:
    endless = SamplingWish(temperature=0, logit_bias=dict.fromkeys(llama.end_ids, -100.0))
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    for number in range(8):
        if number in {0, 4}:
            run(scheduler, tray)
        scheduler.admit(number, job("the moon", 6, sampling=endless))
        if number == 3:
            hook = failing(llama, {2, 3})
            run(scheduler, tray)
            hook.remove()
    scheduler.step(tray)
    assert len(scheduler._lines) == 4, "all run together again"
    run(scheduler, tray)
    nothing_left(scheduler)
