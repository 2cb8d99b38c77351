"""Transcription: from a request to a job (prepare), from a result to a response.

Pure, but for ``heard``, which brings the sound.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gensdk.errors import InvalidRequestError, WorkerCrashedError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.toolkit.hearing import decode
from gensdk.types import (
    URL,
    Segment,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
    Word,
)

from ..fields import options_of
from ..job import Final
from ..notes import note_all
from .job import RATE, Transcribed, TranscriptionJob
from .joining import Passage, text_of
from .options import LocalTranscriptionOptions

__all__ = ["heard", "prepare", "respond"]


def prepare(
    request: TranscriptionRequest, context: Context, provider: str, *, streams: bool = False
) -> tuple[TranscriptionJob, Notes]:
    """Turn a request into a job that lacks only its sound.

    Raises:
        UnsupportedFeatureError: It asks for something this engine cannot do.
        InvalidRequestError: Its options are wrong.
    """
    notes = Notes(provider, context)
    if request.extra:
        notes.refuse("extra", "there is no request body here")
    given = request.options.get(provider)
    options = options_of(given, LocalTranscriptionOptions, provider) if given else None
    if request.diarize:
        notes.refuse("diarize", "the models that run here do not tell speakers apart")
    if request.translate and request.timestamps == "word":
        notes.refuse("timestamps", "a translation has times of segments, not of words")
    job = TranscriptionJob(
        language=request.language,
        prompt=request.prompt or None,
        keywords=request.keywords,
        timestamps=request.timestamps or "none",
        temperature=request.temperature,
        translate=request.translate,
        options=options,
        strict=context.unsupported == "error",
    )
    return job, notes


async def heard(
    job: TranscriptionJob, request: TranscriptionRequest, context: Context
) -> TranscriptionJob:
    """The job with its sound: fetched where it was given by address, unpacked in a thread.

    Raises:
        InvalidRequestError: It is no sound, or a damaged or an empty one.
        RequestTooLargeError: It is hours long.
        MissingDependencyError: Its format needs PyAV, which is not installed.
    """
    audio = request.audio
    media = await context.fetch(audio) if isinstance(audio, URL) else audio
    samples = await asyncio.to_thread(decode, media, RATE)
    if not len(samples):
        raise InvalidRequestError("the sound is empty: it has no samples", param="audio")
    return replace(job, media=media, samples=samples)


def respond(ended: Final, notes: Notes, model: str, provider: str) -> TranscriptionResponse:
    """Turn the engine's result into a response."""
    if not isinstance(ended, Transcribed):
        raise WorkerCrashedError(f"the worker answered with {type(ended).__name__}")
    note_all(notes, ended.notes)
    timed = ended.timestamps != "none"
    return TranscriptionResponse(
        provider=provider,
        model=model,
        text=text_of(ended.passages),
        segments=_segments(ended.passages) if timed else (),
        words=_words(ended.passages) if ended.timestamps == "word" else (),
        language=ended.language,
        duration_s=ended.duration_s,
        usage=Usage(output_tokens=ended.tokens, audio_s=ended.duration_s),
        warnings=notes.warnings,
        reproducible=True,
        provider_details=dict(ended.details),
    )


def _segments(passages: tuple[Passage, ...]) -> tuple[Segment, ...]:
    return tuple(
        Segment(
            text=passage.text.strip(), start_s=round(passage.start, 3), end_s=round(passage.end, 3)
        )
        for passage in passages
        if passage.text.strip()
    )


def _words(passages: tuple[Passage, ...]) -> tuple[Word, ...]:
    return tuple(
        Word(text=word.text.strip(), start_s=round(word.start, 3), end_s=round(word.end, 3))
        for passage in passages
        for word in passage.words
        if word.text.strip() and word.start is not None and word.end is not None
    )
