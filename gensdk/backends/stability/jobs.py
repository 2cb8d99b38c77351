"""Jobs: the services that answer with an id, and the two addresses where their results are.

A job under way answers 202, a finished one 200 with the result itself; a result is kept for a day.
Looking more often than every ten seconds is an error to the vendor. There is no way to cancel.
"""

from __future__ import annotations

from gensdk.errors import InvalidRequestError, JobExpiredError
from gensdk.spec import Context
from gensdk.toolkit import MAX_MEDIA_BYTES, KeyedAccount, Notes, is_job_id, job_id_in
from gensdk.types import (
    ImageRequest,
    ImageResponse,
    JobHandle,
    JobState,
    MusicRequest,
    MusicResponse,
    Request,
)

from . import images, music

__all__ = ["collect", "poll", "start"]

_LOOK_S = 10.0
_RUNNING = 202
_RESULTS = {"image": "/v2beta/results", "music": "/v2beta/audio/results"}
_ACCEPT = {"image": images.ACCEPT, "music": music.ACCEPT}


async def start(account: KeyedAccount, request: Request, context: Context) -> JobHandle:
    """Create the job with one request."""
    notes = Notes(account.name, context)
    if isinstance(request, ImageRequest):
        sent = await images.prepared(account, request, context, notes)
        path, form, headers = sent.path, sent.form, dict(sent.headers)
    elif isinstance(request, MusicRequest):
        tune = await music.prepared(account, request, context, notes)
        path, form, headers = tune.path, tune.form, {}
    else:
        raise InvalidRequestError(f"{context.model} makes no {request.ability} as a job")
    answer = await account.send(
        "POST", path, context, form=form, headers={**headers, "accept": "application/json"}
    )
    job = job_id_in(answer)
    if job is None:
        raise account.invalid("The job was started, but its id cannot be read.", answer, context)
    return JobHandle(id=job, data={"kind": request.ability}, warnings=notes.warnings)


def _place(handle: JobHandle, context: Context) -> tuple[str, dict[str, str]]:
    kind = handle.data.get("kind")
    if not is_job_id(handle.id) or not isinstance(kind, str) or kind not in _RESULTS:
        raise JobExpiredError(
            f"{handle.id!r:.80} names no job of this vendor",
            provider=context.provider or None,
            model=context.model,
        )
    return f"{_RESULTS[kind]}/{handle.id}", _ACCEPT[kind]


async def poll(account: KeyedAccount, handle: JobHandle, context: Context) -> JobState:
    """Look once. Of a result only the head is read."""
    path, accept = _place(handle, context)
    async with account.stream("GET", path, context, headers=accept) as answer:
        if answer.status == _RUNNING:
            await answer.drain()
            return JobState(status="running", poll_after_s=_LOOK_S)
        return JobState(status="succeeded")


async def collect(
    account: KeyedAccount, handle: JobHandle, context: Context
) -> ImageResponse | MusicResponse:
    """Fetch the result."""
    path, accept = _place(handle, context)
    answer = await account.send("GET", path, context, headers=accept, max_bytes=MAX_MEDIA_BYTES)
    if answer.status == _RUNNING:
        raise account.invalid("The job is still under way.", answer, context)
    if handle.data.get("kind") == "music":
        return music.music_response(account, answer, context)
    return images.picture_response(account, answer, context)
