"""One batch for all calls: who joins, leaves or fails changes nobody else's answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from gensdk.backends.local.device import DeviceChoice
from gensdk.backends.local.job import Event, Failed
from gensdk.backends.local.safety import inspect_folder
from gensdk.backends.local.text.batching import READ_TOKENS, BatchScheduler
from gensdk.backends.local.text.generation import is_batchable
from gensdk.backends.local.text.job import ChatTurn, Delta, Ended, TextJob
from gensdk.backends.local.text.model import LoadedModel, load_model
from gensdk.backends.local.text.sampling import SamplingWish
from gensdk.backends.local.text.scheduler import RoundRobinScheduler
from gensdk.backends.local.worker import WorkerLimits
from gensdk.errors import LocalError
from tests.support.tiny_models import save_model

GREEDY = SamplingWish(temperature=0)
WORDS = [
    "once",
    "upon",
    "a",
    "time",
    "there",
    "was",
    "brave",
    "cat",
    "the",
    "moon",
    "naïve",
    "café",
]


class Tray:
    """What came of each call."""

    def __init__(self) -> None:
        self.events: dict[int, list[Event]] = {}
        self.errors: dict[int, Exception] = {}
        self.handed_over: list[set[int]] = []

    def post(self, call: int, events: Sequence[Event]) -> None:
        assert call not in self.errors, "nothing comes after the end"
        assert not self.ended(call), "nothing comes after the end"
        self.events.setdefault(call, []).extend(events)

    def fail(self, call: int, error: Exception) -> None:
        assert call not in self.errors, "one end is enough"
        assert not self.ended(call), "one end is enough"
        self.errors[call] = error

    def deliver(self) -> None:
        self.handed_over.append({*self.events})

    def wanted(self, call: int) -> bool:
        return True

    def ended(self, call: int) -> list[Ended]:
        return [event for event in self.events.get(call, ()) if isinstance(event, Ended)]

    def tokens(self, call: int, row: int = 0) -> list[str]:
        (ended,) = self.ended(call)
        return [entry.token for entry in ended.rows[row].logprobs or ()]

    def pieces(self, call: int) -> int:
        return sum(isinstance(event, Delta) for event in self.events.get(call, ()))


def loaded(folder: Path) -> LoadedModel:
    choice = DeviceChoice("cpu", "float32", "the tests")
    return load_model(inspect_folder(folder), choice, lambda: None)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("batching") / "llama"
    return loaded(save_model(folder, max_position_embeddings=4096))


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def job(prompt: str, max_tokens: int = 12, **fields: Any) -> TextJob:
    sampling = fields.pop("sampling", GREEDY)
    return TextJob(
        (ChatTurn("user", prompt),),
        plain=True,
        sampling=sampling,
        max_tokens=max_tokens,
        logprobs=0,
        **fields,
    )


def prompt_of(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


def alone(model: LoadedModel, what: TextJob) -> list[str]:
    """The tokens of a job that has the model to itself."""
    scheduler: BatchScheduler[int] = BatchScheduler(model, WorkerLimits())
    tray = Tray()
    scheduler.admit(0, what)
    run(scheduler, tray)
    return tray.tokens(0)


def generated(model: LoadedModel, prompt: str, max_tokens: int) -> list[str]:
    """The tokens of transformers' own ``generate``, without the end."""
    inputs = model.tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    output = model.network.generate(
        **inputs, do_sample=False, max_new_tokens=max_tokens, pad_token_id=0
    )[0]
    new = output[inputs["input_ids"].shape[1] :].tolist()
    return [model.tokenizer.decode([token]) for token in new if token not in model.end_ids]


def run(scheduler: Any, tray: Tray, until: Callable[[], bool] = lambda: False) -> int:
    """Step as the engine does, until nothing is left; returns the number of steps."""
    steps = 0
    while scheduler.active and not until():
        steps += 1
        assert steps < 5000
        try:
            scheduler.step(tray)
        except torch.OutOfMemoryError:
            assert scheduler.shrink()
    return steps


def nothing_left(scheduler: BatchScheduler[int]) -> None:
    assert scheduler.active == ()
    assert scheduler._lines == []
    assert scheduler._waiting == []
    assert scheduler._slots.lengths == []
    assert scheduler._slots.memory_bytes == 0


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2"])
def test_whoever_joins_and_leaves_greedy_is_generate(kind: str, tmp_path: Path) -> None:
    model = loaded(save_model(tmp_path / kind, kind))
    rng = random.Random(kind)
    jobs = [(prompt_of(rng, rng.randint(1, 12)), rng.randint(1, 25)) for _ in range(16)]
    begins = sorted(rng.randint(0, 30) for _ in jobs)
    scheduler: BatchScheduler[int] = BatchScheduler(model, WorkerLimits())
    tray = Tray()
    for step in range(100):
        for number, begin in enumerate(begins):
            if begin == step:
                scheduler.admit(number, job(*jobs[number]))
        if scheduler.active:
            scheduler.step(tray)
    for number, (prompt, most) in enumerate(jobs):
        assert tray.tokens(number) == generated(model, prompt, most)
    nothing_left(scheduler)


def test_seeds_do_not_see_their_neighbours(llama: LoadedModel) -> None:
    rng = random.Random(1)
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    jobs = [
        job(
            prompt_of(rng, rng.randint(1, 30)),
            rng.randint(2, 20),
            sampling=SamplingWish(temperature=1.0, seed=n, top_k=rng.choice((None, 20)), n=1),
        )
        for n in range(20)
    ]
    for number, what in enumerate(jobs):
        scheduler.admit(number, what)
        if number % 3 == 0:
            scheduler.step(tray)
    run(scheduler, tray)
    for number, what in enumerate(jobs):
        assert tray.tokens(number) == alone(llama, what)


def test_candidates_share_the_reading_of_the_prompt(llama: LoadedModel) -> None:
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    wish = SamplingWish(temperature=1.0, seed=5, n=4)
    scheduler.admit(0, job("the brave cat", 8, sampling=wish))
    run(scheduler, tray)
    assert len({tuple(tray.tokens(0, row)) for row in range(4)}) > 1
    first = SamplingWish(temperature=1.0, seed=5)
    assert tray.tokens(0) == alone(llama, job("the brave cat", 8, sampling=first))
    (ended,) = tray.ended(0)
    assert scheduler.tokens_read == ended.prompt_tokens


@pytest.mark.parametrize("together", [True, False])
def test_an_equal_beginning_is_read_once(together: bool, llama: LoadedModel) -> None:
    beginning = prompt_of(random.Random(2), 100)
    prompts = [f"{beginning} {word}" for word in WORDS[:6]]
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    for number, prompt in enumerate(prompts):
        scheduler.admit(number, job(prompt))
        if not together:
            run(scheduler, tray)
    run(scheduler, tray)
    sizes = [len(llama.tokenizer(prompt)["input_ids"]) for prompt in prompts]
    assert scheduler.tokens_read < sizes[0] + 64 * len(prompts)
    assert scheduler.tokens_read < sum(sizes) / 2
    for number, prompt in enumerate(prompts):
        assert tray.tokens(number) == generated(llama, prompt, 12)


def test_a_beginning_that_was_given_up_is_read_again(llama: LoadedModel) -> None:
    beginning = prompt_of(random.Random(2), 100)
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits(memory_bytes=4096))
    tray = Tray()
    for number in range(2):
        scheduler.admit(number, job(beginning))
        run(scheduler, tray)
    assert scheduler._store.memory_bytes == 0, "it is too large to be kept"
    assert tray.tokens(0) == tray.tokens(1)


def test_a_long_prompt_stalls_nobody(llama: LoadedModel) -> None:
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    endless = SamplingWish(temperature=0, logit_bias={0: -100.0}, n=3)
    stream = job("the brave cat", 60, streams=True, sampling=endless)
    scheduler.admit(0, stream)
    scheduler.step(tray)
    long = prompt_of(random.Random(3), 900)
    scheduler.admit(1, job(long, 3))
    scheduler.step(tray)
    scheduler.admit(2, job("the moon", 3))
    before = scheduler.tokens_read
    tokens = len(scheduler._lines[0].ids)
    scheduler.step(tray)
    assert scheduler.tokens_read - before <= READ_TOKENS
    assert len(scheduler._lines[0].ids) == tokens + 1, "the stream went on"
    assert any(line.call == 2 for line in scheduler._lines), "the short one has begun"
    run(scheduler, tray)
    for number, prompt, most in ((1, long, 3), (2, "the moon", 3)):
        assert tray.tokens(number) == generated(llama, prompt, most)


def test_long_prompts_that_keep_coming_pass_nobody_by(llama: LoadedModel) -> None:
    """A prompt that fits no pass beside a long one has its turn all the same."""
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray, rng = Tray(), random.Random(7)
    scheduler.admit(0, job(prompt_of(rng, 700), 1))
    scheduler.admit(1, job(prompt_of(rng, 250), 1))
    assert READ_TOKENS // 2 < len(scheduler._waiting[1].ids) <= READ_TOKENS
    for number in range(2, 6):
        scheduler.admit(number, job(prompt_of(rng, 700), 1))
        run(scheduler, tray, until=lambda: len(scheduler.active) < 3)
    assert tray.ended(1)
    assert not tray.ended(5)


def test_cancelling_at_any_moment_leaves_nothing_and_disturbs_nobody(llama: LoadedModel) -> None:
    rng = random.Random(4)
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits(max_active=400))
    tray = Tray()
    kept: dict[int, TextJob] = {}
    for number in range(220):
        what = job(prompt_of(rng, rng.randint(1, 40)), rng.randint(1, 12))
        scheduler.admit(number, what)
        if number % 11 == 0:
            kept[number] = what
        if rng.random() < 0.6:
            scheduler.step(tray)
        for call in [call for call in scheduler.active if call % 11 and rng.random() < 0.3]:
            scheduler.drop(call)
    for call in scheduler.active:
        if call not in kept:
            scheduler.drop(call)
    run(scheduler, tray)
    nothing_left(scheduler)
    for number, what in kept.items():
        assert tray.tokens(number) == alone(llama, what)


def failing(model: LoadedModel, passes: set[int]) -> Any:
    """Let some forward passes find no memory."""
    count = 0

    def before(*_: Any) -> None:
        nonlocal count
        count += 1
        if count in passes:
            raise torch.OutOfMemoryError("CUDA out of memory")

    return model.network.register_forward_pre_hook(before)


def test_lack_of_memory_delays_and_changes_nothing(llama: LoadedModel) -> None:
    rng = random.Random(6)
    jobs = [
        job(prompt_of(rng, 5), 10, sampling=SamplingWish(temperature=1.0, seed=n))
        for n in range(12)
    ]
    expected = [alone(llama, what) for what in jobs]
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    for number, what in enumerate(jobs):
        scheduler.admit(number, what)
    hook = failing(llama, {2, 5})
    try:
        run(scheduler, tray)
    finally:
        hook.remove()
    assert not tray.errors
    assert [tray.tokens(number) for number in range(12)] == expected
    nothing_left(scheduler)


def test_a_call_that_can_never_fit_fails_alone(llama: LoadedModel) -> None:
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    scheduler.admit(0, job("the brave cat"))
    hook = failing(llama, set(range(1, 3)))
    try:
        run(scheduler, tray)
        scheduler.admit(1, job("the moon"))
        run(scheduler, tray)
    finally:
        hook.remove()
    assert isinstance(tray.errors[0], torch.OutOfMemoryError)
    assert set(tray.errors) <= {0, 1}
    scheduler.admit(2, job("the moon"))
    run(scheduler, tray)
    assert tray.tokens(2) == generated(llama, "the moon", 12)
    nothing_left(scheduler)


def test_scores_that_are_no_numbers_fail_their_own_call(tmp_path: Path) -> None:
    def break_one_token(network: Any) -> None:
        with torch.no_grad():
            network.get_input_embeddings().weight[token] = float("nan")

    tidy = loaded(save_model(tmp_path / "tidy", tie_word_embeddings=False))
    (token, *_) = tidy.tokenizer("🙂")["input_ids"]
    folder = save_model(tmp_path / "broken", tie_word_embeddings=False, prepare=break_one_token)
    model = loaded(folder)
    scheduler: BatchScheduler[int] = BatchScheduler(model, WorkerLimits())
    tray = Tray()
    for number, prompt in enumerate(("the moon", "🙂", "the brave cat")):
        scheduler.admit(number, job(prompt, 4, sampling=SamplingWish(0, logit_bias={token: -99.0})))
    run(scheduler, tray)
    assert isinstance(tray.errors.pop(1), LocalError)
    assert not tray.errors
    assert tray.tokens(0)
    assert tray.tokens(2)
    nothing_left(scheduler)


def test_a_prompt_that_breaks_the_model_fails_alone(llama: LoadedModel) -> None:
    """Also where it was read in one pass with others."""
    moon = llama.tokenizer("moon", add_special_tokens=False).input_ids[-1]

    def refuse(_network: Any, _args: Any, options: dict[str, Any]) -> None:
        if options["input_ids"].shape[1] > 1 and moon in options["input_ids"]:
            raise ValueError("this prompt breaks the model")

    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits())
    tray = Tray()
    for number, prompt in enumerate(("the cat", "moon", "a brave")):
        scheduler.admit(number, job(prompt, 3))
    hook = llama.network.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        run(scheduler, tray)
    finally:
        hook.remove()
    assert set(tray.errors) == {1}
    assert tray.tokens(0) == generated(llama, "the cat", 3)
    assert tray.tokens(2) == generated(llama, "a brave", 3)
    nothing_left(scheduler)


def test_the_buffer_follows_the_load(llama: LoadedModel) -> None:
    scheduler: BatchScheduler[int] = BatchScheduler(llama, WorkerLimits(max_active=64))
    tray = Tray()
    sampling = SamplingWish(0, logit_bias={0: -100.0})
    scheduler.admit(0, job("cat", 80, sampling=sampling))
    scheduler.step(tray)
    small = scheduler._slots.memory_bytes
    for number in range(1, 40):
        scheduler.admit(number, job("the moon", 5, sampling=sampling))
    run(scheduler, tray, until=lambda: len(scheduler._lines) == 40)
    assert scheduler._slots.memory_bytes > 8 * small
    run(scheduler, tray, until=lambda: len(scheduler.active) == 1)
    assert scheduler._slots.memory_bytes <= 4 * small
    run(scheduler, tray)
    assert tray.tokens(0) == alone(llama, job("cat", 80, sampling=sampling))
    nothing_left(scheduler)


@pytest.mark.parametrize("kind", ["mamba", "mistral"])
def test_models_with_a_state_of_their_own_go_one_by_one(kind: str, tmp_path: Path) -> None:
    model = loaded(save_model(tmp_path / kind, kind))
    assert not is_batchable(model)
    scheduler: RoundRobinScheduler[int] = RoundRobinScheduler(model, WorkerLimits())
    tray = Tray()
    for number, prompt in enumerate(("the moon", "the brave cat")):
        scheduler.admit(number, job(prompt, 6))
    run(scheduler, tray)
    assert tray.tokens(0) == generated(model, "the moon", 6)
    assert not isinstance(tray.events[1][-1], Failed)
