"""Answers that fit a JSON schema: which tokens may come next, asked before every choice.

llguidance (a Rust library, https://github.com/guidance-ai/llguidance) follows the schema byte by
byte and knows for every token whether it can still lead to a valid document; all others are
forbidden. So the answer is valid JSON of that shape whenever it is complete.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gensdk.errors import (
    InvalidRequestError,
    MissingDependencyError,
    UnsupportedFeatureError,
)

from .job import TextJob
from .model import LoadedModel
from .schema import followed
from .tool_calls.detection import AnswerForm
from .tool_calls.forcing import forced_grammar

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Constraint", "constraints_for"]

_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""One way of writing: where white space is free, a model may write nothing else until the end."""


class Constraint:
    """What one row may still say."""

    __slots__ = ("_matcher",)

    def __init__(self, matcher: Any) -> None:
        """Follow from the beginning."""
        self._matcher = matcher

    @property
    def finished(self) -> bool:
        """Whether the document is complete and nothing may follow."""
        return bool(self._matcher.is_stopped())

    def allow(self, scores: Tensor) -> Tensor:
        """Forbid what cannot come next: scores ``[vocabulary]`` with ``-inf`` there."""
        import torch

        allowed = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        missing = scores.shape[-1] - allowed.shape[-1]
        if missing > 0:
            allowed = torch.nn.functional.pad(allowed, (0, missing))
        allowed = allowed[: scores.shape[-1]].to(scores.device)
        return scores.masked_fill(allowed == 0, float("-inf"))

    def take(self, token: int) -> None:
        """Take note of a token that was chosen."""
        self._matcher.consume_token(token)


def constraints_for(
    model: LoadedModel, job: TextJob, answer: AnswerForm | None = None
) -> list[Constraint | None]:
    """A constraint for each row, none where an answer may be anything.

    Raises:
        MissingDependencyError: llguidance is not installed.
        InvalidRequestError: A schema holds something that cannot be followed.
        UnsupportedFeatureError: The model's tokenizer cannot be followed, or its calls cannot.
    """
    rows = job.sampling.n
    calls = bool(job.tools) and (job.tool_choice != "auto" or job.schema is not None)
    if job.schema is None and not calls:
        return [None] * rows
    what = "tool_choice" if job.schema is None else "output"
    if find_spec("llguidance") is None:
        raise MissingDependencyError(
            f"{what}= on this machine needs llguidance: pip install 'gensdk[local]'",
            provider="local",
        )
    from llguidance import LLMatcher

    tokenizer = _tokenizer(model, what)
    if answer is None and not calls:
        grammar = LLMatcher.grammar_from_json_schema(job.schema, overrides=_STYLE)
    else:
        grammar = _grammar(model, job, answer or AnswerForm())
    problem = LLMatcher.validate_grammar(grammar, tokenizer)
    if problem:
        raise InvalidRequestError(
            f"{what}: the schema cannot be followed on this machine: {problem}", param=what
        )
    first = LLMatcher(tokenizer, grammar)
    return [Constraint(first if row == 0 else first.deep_copy()) for row in range(rows)]


def _grammar(model: LoadedModel, job: TextJob, answer: AnswerForm) -> str:
    """The grammar of answers that call, fit the schema, or do either; after a thought."""
    named = [tool for tool in job.tools if tool.name == job.tool_choice]
    tools = [
        tool.model_copy(update={"parameters": followed(tool.parameters)[0]})
        for tool in (named or job.tools)
    ]
    return forced_grammar(
        answer.calls,
        tools,
        model.tokenizer.added_tokens_encoder.get,
        style=_STYLE,
        several=job.parallel_calls and not named,
        thought_end=answer.thought[1] if answer.thought and answer.thinking else None,
        schema=job.schema if job.tool_choice == "auto" else None,
    )


def _tokenizer(model: LoadedModel, what: str) -> Any:
    """The model's tokenizer as llguidance reads it; built once for each model."""
    if model.grammar_tokenizer is None:
        from llguidance.hf import from_tokenizer
        from transformers import PreTrainedTokenizerFast

        if not isinstance(model.tokenizer, PreTrainedTokenizerFast):
            raise UnsupportedFeatureError(
                f"{what}: this model's tokenizer is of an old kind that cannot be followed",
                param=what,
            )
        ends = sorted(model.end_ids) or None
        size = max(model.vocabulary, len(model.tokenizer))
        try:
            found = from_tokenizer(model.tokenizer, n_vocab=size, eos_token=ends)
        except ValueError as error:  # it knows tokens that stand for bytes, of two kinds
            raise UnsupportedFeatureError(
                f"{what}: this model's tokenizer cannot be followed: {error}", param=what
            ) from error
        model.grammar_tokenizer = found
    return model.grammar_tokenizer
