"""Videos over ``/v1/text_to_video``, ``/v1/image_to_video`` and ``/v1/video_to_video``."""

from __future__ import annotations

from typing import Any

from gensdk.catalog.runway import MAX_SEED, TaskRow, row_of
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.toolkit.picture import picture_size
from gensdk.types import Media, VideoRequest

from .inputs import address_of
from .options import RunwayVideoOptions, add_options
from .shapes import Wish, add_shape, height_of

__all__ = ["fields_of", "media_of", "row_for", "seed_of"]

_LENGTH_S = 5
"""Length where the API needs one and none was asked for."""
_TOO_FAR = 0.5
_NO_FIELD = "the API has no such field"
_NEVER = ("fps", "steps", "guidance_scale", "strength", "user_id")


def endpoint_of(request: VideoRequest) -> str:
    """Which endpoint a request is for."""
    if request.video is not None:
        return "video_to_video"
    from_picture = request.first_frame is not None or request.last_frame is not None
    return "image_to_video" if from_picture else "text_to_video"


def fields_of(
    request: VideoRequest, options: RunwayVideoOptions, row: TaskRow, model: str, notes: Notes
) -> dict[str, Any]:
    """The body without its media.

    Raises:
        UnsupportedFeatureError: What is asked for would be another video here.
    """
    _refuse(request, row, notes)
    body: dict[str, Any] = {"model": model}
    if request.prompt:
        body["promptText"] = request.prompt
    _add_duration(request, row, notes, body)
    height = None if request.resolution is None else height_of(request.resolution)
    wish = Wish(
        size=request.dimensions,
        shape=request.aspect_ratio,
        height=height,
        natural=_natural(request.first_frame),
    )
    add_shape(body, row, wish, notes)
    seed = seed_of(request.seed, row, notes)
    if seed is not None:
        body["seed"] = seed
    for name, field in (("audio", "audio"), ("negative_prompt", "negativePrompt")):
        value = getattr(request, name)
        if value is not None and row.takes(field):
            body[field] = value
        elif value is not None:
            notes.drop(name, "the model has no such field")
    for name in _NEVER:
        if getattr(request, name) is not None:
            notes.drop(name, _NO_FIELD)
    _add_format(request, row, notes, body)
    add_options(body, options, row, notes)
    return body


async def media_of(request: VideoRequest, row: TaskRow, context: Context) -> dict[str, Any]:
    """The fields of pictures and of the video that is changed."""
    body: dict[str, Any] = {}
    if request.video is not None:
        body[row.video_field] = await address_of(request.video, "video", "video", context)
    if request.first_frame is not None:
        first = await address_of(request.first_frame, "image", "first_frame", context)
        body["promptImage"] = first
        if request.last_frame is not None:
            last = await address_of(request.last_frame, "image", "last_frame", context)
            body["promptImage"] = [
                {"position": "first", "uri": first},
                {"position": "last", "uri": last},
            ]
    if request.references:
        body["references"] = [
            {"uri": await address_of(item, "image", "references", context)}
            for item in request.references
        ]
    return body


def seed_of(seed: int | None, row: TaskRow, notes: Notes) -> int | None:
    """The seed to send."""
    if seed is None:
        return None
    if not row.takes("seed"):
        notes.drop("seed", "the model draws at random")
        return None
    if seed > MAX_SEED:
        notes.adapt("seed", f"Seeds end at {MAX_SEED}.", seed % (MAX_SEED + 1))
    return seed % (MAX_SEED + 1)


def row_for(request: VideoRequest, model: str, notes: Notes) -> TaskRow:
    """The row of what a request is for.

    Raises:
        UnsupportedFeatureError: The model makes no videos of what is given.
    """
    endpoint = endpoint_of(request)
    row = row_of(endpoint, model)
    if row is None:
        notes.refuse(*_why_not(endpoint, model))
    return row


def _why_not(endpoint: str, model: str) -> tuple[str, str]:
    """The field concerned, and what is wrong with it."""
    if endpoint == "video_to_video":
        return "video", "the model changes no videos"
    if endpoint == "image_to_video":
        return "first_frame", "the model does not start from a picture"
    if row_of("image_to_video", model) is not None:
        return "first_frame", "it makes videos of pictures only, and none was given"
    return "video", "it changes videos only, and none was given"


def _refuse(request: VideoRequest, row: TaskRow, notes: Notes) -> None:
    if request.n not in (None, 1):
        notes.refuse("n", "one task makes one video; start several jobs")
    if request.video is not None:
        for name in ("first_frame", "last_frame"):
            if getattr(request, name) is not None:
                notes.refuse(name, "a video that is changed has its frames already")
    if request.last_frame is not None and request.first_frame is None:
        notes.refuse("last_frame", "it needs a first_frame too")
    if request.last_frame is not None and row.known and not row.last_frame:
        notes.refuse("last_frame", "the model takes the first frame only")
    if request.references and not row.takes("references"):
        notes.refuse("references", "the model takes no pictures of who appears here")
    if row.pictures is not None and len(request.references) > row.pictures:
        notes.refuse("references", f"the model takes up to {row.pictures}")


def _add_duration(request: VideoRequest, row: TaskRow, notes: Notes, body: dict[str, Any]) -> None:
    wanted = request.duration_s
    if wanted is None:
        if row.duration_needed:
            body["duration"] = _LENGTH_S
        return
    if not row.takes("duration"):
        notes.drop("duration_s", "the length follows from the video that is changed")
        return
    sent = min(row.durations, key=lambda one: abs(one - wanted), default=max(1, round(wanted)))
    if abs(sent - wanted) > wanted * _TOO_FAR:
        lengths = ", ".join(map(str, row.durations)) or "1 and more"
        notes.refuse("duration_s", f"it makes videos of {lengths} seconds")
    body["duration"] = sent
    if sent != wanted:
        notes.adapt("duration_s", "The model makes certain whole seconds.", sent)


def _add_format(request: VideoRequest, row: TaskRow, notes: Notes, body: dict[str, Any]) -> None:
    if request.format in (None, "mp4"):
        return
    if request.format in row.formats:
        body["outputFormat"] = request.format
    else:
        notes.drop("format", "the file is an MP4")


def _natural(picture: object) -> tuple[int, int] | None:
    """Size of the picture that is started from, as its header states it."""
    if not isinstance(picture, Media):
        return None
    size = picture_size(picture.data, picture.media_type)
    return size if size and min(size) > 0 else None
