"""From the answer of the Responses API to a response: pure, the same for whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gensdk.errors import ContentBlockedError
from gensdk.toolkit import Answer, Notes, StreamAnswer, decode_base64, first_problem
from gensdk.types import (
    Candidate,
    FinishReason,
    ImagePart,
    JsonObject,
    Media,
    Part,
    PrivateData,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TextResponse,
    TokenLogprob,
    ToolCallPart,
    Usage,
    tool_call_part,
)

from .errors import request_id_of
from .responses_wire import (
    ContentPart,
    FunctionCall,
    Logprob,
    OutputMessage,
    ReasoningItem,
    ResponseBody,
    ResponseUsage,
)
from .stop import cut

if TYPE_CHECKING:
    from gensdk.spec import Context
    from gensdk.types import TextRequest

    from .account import Account

__all__ = ["Call", "map_body", "map_bytes"]

_INCOMPLETE: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
    "steered": "pause",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call under way: what mapping its answer needs to know."""

    account: Account
    request: TextRequest
    context: Context
    notes: Notes


@dataclass(slots=True)
class _Found:
    """What the output items held."""

    parts: list[Part] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    annotations: list[JsonObject] = field(default_factory=list)
    answered: bool = False
    refused: bool = False
    called: bool = False
    stopped: bool = False


def map_bytes(data: bytes, answer: Answer | StreamAnswer, call: Call) -> TextResponse[Any]:
    """Map a whole answer.

    Raises:
        InvalidResponseError: It is not JSON, of the wrong shape, unfinished or empty.
        ContentBlockedError: The output was blocked before anything came out.
        GenSDKError: The answer says that generation failed.
    """
    try:
        body, problem = ResponseBody.model_validate_json(data), ""
    except ValidationError as error:
        body, problem = None, first_problem(error)
    if body is None:  # outside the block, so that the cause is not kept: it quotes the answer
        message = f"the answer is no response object: {problem}"
        raise call.account.invalid(message, answer, call.context)
    return map_body(body, answer, call)


def map_body(body: ResponseBody, answer: Answer | StreamAnswer, call: Call) -> TextResponse[Any]:
    """Map a parsed answer; see ``map_bytes``."""
    if body.error is not None or body.status == "failed":
        reason = {"error": body.error or {"code": "server_error", "message": "the response failed"}}
        raise call.account.error_inside(reason, call.context, answer.headers)
    if body.output is None or body.status in {"queued", "in_progress"}:
        state = f"status {body.status!r}" if body.output is not None else "no output"
        raise call.account.invalid(f"the answer has {state}", answer, call.context)
    try:
        found, problem = _read_items(body.output, call), ""
    except ValidationError as error:
        found, problem = None, first_problem(error)
    if found is None:
        message = f"an output item is malformed: {problem}"
        raise call.account.invalid(message, answer, call.context)
    finish = _finish_reason(body, found)
    if not found.answered:
        _mind_emptiness(finish, body, answer, call)
    return TextResponse(
        candidates=(
            Candidate(
                parts=tuple(found.parts),
                finish_reason=finish,
                logprobs=tuple(found.logprobs) if call.request.logprobs is not None else None,
            ),
        ),
        provider=call.account.name,
        model=body.model or call.context.model,
        finish_reason=finish,
        usage=_usage(body.usage),
        warnings=call.notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=False,
        provider_details=_details(body, found, finish),
    )


def _mind_emptiness(
    finish: FinishReason, body: ResponseBody, answer: Answer | StreamAnswer, call: Call
) -> None:
    """An answer without content is no success, unless its budget explains it."""
    if finish == "length":
        call.notes.other(
            "the model used up max_tokens before it began to answer; raise max_tokens or lower "
            "reasoning_effort",
            "max_tokens",
        )
    elif finish == "content_filter":
        raise ContentBlockedError(
            "the output was blocked before anything of it came out",
            stage="output",
            provider=call.account.name,
            model=call.context.model,
            request_id=request_id_of(answer.headers),
            billed="yes" if body.usage is not None else "maybe",
        )
    else:
        raise call.account.invalid("the answer is empty", answer, call.context)


# --------------------------------------------------------------------------------- output items
def _read_items(items: Sequence[JsonObject], call: Call) -> _Found:
    found = _Found()
    provider = call.account.name
    for item in items:
        match item.get("type"):
            case "message":
                _read_message(OutputMessage.model_validate(item), found, call)
            case "function_call":
                if not found.stopped:
                    found.parts.append(_function_call(item, provider))
                    found.answered = found.called = True
            case "reasoning":
                found.parts.append(_reasoning(item, provider))
            case "image_generation_call" if isinstance(item.get("result"), str):
                found.parts.append(_picture(item, provider))
                found.answered = True
            case _:
                found.parts.append(_opaque(item, provider))
    return found


def _read_message(message: OutputMessage, found: _Found, call: Call) -> None:
    found.answered = True
    private = _private(
        call.account.name, {"id": message.id, "phase": message.phase} if message.id else {}
    )
    for content in message.content:
        if found.stopped:
            return
        if content.type == "refusal":
            found.parts.append(RefusalPart(text=content.refusal or "", private=private))
            found.refused = True
        elif content.text is not None:
            _read_text(content, content.text, private, found, call)


def _read_text(
    content: ContentPart, whole: str, private: PrivateData | None, found: _Found, call: Call
) -> None:
    text, found.stopped = cut(whole, call.request.stop or ())
    # A text that was cut is not what the server has under that id.
    found.parts.append(TextPart(text=text, private=None if found.stopped else private))
    found.annotations += content.annotations or []
    found.logprobs += _logprobs(content.logprobs or (), len(text) if found.stopped else None)


def _logprobs(wire: Sequence[Logprob], length: int | None) -> list[TokenLogprob]:
    """Tokens of a text, up to the first that goes beyond ``length`` characters."""
    kept: list[TokenLogprob] = []
    size = 0
    for item in wire:
        size += len(item.token)
        if length is not None and size > length:
            break
        tops = tuple((top.token, top.logprob) for top in item.top_logprobs or ())
        kept.append(TokenLogprob(token=item.token, logprob=item.logprob, alternatives=tops))
    return kept


def _function_call(item: JsonObject, provider: str) -> ToolCallPart:
    call = FunctionCall.model_validate(item)
    kept: JsonObject = {"id": call.id, "namespace": call.namespace, "caller": call.caller}
    return tool_call_part(call.call_id, call.name, call.arguments, _private(provider, kept))


def _reasoning(item: JsonObject, provider: str) -> ReasoningPart:
    read = ReasoningItem.model_validate(item)
    shown = read.summary or read.content or ()
    text = "\n\n".join(piece.text for piece in shown)
    return ReasoningPart(text=text, private=_private(provider, {"item": item}))


def _picture(item: JsonObject, provider: str) -> ImagePart:
    picture = Media(data=decode_base64(str(item["result"])))
    kept = {key: value for key, value in item.items() if key != "result"}
    return ImagePart(image=picture, private=_private(provider, {"item": kept}))


def _opaque(item: JsonObject, provider: str) -> ReasoningPart:
    """An item without a neutral form: it only travels along, so that the next turn has it."""
    return ReasoningPart(text="", private=_private(provider, {"item": item}))


def _private(provider: str, data: JsonObject) -> PrivateData | None:
    kept = {key: value for key, value in data.items() if value is not None}
    return PrivateData(provider=provider, data=kept) if kept else None


# ---------------------------------------------------------------------------------------- facts
def _finish_reason(body: ResponseBody, found: _Found) -> FinishReason:
    if found.stopped:
        return "stop_sequence"
    if body.status == "incomplete":
        reason = body.incomplete_details.reason if body.incomplete_details else None
        return _INCOMPLETE.get(reason or "", "unknown")
    if body.status == "cancelled":
        return "cancelled"
    if body.status not in {"completed", None}:
        return "unknown"
    if found.called:
        return "tool_calls"
    return "refusal" if found.refused else "stop"


def _usage(wire: ResponseUsage | None) -> Usage:
    if wire is None:
        return Usage()
    inputs, outputs = wire.input_tokens_details, wire.output_tokens_details
    return Usage(
        input_tokens=wire.input_tokens,
        output_tokens=wire.output_tokens,
        cached_tokens=inputs.cached_tokens if inputs else None,
        cache_write_tokens=inputs.cache_write_tokens if inputs else None,
        reasoning_tokens=outputs.reasoning_tokens if outputs else None,
    )


def _details(body: ResponseBody, found: _Found, finish: FinishReason) -> JsonObject:
    details: JsonObject = {}
    if body.id:
        details["response_id"] = body.id
    if body.service_tier:
        details["service_tier"] = body.service_tier
    if found.annotations:
        details["annotations"] = list(found.annotations)
    if body.incomplete_details and body.incomplete_details.reason:
        details["incomplete_reason"] = body.incomplete_details.reason
    if finish == "unknown" and body.status:
        details["status"] = body.status
    return details
