"""Options of transcription on this machine that no hosted provider shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LocalTranscriptionOptions"]

_Temperature = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class LocalTranscriptionOptions(BaseModel):
    """Options of Whisper here: ``options={"local": LocalTranscriptionOptions(...)}``.

    The rule and its numbers are those of Whisper's makers (Radford et al. 2022, arXiv:2212.04356,
    section 4.5). None switches a threshold off.

    Attributes:
        fallback_temperatures: At which a piece of the sound whose text is doubted is heard again,
            one after the other, until the text is not; where the request sets no temperature.
            Empty: nothing is heard again.
        compression_ratio_threshold: A text whose bytes shrink by more than this (zlib) repeats
            itself, and is doubted.
        logprob_threshold: A text whose tokens have a lower log-probability on average is doubted.
        no_speech_threshold: Such a text is left out where the model says with a higher probability
            that nobody speaks; without ``logprob_threshold`` every text is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fallback_temperatures: Annotated[tuple[_Temperature, ...], Field(max_length=10)] = (
        0.2, 0.4, 0.6, 0.8, 1.0,
    )  # fmt: skip
    compression_ratio_threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 2.4
    logprob_threshold: Annotated[float, Field(le=0, allow_inf_nan=False)] | None = -1.0
    no_speech_threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = 0.6
