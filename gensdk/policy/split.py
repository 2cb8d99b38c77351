"""A request larger than one attempt may be becomes several, and their answers one."""

from __future__ import annotations

import array
import asyncio
import re
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from gensdk.errors import InvalidResponseError, UnsupportedFeatureError
from gensdk.types import (
    Ability,
    Cost,
    EmbedRequest,
    EmbedResponse,
    ImageRequest,
    ImageResponse,
    Media,
    Request,
    Response,
    ResponseWarning,
    SpeechRequest,
    SpeechResponse,
    TextRequest,
    TextResponse,
    Usage,
    Vectors,
    VideoRequest,
    VideoResponse,
    unique,
)

from .attempt import refused
from .call import Call, Facts, Outcome, Step

__all__ = ["Splitter", "batches", "sentences"]

AT_ONCE = 4
"""Parts of one request under way at the same time."""

ResponseT = TypeVar("ResponseT", bound=Response)


class Splitter:
    """The split layer: inside the route, so a hop answers all parts or none."""

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        def split(call: Call) -> Awaitable[Outcome]:
            parts = _parts(call)
            return step(call) if len(parts) == 1 else in_parts(call, parts)

        async def in_parts(call: Call, parts: Sequence[Request]) -> Outcome:
            if call.streaming:
                raise refused(call, _cannot_stream(call))
            if call.starts_job:
                raise refused(call, _one_job(call))
            forks = [call.fork(request=part, mark=f"-{i}") for i, part in enumerate(parts)]
            group = _Parts(step, forks)
            try:
                answers = await group.run()
            except BaseException:
                call.rescued += _rescued(call, group.answers)
                raise
            return _JOINS[call.ability](answers)

        return split


def _cannot_stream(call: Call) -> UnsupportedFeatureError:
    what = "n above 1" if call.ability == "text" else "a request this large"
    return UnsupportedFeatureError(
        f"{call.here} takes {what} only as several requests, which cannot be streamed together; "
        "use the plain verb, or one stream each"
    )


def _one_job(call: Call) -> UnsupportedFeatureError:
    facts, at = call.here.facts, call.here
    if call.ability == "speech":
        return UnsupportedFeatureError(
            f"{at} speaks up to {facts.max_characters} characters in one job; "
            "make a call for each part of the text"
        )
    if call.ability == "image":
        return UnsupportedFeatureError(
            f"{at} makes {facts.max_images} of n pictures in one job; make several calls"
        )
    return UnsupportedFeatureError(
        f"{at} makes {facts.max_videos} of n videos in one job; start several jobs"
    )


class _Parts:
    """The parts of one request under way, a few at a time."""

    def __init__(self, step: Step, calls: list[Call]) -> None:
        self.answers: list[Response | None] = [None] * len(calls)
        self._step = step
        self._calls = calls
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: list[asyncio.Task[Outcome]] = []
        self._failure: Exception | None = None

    async def run(self) -> list[Any]:
        """Run them all. The first failure is raised and ends the others, see ``_stop``.

        No ``TaskGroup``: before Python 3.13 one whose task failed leaves its own caller marked as
        cancelled, and a deadline around it would strike as a cancellation.
        """
        tasks = self._tasks
        tasks += [asyncio.create_task(self._one(index)) for index in range(len(self._calls))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure
        return [task.result() for task in tasks]

    async def _one(self, index: int) -> Outcome:
        call = self._calls[index]
        async with self._places:
            if self._failure is not None:  # an eager task begins before ``_stop`` can see it
                return None
            try:
                answer = self.answers[index] = cast("Response", await self._step(call))
            except Exception as error:
                self._failure = self._failure or error
                if not call.paid_once:
                    raise  # the others are cancelled
                self._stop()
                return None
        return answer

    def _stop(self) -> None:
        """Let paid requests that were sent come to their end, and begin no other."""
        for task, call in zip(self._tasks, self._calls, strict=False):
            call.last_try = True
            if not call.sending:
                task.cancel()


def _gap(answers: Sequence[Response | None]) -> int:
    return next((at for at, answer in enumerate(answers) if answer is None), len(answers))


def _rescued(call: Call, answers: Sequence[Response | None]) -> list[Response]:
    """The answers there are, as one response; none where they cannot be one.

    Vectors end at the first gap: behind it they would stand for other inputs.
    """
    found = [answer for answer in answers if answer is not None]
    if call.ability == "embed":
        found = [answer for answer in answers[: _gap(answers)] if answer is not None]
    missing = ", ".join(str(at) for at, answer in enumerate(answers, 1) if answer is None)
    told = f"of the {len(answers)} parts of this request these have no answer: {missing}"
    try:
        joined = _JOINS[call.ability](found) if found else None
    except InvalidResponseError:
        return []
    if joined is None:
        return []
    warnings = (*joined.warnings, ResponseWarning(kind="other", message=told))
    facts = {"provider": call.here.provider, "model": joined.model or call.here.model}
    return [joined.replace(warnings=warnings, finish_reason="error", **facts)]


# ------------------------------------------------------------------------------ the parts
_WITH_CANDIDATES = (TextRequest, ImageRequest, VideoRequest)


def _parts(call: Call) -> Sequence[Request]:
    request, facts = call.request, call.here.facts
    if isinstance(request, _WITH_CANDIDATES):
        if request.n is None:
            return (request,)
        most = {
            "text": facts.max_candidates, "image": facts.max_images, "video": facts.max_videos,
        }.get(request.ability)  # fmt: skip
        if most is None or request.n <= most:
            return (request,)
        full, rest = divmod(request.n, most)
        counts = [most] * full + [rest] * (rest > 0)
        seed = request.seed
        return [
            request.model_copy(
                update={"n": count if most > 1 else None, "seed": _seed(seed, i * most)}
            )
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


def _seed(seed: int | None, before: int) -> int | None:
    """Each candidate its own seed, counted on over the parts, or some would be the same."""
    return None if seed is None else (seed + before) % 2**63


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


_CLOSING = r"[\"'\u201d\u2019\u300d\u300f)\]]*"
_BREAKS = (
    re.compile(r"()\n\s*\n"),
    re.compile(rf"[.!?\u2026]{_CLOSING}()\s+|[\u3002\uff01\uff1f]{_CLOSING}()"),
    re.compile(rf"[,;:]{_CLOSING}()\s+|[\u3001\uff0c\uff1b]()"),
    re.compile(r"()\s+"),
)
"""Ends of paragraphs, sentences, clauses and words; the Chinese and Japanese marks too.

The empty group stands where the cut is: only white space may follow it.
"""


def sentences(text: str, most: int) -> list[str]:
    """Cut text into pieces of at most ``most`` characters, at the best place there is.

    Paragraphs before sentences before clauses before words; nothing but white space at the cuts
    is lost.
    """
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > most:
        cut = _cut(rest, most)
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest:
        pieces.append(rest)
    return [piece for piece in pieces if piece]


def _cut(text: str, most: int) -> int:
    for pattern in _BREAKS:
        places = [
            match.start(match.lastindex or 0) for match in pattern.finditer(text, 0, most + 1)
        ]
        last = max((place for place in places if place <= most), default=0)
        if last > most // 3:
            return last
    return most


def _joinable(call: Call, request: SpeechRequest, pieces: int) -> None:
    if pieces > 1 and request.format == "flac":
        error = UnsupportedFeatureError(
            f"the text is longer than the {call.here.facts.max_characters} characters "
            f"{call.here} takes at once, and FLAC files cannot be joined; ask for wav or mp3"
        )
        raise refused(call, error)


# -------------------------------------------------------------------------- the answers joined
def _common(answers: Sequence[ResponseT], **changes: Any) -> ResponseT:
    """The first answer with everything that adds up over the answers."""
    first = answers[0]
    usage = sum((answer.usage for answer in answers), Usage())
    return first.replace(
        usage=usage,
        cost=Cost.total(answer.cost for answer in answers),
        warnings=unique(item for answer in answers for item in answer.warnings),
        reproducible=all(answer.reproducible for answer in answers),
        **changes,
    )


def _join_text(answers: Sequence[TextResponse[Any]]) -> Response:
    candidates = tuple(one for answer in answers for one in answer.candidates)
    return _common(answers, candidates=candidates)


def _join_images(answers: Sequence[ImageResponse]) -> Response:
    return _common(answers, images=tuple(one for answer in answers for one in answer.images))


def _join_videos(answers: Sequence[VideoResponse]) -> Response:
    return _common(answers, videos=tuple(one for answer in answers for one in answer.videos))


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
    kinds = {(sound.media_type, sound.sample_rate) for sound in sounds}
    if len(kinds) != 1 or first.media_type in _WHOLE_FILES:
        raise InvalidResponseError(
            f"the parts of the speech came as {', '.join(sorted(str(kind) for kind, _ in kinds))}; "
            "they cannot be joined; ask for wav or mp3",
            billed="yes",
        )
    data = join_wav(sounds) if first.media_type == "audio/wav" else b"".join(s.data for s in sounds)
    known = [answer.duration_s for answer in answers]
    duration = None if None in known else sum(filter(None, known))
    return _common(answers, audio=first.model_copy(update={"data": data}), duration_s=duration)


_WHOLE_FILES = frozenset({"audio/flac", "audio/mp4", "audio/webm", "video/mp4", "video/webm"})
"""Containers that are no longer one file when another is put behind them."""


def join_wav(sounds: Sequence[Media]) -> bytes:
    """One WAV file of several with the same format; sizes are set to the true ones."""
    chunks = [_wav_chunks(sound.data) for sound in sounds]
    if len({shape for shape, _ in chunks}) != 1:
        raise InvalidResponseError(
            "the parts of the speech differ in format; they cannot be joined", billed="yes"
        )
    samples = b"".join(part for _, part in chunks)
    body = b"WAVE" + _chunk(b"fmt ", chunks[0][0]) + _chunk(b"data", samples)
    return _chunk(b"RIFF", body)


def _chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk: padded to an even length, which its size does not count."""
    return name + struct.pack("<I", min(len(body), _UNKNOWN_SIZE)) + body + bytes(len(body) % 2)


_UNKNOWN_SIZE = 0xFFFFFFFF


def _wav_chunks(data: bytes) -> tuple[bytes, bytes]:
    """The ``fmt`` chunk and the samples.

    A streamed file does not know its size: all ones, or zero with samples all the same, means to
    the end.
    """
    position, shape = 12, b""
    while position + 8 <= len(data):
        name = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        start = position + 8
        if name == b"fmt ":
            shape = data[start : start + size]
        if name == b"data" and shape:
            return shape, data[start : start + size] if size else data[start:]
        position = start + size + size % 2
    raise InvalidResponseError("a part of the speech is no complete WAV file", billed="yes")


_JOINS: dict[Ability, Callable[[Any], Response]] = {
    "text": _join_text,
    "image": _join_images,
    "video": _join_videos,
    "embed": _join_vectors,
    "speech": _join_speech,
}
