"""The body of a video, without the ids of what is uploaded for it."""

from __future__ import annotations

import math
from typing import Any

from gensdk.catalog.pixverse import MAX_SEED, QUALITIES, VideoModel, video_model
from gensdk.toolkit import Notes
from gensdk.types import VideoRequest, VideoResolution

from .options import PixVerseVideoOptions

__all__ = ["fields_of", "named_references", "service_of"]

_LENGTH_S, _QUALITY, _SHAPE = 5, "720p", "16:9"
"""What is made where nothing is said; the API needs all three."""
_TOO_FAR = 0.5
_CLOSE = 0.03
_NEVER = ("fps", "steps", "guidance_scale", "strength", "user_id")
_NO_FIELD = "the API has no such field"
_HEIGHTS: dict[VideoResolution, int] = {
    "360p": 360, "480p": 480, "540p": 540, "720p": 720, "1080p": 1080, "1440p": 1440, "4k": 2160,
}  # fmt: skip
_SHAPED = frozenset({"text", "fusion"})
"""Services with a shape of their own; of the others it follows from what is given."""
_NEGATIVE = frozenset({"text", "img", "extend"})
_OPTIONS = {
    "motion_mode": "motion_mode",
    "style": "style",
    "template_id": "template_id",
    "camera_movement": "camera_movement",
    "multi_clip": "generate_multi_clip_switch",
    "sound_effect": "sound_effect_switch",
    "sound_effect_content": "sound_effect_content",
    "water_mark": "water_mark",
}


def service_of(request: VideoRequest, options: PixVerseVideoOptions, notes: Notes) -> str:
    """Which of the services below ``/video`` a request is for.

    Raises:
        UnsupportedFeatureError: No service takes these things together, or one is missing.
    """
    longer = request.video is not None or options.source_video_id is not None
    given = {
        "extend": longer,
        "fusion": bool(request.references),
        "img": request.first_frame is not None,
    }
    kinds = [kind for kind, present in given.items() if present]
    names = {"extend": "video", "fusion": "references", "img": "first_frame"}
    if len(kinds) > 1:
        notes.refuse(names[kinds[1]], f"it cannot be used together with {names[kinds[0]]}")
    if request.last_frame is not None and kinds != ["img"]:
        notes.refuse("last_frame", "it needs a first_frame, and nothing else")
    if request.last_frame is not None:
        return "transition"
    return kinds[0] if kinds else "text"


def fields_of(
    service: str, request: VideoRequest, options: PixVerseVideoOptions, model: str, notes: Notes
) -> dict[str, Any]:
    """The body without ids.

    Raises:
        UnsupportedFeatureError: What is asked for would be another video here.
    """
    row = video_model(model)
    _refuse(service, request, options, row, notes)
    body: dict[str, Any] = {"model": model, "prompt": request.prompt}
    quality = _quality(request, notes)
    body["duration"] = _duration(request, row, quality, notes)
    body["quality"] = quality
    _add_shape(service, request, row, notes, body)
    if request.seed is not None:
        body["seed"] = request.seed % (MAX_SEED + 1)
        if request.seed > MAX_SEED:
            notes.adapt("seed", f"Seeds end at {MAX_SEED}.", body["seed"])
    _add_preferences(service, request, row, notes, body)
    for name, field in _OPTIONS.items():
        value = getattr(options, name)
        if value is not None:
            body[field] = value
    return body


def _add_preferences(
    service: str, request: VideoRequest, row: VideoModel, notes: Notes, body: dict[str, Any]
) -> None:
    if request.negative_prompt is not None and service in _NEGATIVE:
        body["negative_prompt"] = request.negative_prompt
    elif request.negative_prompt is not None:
        notes.drop("negative_prompt", "this service has no such field")
    if request.audio is not None and row.sound:
        body["generate_audio_switch"] = request.audio
    elif request.audio:
        notes.drop("audio", "the model is silent; options.sound_effect adds sound")
    for name in _NEVER:
        if getattr(request, name) is not None:
            notes.drop(name, _NO_FIELD)
    if request.format not in (None, "mp4"):
        notes.drop("format", "the file is an MP4")


def named_references(
    request: VideoRequest, options: PixVerseVideoOptions, notes: Notes
) -> tuple[list[dict[str, Any]], str]:
    """The references without their ids, and a prompt that names them."""
    named: list[dict[str, Any]] = []
    for at in range(len(request.references)):
        names, kinds = options.reference_names, options.reference_kinds
        kind = kinds[at] if at < len(kinds) else "subject"
        named.append({"type": kind, "ref_name": names[at] if at < len(names) else f"image{at + 1}"})
    prompt = request.prompt
    if not any(f"@{one['ref_name']}" in prompt for one in named):
        prompt = " ".join([*(f"@{one['ref_name']}" for one in named), prompt])
        notes.adapt("prompt", "The names of the references were put before it.", prompt)
    return named, prompt


def _refuse(
    service: str,
    request: VideoRequest,
    options: PixVerseVideoOptions,
    row: VideoModel,
    notes: Notes,
) -> None:
    if request.n not in (None, 1):
        notes.refuse("n", "one job makes one video; start several jobs")
    if len(request.references) > row.references:
        least = f"up to {row.references}" if row.references else "none"
        notes.refuse("references", f"the model takes {least}")
    if service == "extend" and not row.extends:
        notes.refuse("video", "the model makes no video longer")
    if options.motion_mode is not None and not row.motion_mode:
        notes.refuse("options.motion_mode", "the model has none")
    if options.style is not None and not row.style:
        notes.refuse("options.style", "the model has none")
    for name in ("reference_names", "reference_kinds"):
        if len(getattr(options, name)) > len(request.references):
            notes.refuse(f"options.{name}", "there are more than references")


def _quality(request: VideoRequest, notes: Notes) -> str:
    size = request.dimensions
    if request.resolution is not None:
        wanted = _HEIGHTS[request.resolution]
    elif size is not None:
        wanted = min(size)
    else:
        return _QUALITY
    word = min(QUALITIES, key=lambda one: abs(QUALITIES[one] - wanted))
    if QUALITIES[word] != wanted and request.resolution is not None:
        notes.adapt("resolution", f"It makes {', '.join(QUALITIES)}.", word)
    return word


def _duration(request: VideoRequest, row: VideoModel, quality: str, notes: Notes) -> int:
    wanted = request.duration_s
    if wanted is None:
        return _LENGTH_S
    lengths = [one for one in row.durations if quality != "1080p" or one <= row.longest_1080p]
    sent = min(lengths, key=lambda one: abs(one - wanted))
    if abs(sent - wanted) > wanted * _TOO_FAR:
        at = " at 1080p" if len(lengths) < len(row.durations) else ""
        notes.refuse("duration_s", f"it makes {', '.join(map(str, lengths))} seconds{at}")
    if sent != wanted:
        notes.adapt("duration_s", "It makes certain whole seconds.", sent)
    return sent


def _add_shape(
    service: str, request: VideoRequest, row: VideoModel, notes: Notes, body: dict[str, Any]
) -> None:
    asked = "size" if request.dimensions else "aspect_ratio"
    ratio = _ratio(request)
    if service not in _SHAPED:
        if ratio is not None:
            notes.drop(asked, "the shape follows from what is given")
        return
    if ratio is None:
        body["aspect_ratio"] = _SHAPE
        return
    word = min(row.shapes, key=lambda one: abs(math.log(_value(one) / ratio)))
    body["aspect_ratio"] = word
    exact = abs(math.log(_value(word) / ratio)) < _CLOSE
    if request.dimensions is not None:
        exact = exact and min(request.dimensions) == QUALITIES[body["quality"]]
    if not exact:
        notes.adapt(asked, "It makes certain shapes.", f"{word} {body['quality']}")


def _ratio(request: VideoRequest) -> float | None:
    if request.dimensions is not None:
        width, height = request.dimensions
        return width / height
    return _value(request.aspect_ratio) if request.aspect_ratio else None


def _value(shape: str) -> float:
    across, down = map(int, shape.split(":"))
    return across / down
