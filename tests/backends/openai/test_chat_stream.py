"""Streams of Chat Completions: deltas, and the response at the end."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from gensdk.catalog.compatible import PRESETS
from gensdk.errors import (
    InvalidResponseError,
)
from gensdk.spec import Context
from gensdk.types import (
    AudioPart,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TextRequest,
    TextResponse,
    ToolCallDelta,
)
from tests.support.openai_chat import (
    CHAT,
    OPENAI_CHAT,
    USAGE,
    ask,
    backend,
    call_piece,
    choice,
    chunk,
    chunk_of,
    completion,
    listen,
)
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_json,
    answer_sse,
)

LAST = (None, chunk_of([], USAGE))


async def heard(
    events: list[Any], request: TextRequest | str = "Hi", done: bool = True, **options: Any
) -> tuple[list[Any], TextResponse[Any]]:
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_sse(events, done=done, headers={"x-request-id": "r"}))
        return await listen(server, request, **options)


async def test_text_usage_and_the_end() -> None:
    events = [
        chunk(role="assistant", content=""),
        chunk(content="Hel"),
        chunk(content="lo"),
        chunk("stop"),
        LAST,
    ]
    deltas, response = await heard(events)
    assert deltas == [TextDelta(text="Hel"), TextDelta(text="lo")]
    assert response.text == "Hello"
    assert response.finish_reason == "stop"
    assert (response.usage.input_tokens, response.usage.output_tokens) == (5, 7)
    assert (response.model, response.request_id) == ("model-of-the-server", "r")


async def test_the_streamed_response_is_the_plain_one() -> None:
    request = TextRequest(prompt="Hi", seed=1)
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_json(completion()))
        plain = await ask(server, request)
    _, streamed = await heard([chunk(content="Hello"), chunk("stop"), LAST], request)
    assert streamed.replace(request_id=None) == plain.replace(request_id=None)


async def test_usage_beside_a_choice_and_no_done() -> None:
    _, response = await heard([chunk(content="x"), chunk("stop", usage=USAGE)], done=False)
    assert response.usage.total_tokens == 12
    _, response = await heard([chunk("stop", content="x")], done=False)
    assert response.usage.total_tokens is None


async def test_interleaved_candidates() -> None:
    events = [
        chunk(index=1, content="b1"),
        chunk(index=0, content="a1"),
        (None, chunk_of([
            {"index": 0, "delta": {"content": "a2"}, "finish_reason": "length"},
            {"index": 1, "delta": {"content": "b2"}, "finish_reason": None},
        ])),
        chunk("stop", index=1),
    ]  # fmt: skip
    deltas, response = await heard(events, TextRequest(prompt="Hi", n=2))
    assert [(delta.index, delta.text) for delta in deltas] == [
        (1, "b1"), (0, "a1"), (0, "a2"), (1, "b2"),
    ]  # fmt: skip
    assert [candidate.text for candidate in response.candidates] == ["a1a2", "b1b2"]
    assert [candidate.finish_reason for candidate in response.candidates] == ["length", "stop"]


async def test_tool_calls_in_fragments() -> None:
    events = [
        chunk(tool_calls=[call_piece(0, id="c1", name="f")]),
        chunk(tool_calls=[call_piece(0, '{"a"'), call_piece(1, "{", id="c2", name="g")]),
        chunk(tool_calls=[call_piece(1, "}"), call_piece(0, ": 1}")]),
        chunk("tool_calls"),
    ]
    deltas, response = await heard(events)
    assert deltas[0] == ToolCallDelta(call=0, id="c1", name="f")
    assert [delta.call for delta in deltas] == [0, 0, 1, 1, 0]
    first, second = response.tool_calls
    assert (first.id, first.name, first.arguments) == ("c1", "f", {"a": 1})
    assert (second.id, second.name, second.arguments) == ("c2", "g", {})


async def test_tool_calls_that_share_an_index_or_have_none() -> None:
    same = [call_piece(0, '{"a":1}', id="x", name="f"), call_piece(0, "{", id="y", name="f"),
            call_piece(0, "}")]  # fmt: skip
    _, response = await heard([chunk(tool_calls=same), chunk("stop")])
    assert [(call.id, call.arguments) for call in response.tool_calls] == [
        ("x", {"a": 1}), ("y", {}),
    ]  # fmt: skip
    assert response.finish_reason == "tool_calls"
    loose = [{k: v for k, v in piece.items() if k != "index"} for piece in same]
    body = {"choices": [{"delta": {"tool_calls": loose}, "finish_reason": "stop"}]}
    _, response = await heard([(None, body)])
    assert [call.id for call in response.tool_calls] == ["x", "y"]
    nameless = [call_piece(0), {"index": 0}]
    _, response = await heard([chunk(tool_calls=nameless), chunk("stop")])
    assert (response.tool_calls[0].name, response.tool_calls[0].id) == ("", "call_0")


async def test_reasoning_refusal_and_annotations() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "u"}}
    events = [
        chunk(reasoning_content="hm "),
        chunk(reasoning="hm"),
        chunk(refusal="No"),
        chunk(refusal=".", annotations=[cited]),
        chunk("stop", annotations=[cited]),
    ]
    deltas, response = await heard(events)
    assert deltas == [
        ReasoningDelta(text="hm "), ReasoningDelta(text="hm"), RefusalDelta(text="No"),
        RefusalDelta(text="."),
    ]  # fmt: skip
    assert (response.reasoning, response.refusal) == ("hm hm", "No.")
    assert response.finish_reason == "refusal"
    assert response.provider_details["annotations"] == [cited, cited]


async def test_logprobs_of_all_chunks() -> None:
    def part(token: str) -> dict[str, Any]:
        entry = {"token": token, "logprob": -1.0, "bytes": None, "top_logprobs": []}
        logprobs = {"content": [entry], "refusal": None}
        return chunk_of([{"index": 0, "delta": {"content": token}, "finish_reason": None,
                          "logprobs": logprobs}])  # fmt: skip

    _, response = await heard([(None, part("a")), (None, part("b")), chunk("stop")])
    assert response.candidates[0].logprobs is not None
    assert [entry.token for entry in response.candidates[0].logprobs] == ["a", "b"]


async def test_spoken_streams() -> None:
    pieces = [base64.b64encode(data).decode() for data in (b"\0\1", b"\2\3")]
    events = [
        chunk(audio={"id": "a1", "transcript": "Good "}),
        chunk(audio={"data": pieces[0]}),
        chunk(audio={"data": pieces[1], "transcript": "day"}),
        chunk("stop", audio={"expires_at": 1}),
    ]
    options = {"openai": {"audio": {"voice": "coral", "format": "pcm16"}}}
    deltas, response = await heard(
        events, TextRequest(prompt="Hi", options=options), model="gpt-audio-1.5", **OPENAI_CHAT
    )
    assert [delta.text for delta in deltas] == ["Good ", "day"]
    assert isinstance(response.parts[1], AudioPart)
    assert response.parts[1].audio.data == b"\0\1\2\3"


async def test_citations_of_the_last_chunk_count() -> None:
    first, last = chunk(content="x"), chunk("stop")
    first[1]["citations"] = ["a"]
    last[1]["citations"] = ["a", "b"]
    _, response = await heard([first, last], dialect=PRESETS["perplexity"])
    assert response.provider_details["citations"] == ["a", "b"]


async def test_a_whole_message_in_a_chunk_and_beside_a_delta() -> None:
    whole = {"choices": [choice("Hello")]}
    _, response = await heard([(None, whole)])
    assert response.text == "Hello"
    both = {"choices": [choice("Hello") | {"delta": {"content": "lo"}}]}
    _, response = await heard([chunk(content="Hel"), (None, both)])
    assert response.text == "Hello"


async def test_stop_strings_cut_here() -> None:
    events = [chunk(content="one E"), chunk(content="ND two"), chunk(content=" three"),
              chunk("stop")]  # fmt: skip
    request = TextRequest(prompt="Hi", stop="END")
    deltas, response = await heard(events, request, dialect=PRESETS["perplexity"])
    assert deltas == [TextDelta(text="one ")]
    assert (response.text, response.finish_reason) == ("one ", "stop_sequence")
    events = [chunk(content="one E"), chunk("length")]
    deltas, response = await heard(events, request, dialect=PRESETS["perplexity"])
    assert [delta.text for delta in deltas] == ["one ", "E"]
    assert (response.text, response.finish_reason) == ("one E", "length")


async def test_the_connection_serves_the_next_call() -> None:
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_sse([chunk("stop", content="x"), LAST]))
        own = backend(server)
        for _ in range(2):
            async for _event in own.stream_text(TextRequest(prompt="Hi"), Context("m")):
                continue
        await own.aclose()
        assert server.connections == 1


async def test_leaving_early_closes_the_connection() -> None:
    async with LoopbackServer() as server:

        async def endless(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200, {"content-type": "text/event-stream"})
            await reply.event(chunk(content="x")[1])
            await server.closed_by_client()
            reply.close()

        server.on("POST", CHAT, endless)
        own = backend(server)
        events = own.stream_text(TextRequest(prompt="Hi"), Context("m"))
        assert await anext(aiter(events)) == TextDelta(text="x")
        await events.aclose()  # type: ignore[attr-defined]  # an async generator
        await server.closed_by_client()
        await own.aclose()


async def test_cancelling_closes_the_connection() -> None:
    async with LoopbackServer() as server:
        begun = asyncio.Event()

        async def silent(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200, {"content-type": "text/event-stream"})
            begun.set()
            await server.closed_by_client()
            reply.close()

        server.on("POST", CHAT, silent)
        task = asyncio.create_task(listen(server))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.closed_by_client()


async def test_a_server_that_keeps_the_connection_after_done() -> None:
    async with LoopbackServer() as server:

        async def lingering(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200, {"content-type": "text/event-stream"})
            await reply.event(chunk("stop", content="x")[1])
            await reply.event("[DONE]")
            await server.closed_by_client()
            reply.close()

        server.on("POST", CHAT, lingering)
        _, response = await listen(server)
        assert response.text == "x"


# ------------------------------------------------------------------------ a document, not a stream
async def test_json_in_place_of_a_stream() -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{"}},
    ]
    audio = {"id": "a", "data": base64.b64encode(b"ID3").decode(), "expires_at": 1,
             "transcript": "!"}  # fmt: skip
    body = completion(choice("Hi", reasoning="hm", refusal="no", tool_calls=calls, audio=audio))
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_json(body))
        deltas, response = await listen(server)
    assert deltas == [
        ReasoningDelta(text="hm"), TextDelta(text="Hi"), TextDelta(text="!"),
        RefusalDelta(text="no"), ToolCallDelta(call=0, id="c1", name="f", arguments='{"a":1}'),
        ToolCallDelta(call=1, id="c2", name="g", arguments="{"),
    ]  # fmt: skip
    assert response.text == "Hi!"


async def test_a_web_page_in_place_of_a_stream() -> None:
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_bytes(b"<html>", "text/html"))
        with pytest.raises(InvalidResponseError, match="web page"):
            await listen(server)
