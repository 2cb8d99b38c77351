"""Music and sound effects: the request and the response."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from .base import Ability, Request, Response, Text
from .media import Media, MediaIn
from .speech import AudioFormat

__all__ = ["MusicRequest", "MusicResponse"]


class MusicRequest(Request):
    """Ask a model for music, or for a sound.

    Attributes:
        prompt: What it should sound like.
        lyrics: Words to sing.
        duration_s: Length in seconds.
        instrumental: Without a voice.
        bpm: Beats a minute.
        key: Musical key, such as ``"C minor"``.
        negative_prompt: What it should not sound like.
        seed: Makes the sound repeatable where the model can.
        steps: Denoising steps.
        guidance_scale: How closely to follow the prompt.
        reference_audio: Sound to start from: a melody, or a piece to vary.
        format: Audio format.
        sample_rate: Samples per second, where the model lets one choose.
    """

    ability: ClassVar[Ability] = "music"

    prompt: Text = ""
    lyrics: Text | None = None
    duration_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    instrumental: bool | None = None
    bpm: Annotated[float, Field(ge=20, le=400)] | None = None
    key: Text | None = None
    negative_prompt: Text | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    reference_audio: MediaIn | None = None
    format: AudioFormat | None = None
    sample_rate: Annotated[int, Field(ge=4000, le=192_000)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> MusicRequest:
        sung = bool(self.lyrics and self.lyrics.strip())
        if not self.prompt.strip() and not sung and self.reference_audio is None:
            raise ValueError("prompt is empty")
        if self.instrumental and sung:
            raise ValueError("instrumental music has no lyrics; give one of the two")
        return self

    @classmethod
    def answer_type(cls) -> type[MusicResponse]:
        """The class of its answers."""
        return MusicResponse


class MusicResponse(Response):
    """Music.

    Attributes:
        audio: The whole sound, bytes as the provider sent them.
        duration_s: Length in seconds, where known.
        seed: The seed that gives the same sound again, where known.
        lyrics: The words that are sung, where the model wrote or changed them.
    """

    audio: Media
    duration_s: float | None = None
    seed: int | None = None
    lyrics: str | None = None
