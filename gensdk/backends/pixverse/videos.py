"""Videos: pictures are uploaded first, then the job is created, looked at and fetched.

The wire: docs.platform.pixverse.ai, API reference, read 2026-11-21. There is no way to cancel.
"""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from gensdk.catalog.pixverse import LOOK_S, MAX_MEDIA, MAX_PICTURE, PICTURES
from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobExpiredError,
    JobFailedError,
    RequestTooLargeError,
)
from gensdk.spec import Context
from gensdk.toolkit import (
    Form,
    FormFile,
    Notes,
    billed,
    fetched,
    is_job_id,
    merge_extra,
    vendor_options,
)
from gensdk.types import (
    URL,
    JobHandle,
    JobState,
    JobStatus,
    Media,
    Request,
    VideoRequest,
    VideoResponse,
)

from .errors import GONE
from .fields import fields_of, named_references, service_of
from .options import PixVerseVideoOptions
from .wire import PixVerseAccount

__all__ = ["collect", "poll", "start"]

_STATUS: dict[int, JobStatus] = {
    1: "succeeded",
    5: "running",
    6: "expired",
    7: "failed",
    8: "failed",
}
"""An unknown number counts as running."""

_BLOCKED = 7
_FACTS = ("outputWidth", "outputHeight", "size", "credits", "credit")


async def start(account: PixVerseAccount, request: Request, context: Context) -> JobHandle:
    """Upload what the video starts from, and create the job with one request."""
    if not isinstance(request, VideoRequest):
        raise InvalidRequestError(f"{context.model} makes videos only", model=context.model)
    notes = Notes(account.name, context)
    options = vendor_options(
        request,
        PixVerseVideoOptions,
        provider=account.name,
        vendor=account.vendor.name,
        model=context.model,
    )
    service = service_of(request, options, notes)
    body = fields_of(service, request, options, context.model, notes)
    merge_extra(body, request, provider=account.name, model=context.model)
    if service == "fusion":
        body["image_references"], body["prompt"] = named_references(request, options, notes)
    body |= await _uploaded(account, service, request, options, context, body)
    made = await account.ask(
        "POST", f"/video/{service}/generate", context, payload=body, once="video"
    )
    job_id = str(made.get("video_id", ""))
    if not is_job_id(job_id) or job_id == "0":
        raise InvalidResponseError(
            "The job was started, but its id cannot be read.",
            provider=account.name,
            model=context.model,
            billed="maybe",
        )
    return JobHandle(id=job_id, warnings=notes.warnings)


# ------------------------------------------------------------------------------------- uploads
async def _uploaded(
    account: PixVerseAccount,
    service: str,
    request: VideoRequest,
    options: PixVerseVideoOptions,
    context: Context,
    body: dict[str, Any],
) -> dict[str, Any]:
    """Fields with the ids of what was uploaded."""
    if service == "extend":
        if request.video is None:
            return {"source_video_id": options.source_video_id}
        return {"video_media_id": await _video_id(account, request.video, context)}
    pictures = _pictures(service, request)
    files = [
        _file(await fetched(item, context), field, context) for field, item in pictures
    ]  # all are looked at before the first is sent
    ids = [await _picture_id(account, file, at, context) for at, file in enumerate(files)]
    if service == "fusion":
        named = body["image_references"]
        return {
            "image_references": [
                {**one, "img_id": number} for one, number in zip(named, ids, strict=True)
            ]
        }
    fields = {"img": ("img_id",), "transition": ("first_frame_img", "last_frame_img")}
    return dict(zip(fields.get(service, ()), ids, strict=True))


def _pictures(service: str, request: VideoRequest) -> list[tuple[str, Media | URL]]:
    if service == "fusion":
        return [("references", item) for item in request.references]
    frames = {"first_frame": request.first_frame, "last_frame": request.last_frame}
    return [(name, item) for name, item in frames.items() if item is not None]


def _file(picture: Media, field: str, context: Context) -> FormFile:
    """A picture as a file of a form.

    Raises:
        InvalidRequestError: It is of a type the API does not take.
        RequestTooLargeError: It is larger than the API takes.
    """
    facts: dict[str, Any] = {
        "provider": context.provider or None,
        "model": context.model,
        "param": field,
    }
    if picture.media_type not in PICTURES:
        took = ", ".join(PICTURES)
        raise InvalidRequestError(f"{field} is {picture.media_type}; give {took}", **facts)
    if len(picture.data) >= MAX_PICTURE:
        size = len(picture.data)
        raise RequestTooLargeError(f"{field} has {size} bytes; give up to {MAX_PICTURE}", **facts)
    return FormFile("image", picture.filename, picture.data, picture.media_type)


async def _picture_id(account: PixVerseAccount, file: FormFile, at: int, context: Context) -> int:
    made = await _upload(account, "/image/upload", Form(files=(file,)), f"picture-{at}", context)
    return _number(made.get("img_id"), account, context)


async def _video_id(account: PixVerseAccount, video: Media | URL, context: Context) -> int:
    """Upload the video that is made longer; an address is handed on."""
    if isinstance(video, URL) and video.url.startswith("https://"):
        form = Form(fields=(("file_url", video.url),))
    else:
        film = await fetched(video, context)
        if film.kind != "video" or len(film.data) > MAX_MEDIA:
            raise InvalidRequestError(
                f"video is {film.media_type} of {len(film.data)} bytes; "
                f"give a video of up to {MAX_MEDIA}",
                provider=context.provider or None,
                model=context.model,
                param="video",
            )
        form = Form(files=(FormFile("file", film.filename, film.data, film.media_type),))
    made = await _upload(account, "/media/upload", form, "video-source", context)
    return _number(made.get("media_id"), account, context)


async def _upload(
    account: PixVerseAccount, path: str, form: Form, once: str, context: Context
) -> dict[str, Any]:
    with billed("no"):  # uploads are free, and no job was made yet
        return await account.ask("POST", path, context, form=form, once=once)


def _number(value: object, account: PixVerseAccount, context: Context) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise InvalidResponseError(
        "The upload succeeded, but its id cannot be read.",
        provider=account.name,
        model=context.model,
        billed="no",
    )


# ----------------------------------------------------------------------------------- under way
async def poll(account: PixVerseAccount, handle: JobHandle, context: Context) -> JobState:
    """Look once, under an id of its own: one used before would tell the old state.

    Raises:
        JobExpiredError: The vendor does not know the job any more.
        ContentBlockedError: Moderation held the video back; the credits come back.
    """
    seen = await _look(account, handle, context)
    status = _STATUS.get(_status(seen), "running")
    if _status(seen) == _BLOCKED:
        raise ContentBlockedError(
            "moderation held the video back",
            stage="output",
            provider=account.name,
            model=context.model,
            code=str(_BLOCKED),
            billed="no",
        )
    return JobState(
        status=status,
        code=str(_status(seen)) if status == "failed" else None,
        poll_after_s=LOOK_S,
    )


async def collect(account: PixVerseAccount, handle: JobHandle, context: Context) -> VideoResponse:
    """Fetch the file.

    Raises:
        JobFailedError: There is none.
        InvalidResponseError: The job is not done, or the file is no video.
    """
    seen = await _look(account, handle, context)
    facts: dict[str, Any] = {"provider": account.name, "model": context.model}
    if _STATUS.get(_status(seen)) != "succeeded":
        raise InvalidResponseError("The job is not done.", **facts)
    url = seen.get("url")
    if not isinstance(url, str) or not url:
        raise JobFailedError(
            "the job succeeded, but made nothing", code="no_output", billed="maybe", **facts
        )
    with billed("yes"):  # the video was made; only the file did not come
        video = await context.collect(URL(url))
    if video.kind != "video":
        raise InvalidResponseError(
            f"What the job made is {video.media_type}, not a video.", billed="yes", **facts
        )
    seed = seen.get("seed")
    details: dict[str, JsonValue] = {
        name: seen[name] for name in _FACTS if isinstance(seen.get(name), int | float)
    }
    known = isinstance(seed, int) and not isinstance(seed, bool)
    return VideoResponse(
        videos=(video,), seed=seed if known else None, provider_details=details, **facts
    )


async def _look(account: PixVerseAccount, handle: JobHandle, context: Context) -> dict[str, Any]:
    gone = "the vendor does not know this job any more"
    facts: dict[str, Any] = {"provider": account.name, "model": context.model}
    if not is_job_id(handle.id):
        raise JobExpiredError(gone, **facts)
    try:
        return await account.ask("GET", f"/video/result/{handle.id}", context)
    except GenSDKError as error:
        if error.code not in GONE and error.status != 404:
            raise
        raise JobExpiredError(
            gone, status=error.status, code=error.code, request_id=error.request_id, **facts
        ) from error


def _status(seen: dict[str, Any]) -> int:
    value = seen.get("status")
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
