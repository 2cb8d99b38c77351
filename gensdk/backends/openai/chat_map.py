"""From what a server answered to candidates and a response: pure, the same whole or streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json, to_json

from gensdk.errors import ContentBlockedError
from gensdk.spec import Context
from gensdk.toolkit import Answer, Notes, StreamAnswer, decode_base64, first_problem
from gensdk.types import (
    AudioPart,
    Candidate,
    Cost,
    FinishReason,
    JsonObject,
    Media,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TextRequest,
    TextResponse,
    ToolCallPart,
    Usage,
    tool_call_part,
)

from .account import Account
from .chat_wire import (
    FINISH_REASONS,
    WireAnswer,
    WireAudio,
    WireChoice,
    WireMessage,
    WireToolCall,
    cost_of,
    pieces_of,
    usage_of,
)
from .errors import request_id_of
from .logprobs import token_logprobs
from .stop import cut

__all__ = ["Facts", "Sent", "arguments_text", "finish_reason", "map_answer", "read", "sound_part"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt: what the mapping must know about the request."""

    account: Account
    request: TextRequest
    context: Context
    notes: Notes
    payload: Mapping[str, object]
    stops: tuple[str, ...] = ()
    """Stop strings the server does not know."""

    @property
    def sound_format(self) -> str:
        """Format of the sound that was asked for; the bytes tell more where they can."""
        audio = self.payload.get("audio")
        return str(audio.get("format", "wav")) if isinstance(audio, Mapping) else "wav"

    @property
    def reproducible(self) -> bool:
        """Whether nothing was random: a seed was taken, or the temperature was 0."""
        return self._taken("seed") or (
            self.payload.get("temperature") == 0 and self._taken("temperature")
        )

    def _taken(self, name: str) -> bool:
        """Whether a field was sent and has not been refused by the server meanwhile."""
        name = dict(self.account.dialect.renames).get(name, name)
        if name not in self.payload:
            return False
        effort = self.payload.get("reasoning_effort")
        key = f"{self.context.model} {effort}" if effort else self.context.model
        return self.account.learned.of(key, {name: self.payload[name]}) is None


def read(data: bytes, answer: Answer | StreamAnswer, sent: Sent) -> WireAnswer:
    """Read one JSON document: a whole answer or one chunk.

    Raises:
        InvalidResponseError: It is no JSON, or of another shape.
        GenSDKError: It is an error object, whatever the status says; its code and type decide.
    """
    try:
        wire, why = WireAnswer.model_validate_json(data), ""
    except ValidationError as error:
        wire, why = None, _why_unreadable(data, error)
    if wire is None:  # outside the block, so that the cause is not kept: it quotes the answer
        raise sent.account.invalid(why, answer, sent.context)
    if wire.failed:
        raise sent.account.error_inside(from_json(data), sent.context, answer.headers)
    return wire


def _why_unreadable(data: bytes, error: ValidationError) -> str:
    start = data[:64].lstrip()
    if not start:
        return "The answer is empty."
    if start.startswith(b"<"):
        return "The answer is a web page, not JSON; check the base URL."
    return f"The answer cannot be read: {first_problem(error, 'the answer')}."


@cache
def _as_bytes(keys: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(map(str.encode, keys))


def map_answer(data: bytes, answer: Answer | StreamAnswer, sent: Sent) -> TextResponse[object]:
    """Map a whole answer.

    Raises:
        InvalidResponseError: It cannot be read, or holds nothing.
        ContentBlockedError: Everything was filtered out.
        GenSDKError: It is an error object.
    """
    wire = read(data, answer, sent)
    facts = Facts()
    facts.note(wire, data, sent)
    if not wire.choices:
        raise sent.account.invalid("The answer has no choices.", answer, sent.context)
    candidates = []
    for choice in sorted(wire.choices, key=lambda choice: choice.index):
        message = choice.message or choice.delta
        if message is None and choice.text is None:
            raise sent.account.invalid("A choice has no message.", answer, sent.context)
        candidates.append(_candidate(choice, message or WireMessage(content=choice.text), sent))
    return facts.response(candidates, answer, sent)


def _candidate(choice: WireChoice, message: WireMessage, sent: Sent) -> Candidate:
    parts = _parts(message, sent)
    reason = finish_reason(choice.finish_reason, parts)
    if sent.stops:
        parts, stopped = _cut(parts, sent.stops)
        reason = "stop_sequence" if stopped else reason
    return Candidate(parts=parts, finish_reason=reason, logprobs=token_logprobs(choice.logprobs))


def _cut(parts: tuple[Part, ...], stops: Sequence[str]) -> tuple[tuple[Part, ...], bool]:
    """Cut the text, and leave out what came after the cut."""
    kept: list[Part] = []
    for part in parts:
        if isinstance(part, TextPart):
            text, stopped = cut(part.text, stops)
            if stopped:
                return (*kept, TextPart(text=text)), True
        kept.append(part)
    return tuple(kept), False


def _parts(message: WireMessage, sent: Sent) -> tuple[Part, ...]:
    reasoning, content = pieces_of(message)
    parts: list[Part] = [ReasoningPart(text=reasoning)] if reasoning else []
    if content:
        parts.append(TextPart(text=content))
    if message.audio is not None:
        parts += _spoken(message.audio, sent.sound_format)
    if message.refusal:
        parts.append(RefusalPart(text=message.refusal))
    parts += [_tool_call(call, place) for place, call in enumerate(message.tool_calls or ())]
    return tuple(parts)


def _spoken(audio: WireAudio, sound_format: str) -> list[Part]:
    said: list[Part] = [TextPart(text=audio.transcript)] if audio.transcript else []
    if audio.data:
        said.append(sound_part(decode_base64(audio.data), sound_format))
    return said


def sound_part(data: bytes, sound_format: str) -> AudioPart:
    """Spoken output as a part; raw PCM has 24 000 samples a second."""
    if sound_format == "pcm16":
        return AudioPart(audio=Media(data=data, media_type="audio/pcm", sample_rate=24_000))
    declared = {"mp3": "audio/mpeg"}.get(sound_format, f"audio/{sound_format}")
    return AudioPart(audio=Media(data=data, media_type=declared))


def _tool_call(call: WireToolCall, place: int) -> ToolCallPart:
    function = call.function
    name = (function.name if function else None) or ""
    return tool_call_part(call.id or f"call_{place}", name, arguments_text(call))


def arguments_text(call: WireToolCall) -> str:
    """The arguments, or the piece of them, as JSON text."""
    arguments = call.function.arguments if call.function else None
    if isinstance(arguments, dict):
        return to_json(arguments).decode()
    return arguments or ""


def finish_reason(raw: str | None, parts: Sequence[Part]) -> FinishReason | None:
    """Why a candidate ended.

    A refusal ends with ``stop`` at OpenAI, and so does a call of a tool that was named; what
    the parts show is said.
    """
    if not raw:
        return None
    reason = FINISH_REASONS.get(raw, "unknown")
    if reason == "stop" and any(isinstance(part, RefusalPart) for part in parts):
        return "refusal"
    if reason == "stop" and any(isinstance(part, ToolCallPart) for part in parts):
        return "tool_calls"
    return reason


_NOT_COUNTED = Usage()


@dataclass(slots=True)
class Facts:
    """What an answer says beside its candidates, gathered from one document or from many.

    ``spoken``: there was a text, be it an empty one, which is a legal answer.
    """

    id: str | None = None
    model: str | None = None
    usage: Usage = _NOT_COUNTED
    cost: Cost | None = None
    details: JsonObject = field(default_factory=dict)
    annotations: list[JsonValue] = field(default_factory=list)
    spoken: bool = False

    def note(self, wire: WireAnswer, data: bytes, sent: Sent) -> None:
        """Take the facts of one document; later ones replace earlier ones."""
        self.id = self.id or wire.id
        self.model = self.model or wire.model
        if wire.usage is not None:
            self.usage = usage_of(wire.usage)
            self.cost = cost_of(wire.usage) or self.cost
        if wire.system_fingerprint:
            self.details["system_fingerprint"] = wire.system_fingerprint
        if wire.service_tier:
            self.details["service_tier"] = wire.service_tier
        for choice in wire.choices or ():
            self._note_choice(choice)
        keys = sent.account.dialect.details
        if keys and any(map(data.__contains__, _as_bytes(keys))):
            document = from_json(data)
            self.details |= {key: document[key] for key in keys if document.get(key) is not None}

    def _note_choice(self, choice: WireChoice) -> None:
        raw = choice.finish_reason
        if raw and raw not in FINISH_REASONS:
            self.details.setdefault("finish_reason", raw)
        message = choice.message or choice.delta
        if choice.text is not None or (message is not None and message.content is not None):
            self.spoken = True
        if message is not None and message.annotations and choice.index == 0:
            self.annotations += message.annotations

    def response(
        self,
        candidates: Sequence[Candidate],
        answer: Answer | StreamAnswer,
        sent: Sent,
    ) -> TextResponse[object]:
        """The response, once it is clear that there is something in it.

        Raises:
            ContentBlockedError: Every candidate was filtered out.
            InvalidResponseError: Every candidate is empty, and not for want of tokens.
        """
        request_id = request_id_of(answer.headers) or self.id
        self._refuse_empty(candidates, answer, sent, request_id)
        wanted = sent.request.n or 1
        if len(candidates) < wanted:
            sent.notes.other(f"{wanted} candidates were asked for, {len(candidates)} came.", "n")
        if self.annotations:
            self.details["annotations"] = self.annotations
        if self.id:
            self.details["id"] = self.id
        return TextResponse(
            candidates=tuple(candidates),
            provider=sent.account.name,
            model=self.model or sent.context.model,
            finish_reason=candidates[0].finish_reason,
            usage=self.usage,
            cost=self.cost,
            warnings=sent.notes.warnings,
            request_id=request_id,
            reproducible=sent.reproducible,
            provider_details=self.details,
        )

    def _refuse_empty(
        self,
        candidates: Sequence[Candidate],
        answer: Answer | StreamAnswer,
        sent: Sent,
        request_id: str | None,
    ) -> None:
        """Nothing at all is an error, unless the tokens were spent before the first word."""
        filtered = any(candidate.finish_reason == "content_filter" for candidate in candidates)
        if filtered and not any(_says_something(candidate) for candidate in candidates):
            raise ContentBlockedError(
                "The provider's filter removed the whole answer.",
                stage="output",
                provider=sent.account.name,
                model=sent.context.model,
                status=answer.status,
                code="content_filter",
                request_id=request_id,
                billed="maybe",
            )
        if self.spoken or any(candidate.parts for candidate in candidates):
            return
        if any(candidate.finish_reason != "length" for candidate in candidates):
            raise sent.account.invalid("The answer has no content.", answer, sent.context)


def _says_something(candidate: Candidate) -> bool:
    return any(not isinstance(part, ReasoningPart) for part in candidate.parts)
