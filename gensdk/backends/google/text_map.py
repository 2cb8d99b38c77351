"""Answers of ``generateContent`` as our text responses; one mapper for whole and streamed ones.

Rule of the room: pure. What the neutral form has no word for (signatures, code that Google ran)
travels as private data of the parts and goes back to Google unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from gensdk.toolkit import Answer, Notes, StreamAnswer
from gensdk.types import (
    AudioPart,
    Candidate,
    FilePart,
    ImagePart,
    JsonObject,
    Media,
    Part,
    PrivateData,
    ReasoningPart,
    TextPart,
    TextRequest,
    TextResponse,
    TokenLogprob,
    ToolCallPart,
)

from .wire import (
    BLOCKED,
    ContentBody,
    WireCandidate,
    WireLogprobs,
    blocked_prompt,
    finish_reason,
    usage_of,
    withheld,
)

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["Call", "call_id", "map_body"]

_SIGNATURE = "thoughtSignature"


@dataclass(frozen=True, slots=True)
class Call:
    """One call under way: what mapping its answer needs to know."""

    account: Account
    request: TextRequest
    context: Context
    notes: Notes


def map_body(body: ContentBody, answer: Answer | StreamAnswer, call: Call) -> TextResponse[Any]:
    """The response in an answer.

    Raises:
        ContentBlockedError: The prompt was blocked, or the answer before anything came out.
        InvalidResponseError: There is no candidate.
    """
    blocked = blocked_prompt(body, call.account, call.context)
    if blocked is not None:
        raise blocked
    if not body.candidates:
        raise call.account.invalid("The answer holds no candidate.", answer, call.context)
    for candidate in body.candidates:
        parts = candidate.content.parts if candidate.content else []
        if not _says(parts) and candidate.finish_reason in BLOCKED:
            raise withheld(candidate, body, call.account, call.context)
    return TextResponse[Any](
        candidates=tuple(_candidate(one, answer, call) for one in body.candidates),
        finish_reason=_finish(body.candidates[0]),
        provider=call.account.name,
        model=body.model_version or call.context.model,
        usage=usage_of(body.usage_metadata),
        warnings=call.notes.warnings,
        request_id=body.response_id,
        reproducible=call.request.seed is not None,
        provider_details=_details(body.candidates[0]),
    )


def _says(parts: Sequence[JsonObject]) -> bool:
    return any(part.get("text") or part.keys() - {"text", "thought", _SIGNATURE} for part in parts)


def _finish(candidate: WireCandidate) -> Any:
    parts = candidate.content.parts if candidate.content else []
    return finish_reason(
        candidate.finish_reason, calls=any("functionCall" in part for part in parts)
    )


def _candidate(candidate: WireCandidate, answer: Answer | StreamAnswer, call: Call) -> Candidate:
    wire = candidate.content.parts if candidate.content else []
    calls = 0
    parts: list[Part] = []
    for one in wire:
        parts.append(_part(one, calls, answer, call))
        calls += "functionCall" in one
    return Candidate(
        parts=tuple(parts),
        finish_reason=_finish(candidate),
        logprobs=_logprobs(candidate.logprobs_result),
    )


def _part(wire: JsonObject, calls: int, answer: Answer | StreamAnswer, call: Call) -> Part:
    name = call.account.name
    signature = wire.get(_SIGNATURE)
    kept: JsonObject = {_SIGNATURE: signature} if isinstance(signature, str) else {}
    private = PrivateData(provider=name, data=kept) if kept else None
    text = wire.get("text")
    if isinstance(text, str):
        if wire.get("thought") is True:
            # Marked as Google's own, so that leaving it out on the way back is no loss to note.
            return ReasoningPart(text=text, private=PrivateData(provider=name, data=kept))
        return TextPart(text=text, private=private)
    function = wire.get("functionCall")
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return _tool_call(function, calls, private)
    inline = wire.get("inlineData")
    if isinstance(inline, dict) and isinstance(inline.get("data"), str):
        return _medium(inline, private, answer, call)
    return TextPart(text="", private=PrivateData(provider=name, data={"part": wire}))


def call_id(function: Mapping[str, Any], number: int) -> str:
    """The id of a function call; Google leaves it out in older models."""
    given = function.get("id")
    return given if isinstance(given, str) and given else f"call_{number}"


def _tool_call(function: JsonObject, number: int, private: PrivateData | None) -> ToolCallPart:
    arguments = function.get("args")
    identity = call_id(function, number)
    name = str(function["name"])
    if arguments is None or isinstance(arguments, dict):
        return ToolCallPart(id=identity, name=name, arguments=arguments or {}, private=private)
    raw = to_json(arguments).decode()
    return ToolCallPart(id=identity, name=name, malformed=raw, private=private)


def _medium(
    inline: JsonObject, private: PrivateData | None, answer: Answer | StreamAnswer, call: Call
) -> Part:
    data = call.account.decoded(str(inline["data"]), answer, call.context)
    declared = str(inline.get("mimeType") or "application/octet-stream")
    media = Media(data=data, media_type=declared)
    if media.kind == "image":
        return ImagePart(image=media, private=private)
    if media.kind == "audio":
        return AudioPart(audio=media, private=private)
    return FilePart(file=media, private=private)


def _logprobs(result: WireLogprobs | None) -> tuple[TokenLogprob, ...] | None:
    if result is None:
        return None
    tops = [place.candidates for place in result.top_candidates]
    beside = [*tops, *([[]] * (len(result.chosen_candidates) - len(tops)))]
    return tuple(
        TokenLogprob(
            token=one.token,
            logprob=one.log_probability,
            alternatives=tuple((other.token, other.log_probability) for other in others),
        )
        for one, others in zip(result.chosen_candidates, beside, strict=False)
    )


def _details(candidate: WireCandidate) -> JsonObject:
    """What only Google says: the raw word, sources of a search."""
    found: JsonObject = {}
    if finish_reason(candidate.finish_reason) in {"unknown", "error", "content_filter"}:
        found["finish_reason"] = candidate.finish_reason
    if candidate.finish_message:
        found["finish_message"] = candidate.finish_message
    for name in ("grounding_metadata", "citation_metadata", "url_context_metadata"):
        if value := getattr(candidate, name):
            found[name] = value
    return found
