"""A workflow as a job: queued, looked at, fetched, stopped."""

from __future__ import annotations

from typing import Any

from gensdk.errors import (
    InvalidResponseError,
    JobExpiredError,
)
from gensdk.spec import Context
from gensdk.toolkit import Notes, billed, picture_problem
from gensdk.types import (
    URL,
    Ability,
    CancelOutcome,
    ImageResponse,
    JobHandle,
    JobState,
    Media,
    MusicResponse,
    Request,
    Response,
    SpeechResponse,
    VideoResponse,
)

from .account import Account
from .errors import ended, node_problems
from .fill import fill
from .options import comfyui_options
from .workflow import Workflow

__all__ = ["cancel", "collect", "poll", "start"]

_MAX_FILES = 200
_KINDS: dict[Ability, str] = {
    "image": "image", "video": "video", "music": "audio", "speech": "audio",
}  # fmt: skip
_MOVING = frozenset({"image/gif", "image/webp", "image/png"})
"""What animations are saved as that are no video files."""


async def start(
    account: Account, workflow: Workflow, request: Request, context: Context
) -> JobHandle:
    """Upload what the workflow needs, and queue it."""
    notes = Notes(account.name, context)
    options = comfyui_options(request, account.name, context.model)
    filled = fill(request, workflow, options, notes)
    with billed("no"):  # nothing is queued yet
        for item, places in filled.uploads:
            media = await context.fetch(item) if isinstance(item, URL) else item
            filled.put(places, await account.upload(media, context))
    queued = await account.queue(filled.graph, options, context)
    for problem in node_problems(queued.node_errors):
        notes.other(f"a part of the workflow is left out: {problem}")
    data: dict[str, Any] = {}
    if filled.seed is not None:
        data = {"seed": filled.seed, "given": getattr(request, "seed", None) is not None}
    return JobHandle(
        id=queued.prompt_id, ability=request.ability, data=data, warnings=notes.warnings
    )


async def poll(account: Account, handle: JobHandle, context: Context, every_s: float) -> JobState:
    """Look once.

    Raises:
        JobExpiredError: Neither the history nor the queue knows it.
    """
    for _ in range(2):  # between the two questions it may have ended
        found = await account.history(handle.id, context)
        if found is not None:
            state = ended(found)
            return state.model_copy(
                update={"message": state.message and account.redact(state.message)}
            )
        running, waiting = await account.line(context)
        if handle.id in running:
            return JobState(status="running", poll_after_s=every_s)
        if handle.id in waiting:
            ahead = len(running) + waiting.index(handle.id)
            return JobState(status="queued", message=f"{ahead} before it", poll_after_s=every_s)
    raise JobExpiredError(
        "the server does not know this job: it was restarted, or its history cleared",
        provider=account.name,
        model=context.model,
    )


async def collect(
    account: Account, workflow: Workflow, handle: JobHandle, context: Context
) -> Response:
    """Fetch the files.

    Raises:
        JobExpiredError: The history does not know the job any more.
        InvalidResponseError: There is no file of the kind that was asked for.
    """
    found = await account.history(handle.id, context)
    if found is None:
        raise JobExpiredError(
            "the server does not know this job any more", provider=account.name, model=context.model
        )
    kind = _KINDS[handle.ability]
    files = [await account.file(facts, context) for facts in _files(found, workflow)]
    wanted = [media for media in files if media.kind == kind]
    if not wanted and handle.ability == "video":
        wanted = [media for media in files if media.media_type in _MOVING]
    if not wanted:
        saved = ", ".join(sorted({media.media_type for media in files})) or "nothing"
        raise InvalidResponseError(
            f"The workflow saved {saved}, and no {kind}; check its outputs.",
            provider=account.name,
            model=context.model,
            billed="yes",
        )
    for media in wanted:
        problem = picture_problem(media.data, media.media_type)
        if problem is not None:
            raise InvalidResponseError(
                f"A picture {problem}.", provider=account.name, model=context.model, billed="yes"
            )
    return _response(account, handle, tuple(wanted), context)


def _files(history: dict[str, Any], workflow: Workflow) -> list[dict[str, str]]:
    """What was saved, in the order of the nodes; what was only shown counts where nothing was."""
    outputs = history.get("outputs")
    nodes = outputs if isinstance(outputs, dict) else {}
    chosen = workflow.outputs or tuple(sorted(nodes, key=_node_order))
    found = [
        {name: value for name, value in item.items() if isinstance(value, str)}
        for node in chosen
        if isinstance(nodes.get(node), dict)
        for items in nodes[node].values()
        if isinstance(items, list)
        for item in items
        if isinstance(item, dict) and isinstance(item.get("filename"), str)
    ]
    saved = [item for item in found if item.get("type") == "output"]
    return (saved or found)[:_MAX_FILES]


def _node_order(node: str) -> tuple[int, str]:
    return (int(node) if node.isdecimal() else 2**31, node)


def _response(
    account: Account, handle: JobHandle, files: tuple[Media, ...], context: Context
) -> Response:
    seed = handle.data.get("seed")
    facts: dict[str, Any] = {
        "provider": account.name,
        "model": context.model,
        "request_id": handle.id,
        "reproducible": handle.data.get("given") is True,
    }
    known = seed if isinstance(seed, int) else None
    if handle.ability == "image":
        return ImageResponse(images=files, seed=known, **facts)
    if handle.ability == "video":
        return VideoResponse(videos=files, seed=known, **facts)
    if handle.ability == "music":
        return MusicResponse(audio=files[0], seed=known, **facts)
    return SpeechResponse(audio=files[0], **facts)


async def cancel(account: Account, handle: JobHandle, context: Context) -> CancelOutcome:
    """Take a job out of the queue, or interrupt it if it is the one that runs."""
    running, waiting = await account.line(context)
    if handle.id in waiting:
        await account.forget(handle.id, context)
    elif handle.id in running:
        await account.interrupt(handle.id, context)
    return "stopped"
