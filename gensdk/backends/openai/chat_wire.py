"""The answer of Chat Completions and of legacy Completions, read leniently.

One small model reads whole answers, stream chunks and both protocols: servers that imitate
OpenAI mix the shapes (``usage`` beside a choice, ``message`` in a chunk, a list as content).
Field names are those of ``openai`` 3.52 ``types/chat/chat_completion.py``,
``chat_completion_chunk.py`` and ``completion_choice.py``; ``reasoning`` and
``reasoning_content`` are what other servers add. Unknown fields are ignored.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from gensdk.types import Cost, FinishReason, Usage

__all__ = [
    "FINISH_REASONS",
    "WireAnswer",
    "WireAudio",
    "WireChoice",
    "WireLogprobs",
    "WireMessage",
    "WireToolCall",
    "WireUsage",
    "cost_of",
    "pieces_of",
    "usage_of",
]

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}
"""The vendor's words in ours; any other word is ``unknown``."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class WireFunction(_Wire):
    """Name and arguments of a call; some servers send the arguments parsed."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class WireToolCall(_Wire):
    """One tool call, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: WireFunction | None = None


class WirePiece(_Wire):
    """One part of a content that is a list (Mistral): text, or thinking made of parts."""

    type: str = "text"
    text: str | None = None
    thinking: str | list[WirePiece] | None = None


class WireAudio(_Wire):
    """Sound in an answer (base64), whole or a piece, with what is said in it."""

    data: str | None = None
    transcript: str | None = None


class WireMessage(_Wire):
    """A message, or the delta of one."""

    content: str | list[WirePiece] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[WireToolCall] | None = None
    annotations: list[Any] | None = None
    audio: WireAudio | None = None


class WireTopLogprob(_Wire):
    """An alternative token."""

    token: str
    logprob: float


class WireTokenLogprob(_Wire):
    """A chosen token with its alternatives."""

    token: str
    logprob: float
    top_logprobs: list[WireTopLogprob] | None = None


class WireLogprobs(_Wire):
    """Both shapes: ``content`` and ``refusal`` of chat, parallel lists of legacy completions."""

    content: list[WireTokenLogprob] | None = None
    refusal: list[WireTokenLogprob] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class WireChoice(_Wire):
    """One candidate: ``message`` whole, ``delta`` streamed, ``text`` in legacy completions."""

    index: int = 0
    message: WireMessage | None = None
    delta: WireMessage | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: WireLogprobs | None = None


class WireInputDetails(_Wire):
    """Breakdown of the input tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class WireOutputDetails(_Wire):
    """Breakdown of the output tokens."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


_NO_INPUT_DETAILS = WireInputDetails()
_NO_OUTPUT_DETAILS = WireOutputDetails()


class WireTotalCost(_Wire):
    """Perplexity's statement of cost, in USD."""

    total_cost: Decimal | None = None


class WireUsage(_Wire):
    """Token counts, and the cost where the server states it (OpenRouter, Perplexity)."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: WireInputDetails | None = None
    completion_tokens_details: WireOutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cost: Decimal | WireTotalCost | None = None


class WireAnswer(_Wire):
    """A whole answer or one chunk. ``error`` and ``object: error`` are failures in disguise."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    choices: list[WireChoice] | None = None
    usage: WireUsage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    error: Any = None

    @property
    def failed(self) -> bool:
        """Whether this is an error object."""
        return bool(self.error) or self.object == "error"


def pieces_of(message: WireMessage) -> tuple[str, str | None]:
    """Reasoning and content of a message; the content is None where there is none."""
    reasoning = message.reasoning_content or message.reasoning or ""
    content = message.content
    if content is None or isinstance(content, str):
        return reasoning, content
    thoughts = "".join(_thinking(piece.thinking) for piece in content)
    return reasoning + thoughts, "".join(piece.text or "" for piece in content)


def _thinking(value: str | list[WirePiece] | None) -> str:
    if isinstance(value, list):
        return "".join(piece.text or "" for piece in value)
    return value or ""


def usage_of(wire: WireUsage) -> Usage:
    """The server's counts; what it did not say stays unknown.

    xAI counts reasoning beside ``completion_tokens`` and only ``total_tokens`` shows it; there
    it is added, because ``Usage`` has reasoning as part of the output.
    """
    given = wire.prompt_tokens_details or _NO_INPUT_DETAILS
    made = wire.completion_tokens_details or _NO_OUTPUT_DETAILS
    output, reasoning = wire.completion_tokens, made.reasoning_tokens
    if reasoning and output is not None and wire.prompt_tokens is not None:
        beside = wire.total_tokens == wire.prompt_tokens + output + reasoning
        output += reasoning if beside else 0
    cached = given.cached_tokens
    return Usage(
        input_tokens=wire.prompt_tokens,
        output_tokens=output,
        cached_tokens=wire.prompt_cache_hit_tokens if cached is None else cached,
        cache_write_tokens=given.cache_write_tokens,
        reasoning_tokens=reasoning,
        input_audio_tokens=given.audio_tokens,
        output_audio_tokens=made.audio_tokens,
        input_image_tokens=given.image_tokens,
    )


def cost_of(wire: WireUsage) -> Cost | None:
    """The cost where the server states one."""
    stated = wire.cost
    amount = stated.total_cost if isinstance(stated, WireTotalCost) else stated
    return None if amount is None else Cost(amount=amount, source="provider", estimated=False)
