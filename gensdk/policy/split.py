"""A request larger than one attempt may be becomes several, and their answers one."""

from __future__ import annotations

import array
import asyncio
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from gensdk.errors import InvalidResponseError, UnsupportedFeatureError
from gensdk.types import (
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    Media,
    Request,
    Response,
    SpeechRequest,
    SpeechResponse,
    TextRequest,
    TextResponse,
    Usage,
    Vectors,
)

from .call import Call, Facts, Outcome, Step

__all__ = ["Splitter", "batches", "sentences"]

AT_ONCE = 4
"""Parts of one request under way at the same time."""

ResponseT = TypeVar("ResponseT", bound=Response)


class Splitter:
    """The split layer: inside the route, so a hop answers all parts or none."""

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        async def split(call: Call) -> Outcome:
            parts = _parts(call)
            if len(parts) == 1:
                return await step(call)
            if call.streaming:
                raise _cannot_stream(call)
            answers = await _all(step, [call.fork(request=part) for part in parts])
            return _JOINS[type(call.request)](answers)

        return split


def _cannot_stream(call: Call) -> UnsupportedFeatureError:
    what = "n above 1" if call.ability == "text" else "a request this large"
    return UnsupportedFeatureError(
        f"{call.here} takes {what} only as several requests, which cannot be streamed together; "
        "use the plain verb, or one stream each",
        provider=call.here.provider,
        model=call.here.model,
    )


async def _all(step: Step, calls: list[Call]) -> list[Any]:
    """Run the parts, a few at a time. The first failure stops the others and is raised."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(call: Call) -> Outcome:
        async with places:
            return await step(call)

    tasks: list[asyncio.Task[Outcome]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(call)) for call in calls]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


# ------------------------------------------------------------------------------ the parts
def _parts(call: Call) -> Sequence[Request]:
    request, facts = call.request, call.here.facts
    if isinstance(request, TextRequest | ImageRequest):
        most = facts.max_candidates
        if request.n is None or most is None or request.n <= most:
            return (request,)
        full, rest = divmod(request.n, most)
        counts = [most] * full + [rest] * (rest > 0)
        seed = request.seed
        return [
            request.model_copy(update={"n": count if most > 1 else None, "seed": _seed(seed, i)})
            for i, count in enumerate(counts)
        ]
    if isinstance(request, EmbedRequest):
        groups = list(batches(request.inputs, facts))
        return [request.model_copy(update={"inputs": group}) for group in groups]
    if isinstance(request, SpeechRequest) and facts.max_characters:
        pieces = sentences(request.text, facts.max_characters)
        _joinable(call, request, len(pieces))
        return [request.model_copy(update={"text": piece}) for piece in pieces]
    return (request,)


def _seed(seed: int | None, index: int) -> int | None:
    """Each part its own seed, or all candidates would be the same."""
    return None if seed is None else seed + index


def batches(inputs: tuple[str, ...], facts: Facts) -> Iterator[tuple[str, ...]]:
    """Cut embedding inputs into groups that one attempt takes, in order.

    A token is at least one byte, so a bound on bytes keeps a bound on tokens.
    """
    most = facts.max_inputs or len(inputs)
    room = facts.max_input_bytes
    group: list[str] = []
    size = 0
    for text in inputs:
        length = len(text.encode()) if room else 0
        if group and (len(group) == most or (room and size + length > room)):
            yield tuple(group)
            group, size = [], 0
        group.append(text)
        size += length
    yield tuple(group)


_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*\s+|(?<=[\u3002\uff01\uff1f])"),
    re.compile(r"(?<=[,;:\u3001\uff0c\uff1b])\s*"),
    re.compile(r"\s+"),
)
"""Ends of paragraphs, sentences, clauses and words; the Chinese and Japanese marks too."""


def sentences(text: str, most: int) -> list[str]:
    """Cut text into pieces of at most ``most`` characters, at the best place there is.

    Paragraphs before sentences before clauses before words; nothing but white space at the cuts
    is lost.
    """
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > most:
        cut, following = _cut(rest, most)
        pieces.append(rest[:cut].rstrip())
        rest = rest[following:].lstrip()
    if rest:
        pieces.append(rest)
    return [piece for piece in pieces if piece]


def _cut(text: str, most: int) -> tuple[int, int]:
    for pattern in _BREAKS:
        ends = [match for match in pattern.finditer(text, 0, most + 1) if 0 < match.start() <= most]
        if ends and ends[-1].start() >= most // 3:
            return ends[-1].start(), ends[-1].end()
    return most, most


def _joinable(call: Call, request: SpeechRequest, pieces: int) -> None:
    if pieces > 1 and request.format == "flac":
        raise UnsupportedFeatureError(
            f"the text is longer than the {call.here.facts.max_characters} characters "
            f"{call.here} takes at once, and FLAC files cannot be joined; ask for wav or mp3"
        )


# -------------------------------------------------------------------------- the answers joined
def _common(answers: Sequence[ResponseT], **changes: Any) -> ResponseT:
    """The first answer with everything that adds up over the answers."""
    first = answers[0]
    warnings = tuple(dict.fromkeys(item for answer in answers for item in answer.warnings))
    usage = sum((answer.usage for answer in answers), Usage())
    return first.replace(
        usage=usage,
        warnings=warnings,
        reproducible=all(answer.reproducible for answer in answers),
        **changes,
    )


def _join_text(answers: Sequence[TextResponse[Any]]) -> Response:
    candidates = tuple(one for answer in answers for one in answer.candidates)
    return _common(answers, candidates=candidates)


def _join_images(answers: Sequence[ImageResponse]) -> Response:
    return _common(answers, images=tuple(one for answer in answers for one in answer.images))


def _join_vectors(answers: Sequence[EmbedResponse]) -> Response:
    block: array.array[float] = array.array("f")
    dim = answers[0].vectors.dim
    for answer in answers:
        if answer.vectors.dim != dim:
            raise InvalidResponseError(
                f"vectors of {dim} and of {answer.vectors.dim} numbers came for one request"
            )
        block.extend(answer.vectors.block)
    return _common(answers, vectors=Vectors(block, dim))


def _join_speech(answers: Sequence[SpeechResponse]) -> Response:
    sounds = [answer.audio for answer in answers]
    first = sounds[0]
    data = join_wav(sounds) if first.media_type == "audio/wav" else b"".join(s.data for s in sounds)
    known = [answer.duration_s for answer in answers]
    duration = None if None in known else sum(filter(None, known))
    return _common(answers, audio=first.model_copy(update={"data": data}), duration_s=duration)


def join_wav(sounds: Sequence[Media]) -> bytes:
    """One WAV file of several with the same format; sizes are set to the true ones."""
    formats: list[bytes] = []
    body = bytearray()
    for sound in sounds:
        shape, samples = _wav_chunks(sound.data)
        formats.append(shape)
        body += samples
    if len(set(formats)) != 1:
        raise InvalidResponseError(
            "the parts of the speech differ in format; they cannot be joined"
        )
    shape = formats[0]
    head = b"fmt " + struct.pack("<I", len(shape)) + shape
    data = b"data" + struct.pack("<I", min(len(body), 0xFFFFFFFF)) + bytes(body)
    return (
        b"RIFF"
        + struct.pack("<I", min(4 + len(head) + len(data), 0xFFFFFFFF))
        + b"WAVE"
        + head
        + data
    )


def _wav_chunks(data: bytes) -> tuple[bytes, bytes]:
    """The ``fmt`` chunk and the samples. A streamed file's unknown size means: to the end."""
    position, shape = 12, b""
    while position + 8 <= len(data):
        name = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        start = position + 8
        if name == b"fmt ":
            shape = data[start : start + size]
        if name == b"data":
            return shape, data[start : start + size]
        position = start + size + size % 2
    raise InvalidResponseError("a part of the speech is no complete WAV file")


_JOINS: dict[type[Request], Callable[[Any], Response]] = {
    TextRequest: _join_text,
    ImageRequest: _join_images,
    EmbedRequest: _join_vectors,
    SpeechRequest: _join_speech,
}
