"""What is kept: one answer as bytes, checked when it is read back.

A mark, a SHA-256 over the rest, the length of a JSON head, the head, and the bytes of media and
vectors one after the other. Nothing in it names a class: the ability of the call that reads says
what it must be, and pydantic checks that it is.
"""

from __future__ import annotations

import array
import hashlib
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from gensdk.types import (
    Ability,
    EmbedResponse,
    ImageResponse,
    ModerationResponse,
    MusicResponse,
    Response,
    SpeechResponse,
    TextResponse,
    TranscriptionResponse,
    Vectors,
    VideoResponse,
)

__all__ = ["Found", "decode", "encode"]

_MARK = b"gensdk cache 1\n"
_SHA256 = 32
_LENGTH = 4

KINDS: dict[Ability, type[Response]] = {
    "text": TextResponse,
    "image": ImageResponse,
    "speech": SpeechResponse,
    "music": MusicResponse,
    "transcribe": TranscriptionResponse,
    "video": VideoResponse,
    "embed": EmbedResponse,
    "moderate": ModerationResponse,
}

_OF_THE_CALL = frozenset({"attempts", "timing", "cost", "cached", "output", "steps", "text"})
"""What belongs to the call that was made, or is derived: another call has its own."""

_PLAIN = (str, int, float, type(None))
"""What goes into the head as it is."""

Path = list[str | int]


@dataclass(frozen=True, slots=True)
class Found:
    """An answer read back.

    Attributes:
        made_at: When it was kept, in seconds since 1970.
        repeatable: Whether the same request should give the same answer again.
    """

    response: Response
    made_at: float
    repeatable: bool


def encode(
    key: str, ability: Ability, response: Response, made_at: float, settled: bool
) -> bytes | None:
    """An answer as bytes; None where something in it has no JSON form."""
    exclude = set(_OF_THE_CALL)
    if ability != "text":  # a transcription's text is a field
        exclude.discard("text")
    body = response.model_dump(exclude=exclude, warnings=False)
    blobs: list[bytes] = []
    places: list[dict[str, Any]] = []
    bare = _without_blobs(body, [], places, blobs)
    head = {
        "key": key, "ability": ability, "made_at": made_at, "repeatable": settled,
        "answer": bare, "blobs": places,
    }  # fmt: skip
    try:
        text = to_json(head, inf_nan_mode="strings")
    except ValueError:
        return None
    rest = b"".join((len(text).to_bytes(_LENGTH), text, *blobs))
    return _MARK + hashlib.sha256(rest).digest() + rest


def _without_blobs(value: Any, path: Path, places: list[dict[str, Any]], blobs: list[bytes]) -> Any:
    """The value with None where bytes were; they and their places go into the lists."""
    if isinstance(value, bytes):
        places.append({"path": path, "size": len(value)})
        blobs.append(value)
        return None
    if isinstance(value, Vectors):
        block = value.block.tobytes()
        places.append({"path": path, "size": len(block), "dim": value.dim})
        blobs.append(block)
        return None
    if isinstance(value, dict):
        return {
            k: v if isinstance(v, _PLAIN) else _without_blobs(v, [*path, k], places, blobs)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_blobs(v, [*path, i], places, blobs) for i, v in enumerate(value)]
    return value


def decode(entry: bytes, key: str, ability: Ability) -> Found | None:
    """The answer in an entry; None where it is damaged, foreign, or another request's."""
    start = len(_MARK) + _SHA256
    rest = memoryview(entry)[start:]
    if not entry.startswith(_MARK) or hashlib.sha256(rest).digest() != entry[len(_MARK) : start]:
        return None
    try:
        size = int.from_bytes(rest[:_LENGTH])
        head = from_json(bytes(rest[_LENGTH : _LENGTH + size]))
        if head["key"] != key or head["ability"] != ability:
            return None
        answer = _with_blobs(head["answer"], head["blobs"], rest[_LENGTH + size :])
        response = KINDS[ability].model_validate(answer)
        return Found(response, float(head["made_at"]), head["repeatable"] is True)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        return None


def _with_blobs(answer: Any, places: Any, rest: memoryview) -> Any:
    """Put the bytes back where they were."""
    start = 0
    for place in places:
        *way, last = place["path"]
        holder = answer
        for step in way:
            holder = holder[step]
        content = bytes(rest[start : start + place["size"]])
        start += place["size"]
        if start > len(rest) or holder[last] is not None:
            raise ValueError("the entry is damaged")
        holder[last] = content if "dim" not in place else _vectors(content, place["dim"])
    if start != len(rest):
        raise ValueError("the entry is damaged")
    return answer


def _vectors(content: bytes, dim: int) -> Vectors:
    block = array.array("f")
    block.frombytes(content)
    return Vectors(block, dim)
