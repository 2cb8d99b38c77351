"""An image request as the fields of OpenAI's wire: three shapes, one function for each field.

Shapes (``gensdk.catalog.openai_media.ImageShape``): ``gpt-image`` is today's API; ``dall-e`` the
retired one, which lives on at Azure and on compatible servers; ``server`` what vLLM-Omni, SGLang
and other servers of open models take, plus the fields their dialect lists.

Rule of the room: pure. What is not sent is noted or refused, and nothing is sent unasked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gensdk.catalog.compatible import Dialect
from gensdk.catalog.openai_media import ImageModel, image_model
from gensdk.toolkit import Notes
from gensdk.types import ImageRequest

from .image_sizes import nearest_size, size_for_ratio
from .options_media import OpenAIImageOptions

__all__ = ["ImageWire", "image_fields", "wire_for"]

_GRADES: dict[str, str] = {"draft": "low", "standard": "medium"}
"""The portable words that OpenAI has another word for."""

_DALLE_GRADES: dict[str, str] = {
    "draft": "standard", "low": "standard", "standard": "standard", "medium": "standard",
    "high": "hd", "xhigh": "hd", "max": "hd",
}  # fmt: skip

_BODY_NAMES: dict[str, tuple[str, ...]] = {
    "seed": ("seed",),
    "negative_prompt": ("negative_prompt",),
    "steps": ("num_inference_steps", "steps"),
    "guidance_scale": ("guidance_scale", "guidance", "cfg_scale"),
    "strength": ("strength", "denoising_strength"),
}
"""What servers of open models call the fields that OpenAI does not have; the first name that the
dialect lists is sent."""

_COMPRESSED = frozenset({"jpeg", "webp"})
_TRANSPARENT = frozenset({None, "png", "webp", "svg", "gif"})
_UNSTREAMED = frozenset({"gif", "svg"})


@dataclass(frozen=True, slots=True)
class ImageWire:
    """What one request is translated for.

    Attributes:
        row: What the model takes.
        dialect: What the server takes.
        options: The caller's own words for OpenAI.
        edit: Whether there are pictures to start from.
    """

    row: ImageModel
    dialect: Dialect
    options: OpenAIImageOptions
    edit: bool

    def streams(self, request: ImageRequest) -> bool:
        """Whether previews can come: one picture at a time, of a format that is drawn in steps."""
        return self.row.streams and request.format not in _UNSTREAMED and (request.n or 1) == 1


def wire_for(
    request: ImageRequest, model: str, dialect: Dialect, options: OpenAIImageOptions
) -> ImageWire:
    """Find what the model and its server take."""
    row = image_model(model, dialect.name)
    if options.shape is not None and options.shape != row.shape:
        like = {"dall-e": "dall-e-3", "server": ""}.get(options.shape, "gpt-image")
        host = "" if options.shape == "server" else "openai"
        row = replace(image_model(like, host), max_images=row.max_images)
    return ImageWire(row, dialect, options, bool(request.images))


def image_fields(request: ImageRequest, wire: ImageWire, notes: Notes) -> dict[str, Any]:
    """Everything of the body but the model and the files."""
    _check_prompt(request, wire, notes)
    body: dict[str, Any] = {"prompt": request.prompt}
    if request.n is not None and (request.n > 1 or wire.row.max_n > 1):
        body["n"] = request.n
    _add_size(request, wire, notes, body)
    _add_quality(request, wire, notes, body)
    _add_format(request, wire, notes, body)
    _add_background(request, wire, notes, body)
    _add_moderation(request, wire, notes, body)
    _add_body_fields(request, wire, notes, body)
    _add_style(request, wire, notes, body)
    _add_user(request, wire, notes, body)
    _add_options(wire, notes, body)
    if wire.options.response_format:
        body["response_format"] = wire.options.response_format
    elif wire.row.shape == "dall-e" or (
        wire.row.shape == "server" and wire.dialect.image_response_format
    ):
        body["response_format"] = "b64_json"
    return body


def _check_prompt(request: ImageRequest, wire: ImageWire, notes: Notes) -> None:
    limit = wire.row.max_prompt
    if limit is not None and len(request.prompt) > limit:
        notes.refuse("prompt", f"it has {len(request.prompt)} characters, the limit is {limit}")


def _add_size(request: ImageRequest, wire: ImageWire, notes: Notes, body: dict[str, Any]) -> None:
    rule = wire.row.sizes
    if request.size == "auto":
        if rule.auto:
            body["size"] = "auto"
        else:
            notes.adapt("size", "the model has no automatic size; its own default is used")
        return
    if request.aspect_ratio is not None:
        width, height = size_for_ratio(request.aspect_ratio, rule)
        body["size"] = f"{width}x{height}"
        message = f"aspect ratio {request.aspect_ratio} was sent as size {body['size']}"
        notes.adapt("aspect_ratio", message, body["size"])
    elif (wanted := request.dimensions) is not None:
        width, height = nearest_size(wanted, rule)
        body["size"] = f"{width}x{height}"
        if (width, height) != wanted:
            message = f"{request.size} is no size of this model; {body['size']} is the nearest"
            notes.adapt("size", message, body["size"])


def _add_quality(
    request: ImageRequest, wire: ImageWire, notes: Notes, body: dict[str, Any]
) -> None:
    asked, known = request.quality, wire.row.qualities
    if asked is None:
        return
    if not known and "quality" not in wire.dialect.body_fields:
        notes.drop("quality", "it has no grades of quality")
        return
    if wire.row.shape == "dall-e":
        if asked == "auto":
            notes.adapt("quality", "the model has no automatic quality; its own default is used")
            return
        sent = _DALLE_GRADES[asked]
        exact = sent == asked or (asked, sent) == ("high", "hd")
    else:
        sent = _GRADES.get(asked, asked)
        exact = sent == "auto" or not known or sent in known
        sent = sent if exact else known[-1]
    body["quality"] = sent
    if not exact:
        notes.adapt("quality", f"quality {asked!r} was sent as {sent!r}", sent)


def _add_format(request: ImageRequest, wire: ImageWire, notes: Notes, body: dict[str, Any]) -> None:
    asked = request.format
    if asked is not None:
        if asked in wire.row.formats:
            body["output_format"] = asked
        elif asked == "png" and not wire.row.formats:
            return _add_compression(request, notes, body)
        else:
            notes.drop("format", "the model cannot draw in this format")
    if asked == "svg" and (request.n or 1) > 1:
        notes.refuse("n", "SVG comes one at a time")
    if asked == "gif" and request.mask is not None:
        notes.refuse("mask", "a GIF cannot be drawn with a mask")
    return _add_compression(request, notes, body)


def _add_compression(request: ImageRequest, notes: Notes, body: dict[str, Any]) -> None:
    if request.compression is None:
        return
    if body.get("output_format") in _COMPRESSED:
        body["output_compression"] = request.compression
    else:
        notes.drop("compression", "only format='jpeg' and format='webp' have it")


def _add_background(
    request: ImageRequest, wire: ImageWire, notes: Notes, body: dict[str, Any]
) -> None:
    if request.background is None:
        return
    if wire.row.shape != "gpt-image":
        notes.drop("background", "it draws its own background")
        return
    if request.background == "transparent" and request.format not in _TRANSPARENT:
        notes.refuse("background", f"{request.format} has no transparency; choose png or webp")
    body["background"] = request.background


def _add_moderation(
    request: ImageRequest, wire: ImageWire, notes: Notes, body: dict[str, Any]
) -> None:
    if request.moderation is None:
        return
    if wire.row.shape != "gpt-image" or wire.edit:
        notes.drop("moderation", "edits have no such field" if wire.edit else "no such field")
    elif request.moderation == "strict":
        body["moderation"] = "auto"
        notes.adapt("moderation", "'auto' is the strictest filter there is", "auto")
    else:
        body["moderation"] = request.moderation


def _add_body_fields(
    request: ImageRequest, wire: ImageWire, notes: Notes, body: dict[str, Any]
) -> None:
    for field, names in _BODY_NAMES.items():
        value = getattr(request, field)
        if value is None:
            continue
        name = next((name for name in names if name in wire.dialect.body_fields), None)
        if name is None:
            notes.drop(field, "the API has no such field")
        else:
            body[name] = value


def _add_style(request: ImageRequest, wire: ImageWire, notes: Notes, body: dict[str, Any]) -> None:
    if request.style is None:
        return
    if request.style in wire.row.styles or "style" in wire.dialect.body_fields:
        body["style"] = request.style
    elif wire.row.styles:
        notes.drop("style", f"its styles are {', '.join(sorted(wire.row.styles))}")
    else:
        notes.drop("style", "describe the style in the prompt")


def _add_user(request: ImageRequest, wire: ImageWire, notes: Notes, body: dict[str, Any]) -> None:
    if request.user_id is None:
        return
    if "user_id" in wire.dialect.refuses:
        notes.drop("user_id", "the server takes no user")
    elif wire.row.shape == "gpt-image":
        body[wire.dialect.user_field] = request.user_id
    else:
        body["user"] = request.user_id


def _add_options(wire: ImageWire, notes: Notes, body: dict[str, Any]) -> None:
    """The caller's own words for OpenAI."""
    options, row = wire.options, wire.row
    if options.complexity is not None:
        body["complexity"] = options.complexity
    if options.input_fidelity is not None:
        if wire.edit and options.input_fidelity in row.input_fidelity:
            body["input_fidelity"] = options.input_fidelity
        else:
            reason = "the model takes no such value" if wire.edit else "it is a field of edits"
            notes.drop("input_fidelity", reason)
    if options.markup is not None and not (wire.edit and row.markup):
        notes.refuse("markup", "it goes with edits of gpt-image-2.5 and later")
    _add_drawing(options, notes, body)


def _add_drawing(options: OpenAIImageOptions, notes: Notes, body: dict[str, Any]) -> None:
    """Fields of moving and of drawn pictures; without their format they would mean nothing."""
    drawn = body.get("output_format")
    for name in ("frame_count", "frame_duration_ms"):
        if (value := getattr(options, name)) is not None:
            if drawn != "gif":
                notes.refuse(name, "it is a field of format='gif'")
            body[name] = value
    if options.svg_model is not None:
        if drawn != "svg":
            notes.refuse("svg_model", "it is a field of format='svg'")
        body["svg"] = {"model": options.svg_model}
        if options.svg_effort is not None:
            body["svg"]["reasoning"] = {"effort": options.svg_effort}
