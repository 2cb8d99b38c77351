"""From the answer of the Messages API to a response: pure, the same for whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from gensdk.errors import ContentBlockedError, ContextLengthError
from gensdk.toolkit import Answer, Notes, StreamAnswer, first_problem
from gensdk.types import (
    Candidate,
    FinishReason,
    JsonObject,
    Part,
    PrivateData,
    ReasoningPart,
    TextPart,
    TextResponse,
    ToolCallPart,
    Usage,
    tool_call_part,
)

from .errors import request_id_of

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["Call", "MessageBody", "MessageUsage", "map_body", "map_bytes"]

_FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
}
_BILLED_REFUSALS = frozenset({"bio", "frontier_llm", "reasoning_extraction"})
"""Categories of a refusal before any output that are charged (refusals and fallback guide,
read 2026-11-21: "as of September 2026")."""

_TOLD_USAGE = ("server_tool_use", "service_tier", "speed", "inference_geo", "cache_creation")


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _OutputDetails(_Wire):
    thinking_tokens: int | None = None


class MessageUsage(_Wire):
    """Tokens of one answer; the three kinds of input add up."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: JsonValue = None
    service_tier: JsonValue = None
    speed: JsonValue = None
    inference_geo: JsonValue = None
    cache_creation: JsonValue = None


class MessageBody(_Wire):
    """The envelope; content blocks stay raw until their type is known."""

    id: str | None = None
    type: str = ""
    model: str = ""
    content: list[JsonObject] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: JsonObject | None = None
    container: JsonObject | None = None
    usage: MessageUsage | None = None
    error: JsonObject | None = None
    request_id: str | None = None


class _Text(_Wire):
    text: str
    citations: list[JsonObject] | None = None


class _Thinking(_Wire):
    thinking: str
    signature: str = ""


class _ToolUse(_Wire):
    id: str
    name: str
    input: JsonObject | str = {}
    caller: JsonObject | None = None
    toolset_name: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call under way: what mapping its answer needs to know."""

    account: Account
    context: Context
    notes: Notes


@dataclass(slots=True)
class _Found:
    """What the content blocks held."""

    parts: list[Part] = field(default_factory=list)
    citations: list[JsonValue] = field(default_factory=list)
    answered: bool = False


def map_bytes(data: bytes, answer: Answer | StreamAnswer, call: Call) -> TextResponse[Any]:
    """Map a whole answer.

    Raises:
        InvalidResponseError: It is not JSON, of the wrong shape, or empty.
        ContentBlockedError: The model's safety rules stopped it before anything came out.
        ContextLengthError: There was no room left for an answer.
        GenSDKError: The answer is an error in spite of its status.
    """
    try:
        body, problem = MessageBody.model_validate_json(data), ""
    except ValidationError as error:
        body, problem = None, first_problem(error)
    if body is None:  # outside the block, so that the cause is not kept: it quotes the answer
        message = f"the answer is no message: {problem}"
        raise call.account.invalid(message, answer, call.context)
    if body.error is not None:
        reason = {"error": body.error, "request_id": body.request_id}
        raise call.account.error_inside(reason, call.context, answer.headers)
    return map_body(body, answer, call)


def map_body(body: MessageBody, answer: Answer | StreamAnswer, call: Call) -> TextResponse[Any]:
    """Map a parsed answer; see ``map_bytes``."""
    if body.content is None:
        raise call.account.invalid("the answer has no content", answer, call.context)
    try:
        found, problem = _read_blocks(body.content, call), ""
    except ValidationError as error:
        found, problem = None, first_problem(error)
    if found is None:
        message = f"a content block is malformed: {problem}"
        raise call.account.invalid(message, answer, call.context)
    finish = _FINISH.get(body.stop_reason or "", "unknown")
    if not found.answered:
        _mind_emptiness(finish, body, answer, call)
    return TextResponse(
        candidates=(Candidate(parts=tuple(found.parts), finish_reason=finish),),
        provider=call.account.name,
        model=body.model or call.context.model,
        finish_reason=finish,
        usage=_usage(body.usage),
        warnings=call.notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=False,
        provider_details=_details(body, found),
    )


def _mind_emptiness(
    finish: FinishReason, body: MessageBody, answer: Answer | StreamAnswer, call: Call
) -> None:
    """An answer without content is no success, unless how it ended explains it."""
    facts: dict[str, Any] = {
        "provider": call.account.name,
        "model": call.context.model,
        "request_id": request_id_of(answer.headers),
    }
    if finish == "refusal":
        category = (body.stop_details or {}).get("category")
        categories = (category,) if isinstance(category, str) else ()
        named = f" ({category})" if categories else ""
        raise ContentBlockedError(
            f"Claude's safety rules stopped the request before an answer began{named}",
            stage="input",
            categories=categories,
            billed="yes" if category in _BILLED_REFUSALS else "no",
            **facts,
        )
    if body.stop_reason == "model_context_window_exceeded":
        raise ContextLengthError(
            "the conversation fills the model's context window; shorten it", billed="yes", **facts
        )
    if finish == "length":
        call.notes.other(
            "the model used up max_tokens before it began to answer; raise max_tokens or lower "
            "reasoning_effort",
            "max_tokens",
        )
    elif finish not in {"pause", "stop_sequence"}:
        raise call.account.invalid("the answer is empty", answer, call.context)


# ------------------------------------------------------------------------------- content blocks
def _read_blocks(blocks: Sequence[JsonObject], call: Call) -> _Found:
    found = _Found()
    for block in blocks:
        match block.get("type"):
            case "text":
                _read_text(_Text.model_validate(block), found, call)
            case "thinking":
                found.parts.append(_thought(_Thinking.model_validate(block), call))
            case "tool_use":
                found.parts.append(_tool_call(_ToolUse.model_validate(block), call))
                found.answered = True
            case _:
                found.parts.append(_opaque(block, call))
    return found


def _read_text(block: _Text, found: _Found, call: Call) -> None:
    if not block.text:
        return
    found.answered = True
    cited = block.citations or []
    place = len(found.parts)
    found.citations += [{"part": place, **citation} for citation in cited]
    kept: JsonObject = {"citations": list(cited)} if cited else {}
    found.parts.append(TextPart(text=block.text, private=_private(call, kept)))


def _thought(block: _Thinking, call: Call) -> ReasoningPart:
    # The model's name as it was asked for: on the next turn it says whose thinking this is.
    kept: JsonObject = {"signature": block.signature, "model": call.context.model}
    private = _private(call, kept if block.signature else {})
    return ReasoningPart(text=block.thinking, private=private)


def _tool_call(block: _ToolUse, call: Call) -> ToolCallPart:
    kept: JsonObject = {}
    if block.caller is not None:
        kept["caller"] = block.caller
    if block.toolset_name is not None:
        kept["toolset_name"] = block.toolset_name
    private = _private(call, kept)
    if isinstance(block.input, str):
        return tool_call_part(block.id, block.name, block.input, private)
    return ToolCallPart(id=block.id, name=block.name, arguments=block.input, private=private)


def _opaque(block: JsonObject, call: Call) -> ReasoningPart:
    """A block without a neutral form: it only travels along, so that the next turn has it."""
    kept: JsonObject = {"block": block}
    if block.get("type") == "redacted_thinking":
        kept["model"] = call.context.model
    return ReasoningPart(text="", private=_private(call, kept))


def _private(call: Call, data: JsonObject) -> PrivateData | None:
    return PrivateData(provider=call.account.name, data=data) if data else None


# ---------------------------------------------------------------------------------------- facts
def _usage(wire: MessageUsage | None) -> Usage:
    if wire is None:
        return Usage()
    kinds = (wire.input_tokens, wire.cache_creation_input_tokens, wire.cache_read_input_tokens)
    known = [count for count in kinds if count is not None]
    details = wire.output_tokens_details
    return Usage(
        input_tokens=sum(known) if wire.input_tokens is not None else None,
        output_tokens=wire.output_tokens,
        cached_tokens=wire.cache_read_input_tokens,
        cache_write_tokens=wire.cache_creation_input_tokens,
        reasoning_tokens=details.thinking_tokens if details else None,
    )


def _details(body: MessageBody, found: _Found) -> JsonObject:
    told: JsonObject = {
        "message_id": body.id,
        "stop_sequence": body.stop_sequence,
        "stop_details": body.stop_details,
        "container": body.container,
    }
    if body.stop_reason not in _FINISH or body.stop_reason == "model_context_window_exceeded":
        told["stop_reason"] = body.stop_reason
    if body.usage is not None:
        told |= {name: getattr(body.usage, name) for name in _TOLD_USAGE}
    if found.citations:
        told["citations"] = found.citations
    return {name: value for name, value in told.items() if value is not None}
