"""Speech over ``/v1/text-to-speech/{voice}``: the body of the answer is the sound itself.

The wire: ``elevenlabs`` 2.78 ``text_to_speech/raw_client.py``, ``types/voice_settings.py`` and
``types/audio_with_timestamps_response.py``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, JsonValue, ValidationError

from gensdk.catalog.elevenlabs import DEFAULT_VOICE, sound_model
from gensdk.errors import ConnectionFailedError, StreamInterruptedError
from gensdk.spec import Context
from gensdk.toolkit import (
    MAX_MEDIA_BYTES,
    Answer,
    KeyedAccount,
    Notes,
    StreamAnswer,
    merge_extra,
    refuse_document,
    request_id_of,
    vendor_options,
)
from gensdk.types import (
    AudioChunk,
    Finished,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
    Usage,
)

from .formats import PCM_BYTES, format_of, sound_in
from .options import ElevenLabsSpeechOptions

__all__ = ["generate", "prepare", "stream"]

_SLOWEST, _FASTEST = 0.7, 1.2
_SEEDS = 2**32
_BODY_OPTIONS = (
    "previous_text", "next_text", "previous_request_ids", "next_request_ids",
    "pronunciation_dictionary_locators", "apply_text_normalization",
    "apply_language_text_normalization", "use_pvc_as_ivc",
)  # fmt: skip


class _Timed(BaseModel):
    audio_base64: str
    alignment: JsonValue = None
    normalized_alignment: JsonValue = None


def prepare(
    request: SpeechRequest, options: ElevenLabsSpeechOptions, model: str, notes: Notes
) -> dict[str, Any]:
    """The body of the request."""
    body: dict[str, Any] = {"text": request.text, "model_id": model}
    if request.language is not None:
        if sound_model(model).language:
            body["language_code"] = request.language
        else:
            notes.drop("language", "the model hears the language from the text")
    if request.instructions is not None:
        notes.drop("instructions", "write directions into the text, as [whispers], from v3 on")
    if request.seed is not None:
        body["seed"] = _seed(request.seed, notes)
    given = options.voice_settings
    settings: dict[str, Any] = given.model_dump(exclude_none=True) if given else {}
    if request.speed is not None:
        settings["speed"] = min(max(request.speed, _SLOWEST), _FASTEST)
        if settings["speed"] != request.speed:
            notes.adapt("speed", "It speaks at 0.7 to 1.2 times.", settings["speed"])
    if settings:
        body["voice_settings"] = settings
    for name in _BODY_OPTIONS:
        value = getattr(options, name)
        if value is not None and value != ():
            body[name] = list(value) if isinstance(value, tuple) else value
    return body


def _seed(seed: int, notes: Notes) -> int:
    if seed < _SEEDS:
        return seed
    notes.adapt("seed", "Seeds are below 2**32.", seed % _SEEDS)
    return seed % _SEEDS


async def generate(
    account: KeyedAccount, request: SpeechRequest, context: Context
) -> SpeechResponse:
    """Speak, and answer with the whole sound."""
    call = _Call(account, request, context)
    path = f"{call.path}/with-timestamps" if call.options.timestamps else call.path
    answer = await account.send(
        "POST", path, context, payload=call.body, query=call.query, max_bytes=MAX_MEDIA_BYTES
    )
    if not call.options.timestamps:
        call.mind_document(answer.body, answer)
        return call.response(answer, answer.body)
    timed = call.timed(answer)
    known: dict[str, JsonValue] = timed.model_dump(exclude={"audio_base64"}, exclude_none=True)
    return call.response(answer, account.decoded(timed.audio_base64, answer, context), known)


async def stream(
    account: KeyedAccount, request: SpeechRequest, context: Context
) -> AsyncGenerator[SpeechEvent]:
    """Speak, and yield the sound as it comes, then the whole response."""
    call = _Call(account, request, context)
    if call.options.timestamps:
        call.notes.drop("options.timestamps", "streams carry the sound alone")
    pieces: list[bytes] = []
    async with account.stream(
        "POST",
        f"{call.path}/stream",
        context,
        payload=call.body,
        query=call.query,
        max_bytes=MAX_MEDIA_BYTES,
    ) as answer:
        try:
            async for chunk in answer.chunks():
                if not pieces:
                    call.mind_document(chunk, answer)
                pieces.append(chunk)
                yield AudioChunk(data=chunk, sample_rate=call.format.pcm_rate)
        except ConnectionFailedError as error:
            if not pieces:
                raise
            raise call.interrupted(answer) from error
        if not pieces:
            call.mind_document(b"", answer)
        response = call.response(answer, b"".join(pieces))
    yield Finished[SpeechResponse](response=response)


class _Call:
    """One attempt: what was asked, of whom, and what is sent."""

    def __init__(self, account: KeyedAccount, request: SpeechRequest, context: Context) -> None:
        self.account = account
        self.request = request
        self.context = context
        self.notes = Notes(account.name, context)
        self.options = vendor_options(
            request,
            ElevenLabsSpeechOptions,
            provider=account.name,
            vendor=account.vendor.name,
            model=context.model,
        )
        row = sound_model(context.model)
        self.format = format_of(
            request, row, "speech", self.options.output_format, context, self.notes
        )
        self.voice = request.voice or DEFAULT_VOICE
        self.path = f"/v1/text-to-speech/{quote(self.voice, safe='')}"
        self.body = prepare(request, self.options, context.model, self.notes)
        merge_extra(self.body, request, provider=account.name, model=context.model)
        told = {
            "output_format": self.format.word,
            "enable_logging": _word(self.options.enable_logging),
            "optimize_streaming_latency": _word(self.options.optimize_streaming_latency),
        }
        self.query = {name: value for name, value in told.items() if value is not None}

    def mind_document(self, head: bytes, answer: Answer | StreamAnswer) -> None:
        """Refuse an answer that is no sound."""
        refuse_document(head, answer, "sound", provider=self.account.name, model=self.context.model)

    def timed(self, answer: Answer) -> _Timed:
        """The answer that times characters."""
        try:
            return _Timed.model_validate_json(answer.body)
        except ValidationError as error:
            why = error.errors(include_url=False, include_input=False)[0]["msg"]
        # Outside the block, so that the cause is not kept: it quotes the answer.
        raise self.account.invalid(f"The answer cannot be read: {why}.", answer, self.context)

    def response(
        self,
        answer: Answer | StreamAnswer,
        data: bytes,
        details: dict[str, JsonValue] | None = None,
    ) -> SpeechResponse:
        """The whole sound as a response."""
        audio = sound_in(data, self.format, answer, self.account, self.context, self.notes)
        known: dict[str, JsonValue] = dict(details or {})
        if self.request.voice is None:
            known["voice"] = self.voice
        if cost := answer.headers.get("character-cost"):
            known["character_cost"] = cost
        rate = audio.sample_rate
        return SpeechResponse(
            audio=audio,
            duration_s=len(data) / PCM_BYTES / rate if rate else None,
            provider=self.account.name,
            model=self.context.model,
            usage=Usage(characters=len(self.request.text)),
            warnings=self.notes.warnings,
            request_id=request_id_of(answer.headers),
            reproducible="seed" in self.body,
            provider_details=known,
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


def _word(value: bool | int | None) -> str | None:
    return None if value is None else str(value).lower()
