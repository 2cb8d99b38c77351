"""Transcription over ``/audio/transcriptions`` and ``/audio/translations``.

The wire: ``openai`` 3.52 ``types/audio/transcription_create_params.py``,
``translation_create_params.py``, ``transcription.py``, ``transcription_verbose.py`` and
``transcription_diarized.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from gensdk.catalog.openai_media import TranscriptionModel, models_that, transcription_model
from gensdk.spec import Context
from gensdk.toolkit import Answer, Form, Notes, merge_extra
from gensdk.types import (
    Segment,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
    Word,
)

from .audio_files import audio_file
from .errors import request_id_of
from .media_wire import fetched, parsed
from .options_media import OpenAITranscriptionOptions, form_fields, media_options
from .transcripts import HeardUsage, Transcript

if TYPE_CHECKING:
    from .account import Account

__all__ = ["generate", "prepare"]

_PLAIN_TEXT = ("text/plain", "text/vtt", "application/x-subrip")


async def generate(
    account: Account, request: TranscriptionRequest, context: Context
) -> TranscriptionResponse:
    """Write down what is said."""
    notes = Notes(account.name, context)
    row = transcription_model(context.model, account.dialect.name)
    options = media_options(request, OpenAITranscriptionOptions, account, context.model)
    body = prepare(request, row, options, context.model, notes)
    merge_extra(body, request, provider=account.name, model=context.model)
    (audio,) = await fetched((request.audio,), context)
    file = audio_file(audio, row, notes, provider=account.name, model=context.model)
    path = "/audio/translations" if request.translate else "/audio/transcriptions"
    form = Form(fields=form_fields(body), files=(file,))
    answer = await account.post_form(path, form, context, notes=notes)
    return _response(_Heard(account, request, context, notes, answer))


def prepare(
    request: TranscriptionRequest,
    row: TranscriptionModel,
    options: OpenAITranscriptionOptions,
    model: str,
    notes: Notes,
) -> dict[str, Any]:
    """The fields of the form, without the file.

    Raises:
        UnsupportedFeatureError: The model cannot time words, tell speakers apart, translate, or
            do what the options ask for.
    """
    body: dict[str, Any] = {"model": model}
    _add_task(request, row, notes, body)
    _add_languages(request, row, options, notes, body)
    _add_guidance(request, row, notes, body)
    if request.temperature is not None:
        body["temperature"] = request.temperature
    _add_options(row, options, notes, body)
    return body


def _add_task(
    request: TranscriptionRequest, row: TranscriptionModel, notes: Notes, body: dict[str, Any]
) -> None:
    """What kind of answer is wanted; nothing here is a preference."""
    words = request.timestamps == "word"
    if request.translate and not row.translate:
        notes.refuse("translate", f"of OpenAI's models {models_that('translate')} translates")
    if request.diarize and not row.diarize:
        notes.refuse("diarize", f"of OpenAI's models {models_that('diarize')} tells speakers apart")
    if request.diarize:
        if words:
            notes.refuse("timestamps", "with speakers come times of segments, not of words")
        body["response_format"] = "diarized_json"
    elif request.timestamps in {"segment", "word"}:
        if not row.timestamps:
            notes.refuse(
                "timestamps", f"of OpenAI's models {models_that('timestamps')} times words"
            )
        body["response_format"] = "verbose_json"
        if not request.translate:
            body["timestamp_granularities"] = [request.timestamps]
        elif words:
            notes.refuse("timestamps", "a translation has times of segments, not of words")


def _add_languages(
    request: TranscriptionRequest,
    row: TranscriptionModel,
    options: OpenAITranscriptionOptions,
    notes: Notes,
    body: dict[str, Any],
) -> None:
    if request.language is not None:
        if options.languages:
            notes.refuse("languages", "give language or languages, not both")
        if request.translate:
            notes.drop("language", "a translation finds the language by itself")
        else:
            body["language"] = request.language
    if options.languages:
        if not row.languages:
            notes.refuse("languages", f"{models_that('languages')} takes several languages")
        body["languages"] = list(options.languages)


def _add_guidance(
    request: TranscriptionRequest, row: TranscriptionModel, notes: Notes, body: dict[str, Any]
) -> None:
    """Prompt and keywords; where there are no keywords, the prompt carries them."""
    prompt = request.prompt
    if request.keywords:
        if row.keywords:
            body["keywords"] = list(request.keywords)
        elif row.prompt:
            prompt = ", ".join(request.keywords) + (f". {prompt}" if prompt else "")
            notes.adapt("keywords", "the keywords were sent as part of the prompt", prompt)
        else:
            notes.drop("keywords", "the model takes neither keywords nor a prompt")
    if prompt is not None:
        if row.prompt:
            body["prompt"] = prompt
        else:
            notes.drop("prompt", "the model takes no prompt")


def _add_options(
    row: TranscriptionModel,
    options: OpenAITranscriptionOptions,
    notes: Notes,
    body: dict[str, Any],
) -> None:
    if options.logprobs:
        if not row.logprobs:
            notes.refuse("logprobs", "the model does not say how sure it is")
        body["include"] = ["logprobs"]
    chunking = options.chunking_strategy or row.chunking
    if isinstance(chunking, dict):
        body["chunking_strategy"] = {"type": "server_vad", **chunking}
    elif chunking is not None:
        body["chunking_strategy"] = chunking
    if options.known_speaker_names:
        if not row.diarize:
            notes.refuse("known_speaker_names", f"{models_that('diarize')} knows speakers")
        body["known_speaker_names"] = list(options.known_speaker_names)
        samples = options.known_speaker_references
        body["known_speaker_references"] = [sample.data_uri() for sample in samples]


@dataclass(frozen=True, slots=True)
class _Heard:
    account: Account
    request: TranscriptionRequest
    context: Context
    notes: Notes
    answer: Answer


def _response(heard: _Heard) -> TranscriptionResponse:
    document = _document(heard)
    languages = [item.code for item in document.languages or ()]
    details: dict[str, JsonValue] = {}
    if document.languages is not None:
        details["languages"] = list(languages)
    if document.logprobs is not None:
        details["logprobs"] = list(document.logprobs)
    return TranscriptionResponse(
        text=document.text,
        segments=tuple(
            Segment(
                text=item.text.strip(), start_s=item.start, end_s=item.end, speaker=item.speaker
            )
            for item in document.segments or ()
        ),
        words=tuple(
            Word(text=item.word.strip(), start_s=item.start, end_s=item.end)
            for item in document.words or ()
        ),
        language=document.language or (languages[0] if languages else None),
        duration_s=document.duration,
        provider=heard.account.name,
        model=heard.context.model,
        usage=_usage(document.usage, document.duration),
        warnings=heard.notes.warnings,
        request_id=request_id_of(heard.answer.headers),
        provider_details=details,
    )


def _document(heard: _Heard) -> Transcript:
    """The transcript; plain text is one too where ``extra`` asked for it."""
    answer = heard.answer
    declared = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if "response_format" in heard.request.extra and declared in _PLAIN_TEXT:
        return Transcript(text=answer.body.decode("utf-8", "replace"))
    document = parsed(Transcript, answer, heard.account, heard.context)
    wanted = heard.request.timestamps
    missing = (wanted == "word" and document.words is None) or (
        (wanted == "segment" or heard.request.diarize) and document.segments is None
    )
    if missing and document.text.strip():
        message = "The transcript came without the times that were asked for."
        raise heard.account.invalid(message, answer, heard.context)
    return document


def _usage(usage: HeardUsage | None, duration: float | None) -> Usage:
    if usage is None:
        return Usage(audio_s=duration)
    tokens = usage.input_token_details
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_audio_tokens=tokens.audio_tokens if tokens else None,
        audio_s=usage.seconds if usage.seconds is not None else duration,
    )
