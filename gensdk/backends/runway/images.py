"""Pictures over ``/v1/text_to_image``; pictures given are what the new one is made of."""

from __future__ import annotations

from typing import Any

from gensdk.catalog.runway import PICTURE_FIRST, TaskRow
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.types import ImageRequest

from .inputs import address_of
from .options import RunwayImageOptions, add_options
from .shapes import Wish, add_shape
from .videos import seed_of

__all__ = ["fields_of", "media_of"]

_USUAL = 1024
_NO_FIELD = "the API has no such field"
_NEVER = (
    "style", "negative_prompt", "steps", "guidance_scale", "strength", "compression", "user_id",
)  # fmt: skip
_GRADES = {
    "draft": "low", "low": "low", "standard": "medium", "medium": "medium", "high": "high",
    "xhigh": "xhigh", "max": "max", "auto": "auto",
}  # fmt: skip
_LADDER = ("very_low", "low", "medium", "high", "xhigh", "max")


def fields_of(
    request: ImageRequest, options: RunwayImageOptions, row: TaskRow, model: str, notes: Notes
) -> dict[str, Any]:
    """The body without its pictures.

    Raises:
        UnsupportedFeatureError: What is asked for would be another picture here.
    """
    _refuse(request, options, row, model, notes)
    body: dict[str, Any] = {"model": model}
    if request.prompt:
        body["promptText"] = request.prompt
    wish = Wish(
        size=request.dimensions,
        shape=request.aspect_ratio,
        auto=request.size == "auto",
        usual=_USUAL,
        usual_shape=(1, 1),
    )
    add_shape(body, row, wish, notes)
    if request.n is not None and request.n > 1:
        body["outputCount"] = request.n
    seed = seed_of(request.seed, row, notes)
    if seed is not None:
        body["seed"] = seed
    _add_quality(request, row, notes, body)
    _add_choices(request, row, notes, body)
    for name in _NEVER:
        if getattr(request, name) is not None:
            notes.drop(name, _NO_FIELD)
    add_options(body, options, row, notes)
    return body


async def media_of(
    request: ImageRequest, options: RunwayImageOptions, context: Context
) -> dict[str, Any]:
    """The field of the pictures given."""
    if not request.images:
        return {}
    pictures = [
        {"uri": await address_of(item, "image", "images", context)} for item in request.images
    ]
    for picture, tag in zip(pictures, options.tags, strict=False):
        picture["tag"] = tag
    return {"referenceImages": pictures}


def _refuse(
    request: ImageRequest, options: RunwayImageOptions, row: TaskRow, model: str, notes: Notes
) -> None:
    if request.mask is not None:
        hint = "; extra={'maskUri': …} is Ideogram's own mask" if row.takes("maskUri") else ""
        notes.refuse("mask", f"the API does not say which side of a mask is drawn{hint}")
    if request.images and not row.takes("referenceImages"):
        notes.refuse("images", "the model draws from words only")
    if row.pictures is not None and len(request.images) > row.pictures:
        notes.refuse("images", f"the model takes up to {row.pictures}")
    if model in PICTURE_FIRST and not request.images:
        notes.refuse("images", "the model draws from pictures; give at least one")
    if len(options.tags) > len(request.images):
        notes.refuse("options.tags", "there are more names than pictures")
    count = request.n or 1
    if count > 1 and not row.takes("outputCount"):
        notes.refuse("n", "one task makes one picture; make several calls")
    if row.counts and count not in row.counts:
        notes.refuse("n", f"a task makes {', '.join(map(str, row.counts))} pictures")


def _add_quality(request: ImageRequest, row: TaskRow, notes: Notes, body: dict[str, Any]) -> None:
    if request.quality is None:
        return
    grade = _GRADES[request.quality]
    if row.known and not row.qualities:
        if grade != "auto":
            notes.drop("quality", "choose another model, or a larger size")
        return
    if row.known and grade not in row.qualities:
        if grade == "auto":
            return
        rungs = [rung for rung in row.qualities if rung in _LADDER]
        wanted = _LADDER.index(grade)
        grade = min(rungs, key=lambda rung: abs(_LADDER.index(rung) - wanted))
        notes.adapt("quality", f"Its grades are {', '.join(rungs)}.", grade)
    body["quality"] = grade


def _add_choices(request: ImageRequest, row: TaskRow, notes: Notes, body: dict[str, Any]) -> None:
    """Format, background and moderation."""
    if request.format is not None:
        if not row.known or request.format in row.formats:
            body["outputFormat"] = request.format
        elif row.formats:
            body["outputFormat"] = row.formats[0]
            notes.adapt("format", f"It writes {', '.join(row.formats)}.", row.formats[0])
        else:
            notes.drop("format", "the model decides")
    if request.background is not None:
        if not row.known or request.background in row.backgrounds:
            body["background"] = request.background
        elif request.background != "auto":
            notes.drop("background", "the model decides")
    if request.moderation in ("auto", "low") and row.takes("contentModeration"):
        body["contentModeration"] = {"publicFigureThreshold": request.moderation}
    elif request.moderation not in (None, "auto"):
        notes.drop("moderation", "the model has no such field")
