"""Transcription: the request and the response."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Ability, Request, Response, Text, Value
from .media import MediaIn

__all__ = ["Segment", "Timestamps", "TranscriptionRequest", "TranscriptionResponse", "Word"]

Timestamps = Literal["none", "segment", "word"]


class TranscriptionRequest(Request):
    """Ask a model for the words in a sound.

    Attributes:
        audio: The sound, with its container (WAV, MP3, …).
        language: ISO 639-1 code, where known.
        prompt: Words or style that occur in it.
        keywords: Names and terms to listen for.
        timestamps: How finely to time the words.
        diarize: Whether to tell speakers apart.
        temperature: 0 to 1.
        translate: Whether to translate into English.
    """

    ability: ClassVar[Ability] = "transcribe"

    audio: MediaIn
    language: Text | None = None
    prompt: Text | None = None
    keywords: tuple[Text, ...] = ()
    timestamps: Timestamps | None = None
    diarize: bool = False
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    translate: bool = False

    @classmethod
    def answer_type(cls) -> type[TranscriptionResponse]:
        """The class of its answers."""
        return TranscriptionResponse


class Word(Value):
    """A word with its times in seconds."""

    text: str
    start_s: float
    end_s: float
    speaker: str | None = None


class Segment(Value):
    """A stretch of speech with its times in seconds."""

    text: str
    start_s: float
    end_s: float
    speaker: str | None = None


class TranscriptionResponse(Response):
    """The words.

    Attributes:
        text: Everything that was said.
        segments: Timed stretches, where asked for and known.
        words: Timed words, where asked for and known.
        language: Language that was spoken, as the provider names it.
        duration_s: Length of the sound in seconds, where known.
    """

    text: str
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()
    language: str | None = None
    duration_s: float | None = None

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers, in order of appearance."""
        timed: list[Segment | Word] = [*self.segments, *self.words]
        return tuple(dict.fromkeys(item.speaker for item in timed if item.speaker))
