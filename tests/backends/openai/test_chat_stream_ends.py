"""How streams of Chat Completions may end, and what is made of a broken end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gensdk.errors import (
    ConnectionFailedError,
    ContentBlockedError,
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    OverloadedError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from gensdk.spec import Context
from gensdk.types import (
    TextDelta,
    TextRequest,
    TextResponse,
)
from tests.support.openai_chat import (
    CHAT,
    USAGE,
    backend,
    chunk,
    chunk_of,
    listen,
)
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_sse,
)
from tests.support.warped_time import warped

LAST = (None, chunk_of([], USAGE))


async def heard(
    events: list[Any], request: TextRequest | str = "Hi", done: bool = True, **options: Any
) -> tuple[list[Any], TextResponse[Any]]:
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_sse(events, done=done, headers={"x-request-id": "r"}))
        return await listen(server, request, **options)


async def broken(events: list[Any], done: bool = False, **options: Any) -> list[Any]:
    """The deltas that came before the error; the error is raised again by the caller's block."""
    seen: list[Any] = []
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_sse(events, done=done))
        own = backend(server)
        try:
            async for event in own.stream_text(TextRequest(prompt="Hi", **options), Context("m")):
                seen.append(event)  # noqa: PERF401  # what came before the error counts
        except GenSDKError as error:
            return [*seen, error]
        finally:
            await own.aclose()
    raise AssertionError("the stream did not fail")


@pytest.mark.parametrize("done", [True, False])
async def test_an_end_without_a_finish_reason(done: bool) -> None:
    *deltas, error = await broken([chunk(content="Hel")], done)
    assert deltas == [TextDelta(text="Hel")]
    assert isinstance(error, StreamInterruptedError)
    assert (error.provider, error.model, error.billed) == ("compatible", "m", "maybe")


async def test_a_candidate_that_never_finished_or_never_began() -> None:
    events = [chunk("stop", index=0, content="a"), chunk(index=1, content="b")]
    assert isinstance((await broken(events, n=2))[-1], StreamInterruptedError)
    assert isinstance((await broken(events[:1], n=2))[-1], StreamInterruptedError)
    _, response = await heard(events[:1], TextRequest(prompt="Hi", n=2))
    assert "2 candidates" in response.warnings[0].message


async def test_an_empty_stream() -> None:
    (error,) = await broken([])
    assert isinstance(error, StreamInterruptedError)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "x", "code": "rate_limit_exceeded"}}, RateLimitError),
        ({"error": {"message": "x", "type": "overloaded_error", "code": None}}, OverloadedError),
        ({"error": {"message": "x", "code": "context_length_exceeded"}}, ContextLengthError),
        ({"error": {"message": "x", "code": 500}}, ServerError),
        ({"error": {"message": "x", "code": 400}}, InvalidRequestError),
        ({"error": "the worker died"}, ServerError),
        ({"object": "error", "message": "x", "type": "BadRequestError", "code": 400},
         InvalidRequestError),
        ({"error": {"message": "x", "code": 502}, "choices": [
            {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}, ServerError),
    ],
)  # fmt: skip
async def test_errors_inside_the_stream(body: object, kind: type[GenSDKError]) -> None:
    delta, error = await broken([chunk(content="Hel"), (None, body)])
    assert delta == TextDelta(text="Hel")
    assert isinstance(error, kind)
    assert error.billed == "maybe"


@pytest.mark.parametrize("data", ['{"message": "x", "code": "rate_limit_exceeded"}', "gone"])
async def test_error_events(data: str) -> None:
    (error,) = await broken([("error", data)])
    assert isinstance(error, RateLimitError if "{" in data else ServerError)


async def test_a_chunk_that_cannot_be_read() -> None:
    (error,) = await broken([(None, "no json")])
    assert isinstance(error, InvalidResponseError)


async def test_blank_events_and_comments_are_passed_over() -> None:
    only = b'{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}'
    text = b": ping\n\ndata: \n\ndata: " + only + b"\n\n"
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_bytes(text, "text/event-stream"))
        _, response = await listen(server)
    assert response.text == "x"


@pytest.mark.parametrize(("sent", "kind"), [
    ([], ConnectionFailedError), ([chunk(content="x")], StreamInterruptedError),
])  # fmt: skip
async def test_a_connection_that_breaks(sent: list[Any], kind: type[GenSDKError]) -> None:
    async with LoopbackServer() as server:

        async def breaks(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200, {"content-type": "text/event-stream"})
            for _name, body in sent:
                await reply.event(body)
            reply.close()

        server.on("POST", CHAT, breaks)
        with pytest.raises(kind):
            await listen(server)


async def test_a_connection_that_breaks_after_the_last_finish_reason() -> None:
    async with LoopbackServer() as server:

        async def breaks(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200, {"content-type": "text/event-stream"})
            await reply.event(chunk("stop", content="x")[1])
            reply.close()

        server.on("POST", CHAT, breaks)
        _, response = await listen(server)
    assert (response.text, response.usage.total_tokens) == ("x", None)


async def test_filtered_and_empty_streams() -> None:
    (error,) = await broken([chunk(content=""), chunk("content_filter")])
    assert isinstance(error, ContentBlockedError)
    (error,) = await broken([chunk("stop")])
    assert isinstance(error, InvalidResponseError)
    _, response = await heard([chunk(content=""), chunk("stop")])
    assert response.text == ""


async def test_a_failure_before_the_stream() -> None:
    async with LoopbackServer() as server:
        body = {"error": {"message": "busy", "type": "server_error", "code": None}}
        server.on("POST", CHAT, answer_error(429, body, {"retry-after": "3"}))
        with pytest.raises(RateLimitError) as caught:
            await listen(server)
    assert caught.value.retry_after == 3


# ------------------------------------------------------------- a server that holds the connection
def held(events: list[Any]) -> tuple[list[Any], float]:
    """What is heard of a stream with pauses (numbers) that ends at None only, and the seconds."""

    async def run() -> tuple[list[Any], float]:
        clock, left = asyncio.get_running_loop().time, asyncio.Event()

        async def handler(_request: RecordedRequest, reply: Reply) -> None:
            await reply.start(200, {"content-type": "text/event-stream"})
            for event in events:
                if isinstance(event, int):
                    await asyncio.sleep(event)
                elif event is None:
                    await reply.end()
                    return
                else:
                    await reply.event(event[1])
            await left.wait()

        async with LoopbackServer(limit_s=1e6) as server:
            server.on("POST", CHAT, handler)
            own = backend(server)
            began = clock()
            heard = [e async for e in own.stream_text(TextRequest(prompt="Hi"), Context("m"))]
            took = clock() - began
            left.set()
            await own.aclose()
        return heard, took

    return warped(run())


def test_nothing_is_waited_for_behind_the_last_finish_reason() -> None:
    *deltas, last = (found := held([chunk(content="a"), chunk("stop"), 1, LAST]))[0]
    assert deltas == [TextDelta(text="a")]
    assert (last.response.text, last.response.usage.output_tokens) == ("a", 7)
    assert 1 < found[1] < 5


def test_a_finish_reason_that_means_no_end_ends_nothing() -> None:
    """A server that sends one with every chunk is heard to its real end."""
    every = [chunk("stop", content=text) for text in "abc"]
    (*deltas, last), seconds = held([every[0], 1, every[1], 20, every[2], None])
    assert deltas == [TextDelta(text=text) for text in "abc"]
    assert last.response.text == "abc"
    assert seconds >= 21
