"""One call being answered: its key-value cache and its rows, advanced a step at a time.

The candidates of a call share the prompt's forward passes and then run as rows of one batch. Rows
know nothing of the cache, so that a scheduler may give them slots in a larger batch instead.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from gensdk.errors import ContextLengthError, InvalidRequestError
from gensdk.types import FinishReason, TokenLogprob

from ..job import Adaptation, Event
from .chat import Prompt, build_prompt
from .detokenize import detokenizer
from .job import Delta, Ended, RowResult, TextJob
from .model import LoadedModel
from .sampling import RowSampler, SamplingParameters, logprobs_of, sample
from .stopping import StopScanner

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DEFAULT_MAX_TOKENS", "PREFILL_TOKENS", "Generation", "Row"]

DEFAULT_MAX_TOKENS = 512
"""New tokens where the request names no bound and the context has room for them."""

PREFILL_TOKENS = 512
"""Prompt tokens read in one step, so that a long prompt neither delays others nor a cancel."""

_CHARACTERS_PER_TOKEN = 256  # no tokenizer packs more on average: refuse before tokenizing


class Row:
    """One candidate: from chosen tokens to text, and when it ends."""

    __slots__ = (
        "_begun", "_logprobs", "_model", "_pieces", "_prompt", "_stops", "_streams", "_text",
        "_tokens", "_wanted", "finish_reason", "index", "sampler",
    )  # fmt: skip

    def __init__(
        self, index: int, model: LoadedModel, job: TextJob, prompt: Prompt, sampler: RowSampler
    ) -> None:
        """Begin an empty answer."""
        self.index = index
        self.sampler = sampler
        self.finish_reason: FinishReason | None = None
        self._model = model
        self._prompt = prompt
        self._streams = job.streams
        self._wanted = job.logprobs
        self._stops = StopScanner((*job.stop, *prompt.stops))
        self._text = detokenizer(model.tokenizer, prompt.ids if prompt.continues else ())
        self._begun = not prompt.strips_start
        self._pieces: list[str] = []
        self._tokens = 0
        self._logprobs: list[tuple[int, TokenLogprob]] = []

    def push(self, token: int, scores: Tensor, limit: int) -> list[Event]:
        """Take the row's next token, chosen from raw ``scores``; ``limit`` bounds the answer."""
        self._tokens += 1
        if token in self._model.end_ids:
            return self._end("stop")
        if self._wanted is not None:
            self._note_logprob(token, scores)
        text = self._stops.feed(self._stripped(self._text.push(token)))
        events = self._show(text)
        if self._stops.found is not None:
            implied = self._stops.found in self._prompt.stops
            return events + self._end("stop" if implied else "stop_sequence")
        if self._tokens >= limit:
            return events + self._end("length")
        return events

    def result(self) -> RowResult:
        """The candidate, once it has ended."""
        end = self._stops.shown if self._stops.found else None
        logprobs = tuple(entry for at, entry in self._logprobs if end is None or at < end)
        return RowResult(
            text="".join(self._pieces),
            finish_reason=self.finish_reason or "unknown",
            tokens=self._tokens,
            logprobs=logprobs if self._wanted is not None else None,
        )

    def _end(self, reason: FinishReason) -> list[Event]:
        self.finish_reason = reason
        return self._show(self._stops.flush())

    def _show(self, text: str) -> list[Event]:
        if not text:
            return []
        self._pieces.append(text)
        return [Delta(self.index, text)] if self._streams else []

    def _stripped(self, text: str) -> str:
        if self._begun:
            return text
        text = text.lstrip()
        self._begun = bool(text)
        return text

    def _note_logprob(self, token: int, scores: Tensor) -> None:
        logprob, top = logprobs_of(scores, token, self._wanted or 0)
        decode = self._model.tokenizer.decode
        entry = TokenLogprob(
            token=decode([token]),
            logprob=logprob,
            alternatives=tuple((decode([other]), value) for other, value in top),
        )
        self._logprobs.append((self._stops.received, entry))


class Generation:
    """A call in progress. Every method runs in the model's worker thread, in inference mode."""

    def __init__(self, model: LoadedModel, job: TextJob) -> None:
        """Tokenize the prompt and prepare the rows.

        Raises:
            ContextLengthError: The prompt leaves no room for an answer.
            InvalidRequestError: The request does not fit this model.
        """
        from transformers import DynamicCache

        self._model = model
        self._job = job
        self._prompt = prompt = _checked_prompt(model, job)
        self._limit, self._notes = _token_limit(model, job, len(prompt.ids))
        parameters = model.defaults.complete(job.sampling)
        self._reproducible = parameters.greedy or job.sampling.seed is not None
        self._rows = _rows(model, job, prompt, parameters)
        self._batch = list(self._rows)
        self._cache: Any = DynamicCache(config=model.network.config)
        self._plain = _is_plain(self._cache)
        self._read = 0
        self._last: list[int] = []

    @property
    def finished(self) -> bool:
        """Whether every row has ended."""
        return all(row.finish_reason is not None for row in self._rows)

    def step(self) -> list[Event]:
        """Read the next part of the prompt, or let every running row choose one more token."""
        import torch

        if self._read < len(self._prompt.ids):
            scores = self._prefill()
        else:
            ids = torch.tensor(self._last, device=self._model.device).unsqueeze(-1)
            scores = self._forward(ids)
        return [] if scores is None else self._advance(scores)

    def _prefill(self) -> Tensor | None:
        """Read more of the prompt; scores for every row once it is read, None before."""
        import torch

        ids, count = self._prompt.ids, len(self._rows)
        end = min(len(ids), self._read + PREFILL_TOKENS) if self._plain else len(ids)
        part = torch.tensor([ids[self._read : end]], device=self._model.device)
        if not self._plain:
            part = part.expand(count, -1)
        scores = self._forward(part)
        self._read = end
        if end < len(ids):
            return None
        if self._plain and count > 1:
            self._cache.batch_repeat_interleave(count)
        return scores.expand(count, -1)

    def _forward(self, ids: Tensor) -> Tensor:
        """Scores of the last position, float32 ``[rows, vocabulary]``."""
        options: dict[str, Any] = {self._model.cache_argument: self._cache}
        if self._model.takes_logits_to_keep:
            options["logits_to_keep"] = 1
        output = self._model.network(input_ids=ids, use_cache=True, return_dict=True, **options)
        scores: Tensor = output.logits[:, -1].float()
        return scores

    def _advance(self, scores: Tensor) -> list[Event]:
        tokens = sample(scores, [row.sampler for row in self._batch])
        events: list[Event] = []
        for row, token, raw in zip(self._batch, tokens, scores, strict=True):
            if row.finish_reason is None:
                events += row.push(token, raw, self._limit)
        if self.finished:
            return [*events, self._ended()]
        self._last = self._keep_running(tokens)
        return events

    def _keep_running(self, tokens: list[int]) -> list[int]:
        """Take rows that ended out of the batch, where the cache can; return the tokens left."""
        import torch

        kept = [n for n, row in enumerate(self._batch) if row.finish_reason is None]
        if not self._plain or len(kept) == len(self._batch):
            return tokens
        self._batch = [self._batch[n] for n in kept]
        self._cache.batch_select_indices(torch.tensor(kept, device=self._model.device))
        return [tokens[n] for n in kept]

    def _ended(self) -> Ended:
        return Ended(
            rows=tuple(row.result() for row in self._rows),
            prompt_tokens=len(self._prompt.ids),
            reproducible=self._reproducible,
            device=self._model.device,
            dtype=self._model.dtype,
            adaptations=(*self._prompt.adaptations, *self._notes),
        )


def _checked_prompt(model: LoadedModel, job: TextJob) -> Prompt:
    size = sum(len(turn.text) for turn in job.turns)
    if model.context_tokens and size > model.context_tokens * _CHARACTERS_PER_TOKEN:
        raise ContextLengthError(
            f"a prompt of {size} characters cannot fit a context of {model.context_tokens} tokens"
        )
    prompt = build_prompt(model.tokenizer, job, model.context_tokens)
    if max(prompt.ids) >= model.vocabulary:
        raise InvalidRequestError(
            "the tokenizer makes tokens the model does not know; they belong to different models"
        )
    biased = job.sampling.logit_bias or {}
    unknown = [token for token in biased if not 0 <= token < model.vocabulary]
    if unknown:
        raise InvalidRequestError(
            f"logit_bias: token {unknown[0]} is outside the vocabulary of {model.vocabulary}",
            param="logit_bias",
        )
    return prompt


def _token_limit(
    model: LoadedModel, job: TextJob, prompt: int
) -> tuple[int, tuple[Adaptation, ...]]:
    wanted = job.max_tokens or DEFAULT_MAX_TOKENS
    if model.context_tokens is None:
        return wanted, ()
    room = model.context_tokens - prompt
    if room < 1:
        raise ContextLengthError(
            f"the prompt has {prompt} tokens, the model's context {model.context_tokens}; shorten "
            "the prompt"
        )
    if job.max_tokens is None or job.max_tokens <= room:
        return min(wanted, room), ()
    message = f"prompt and max_tokens exceed the context of {model.context_tokens} tokens"
    return room, (Adaptation("max_tokens", message, room),)


def _rows(
    model: LoadedModel, job: TextJob, prompt: Prompt, parameters: SamplingParameters
) -> list[Row]:
    seed = secrets.randbits(63) if job.sampling.seed is None else job.sampling.seed
    return [
        Row(
            index,
            model,
            job,
            prompt,
            RowSampler(
                parameters,
                seed=seed,
                row=index,
                vocabulary=model.vocabulary,
                device=model.device,
                prompt=prompt.ids,
            ),
        )
        for index in range(job.sampling.n)
    ]


def _is_plain(cache: Any) -> bool:
    """Whether every layer keeps keys and values alone.

    Such a cache takes a prompt in parts, and its rows can be copied and dropped. A layer with a
    running state (Mamba and its kin) can do neither.
    """
    return all(
        hasattr(layer, "keys") and not hasattr(layer, "conv_states") for layer in cache.layers
    )
