"""Videos: jobs in the queues of the providers; Novita alone answers at once.

A job is found again by the provider, its id and the path the provider gave. No cancel is known
over the router, so a job goes on.
"""

from __future__ import annotations

from typing import Any, get_args

from gensdk.catalog.huggingface import QueueKind, Task, service_of
from gensdk.errors import (
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobExpiredError,
    JobFailedError,
    ModelNotFoundError,
)
from gensdk.spec import Context
from gensdk.toolkit import Answer, Notes, fetched, request_id_of, vendor_options
from gensdk.types import JobHandle, JobState, Media, VideoRequest, VideoResponse

from .account import Accounts
from .bodies import body_of, data_url, parameters_of, picture_parameters, size_of
from .options import HuggingFaceVideoOptions
from .providers import Target
from .queues import Ticket, ticket_in
from .work import document_in, files_in, looked, outcome, sent, told_seed

__all__ = ["collect", "generate", "poll", "prepare", "start"]

_TAKEN = frozenset({
    "prompt", "first_frame", "last_frame", "duration_s", "size", "fps", "n", "seed",
    "negative_prompt", "steps", "guidance_scale",
})  # fmt: skip
_MEANING = frozenset({"references", "video"})
_FIELDS = ("negative_prompt", "steps", "guidance_scale", "seed")
_USUAL_FPS = 24.0
_TASKS: tuple[Task, ...] = get_args(Task)


async def start(accounts: Accounts, request: VideoRequest, context: Context) -> JobHandle:
    """Create the job with one request."""
    notes = Notes(accounts.name, context)
    target, answer = await _asked(accounts, request, context, notes, queued=True)
    kind = target.service.queue
    document = document_in(answer, accounts, context)
    ticket = None if kind is None else ticket_in(kind, document)
    if ticket is None:
        message = "The job was started, but its number cannot be read."
        raise accounts.router.invalid(message, answer, context)
    return JobHandle(
        id=ticket.id,
        data={
            "provider": target.provider,
            "task": target.service.task,
            "path": ticket.path,
            "seed": _seed(request, target),
        },
        warnings=notes.warnings,
    )


def _seed(request: VideoRequest, target: Target) -> int | None:
    return request.seed if "seed" in target.service.fields else None


async def generate(accounts: Accounts, request: VideoRequest, context: Context) -> VideoResponse:
    """Make a video while the caller waits, at a provider that has no queue."""
    notes = Notes(accounts.name, context)
    target, answer = await _asked(accounts, request, context, notes, queued=False)
    answer, document = await outcome(accounts, target, answer, context)
    return await _response(
        document, answer, target, accounts, context, notes, _seed(request, target)
    )


async def _asked(
    accounts: Accounts, request: VideoRequest, context: Context, notes: Notes, *, queued: bool
) -> tuple[Target, Answer]:
    notes.drop_unsupported(
        request, _TAKEN, meaning=_MEANING, reason="no provider is known to take it over the router"
    )
    if request.n is not None and request.n > 1:
        notes.refuse("n", "one request makes one video; start several jobs")
    options = vendor_options(
        request,
        HuggingFaceVideoOptions,
        provider=accounts.name,
        vendor=accounts.router.vendor.name,
        model=context.model,
    )
    if queued and options.provider == "novita":
        raise InvalidRequestError(
            "novita answers at once and makes no jobs: name it behind the model, 'model:novita'",
            provider=accounts.name,
            model=context.model,
            param="options.provider",
        )
    pictured = request.first_frame is not None or request.last_frame is not None
    task: Task = "image-to-video" if pictured else "text-to-video"
    target = await accounts.providers.target(task, options.provider, context, notes, queued=queued)
    frames = [
        None if item is None else await fetched(item, context)
        for item in (request.first_frame, request.last_frame)
    ]
    body = prepare(
        request, (frames[0], frames[1]), options, target, accounts.name, context.model, notes
    )
    return target, await sent(accounts, target, context, body=body)


def prepare(
    request: VideoRequest,
    frames: tuple[Media | None, Media | None],
    options: HuggingFaceVideoOptions,
    target: Target,
    provider: str,
    model: str,
    notes: Notes,
) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: The provider takes no last frame.
        InvalidRequestError: There is nothing to show.
    """
    service = target.service
    first, last = frames
    values: dict[str, object] = {name: getattr(request, name) for name in _FIELDS}
    values["num_frames"] = _frames(request, options, notes)
    parameters = parameters_of(values, service, notes)
    if request.dimensions is not None and service.size is not None:
        parameters |= size_of(request.dimensions, service)
    elif request.size is not None:
        notes.drop("size", f"{service.provider} has no such field for {service.task}")
    if service.queue == "together" and (first or last):
        parameters["frame_images"] = [
            {"input_image": data_url(frame), "frame": place}
            for frame, place in ((first, "first"), (last, "last"))
            if frame is not None
        ]
    elif last is not None:
        notes.refuse("last_frame", f"{service.provider} takes a first frame alone")
    elif first is not None:
        parameters |= picture_parameters((first,), target, notes, "first_frame")
    return body_of(
        target, request.prompt or None, parameters, request, provider=provider, model=model
    )


def _frames(request: VideoRequest, options: HuggingFaceVideoOptions, notes: Notes) -> int | None:
    """How many frames to ask for: the providers are told no seconds."""
    if options.num_frames is not None:
        for name in ("duration_s", "fps"):
            if getattr(request, name) is not None:
                notes.drop(name, "the options say how many frames to make")
        return options.num_frames
    if request.duration_s is None:
        if request.fps is not None:
            notes.drop("fps", "the model has a rate of its own")
        return None
    rate = request.fps or _USUAL_FPS
    count = max(1, round(request.duration_s * rate))
    notes.adapt(
        "duration_s",
        f"Sent as frames, {rate:g} a second; the model's own rate decides how long they last.",
        count,
    )
    if request.fps is not None:
        notes.adapt("fps", "Only the number of frames is sent.", count)
    return count


# ------------------------------------------------------------------------------------------ jobs
async def poll(accounts: Accounts, handle: JobHandle, context: Context) -> JobState:
    """Look once.

    Raises:
        JobExpiredError: The provider does not know it any more.
    """
    target, ticket, kind = _place(handle, accounts, context)
    try:
        look = await looked(accounts, target, ticket, kind, context)
    except ModelNotFoundError as error:
        gone = _gone(handle, accounts, context, error.status)
    else:
        ahead = None if look.ahead is None else f"{look.ahead} before it"
        message = ahead if look.message is None else accounts.router.redact(look.message)
        return JobState(
            status=look.status,
            message=message,
            code=look.code,
            billed="maybe" if look.status in {"failed", "cancelled"} else None,
        )
    raise gone


async def collect(accounts: Accounts, handle: JobHandle, context: Context) -> VideoResponse:
    """Fetch what a job made.

    Raises:
        JobFailedError: It made nothing.
        JobExpiredError: The provider does not know it any more.
    """
    target, ticket, kind = _place(handle, accounts, context)
    try:
        answer = await accounts.router.send(
            "GET", f"/{target.provider}{ticket.place}", context, query=target.service.query
        )
    except ModelNotFoundError as error:
        failed: GenSDKError = _gone(handle, accounts, context, error.status)
    except InvalidRequestError as error:
        # fal's queue says COMPLETED of what failed, too; its outcome is then an error.
        if kind != "fal":
            raise
        failed = JobFailedError(
            error.message,
            provider=accounts.name,
            model=context.model,
            status=error.status,
            code=error.code,
            job_id=handle.id,
        )
    else:
        document = document_in(answer, accounts, context)
        notes = Notes(accounts.name, context)
        seed = handle.data.get("seed")
        return await _response(document, answer, target, accounts, context, notes, seed)
    raise failed


def _place(
    handle: JobHandle, accounts: Accounts, context: Context
) -> tuple[Target, Ticket, QueueKind]:
    """Where a job is looked at; what no job of these providers says is nobody's job."""
    provider, task, path = (handle.data.get(name) for name in ("provider", "task", "path"))
    known = next((one for one in _TASKS if one == task), None)
    if isinstance(provider, str) and known is not None and isinstance(path, str):
        service = service_of(provider, known)
        ticket = Ticket(handle.id, path)
        if service is not None and service.queue is not None and ticket.place:
            return Target(service, context.model, context.model), ticket, service.queue
    raise _gone(handle, accounts, context, None)


def _gone(
    handle: JobHandle, accounts: Accounts, context: Context, status: int | None
) -> JobExpiredError:
    return JobExpiredError(
        "the provider does not know this job; its results are kept for hours",
        provider=accounts.name,
        model=context.model,
        status=status,
        job_id=handle.id,
    )


async def _response(
    document: dict[str, Any],
    answer: Answer,
    target: Target,
    accounts: Accounts,
    context: Context,
    notes: Notes,
    seed: object,
) -> VideoResponse:
    videos = await files_in(document, answer, accounts, context, "video")
    for video in videos:
        if video.kind != "video":
            raise InvalidResponseError(
                f"The result is {video.media_type} where a video was expected.",
                provider=accounts.name,
                model=context.model,
                billed="yes",
            )
    known = told_seed(document, seed)
    return VideoResponse(
        videos=videos,
        seed=known,
        provider=accounts.name,
        model=context.model,
        warnings=notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=known is not None,
        provider_details={"provider": target.provider},
    )
