"""Speech: the request and the response."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from .base import Ability, Request, Response, Text
from .media import Media

__all__ = ["AudioFormat", "SpeechRequest", "SpeechResponse"]

AudioFormat = Literal["mp3", "wav", "flac", "opus", "aac", "pcm"]


class SpeechRequest(Request):
    """Ask a model to speak.

    Attributes:
        text: What to say. Text over a provider's limit is split at sentences and joined again.
        voice: Name or id of a voice; None takes the model's default.
        instructions: How to say it, in words.
        speed: 1 is normal, 0.25 to 4.
        language: ISO 639-1 code, where the model cannot tell by itself.
        format: Audio format.
        sample_rate: Samples per second, where the model lets one choose.
        seed: Makes the sound repeatable where the model can.
    """

    ability: ClassVar[Ability] = "speech"

    text: Text
    voice: Text | None = None
    instructions: Text | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    language: Text | None = None
    format: AudioFormat | None = None
    sample_rate: Annotated[int, Field(ge=4000, le=192_000)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None

    @field_validator("text")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("text is empty")
        return value

    @classmethod
    def answer_type(cls) -> type[SpeechResponse]:
        """The class of its answers."""
        return SpeechResponse


class SpeechResponse(Response):
    """Sound.

    Attributes:
        audio: The whole sound.
        duration_s: Length in seconds, where known.
    """

    audio: Media
    duration_s: float | None = None
