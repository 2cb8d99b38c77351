"""Answers that fit a JSON schema: which tokens may come next, asked before every choice.

llguidance (a Rust library, https://github.com/guidance-ai/llguidance) follows the schema byte by
byte and knows for every token whether it can still lead to a valid document; all others are
forbidden. So the answer is valid JSON of that shape whenever it is complete.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from gensdk.errors import InvalidRequestError, MissingDependencyError, UnsupportedFeatureError

from .model import LoadedModel

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Constraint", "closed", "constraints_for"]

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


def constraints_for(model: LoadedModel, schema: str | None, rows: int) -> list[Constraint | None]:
    """A constraint for each row, none without a schema.

    Raises:
        MissingDependencyError: llguidance is not installed.
        InvalidRequestError: The schema holds something that cannot be followed.
        UnsupportedFeatureError: The model's tokenizer cannot be followed.
    """
    if schema is None:
        return [None] * rows
    if find_spec("llguidance") is None:
        raise MissingDependencyError(
            "output= on this machine needs llguidance: pip install 'gensdk[local]'",
            provider="local",
        )
    from llguidance import LLMatcher

    tokenizer = _tokenizer(model)
    grammar = LLMatcher.grammar_from_json_schema(schema, overrides=_STYLE)
    problem = LLMatcher.validate_grammar(grammar, tokenizer)
    if problem:
        raise InvalidRequestError(
            f"output: the schema cannot be followed on this machine: {problem}", param="output"
        )
    first = LLMatcher(tokenizer, grammar)
    return [Constraint(first if row == 0 else first.deep_copy()) for row in range(rows)]


def closed(schema: JsonValue) -> JsonValue:
    """A schema whose objects hold what it names and nothing else, unless it says otherwise.

    JSON schema allows further fields where nothing is said; a model would invent them.
    """
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    composed = {"allOf", "anyOf", "oneOf", "patternProperties", "$ref"} & found.keys()
    if found.get("type") == "object" and "properties" in found and not composed:
        found.setdefault("additionalProperties", False)
    return found


def _tokenizer(model: LoadedModel) -> Any:
    """The model's tokenizer as llguidance reads it; built once for each model."""
    if model.grammar_tokenizer is None:
        from llguidance.hf import from_tokenizer
        from transformers import PreTrainedTokenizerFast

        if not isinstance(model.tokenizer, PreTrainedTokenizerFast):
            raise UnsupportedFeatureError(
                "output: this model's tokenizer is of an old kind that cannot be followed",
                param="output",
            )
        ends = sorted(model.end_ids) or None
        model.grammar_tokenizer = from_tokenizer(
            model.tokenizer, n_vocab=max(model.vocabulary, len(model.tokenizer)), eos_token=ends
        )
    return model.grammar_tokenizer
