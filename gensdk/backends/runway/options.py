"""Runway's own options. Given as ``options={"runway": RunwayVideoOptions(...)}``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gensdk.catalog.runway import TaskRow
from gensdk.toolkit import Notes
from gensdk.types import JsonObject

__all__ = [
    "RunwayImageOptions",
    "RunwaySoundOptions",
    "RunwaySpeechOptions",
    "RunwayVideoOptions",
    "add_options",
]

Share = Annotated[float, Field(ge=0, le=1)]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunwayVideoOptions(_Options):
    """What only Runway's videos take; which of it, says the model.

    Attributes:
        public_figure_threshold: ``low`` is less strict about people whom everybody knows.
        output_format: ``mp4``, or another master format such as ``prores``.
        prores_profile: Kind of ProRes.
        cfg_scale: How closely Kling follows the prompt.
        mode: What becomes of ``video``.
        draft: Whether Seedance makes a cheap draft first.
        draft_task_id: The draft that the real video is made of.
        keyframes: Pictures at moments of the video that Aleph changes, as the API words them.
        target_aspect_ratio: Shape that Aleph gives the video.
        prompt_expansion_mode: How far MiniMax writes the prompt out.
        provider_settings: Kling's shots, as the API words them.
    """

    public_figure_threshold: Literal["auto", "low"] | None = None
    output_format: str | None = None
    prores_profile: str | None = None
    cfg_scale: float | None = None
    mode: Literal["reference", "extend", "edit"] | None = None
    draft: bool | None = None
    draft_task_id: str | None = None
    keyframes: tuple[JsonObject, ...] | None = None
    target_aspect_ratio: str | None = None
    prompt_expansion_mode: Literal["disabled", "balanced", "quality"] | None = None
    provider_settings: JsonObject | None = None


class RunwayImageOptions(_Options):
    """What only Runway's pictures take; which of it, says the model.

    Attributes:
        tags: Names of the pictures given, in their order; ``@name`` in the prompt means one.
        public_figure_threshold: ``low`` is less strict about people whom everybody knows.
        thinking_level: How long Nano Banana thinks.
        grounding: Whether Seedream looks things up.
        edit: Whether Grok changes the picture itself, not something like it.
        precise_edit: Whether Ideogram keeps the first picture's composition and size.
        colors: Colours of Recraft's palette.
        background_color: Colour of Recraft's background.
    """

    tags: tuple[str, ...] = ()
    public_figure_threshold: Literal["auto", "low"] | None = None
    thinking_level: Literal["minimal", "medium", "high"] | None = None
    grounding: bool | None = None
    edit: bool | None = None
    precise_edit: bool | None = None
    colors: tuple[str, ...] | None = None
    background_color: str | None = None


class RunwaySpeechOptions(_Options):
    """What only Runway's speech takes; which of it, says the model.

    Attributes:
        stability: Low varies more, high is more even.
        similarity_boost: How close to the original voice.
        style: How far to exaggerate its style.
        use_speaker_boost: Whether to raise the likeness at some cost of time.
        previous_text: What was said before, for continuity.
        next_text: What will be said after.
        apply_text_normalization: Whether to spell out numbers and the like.
        speech_rate: Seed Audio's tempo; 0 is normal.
        pitch_rate: Seed Audio's pitch; 0 is normal.
        loudness_rate: Seed Audio's loudness; 0 is normal.
    """

    stability: Share | None = None
    similarity_boost: Share | None = None
    style: Share | None = None
    use_speaker_boost: bool | None = None
    previous_text: str | None = None
    next_text: str | None = None
    apply_text_normalization: Literal["auto", "on", "off"] | None = None
    speech_rate: int | None = None
    pitch_rate: int | None = None
    loudness_rate: int | None = None


class RunwaySoundOptions(_Options):
    """What only Runway's sound effects take; which of it, says the model.

    Attributes:
        loop: Whether the sound can be repeated without a seam.
        speech_rate: Seed Audio's tempo; 0 is normal.
        pitch_rate: Seed Audio's pitch; 0 is normal.
        loudness_rate: Seed Audio's loudness; 0 is normal.
    """

    loop: bool | None = None
    speech_rate: int | None = None
    pitch_rate: int | None = None
    loudness_rate: int | None = None


def add_options(body: dict[str, Any], options: BaseModel, row: TaskRow, notes: Notes) -> None:
    """Put options into a body, by the API's spelling.

    Raises:
        UnsupportedFeatureError: The model is known, and has no such field.
    """
    given = options.model_dump(exclude_none=True, exclude={"tags"})
    threshold = given.pop("public_figure_threshold", None)
    if threshold is not None:
        given["content_moderation"] = {"publicFigureThreshold": threshold}
    for name, value in given.items():
        first, *rest = name.split("_")
        field = first + "".join(word.title() for word in rest)
        if not row.takes(field):
            notes.refuse(f"options.{name}", "the model has no such field")
        body[field] = list(value) if isinstance(value, tuple) else value
