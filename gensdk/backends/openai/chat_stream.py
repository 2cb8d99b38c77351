"""Streams of Chat Completions and legacy Completions: chunks to deltas, and how they may end.

``[DONE]`` is not needed (``transformers serve`` sends none), but a finish reason is, for every
candidate: without it the stream was cut, whatever the connection says. Behind the last one only
the usage may follow, at once, so a server that then holds the connection is not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable

from pydantic_core import from_json

from gensdk.errors import ConnectionFailedError, StreamInterruptedError
from gensdk.toolkit import Answer, SSEEvent, StreamAnswer, decode_base64, server_sent_events
from gensdk.types import (
    Candidate,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextAccumulator,
    TextDelta,
    TextEvent,
    TextResponse,
    TokenLogprob,
    ToolCallDelta,
    deltas_of,
)

from .chat_map import Facts, Sent, arguments_text, finish_reason, map_answer, read, sound_part
from .chat_repeats import Repeats
from .chat_wire import WireAudio, WireChoice, WireMessage, WireToolCall, pieces_of
from .errors import request_id_of
from .logprobs import token_logprobs
from .stop import StopCutter
from .unasked import events_in

__all__ = ["collect", "events_of"]

Piece = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta

_DONE = b"[DONE]"
_MAX_WHOLE_BYTES = 32 * 2**20
_BEHIND_S = 3.0
"""Seconds without a word behind the last finish reason, after which nothing more will come."""


async def events_of(answer: StreamAnswer, sent: Sent) -> AsyncGenerator[TextEvent, None]:
    """The events of a streamed answer; a JSON document in place of a stream is taken too.

    Raises:
        StreamInterruptedError: It ended before every candidate had its finish reason.
        GenSDKError: It held an error object, or could not be read.
    """
    declared = answer.headers.get("content-type", "")
    if "json" in declared or "html" in declared:
        response = map_answer(await answer.read(_MAX_WHOLE_BYTES), answer, sent)
        for piece in deltas_of(response):
            yield piece
        yield Finished(response=response)
        return
    stream = _Stream(answer, sent)
    try:
        events = server_sent_events(answer.chunks())
        while True:
            following = anext(events, None)
            event = await (_soon(following) if stream.settled else following)
            if event is None:
                break
            for piece in stream.feed(event):
                yield piece
            if stream.done:
                await answer.drain()
                break
    except ConnectionFailedError as error:
        # What was asked for is there: only the usage may be missing.
        if not stream.complete:
            if stream.empty:
                raise
            raise stream.interrupted() from error
    yield Finished(response=stream.response())


async def _soon(following: Awaitable[SSEEvent | None]) -> SSEEvent | None:
    try:
        async with asyncio.timeout(_BEHIND_S):
            return await following
    except TimeoutError:
        return None


async def collect(answer: Answer, sent: Sent) -> TextResponse[object]:
    """The response of a plain call that was answered with an event stream unasked."""
    stream = _Stream(answer, sent)
    async for event in events_in(answer):
        stream.feed(event)
    return stream.response()


class _Stream:
    """What has come so far of one stream.

    Attributes:
        done: Whether the server said that it is over.
        settled: Whether every candidate is finished, and nothing but facts can follow.
    """

    def __init__(self, answer: Answer | StreamAnswer, sent: Sent) -> None:
        self.done = False
        self.settled = False
        self._restless = False
        self._answer = answer
        self._sent = sent
        self._facts = Facts()
        self._collected = TextAccumulator()
        self._seen: set[int] = set()
        self._finish: dict[int, str] = {}
        self._logprobs: dict[int, list[TokenLogprob]] = {}
        self._calls: dict[int, list[_OpenCall]] = {}
        self._sound: dict[int, bytearray] = {}
        self._cutters: dict[int, StopCutter] = {}
        self._repeats = Repeats()

    @property
    def empty(self) -> bool:
        """Whether no output has come yet."""
        return self._collected.empty

    @property
    def complete(self) -> bool:
        """Whether every candidate is finished.

        A server that says ``[DONE]`` may have made fewer than were asked for.
        """
        if not self._finish:
            return False
        enough = self.done or len(self._finish) >= (self._sent.request.n or 1)
        return enough and self._seen <= self._finish.keys()

    def feed(self, event: SSEEvent) -> list[Piece]:
        """Take one event and give the deltas in it."""
        data = event.data.strip()
        if data == _DONE:
            self.done = True
            return []
        if event.event == "error":
            raise self._failure(data)
        if not data:
            return []
        pieces: list[Piece] = []
        text = self._repeats.text_of(data)
        if text is None:
            self._whole(data, pieces)
        elif text:
            self._text(text, self._repeats.index, pieces)
        for piece in pieces:
            self._collected.add(piece)
        if self._finish:
            self._mind_end(pieces)
        return pieces

    def _mind_end(self, pieces: list[Piece]) -> None:
        """Text behind the last finish reason shows that this server's mean no end."""
        self._restless = self._restless or (self.settled and bool(pieces))
        self.settled = self.complete and not self._restless

    def _whole(self, data: bytes, pieces: list[Piece]) -> None:
        """Read all there is in one chunk."""
        wire = read(data, self._answer, self._sent)
        self._facts.note(wire, data, self._sent)
        for choice in wire.choices or ():
            self._choice(choice, pieces)
        self._repeats.learn(wire, data)

    def _failure(self, data: bytes) -> Exception:
        try:
            body = from_json(data)
        except ValueError:
            body = data.decode("utf-8", "replace")
        return self._sent.account.error_inside(body, self._sent.context, self._answer.headers)

    def _choice(self, choice: WireChoice, pieces: list[Piece]) -> None:
        index = choice.index
        self._seen.add(index)
        if choice.text:
            self._text(choice.text, index, pieces)
        # Some servers repeat the whole message beside the delta; the delta is what is new.
        delta = choice.delta or choice.message
        if delta is not None:
            self._delta(delta, index, pieces)
        logprobs = token_logprobs(choice.logprobs)
        if logprobs is not None:
            self._logprobs.setdefault(index, []).extend(logprobs)
        if choice.finish_reason:
            self._flush(index, pieces)
            self._finish[index] = choice.finish_reason

    def _text(self, text: str, index: int, pieces: list[Piece]) -> None:
        """Text as it may be shown: cut here where the server does not know the stop strings."""
        if self._sent.stops:
            cutter = self._cutters.setdefault(index, StopCutter(self._sent.stops))
            text = cutter.add(text)
        if text:
            pieces.append(TextDelta(text=text, index=index))

    def _flush(self, index: int, pieces: list[Piece]) -> None:
        """What was held back because it might have become a stop string."""
        cutter = self._cutters.get(index)
        if cutter is not None and (held := cutter.flush()):
            pieces.append(TextDelta(text=held, index=index))

    def _delta(self, delta: WireMessage, index: int, pieces: list[Piece]) -> None:
        reasoning, content = pieces_of(delta)
        if reasoning:
            pieces.append(ReasoningDelta(text=reasoning, index=index))
        if content:
            self._text(content, index, pieces)
        if delta.audio is not None:
            self._audio(delta.audio, index, pieces)
        if delta.refusal:
            pieces.append(RefusalDelta(text=delta.refusal, index=index))
        pieces += [self._call(call, index) for call in delta.tool_calls or ()]

    def _audio(self, audio: WireAudio, index: int, pieces: list[Piece]) -> None:
        if audio.data:
            self._sound.setdefault(index, bytearray()).extend(decode_base64(audio.data))
        if audio.transcript:
            self._text(audio.transcript, index, pieces)

    def _call(self, call: WireToolCall, index: int) -> ToolCallDelta:
        name = call.function.name if call.function else None
        known = self._calls.setdefault(index, [])
        place = next((p for p in range(len(known) - 1, -1, -1) if known[p].takes(call)), None)
        if place is None:
            place = len(known)
            known.append(_OpenCall(call))
        return ToolCallDelta(
            call=place, id=call.id, name=name, arguments=arguments_text(call), index=index
        )

    def interrupted(self) -> StreamInterruptedError:
        """The error for a stream that was cut."""
        return StreamInterruptedError(
            "The stream ended before the answer was finished.",
            provider=self._sent.account.name,
            model=self._sent.context.model,
            status=self._answer.status,
            request_id=request_id_of(self._answer.headers),
        )

    def response(self) -> TextResponse[object]:
        """The whole response.

        Raises:
            StreamInterruptedError: A candidate has no finish reason.
            ContentBlockedError: Everything was filtered out.
            InvalidResponseError: It finished without having said anything.
        """
        if not self.complete:
            raise self.interrupted()
        logprobs = {index: tuple(tokens) for index, tokens in self._logprobs.items()}
        unfinished = self._collected.candidates(dict.fromkeys(self._finish), logprobs)
        indices = sorted({0} | self._finish.keys())
        candidates = [
            self._finished(candidate, index)
            for index, candidate in zip(indices, unfinished, strict=True)
        ]
        return self._facts.response(candidates, self._answer, self._sent)

    def _finished(self, candidate: Candidate, index: int) -> Candidate:
        parts = candidate.parts
        if index in self._sound:
            sound = bytes(self._sound[index])
            parts = (*parts, sound_part(sound, self._sent.sound_format))
        reason = finish_reason(self._finish.get(index), parts)
        cutter = self._cutters.get(index)
        if cutter is not None and cutter.stopped:
            reason = "stop_sequence"
        return candidate.model_copy(update={"parts": parts, "finish_reason": reason})


class _OpenCall:
    """A tool call under construction, and how its further pieces are told from new calls."""

    __slots__ = ("id", "index")

    def __init__(self, first: WireToolCall) -> None:
        self.index = first.index
        self.id = first.id

    def takes(self, piece: WireToolCall) -> bool:
        """Whether a piece belongs to this call.

        Some servers give every call the index 0 and a new id, some give no index at all: a new
        id that comes with a name begins a new call.
        """
        begins = bool(piece.id) and bool(piece.function and piece.function.name)
        if begins and self.id and piece.id != self.id:
            return False
        return piece.index is None or self.index is None or piece.index == self.index
