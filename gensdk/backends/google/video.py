"""Videos as jobs: background interactions of Gemini Omni, operations of Veo.

A job is found again by its id alone: an operation's begins with ``models/``. What it made lies at
Google for two days, and is fetched with the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from gensdk.catalog.google import google_model
from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    JobExpiredError,
    JobFailedError,
    ModelNotFoundError,
)
from gensdk.toolkit import MAX_MEDIA_BYTES, OR_NONE, Answer, Notes
from gensdk.types import (
    URL,
    CancelOutcome,
    JobHandle,
    JobState,
    JobStatus,
    Media,
    VideoRequest,
    VideoResponse,
)

from . import interactions
from .account import model_path
from .contents import fetched_media
from .errors import BLOCK_CODES, status_of_code
from .files import collected
from .options import GoogleVideoOptions, options_of
from .video_request import Given, omni_body, veo_body
from .wire import Wire, merge_extra, parsed

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["cancel", "collect", "poll", "start"]

_BETA = "v1beta"
"""Veo is not in ``v1``."""

_FIELDS = ("first_frame", "last_frame", "references", "video")
_POLL_S = 10.0
"""Google's samples look every 10 to 20 seconds."""

_STATUS: dict[str, JobStatus] = {
    "queued": "queued",
    "in_progress": "running",
    "completed": "succeeded",
    "incomplete": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "budget_exceeded": "failed",
    "requires_action": "failed",
    "requires_continuation": "failed",
}


class _File(Wire):
    uri: Annotated[str | None, OR_NONE] = None
    encoded_video: Annotated[str | None, OR_NONE] = None


class _Sample(Wire):
    video: _File = Field(default_factory=_File)


class _Made(Wire):
    generated_samples: list[_Sample] = Field(default_factory=list)
    rai_media_filtered_count: Annotated[int | None, OR_NONE] = None
    rai_media_filtered_reasons: Annotated[list[str] | None, OR_NONE] = None


class _Outcome(Wire):
    generate_video_response: _Made = Field(default_factory=_Made)


class _Failure(BaseModel):
    model_config = ConfigDict(extra="ignore")

    code: int | str | None = None
    message: str = ""


class _Operation(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str = ""
    done: bool = False
    response: _Outcome | None = None
    error_: _Failure | None = Field(default=None, alias="error")


# ----------------------------------------------------------------------------------------- start
async def start(account: Account, request: VideoRequest, context: Context) -> JobHandle:
    """Create the job with one request."""
    notes = Notes(account.name, context)
    options = options_of(request, GoogleVideoOptions, account.name, context.model)
    row = google_model(context.model)
    given = await _given(request, context)
    if row.protocol == "operation":
        payload = veo_body(request, given, row, options, notes)
        path, version = f"{model_path(context.model)}:predictLongRunning", _BETA
    else:
        payload = omni_body(request, given, row, options, context.model, notes)
        path, version = interactions.PATH, account.api_version
    merge_extra(payload, request, account, context.model)
    answer = await account.post(path, payload, context, version=version)
    identity = _identity(answer, row.protocol == "operation", account, context)
    if not identity:
        raise account.invalid("The answer names no job.", answer, context)
    return JobHandle(id=identity, warnings=notes.warnings)


def _identity(answer: Answer, operation: bool, account: Account, context: Context) -> str | None:
    if operation:
        return parsed(_Operation, answer.body, answer, account, context).name
    return interactions.read(answer, account, context).id


async def _given(request: VideoRequest, context: Context) -> Given:
    found: dict[str, tuple[Media | URL, ...]] = {}
    for name in _FIELDS:
        value = getattr(request, name)
        items = value if isinstance(value, tuple) else () if value is None else (value,)
        found[name] = await fetched_media(items, context)
    return found


# ------------------------------------------------------------------------------------------ look
async def poll(account: Account, handle: JobHandle, context: Context) -> JobState:
    """Look at a job once."""
    answer = await _look(account, handle, context)
    if _is_operation(handle):
        return _operation_state(_operation(answer, account, context), account, context)
    interaction = interactions.read(answer, account, context)
    held = interactions.blocked(interaction, account, context)
    if held is not None:
        raise held
    problem = next(iter(interaction.problems), None)
    status = _STATUS.get(interaction.status, "running")
    return JobState(
        status=status,
        message=(problem.message if problem else None) or _why(interaction.status, status),
        code=status_of_code(problem.code) if problem else None,
        billed="maybe" if status == "failed" else None,
        poll_after_s=_POLL_S,
        details={"status": interaction.status},
    )


def _why(word: str, status: JobStatus) -> str | None:
    return f"Google calls it {word!r}" if status == "failed" else None


def _operation_state(operation: _Operation, account: Account, context: Context) -> JobState:
    if not operation.done:
        return JobState(status="running", poll_after_s=_POLL_S)
    failed = operation.error_
    if failed is None:
        return JobState(status="succeeded", poll_after_s=_POLL_S)
    code = status_of_code(failed.code)
    if code in BLOCK_CODES:
        raise ContentBlockedError(
            account.redact(f"Google held the video back: {failed.message}"),
            stage="output",
            provider=account.name,
            model=context.model,
            code=code,
        )
    message = account.redact(failed.message)
    status: JobStatus = "cancelled" if code == "CANCELLED" else "failed"
    return JobState(status=status, message=message, code=code, billed="maybe")


async def _look(account: Account, handle: JobHandle, context: Context) -> Answer:
    version = _BETA if _is_operation(handle) else account.api_version
    try:
        return await account.get(_path(handle), context, max_bytes=MAX_MEDIA_BYTES, version=version)
    except ModelNotFoundError as error:
        expired = _gone(error, account, handle, context)
    raise expired


def _gone(
    error: GenSDKError, account: Account, handle: JobHandle, context: Context
) -> JobExpiredError:
    return JobExpiredError(
        "Google does not know this job any more; results are kept for a few days",
        provider=account.name,
        model=context.model,
        status=error.status,
        code=error.code,
        job_id=handle.id,
    )


def _is_operation(handle: JobHandle) -> bool:
    return "operations/" in handle.id


def _path(handle: JobHandle) -> str:
    if _is_operation(handle):
        return quote(handle.id, safe="/")
    return f"{interactions.PATH}/{quote(handle.id, safe='')}"


def _operation(answer: Answer, account: Account, context: Context) -> _Operation:
    # Its "error" is the job's and not the look's, so it is not read as an error of ours.
    try:
        return _Operation.model_validate_json(answer.body)
    except ValueError:
        message = "The answer is no operation."
    raise account.invalid(message, answer, context)


# --------------------------------------------------------------------------------------- collect
async def collect(account: Account, handle: JobHandle, context: Context) -> VideoResponse:
    """Fetch what a job made.

    Raises:
        ContentBlockedError: Safety rules held it back.
        JobFailedError: It made nothing.
    """
    answer = await _look(account, handle, context)
    if _is_operation(handle):
        return await _veo_response(answer, account, handle, context)
    interaction = interactions.read(answer, account, context)
    found = interactions.media_of(interaction, "video")
    if not found:
        held = interactions.blocked(interaction, account, context)
        raise held or _nothing(account, handle, context, interactions.text_of(interaction))
    videos = tuple([await _video(one.data, one.uri, answer, account, context) for one in found])
    return VideoResponse(
        videos=videos,
        provider=account.name,
        model=interaction.model or context.model,
        usage=interactions.usage_of(interaction.usage),
        request_id=interaction.id,
    )


async def _veo_response(
    answer: Answer, account: Account, handle: JobHandle, context: Context
) -> VideoResponse:
    operation = _operation(answer, account, context)
    made = (operation.response or _Outcome()).generate_video_response
    reasons = tuple(made.rai_media_filtered_reasons or ())
    if not made.generated_samples and (made.rai_media_filtered_count or reasons):
        raise ContentBlockedError(
            account.redact(
                f"Google's rules held the video back: {'; '.join(reasons) or 'no word'}"
            ),
            stage="output",
            provider=account.name,
            model=context.model,
            code="RAI_MEDIA_FILTERED",
            billed="no",  # "You are not charged for a video that is blocked" (video page)
            job_id=handle.id,
        )
    samples = [one.video for one in made.generated_samples]
    samples = [one for one in samples if one.uri or one.encoded_video]
    if not samples:
        raise _nothing(account, handle, context, "")
    return VideoResponse(
        videos=tuple(
            [await _video(one.encoded_video, one.uri, answer, account, context) for one in samples]
        ),
        provider=account.name,
        model=context.model,
        request_id=handle.id,
    )


async def _video(
    data: str | None, uri: str | None, answer: Answer, account: Account, context: Context
) -> Media:
    if data:
        video = Media(data=account.decoded(data, answer, context))
    else:
        video = await collected(uri or "", account, context)
    if video.kind != "video":
        message = f"The result is {video.media_type} where a video was expected."
        raise account.invalid(message, answer, context)
    return video


def _nothing(account: Account, handle: JobHandle, context: Context, told: str) -> JobFailedError:
    words = f": {told[:300]}" if told else ""
    return JobFailedError(
        account.redact(f"Google says that the job is done, but it made no video{words}"),
        provider=account.name,
        model=context.model,
        code="no_output",
        job_id=handle.id,
    )


# ---------------------------------------------------------------------------------------- cancel
async def cancel(account: Account, handle: JobHandle, context: Context) -> CancelOutcome:
    """Ask once to stop it. Veo cannot be stopped."""
    if _is_operation(handle):
        return "unsupported"
    answer = await account.post(f"{_path(handle)}/cancel", None, context)
    interaction = interactions.read(answer, account, context)
    # What was made up to then may be charged: Google says nothing of it.
    return "may_still_bill" if interaction.status != "cancelled" else "stopped"
