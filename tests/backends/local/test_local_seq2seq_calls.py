"""Calls of encoder-decoder models: fields of one request, and many requests at once."""

from __future__ import annotations

import asyncio
import functools
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5ForConditionalGeneration

import gensdk
from gensdk.backends.local import LocalBackend, LocalTextOptions
from gensdk.backends.local.seq2seq.batches import SharedBatch
from gensdk.errors import InvalidRequestError, OutOfMemoryError, UnsupportedFeatureError
from gensdk.types import TextResponse
from tests.support.local_calls import ask, joined, stream
from tests.support.local_pictures import file_of, gradient
from tests.support.tiny_models import Gate, edit_json
from tests.support.tiny_seq2seq import PROMPTS, generated, said, save_seq2seq, words

# peft's own model, made here to compare with, asks transformers by an old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_seq2seq(tmp_path_factory.mktemp("t5"), "t5")


@pytest.fixture
def gated(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Every pass of a T5 asks the gate first."""
    plain = T5ForConditionalGeneration.forward

    @functools.wraps(plain)
    def forward(*args: Any, **options: Any) -> Any:
        gate.enter()
        return plain(*args, **options)

    monkeypatch.setattr(T5ForConditionalGeneration, "forward", forward)
    return gate


# ------------------------------------------------------------------------------ one request's own
@pytest.mark.parametrize("kind", ["t5", "bart", "switch_transformers"])
async def test_seeds_do_not_depend_on_the_neighbours(
    kind: str, tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_seq2seq(tmp_path / kind, kind)
    fields: dict[str, Any] = {"max_tokens": 16, "temperature": 1.5, "top_p": 0.95}
    alone = await ask(backend, folder, PROMPTS[0], seed=3, **fields)
    others = [
        ask(backend, folder, prompt, seed=n, n=2, top_k=40, min_p=0.001, max_tokens=9 + n)
        for n, prompt in enumerate(PROMPTS)
    ]
    four, *_ = await asyncio.gather(
        ask(backend, folder, PROMPTS[0], seed=3, n=4, **fields), *others
    )
    assert four.candidates[0] == alone.candidates[0]
    assert len({candidate.text for candidate in four.candidates}) == 4
    assert alone.reproducible
    different = await ask(backend, folder, PROMPTS[0], seed=4, **fields)
    assert different.text != alone.text
    assert not (await ask(backend, folder, PROMPTS[0], **fields)).reproducible


async def test_stop_strings(t5: Path, backend: LocalBackend) -> None:
    fields: dict[str, Any] = {"max_tokens": 12, "temperature": 0}
    whole = await ask(backend, t5, PROMPTS[0], **fields)
    stop = whole.text[1:3]
    assert stop.isprintable()
    deltas, cut = await stream(backend, t5, PROMPTS[0], stop=[stop], **fields)
    assert cut.finish_reason == "stop_sequence"
    assert cut.text == joined(deltas) == whole.text[: whole.text.index(stop)] != ""


async def test_bias_and_logprobs(tmp_path: Path, backend: LocalBackend) -> None:
    t5 = save_seq2seq(tmp_path / "calm", "t5", initializer_factor=1.0)
    fields: dict[str, Any] = {"max_tokens": 12, "temperature": 0}
    biased = await ask(backend, t5, PROMPTS[1], logit_bias={70: 100}, logprobs=3, **fields)
    assert biased.text == AutoTokenizer.from_pretrained(t5).decode([70] * 12)
    with pytest.raises(InvalidRequestError, match="vocabulary"):
        await ask(backend, t5, PROMPTS[1], logit_bias={10**6: 1})
    network = AutoModelForSeq2SeqLM.from_pretrained(t5).eval()
    ids = AutoTokenizer.from_pretrained(t5)(PROMPTS[1], return_tensors="pt").input_ids
    with torch.inference_mode():
        raw = network(input_ids=ids, decoder_input_ids=torch.tensor([[1, 70, 70]])).logits[0]
    expected = raw.log_softmax(-1)
    for place, entry in enumerate((biased.candidates[0].logprobs or ())[:3]):
        assert entry.logprob == pytest.approx(float(expected[place, 70]), abs=1e-4)
        best = [value for _, value in entry.alternatives]
        assert best == pytest.approx(expected[place].topk(3).values.tolist(), abs=1e-4)


async def test_a_stream_is_the_answer_in_pieces(t5: Path, backend: LocalBackend) -> None:
    fields: dict[str, Any] = {"n": 3, "seed": 5, "temperature": 1.2, "max_tokens": 14}
    deltas, answer = await stream(backend, t5, PROMPTS[0], **fields)
    for index, candidate in enumerate(answer.candidates):
        assert joined(deltas, index) == candidate.text
    assert len(deltas) > 3, "it came in pieces"
    assert answer == (await ask(backend, t5, PROMPTS[0], **fields)).model_copy()


async def test_the_front_door(t5: Path) -> None:
    async with gensdk.Client() as client:
        model = f"local:{t5}"
        answer = await client.text(PROMPTS[0], model=model, max_tokens=8, temperature=0)
        async with client.stream_text(
            PROMPTS[0], model=model, max_tokens=8, temperature=0
        ) as pieces:
            text = "".join([piece async for piece in pieces.text])
        assert text == answer.text != ""
        with pytest.raises(UnsupportedFeatureError, match="tools"):
            await client.text("a", model=model, tools=[joined])
        with pytest.raises(UnsupportedFeatureError, match="reads text only"):
            await client.text(["a", file_of(gradient())], model=model)


# --------------------------------------------------------------------------------- many at once
async def test_a_cancelled_call_stops_within_a_step(
    t5: Path, gated: Gate, backend: LocalBackend
) -> None:
    gated.close()
    forever: dict[str, Any] = {"max_tokens": 400, "temperature": 0, "logit_bias": {2: -100}}
    left = asyncio.create_task(ask(backend, t5, "cat", **forever))
    stays = asyncio.create_task(ask(backend, t5, "moon", max_tokens=6, temperature=0))
    while gated.passes < 3:
        gated.allow()
        await asyncio.sleep(0.005)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    gated.open()
    answer = await stays
    assert gated.passes < 20
    assert answer == await ask(backend, t5, "moon", max_tokens=6, temperature=0)
    (status,) = backend.loaded()
    assert status.active == 0


async def test_lack_of_memory_delays_the_youngest(
    t5: Path, gated: Gate, backend: LocalBackend
) -> None:
    fields: dict[str, Any] = {"max_tokens": 12, "temperature": 1.0, "n": 2}

    async def all_of_them() -> list[TextResponse[Any]]:
        calls = [ask(backend, t5, p, seed=n, **fields) for n, p in enumerate(PROMPTS * 2)]
        return list(await asyncio.gather(*calls))

    expected = await all_of_them()
    short = [torch.OutOfMemoryError("CUDA out of memory") for _ in range(3)]
    order = [None, None, None, short[0], None, short[1], None, None, None, short[2]]

    def enter(plain: Callable[[], None] = gated.enter) -> None:
        plain()
        failure = order.pop(0) if order else None
        if failure is not None:
            raise failure

    gated.enter = enter  # type: ignore[method-assign]
    assert await all_of_them() == expected
    assert not order, "every failure happened"


async def test_a_call_that_has_all_the_memory_and_needs_more(
    t5: Path, gated: Gate, backend: LocalBackend
) -> None:
    expected = (await ask(backend, t5, "cat", max_tokens=4)).text
    short = torch.OutOfMemoryError("CUDA out of memory")
    gated.failures = iter([short, short])
    with pytest.raises(OutOfMemoryError):
        await ask(backend, t5, "cat", max_tokens=4)
    gated.failures = iter([short])
    assert (await ask(backend, t5, "cat", max_tokens=4)).text == expected


async def test_lack_of_memory_where_calls_take_turns(
    tmp_path: Path, make_backend: Callable[..., LocalBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a cache may be a token ahead then: the answer is begun again."""
    from transformers.models.switch_transformers import modeling_switch_transformers as library

    folder = save_seq2seq(tmp_path / "switch", "switch_transformers")
    backend = make_backend()
    fields: dict[str, Any] = {"max_tokens": 10, "temperature": 1.0, "seed": 1, "n": 3}
    expected = await ask(backend, folder, PROMPTS[0], **fields)
    kind = library.SwitchTransformersLayerFF
    plain, passes = kind.forward, iter(range(10**6))

    @functools.wraps(plain)
    def forward(*args: Any, **options: Any) -> Any:
        if next(passes) == 14:  # in the midst of the third pass
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(*args, **options)

    monkeypatch.setattr(kind, "forward", forward)
    assert await ask(backend, folder, PROMPTS[0], **fields) == expected


@pytest.mark.parametrize("kind", ["t5", "switch_transformers"])
async def test_candidates_that_end_at_different_steps(
    kind: str, tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_seq2seq(tmp_path / kind, kind)
    fields: dict[str, Any] = {"max_tokens": 25, "temperature": 2.0, "seed": 2, "stop": ["e"]}
    deltas, six = await stream(backend, folder, PROMPTS[0], n=6, **fields)
    assert len({len(candidate.text) for candidate in six.candidates}) > 2
    for count in (1, 3):
        fewer = await ask(backend, folder, PROMPTS[0], n=count, **fields)
        assert fewer.candidates == six.candidates[:count]
    for index, candidate in enumerate(six.candidates):
        assert joined(deltas, index) == candidate.text


@pytest.mark.parametrize(
    ("where", "times"),
    [
        ("text.slots.Slots.join", {3, 4}),
        ("text.slots.Slots.advance", {5}),
        ("text.slots.Slots._moved", {3}),
        ("text.slots.Slots.give_back", {1}),
        ("text.sampling._places", {2, 9}),
        ("seq2seq.worker.begin", {0}),
        ("seq2seq.worker.encode", {0, 1}),
    ],
)
async def test_memory_may_be_short_at_any_place(
    where: str, times: set[int], t5: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where buffers are moved, or a row has joined one of two: all go on where they were."""
    fields: dict[str, Any] = {"max_tokens": 70, "temperature": 1.0, "logit_bias": {2: -100}}

    async def all_of_them() -> list[TextResponse[Any]]:
        calls = [ask(backend, t5, p, seed=n, **fields) for n, p in enumerate(PROMPTS * 2)]
        return list(await asyncio.gather(*calls))

    expected = await all_of_them()
    name = f"gensdk.backends.local.{where}"
    owner, _, attribute = name.rpartition(".")
    plain = pkgutil.resolve_name(owner.replace(".Slots", ":Slots")).__dict__[attribute]
    count = iter(range(10**6))
    left = set(times)

    @functools.wraps(plain)
    def short(*args: Any, **options: Any) -> Any:
        if (number := next(count)) in left:
            left.discard(number)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(*args, **options)

    monkeypatch.setattr(name, short)
    assert await all_of_them() == expected
    assert not left, "memory was short as often as was planned"


async def test_memory_that_was_short_is_forgotten_with_the_last_call(
    t5: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, rows = SharedBatch.forward, list[int]()

    @functools.wraps(plain)
    def forward(batch: SharedBatch, tokens: Sequence[int]) -> torch.Tensor:
        rows.append(len(tokens))
        if len(rows) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(batch, tokens)

    async def all_of_them() -> None:
        calls = [ask(backend, t5, p, max_tokens=8, logit_bias={1: -100.0}) for p in PROMPTS]
        await asyncio.gather(*calls)
        together.append(max(rows))

    together: list[int] = []
    await backend.preload(str(t5))
    monkeypatch.setattr(SharedBatch, "forward", forward)
    await all_of_them()
    rows[:] = [0, 0]
    await all_of_them()
    assert together == [len(PROMPTS)] * 2


async def test_a_call_that_fails_fails_alone(
    tmp_path: Path, backend: LocalBackend, t5: Path
) -> None:
    with pytest.raises(InvalidRequestError):
        await asyncio.gather(
            ask(backend, t5, PROMPTS[0], max_tokens=8),
            ask(backend, t5, PROMPTS[0], logit_bias={10**6: 1.0}),
        )
    answer = await ask(backend, t5, PROMPTS[0], max_tokens=8, temperature=0, logprobs=0)
    assert said(answer) == words(t5, generated(t5, PROMPTS[0], 8))


async def test_weights_that_are_no_numbers(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_seq2seq(tmp_path / "broken", "t5")
    network = AutoModelForSeq2SeqLM.from_pretrained(folder)
    with torch.no_grad():
        network.lm_head.weight.fill_(float("nan"))
    network.save_pretrained(folder)
    with pytest.raises(gensdk.errors.LocalError, match="no numbers"):
        await ask(backend, folder, "cat")


async def test_an_adapter_answers_as_peft_has_it(
    t5: Path, tmp_path: Path, backend: LocalBackend
) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    torch.manual_seed(1)
    network = AutoModelForSeq2SeqLM.from_pretrained(t5)
    facts: dict[str, Any] = {"r": 4, "lora_alpha": 64, "init_lora_weights": False}
    config = LoraConfig(task_type="SEQ_2_SEQ_LM", target_modules=["q", "v"], **facts)
    get_peft_model(network, config).save_pretrained(tmp_path / "adapter")
    edit_json(tmp_path / "adapter" / "adapter_config.json", init_lora_weights=True)
    model = PeftModel.from_pretrained(
        AutoModelForSeq2SeqLM.from_pretrained(t5), str(tmp_path / "adapter")
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(t5)
    prompts = [f"{t5}+{tmp_path / 'adapter'}", str(t5)] * 2
    answers = await asyncio.gather(
        *(
            ask(backend, name, PROMPTS[0], max_tokens=10, temperature=0, logprobs=0)
            for name in prompts
        )
    )
    ids = tokenizer(PROMPTS[0], return_tensors="pt").input_ids
    made = model.generate(input_ids=ids, max_new_tokens=10, do_sample=False)[0][1:].tolist()
    assert said(answers[0]) == said(answers[2]) == words(t5, made)
    assert said(answers[1]) == said(answers[3]) == words(t5, generated(t5, PROMPTS[0], 10))
    assert said(answers[0]) != said(answers[1]), "the test can tell nothing"


async def test_n_grams_of_one_request(t5: Path, backend: LocalBackend) -> None:
    fields: dict[str, Any] = {"max_tokens": 12, "temperature": 0, "logprobs": 0}
    options = {"local": LocalTextOptions(no_repeat_ngram_size=1)}
    answer = await ask(backend, t5, PROMPTS[0], options=options, **fields)
    assert said(answer) == words(t5, generated(t5, PROMPTS[0], 12, no_repeat_ngram_size=1))
    assert said(answer) != words(t5, generated(t5, PROMPTS[0], 12))
