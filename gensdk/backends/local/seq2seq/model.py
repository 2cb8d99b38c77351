"""A folder on disk becomes an encoder-decoder model on a device. Runs in a worker thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from gensdk.errors import MissingDependencyError, ModelLoadError

from ..device import DeviceChoice
from ..loading import Check, loading
from ..networks import CLOSED, attention_for, class_for, load_network, read_config
from ..safety import ModelFolder
from ..text.adapters import Adapters
from ..text.chat import require_control_tokens
from ..text.job import TextJob
from ..text.model import LoadedModel
from ..text.sampling import SamplingDefaults
from ..worker import Worker, WorkerLimits
from .prompt import source_ids
from .rules import AnswerRules, answer_rules, conditions

__all__ = ["Positions", "Seq2SeqModel", "counting", "load", "load_model"]

_SENTENCE_PIECES = frozenset({".spm", ".model"})
"""Tokenizers that only their own library reads (Marian, M2M100, old T5s)."""

_SOURCE_FIELDS = ("max_encoder_position_embeddings", "max_position_embeddings")
_ANSWER_FIELDS = ("max_decoder_position_embeddings", "max_position_embeddings")

Positions = Literal["relative", "given", "counted"]
"""How a decoder is told where its tokens stand: by distance alone (T5), as the ``position_ids`` of
its table (BART), or as the tokens before them (M2M100)."""

_POSITIONS: dict[str, Positions] = {
    **dict.fromkeys(("t5", "mt5", "umt5"), "relative"),
    **dict.fromkeys(("bart", "mbart", "marian", "pegasus"), "given"),
    **dict.fromkeys(("blenderbot", "blenderbot-small"), "given"),
    "m2m_100": "counted",
}
"""transformers 5.23 model types whose rows may share a batch without changing each other. Others
take turns: some attend in blocks, or send tokens to experts by what else is in the batch."""


@dataclass(slots=True)
class Seq2SeqModel:
    """An encoder-decoder model ready to run.

    Attributes:
        network: The transformers model, in evaluation mode.
        encoder: The part of it that reads.
        text: The same model as the rows of ``text`` see it: the decoder's vocabulary and ends.
        source_tokens: Longest prompt, None where there is no limit.
        source_vocabulary: Tokens the encoder knows.
        answer_tokens: Longest answer, None where there is no limit.
        rules: How answers begin and end.
        positions: How the decoder is told positions; None where rows may not share a batch.
        width: Numbers in one vector of the encoder.
    """

    network: Any
    encoder: Any
    text: LoadedModel
    source_tokens: int | None
    source_vocabulary: int
    answer_tokens: int | None
    rules: AnswerRules
    positions: Positions | None
    width: int


def load(
    folder: ModelFolder, choice: DeviceChoice, check: Check, limits: WorkerLimits
) -> Worker[Any]:
    """Load a model and the worker that serves it; errors as in ``load_model``."""
    from .worker import Seq2SeqWorker

    return Seq2SeqWorker(load_model(folder, choice, check), limits)


def load_model(folder: ModelFolder, choice: DeviceChoice, check: Check) -> Seq2SeqModel:
    """Load network and tokenizer: safetensors only, no code of the model's own, no network.

    Raises:
        ModelLoadError: Not an encoder-decoder model, or its weights do not fit its configuration.
        MissingDependencyError: Its tokenizer needs a package that is not installed.
        Exception: Whatever torch and transformers raise; ``failures.load_failure`` types it.
    """
    require_control_tokens()
    with loading(check):
        tokenizer = _load_tokenizer(folder)
        check()
        network = _load_network(folder, choice, check)
    model = _describe(folder, choice, network, tokenizer)
    try:
        conditions(model, (model.rules.start,))
    except (ValueError, TypeError) as error:
        raise ModelLoadError(
            f"{folder.path}: generation_config.json holds what no answer can fulfil: {error}"
        ) from error
    return model


def counting(folder: ModelFolder, check: Check) -> Callable[[TextJob], int]:
    """What counts the tokens that the encoder reads, from tokenizer and configuration alone.

    Raises:
        ModelLoadError: Not an encoder-decoder model.
        Exception: As ``load_model``.
    """
    require_control_tokens()
    with loading(check):
        tokenizer, config = _load_tokenizer(folder), _read_config(folder)
    most = _limit(config, "encoder", _SOURCE_FIELDS)
    return lambda job: len(source_ids(tokenizer, job, most))


def _load_tokenizer(folder: ModelFolder) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder.path), **CLOSED)
    except Exception as error:  # what transformers raises depends on the kind of tokenizer
        pieces = [file.name for file in folder.path.iterdir() if file.suffix in _SENTENCE_PIECES]
        if pieces and find_spec("sentencepiece") is None:
            raise MissingDependencyError(
                f"this model's tokenizer ({pieces[0]}) needs sentencepiece: pip install "
                "sentencepiece sacremoses",
                provider="local",
            ) from error
        raise


def _load_network(folder: ModelFolder, choice: DeviceChoice, check: Check) -> Any:
    from transformers import AutoModelForSeq2SeqLM

    config = _read_config(folder)
    attention = attention_for(AutoModelForSeq2SeqLM, config)
    return load_network(
        folder, choice, AutoModelForSeq2SeqLM, config, check=check, attention=attention
    )


def _read_config(folder: ModelFolder) -> Any:
    from transformers import AutoModelForSeq2SeqLM

    config = read_config(folder)
    known = class_for(AutoModelForSeq2SeqLM, config) is not None
    if not known or not getattr(config, "is_encoder_decoder", False):
        raise ModelLoadError(
            f"{folder.model_type} models are no encoder-decoder language models; gensdk cannot "
            "say what this one is for"
        )
    return config


def _describe(
    folder: ModelFolder, choice: DeviceChoice, network: Any, tokenizer: Any
) -> Seq2SeqModel:
    generation, config = network.generation_config, network.config
    answer_tokens = _limit(config, "decoder", _ANSWER_FIELDS)
    encoder = network.get_encoder()
    owner = encoder if hasattr(encoder, "get_input_embeddings") else network  # FSMT's has none
    table = owner.get_input_embeddings()
    text = LoadedModel(
        network=network,
        tokenizer=tokenizer,
        device=choice.device,
        dtype=choice.dtype,
        context_tokens=answer_tokens,
        vocabulary=int(network.get_output_embeddings().weight.shape[0]),
        end_ids=_end_ids(generation, tokenizer),
        defaults=SamplingDefaults.of(generation),
        cache_argument="past_key_values",
        takes_logits_to_keep=False,
        parameters=int(network.num_parameters()),
        weight_bytes=folder.weight_bytes,
        adapters=Adapters(network),
    )
    return Seq2SeqModel(
        network=network,
        encoder=encoder,
        text=text,
        source_tokens=_limit(config, "encoder", _SOURCE_FIELDS),
        source_vocabulary=int(table.weight.shape[0]),
        answer_tokens=answer_tokens,
        rules=answer_rules(generation, config),
        positions=_POSITIONS.get(folder.model_type),
        width=int(table.weight.shape[1]),
    )


def _limit(config: Any, part: str, names: tuple[str, ...]) -> int | None:
    """Positions of encoder or decoder; T5's ``n_positions`` is what it was trained on, no limit."""
    inner = getattr(config, part, None)
    owner = config if inner is None or isinstance(inner, dict) else inner
    for name in names:
        value = getattr(owner, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _end_ids(generation: Any, tokenizer: Any) -> frozenset[int]:
    ends = getattr(generation, "eos_token_id", None)
    if ends is None:
        ends = tokenizer.eos_token_id
    return frozenset(
        token
        for token in (ends if isinstance(ends, list | tuple) else (ends,))
        if token is not None
    )
