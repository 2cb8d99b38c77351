"""Tasks: what every model answers with. Started, looked at, fetched, cancelled; one request each.

The wire: ``runwayml`` 5.24 ``types/task_retrieve_response.py`` and ``resources/tasks.py``. What a
task made stands at addresses that go stale within 24 to 48 hours; asking again gives fresh ones.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, JsonValue, ValidationError

from gensdk.catalog.runway import LOOK_S, TaskRow, row_of
from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobExpiredError,
    JobFailedError,
    TransientError,
)
from gensdk.spec import Context
from gensdk.toolkit import (
    OR_NONE,
    Answer,
    KeyedAccount,
    Notes,
    billed,
    is_job_id,
    job_id_in,
    merge_extra,
    request_id_of,
    vendor_options,
)
from gensdk.toolkit.picture import picture_problem
from gensdk.types import (
    URL,
    CancelOutcome,
    ImageRequest,
    ImageResponse,
    JobHandle,
    JobState,
    JobStatus,
    Media,
    MediaKind,
    MusicRequest,
    MusicResponse,
    Request,
    Response,
    SpeechRequest,
    SpeechResponse,
    VideoRequest,
    VideoResponse,
)

from . import images, sounds, videos
from .errors import blocked_stage
from .options import (
    RunwayImageOptions,
    RunwaySoundOptions,
    RunwaySpeechOptions,
    RunwayVideoOptions,
)

__all__ = ["cancel", "collect", "poll", "start"]

_STATUS: dict[str, JobStatus] = {
    "PENDING": "queued",
    "THROTTLED": "queued",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "CANCELED": "cancelled",
}
"""An unknown word counts as running."""

_KINDS: dict[str, MediaKind] = {
    "video": "video",
    "image": "image",
    "speech": "audio",
    "music": "audio",
}
_MOST_FILES = 16
_FRAMES = re.compile(r"sequence|exr")
"""In words of ``output_format`` whose result is a bundle of pictures."""


class _Credits(BaseModel):
    credits: float


class _Task(BaseModel):
    id: str
    status: str
    progress: Annotated[float | None, Field(ge=0, le=1), OR_NONE] = None
    failure: Annotated[str | None, OR_NONE] = None
    failure_code: Annotated[str | None, Field(alias="failureCode"), OR_NONE] = None
    output: Annotated[list[str] | None, OR_NONE] = None
    cost: Annotated[_Credits | None, OR_NONE] = None


class _Prepared(NamedTuple):
    row: TaskRow
    body: dict[str, Any]


async def start(account: KeyedAccount, request: Request, context: Context) -> JobHandle:
    """Create the task with one request."""
    notes = Notes(account.name, context)
    row, body = await _prepared(account, request, context, notes)
    merge_extra(body, request, provider=account.name, model=context.model)
    answer = await account.send("POST", f"/v1/{row.endpoint}", context, payload=body)
    task = job_id_in(answer)
    if task is None:
        raise account.invalid("The task was started, but its id cannot be read.", answer, context)
    data: dict[str, JsonValue] = {"kind": request.ability}
    if isinstance(body.get("seed"), int):
        data["seed"] = body["seed"]
    if _FRAMES.search(str(body.get("outputFormat", ""))):
        data["bundle"] = True
    return JobHandle(id=task, data=data, warnings=notes.warnings)


async def _prepared(
    account: KeyedAccount, request: Request, context: Context, notes: Notes
) -> _Prepared:
    """The row of what is asked, and its body."""
    model = context.model
    named = {"provider": account.name, "vendor": account.vendor.name, "model": model}
    if isinstance(request, VideoRequest):
        row = videos.row_for(request, model, notes)
        video = vendor_options(request, RunwayVideoOptions, **named)
        body = videos.fields_of(request, video, row, model, notes)
        return _Prepared(row, body | await videos.media_of(request, row, context))
    if isinstance(request, ImageRequest):
        row = _row("text_to_image", context)
        image = vendor_options(request, RunwayImageOptions, **named)
        body = images.fields_of(request, image, row, model, notes)
        return _Prepared(row, body | await images.media_of(request, image, context))
    if isinstance(request, SpeechRequest):
        row = _row("text_to_speech", context)
        speech = vendor_options(request, RunwaySpeechOptions, **named)
        return _Prepared(row, sounds.speech_of(request, speech, row, model, notes))
    if isinstance(request, MusicRequest):
        row = _row("sound_effect", context)
        sound = vendor_options(request, RunwaySoundOptions, **named)
        body = sounds.effect_of(request, sound, row, model, notes)
        return _Prepared(row, body | await sounds.media_of(request, context))
    raise InvalidRequestError(f"{model} does nothing for {request.ability}", model=model)


def _row(endpoint: str, context: Context) -> TaskRow:
    row = row_of(endpoint, context.model)
    if row is None:
        raise InvalidRequestError(
            f"{context.model} is no model of {endpoint}",
            provider=context.provider or None,
            model=context.model,
            param="model",
        )
    return row


# ------------------------------------------------------------------------------ under way
async def poll(account: KeyedAccount, handle: JobHandle, context: Context) -> JobState:
    """Look once.

    Raises:
        JobExpiredError: The vendor does not know the task, or it was deleted.
        ContentBlockedError: Moderation stopped it.
    """
    task, _ = await _look(account, handle, context)
    status = _STATUS.get(task.status, "running")
    charged = task.cost.credits if task.cost is not None else None
    billed = None if charged is None else ("yes" if charged else "no")
    said = None if task.failure is None else account.redact(task.failure)
    if status == "failed":
        blocked, stage = blocked_stage(task.failure_code)
        if blocked:
            raise ContentBlockedError(
                said or "moderation stopped the task",
                stage=stage,
                provider=account.name,
                model=context.model,
                code=task.failure_code,
                billed=billed or "maybe",
            )
    if task.status == "THROTTLED":
        said = "waiting until fewer tasks of this account are under way"
    return JobState(
        status=status,
        progress=task.progress if status == "running" else None,
        message=said,
        code=task.failure_code if status == "failed" else None,
        billed=billed if status in {"failed", "cancelled"} else None,
        poll_after_s=LOOK_S,
        details={} if charged is None else {"credits": charged},
    )


async def collect(
    account: KeyedAccount, handle: JobHandle, request: Request | None, context: Context
) -> Response:
    """Fetch what a task made, from fresh addresses.

    Raises:
        JobFailedError: It made nothing.
        InvalidResponseError: It is not done, or what it made is of another kind.
    """
    task, answer = await _look(account, handle, context)
    if _STATUS.get(task.status) != "succeeded":
        raise account.invalid(f"The task is {task.status:.40}, not done.", answer, context)
    if not task.output:
        raise JobFailedError(
            "the task succeeded, but made nothing",
            provider=account.name,
            model=context.model,
            code="no_output",
            billed="maybe",
        )
    if len(task.output) > _MOST_FILES:
        said = f"The task lists {len(task.output)} files, more than any task makes."
        raise account.invalid(said, answer, context)
    made = [await _fetched(account, url, handle, answer, context) for url in task.output]
    facts: dict[str, Any] = {
        "provider": account.name,
        "model": context.model,
        "request_id": request_id_of(answer.headers),
        "provider_details": {} if task.cost is None else {"credits": task.cost.credits},
    }
    kind = handle.data.get("kind")
    seed = handle.data.get("seed")
    if kind == "image":
        return ImageResponse(images=tuple(made), seed=seed, **facts)
    if kind == "speech":
        return SpeechResponse(audio=made[0], **facts)
    if kind == "music":
        return MusicResponse(audio=made[0], seed=seed, **facts)
    return VideoResponse(videos=tuple(made), seed=seed, **facts)


async def cancel(account: KeyedAccount, handle: JobHandle, context: Context) -> CancelOutcome:
    """Cancel the task. What it had cost by then, the vendor says only afterwards.

    The same request deletes a task that has ended, with what it made; so it is looked at before,
    and one that has made something is left alone.
    """
    try:
        task, _ = await _look(account, handle, context)
        made = _STATUS.get(task.status) == "succeeded"
    except (TransientError, InvalidResponseError):
        made = False
    if not made:
        await _ask(account, "DELETE", handle, context)
    return "may_still_bill"


async def _look(account: KeyedAccount, handle: JobHandle, context: Context) -> tuple[_Task, Answer]:
    answer = await _ask(account, "GET", handle, context)
    try:
        return _Task.model_validate_json(answer.body), answer
    except ValidationError as error:
        why = error.errors(include_url=False, include_input=False)[0]["msg"]
    # Outside the block, so that the cause is not kept: it quotes the answer.
    raise account.invalid(f"The task cannot be read: {why}.", answer, context)


async def _ask(account: KeyedAccount, method: str, handle: JobHandle, context: Context) -> Answer:
    gone = "the vendor does not know this task; it may have been deleted"
    if not is_job_id(handle.id):
        raise JobExpiredError(gone, provider=account.name, model=context.model)
    try:
        return await account.send(method, f"/v1/tasks/{handle.id}", context)
    except GenSDKError as error:
        if error.status != 404:
            raise
        raise JobExpiredError(
            gone,
            provider=account.name,
            model=context.model,
            status=error.status,
            request_id=error.request_id,
        ) from error


async def _fetched(
    account: KeyedAccount, url: str, handle: JobHandle, answer: Answer, context: Context
) -> Media:
    """Download one output; the bytes decide what it is."""
    with billed("yes"):  # the task was done; only the file did not come
        media = await context.collect(URL(url))
    wanted = _KINDS.get(str(handle.data.get("kind")), "video")
    problem = picture_problem(media.data, media.media_type) if wanted == "image" else None
    if media.kind != wanted and not handle.data.get("bundle"):
        problem = f"is {media.media_type}, where a file of type {wanted}/… was expected"
    if problem is None:
        return media
    raise InvalidResponseError(
        f"What the task made {problem}.",
        provider=account.name,
        model=context.model,
        status=answer.status,
        billed="yes",
    )
