"""What only Google's models take: ``options={"google": GoogleTextOptions(...)}``."""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gensdk.toolkit import vendor_options
from gensdk.types import URL, JsonObject, Media, Request

__all__ = [
    "GoogleEmbedOptions",
    "GoogleImageOptions",
    "GoogleMusicOptions",
    "GoogleSpeechOptions",
    "GoogleTextOptions",
    "GoogleVideoOptions",
    "options_of",
]

Threshold = Literal[
    "BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"
]
Safety = dict[str, Threshold]
"""Threshold by harm category: ``{"HARM_CATEGORY_HARASSMENT": "BLOCK_ONLY_HIGH"}``."""


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GoogleTextOptions(_Options):
    """For text.

    Attributes:
        include_thoughts: Whether to show summaries of the model's thinking.
        thinking_level: Google's word for how hard to think; wins over ``reasoning_effort``.
        thinking_budget: Tokens of thought for models of the 2.5 family; -1 lets the model choose.
        safety: Threshold by harm category.
        cached_content: Name of content that was cached before (``cachedContents/…``).
        builtin_tools: Google's own tools, verbatim: ``{"googleSearch": {}}``.
        validated_calls: With ``tool_choice="auto"``: calls must fit their schemas exactly.
        media_resolution: How closely to look at pictures and videos.
    """

    include_thoughts: bool | None = None
    thinking_level: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    thinking_budget: int | None = Field(default=None, ge=-1)
    safety: Safety = Field(default_factory=dict)
    cached_content: str | None = None
    builtin_tools: tuple[JsonObject, ...] = ()
    validated_calls: bool = False
    media_resolution: Literal["low", "medium", "high"] | None = None


class GoogleImageOptions(_Options):
    """For pictures.

    Attributes:
        image_size: ``512``, ``1K``, ``2K`` or ``4K``, as the model has it.
        safety: Threshold by harm category; wins over ``moderation``.
    """

    image_size: str | None = None
    safety: Safety = Field(default_factory=dict)


class GoogleSpeechOptions(_Options):
    """For speech.

    Attributes:
        speakers: Voice by speaker, exactly two, for a text in the form of a script:
            ``{"Joe": "Kore", "Jane": "Puck"}`` for ``Joe: … Jane: …``.
    """

    speakers: dict[str, str] = Field(default_factory=dict)

    @field_validator("speakers")
    @classmethod
    def _two(cls, value: dict[str, str]) -> dict[str, str]:
        if value and len(value) != 2:
            raise ValueError("name exactly two speakers")
        return value


class GoogleMusicOptions(_Options):
    """For music.

    Attributes:
        images: Pictures to be inspired by, ten at most.
    """

    images: tuple[Media | URL, ...] = Field(default=(), max_length=10)


class GoogleVideoOptions(_Options):
    """For videos.

    Attributes:
        task: What Gemini Omni shall do; None works it out from what was given.
        person_generation: Which people Veo may show.
        enhance_prompt: Whether Veo may rewrite the prompt.
    """

    task: (
        Literal[
            "text_to_video", "image_to_video", "reference_to_video", "edit", "extend", "upscale"
        ]
        | None
    ) = None
    person_generation: Literal["allow_all", "allow_adult", "dont_allow"] | None = None
    enhance_prompt: bool | None = None


class GoogleEmbedOptions(_Options):
    """For embeddings.

    Attributes:
        title: Title of the document the inputs come from, with ``task="document"``.
    """

    title: str | None = None


OptionsT = TypeVar("OptionsT", bound=_Options)


def options_of(request: Request, kind: type[OptionsT], provider: str, model: str) -> OptionsT:
    """The options a request has for this provider, by the account's name or the vendor's.

    Raises:
        InvalidRequestError: A field is unknown or has a wrong value; the message names it.
    """
    return vendor_options(request, kind, provider=provider, vendor="google", model=model)
