"""One call being answered: its key-value cache and its rows, advanced a step at a time.

The candidates of a call share the prompt's forward passes and then run as rows of one batch. This
is the way of models whose cache calls cannot share; the others go through ``batching``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..job import Event
from .job import TextJob
from .model import LoadedModel
from .plan import Plan
from .reading import pass_facts
from .sampling import sample

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PREFILL_TOKENS", "Generation", "is_batchable"]

PREFILL_TOKENS = 512
"""Prompt tokens read in one step, so that a long prompt neither delays others nor a cancel."""


class Generation:
    """A call in progress. Every method runs in the model's worker thread, in inference mode."""

    def __init__(self, model: LoadedModel, job: TextJob) -> None:
        """Tokenize the prompt and prepare the rows.

        Raises:
            ContextLengthError: The prompt leaves no room for an answer.
            InvalidRequestError: The request does not fit this model.
        """
        self._model = model
        self._plan = Plan(model, job, guesses=False)
        self._batch = list(self._plan.rows)
        self._texts = [list(self._plan.ids) for _ in self._batch]
        self._taking = False
        self._begin()

    def _begin(self) -> None:
        from transformers import DynamicCache

        self._cache: Any = DynamicCache(config=self._model.network.config)
        self._plain = _is_plain(self._cache)
        self._read = 0

    @property
    def finished(self) -> bool:
        """Whether every row has ended."""
        return self._plan.finished

    @property
    def adapter(self) -> str | None:
        """Name of the adapter that answers."""
        return self._plan.adapter

    def step(self) -> list[Event]:
        """Read the next part of the prompt, or let every running row choose one more token."""
        import torch

        if self._plain:
            self._forget_ended()
        whole = len(self._texts[0])
        end = min(whole, self._read + PREFILL_TOKENS) if self._plain else whole
        together = self._plain and whole == len(self._plan.ids)  # the rows have said nothing yet
        texts = self._texts[:1] if together else self._texts
        ids = torch.tensor([text[self._read : end] for text in texts], device=self._model.device)
        scores = self._forward(ids)
        self._read = end
        if end < whole:
            return []
        if together and len(self._batch) > 1:
            self._cache.batch_repeat_interleave(len(self._batch))
        return self._advance(scores.expand(len(self._batch), -1))

    def restart(self) -> bool:
        """Free the memory, to read again what was said; False where a token is half taken."""
        if self._taking:
            return False
        self._running_only()
        self._begin()
        return True

    def _forward(self, ids: Tensor) -> Tensor:
        """Scores of the last position, float32 ``[rows, vocabulary]``."""
        self._model.adapters.use([self.adapter] * len(ids))
        options: dict[str, Any] = {self._model.cache_argument: self._cache}
        if self._model.takes_logits_to_keep:
            options["logits_to_keep"] = 1
        output = self._model.network(input_ids=ids, use_cache=True, return_dict=True, **options)
        scores: Tensor = output.logits[:, -1].float()
        return scores

    def _advance(self, scores: Tensor) -> list[Event]:
        tokens = sample(scores, [row.sampler for row in self._batch])
        events: list[Event] = []
        self._taking = True
        for row, text, token, raw in zip(self._batch, self._texts, tokens, scores, strict=True):
            text.append(token)
            if row.finish_reason is None:
                events += row.push(token, raw, self._plan.limit)
        self._taking = False
        return [*events, self._plan.ended()] if self.finished else events

    def _forget_ended(self) -> None:
        """Take rows that ended out of the batch."""
        import torch

        kept = self._running_only()
        if kept is not None:
            self._cache.batch_select_indices(torch.tensor(kept, device=self._model.device))

    def _running_only(self) -> list[int] | None:
        """Keep the rows that go on; their numbers of before, None where all do."""
        kept = [n for n, row in enumerate(self._batch) if row.finish_reason is None]
        if len(kept) == len(self._batch):
            return None
        self._batch = [self._batch[n] for n in kept]
        self._texts = [self._texts[n] for n in kept]
        return kept


def is_batchable(model: LoadedModel) -> bool:
    """Whether rows of different calls may share a batch without changing each other.

    Every layer must keep plain keys and values of all tokens; positions must be given from
    outside, or follow from the mask; and their encoding must not depend on the longest row.
    """
    from transformers.cache_utils import DynamicCache, DynamicLayer

    config = model.network.config
    if model.cache_argument != "past_key_values":
        return False
    cache = DynamicCache(config=config)
    plain = bool(cache.layers) and all(type(layer) is DynamicLayer for layer in cache.layers)
    rope = getattr(config.get_text_config(), "rope_parameters", None) or {}
    kinds = {rope.get("rope_type")} | {
        inner.get("rope_type") for inner in rope.values() if isinstance(inner, dict)
    }
    asks = pass_facts(model.network)
    return plain and (asks.positions or asks.biased) and not kinds & {"dynamic", "longrope"}


def _is_plain(cache: Any) -> bool:
    """Whether every layer keeps keys and values alone.

    Such a cache takes a prompt in parts, and its rows can be copied and dropped. A layer with a
    running state (Mamba and its kin) can do neither.
    """
    return all(
        hasattr(layer, "keys") and not hasattr(layer, "conv_states") for layer in cache.layers
    )
