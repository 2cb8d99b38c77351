"""PixVerse's own options. Given as ``options={"pixverse": PixVerseVideoOptions(...)}``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PixVerseVideoOptions"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,30}$")]


class PixVerseVideoOptions(BaseModel):
    """What only PixVerse takes; which of it, says the model.

    Attributes:
        reference_names: Names of ``references``, in their order; ``@name`` and a blank in the
            prompt mean one. Without names they are ``image1``, ``image2`` and so on.
        reference_kinds: What each of them shows; subjects where nothing is said.
        source_video_id: A video made here before that is made longer, in place of ``video``.
        motion_mode: ``fast`` for lively movement (v3.5 to v4.5, five seconds).
        style: Style of ``v3.5``.
        template_id: An effect that is activated for the account.
        camera_movement: Movement of the camera, by the vendor's words.
        multi_clip: Whether the video is made of several shots.
        sound_effect: Whether sound is made for the video afterwards.
        sound_effect_content: What it should sound like.
        water_mark: Whether the vendor's mark is put on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference_names: tuple[Name, ...] = ()
    reference_kinds: tuple[Literal["subject", "background"], ...] = ()
    source_video_id: int | None = None
    motion_mode: Literal["normal", "fast"] | None = None
    style: str | None = None
    template_id: int | None = None
    camera_movement: str | None = None
    multi_clip: bool | None = None
    sound_effect: bool | None = None
    sound_effect_content: str | None = None
    water_mark: bool | None = None
