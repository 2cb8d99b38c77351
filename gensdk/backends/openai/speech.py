"""Speech over ``/audio/speech``: the body of the answer is the sound itself.

The wire: ``openai`` 3.52 ``types/audio/speech_create_params.py``. Events of ``stream_format=sse``:
``speech.audio.delta`` with base64, ``speech.audio.done`` with usage (OpenAPI document of
2026-08-21, ``SpeechAudioDeltaEvent`` and ``SpeechAudioDoneEvent``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel
from pydantic_core import from_json

from gensdk.catalog.compatible import Dialect
from gensdk.catalog.openai_media import SpeechModel, speech_model
from gensdk.errors import ConnectionFailedError, StreamInterruptedError
from gensdk.spec import Context
from gensdk.toolkit import (
    MAX_MEDIA_BYTES,
    OR_NONE,
    Answer,
    Notes,
    StreamAnswer,
    merge_extra,
    server_sent_events,
)
from gensdk.types import (
    AudioChunk,
    Finished,
    Media,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
    Usage,
)

from .errors import request_id_of
from .media_wire import decoded, kept, not_media, read_or_none
from .options_media import OpenAISpeechOptions, media_options

if TYPE_CHECKING:
    from .account import Account

__all__ = ["generate", "prepare", "stream"]

_PATH = "/audio/speech"
_PCM_RATE = 24_000
"""Raw sound is 16-bit little-endian mono at this rate (text to speech guide)."""

_PCM_BYTES = 2
_TYPES: dict[str, tuple[str, ...]] = {
    "mp3": ("audio/mpeg",),
    "wav": ("audio/wav",),
    "flac": ("audio/flac",),
    "opus": ("audio/opus", "audio/ogg"),
    "aac": ("audio/aac",),
    "pcm": ("audio/pcm",),
}
"""Media types of each format; the first is what unmarked bytes are taken for."""


class _SpokenTokens(BaseModel):
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Event(BaseModel):
    type: str = ""
    audio: str | None = None
    usage: Annotated[_SpokenTokens | None, OR_NONE] = None
    error: Any = None


def prepare(
    request: SpeechRequest, row: SpeechModel, dialect: Dialect, model: str, notes: Notes
) -> dict[str, Any]:
    """The body of the request."""
    body: dict[str, Any] = {"model": model, "input": request.text}
    voice = request.voice or row.default_voice
    prefix = row.custom_voice_prefix
    if voice is not None:
        custom = prefix is not None and voice.startswith(prefix)
        body["voice"] = {"id": voice} if custom else voice
    if request.instructions is not None:
        if row.instructions:
            body["instructions"] = request.instructions
        else:
            notes.drop("instructions", "this model cannot be told how to speak")
    if request.format is not None:
        body["response_format"] = request.format
    if request.speed is not None:
        body["speed"] = request.speed
    for name in ("language", "seed", "sample_rate"):
        value = getattr(request, name)
        if value is None or (name == "sample_rate" and value == row.sample_rate):
            continue
        if name in dialect.body_fields:
            body[name] = value
        else:
            fixed = f"it always speaks at {row.sample_rate} Hz" if row.sample_rate else "no field"
            notes.drop(name, fixed if name == "sample_rate" else "the API has no such field")
    return body


async def generate(account: Account, request: SpeechRequest, context: Context) -> SpeechResponse:
    """Speak, and answer with the whole sound."""
    call = _Call(account, request, context)
    if call.options.stream_format == "sse":
        call.notes.adapt("stream_format", "the whole sound was asked for, not a stream", "audio")
    answer = await account.post(
        _PATH, call.body, context, notes=call.notes, max_bytes=MAX_MEDIA_BYTES
    )
    not_media(answer.body, answer, account, context, "sound")
    return call.response(answer, answer.body, Usage())


async def stream(
    account: Account, request: SpeechRequest, context: Context
) -> AsyncGenerator[SpeechEvent]:
    """Speak, and yield the sound as it comes, then the whole response."""
    call = _Call(account, request, context)
    body = dict(call.body)
    if call.options.stream_format == "sse" and not call.row.sse:
        call.notes.adapt("stream_format", "this model streams plain bytes only", "audio")
    elif call.options.stream_format is not None:
        body["stream_format"] = call.options.stream_format
    pieces: list[bytes] = []
    usage = Usage()
    async with account.stream(
        _PATH, body, context, notes=call.notes, max_bytes=MAX_MEDIA_BYTES
    ) as answer:
        events = answer.headers.get("content-type", "").startswith("text/event-stream")
        source = _from_events(call, answer) if events else _from_bytes(call, answer)
        try:
            async with aclosing(source) as items:
                async for item in items:
                    if isinstance(item, Usage):
                        usage = item
                        continue
                    pieces.append(item)
                    yield AudioChunk(data=item, sample_rate=call.sample_rate)
        except ConnectionFailedError as error:
            if not pieces:
                raise
            raise call.interrupted(answer) from error
        if not pieces:
            raise account.invalid("The answer is empty; sound was expected.", answer, context)
        response = call.response(answer, b"".join(pieces), usage)
    yield Finished[SpeechResponse](response=response)


class _Call:
    """One attempt: what was asked, of whom, and what is sent."""

    def __init__(self, account: Account, request: SpeechRequest, context: Context) -> None:
        self.account = account
        self.request = request
        self.context = context
        self.notes = Notes(account.name, context)
        self.options = media_options(request, OpenAISpeechOptions, account, context.model)
        self.row = speech_model(context.model, account.dialect.name)
        self.body = prepare(request, self.row, account.dialect, context.model, self.notes)
        merge_extra(self.body, request, provider=account.name, model=context.model)

    @property
    def sample_rate(self) -> int | None:
        """Rate of raw sound; other formats carry their own."""
        if self.request.format != "pcm":
            return None
        sent = self.body.get("sample_rate")
        return sent if isinstance(sent, int) else self.row.sample_rate or _PCM_RATE

    def response(self, answer: Answer | StreamAnswer, data: bytes, usage: Usage) -> SpeechResponse:
        """The whole sound as a response."""
        audio = self._media(data, answer)
        rate = audio.sample_rate
        if self.row.billed_by == "characters":
            usage = usage.model_copy(update={"characters": len(self.request.text)})
        voice = self.body.get("voice")
        return SpeechResponse(
            audio=audio,
            duration_s=len(data) / _PCM_BYTES / rate if rate else None,
            provider=self.account.name,
            model=self.context.model,
            usage=usage,
            warnings=self.notes.warnings,
            request_id=request_id_of(answer.headers),
            reproducible=kept("seed", self.body, self.notes),
            provider_details={} if self.request.voice or voice is None else {"voice": voice},
        )

    def interrupted(self, answer: StreamAnswer) -> StreamInterruptedError:
        """The error for sound that was cut off."""
        return StreamInterruptedError(
            "The stream ended before the sound did.",
            provider=self.account.name,
            model=self.context.model,
            status=answer.status,
            request_id=request_id_of(answer.headers),
        )

    def _media(self, data: bytes, answer: Answer | StreamAnswer) -> Media:
        """The sound with the type its bytes have; raw samples are known by being asked for."""
        asked = self.request.format
        declared = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        expected = _TYPES[asked] if asked is not None else (declared,)
        audio = Media(data=data, media_type=expected[0], sample_rate=self.sample_rate)
        if audio.kind != "audio":
            message = f"The answer is {audio.media_type} where sound was expected."
            raise self.account.invalid(message, answer, self.context)
        if asked is None or audio.media_type in expected:
            return audio
        self.notes.adapt(
            "format", f"{asked} was asked for, {audio.media_type} came", audio.media_type
        )
        return audio.model_copy(update={"sample_rate": None})


async def _from_bytes(call: _Call, answer: StreamAnswer) -> AsyncGenerator[bytes | Usage]:
    declared = answer.headers.get("content-type", "")
    if "json" in declared or declared.startswith("text/"):
        not_media(await answer.read(MAX_MEDIA_BYTES), answer, call.account, call.context, "sound")
    first = True
    async for chunk in answer.chunks():
        if not chunk:
            continue
        if first:
            not_media(chunk, answer, call.account, call.context, "sound")
            first = False
        yield chunk


async def _from_events(call: _Call, answer: StreamAnswer) -> AsyncGenerator[bytes | Usage]:
    async for raw in server_sent_events(answer.chunks()):
        if raw.data in {b"", b"[DONE]"}:
            continue
        event = read_or_none(_Event, raw.data)
        if event is None:
            message = "An event of the stream cannot be read."
            raise call.account.invalid(message, answer, call.context)
        if event.error is not None or "error" in {event.type, raw.event}:
            raise call.account.error_inside(from_json(raw.data), call.context, answer.headers)
        if event.type == "speech.audio.done":
            tokens = event.usage or _SpokenTokens()
            yield Usage(input_tokens=tokens.input_tokens, output_tokens=tokens.output_tokens)
            await answer.drain()
            return
        if event.audio:
            yield decoded(event.audio, answer, call.account, call.context)
    raise call.interrupted(answer)
