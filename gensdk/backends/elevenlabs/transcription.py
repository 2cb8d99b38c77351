"""Transcription over ``/v1/speech-to-text``.

The wire: ``elevenlabs`` 2.78 ``speech_to_text/raw_client.py``,
``types/speech_to_text_{chunk,word}_response_model.py``.
"""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from gensdk.errors import InvalidRequestError
from gensdk.spec import Context
from gensdk.toolkit import (
    Answer,
    Form,
    FormFile,
    KeyedAccount,
    Notes,
    merge_extra,
    request_id_of,
    vendor_options,
)
from gensdk.toolkit.sound import wav_header
from gensdk.types import URL, Media, TranscriptionRequest, TranscriptionResponse, Usage

from .options import ElevenLabsTranscriptionOptions
from .transcripts import Transcript, audio_events, segments_of, timed_characters, words_of

__all__ = ["generate", "prepare"]

_PCM_RATE = 16_000
"""Raw samples at this rate, 16-bit little-endian mono, are taken as they are."""
_MAX_KEYTERMS = 1000
_PLAIN_OPTIONS = (
    "num_speakers", "diarization_threshold", "tag_audio_events", "seed", "no_verbatim",
    "numbers_format", "detect_speaker_roles", "use_speaker_library",
)  # fmt: skip


async def generate(
    account: KeyedAccount, request: TranscriptionRequest, context: Context
) -> TranscriptionResponse:
    """Write down what is said."""
    notes = Notes(account.name, context)
    options = vendor_options(
        request,
        ElevenLabsTranscriptionOptions,
        provider=account.name,
        vendor=account.vendor.name,
        model=context.model,
    )
    body = prepare(request, options, context.model, notes)
    files = _files(request.audio, body, context, notes)
    taken = dict.fromkeys(file.field for file in files)
    merge_extra(body, request, provider=account.name, model=context.model, taken=taken)
    logging = options.enable_logging
    answer = await account.send(
        "POST",
        "/v1/speech-to-text",
        context,
        form=Form(fields=_fields(body), files=files),
        query={} if logging is None else {"enable_logging": str(logging).lower()},
    )
    heard = account.parsed(Transcript, answer, context)
    return _response(heard, request, options, account, context, notes, answer)


def prepare(
    request: TranscriptionRequest,
    options: ElevenLabsTranscriptionOptions,
    model: str,
    notes: Notes,
) -> dict[str, Any]:
    """The fields of the form, without the sound.

    Raises:
        UnsupportedFeatureError: It is to translate.
    """
    if request.translate:
        notes.refuse("translate", "it writes down what is said in the language it is said in")
    if request.prompt is not None:
        notes.drop("prompt", "it listens for keywords only")
    keywords = list(request.keywords[:_MAX_KEYTERMS])
    if len(request.keywords) > _MAX_KEYTERMS:
        notes.adapt("keywords", "It takes 1000 keywords: the first were sent.", _MAX_KEYTERMS)
    body: dict[str, Any] = {
        "model_id": model,
        "language_code": request.language,
        "secondary_language_codes": list(options.secondary_languages) or None,
        "keyterms": keywords or None,
        "temperature": request.temperature,
        "timestamps_granularity": _granularity(request, options, notes),
        "diarize": request.diarize or None,
        "use_multi_channel": options.separate_channels,
        "multichannel_output_style": "combined" if options.separate_channels else None,
        **{name: getattr(options, name) for name in _PLAIN_OPTIONS},
    }
    return {name: value for name, value in body.items() if value is not None}


def _granularity(
    request: TranscriptionRequest, options: ElevenLabsTranscriptionOptions, notes: Notes
) -> str | None:
    """How finely to time; speakers and segments rest on the times of words."""
    if options.characters:
        return "character"
    if request.timestamps == "segment":
        notes.adapt("timestamps", "Segments were put together here from timed words.", "word")
    if request.timestamps is None and not request.diarize:
        return None
    if request.timestamps == "none" and not (request.diarize or options.separate_channels):
        return "none"
    return "word"


def _files(
    audio: Media | URL, body: dict[str, Any], context: Context, notes: Notes
) -> tuple[FormFile, ...]:
    """The sound as a file of the form; an address is fetched by the vendor."""
    if isinstance(audio, URL):
        body["source_url"] = audio.url
        return ()
    if audio.media_type == "audio/pcm":
        rate = audio.sample_rate
        if rate is None:
            raise InvalidRequestError(
                "raw PCM says nothing of its rate: give Media(..., sample_rate=16000)",
                model=context.model,
                param="audio",
            )
        if rate == _PCM_RATE:
            body["file_format"] = "pcm_s16le_16"
        else:
            notes.adapt("audio", "The raw samples were sent as a WAV file.", "audio/wav")
            head = wav_header(rate, 1, len(audio.data))
            audio = Media(data=head + audio.data, media_type="audio/wav", name="audio.wav")
    if audio.kind not in {"audio", "video"} and audio.media_type != "application/octet-stream":
        raise InvalidRequestError(
            f"audio is {audio.media_type}; give a sound", model=context.model, param="audio"
        )
    return (FormFile("file", audio.filename, audio.data, audio.media_type),)


def _fields(body: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The body as fields of a form; a list is one field many times."""
    several = (
        (name, value if isinstance(value, list) else [value]) for name, value in body.items()
    )
    return tuple((name, _word(item)) for name, items in several for item in items)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _response(
    heard: Transcript,
    request: TranscriptionRequest,
    options: ElevenLabsTranscriptionOptions,
    account: KeyedAccount,
    context: Context,
    notes: Notes,
    answer: Answer,
) -> TranscriptionResponse:
    words = words_of(heard)
    timed = request.timestamps in {"word", "segment"} or request.diarize
    if timed and heard.text.strip() and not words and not audio_events(heard):
        message = "The transcript came without the times that were asked for."
        raise account.invalid(message, answer, context)
    details: dict[str, JsonValue] = {
        name: value
        for name in ("language_probability", "transcription_id")
        if (value := getattr(heard, name)) is not None
    }
    if events := audio_events(heard):
        details["audio_events"] = events
    if options.characters:
        details["characters"] = timed_characters(heard)
    shown = request.timestamps == "word" or options.characters or request.diarize
    split = request.timestamps == "segment" or request.diarize
    return TranscriptionResponse(
        text=heard.text,
        words=words if shown else (),
        segments=segments_of(heard) if split else (),
        language=heard.language_code,
        duration_s=heard.audio_duration_secs,
        provider=account.name,
        model=context.model,
        usage=Usage(audio_s=heard.audio_duration_secs),
        warnings=notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=options.seed is not None or request.temperature == 0,
        provider_details=details,
    )
