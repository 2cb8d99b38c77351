"""Speech over ``:generateContent``: raw samples in the answer, a file for the user.

The wire: ``SpeechConfig`` of google-genai 3.4.0; ai.google.dev, page "speech generation". The sound
is 16-bit little-endian mono, its rate is in the part's type (``audio/L16;codec=pcm;rate=24000``).
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

from gensdk.catalog.google import google_model
from gensdk.errors import ConnectionFailedError, StreamInterruptedError
from gensdk.toolkit import MAX_MEDIA_BYTES, Answer, Notes, StreamAnswer, server_sent_events
from gensdk.toolkit.sound import Encoder, Sound, encode, require_format, wav_header
from gensdk.types import (
    AudioChunk,
    Finished,
    Media,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
)

from .account import MAX_EVENT_BYTES, MAX_STREAM_BYTES, model_path
from .options import GoogleSpeechOptions, options_of
from .text import ContentStream
from .wire import ContentBody, blocked_prompt, merge_extra, parsed, usage_of, withheld

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["generate", "prepare", "stream"]

_RATE = 24_000
_PCM_BYTES = 2
_RATE_WORD = re.compile(r"rate=(\d{4,6})")
_TAKEN = frozenset({"text", "voice", "instructions", "language", "format", "sample_rate"})


def prepare(request: SpeechRequest, options: GoogleSpeechOptions, notes: Notes) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: A single voice is named beside two speakers.
        MissingDependencyError: The format needs PyAV, which is not installed.
    """
    notes.drop_unsupported(request, _TAKEN, reason="Gemini's speech models have no such field")
    require_format(request.format)
    if request.sample_rate not in {None, _RATE}:
        notes.drop("sample_rate", f"it always speaks at {_RATE} Hz")
    text = request.text
    if request.instructions is not None:
        text = f"{request.instructions.rstrip(' :')}:\n{text}"
        message = "How to speak is part of the prompt here: it was put before the text"
        notes.adapt("instructions", message)
    config: dict[str, Any] = {"responseModalities": ["AUDIO"]}
    spoken = _voices(request, options, notes)
    if request.language is not None:
        spoken["languageCode"] = request.language
    if spoken:
        config["speechConfig"] = spoken
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": config}


def _voices(request: SpeechRequest, options: GoogleSpeechOptions, notes: Notes) -> dict[str, Any]:
    if options.speakers:
        if request.voice is not None:
            notes.refuse("voice", "each of the two speakers has a voice already")
        speakers = [
            {"speaker": name, "voiceConfig": _voice(voice)}
            for name, voice in options.speakers.items()
        ]
        return {"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": speakers}}
    return {} if request.voice is None else {"voiceConfig": _voice(request.voice)}


def _voice(name: str) -> dict[str, Any]:
    return {"prebuiltVoiceConfig": {"voiceName": name}}


async def generate(account: Account, request: SpeechRequest, context: Context) -> SpeechResponse:
    """Speak, and answer with the whole sound."""
    call = _Call(account, request, context)
    answer = await account.post(
        call.path("generateContent"), call.body, context, max_bytes=MAX_MEDIA_BYTES,
    )  # fmt: skip
    body = parsed(ContentBody, answer.body, answer, account, context)
    pieces = list(call.pieces(body, answer))
    if not pieces:
        raise call.nothing(body, answer)
    samples = b"".join(piece for piece, _ in pieces)
    rate = pieces[0][1]
    audio = await asyncio.to_thread(_written, samples, rate, request.format)
    return call.response(body, audio, len(samples) / _PCM_BYTES / rate)


async def stream(
    account: Account, request: SpeechRequest, context: Context
) -> AsyncGenerator[SpeechEvent, None]:
    """Speak, and yield the sound as it comes, then the whole response."""
    call = _Call(account, request, context)
    if not google_model(context.model).streams:
        call.notes.refuse("stream", "this model gives its sound whole; use speech")
    file = _Growing(request.format)
    async with account.stream(
        call.path("streamGenerateContent"), call.body, context,
        query={"alt": "sse"}, max_bytes=MAX_STREAM_BYTES,
    ) as answer:  # fmt: skip
        state = ContentStream(answer, account, context)
        try:
            async for event in server_sent_events(answer.chunks(), max_event_bytes=MAX_EVENT_BYTES):
                candidates = state.read(event)
                for piece, rate in call.pieces(ContentBody(candidates=candidates), answer):
                    if made := file.add(piece, rate):
                        yield AudioChunk(data=made, sample_rate=file.chunk_rate)
                if state.ended:
                    await answer.drain()
                    break
            else:
                raise call.interrupted(answer)
        except ConnectionFailedError as error:
            if not file.seconds:
                raise
            raise call.interrupted(answer) from error
        body = state.body()
        if not file.seconds:
            raise call.nothing(body, answer)
        if rest := file.end():
            yield AudioChunk(data=rest, sample_rate=file.chunk_rate)
    yield Finished[SpeechResponse](response=call.response(body, file.media(), file.seconds))


class _Call:
    """One attempt: what was asked, of whom, and what is sent."""

    def __init__(self, account: Account, request: SpeechRequest, context: Context) -> None:
        self.account = account
        self.request = request
        self.context = context
        self.notes = Notes(account.name, context)
        options = options_of(request, GoogleSpeechOptions, account.name, context.model)
        self.body = prepare(request, options, self.notes)
        merge_extra(self.body, request, account, context.model)

    def path(self, method: str) -> str:
        return f"{model_path(self.context.model)}:{method}"

    def pieces(
        self, body: ContentBody, answer: Answer | StreamAnswer
    ) -> Iterator[tuple[bytes, int]]:
        """The samples in an answer, with their rate."""
        for candidate in body.candidates:
            for part in candidate.content.parts if candidate.content else ():
                inline = part.get("inlineData")
                if not isinstance(inline, dict) or not isinstance(inline.get("data"), str):
                    continue
                kind = str(inline.get("mimeType", "")).lower()
                if not kind.startswith(("audio/l16", "audio/pcm")):
                    message = f"The sound is {kind[:40] or 'of no type'}, not raw samples."
                    raise self.account.invalid(message, answer, self.context)
                rate = _RATE_WORD.search(kind)
                data = self.account.decoded(str(inline["data"]), answer, self.context)
                yield data, int(rate[1]) if rate else _RATE

    def nothing(self, body: ContentBody, answer: Answer | StreamAnswer) -> Exception:
        """The error for an answer without a sound."""
        blocked = blocked_prompt(body, self.account, self.context)
        if blocked is not None:
            return blocked
        word = body.candidates[0].finish_reason if body.candidates else None
        if word in {None, "STOP", "OTHER", "MAX_TOKENS"}:
            message = f"The answer holds no sound ({word or 'no finishReason'})."
            return self.account.invalid(message, answer, self.context)
        return withheld(body.candidates[0], body, self.account, self.context)

    def interrupted(self, answer: StreamAnswer) -> StreamInterruptedError:
        """The error for sound that was cut off."""
        return StreamInterruptedError(
            "The stream ended before the sound did.",
            provider=self.account.name,
            model=self.context.model,
            status=answer.status,
        )

    def response(self, body: ContentBody, audio: Media, seconds: float) -> SpeechResponse:
        """The whole sound as a response."""
        word = body.candidates[0].finish_reason if body.candidates else None
        if word == "MAX_TOKENS":
            self.notes.other("the model's limit was reached before the text was spoken", "text")
        return SpeechResponse(
            audio=audio,
            duration_s=seconds,
            provider=self.account.name,
            model=body.model_version or self.context.model,
            usage=usage_of(body.usage_metadata),
            warnings=self.notes.warnings,
            request_id=body.response_id,
            provider_details={} if word in {None, "STOP"} else {"finish_reason": word},
        )


def _written(samples: bytes, rate: int, wanted: Any) -> Media:
    if wanted == "pcm":
        return Media(data=samples, media_type="audio/pcm", sample_rate=rate)
    if wanted in {None, "wav"}:
        return Media(data=wav_header(rate, 1, len(samples)) + samples, media_type="audio/wav")
    return encode(_sound(samples, rate), wanted)


def _sound(samples: bytes, rate: int) -> Sound:
    import numpy

    array = numpy.frombuffer(samples, dtype="<i2").reshape(-1, 1)
    return Sound(array if sys.byteorder == "little" else array.astype(numpy.int16), rate)


class _Growing:
    """A file that is written while the sound comes. Plain samples need neither numpy nor PyAV."""

    def __init__(self, wanted: Any) -> None:
        self._wanted = wanted
        self._encoder: Encoder | None = None
        self._rate = 0
        self._half = b""
        self._samples = bytearray()
        self._file = bytearray()

    @property
    def seconds(self) -> float:
        """Length so far."""
        return len(self._samples) / _PCM_BYTES / self._rate if self._rate else 0.0

    @property
    def chunk_rate(self) -> int | None:
        """Rate of raw samples; other formats carry their own."""
        return self._rate if self._wanted == "pcm" else None

    def add(self, piece: bytes, rate: int) -> bytes:
        """The bytes of the file that a piece gives; a sample cut in two waits for its rest."""
        first, self._rate = not self._rate, self._rate or rate
        piece = self._half + piece
        whole = len(piece) - len(piece) % _PCM_BYTES
        piece, self._half = piece[:whole], piece[whole:]
        self._samples += piece
        if self._wanted == "pcm":
            made = piece
        elif self._wanted in {None, "wav"}:
            made = (wav_header(rate, 1) if first else b"") + piece
        else:
            self._encoder = self._encoder or Encoder(self._wanted, rate)
            made = self._encoder.add(_sound(piece, rate)) if piece else b""
        self._file += made
        return made

    def end(self) -> bytes:
        """The rest of the file."""
        made = self._encoder.end() if self._encoder is not None else b""
        self._file += made
        return made

    def media(self) -> Media:
        """The whole file; a WAV gets its length."""
        if self._encoder is not None:
            return Media(data=bytes(self._file))
        return _written(bytes(self._samples), self._rate, self._wanted)
