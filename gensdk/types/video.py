"""Video: the request and the response."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from .base import Ability, Request, Response, Text
from .image import Ratio, Size, sides
from .media import Media, MediaIn, MediasIn

__all__ = ["VideoFormat", "VideoRequest", "VideoResolution", "VideoResponse"]

VideoFormat = Literal["mp4", "webm", "mov", "gif"]
VideoResolution = Literal["360p", "480p", "540p", "720p", "1080p", "1440p", "4k"]


class VideoRequest(Request):
    """Ask a model for a video.

    Attributes:
        prompt: What happens.
        first_frame: Picture to begin with.
        last_frame: Picture to end with.
        references: Pictures of who and what appears.
        video: Video to start from: to edit, restyle or extend, as the model does.
        duration_s: Length in seconds.
        size: ``"WIDTHxHEIGHT"`` in pixels, ``(width, height)``, or ``"auto"``.
        aspect_ratio: ``"16:9"``; not together with ``size``.
        resolution: Height class, such as ``"720p"``; not together with ``size``.
        fps: Frames per second.
        n: Number of videos.
        seed: Makes the video repeatable where the model can.
        negative_prompt: What not to show.
        audio: Whether to make sound too.
        steps: Denoising steps.
        guidance_scale: How closely to follow the prompt.
        strength: How far to leave ``video`` or ``first_frame``, 0 to 1.
        format: File format.
        user_id: Your pseudonymous id of the end user.
    """

    ability: ClassVar[Ability] = "video"

    prompt: Text = ""
    first_frame: MediaIn | None = None
    last_frame: MediaIn | None = None
    references: MediasIn = ()
    video: MediaIn | None = None
    duration_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    size: Size = None
    aspect_ratio: Ratio = None
    resolution: VideoResolution | None = None
    fps: Annotated[float, Field(gt=0, le=240)] | None = None
    n: Annotated[int, Field(ge=1, le=16)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    negative_prompt: Text | None = None
    audio: bool | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    format: VideoFormat | None = None
    user_id: Text | None = None

    @field_validator("resolution", mode="before")
    @classmethod
    def _resolution_word(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> VideoRequest:
        seen = (self.first_frame, self.last_frame, self.video)
        if not self.prompt.strip() and not self.references and seen == (None, None, None):
            raise ValueError("prompt is empty")
        if self.size and (self.aspect_ratio or self.resolution):
            raise ValueError("give size, or aspect_ratio and resolution, not both")
        if self.strength is not None and self.video is None and self.first_frame is None:
            raise ValueError("strength needs a video or a first_frame to leave")
        return self

    @property
    def dimensions(self) -> tuple[int, int] | None:
        """Width and height in pixels, None for ``auto`` or unset."""
        return sides(self.size)

    @classmethod
    def answer_type(cls) -> type[VideoResponse]:
        """The class of its answers."""
        return VideoResponse


class VideoResponse(Response):
    """Videos; there is always at least one.

    Attributes:
        videos: The videos, bytes as the provider sent them.
        duration_s: Length of the first one in seconds, where known.
        fps: Frames per second of the first one, where known.
        seed: The seed that gives the first video again, where known.
        revised_prompt: The prompt the provider really used, where it says so.
    """

    videos: tuple[Media, ...] = ()
    duration_s: float | None = None
    fps: float | None = None
    seed: int | None = None
    revised_prompt: str | None = None
