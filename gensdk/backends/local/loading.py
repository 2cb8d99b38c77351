"""A folder on disk becomes a model on a device. Runs in a worker thread."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gensdk.errors import ModelLoadError

from .chat import require_control_tokens
from .device import DeviceChoice
from .safety import ModelFolder
from .sampling import SamplingDefaults
from .sizes import require_same_size

__all__ = ["Check", "LoadedModel", "load_model"]

Check = Callable[[], None]
"""Raises when the load is wanted no more."""

# transformers sets torch's default dtype and swaps initialisers while it loads, for the whole
# process: two loads at once would mix theirs up.
_LOADING = threading.Lock()

_CONTEXT_FIELDS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
_CACHE_ARGUMENTS = ("past_key_values", "cache_params")  # Mamba has the second
_GLANCE_SECONDS = 0.05  # how often one who waits for a turn looks whether it still should
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


def load_model(folder: ModelFolder, choice: DeviceChoice, check: Check) -> LoadedModel:
    """Load network and tokenizer.

    Only safetensors, no code of the model's own, no network, an attention that is part of torch.

    Raises:
        ModelLoadError: Not a causal language model, or its weights do not fit its configuration.
        Exception: Whatever torch and transformers raise; ``failures.load_failure`` types it.
    """
    require_control_tokens()
    with _turn(check), _watched_progress(check):
        check()
        tokenizer = _load_tokenizer(folder)
        check()
        network = _load_network(folder, choice, check)
    check()
    return _describe(folder, choice, network, tokenizer)


@contextmanager
def _turn(check: Check) -> Iterator[None]:
    """Wait until no other model is being loaded."""
    while not _LOADING.acquire(timeout=_GLANCE_SECONDS):
        check()
    try:
        yield
    finally:
        _LOADING.release()


def _load_network(folder: ModelFolder, choice: DeviceChoice, check: Check) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    place = str(folder.path)
    config = AutoConfig.from_pretrained(place, trust_remote_code=False, local_files_only=True)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelLoadError(
            f"{folder.model_type} models have an encoder and a decoder; gensdk runs causal "
            "language models so far"
        )
    attention = _attention(config)
    require_same_size(folder, config, attention)
    check()
    placement = {} if choice.device == "cpu" else {"device_map": choice.device}
    network, report = AutoModelForCausalLM.from_pretrained(
        place,
        config=config,
        dtype=getattr(torch, choice.dtype),
        attn_implementation=attention,
        trust_remote_code=False,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **placement,
    )
    _require_complete(folder, report)
    takes = inspect.signature(network.forward).parameters
    standard = network._supports_default_dynamic_cache()  # noqa: SLF001  # no public question
    if not standard or not any(name in takes for name in _CACHE_ARGUMENTS):
        raise ModelLoadError(f"{folder.model_type} models keep a cache of their own; not supported")
    return network.eval()


def _attention(config: Any) -> str:
    """``sdpa`` where the architecture has it, else ``eager``; never what a configuration says."""
    from transformers import AutoModelForCausalLM

    classes = AutoModelForCausalLM._model_mapping  # noqa: SLF001  # there is no public lookup
    kind = classes.get(type(config), None)
    return "sdpa" if getattr(kind, "_supports_sdpa", False) else "eager"


def _load_tokenizer(folder: ModelFolder) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        str(folder.path), trust_remote_code=False, local_files_only=True
    )


def _require_complete(folder: ModelFolder, report: dict[str, Any]) -> None:
    """Weights that are missing would silently be random numbers."""
    for key in ("missing_keys", "mismatched_keys"):
        names = sorted(str(name) for name in report.get(key) or ())
        if names:
            shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
            raise ModelLoadError(
                f"{folder.path} lacks weights that its configuration asks for ({len(names)}: "
                f"{shown}); the folder is incomplete or its config.json belongs to another model"
            )


def _describe(
    folder: ModelFolder, choice: DeviceChoice, network: Any, tokenizer: Any
) -> LoadedModel:
    generation = getattr(network, "generation_config", None)
    takes = inspect.signature(network.forward).parameters
    return LoadedModel(
        network=network,
        tokenizer=tokenizer,
        device=choice.device,
        dtype=choice.dtype,
        context_tokens=_context_tokens(network.config, tokenizer),
        vocabulary=int(network.config.get_text_config().vocab_size),
        end_ids=_end_ids(generation, tokenizer),
        defaults=SamplingDefaults.of(generation),
        cache_argument=next(name for name in _CACHE_ARGUMENTS if name in takes),
        takes_logits_to_keep="logits_to_keep" in takes,
        parameters=int(network.num_parameters()),
        weight_bytes=folder.weight_bytes,
    )


def _context_tokens(config: Any, tokenizer: Any) -> int | None:
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


@contextmanager
def _watched_progress(check: Check) -> Iterator[None]:
    """Keep this thread's progress bars off the terminal, and ask ``check`` as they advance.

    Other threads keep theirs.
    """
    from transformers.utils import logging

    thread = threading.get_ident()

    def checked(items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            check()
            yield item

    def make(factory: Any, args: Any, options: Any) -> Any:
        if threading.get_ident() == thread:
            check()
            options = {**options, "disable": True}
            if args and isinstance(args[0], Iterable):
                if isinstance(args[0], Sized):
                    options.setdefault("total", len(args[0]))
                args = (checked(args[0]), *args[1:])
        elif previous is not None:
            return previous(factory, args, options)
        return factory(*args, **options)

    previous = logging.set_tqdm_hook(make)
    try:
        yield
    finally:
        logging.set_tqdm_hook(previous)
