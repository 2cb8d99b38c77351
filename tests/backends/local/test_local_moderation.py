"""Verdicts of text classifiers: scores as the model gives them, flags by threshold and label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
)

import gensdk
from gensdk.backends.local import LocalBackend
from gensdk.errors import InvalidRequestError, ModelLoadError, UnsupportedFeatureError
from gensdk.types import ModerationRequest
from tests.support.local_calls import context
from tests.support.tiny_models import byte_tokenizer

TEXTS = ["the brave cat", "moon", "once upon a time there was a friendly robot"]


def save_classifier(folder: Path, labels: list[str], problem: str | None = None) -> Path:
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = "<|endoftext|>"
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        id2label=dict(enumerate(labels)),
        label2id={label: n for n, label in enumerate(labels)},
        problem_type=problem,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def logits(folder: Path, text: str) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        found: torch.Tensor = network(**tokenizer(text, return_tensors="pt")).logits[0]
    return found


@pytest.mark.parametrize("problem", [None, "multi_label_classification"])
async def test_scores_are_the_model_s_probabilities(
    problem: str | None, tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_classifier(tmp_path / "judge", ["safe", "hate", "violence"], problem)
    answer = await backend.moderate(ModerationRequest(inputs=TEXTS), context(folder))
    for text, verdict in zip(TEXTS, answer.verdicts, strict=True):
        raw = logits(folder, text)
        expected = (raw.sigmoid() if problem else raw.softmax(-1)).tolist()
        assert list(verdict.scores) == ["safe", "hate", "violence"]
        assert list(verdict.scores.values()) == pytest.approx(expected, abs=1e-5)
        over = tuple(
            label for label, score in verdict.scores.items() if label != "safe" and score >= 0.5
        )
        assert verdict.categories == over
        assert verdict.flagged == bool(over)
    assert answer.reproducible


async def test_threshold_and_harmless_labels_are_the_caller_s(
    tmp_path: Path, backend: LocalBackend
) -> None:
    folder = save_classifier(tmp_path / "judge", ["LABEL_0", "LABEL_1"])

    async def ask(**options: Any) -> tuple[str, ...]:
        request = ModerationRequest(inputs=["moon"], options={"local": options})
        (verdict,) = (await backend.moderate(request, context(folder))).verdicts
        return verdict.categories

    assert await ask(threshold=0) == ("LABEL_1",)
    assert await ask(threshold=0, harmless=["LABEL_1"]) == ("LABEL_0",)
    assert await ask(threshold=1) == ()
    with pytest.raises(InvalidRequestError, match="threshold"):
        await ask(threshold=2)


async def test_through_the_client(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "judge", ["ok", "spam"])
    async with gensdk.Client() as client:
        answer = await client.moderate(TEXTS, model=f"local:{folder}")
        assert client.capabilities(f"local:{folder}").abilities == {"moderate"}
        picture = b"\x89PNG\r\n\x1a\n" + bytes(20)
        with pytest.raises(UnsupportedFeatureError, match="images"):
            await client.moderate(TEXTS, images=[picture], model=f"local:{folder}")
    assert len(answer.verdicts) == 3


async def test_a_head_that_was_never_trained_is_an_error(
    tmp_path: Path, backend: LocalBackend
) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_classifier(tmp_path / "judge", ["ok", "spam"])
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"], weights["classifier.bias"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelLoadError, match="lacks weights"):
        await backend.moderate(ModerationRequest(inputs=["moon"]), context(folder))
