"""What ``/audio/transcriptions`` answers: plain, verbose and diarized, as one small model."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, FiniteFloat, JsonValue

from gensdk.toolkit import OR_NONE

__all__ = ["HeardUsage", "Transcript"]


class _Tokens(BaseModel):
    audio_tokens: int | None = None


class HeardUsage(BaseModel):
    """Tokens or seconds, whichever the model is billed by."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: _Tokens | None = None
    seconds: FiniteFloat | None = None


class _Language(BaseModel):
    code: str


class _TimedWord(BaseModel):
    word: str
    start: FiniteFloat
    end: FiniteFloat


class _TimedText(BaseModel):
    text: str
    start: FiniteFloat
    end: FiniteFloat
    speaker: str | None = None


class Transcript(BaseModel):
    """A transcript. Its text may be empty: silence has none."""

    text: str
    language: Annotated[str | None, OR_NONE] = None
    languages: Annotated[list[_Language] | None, OR_NONE] = None
    duration: Annotated[FiniteFloat | None, OR_NONE] = None
    segments: list[_TimedText] | None = None
    words: list[_TimedWord] | None = None
    logprobs: Annotated[list[JsonValue] | None, OR_NONE] = None
    usage: Annotated[HeardUsage | None, OR_NONE] = None
