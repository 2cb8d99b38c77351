"""The script that makes the storyteller: small runs of the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gensdk.backends.local.demo import train_storyteller as trainer

SMALL = trainer.Recipe(
    steps=3, threads=1, vocabulary=400, tokenizer_documents=40, hidden=32, inner=64, layers=1,
    heads=2, positions=256, batch_tokens=512, warmup_steps=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(recipe: trainer.Recipe) -> tuple[str, list[torch.Tensor], float]:
    tokenizer = trainer.train_tokenizer(recipe)
    model, figures = trainer.train(recipe, tokenizer)
    weights = [weight.detach().clone() for weight in model.parameters()]
    return tokenizer.backend_tokenizer.to_str(), weights, figures["loss"]


def test_the_same_seed_makes_the_same_model_and_another_seed_another() -> None:
    first, again = trained(SMALL), trained(SMALL)
    assert first[0] == again[0]
    assert all(torch.equal(a, b) for a, b in zip(first[1], again[1], strict=True))
    other = trained(replace(SMALL, seed=1))
    assert not all(torch.equal(a, b) for a, b in zip(first[1], other[1], strict=False))


def test_training_learns() -> None:
    longer = replace(SMALL, steps=60)
    assert trained(longer)[2] < trained(SMALL)[2] - 0.3


def test_a_folder_is_made_that_the_ordinary_path_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer, "checks", lambda tokenizer: [])  # the evaluation takes minutes
    trainer.make(tmp_path, SMALL)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert model.config.hidden_size == 32
    assert (
        tokenizer.decode(tokenizer("Zürich 🐈", add_special_tokens=False).input_ids) == "Zürich 🐈"
    )
    assert "3 steps" in (tmp_path / "README.md").read_text("utf-8")
    assert "| prompt |" in capsys.readouterr().out
