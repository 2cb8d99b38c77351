"""What every room that answers text refuses, or cannot honour, before it computes anything."""

from __future__ import annotations

from collections.abc import Iterable

from gensdk.errors import ContextLengthError, InvalidRequestError, UnsupportedFeatureError

from ..job import Job
from .job import TextJob

__all__ = [
    "check_bias",
    "refuse_languages",
    "require_known",
    "require_short",
    "text_job",
    "without_guesses",
]

_CHARACTERS_PER_TOKEN = 256  # no tokenizer packs more on average: refuse before tokenizing


def text_job(job: Job) -> TextJob:
    """The job, if it is one for text.

    Raises:
        UnsupportedFeatureError: It is not: nobody knew what this model is for before it was here.
    """
    if isinstance(job, TextJob):
        return job
    asked = type(job).__name__.removesuffix("Job").lower()
    raise UnsupportedFeatureError(f"this model answers text requests, not {asked} requests")


def refuse_languages(job: TextJob) -> None:
    """Refuse languages that a model is not told.

    Raises:
        UnsupportedFeatureError: The job names some.
    """
    if job.source_language or job.target_language:
        raise UnsupportedFeatureError(
            "source_language and target_language are for translation models; tell this one in "
            "the prompt",
            param="options",
        )


def require_short(job: TextJob, tokens: int | None, reader: str) -> None:
    """Refuse a prompt that cannot fit into so many tokens, before it is tokenized.

    Raises:
        ContextLengthError: It has more characters than any tokenizer packs into them.
    """
    size = sum(len(turn.text) for turn in job.turns)
    if tokens and size > tokens * _CHARACTERS_PER_TOKEN:
        raise ContextLengthError(
            f"a prompt of {size} characters cannot fit {reader} of {tokens} tokens"
        )


def require_known(ids: Iterable[int], vocabulary: int) -> None:
    """Refuse tokens that a model does not have.

    Raises:
        InvalidRequestError: There are some.
    """
    if max(ids) >= vocabulary:
        raise InvalidRequestError(
            "the tokenizer makes tokens the model does not know; they belong to different models"
        )


def check_bias(job: TextJob, vocabulary: int) -> None:
    """Refuse ``logit_bias`` for tokens that a model does not have.

    Raises:
        InvalidRequestError: It names one.
    """
    biased = job.sampling.logit_bias or {}
    unknown = [token for token in biased if not 0 <= token < vocabulary]
    if unknown:
        raise InvalidRequestError(
            f"logit_bias: token {unknown[0]} is outside the vocabulary of {vocabulary}",
            param="logit_bias",
        )


def without_guesses(job: TextJob, reason: str) -> tuple[tuple[str, str], ...]:
    """What is to be said of guesses that were asked for and are not made.

    Raises:
        UnsupportedFeatureError: The caller wants preferences honoured.
    """
    if not job.lookup:
        return ()
    name = "prompt_lookup_num_tokens"
    if job.strict:
        raise UnsupportedFeatureError(f"{name}: {reason}", param=name)
    return ((name, reason),)
