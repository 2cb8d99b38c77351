"""Videos over ``/videos``: created, looked at, fetched and deleted, one request each.

The wire: ``openai`` 3.52 ``types/video_create_params.py``, ``video.py`` and
``video_create_error.py``. OpenAI's own service ended on 2026-09-24; the shape lives on in
vLLM-Omni, SGLang and gateways, which take more fields than OpenAI did (``Dialect.body_fields``).
The creation is a form, as only that carries a picture everywhere.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    JobExpiredError,
)
from gensdk.spec import Context
from gensdk.toolkit import MAX_MEDIA_BYTES, OR_NONE, Answer, Form, FormFile, Notes, merge_extra
from gensdk.types import (
    CancelOutcome,
    JobHandle,
    JobState,
    JobStatus,
    Media,
    Request,
    VideoRequest,
    VideoResponse,
)

from .errors import BLOCKED_CODES, request_id_of
from .media_wire import fetched, form_file, not_media, parsed
from .options_media import OpenAIVideoOptions, form_fields, media_options

if TYPE_CHECKING:
    from .account import Account

__all__ = ["cancel", "collect", "poll", "prepare", "start"]

_STATUS: dict[str, JobStatus] = {
    "queued": "queued",
    "pending": "queued",
    "in_progress": "running",
    "processing": "running",
    "running": "running",
    "completed": "succeeded",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "expired": "expired",
}
"""OpenAI's four words, and those of the gateways; an unknown one counts as running."""

_PICTURES = ("image/jpeg", "image/png", "image/webp")
_MAX_PICTURE_BYTES = 50 * 2**20
_HEIGHTS = {"360p": 360, "480p": 480, "540p": 540, "720p": 720, "1080p": 1080, "1440p": 1440,
            "4k": 2160}  # fmt: skip
_FIELDS = {
    "fps": "fps",
    "seed": "seed",
    "negative_prompt": "negative_prompt",
    "steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "audio": "audio",
    "strength": "strength",
    "user_id": "user",
}
"""Fields of the request by what servers call them that have more than OpenAI had."""
_NO_FIELD = "the video protocol has no such field"


class _Error(BaseModel):
    code: Annotated[str | None, OR_NONE] = None
    message: Annotated[str | None, OR_NONE] = None


class _Video(BaseModel):
    id: Annotated[str, Field(min_length=1)]
    status: str = ""
    progress: Annotated[float | None, Field(ge=0, le=100), OR_NONE] = None
    error: Annotated[_Error | None, OR_NONE] = None


async def start(account: Account, request: VideoRequest, context: Context) -> JobHandle:
    """Create the job."""
    notes = Notes(account.name, context)
    media_options(request, OpenAIVideoOptions, account, context.model)  # there are none to take
    body = prepare(request, account, context.model, notes)
    merge_extra(body, request, provider=account.name, model=context.model)
    files: tuple[FormFile, ...] = ()
    if request.first_frame is not None:
        (picture,) = await fetched((request.first_frame,), context)
        file = form_file(
            "input_reference", picture, _PICTURES, _MAX_PICTURE_BYTES,
            provider=account.name, model=context.model,
        )  # fmt: skip
        files = (file,)
    form = Form(fields=form_fields(body), files=files)
    answer = await account.post_form("/videos", form, context, notes=notes)
    created = parsed(_Video, answer, account, context)
    return JobHandle(id=created.id, warnings=notes.warnings)


def prepare(request: VideoRequest, account: Account, model: str, notes: Notes) -> dict[str, Any]:
    """The fields of the form, without the picture.

    Raises:
        UnsupportedFeatureError: A video, a last frame, references or several videos are asked for.
    """
    _refuse(request, notes)
    body: dict[str, Any] = {"model": model, "prompt": request.prompt}
    if request.duration_s is not None:
        whole = body["seconds"] = max(1, round(request.duration_s))
        if whole != request.duration_s:
            notes.adapt("duration_s", f"whole seconds are taken; {whole} were asked for", whole)
    size = _size(request, notes)
    if size is not None:
        body["size"] = "{}x{}".format(*size)
    for parameter, field in _FIELDS.items():
        value = getattr(request, parameter)
        if value is not None and field in account.dialect.body_fields:
            body[field] = value
        elif value is not None:
            notes.drop(parameter, _NO_FIELD)
    if request.format not in (None, "mp4"):
        notes.drop("format", "the server decides; most write mp4")
    return body


def _refuse(request: VideoRequest, notes: Notes) -> None:
    """Refuse what would make it another video."""
    for parameter in ("last_frame", "references", "video"):
        if getattr(request, parameter):
            notes.refuse(parameter, _NO_FIELD)
    if request.n not in (None, 1):
        notes.refuse("n", "one request makes one video; start several jobs")


def _size(request: VideoRequest, notes: Notes) -> tuple[int, int] | None:
    """Pixels asked for; a shape and a height class are turned into some."""
    if request.dimensions is not None:
        return request.dimensions
    if request.resolution is None:
        if request.aspect_ratio is not None:
            notes.drop("aspect_ratio", "a size in pixels is taken; give size, or resolution too")
        return None
    short = _HEIGHTS[request.resolution]
    across, down = map(int, (request.aspect_ratio or "16:9").split(":"))
    long = round(short * max(across, down) / min(across, down) / 2) * 2
    size = (long, short) if across >= down else (short, long)
    notes.adapt("resolution", "sent as a size in pixels", "{}x{}".format(*size))
    return size


async def poll(account: Account, handle: JobHandle, context: Context) -> JobState:
    """Look once.

    Raises:
        JobExpiredError: The server does not know it any more.
        ContentBlockedError: Safety rules stopped it.
    """
    answer = await _ask(account, "GET", _path(handle), context)
    seen = parsed(_Video, answer, account, context)
    status = _STATUS.get(seen.status.lower(), "running")
    error = seen.error or _Error()
    if status == "failed" and error.code in BLOCKED_CODES:
        raise ContentBlockedError(
            account.redact(error.message or "the video was held back"),
            provider=account.name, model=context.model, code=error.code, stage="output",
        )  # fmt: skip
    return JobState(
        status=status,
        progress=None if seen.progress is None else seen.progress / 100,
        message=None if error.message is None else account.redact(error.message),
        code=error.code,
    )


async def collect(
    account: Account, handle: JobHandle, request: Request | None, context: Context
) -> VideoResponse:
    """Fetch the file.

    Raises:
        InvalidResponseError: It is empty, or no video.
    """
    answer = await _ask(account, "GET", f"{_path(handle)}/content", context)
    not_media(answer.body[:4096], answer, account, context, "a video")
    declared = answer.headers.get("content-type", "").partition(";")[0].strip()
    video = Media(data=answer.body, media_type=declared or "video/mp4")
    if video.kind != "video":
        message = f"The answer holds {video.media_type} where a video was expected."
        raise account.invalid(message, answer, context)
    return VideoResponse(
        videos=(video,),
        provider=account.name,
        model=context.model,
        request_id=request_id_of(answer.headers),
    )


async def cancel(account: Account, handle: JobHandle, context: Context) -> CancelOutcome:
    """Delete the job; whether a video under way is charged for is the server's business."""
    try:
        await _ask(account, "DELETE", _path(handle), context)
    except GenSDKError as error:
        if error.status in {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}:
            return "unsupported"
        raise
    return "may_still_bill"


async def _ask(account: Account, method: str, path: str, context: Context) -> Answer:
    """Ask about a job that exists already; its model may have retired since.

    Raises:
        JobExpiredError: The server does not know it.
    """
    async with account.opened(path, context, MAX_MEDIA_BYTES, method=method) as answer:
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return Answer(answer.status, answer.headers, await answer.read(MAX_MEDIA_BYTES))
        _, error = await account.judged(answer, context)
    if error.status == HTTPStatus.NOT_FOUND:
        raise JobExpiredError(
            "the server does not know this job any more",
            provider=account.name, model=context.model, status=error.status,
            request_id=error.request_id,
        )  # fmt: skip
    raise error


def _path(handle: JobHandle) -> str:
    return f"/videos/{quote(handle.id, safe='')}"
