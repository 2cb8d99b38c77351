"""One tiny model of each family of vision-language models: what they say is what they would say."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gensdk.backends.local import LocalBackend, LocalTextOptions
from gensdk.backends.local.device import DeviceChoice
from gensdk.backends.local.safety import inspect_folder
from gensdk.backends.local.text.scheduler import RoundRobinScheduler
from gensdk.backends.local.vision.batching import VisionScheduler
from gensdk.backends.local.vision.model import LoadedVision, load, load_vision
from gensdk.backends.local.worker import WorkerLimits
from gensdk.errors import InvalidRequestError
from tests.support.local_calls import ask
from tests.support.local_pictures import file_of, gate_steps, gradient
from tests.support.tiny_models import Gate
from tests.support.tiny_vision import plain, save_llava, save_qwen
from tests.support.tiny_vision_families import FAMILIES, save_family

# peft's own model, made here to compare with, asks transformers by an old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

HERE = DeviceChoice("cpu", "float32", "the tests")
TURNS = {"gemma3", "llava-mistral", "mllama", "paligemma", "qwen3.5"}
"""Families whose rows cannot share a pass."""


def tokens_of(answer: Any) -> list[str]:
    return [entry.token for entry in answer.candidates[0].logprobs or ()]


def said(sight: LoadedVision, pictures: list[Any], text: str, network: Any = None) -> list[int]:
    """What ``generate()`` says to pictures and a text behind them, up to the end."""
    tokenizer, options = sight.model.tokenizer, {}
    if sight.reader.template is None:
        prompt = sight.reader.processor.image_token * len(pictures) + text
    else:
        parts = [*({"type": "image"} for _ in pictures), {"type": "text", "text": text}]
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": parts}],
            chat_template=sight.reader.template,
            add_generation_prompt=True,
            tokenize=False,
        )
        options["add_special_tokens"] = False
    inputs = sight.reader.processor(
        text=[prompt], images=[pictures] if pictures else None, return_tensors="pt", **options
    )
    before = inputs["input_ids"].shape[1]
    made = (network or sight.model.network).generate(
        **inputs, max_new_tokens=14, do_sample=False, pad_token_id=0
    )
    return [token for token in made[0, before:].tolist() if token != 0]


def words_of(folder: Path, tokens: list[int]) -> list[str]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [tokenizer.decode([token]) for token in tokens]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # numpy about PaliGemma
async def test_each_family_says_what_generate_says(
    family: str, models: Path, backend: LocalBackend
) -> None:
    folder = save_family(models / family, family)
    sight = load_vision(inspect_folder(folder), HERE, lambda: None)
    questions: list[tuple[list[Any], str]] = [
        ([gradient(84, 28)], "what?"),
        ([plain("red"), plain("blue", 90, 20)], "which?"),
        ([plain("blue"), plain("red", 90, 20)], "which?"),
    ]
    if sight.reader.template is not None:
        questions.append(([], "a story"))
    expected = [said(sight, pictures, text) for pictures, text in questions]
    assert len({tuple(tokens) for tokens in expected}) == len(expected), "the pictures matter"
    asked = [[*map(file_of, pictures), text] for pictures, text in questions]
    fields: dict[str, Any] = {"max_tokens": 14, "temperature": 0, "logprobs": 0}
    drawn: dict[str, Any] = {"max_tokens": 14, "temperature": 1.0, "seed": 3, "n": 2}
    alone = [await ask(backend, folder, prompt, **drawn) for prompt in asked]
    together = await asyncio.gather(
        *(ask(backend, folder, prompt, **fields) for prompt in asked),
        *(ask(backend, folder, prompt, **drawn) for prompt in asked),
    )
    assert [tokens_of(answer) for answer in together[: len(asked)]] == [
        words_of(folder, tokens) for tokens in expected
    ]
    assert together[len(asked) :] == alone


def test_rows_share_a_pass_where_they_can(models: Path) -> None:
    for family in FAMILIES:
        folder = save_family(models / family, family)
        worker = load(inspect_folder(folder), HERE, lambda: None, WorkerLimits())
        kind = RoundRobinScheduler if family in TURNS else VisionScheduler
        assert type(worker) is kind, family


@pytest.fixture(scope="module")
def llava(models: Path) -> Path:
    return save_llava(models / "llava-shared")


@pytest.mark.parametrize("save", [save_llava, save_qwen])
async def test_calls_share_their_passes(
    save: Callable[[Path], Path],
    tmp_path: Path,
    backend: LocalBackend,
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import transformers

    folder = save(tmp_path / "model")
    for kind in ("LlavaForConditionalGeneration", "Qwen2VLForConditionalGeneration"):
        gate_steps(monkeypatch, getattr(transformers, kind))
    prompts = [[file_of(plain(color)), "?"] for color in ("red", "blue", "green", "white")]
    await backend.preload(str(folder))
    fields: dict[str, Any] = {"max_tokens": 12, "logit_bias": {0: -100}}
    await asyncio.gather(*(ask(backend, folder, prompt, n=3, **fields) for prompt in prompts))
    assert gate.passes <= 4 + 11 + 3, "each prompt is read once, the rest is said together"


async def test_who_comes_later_does_not_hold_up_the_others(
    tmp_path: Path, backend: LocalBackend, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two prompts with pictures everybody says a token."""
    from transformers import LlavaForConditionalGeneration

    folder = save_llava(tmp_path / "model")
    rows: list[int] = []
    real: Any = LlavaForConditionalGeneration.forward

    @functools.wraps(real)
    def forward(self: Any, *args: Any, **options: Any) -> Any:
        rows.append(0 if options.get("pixel_values") is not None else len(options["input_ids"]))
        return real(self, *args, **options)

    monkeypatch.setattr(LlavaForConditionalGeneration, "forward", forward)
    await backend.preload(str(folder))
    fields: dict[str, Any] = {"max_tokens": 12, "logit_bias": {0: -100}}
    prompt = [file_of(plain("red")), "?"]
    await asyncio.gather(*(ask(backend, folder, prompt, **fields) for _ in range(5)))
    assert rows[:9] == [0, 1, 0, 2, 0, 3, 0, 4, 0]


async def test_guessing_ahead_changes_nothing(
    tmp_path: Path, backend: LocalBackend, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Qwen2VLForConditionalGeneration

    folder = save_qwen(tmp_path / "model")
    gate_steps(monkeypatch, Qwen2VLForConditionalGeneration)
    fields: dict[str, Any] = {
        "max_tokens": 60,
        "temperature": 0,
        "logit_bias": {100: 15, 101: 15, 102: 15},  # it says them again and again
        "logprobs": 0,
    }
    prompt = [file_of(gradient(84, 28)), "?"]
    plain_answer = await ask(backend, folder, prompt, **fields)
    passes, gate.passes = gate.passes, 0
    options = {"local": LocalTextOptions(prompt_lookup_num_tokens=6)}
    guessed = await ask(backend, folder, prompt, options=options, **fields)
    assert tokens_of(guessed) == tokens_of(plain_answer)
    assert gate.passes < passes, "some guesses were right"


async def test_lack_of_memory_delays_and_changes_nothing(
    tmp_path: Path, backend: LocalBackend, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Qwen2VLForConditionalGeneration

    folder = save_qwen(tmp_path / "model")
    prompts = [[file_of(plain(color, 30 * n, 30)), "?"] for n, color in enumerate(
        ("red", "blue", "green", "white"), 1
    )]  # fmt: skip
    fields: dict[str, Any] = {"max_tokens": 12, "temperature": 1.0, "seed": 2, "n": 2}
    alone = [await ask(backend, folder, prompt, **fields) for prompt in prompts]
    gate_steps(monkeypatch, Qwen2VLForConditionalGeneration)
    fails = {9, 12}

    def failures() -> Any:
        for number in range(1, 1000):
            yield torch.OutOfMemoryError("CUDA out of memory") if number in fails else None

    gate.failures = failures()
    together = await asyncio.gather(*(ask(backend, folder, prompt, **fields) for prompt in prompts))
    assert gate.passes > 12
    assert together == alone


# ------------------------------------------------------------------------------------ adapters
def save_adapter(base: Path, folder: Path) -> Path:
    """A LoRA adapter of random numbers for eyes and words."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(1)
    network = AutoModelForImageTextToText.from_pretrained(base)
    config = LoraConfig(
        r=4, lora_alpha=32, init_lora_weights=False, target_modules=["q_proj", "v_proj"]
    )
    get_peft_model(network, config).save_pretrained(folder)
    changed = json.loads((folder / "adapter_config.json").read_text())
    changed["init_lora_weights"] = True  # as an adapter says that was trained
    (folder / "adapter_config.json").write_text(json.dumps(changed))
    return folder


async def test_adapters_look_and_speak(llava: Path, tmp_path: Path, backend: LocalBackend) -> None:
    from peft import PeftModel

    adapter = save_adapter(llava, tmp_path / "adapter")
    sight = load_vision(inspect_folder(llava), HERE, lambda: None)
    pictures = [plain("red"), plain("blue")]
    base = said(sight, pictures, "?")
    adapted = said(sight, pictures, "?", PeftModel.from_pretrained(sight.model.network, adapter))
    assert base != adapted
    prompt = [*map(file_of, pictures), "?"]
    fields: dict[str, Any] = {"max_tokens": 14, "temperature": 0, "logprobs": 0}
    names = [str(llava), f"{llava}+{adapter}"]
    together = await asyncio.gather(*(ask(backend, name, prompt, **fields) for name in names * 2))
    heard = [words_of(llava, tokens) for tokens in (base, adapted)]
    assert [tokens_of(answer) for answer in together] == heard * 2
    with pytest.raises(InvalidRequestError, match="adapter_model"):
        await ask(backend, f"{llava}+{llava}", prompt)
