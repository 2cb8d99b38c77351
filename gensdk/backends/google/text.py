"""Text over ``:generateContent`` and ``:streamGenerateContent``: prepare, send, map.

A stream has no closing word: it is whole when each candidate has its ``finishReason``. Anything
else is a cut. The parts of its events are put together and go through the mapper of plain answers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from gensdk.catalog.google import google_model
from gensdk.errors import StreamInterruptedError
from gensdk.toolkit import MAX_MEDIA_BYTES, Notes, SSEEvent, StreamAnswer, server_sent_events
from gensdk.types import (
    Finished,
    JsonObject,
    ReasoningDelta,
    TextDelta,
    TextEvent,
    TextRequest,
    TextResponse,
    ToolCallDelta,
    deltas_of,
)

from .account import MAX_EVENT_BYTES, MAX_STREAM_BYTES, model_path
from .contents import fetched
from .options import GoogleTextOptions, options_of
from .text_map import Call, call_id, map_body
from .text_request import prepare
from .wire import ContentBody, WireCandidate, WireContent, blocked_prompt, merge_extra, parsed

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["ContentStream", "generate", "prepared_body", "stream"]


async def generate(account: Account, request: TextRequest, context: Context) -> TextResponse[Any]:
    """Answer a request, once."""
    call, payload = await _prepared(account, request, context)
    path = f"{model_path(context.model)}:generateContent"
    answer = await account.post(path, payload, context, max_bytes=MAX_MEDIA_BYTES)
    body = parsed(ContentBody, answer.body, answer, account, context)
    return map_body(body, answer, call)


async def stream(
    account: Account, request: TextRequest, context: Context
) -> AsyncGenerator[TextEvent, None]:
    """Stream the answer to a request, once; closing the generator closes the connection.

    Raises:
        StreamInterruptedError: It ended before the answer did.
        GenSDKError: By cause; see ``errors`` and ``text_map``.
    """
    call, payload = await _prepared(account, request, context)
    path = f"{model_path(context.model)}:streamGenerateContent"
    async with account.stream(
        path, payload, context, query={"alt": "sse"}, max_bytes=MAX_STREAM_BYTES
    ) as answer:
        if "event-stream" not in answer.headers.get("content-type", "event-stream"):
            data = await answer.read(MAX_MEDIA_BYTES)
            whole = map_body(parsed(ContentBody, data, answer, account, context), answer, call)
            for piece in deltas_of(whole):
                yield piece
            yield Finished(response=whole)
            return
        state = ContentStream(answer, account, context)
        told = _Deltas()
        async for event in server_sent_events(answer.chunks(), max_event_bytes=MAX_EVENT_BYTES):
            for candidate in state.read(event):
                for delta in told.of(candidate):
                    yield delta
            if state.ended:
                await answer.drain()
                yield Finished(response=map_body(state.body(), answer, call))
                return
        raise state.interrupted()


async def prepared_body(account: Account, request: TextRequest, context: Context) -> dict[str, Any]:
    """The body of a request, as ``generate`` sends it."""
    return (await _prepared(account, request, context))[1]


async def _prepared(
    account: Account, request: TextRequest, context: Context
) -> tuple[Call, dict[str, Any]]:
    notes = Notes(account.name, context)
    options = options_of(request, GoogleTextOptions, account.name, context.model)
    row = google_model(context.model)
    payload = prepare(await fetched(request, context), row, options, account.name, notes)
    merge_extra(payload, request, account, context.model)
    return Call(account, request, context, notes), payload


class ContentStream:
    """Collects the events of one stream of ``generateContent``."""

    def __init__(self, answer: StreamAnswer, account: Account, context: Context) -> None:
        """Start before the first event."""
        self._answer = answer
        self._account = account
        self._context = context
        self._last = ContentBody()
        self._facts: dict[str, Any] = {}
        self._parts: dict[int, list[JsonObject]] = {}
        self._candidates: dict[int, dict[str, Any]] = {}

    @property
    def ended(self) -> bool:
        """Whether every candidate has said why it stopped."""
        return bool(self._candidates) and all(
            one.get("finish_reason") for one in self._candidates.values()
        )

    def read(self, event: SSEEvent) -> list[WireCandidate]:
        """The candidates in one event.

        Raises:
            InvalidResponseError: It is not JSON of the known shape.
            ContentBlockedError: The prompt was blocked.
            GenSDKError: It reports a failure.
        """
        if event.data in {b"", b"[DONE]"}:
            return []
        body = parsed(ContentBody, event.data, self._answer, self._account, self._context)
        for name in ("usage_metadata", "model_version", "response_id"):
            if (value := getattr(body, name)) is not None:
                self._facts[name] = value
        blocked = blocked_prompt(body, self._account, self._context)
        if blocked is not None:
            raise blocked
        for candidate in body.candidates:
            self._take(candidate)
        return body.candidates

    def body(self) -> ContentBody:
        """Everything that came, as one answer."""
        candidates = [
            WireCandidate(
                **facts, index=index, content=WireContent(parts=self._parts.get(index, []))
            )
            for index, facts in sorted(self._candidates.items())
        ]
        return ContentBody(candidates=candidates, **self._facts)

    def interrupted(self) -> StreamInterruptedError:
        """The error for a stream that ended too early."""
        return StreamInterruptedError(
            "the stream ended without a finishReason",
            provider=self._account.name,
            model=self._context.model,
            status=self._answer.status,
            request_id=self._facts.get("response_id"),
        )

    def _take(self, candidate: WireCandidate) -> None:
        facts = self._candidates.setdefault(candidate.index, {})
        before = facts.get("logprobs_result")
        for name in type(candidate).model_fields:
            value = getattr(candidate, name)
            if name not in {"content", "index"} and value is not None:
                facts[name] = value
        if before is not None and candidate.logprobs_result is not None:
            facts["logprobs_result"] = before + candidate.logprobs_result
        parts = self._parts.setdefault(candidate.index, [])
        for part in candidate.content.parts if candidate.content else ():
            _join(parts, part)


def _join(parts: list[JsonObject], part: JsonObject) -> None:
    """Add a part; plain text goes on where plain text stopped, signed parts stay alone."""
    last = parts[-1] if parts else None
    if last is not None and _plain(last) and _plain(part):
        same = bool(last.get("thought")) == bool(part.get("thought"))
        if same and isinstance(last["text"], str) and isinstance(part["text"], str):
            parts[-1] = {**last, "text": last["text"] + part["text"]}
            return
    parts.append(part)


def _plain(part: JsonObject) -> bool:
    return "text" in part and not part.keys() - {"text", "thought"}


class _Deltas:
    """Tells the parts of events as deltas; function calls come whole."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}

    def of(self, candidate: WireCandidate) -> Iterator[TextEvent]:
        index = candidate.index
        for part in candidate.content.parts if candidate.content else ():
            text = part.get("text")
            if isinstance(text, str):
                if text:
                    kind = ReasoningDelta if part.get("thought") is True else TextDelta
                    yield kind(text=text, index=index)
                continue
            function = part.get("functionCall")
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                number = self._calls.get(index, 0)
                self._calls[index] = number + 1
                yield ToolCallDelta(
                    call=number,
                    id=call_id(function, number),
                    name=str(function["name"]),
                    arguments=to_json(function.get("args") or {}).decode(),
                    index=index,
                )
