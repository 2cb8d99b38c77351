"""One text with gaps: what is filled, and the best fillings so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from gensdk.errors import (
    ContextLengthError,
    InvalidRequestError,
    UnsupportedFeatureError,
)
from gensdk.types import TokenLogprob

from ..job import Event, Job
from ..text.chat import encode_whole, refuse_pictures
from ..text.checks import check_bias, require_known, require_short, text_job
from ..text.job import Delta, Ended, RowResult, TextJob
from ..text.sampling import logprobs_of
from ..text.templating import require_template

if TYPE_CHECKING:
    from torch import Tensor

    from .model import MaskedModel

__all__ = ["Filling", "MaskedPlan", "check", "gaps_in", "tokens_of"]

_WRITTEN = ("[MASK]", "<mask>")
"""Ways to write a gap beside the tokenizer's own."""

_WIDTH = 8
"""Fillings kept from gap to gap, at least: the best whole may not begin with the best word."""

_SHOWN = 5
"""Words with their probabilities in ``provider_details`` for each gap."""


@dataclass(frozen=True, slots=True)
class Filling:
    """A text with its first gaps filled.

    Attributes:
        ids: Its tokens.
        rank: What it is chosen by: log-probability, with the caller's bias.
        words: What was filled in.
    """

    ids: tuple[int, ...]
    rank: float = 0.0
    words: tuple[TokenLogprob, ...] = ()

    @property
    def logprob(self) -> float:
        """Log-probability of all that was filled in."""
        return sum(word.logprob for word in self.words)


class MaskedPlan:
    """A call in progress.

    The gaps are filled from left to right, each with those before it in place: filled all at once,
    words that belong together ("New York") would not know of each other.

    Attributes:
        fillings: The best so far, best first.
    """

    def __init__(self, model: MaskedModel, job: Job) -> None:
        """Find the gaps.

        Raises:
            UnsupportedFeatureError: It asks for what filling gaps has no place for.
            InvalidRequestError: There is no gap.
            ContextLengthError: The text is longer than the model reads.
        """
        import torch

        self._model = model
        self._job = job = check(job)
        ids = _tokens(model, job)
        self._gaps = gaps_in(model.encoder.tokenizer, ids)
        self._drops = _drops(job, len(self._gaps))
        check_bias(job, model.vocabulary)
        self._bias = torch.zeros(model.vocabulary, device=model.encoder.facts.device)
        for token, bias in (job.sampling.logit_bias or {}).items():
            self._bias[token] = bias
        self._bias[list(model.special)] = -math.inf
        self._filled = 0
        self.fillings = [Filling(ids)]

    @property
    def gap(self) -> int:
        """Place of the gap to be filled next."""
        return self._gaps[self._filled]

    @property
    def finished(self) -> bool:
        """Whether every gap is filled."""
        return self._filled == len(self._gaps)

    def fill(self, scores: Tensor) -> None:
        """Fill the next gap, from raw scores float32 ``[fillings, vocabulary]`` there."""
        import torch

        last = self._filled + 1 == len(self._gaps)
        wanted = self._job.sampling.n
        width = wanted if last else max(wanted, _WIDTH)
        before = torch.tensor([one.rank for one in self.fillings], device=scores.device)
        ranks = scores.log_softmax(-1) + self._bias + before.unsqueeze(-1)
        best = ranks.flatten().topk(min(width, ranks.numel()))
        made = []
        for rank, at in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            row, token = divmod(at, ranks.shape[-1])
            if math.isfinite(rank):
                made.append(self._with(self.fillings[row], rank, token, scores[row]))
        self.fillings = made
        self._filled += 1

    def ended(self) -> list[Event]:
        """What comes of it, once every gap is filled."""
        facts = self._model.encoder.facts
        rows = tuple(self._result(one) for one in self.fillings)
        first = self.fillings[0]
        details: dict[str, JsonValue] = {
            "scores": [math.exp(one.logprob) for one in self.fillings],
            "masks": [
                [
                    {"token": token, "score": math.exp(logprob)}
                    for token, logprob in word.alternatives[:_SHOWN]
                ]
                for word in first.words
            ],
        }
        pieces = [Delta(n, row.text) for n, row in enumerate(rows) if self._job.streams]
        end = Ended(
            rows=rows,
            prompt_tokens=len(first.ids),
            reproducible=True,
            device=facts.device,
            dtype=facts.dtype,
            drops=self._drops,
            details=details,
        )
        return [*pieces, end]

    def _with(self, filling: Filling, rank: float, token: int, scores: Tensor) -> Filling:
        decode = self._model.encoder.tokenizer.decode
        logprob, top = logprobs_of(scores, token, max(_SHOWN, self._job.logprobs or 0))
        word = TokenLogprob(
            token=decode([token]),
            logprob=logprob,
            alternatives=tuple((decode([other]), value) for other, value in top),
        )
        gap = self.gap
        ids = (*filling.ids[:gap], token, *filling.ids[gap + 1 :])
        return Filling(ids, rank, (*filling.words, word))

    def _result(self, filling: Filling) -> RowResult:
        wanted = self._job.logprobs
        words = None
        if wanted is not None:
            words = tuple(
                word.model_copy(update={"alternatives": word.alternatives[:wanted]})
                for word in filling.words
            )
        text = self._model.encoder.tokenizer.decode(list(filling.ids), skip_special_tokens=True)
        return RowResult(text, "stop", len(self._gaps), words)


def check(job: Job) -> TextJob:
    """A job that some masked model answers; told without one.

    Raises:
        UnsupportedFeatureError: It asks for what filling gaps has no place for.
        InvalidRequestError: It asks for a template of its own.
    """
    asked = text_job(job)
    refuse_pictures(asked)
    require_template(asked, templated=False)
    _require_plain(asked)
    _drops(asked, 0)
    return asked


def _require_plain(job: TextJob) -> None:
    """Refuse what would change the meaning of the request if it were left out."""
    reasons = {
        "output": (job.schema is not None, "words in gaps follow no schema"),
        "system": (any(turn.role == "system" for turn in job.turns), "it takes no instructions"),
        "prompt": (
            [turn.role for turn in job.turns if turn.role != "system"] != ["user"],
            "it reads one text, not a conversation",
        ),
        "model": (job.adapter is not None, "it takes no adapter"),
        "options": (
            job.mode == "chat" or bool(job.source_language or job.target_language),
            "it has neither conversations nor languages",
        ),
    }
    for parameter, (asked, reason) in reasons.items():
        if asked:
            raise UnsupportedFeatureError(
                f"a masked language model fills the gaps of a text and cannot honour "
                f"{parameter!r}: {reason}",
                param=parameter,
            )


def _drops(job: TextJob, gaps: int) -> tuple[tuple[str, str], ...]:
    """Preferences that mean nothing here. A seed does: the same call gives the same answer."""
    wish = job.sampling
    likeliest = "the likeliest words are taken, nothing is drawn"
    reasons = {
        "temperature": (bool(wish.temperature), likeliest),
        "top_k": (wish.top_k not in (None, 1), likeliest),
        "top_p": (wish.top_p not in (None, 1), likeliest),
        "min_p": (bool(wish.min_p), likeliest),
        "presence_penalty": (bool(wish.presence_penalty), likeliest),
        "frequency_penalty": (bool(wish.frequency_penalty), likeliest),
        "repetition_penalty": (wish.repetition_penalty not in (None, 1), likeliest),
        "no_repeat_ngram_size": (bool(wish.no_repeat_ngram_size), likeliest),
        "prompt_lookup_num_tokens": (bool(job.lookup), "each gap is one word"),
        "stop": (bool(job.stop), "the text ends where the prompt ends"),
        "max_tokens": (
            job.max_tokens is not None and job.max_tokens < gaps,
            f"every one of the {gaps} gaps gets its word",
        ),
    }
    found = tuple((name, reason) for name, (asked, reason) in reasons.items() if asked)
    if found and job.strict:
        name, reason = found[0]
        raise UnsupportedFeatureError(
            f"a masked language model cannot honour {name!r}: {reason}", param=name
        )
    return found


def gaps_in(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """Places of the gaps in a text.

    Raises:
        InvalidRequestError: There is none.
    """
    gaps = [place for place, token in enumerate(ids) if token == tokenizer.mask_token_id]
    if not gaps:
        token = tokenizer.mask_token
        raise InvalidRequestError(
            f"a masked language model fills gaps, and the prompt has none: write {token} where "
            f"a word is missing, as in 'The capital of France is {token}.'",
            param="prompt",
        )
    return gaps


def tokens_of(tokenizer: Any, job: TextJob) -> tuple[int, ...]:
    """The tokens of a text, its gaps among them."""
    text, mask = job.turns[0].text, tokenizer.mask_token
    for written in _WRITTEN:
        text = text.replace(written, mask)
    if job.mode == "raw":
        return tuple(tokenizer(text, verbose=False)["input_ids"])
    return encode_whole(tokenizer, text, keep=(mask,))


def _tokens(model: MaskedModel, job: TextJob) -> tuple[int, ...]:
    most = model.encoder.max_tokens
    require_short(job, most, "a context")
    ids = tokens_of(model.encoder.tokenizer, job)
    if len(ids) > most:
        raise ContextLengthError(
            f"the prompt has {len(ids)} tokens, the model reads {most}; shorten the prompt"
        )
    require_known(ids, model.vocabulary)
    return ids
