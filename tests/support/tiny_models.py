"""Tiny real language models with tokenizers, made from configurations; nothing is downloaded.

``gated`` models run the same code as any other, but each forward pass first asks a ``Gate``: a test
can hold a step, let it go, or make it fail. They are registered with transformers under a model
type of their own, so that a folder of theirs loads through the ordinary path.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CORPUS = [
    "once upon a time there was a friendly robot who lived in a small house near the sea",
    "the brave cat told a story about the moon, and everybody laughed 🙂🎈 naïve café",
]
SPECIAL = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]


def byte_tokenizer(chat: bool = False, vocabulary: int = 340) -> Any:
    """A byte-level BPE tokenizer, as GPT-2 and Qwen have; any text survives the round trip."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(CORPUS, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>")
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def metaspace_tokenizer() -> Any:
    """A tokenizer that marks words with a leading space, as Llama 2 has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=["<unk>", "<|endoftext|>"], show_progress=False
    )
    core.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>")


def configuration(kind: str, vocabulary: int, **changes: Any) -> Any:
    """A configuration with two narrow layers."""
    import transformers

    common = {"vocab_size": vocabulary, "eos_token_id": 0, "bos_token_id": None}
    if kind == "gpt2":
        sizes: dict[str, float] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
        return transformers.GPT2Config(**(common | sizes | changes))
    if kind == "mamba":
        sizes = {"hidden_size": 32, "state_size": 8, "num_hidden_layers": 2}
        return transformers.MambaConfig(**(common | sizes | {"initializer_range": 0.3} | changes))
    if kind == "rwkv":
        sizes = {"hidden_size": 32, "attention_hidden_size": 32, "num_hidden_layers": 2}
        return transformers.RwkvConfig(**(common | sizes | changes))
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "initializer_range": 0.3,  # wide enough that one token clearly beats the others
    }
    if kind == "mistral":
        sizes["sliding_window"] = 8
    names = {"llama": "LlamaConfig", "mistral": "MistralConfig", "qwen2": "Qwen2Config"}
    return getattr(transformers, names[kind])(**(common | sizes | changes))


def save_model(
    folder: Path,
    kind: str = "llama",
    *,
    tokenizer: Any = None,
    chat: bool = False,
    seed: int = 0,
    generation: dict[str, Any] | None = None,
    shard_size: str = "1GB",
    prepare: Callable[[Any], None] | None = None,
    **changes: Any,
) -> Path:
    """Make a model with random weights and save it with its tokenizer, as any other model is."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    tokenizer = tokenizer or byte_tokenizer(chat)
    torch.manual_seed(seed)
    config = configuration(kind, max(len(tokenizer), 8), **changes)
    model = AutoModelForCausalLM.from_config(config)
    if prepare is not None:
        prepare(model)
    for name, value in (generation or {}).items():
        setattr(model.generation_config, name, value)
    logging.disable_progress_bar()
    model.save_pretrained(folder, max_shard_size=shard_size)
    logging.enable_progress_bar()
    tokenizer.save_pretrained(folder)
    return folder


def says(tokens: list[int], then: int = 0) -> Callable[[Any], None]:
    """Make a llama say ``tokens`` one after the other, whatever it was asked.

    Attention and feed-forward are switched off; each token's embedding is its own direction, and
    the head maps the direction of one token to the next. ``then`` (the end) follows the last.
    """

    def prepare(model: Any) -> None:
        import torch

        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "o_proj" in name or "down_proj" in name:
                    weight.zero_()
            table, head = model.model.embed_tokens.weight, model.lm_head.weight
            table.zero_()
            head.zero_()
            chain = list(dict.fromkeys(tokens))
            for n, token in enumerate(chain):
                table[token, n + 1] = 1.0
                head[chain[n + 1] if n + 1 < len(chain) else then, n + 1] = 10.0
            first = chain[0]
            for token in range(table.shape[0]):
                if token not in chain:
                    table[token, 0] = 1.0
            head[first, 0] = 10.0

    return prepare


class Gate:
    """Decides what each forward pass of gated models does."""

    def __init__(self) -> None:
        """Start open."""
        self._permits: threading.Semaphore | None = None
        self.entered = threading.Semaphore(0)
        self.failures: Iterator[Exception] = iter(())
        self.passes = 0

    def close(self) -> None:
        """From now on each step waits for a permit."""
        self._permits = threading.Semaphore(0)

    def allow(self, steps: int = 1) -> None:
        """Let some steps go."""
        assert self._permits is not None
        self._permits.release(steps)

    def open(self) -> None:
        """Let everything go."""
        permits, self._permits = self._permits, None
        if permits is not None:
            permits.release(10_000)

    def enter(self) -> None:
        """Called by each forward pass."""
        permits = self._permits
        self.entered.release()
        if permits is not None:
            permits.acquire()
        self.passes += 1
        failure = next(self.failures, None)
        if failure is not None:
            raise failure


GATE = Gate()
_REGISTERED: list[type] = []


def register_gated() -> type:
    """Teach transformers the model type ``gated``: a llama whose steps go through ``GATE``."""
    if _REGISTERED:
        return _REGISTERED[0]
    from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    class GatedConfig(LlamaConfig):
        model_type = "gated"

    class GatedForCausalLM(LlamaForCausalLM):
        config_class = GatedConfig

        @functools.wraps(LlamaForCausalLM.forward)
        def forward(self, *args: Any, **options: Any) -> Any:
            GATE.enter()
            return super().forward(*args, **options)

    AutoConfig.register("gated", GatedConfig)
    AutoModelForCausalLM.register(GatedConfig, GatedForCausalLM)
    _REGISTERED.append(GatedForCausalLM)
    return GatedForCausalLM


def save_gated(folder: Path, **options: Any) -> Path:
    """A saved llama whose folder says it is of the type ``gated``."""
    register_gated()
    save_model(folder, "llama", **options)
    edit_json(folder / "config.json", model_type="gated", architectures=["GatedForCausalLM"])
    return folder


def edit_json(file: Path, **changes: Any) -> None:
    """Change some fields of a JSON file; None removes one."""
    content = json.loads(file.read_text(encoding="utf-8"))
    for name, value in changes.items():
        if value is None:
            content.pop(name, None)
        else:
            content[name] = value
    file.write_text(json.dumps(content), encoding="utf-8")
