"""A folder becomes a worker that fills gaps. Runs in a worker thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gensdk.errors import ModelLoadError

from ..device import DeviceChoice
from ..encoders import Encoder, load_encoder
from ..loading import Check, loading
from ..networks import CLOSED
from ..safety import ModelFolder
from ..text.chat import require_control_tokens
from ..text.job import TextJob
from ..worker import Worker, WorkerLimits
from .plan import check as checked
from .plan import gaps_in, tokens_of

__all__ = ["MaskedModel", "counting", "load"]


@dataclass(slots=True)
class MaskedModel:
    """A masked language model ready to run.

    Attributes:
        encoder: The network, its tokenizer and its limits.
        vocabulary: Number of scores per token.
        special: Tokens that are no words, and fill no gap.
        masks: Whether the network can be told what is padding.
    """

    encoder: Encoder
    vocabulary: int
    special: tuple[int, ...]
    masks: bool


def load(
    folder: ModelFolder, choice: DeviceChoice, check: Check, limits: WorkerLimits
) -> Worker[Any]:
    """Load a masked language model and what serves it; errors as in ``load_encoder``.

    Raises:
        ModelLoadError: Its tokenizer has no mask.
    """
    from .worker import MaskedWorker

    require_control_tokens()
    encoder = load_encoder(folder, choice, check, "AutoModelForMaskedLM")
    tokenizer, network = encoder.tokenizer, encoder.network
    _require_mask(folder, tokenizer)
    head = network.get_output_embeddings()
    vocabulary = network.config.vocab_size if head is None else head.weight.shape[0]
    model = MaskedModel(
        encoder=encoder,
        vocabulary=int(vocabulary),
        special=tuple(token for token in tokenizer.all_special_ids if token < vocabulary),
        masks="attention_mask" in inspect.signature(network.forward).parameters,
    )
    return MaskedWorker(model, limits)


def counting(folder: ModelFolder, check: Check) -> Callable[[TextJob], int]:
    """What counts the tokens of texts with gaps, from the tokenizer alone.

    Raises:
        ModelLoadError: The tokenizer has no mask.
        Exception: As ``load``.
    """
    from transformers import AutoTokenizer

    require_control_tokens()
    with loading(check):
        tokenizer = AutoTokenizer.from_pretrained(str(folder.path), **CLOSED)
    _require_mask(folder, tokenizer)

    def count(job: TextJob) -> int:
        ids = tokens_of(tokenizer, checked(job))
        gaps_in(tokenizer, ids)
        return len(ids)

    return count


def _require_mask(folder: ModelFolder, tokenizer: Any) -> None:
    if tokenizer.mask_token_id is None:
        raise ModelLoadError(f"{folder.path}: its tokenizer has no mask token")
