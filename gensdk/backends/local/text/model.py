"""A folder on disk becomes a language model on a device. Runs in a worker thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gensdk.errors import ModelLoadError

from ..device import DeviceChoice
from ..loading import Check, loading
from ..networks import CLOSED, attention_for, load_network, read_config
from ..safety import ModelFolder
from ..worker import Worker, WorkerFacts, WorkerLimits
from .adapters import Adapters
from .chat import build_prompt, require_control_tokens
from .checks import refuse_languages, require_known
from .job import TextJob
from .sampling import SamplingDefaults

__all__ = ["LoadedModel", "context_tokens_of", "counting", "describe", "load", "load_model"]

_CONTEXT_FIELDS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
_CACHE_ARGUMENTS = ("past_key_values", "cache_params")  # Mamba has the second
_SENSIBLE_LENGTH = 10**8  # tokenizers without a limit say 1e30


@dataclass(slots=True)
class LoadedModel:
    """A causal language model ready to run.

    Attributes:
        network: The transformers model, in evaluation mode.
        tokenizer: Its tokenizer.
        device: torch name of the device.
        dtype: torch name of the number format.
        context_tokens: Prompt and answer together, None where the model has no limit.
        vocabulary: Number of scores the model gives per step.
        end_ids: Tokens that end an answer.
        defaults: How the model's makers want it sampled.
        cache_argument: Name under which the forward pass takes its cache.
        takes_logits_to_keep: Whether the forward pass can skip scores nobody reads.
        parameters: Number of weights.
        weight_bytes: Size of the weight files.
        adapters: Its low-rank adapters.
        grammar_tokenizer: The tokenizer as ``grammar`` reads it, once that was needed.
    """

    network: Any
    tokenizer: Any
    device: str
    dtype: str
    context_tokens: int | None
    vocabulary: int
    end_ids: frozenset[int]
    defaults: SamplingDefaults
    cache_argument: str
    takes_logits_to_keep: bool
    parameters: int
    weight_bytes: int
    adapters: Adapters
    grammar_tokenizer: Any = None

    @property
    def facts(self) -> WorkerFacts:
        """What a worker tells of it."""
        return WorkerFacts(self.device, self.dtype, self.parameters, self.weight_bytes)


def load(
    folder: ModelFolder, choice: DeviceChoice, check: Check, limits: WorkerLimits
) -> Worker[Any]:
    """Load a model and the scheduler that serves it; errors as in ``load_model``."""
    from .batching import BatchScheduler
    from .generation import is_batchable
    from .scheduler import RoundRobinScheduler

    model = load_model(folder, choice, check)
    return (BatchScheduler if is_batchable(model) else RoundRobinScheduler)(model, limits)


def load_model(folder: ModelFolder, choice: DeviceChoice, check: Check) -> LoadedModel:
    """Load network and tokenizer.

    Only safetensors, no code of the model's own, no network, an attention that is part of torch.

    Raises:
        ModelLoadError: Not a causal language model, or its weights do not fit its configuration.
        Exception: Whatever torch and transformers raise; ``failures.load_failure`` types it.
    """
    require_control_tokens()
    with loading(check):
        tokenizer = _load_tokenizer(folder)
        check()
        network = _load_network(folder, choice, check)
    return describe(folder, choice, network, tokenizer)


def _load_network(folder: ModelFolder, choice: DeviceChoice, check: Check) -> Any:
    from transformers import AutoModelForCausalLM

    config = _read_config(folder)
    attention = attention_for(AutoModelForCausalLM, config)
    network = load_network(
        folder, choice, AutoModelForCausalLM, config, check=check, attention=attention
    )
    takes = inspect.signature(network.forward).parameters
    standard = network._supports_default_dynamic_cache()  # noqa: SLF001  # no public question
    if not standard or not any(name in takes for name in _CACHE_ARGUMENTS):
        raise ModelLoadError(f"{folder.model_type} models keep a cache of their own; not supported")
    return network


def counting(folder: ModelFolder, check: Check) -> Callable[[TextJob], int]:
    """What counts the tokens of prompts for a model, from its tokenizer and configuration alone.

    Raises:
        ModelLoadError: Not a causal language model.
        Exception: As ``load_model``.
    """
    require_control_tokens()
    with loading(check):
        tokenizer, config = _load_tokenizer(folder), _read_config(folder)
    return partial(
        _count,
        tokenizer,
        context_tokens_of(config, tokenizer),
        int(config.get_text_config().vocab_size),
    )


def _count(tokenizer: Any, context_tokens: int | None, vocabulary: int, job: TextJob) -> int:
    refuse_languages(job)
    ids = build_prompt(tokenizer, job, context_tokens).ids
    require_known(ids, vocabulary)
    return len(ids)


def _read_config(folder: ModelFolder) -> Any:
    config = read_config(folder)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelLoadError(
            f"{folder.model_type} models have an encoder and a decoder; gensdk runs causal "
            "language models so far"
        )
    return config


def _load_tokenizer(folder: ModelFolder) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder.path), **CLOSED)


def describe(
    folder: ModelFolder, choice: DeviceChoice, network: Any, tokenizer: Any
) -> LoadedModel:
    """What a network and its tokenizer say about themselves."""
    generation = getattr(network, "generation_config", None)
    takes = inspect.signature(network.forward).parameters
    return LoadedModel(
        network=network,
        tokenizer=tokenizer,
        device=choice.device,
        dtype=choice.dtype,
        context_tokens=context_tokens_of(network.config, tokenizer),
        vocabulary=int(network.config.get_text_config().vocab_size),
        end_ids=_end_ids(generation, tokenizer),
        defaults=SamplingDefaults.of(generation),
        cache_argument=next(name for name in _CACHE_ARGUMENTS if name in takes),
        takes_logits_to_keep="logits_to_keep" in takes,
        parameters=int(network.num_parameters()),
        weight_bytes=folder.weight_bytes,
        adapters=Adapters(network),
    )


def context_tokens_of(config: Any, tokenizer: Any) -> int | None:
    """Prompt and answer together, None where a model has no limit."""
    text = config.get_text_config()
    sizes = [getattr(text, name, None) for name in _CONTEXT_FIELDS]
    found = [size for size in sizes if isinstance(size, int) and size > 0]
    length = tokenizer.model_max_length
    if isinstance(length, int) and 0 < length < _SENSIBLE_LENGTH:
        found.append(length)
    return min(found, default=None)


def _end_ids(generation: Any, tokenizer: Any) -> frozenset[int]:
    ends = getattr(generation, "eos_token_id", None)
    ids = {*ends} if isinstance(ends, list | tuple) else {ends}
    return frozenset(token for token in {*ids, tokenizer.eos_token_id} if token is not None)
