"""A call before its first step: its prompt in tokens, its bounds, its candidates, still empty."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gensdk.errors import ContextLengthError

from ..job import Adaptation, Event, Job
from .chat import Prompt, build_prompt
from .checks import (
    check_bias,
    refuse_languages,
    require_known,
    require_short,
    text_job,
    without_guesses,
)
from .grammar import constraints_for
from .job import Ended, TextJob
from .model import LoadedModel
from .row import Row
from .sampling import RowSampler, SamplingParameters

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DEFAULT_MAX_TOKENS", "Plan", "rows_for"]

DEFAULT_MAX_TOKENS = 512
"""New tokens where the request names no bound and the context has room for them."""


_NO_GUESSES = "only single answers, of models that keep plain keys and values, are guessed ahead"


class Plan:
    """What is to be done for one call.

    Attributes:
        ids: The prompt.
        limit: New tokens at most.
        adapter: Name of the adapter that answers.
        rows: The candidates.
    """

    def __init__(
        self,
        model: LoadedModel,
        job: Job,
        prompt: Prompt | None = None,
        *,
        guesses: bool = True,
    ) -> None:
        """Tokenize the prompt, where that was not done, and prepare the rows.

        ``guesses`` says whether a single answer may be guessed ahead.

        Raises:
            ContextLengthError: The prompt leaves no room for an answer.
            InvalidRequestError: The request does not fit this model.
            UnsupportedFeatureError: It names languages, or is not for this kind of model.
        """
        job = text_job(job)
        refuse_languages(job)
        able = guesses and job.sampling.n == 1
        self._drops = () if able else without_guesses(job, _NO_GUESSES)
        self._model = model
        self.adapter = model.adapters.need(job.adapter)
        if prompt is None:
            require_short(job, model.context_tokens, "a context")
            prompt = build_prompt(model.tokenizer, job, model.context_tokens)
        require_known(prompt.ids, model.vocabulary)
        check_bias(job, model.vocabulary)
        self._prompt = prompt
        self.ids: list[int] = list(prompt.ids)
        self.limit, self._notes = _token_limit(model, job, len(prompt.ids))
        parameters = model.defaults.complete(job.sampling)
        self._reproducible = parameters.greedy or job.sampling.seed is not None
        self.rows = rows_for(model, job, prompt, parameters)

    @property
    def finished(self) -> bool:
        """Whether every row has ended."""
        return all(row.finish_reason is not None for row in self.rows)

    def restrict(self, row: Row, ids: list[int], scores: Tensor) -> Tensor:
        """The scores as they are: what a model's makers recommend is in the sampler."""
        return scores

    def take(self, row: Row, ids: list[int], token: int, scores: Tensor) -> list[Event]:
        """Add a token, chosen from raw ``scores``, to a row and its tokens ``ids``."""
        ids.append(token)
        return row.push(token, scores, self.limit)

    def ended(self) -> Ended:
        """The result, once every row has ended."""
        return Ended(
            rows=tuple(row.result() for row in self.rows),
            prompt_tokens=len(self.ids),
            reproducible=self._reproducible,
            device=self._model.device,
            dtype=self._model.dtype,
            adaptations=(*self._prompt.adaptations, *self._notes),
            drops=self._drops,
        )


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


def rows_for(
    model: LoadedModel, job: TextJob, prompt: Prompt, parameters: SamplingParameters
) -> list[Row]:
    """The candidates of a call, still empty; errors as in ``constraints_for``."""
    constraints = constraints_for(model, job, prompt.answer)
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
                constraint=constraints[index],
            ),
        )
        for index in range(job.sampling.n)
    ]
