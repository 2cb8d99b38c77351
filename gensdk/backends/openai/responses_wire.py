"""The answer of ``POST /responses`` and the events of its stream, as far as they are read.

Shapes: ``openai`` 3.52 ``types/responses``. Unknown fields, items and events pass through.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from gensdk.types import JsonObject

__all__ = [
    "ContentPart",
    "Delta",
    "Event",
    "FunctionCall",
    "IncompleteDetails",
    "Logprob",
    "OutputMessage",
    "ReasoningItem",
    "ResponseBody",
    "ResponseUsage",
]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _InputDetails(_Wire):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(_Wire):
    reasoning_tokens: int | None = None


class ResponseUsage(_Wire):
    """Tokens of one answer."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class IncompleteDetails(_Wire):
    """Why an answer stopped early."""

    reason: str | None = None


class ResponseBody(_Wire):
    """The envelope; output items stay raw until their type is known."""

    id: str | None = None
    model: str = ""
    status: str | None = None
    output: list[JsonObject] | None = None
    usage: ResponseUsage | None = None
    error: JsonObject | None = None
    incomplete_details: IncompleteDetails | None = None
    service_tier: str | None = None


class _TopLogprob(_Wire):
    token: str = ""
    logprob: float = 0.0


class Logprob(_Wire):
    """One chosen token."""

    token: str
    logprob: float
    top_logprobs: list[_TopLogprob] | None = None


class ContentPart(_Wire):
    """A piece of a message: text or refusal."""

    type: str
    text: str | None = None
    refusal: str | None = None
    annotations: list[JsonObject] | None = None
    logprobs: list[Logprob] | None = None


class OutputMessage(_Wire):
    """A message of the model."""

    id: str | None = None
    content: list[ContentPart] = []
    phase: str | None = None


class FunctionCall(_Wire):
    """The model asks for a function."""

    id: str | None = None
    call_id: str
    name: str
    arguments: str = ""
    namespace: str | None = None
    caller: JsonObject | None = None


class _ReasoningText(_Wire):
    text: str = ""


class ReasoningItem(_Wire):
    """Thinking, as far as it is shown."""

    summary: list[_ReasoningText] | None = None
    content: list[_ReasoningText] | None = None


class Delta(_Wire):
    """The frequent kind of event: more of something."""

    delta: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0


class Event(_Wire):
    """Any other event that is read."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    text: str | None = None
    item: JsonObject | None = None
    response: JsonObject | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None
    error: JsonValue = None
