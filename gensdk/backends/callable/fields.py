"""Which fields of a request a callable honours, and what becomes of the others."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from importlib.util import find_spec
from typing import TypeVar

from gensdk.errors import ConfigurationError, MissingDependencyError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.toolkit.film import require_encoder
from gensdk.toolkit.sound import require_format
from gensdk.types import (
    URL,
    Ability,
    EmbedRequest,
    FilePart,
    ImagePart,
    ImageRequest,
    Message,
    ModerationRequest,
    MusicRequest,
    Part,
    Request,
    SpeechRequest,
    TextRequest,
    TranscriptionRequest,
    VideoRequest,
)

from .work import Asked

__all__ = ["MAIN", "account", "check_takes", "fetched", "near", "own_fields"]

RequestT = TypeVar("RequestT", bound=Request)

MAIN: dict[Ability, frozenset[str]] = {
    "text": frozenset({"prompt"}),
    "image": frozenset({"prompt"}),
    "speech": frozenset({"text"}),
    "music": frozenset({"prompt"}),
    "transcribe": frozenset({"audio"}),
    "video": frozenset({"prompt"}),
    "embed": frozenset({"inputs"}),
    "moderate": frozenset({"inputs"}),
}
"""What a request is about; who is given the request whole takes it in any case."""

_MEANING: dict[Ability, frozenset[str]] = {
    "text": frozenset({"system", "output", "tools", "tool_choice"}),
    "image": frozenset({"images", "mask"}),
    "music": frozenset({"lyrics", "reference_audio"}),
    "transcribe": frozenset({"translate", "diarize", "timestamps"}),
    "video": frozenset({"first_frame", "last_frame", "references", "video"}),
    "embed": frozenset({"dimensions"}),
    "moderate": frozenset({"images"}),
}
"""Fields without which the request would mean something else: refused, never dropped."""

_OURS: dict[Ability, frozenset[str]] = {
    "text": frozenset({"n"}),
    "image": frozenset({"n", "format", "compression"}),
    "speech": frozenset({"format", "sample_rate"}),
    "music": frozenset({"format", "sample_rate"}),
    "video": frozenset({"n", "format"}),
}
"""Fields that the backend or the pipeline sees to: many become several calls, and answers are
written in the format that was asked for."""

_REQUESTS: dict[Ability, type[Request]] = {
    kind.ability: kind
    for kind in (
        TextRequest, ImageRequest, SpeechRequest, MusicRequest,
        TranscriptionRequest, VideoRequest, EmbedRequest, ModerationRequest,
    )
}  # fmt: skip

_ELSEWHERE = frozenset({"model", "options", "extra", "unsupported", "tag"})


def near(word: str, known: Iterable[str]) -> str:
    """`` Did you mean …?`` with the nearest names, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""


def own_fields(ability: Ability) -> frozenset[str]:
    """Fields of an ability's request that a function may take by name."""
    names = frozenset(_REQUESTS[ability].model_fields) - _ELSEWHERE
    return names | {"messages"} if ability == "text" else names


def check_takes(takes: Collection[str], ability: Ability, label: str) -> None:
    """Refuse names that are no field of the request.

    Raises:
        ConfigurationError: With near matches.
    """
    known = own_fields(ability) | {"options", "extra"}
    for name in takes:
        if name not in known:
            raise ConfigurationError(
                f"{label} takes {name!r:.60}, which a request for {ability!r} does not have."
                f"{near(str(name), known)}"
            )


def account(notes: Notes, request: Request, asked: Asked, *, label: str, backend: str) -> None:
    """Drop with a note, or refuse, every field that was set and is not honoured.

    Args:
        notes: Where it is noted.
        request: The caller's request.
        asked: What the callable honours.
        label: Name of the callable.
        backend: Name of the backend, under which options are given.

    Raises:
        UnsupportedFeatureError: What is not honoured bears meaning, or the caller wants no drops.
        MissingDependencyError: The format it asks for cannot be written here.
    """
    for name in request.extra:
        if asked.extras is not None and name not in asked.extras:
            near_by = near(name, asked.extras)
            notes.refuse("extra", f"{label} has no parameter {name!r:.60}{near_by}")
    takes = asked.takes
    if takes is None:
        return
    if getattr(request, "n", None) not in {None, 1} and "n" not in takes:
        notes.refuse("n", f"{label} makes one at a time; the client asks it several times")
    if "options" not in takes and backend in request.options:
        notes.refuse("options", f"{label} takes no options")
    takes |= {"seed"} if asked.draws else frozenset()
    supported = takes | _OURS.get(request.ability, frozenset())
    supported |= {"prompt"} if "messages" in takes else frozenset()
    if isinstance(request, TranscriptionRequest) and request.timestamps == "none":
        supported |= {"timestamps"}
    meaning = _MEANING.get(request.ability, frozenset())
    honours = ", ".join(sorted(takes)) or "nothing"
    notes.drop_unsupported(request, supported, meaning=meaning, reason=f"{label} honours {honours}")
    if "format" not in takes:
        _check_format(notes, request)


def _check_format(notes: Notes, request: Request) -> None:
    """Refuse at once what could not be written at the end."""
    if isinstance(request, SpeechRequest | MusicRequest):
        require_format(request.format)
    elif isinstance(request, VideoRequest) and request.format is not None:
        require_encoder()
    elif isinstance(request, ImageRequest):
        if request.format in {"jpeg", "webp", "gif"} and find_spec("PIL") is None:
            raise MissingDependencyError(
                f"{request.format} is written with Pillow: pip install pillow; png is not"
            )
        if request.compression is not None and request.format not in {"jpeg", "webp"}:
            notes.drop("compression", "only format='jpeg' and format='webp' have it")


async def fetched(request: RequestT, context: Context) -> RequestT:
    """The request with everything that was given by address."""
    changes: dict[str, object] = {}
    for name in type(request).model_fields:
        value = getattr(request, name)
        if isinstance(value, URL):
            changes[name] = await context.fetch(value)
        elif isinstance(value, tuple) and any(isinstance(item, URL) for item in value):
            changes[name] = tuple(
                [await context.fetch(item) if isinstance(item, URL) else item for item in value]
            )
    if isinstance(request, TextRequest) and not isinstance(request.prompt, str):
        changes["prompt"] = tuple([await _with_media(turn, context) for turn in request.prompt])
    return request.model_copy(update=changes) if changes else request


async def _with_media(message: Message, context: Context) -> Message:
    content: list[Part] = []
    for part in message.content:
        if isinstance(part, ImagePart) and isinstance(part.image, URL):
            image = await context.fetch(part.image)
            content.append(part.model_copy(update={"image": image}))
        elif isinstance(part, FilePart) and isinstance(part.file, URL):
            content.append(part.model_copy(update={"file": await context.fetch(part.file)}))
        else:
            content.append(part)
    return message.model_copy(update={"content": tuple(content)})
