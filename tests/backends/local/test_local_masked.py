"""Masked language models: gaps filled with what the model itself finds likeliest."""

from __future__ import annotations

import asyncio
import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertForMaskedLM,
    RobertaForMaskedLM,
    pipeline,
)

import gensdk
from gensdk.backends.local import LocalBackend, LocalTextOptions
from gensdk.errors import (
    ContextLengthError,
    InvalidRequestError,
    LocalError,
    ModelLoadError,
    OutOfMemoryError,
    UnsupportedFeatureError,
)
from gensdk.types import Message, ModerationRequest, TextRequest
from tests.support.local_calls import ask, context, joined, stream
from tests.support.local_pictures import file_of, gradient
from tests.support.tiny_models import Gate
from tests.support.tiny_seq2seq import save_masked, sentence_tokenizer, word_tokenizer

KINDS = ["bert", "roberta", "distilbert"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for kind in KINDS:
        tokenizer = word_tokenizer() if kind == "bert" else sentence_tokenizer()
        made[kind] = save_masked(tmp_path_factory.mktemp(kind), kind, tokenizer=tokenizer)
    return made


@pytest.fixture
def bert(folders: dict[str, Path]) -> Path:
    return folders["bert"]


def likeliest(folder: Path, text: str, count: int) -> list[tuple[str, float]]:
    """What transformers' own pipeline says, without special tokens, which are no words."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = pipeline("fill-mask", model=str(folder), tokenizer=tokenizer)(text, top_k=count + 9)
    good = [one for one in found if one["token"] not in tokenizer.all_special_ids]
    return [(one["sequence"], one["score"]) for one in good[:count]]


def logprobs(folder: Path, ids: list[int]) -> torch.Tensor:
    network = AutoModelForMaskedLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        found: torch.Tensor = network(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_one_gap_is_what_the_pipeline_says(
    kind: str, folders: dict[str, Path], backend: LocalBackend
) -> None:
    folder = folders[kind]
    mask = AutoTokenizer.from_pretrained(folder).mask_token
    expected = likeliest(folder, f"the brave {mask} told a story", 6)
    for written in ("[MASK]", "<mask>"):
        answer = await ask(backend, folder, f"the brave {written} told a story", n=6, logprobs=2)
        assert [candidate.text for candidate in answer.candidates] == [text for text, _ in expected]
        scores = [score for _, score in expected]
        assert answer.provider_details["scores"] == pytest.approx(scores, abs=1e-5)
        for candidate, score in zip(answer.candidates, scores, strict=True):
            (word,) = candidate.logprobs or ()
            assert math.exp(word.logprob) == pytest.approx(score, abs=1e-5)
            assert len(word.alternatives) == 2
            assert candidate.finish_reason == "stop"
        assert answer.reproducible
        assert answer.warnings == ()
        assert answer.usage.output_tokens == 6


async def test_words_for_each_gap_are_shown(bert: Path, backend: LocalBackend) -> None:
    answer = await ask(backend, bert, "the [MASK] cat told a [MASK]")
    masks: Any = answer.provider_details["masks"]
    assert [len(words) for words in masks] == [5, 5]
    for words in masks:
        scores = [word["score"] for word in words]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score < 1 for score in scores)


async def test_several_gaps_are_filled_from_left_to_right(
    bert: Path, backend: LocalBackend
) -> None:
    """Each word depends on those before it; the best whole is looked for, not the best word."""
    tokenizer = AutoTokenizer.from_pretrained(bert)
    ids = tokenizer("the [MASK] cat [MASK] told").input_ids
    first, second = [n for n, token in enumerate(ids) if token == tokenizer.mask_token_id]
    special = tokenizer.all_special_ids
    before = logprobs(bert, ids)[first].clone()
    before[special] = -math.inf
    wholes: list[tuple[float, int, int]] = []
    for one in before.topk(8).indices.tolist():
        filled = [*ids[:first], one, *ids[first + 1 :]]
        after = logprobs(bert, filled)[second].clone()
        after[special] = -math.inf
        totals = (before[one] + after).tolist()
        wholes.extend((total, one, other) for other, total in enumerate(totals))
    best = sorted(wholes, reverse=True)[:3]
    answer = await ask(backend, bert, "the [MASK] cat [MASK] told", n=3)
    texts = []
    for _, one, other in best:
        filled = [*ids[:first], one, *ids[first + 1 : second], other, *ids[second + 1 :]]
        texts.append(tokenizer.decode(filled, skip_special_tokens=True))
    assert [candidate.text for candidate in answer.candidates] == texts
    scores = [math.exp(score) for score, _, _ in best]
    assert answer.provider_details["scores"] == pytest.approx(scores, rel=1e-3)
    alone = await ask(backend, bert, "the [MASK] cat [MASK] told")
    assert alone.text == texts[0]
    assert answer.usage.output_tokens == 6


@pytest.mark.parametrize("kind", KINDS)
async def test_neighbours_change_nothing(
    kind: str, folders: dict[str, Path], backend: LocalBackend
) -> None:
    prompts = ["<mask> moon", "the brave cat <mask> about <mask> once <mask> a time", "a <mask>"]
    alone = [await ask(backend, folders[kind], prompt, n=2) for prompt in prompts]
    together = await asyncio.gather(
        *(ask(backend, folders[kind], prompt, n=2) for prompt in prompts * 3)
    )
    for one, other in zip(alone * 3, together, strict=True):
        assert [c.text for c in one.candidates] == [c.text for c in other.candidates]
        assert one.provider_details["scores"] == pytest.approx(
            other.provider_details["scores"], rel=1e-3
        )


async def test_a_bias_has_a_say_and_special_tokens_have_none(
    bert: Path, backend: LocalBackend
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bert)
    cat = tokenizer.convert_tokens_to_ids("cat")
    answer = await ask(backend, bert, "the [MASK] told", logit_bias={cat: 100}, logprobs=1)
    assert answer.text == "the cat told"
    raw = logprobs(bert, tokenizer("the [MASK] told").input_ids)[2]
    (word,) = answer.candidates[0].logprobs or ()
    assert word.logprob == pytest.approx(float(raw[cat]), abs=1e-4), "before the bias"
    ends = {tokenizer.sep_token_id: 100.0, tokenizer.pad_token_id: 100.0}
    assert (await ask(backend, bert, "the [MASK] told", logit_bias=ends)).text == (
        await ask(backend, bert, "the [MASK] told")
    ).text


async def test_a_prompt_without_a_gap_says_how_to_write_one(
    folders: dict[str, Path], backend: LocalBackend
) -> None:
    with pytest.raises(InvalidRequestError, match=r"write \[MASK\]"):
        await ask(backend, folders["bert"], "the brave cat")
    with pytest.raises(InvalidRequestError, match="write <mask>"):
        await ask(backend, folders["roberta"], "the brave cat")


async def test_texts_that_are_too_long(folders: dict[str, Path], backend: LocalBackend) -> None:
    with pytest.raises(ContextLengthError, match="the model reads 48"):
        await ask(backend, folders["bert"], "cat " * 50 + "[MASK]")
    with pytest.raises(ContextLengthError, match="characters"):
        await ask(backend, folders["bert"], "x" * 20_000)
    tokenizer = sentence_tokenizer()
    fits = "<mask>" + "a" * 43
    assert len(tokenizer(fits).input_ids) == 46, "RoBERTa's first two places are for padding"
    assert (await ask(backend, folders["roberta"], fits)).usage.input_tokens == 46
    with pytest.raises(ContextLengthError, match="reads 46"):
        await ask(backend, folders["roberta"], fits + "a")


async def test_what_means_nothing_here_is_noted(bert: Path, backend: LocalBackend) -> None:
    fields: dict[str, Any] = {
        "temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.1, "presence_penalty": 1.0,
        "frequency_penalty": 1.0, "stop": ["x"], "max_tokens": 1,
    }  # fmt: skip
    own: dict[str, Any] = {
        "repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "prompt_lookup_num_tokens": 3
    }  # fmt: skip
    fields["options"] = {"local": LocalTextOptions(**own)}
    prompt = "the [MASK] [MASK]"
    answer = await ask(backend, bert, prompt, **fields)
    dropped = {note.parameter for note in answer.warnings}
    assert dropped == {*fields, *own} - {"options"}
    assert {note.kind for note in answer.warnings} == {"unsupported"}
    assert answer.text == (await ask(backend, bert, prompt)).text
    for name, value in fields.items():
        request = TextRequest(prompt=prompt, **{name: value})
        with pytest.raises(UnsupportedFeatureError):
            await backend.text(request, context(bert, unsupported="error"))
    harmless = TextRequest(prompt=prompt, temperature=0, seed=3, max_tokens=2, top_k=1)
    strict = await backend.text(harmless, context(bert, unsupported="error"))
    assert strict.warnings == ()


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"system": "Be brief."}, "system"),
        ({"prompt": [Message.user("a [MASK]"), Message.assistant("b")]}, "prompt"),
        ({"output": dict[str, int]}, "output"),
        ({"options": {"local": LocalTextOptions(mode="chat")}}, "options"),
        ({"options": {"local": LocalTextOptions(target_language="fr")}}, "options"),
    ],
)
async def test_what_would_change_the_meaning_is_refused(
    fields: dict[str, Any], parameter: str, bert: Path, backend: LocalBackend
) -> None:
    with pytest.raises(UnsupportedFeatureError) as caught:
        await ask(backend, bert, **({"prompt": "the [MASK]"} | fields))
    assert caught.value.param == parameter


async def test_control_tokens_in_a_text_are_text(bert: Path, backend: LocalBackend) -> None:
    plain = await ask(backend, bert, "the [SEP] [MASK]")
    raw = await ask(
        backend, bert, "the [SEP] [MASK]", options={"local": LocalTextOptions(mode="raw")}
    )
    assert (raw.usage.input_tokens, (plain.usage.input_tokens or 0) > 5) == (5, True)


async def test_other_jobs_and_adapters(bert: Path, backend: LocalBackend) -> None:
    assert backend.capabilities(str(bert)).abilities == frozenset({"text"})
    with pytest.raises(UnsupportedFeatureError, match="answers text requests"):
        await backend.moderate(ModerationRequest(inputs=["a"]), context(bert))
    (bert.parent / "adapter").mkdir(exist_ok=True)
    with pytest.raises(UnsupportedFeatureError, match="adapter"):
        await ask(backend, f"{bert}+{bert.parent / 'adapter'}", "the [MASK]")


async def test_the_front_door(bert: Path) -> None:
    async with gensdk.Client() as client:
        answer = await client.text("the [MASK] told", model=f"local:{bert}", n=2)
        assert len(answer.candidates) == 2
        with pytest.raises(UnsupportedFeatureError, match="reads text only"):
            await client.text(["a [MASK]", file_of(gradient())], model=f"local:{bert}")
        with pytest.raises(UnsupportedFeatureError):
            async with client.stream_text("the [MASK] told", model=f"local:{bert}") as pieces:
                await pieces.result()


async def test_a_stream_of_a_model_nobody_had_looked_at(bert: Path, backend: LocalBackend) -> None:
    """A hub model's kind is not known before it is here; its stream has one piece per text."""
    deltas, answer = await stream(backend, bert, "the [MASK] told", n=2)
    assert [joined(deltas, n) for n in range(2)] == [c.text for c in answer.candidates]


async def test_a_cancelled_call_stops_between_gaps(
    bert: Path, backend: LocalBackend, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = BertForMaskedLM.forward

    @functools.wraps(plain)
    def forward(*args: Any, **options: Any) -> Any:
        gate.enter()
        return plain(*args, **options)

    monkeypatch.setattr(BertForMaskedLM, "forward", forward)
    gate.close()
    call = asyncio.create_task(ask(backend, bert, "[MASK] " * 40))
    while gate.passes < 2:
        gate.allow()
        await asyncio.sleep(0.005)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    gate.open()
    await ask(backend, bert, "a [MASK]")
    assert gate.passes < 10


async def test_lack_of_memory_makes_passes_smaller(
    bert: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = ["the [MASK]", "a [MASK] cat [MASK]", "once upon a [MASK]"]
    expected = [(await ask(backend, bert, prompt, n=3)).candidates for prompt in prompts]
    plain = BertForMaskedLM.forward

    @functools.wraps(plain)
    def forward(*args: Any, **options: Any) -> Any:
        if len(options["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(*args, **options)

    monkeypatch.setattr(BertForMaskedLM, "forward", forward)
    answers = await asyncio.gather(*(ask(backend, bert, prompt, n=3) for prompt in prompts))
    texts = [[c.text for c in answer.candidates] for answer in answers]
    assert texts == [[c.text for c in candidates] for candidates in expected]


async def test_lack_of_memory_for_one_text(
    bert: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(*args: Any, **options: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(
            BertForMaskedLM, "forward", functools.wraps(BertForMaskedLM.forward)(forward)
        )
        with pytest.raises(OutOfMemoryError):
            await ask(backend, bert, "the [MASK]")
    assert (await ask(backend, bert, "the [MASK]")).text


async def test_one_text_that_is_too_large_fails_alone(
    bert: Path, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = (await ask(backend, bert, "the [MASK]")).text
    plain = BertForMaskedLM.forward

    @functools.wraps(plain)
    def forward(*args: Any, **options: Any) -> Any:
        if options["input_ids"].shape[1] > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(*args, **options)

    monkeypatch.setattr(BertForMaskedLM, "forward", forward)
    prompts = ["the [MASK]", "once upon a time there was a [MASK]" * 2, "the [MASK]"]
    small, large, other = await asyncio.gather(
        *(ask(backend, bert, prompt) for prompt in prompts), return_exceptions=True
    )
    assert isinstance(large, OutOfMemoryError)
    for answer in (small, other):
        assert not isinstance(answer, BaseException), answer
        assert answer.text == expected


async def test_a_network_that_knows_no_padding(
    tmp_path: Path, backend: LocalBackend, folders: dict[str, Path]
) -> None:
    """FNet mixes all it is given: texts of other lengths are not read beside it."""
    folder = save_masked(tmp_path / "fnet", "fnet")
    prompts = ["<mask> moon", "the brave cat <mask> about", "a <mask>", "<mask> moon"]
    alone = [(await ask(backend, folder, prompt, n=2)).candidates for prompt in prompts]
    asked = [ask(backend, folder, prompt, n=2) for prompt in prompts * 2]
    assert [answer.candidates for answer in await asyncio.gather(*asked)] == alone * 2


async def test_a_tokenizer_of_another_model(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_masked(tmp_path / "small", vocab_size=100)
    with pytest.raises(InvalidRequestError, match="different models"):
        await ask(backend, folder, "the brave <mask>")


async def test_weights_that_are_no_numbers(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_masked(tmp_path / "broken", "roberta")
    network = RobertaForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        network.lm_head.bias.fill_(float("nan"))
    network.save_pretrained(folder)
    with pytest.raises(LocalError, match="no numbers"):
        await ask(backend, folder, "a <mask>")


async def test_a_tokenizer_without_a_mask(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_masked(tmp_path / "maskless", tokenizer=sentence_tokenizer(mask_token=None))
    with pytest.raises(ModelLoadError, match="no mask"):
        await ask(backend, folder, "a <mask>")


async def test_what_it_needs_counts_the_scores_of_every_token(
    bert: Path, backend: LocalBackend
) -> None:
    estimate = await backend.estimate(str(bert))
    vocabulary = len(word_tokenizer())
    assert 0 < estimate.working_bytes - 4 * vocabulary * 48 < 0.06 * estimate.weight_bytes
