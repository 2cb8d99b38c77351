"""What the engine says is what ``generate()`` says; the request's fields do what they promise."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gensdk.backends.local import LocalBackend, LocalTextOptions
from gensdk.errors import ContextLengthError, InvalidRequestError, LocalError, ModelLoadError
from gensdk.types import TextResponse
from tests.support.local_calls import ask, joined, stream
from tests.support.tiny_models import byte_tokenizer, metaspace_tokenizer, save_model, says

PROMPT = "once upon a time there was"


def reference(folder: Path, prompt: str, **options: Any) -> tuple[str, list[str]]:
    """Complete characters and tokens of transformers' own ``generate``."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    output = model.generate(**inputs, do_sample=False, pad_token_id=0, **options)[0]
    new = output[inputs["input_ids"].shape[1] :]
    text = tokenizer.decode(new, skip_special_tokens=True).rstrip("\ufffd")
    return text, [tokenizer.decode([token]) for token in new.tolist()]


def tokens_of(answer: TextResponse[Any]) -> list[str]:
    """The tokens an answer was made of."""
    return [entry.token for entry in answer.candidates[0].logprobs or ()]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "qwen2", "mamba"])
async def test_greedy_equals_generate(kind: str, models: Path, backend: LocalBackend) -> None:
    folder = save_model(models / f"greedy-{kind}", kind)
    for prompt in (PROMPT, "the brave cat", "naïve café 🙂 and a longer prompt than the window"):
        expected, tokens = reference(folder, prompt, max_new_tokens=40)
        answer = await ask(backend, folder, prompt, max_tokens=40, temperature=0, logprobs=0)
        assert tokens_of(answer) == [token for token in tokens if token != "<|endoftext|>"]
        assert answer.text.rstrip("\ufffd") == expected
        assert answer.usage.output_tokens == len(tokens)
        assert answer.reproducible


async def test_a_long_prompt_read_in_parts_equals_generate(
    models: Path, backend: LocalBackend
) -> None:
    for kind in ("llama", "mistral"):
        folder = save_model(models / f"long-{kind}", kind, max_position_embeddings=2048)
        prompt = "the brave cat told a story. " * 120
        _, tokens = reference(folder, prompt, max_new_tokens=12)
        answer = await ask(backend, folder, prompt, max_tokens=12, temperature=0, logprobs=0)
        assert answer.usage.input_tokens is not None
        assert answer.usage.input_tokens > 1024, "the prompt takes three parts"
        assert tokens_of(answer) == tokens
    steps = {one.model: one.steps for one in backend.loaded()}
    assert steps[str(models / "long-llama")] == 1 + 11, "nobody runs: three parts in one step"
    assert steps[str(models / "long-mistral")] == 3 + 11, "three steps, the last gives a token"


async def test_repetition_penalty_equals_generate(llama: Path, backend: LocalBackend) -> None:
    _, penalised = reference(llama, PROMPT, max_new_tokens=30, repetition_penalty=1.7)
    _, plain = reference(llama, PROMPT, max_new_tokens=30)
    options = {"local": LocalTextOptions(repetition_penalty=1.7)}
    answer = await ask(
        backend, llama, PROMPT, max_tokens=30, temperature=0, options=options, logprobs=0
    )
    assert tokens_of(answer) == penalised != plain


async def test_forbidden_repeats_equal_generate(llama: Path, backend: LocalBackend) -> None:
    _, without = reference(llama, PROMPT, max_new_tokens=30, no_repeat_ngram_size=1)
    _, plain = reference(llama, PROMPT, max_new_tokens=30)
    options = {"local": LocalTextOptions(no_repeat_ngram_size=1)}
    answer = await ask(
        backend, llama, PROMPT, max_tokens=30, temperature=0, options=options, logprobs=0
    )
    assert tokens_of(answer) == without != plain


async def test_candidates_end_on_their_own_and_the_first_is_the_one_alone(
    llama: Path, backend: LocalBackend
) -> None:
    fields: dict[str, Any] = {"max_tokens": 25, "temperature": 1.0, "seed": 11, "stop": ["e"]}
    alone = await ask(backend, llama, PROMPT, **fields)
    four = await ask(backend, llama, PROMPT, n=4, **fields)
    assert len(four.candidates) == 4
    assert four.candidates[0].text == alone.text
    assert len({candidate.text for candidate in four.candidates}) == 4
    lengths = {candidate.finish_reason for candidate in four.candidates}
    assert lengths == {"length", "stop_sequence"}, "rows left the batch at different steps"
    again = await ask(backend, llama, PROMPT, n=4, **fields)
    assert [c.text for c in again.candidates] == [c.text for c in four.candidates]


async def test_greedy_candidates_equal_generate_in_a_batch(
    llama: Path, backend: LocalBackend
) -> None:
    expected, _ = reference(llama, PROMPT, max_new_tokens=20)
    answer = await ask(backend, llama, PROMPT, n=3, temperature=0, max_tokens=20)
    assert {candidate.text.rstrip("\ufffd") for candidate in answer.candidates} == {expected}
    assert answer.usage.output_tokens == 60


async def test_candidates_of_a_model_with_a_running_state(
    models: Path, backend: LocalBackend
) -> None:
    """Its cache can neither copy nor drop rows; the answers are the same as one by one."""
    folder = save_model(models / "running-state", "mamba")
    fields: dict[str, Any] = {"max_tokens": 12, "temperature": 1.0, "seed": 11, "stop": ["e"]}
    alone = await ask(backend, folder, PROMPT, **fields)
    three = await ask(backend, folder, PROMPT, n=3, **fields)
    assert three.candidates[0].text == alone.text
    assert len({candidate.text for candidate in three.candidates}) == 3
    deltas, streamed = await stream(backend, folder, PROMPT, n=3, **fields)
    for index, candidate in enumerate(streamed.candidates):
        assert joined(deltas, index) == candidate.text == three.candidates[index].text
    assert {candidate.finish_reason for candidate in three.candidates} == {
        "length",
        "stop_sequence",
    }


async def test_a_model_with_a_cache_of_its_own_is_refused(
    models: Path, backend: LocalBackend
) -> None:
    with pytest.raises(ModelLoadError, match="a cache of their own"):
        await ask(backend, save_model(models / "rwkv", "rwkv"), PROMPT)


async def test_seeds(llama: Path, backend: LocalBackend) -> None:
    fields: dict[str, Any] = {"max_tokens": 30, "temperature": 1.0}
    first = await ask(backend, llama, PROMPT, seed=1, **fields)
    torch.manual_seed(99)  # the process's own generator has no say
    again = await ask(backend, llama, PROMPT, seed=1, **fields)
    other = await ask(backend, llama, PROMPT, seed=2, **fields)
    free = await ask(backend, llama, PROMPT, **fields)
    freer = await ask(backend, llama, PROMPT, **fields)
    assert first.text == again.text != other.text
    assert first.reproducible
    assert not free.reproducible
    assert free.text != freer.text


async def test_without_temperature_the_model_decides(models: Path, backend: LocalBackend) -> None:
    folder = save_model(
        models / "samples", generation={"do_sample": True, "temperature": 0.9, "top_k": 1}
    )
    _, greedy = reference(folder, PROMPT, max_new_tokens=10, top_k=None, temperature=None)
    answer = await ask(backend, folder, PROMPT, max_tokens=10, logprobs=0)
    assert tokens_of(answer) == greedy, "its top_k of 1 was used"
    wide = await ask(backend, folder, PROMPT, max_tokens=10, seed=5, top_k=300, temperature=2)
    assert wide.text != answer.text


async def test_default_length_is_what_the_context_leaves(
    llama: Path, backend: LocalBackend
) -> None:
    answer = await ask(backend, llama, PROMPT, logit_bias={0: -100})
    assert answer.usage.total_tokens == 128
    assert answer.finish_reason == "length"
    assert answer.warnings == ()


async def test_a_length_over_the_context_is_lowered_with_a_note(
    llama: Path, backend: LocalBackend
) -> None:
    answer = await ask(backend, llama, PROMPT, max_tokens=1000, logit_bias={0: -100})
    (note,) = answer.warnings
    assert (note.kind, note.parameter) == ("adapted", "max_tokens")
    assert note.sent == answer.usage.output_tokens == 128 - (answer.usage.input_tokens or 0)


async def test_a_conversation_over_the_context_is_refused_and_nobody_else_speaks(
    backend: LocalBackend, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(ContextLengthError, match="1024"):
            await ask(backend, "storyteller", "word " * 1200)
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.messages == []


async def test_a_prompt_over_the_context_is_refused(llama: Path, backend: LocalBackend) -> None:
    with pytest.raises(ContextLengthError, match="128") as caught:
        await ask(backend, llama, "cat " * 200)
    assert (caught.value.provider, caught.value.model) == ("local", str(llama))
    with pytest.raises(ContextLengthError, match="characters"):
        await ask(backend, llama, "x" * 40_000)
    assert (await ask(backend, llama, PROMPT, max_tokens=1)).text is not None


async def test_the_end_token_ends_and_is_not_text(models: Path, backend: LocalBackend) -> None:
    tokenizer = byte_tokenizer()
    story = tokenizer.encode(" cat moon.", add_special_tokens=False)
    folder = save_model(models / "cat", prepare=says(story))
    answer = await ask(backend, folder, "tell", temperature=0)
    assert (answer.text, answer.finish_reason) == (" cat moon.", "stop")
    assert answer.usage.output_tokens == len(story) + 1


async def test_any_end_token_of_the_generation_config_ends(
    models: Path, backend: LocalBackend
) -> None:
    tokenizer = byte_tokenizer()
    story = tokenizer.encode("abc", add_special_tokens=False)
    folder = save_model(
        models / "ends", prepare=says(story), generation={"eos_token_id": [1, story[2]]}
    )
    answer = await ask(backend, folder, "tell", temperature=0)
    assert (answer.text, answer.finish_reason) == ("ab", "stop")


async def test_special_tokens_never_become_text(models: Path, backend: LocalBackend) -> None:
    tokenizer = byte_tokenizer()
    user = tokenizer.convert_tokens_to_ids("<|user|>")
    story = [tokenizer.encode("a")[0], user, tokenizer.encode("b")[0]]
    folder = save_model(models / "special", prepare=says(story))
    deltas, answer = await stream(backend, folder, "tell", temperature=0)
    assert joined(deltas) == answer.text == "ab"


async def test_emoji_arrive_whole(models: Path, backend: LocalBackend) -> None:
    text = "A🙂b é!"
    story = byte_tokenizer().encode(text, add_special_tokens=False)
    assert len(story) == len(set(story)), "each token can be said once"
    assert len(story) > len(text), "the emoji take several tokens"
    folder = save_model(models / "emoji", prepare=says(story), tokenizer=byte_tokenizer())
    deltas, answer = await stream(backend, folder, "tell", temperature=0)
    assert answer.text == joined(deltas) == text
    assert all("\ufffd" not in delta.text for delta in deltas)


async def test_a_cut_emoji_is_left_out(models: Path, backend: LocalBackend) -> None:
    story = byte_tokenizer().encode("A🙈", add_special_tokens=False)
    folder = save_model(models / "cut", prepare=says(story))
    answer = await ask(backend, folder, "tell", temperature=0, max_tokens=len(story) - 1)
    assert (answer.text, answer.finish_reason) == ("A", "length")


def half_told() -> tuple[list[int], str, str]:
    """A token of letters and half a character between two of a letter each; the letters; a stop."""
    tokenizer = byte_tokenizer()
    texts = {token: tokenizer.decode([token]) for token in range(len(tokenizer))}
    token, text = next(
        (token, text)
        for token, text in texts.items()
        if len(text) > 1 and text.endswith("\ufffd") and text[0] not in "\ufffdAB"
    )
    first, last = (tokenizer.encode(letter)[0] for letter in "AB")
    return [first, token, last], text.rstrip("\ufffd"), text[0]


async def test_letters_before_a_cut_character_are_kept(models: Path, backend: LocalBackend) -> None:
    story, letters, start = half_told()
    folder = save_model(models / "half-told", prepare=says(story))
    cut: dict[str, Any] = {"temperature": 0, "max_tokens": 2}
    deltas, answer = await stream(backend, folder, "tell", **cut)
    assert answer.text == joined(deltas) == f"A{letters}"
    assert answer.finish_reason == "length"
    _, answer = await stream(backend, folder, "tell", stop=[start], **cut)
    assert (answer.text, answer.finish_reason) == ("A", "stop_sequence")
    ended = save_model(models / "half-ended", prepare=says(story[:2]))
    answer = await ask(backend, ended, "tell", temperature=0)
    assert (answer.text, answer.finish_reason) == (f"A{letters}", "stop")
    whole = await ask(backend, folder, "tell", temperature=0)
    assert whole.text == f"A{letters}\ufffdB", "in the midst of a text nothing is left out"


async def test_the_space_before_the_first_word_survives(
    models: Path, backend: LocalBackend
) -> None:
    tokenizer = metaspace_tokenizer()
    story = tokenizer.encode("cat", add_special_tokens=False)
    folder = save_model(models / "metaspace", tokenizer=tokenizer, prepare=says(story))
    answer = await ask(backend, folder, "the brave", temperature=0)
    assert answer.text == " cat"


@pytest.mark.parametrize(
    ("stop", "text", "reason"),
    [
        (["lo"], "he", "stop_sequence"),
        (["zzz"], "helo wrd!", "stop"),
        (["o w", "wr"], "hel", "stop_sequence"),
        (["rd!", "d"], "helo wr", "stop_sequence"),
        (["rd?"], "helo wrd!", "stop"),
        (["!x"], "helo wrd!", "stop"),
    ],
)
async def test_stop_strings(
    stop: list[str], text: str, reason: str, models: Path, backend: LocalBackend
) -> None:
    folder = models / "helo"
    if not folder.exists():
        story = byte_tokenizer().encode("helo wrd!", add_special_tokens=False)
        save_model(folder, prepare=says(story))
    deltas, answer = await stream(backend, folder, "say", temperature=0, stop=stop)
    assert (answer.text, answer.finish_reason) == (text, reason)
    assert joined(deltas) == text, "nothing of a stop string was shown"


async def test_streams_of_several_candidates(llama: Path, backend: LocalBackend) -> None:
    deltas, answer = await stream(backend, llama, PROMPT, n=3, temperature=1, seed=3, max_tokens=15)
    for index, candidate in enumerate(answer.candidates):
        assert joined(deltas, index) == candidate.text
    whole = await ask(backend, llama, PROMPT, n=3, temperature=1, seed=3, max_tokens=15)
    assert whole == answer


async def test_logprobs_are_the_model_s_own(llama: Path, backend: LocalBackend) -> None:
    answer = await ask(
        backend, llama, PROMPT, temperature=0, max_tokens=5, logprobs=3, logit_bias={50: 100}
    )
    tokenizer = AutoTokenizer.from_pretrained(llama)
    model = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    ids = tokenizer(PROMPT)["input_ids"] + [50] * 4
    logs = model(torch.tensor([ids])).logits[0].detach().log_softmax(-1)
    logprobs = answer.candidates[0].logprobs
    assert logprobs is not None
    assert len(logprobs) == 5
    for n, entry in enumerate(logprobs):
        row = logs[len(ids) - 5 + n]
        assert entry.token == tokenizer.decode([50])
        assert entry.logprob == pytest.approx(float(row[50]), abs=1e-4)
        best = row.topk(3)
        names = [tokenizer.decode([token]) for token in best.indices.tolist()]
        assert [name for name, _ in entry.alternatives] == names
        assert [value for _, value in entry.alternatives] == pytest.approx(
            best.values.tolist(), abs=1e-4
        )


async def test_logprobs_end_where_the_text_ends(models: Path, backend: LocalBackend) -> None:
    story = byte_tokenizer().encode("xyzw", add_special_tokens=False)
    folder = save_model(models / "xyzw", prepare=says(story))
    answer = await ask(backend, folder, "q", temperature=0, logprobs=0, stop=["zw"])
    logprobs = answer.candidates[0].logprobs
    assert answer.text == "xy"
    assert logprobs is not None
    assert [entry.token for entry in logprobs] == ["x", "y"]
    assert logprobs[0].alternatives == ()
    whole = await ask(backend, folder, "q", temperature=0, logprobs=0)
    assert [entry.token for entry in whole.candidates[0].logprobs or ()] == list("xyzw")
    silent = await ask(backend, folder, "q", temperature=0)
    assert silent.candidates[0].logprobs is None


async def test_penalties_and_bias_change_the_choice(llama: Path, backend: LocalBackend) -> None:
    plain = await ask(backend, llama, PROMPT, temperature=0, max_tokens=20, logit_bias={60: 50})
    spread = await ask(
        backend, llama, PROMPT, temperature=0, max_tokens=20, logit_bias={60: 50},
        frequency_penalty=2,
    )  # fmt: skip
    word = AutoTokenizer.from_pretrained(llama).decode([60])
    assert plain.text == word * 20
    assert spread.text != plain.text or len(set(spread.text)) == 1


async def test_a_bias_outside_the_vocabulary_is_refused(llama: Path, backend: LocalBackend) -> None:
    with pytest.raises(InvalidRequestError, match="logit_bias: token 5000"):
        await ask(backend, llama, PROMPT, logit_bias={5000: 1.0})


async def test_a_tokenizer_of_another_model_is_refused(models: Path, backend: LocalBackend) -> None:
    folder = save_model(models / "small-vocabulary")
    save_model(folder, vocab_size=100)
    with pytest.raises(InvalidRequestError, match="different models"):
        await ask(backend, folder, "the moon")


async def test_scores_that_are_no_numbers_fail_the_call_alone(
    models: Path, backend: LocalBackend
) -> None:
    def spoil(model: Any) -> None:
        with torch.no_grad():
            model.lm_head.weight.fill_(float("nan"))

    folder = save_model(models / "nan", prepare=spoil)
    for _ in range(2):
        with pytest.raises(LocalError, match="float32") as caught:
            await ask(backend, folder, PROMPT)
        assert type(caught.value) is LocalError
    assert backend.loaded()[0].state == "ready"


async def test_the_answer_says_where_it_came_from(llama: Path, backend: LocalBackend) -> None:
    answer = await ask(backend, llama, PROMPT, max_tokens=2)
    assert answer.provider == "local"
    assert answer.model == str(llama)
    assert answer.provider_details == {"device": "cpu", "dtype": "float32"}
    assert answer.cost is None
    (status,) = backend.loaded()
    assert (status.model, status.state, status.device) == (str(llama), "ready", "cpu")
    assert status.parameters > 10_000
    assert status.weight_bytes > 4 * status.parameters


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
async def test_on_a_cuda_device(llama: Path) -> None:  # pragma: no cover
    local = LocalBackend()
    try:
        answer = await ask(local, llama, PROMPT, max_tokens=20, temperature=1, top_p=0.9, seed=4)
        again = await ask(local, llama, PROMPT, max_tokens=20, temperature=1, top_p=0.9, seed=4)
        assert answer.text == again.text
        assert answer.provider_details["device"] == "cuda"
    finally:
        await local.aclose()
