"""Transcription: sound as base64, as an address of its own, or as a file of a form."""

from __future__ import annotations

from typing import Any

from gensdk.errors import InvalidRequestError
from gensdk.spec import Context
from gensdk.toolkit import (
    Answer,
    Form,
    FormFile,
    Notes,
    fetched,
    merge_extra,
    request_id_of,
    vendor_options,
)
from gensdk.types import Media, Segment, TranscriptionRequest, TranscriptionResponse

from .account import Accounts
from .bodies import base64_of, body_of, data_url, parameters_of
from .options import HuggingFaceTranscriptionOptions
from .providers import Target
from .work import collected, outcome, sent

__all__ = ["generate", "prepare"]

_TAKEN = frozenset({"audio", "timestamps", "temperature"})
_MEANING = frozenset({"diarize", "translate"})
_FORM = "file"


async def generate(
    accounts: Accounts, request: TranscriptionRequest, context: Context
) -> TranscriptionResponse:
    """Write down what is said, once."""
    notes = Notes(accounts.name, context)
    notes.drop_unsupported(
        request,
        _TAKEN,
        meaning=_MEANING,
        reason="not portable between these providers; put its own field into extra",
    )
    if request.timestamps == "word":
        notes.refuse("timestamps", "these providers time segments, and no words")
    options = vendor_options(
        request,
        HuggingFaceTranscriptionOptions,
        provider=accounts.name,
        vendor=accounts.router.vendor.name,
        model=context.model,
    )
    target = await accounts.providers.target(
        "automatic-speech-recognition", options.provider, context, notes
    )
    audio = await fetched(request.audio, context)
    known = audio.kind in {"audio", "video"} or audio.media_type == "application/octet-stream"
    if not known or audio.media_type == "audio/pcm":
        raise InvalidRequestError(
            f"audio is {audio.media_type}; give a sound in a file format, such as WAV or MP3",
            provider=accounts.name,
            model=context.model,
            param="audio",
        )
    body = prepare(request, audio, target, accounts.name, context.model, notes)
    if target.service.subject == _FORM:
        form = Form(
            fields=tuple((name, _word(value)) for name, value in body.items()),
            files=(FormFile(_FORM, audio.filename, audio.data, audio.media_type),),
        )
        answer = await sent(accounts, target, context, form=form)
    else:
        answer = await sent(accounts, target, context, body=body)
    answer, document = await outcome(accounts, target, answer, context)
    return await _response(document, request, answer, target, accounts, context, notes)


def prepare(
    request: TranscriptionRequest,
    audio: Media,
    target: Target,
    provider: str,
    model: str,
    notes: Notes,
) -> dict[str, Any]:
    """The body of the request, or the fields of its form.

    Raises:
        UnsupportedFeatureError: The provider times nothing.
    """
    service = target.service
    if request.timestamps == "segment" and "timestamps" not in service.fields:
        notes.refuse("timestamps", f"{service.provider} is not known to time anything")
    parameters: dict[str, Any] = {}
    if request.timestamps is not None and "timestamps" in service.fields:
        parameters["return_timestamps"] = request.timestamps == "segment"
    if "temperature" in service.fields and request.temperature is not None:
        parameters["generation_parameters"] = {"temperature": request.temperature}
    else:
        parameters_of({"temperature": request.temperature}, service, notes)
    if service.subject == _FORM:
        fields = {**parameters, "model": target.model}
        merge_extra(fields, request, provider=provider, model=model, taken={_FORM: None})
        return fields
    sound = base64_of(audio) if service.envelope == "parameters" else data_url(audio)
    return body_of(target, sound, parameters, request, provider=provider, model=model)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _response(
    document: dict[str, Any],
    request: TranscriptionRequest,
    answer: Answer,
    target: Target,
    accounts: Accounts,
    context: Context,
    notes: Notes,
) -> TranscriptionResponse:
    found = document.get("output") if target.service.queue == "replicate" else document
    text = await _text(found, context)
    if text is None:
        raise accounts.router.invalid("The answer holds no transcript.", answer, context)
    segments = _segments(document) if request.timestamps == "segment" else ()
    if request.timestamps == "segment" and text.strip() and not segments:
        message = "The transcript came without the times that were asked for."
        raise accounts.router.invalid(message, answer, context)
    return TranscriptionResponse(
        text=text,
        segments=segments,
        provider=accounts.name,
        model=context.model,
        warnings=notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=request.temperature == 0,
        provider_details={"provider": target.provider, "provider_model": target.model},
    )


async def _text(found: object, context: Context) -> str | None:
    """The words: a text, or what Replicate's models put it into."""
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, str):
        return found
    if not isinstance(found, dict):
        return None
    for name in ("text", "transcription", "translation"):
        if isinstance(found.get(name), str):
            return str(found[name])
    if isinstance(found.get("txt_file"), str):
        return (await collected(found["txt_file"], context)).data.decode("utf-8", "replace")
    return None


def _segments(document: dict[str, Any]) -> tuple[Segment, ...]:
    """Chunks with their times; the end of the last one may be missing."""
    found: list[Segment] = []
    chunks = document.get("chunks")
    for chunk in chunks if isinstance(chunks, list) else ():
        times = chunk.get("timestamp") if isinstance(chunk, dict) else None
        if not isinstance(times, list) or len(times) != 2 or not isinstance(times[0], int | float):
            continue
        end = times[1] if isinstance(times[1], int | float) else times[0]
        found.append(Segment(text=str(chunk.get("text", "")), start_s=times[0], end_s=end))
    return tuple(found)
