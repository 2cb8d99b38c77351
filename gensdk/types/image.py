"""Images: the request and the response."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .base import Ability, Request, Response, Text
from .media import Media, MediasIn, OwnMedia

__all__ = ["ImageFormat", "ImageQuality", "ImageRequest", "ImageResponse"]

ImageFormat = Literal["png", "jpeg", "webp", "gif", "svg"]
ImageQuality = Literal["auto", "draft", "low", "standard", "medium", "high", "xhigh", "max"]

_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_RATIO = re.compile(r"[1-9][0-9]{0,2}:[1-9][0-9]{0,2}")


def _size_text(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) == 2:
        value = f"{value[0]}x{value[1]}"
    if value is None or value == "auto":
        return value
    match = _SIZE.fullmatch(str(value))
    if not match or not all(1 <= int(side) <= 16384 for side in match.groups()):
        raise ValueError("size is 'WIDTHxHEIGHT' in pixels (1 to 16384 a side) or 'auto'")
    return str(value)


def _ratio_text(value: str | None) -> str | None:
    if value is not None and not _RATIO.fullmatch(value):
        raise ValueError("aspect_ratio is 'WIDTH:HEIGHT', such as '16:9'")
    return value


Size = Annotated[str | None, BeforeValidator(_size_text)]
"""``"WIDTHxHEIGHT"`` in pixels, ``(width, height)``, or ``"auto"``."""

Ratio = Annotated[str | None, AfterValidator(_ratio_text)]
"""``"16:9"`` and the like."""


def sides(size: str | None) -> tuple[int, int] | None:
    """Width and height in pixels, None for ``auto`` or unset."""
    match = _SIZE.fullmatch(size or "")
    return (int(match[1]), int(match[2])) if match else None


class ImageRequest(Request):
    """Ask a model for pictures.

    Attributes:
        prompt: What to show.
        images: Pictures to start from; with them the call is an edit.
        mask: Where to edit: transparent pixels of a PNG as large as the first picture.
        size: ``"WIDTHxHEIGHT"`` in pixels, ``(width, height)``, or ``"auto"``.
        aspect_ratio: ``"16:9"``; not together with ``size``.
        n: Number of pictures.
        seed: Makes the picture repeatable where the model can.
        quality: ``draft``, ``standard``, ``high``, ``max``, or the provider's own grade.
        style: The provider's name of a style.
        negative_prompt: What not to show.
        steps: Denoising steps.
        guidance_scale: How closely to follow the prompt.
        strength: How far an edit may leave its source, 0 to 1.
        background: Background of the picture.
        format: File format.
        compression: 0 to 100, for JPEG and WebP.
        moderation: How strict the provider's filter is.
        user_id: Your pseudonymous id of the end user.
    """

    ability: ClassVar[Ability] = "image"

    prompt: Text = ""
    images: MediasIn = ()
    mask: OwnMedia | None = None
    size: Size = None
    aspect_ratio: Ratio = None
    n: Annotated[int, Field(ge=1, le=100)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    quality: ImageQuality | None = None
    style: Text | None = None
    negative_prompt: Text | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    background: Literal["auto", "transparent", "opaque"] | None = None
    format: ImageFormat | None = None
    compression: Annotated[int, Field(ge=0, le=100)] | None = None
    moderation: Literal["auto", "low", "strict"] | None = None
    user_id: Text | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ImageRequest:
        if not self.prompt.strip() and not self.images:
            raise ValueError("prompt is empty")
        if self.size and self.aspect_ratio:
            raise ValueError("give size or aspect_ratio, not both")
        if self.mask is not None and not self.images:
            raise ValueError("a mask needs images=[...] to edit")
        return self

    @property
    def dimensions(self) -> tuple[int, int] | None:
        """Width and height in pixels, None for ``auto`` or unset."""
        return sides(self.size)

    @classmethod
    def answer_type(cls) -> type[ImageResponse]:
        """The class of its answers."""
        return ImageResponse


class ImageResponse(Response):
    """Pictures; there is always at least one.

    Attributes:
        images: The pictures, bytes as the provider sent them.
        revised_prompt: The prompt the provider really used, where it says so.
        seed: The seed that gives the first picture again, where known.
    """

    images: tuple[Media, ...] = ()
    revised_prompt: str | None = None
    seed: int | None = None
