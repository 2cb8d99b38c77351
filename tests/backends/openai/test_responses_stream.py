"""Text over Responses: what a stream becomes, and how it may break."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from gensdk.errors import (
    ConnectionFailedError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    OverloadedError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from gensdk.types import (
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TextEvent,
    TextRequest,
    TextResponse,
    ToolCallDelta,
)
from tests.support.openai_responses import (
    PATH,
    backend,
    body,
    collect,
    context,
    events,
    function_call,
    message,
    numbered,
    reasoning,
    refusal,
)
from tests.support.server import (
    Handler,
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_json,
    answer_sse,
)


async def stream(handler: Handler, **fields: Any) -> list[TextEvent]:
    """All events of one stream."""
    async with LoopbackServer() as server:
        server.on("POST", PATH, handler)
        source = backend(server)
        try:
            return await collect(source, TextRequest(prompt="hi", **fields), context("gpt-5.4"))
        finally:
            await source.aclose()


def finished(told: list[TextEvent]) -> TextResponse[Any]:
    """The response a stream ends with."""
    last = told[-1]
    assert isinstance(last, Finished)
    assert not any(isinstance(event, Finished) for event in told[:-1])
    return last.response


def text_of(told: list[TextEvent]) -> str:
    """All text of a stream."""
    return "".join(event.text for event in told if isinstance(event, TextDelta))


ANSWERS = [
    (message("Hello there"),),
    (reasoning("First.", "Second.", encrypted_content="gAAA"), message("Done")),
    (function_call(), function_call('{"city": "Rome"}', id="fc_2", call_id="call_2")),
    (refusal("I will not."),),
    (message("One", item_id="m1"), message("Two", item_id="m2")),
]


@pytest.mark.parametrize("output", ANSWERS)
async def test_ends_with_the_response_of_a_plain_call(output: tuple[dict[str, Any], ...]) -> None:
    headers = {"x-request-id": "req_9"}
    async with LoopbackServer() as server:
        whole = answer_json(body(*output), headers=headers)
        server.on("POST", PATH, whole, answer_sse(events(*output), done=False, headers=headers))
        source = backend(server)
        request = TextRequest(prompt="hi")
        plain = await source.text(request, context("gpt-5.4"))
        told = await collect(source, request, context("gpt-5.4"))
        await source.aclose()
        assert finished(told) == plain
        assert server.requests[1].json() == server.requests[0].json() | {"stream": True}
        assert text_of(told) == plain.text


async def test_thinking_reads_as_in_the_response() -> None:
    told = await stream(answer_sse(events(reasoning("First.", "Second."), message("Done"))))
    shown = "".join(event.text for event in told if isinstance(event, ReasoningDelta))
    assert shown == finished(told).reasoning == "First.\n\nSecond."


async def test_shows_one_kind_of_thinking() -> None:
    where = {"output_index": 0, "item_id": "rs_1"}
    told = await stream(answer_sse(numbered([
        {"type": "response.reasoning_text.delta", "delta": "Hm.", "content_index": 0, **where},
        {"type": "response.reasoning_summary_text.delta", "delta": "no", "summary_index": 0,
         **where},
        {"type": "response.completed", "response": body(message())},
    ])))  # fmt: skip
    assert [e.text for e in told if isinstance(e, ReasoningDelta)] == ["Hm."]


async def test_function_calls_are_counted_in_order() -> None:
    told = await stream(answer_sse(events(message("Well"), *ANSWERS[2])))
    calls = [event for event in told if isinstance(event, ToolCallDelta)]
    assert [(c.call, c.id, c.name) for c in calls if c.id] == [
        (0, "call_1", "weather"),
        (1, "call_2", "weather"),
    ]
    assert "".join(c.arguments for c in calls if c.call == 1) == '{"city": "Rome"}'


async def test_arguments_that_come_only_with_the_finished_item_are_told() -> None:
    item = function_call()
    told = await stream(answer_sse(numbered([
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": body(item)},
    ])))  # fmt: skip
    assert [(c.call, c.id, c.name, c.arguments) for c in told if isinstance(c, ToolCallDelta)] == [
        (0, "call_1", "weather", ""),
        (0, None, None, '{"city": "Oslo"}'),
    ]


async def test_refusals_come_as_their_own_deltas() -> None:
    told = await stream(answer_sse(events(refusal("No way."))))
    assert "".join(e.text for e in told if isinstance(e, RefusalDelta)) == "No way."
    assert finished(told).finish_reason == "refusal"


async def test_an_incomplete_answer_still_finishes() -> None:
    output = message("Half", status="incomplete")
    told = await stream(
        answer_sse(
            events(output, final="incomplete", incomplete_details={"reason": "max_output_tokens"})
        )
    )
    assert finished(told).finish_reason == "length"


# ------------------------------------------------------------------------------------ stop strings
@pytest.mark.parametrize("stop", ["END", ["zzz", "END"]])
async def test_stop_strings_never_show(stop: Any) -> None:
    told = await stream(answer_sse(events(message("One END two"), function_call())), stop=stop)
    assert text_of(told) == "One " == finished(told).text
    assert not any(isinstance(event, ToolCallDelta) for event in told)
    assert finished(told).finish_reason == "stop_sequence"


async def test_what_only_began_like_a_stop_string_is_shown() -> None:
    told = await stream(answer_sse(events(message("The EN"), message("D.", "m2"))), stop="END")
    assert text_of(told) == "The END." == finished(told).text


async def test_held_back_text_is_shown_when_no_part_ends() -> None:
    lean = [event for event in events(message("The EN")) if event[0] != "response.output_text.done"]
    told = await stream(answer_sse(lean), stop="END")
    assert text_of(told) == "The EN"


async def test_nothing_follows_a_stop_string() -> None:
    told = await stream(
        answer_sse(events(message("a|b"), refusal("No."), message("c", "m3"))), stop="|"
    )
    assert text_of(told) == "a"
    assert not any(isinstance(event, RefusalDelta) for event in told)


# ------------------------------------------------------------------------------ other servers' ways
async def test_a_final_event_without_output_is_filled_from_the_items() -> None:
    told = events(reasoning("Hm."), message("Hello"))
    told[-1][1]["response"]["output"] = []
    response = finished(await stream(answer_sse(told)))
    assert (response.text, response.reasoning) == ("Hello", "Hm.")


async def test_a_final_event_without_output_is_filled_from_the_deltas() -> None:
    skipped = {"response.output_item.added", "response.output_item.done"}
    told = [event for event in events(message("Hello")) if event[0] not in skipped]
    told[-1][1]["response"]["output"] = []
    assert finished(await stream(answer_sse(told))).text == "Hello"


async def test_a_text_that_comes_in_one_piece_is_told() -> None:
    told = [e for e in events(message("The EN")) if e[0] != "response.output_text.delta"]
    assert text_of(await stream(answer_sse(told), stop="END")) == "The EN"


async def test_names_of_events_may_be_missing_and_unknown_ones_pass() -> None:
    told: list[tuple[str | None, Any]] = [(None, data) for _, data in events(message("Hello"))]
    told.insert(1, ("response.novelty", {"type": "response.novelty"}))
    told.insert(1, ("keepalive", {"type": "keepalive", "error": None}))
    assert finished(await stream(answer_sse(told))).text == "Hello"


async def test_a_malformed_item_is_judged_at_the_end() -> None:
    item = {"type": "function_call", "id": "fc_1", "arguments": "{}"}
    told: list[tuple[str | None, Any]] = [
        ("response.output_item.added", {"output_index": 0, "item": item}),
        ("response.output_item.done", {"output_index": 0}),
        ("response.completed", {"response": {"status": "completed", "output": [item]}}),
    ]
    with pytest.raises(InvalidResponseError, match="malformed"):
        await stream(answer_sse(told))


async def test_an_answer_in_one_piece_is_retold() -> None:
    output = (reasoning("Hm."), reasoning(), message("Hello"), function_call(), refusal("No."))
    told = await stream(answer_json(body(*output)))
    assert told[:-1] == [
        ReasoningDelta(text="Hm."),
        TextDelta(text="Hello"),
        ToolCallDelta(call=0, id="call_1", name="weather", arguments='{"city":"Oslo"}'),
        RefusalDelta(text="No."),
    ]
    assert finished(told).text == "Hello"


# ---------------------------------------------------------------------------------------- failures
@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "Slow."}, RateLimitError),
        ({"type": "error", "code": "server_error", "message": "Oops.", "param": None}, ServerError),
        ({"type": "error", "code": None, "message": "Oops."}, ServerError),
        ({"type": "error", "error": {"type": "overloaded_error"}}, OverloadedError),
        ({"type": "error", "error": "out of slots"}, ServerError),
        ({"error": {"message": "Oops.", "code": 400}}, InvalidRequestError),
        ({"error": {"message": "No.", "code": "content_filter"}}, ContentBlockedError),
    ],
)
async def test_error_events_raise_the_error_of_their_code(
    event: dict[str, Any], kind: type[GenSDKError]
) -> None:
    name = "error" if event.get("type") else None
    told = [*events(message("Hello"))[:-1], (name, event)]
    with pytest.raises(kind) as caught:
        await stream(answer_sse(told))
    assert caught.value.billed == "maybe"
    assert caught.value.provider == "openai"
    assert caught.value.model == "gpt-5.4"


async def test_a_failed_response_raises_its_error() -> None:
    told = events(final="failed", error={"code": "rate_limit_exceeded", "message": "Slow down."})
    with pytest.raises(RateLimitError, match="Slow down"):
        await stream(answer_sse(told))


@pytest.mark.parametrize("done", [True, False])
async def test_a_stream_without_its_final_event_was_interrupted(done: bool) -> None:
    with pytest.raises(StreamInterruptedError, match=r"response\.completed") as caught:
        await stream(answer_sse(events(message("Hello"))[:-1], done=done))
    assert caught.value.billed == "maybe"


async def test_a_connection_that_breaks_is_said_to_have_broken() -> None:
    async def cut(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        for name, data in events(message("Hello"))[:4]:
            await reply.event(data, name)
        reply.abort()

    with pytest.raises((ConnectionFailedError, StreamInterruptedError)):
        await stream(cut)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (("response.output_text.delta", {"delta": 5}), "malformed"),
        ((None, "no json at all"), "malformed"),
        (("response.completed", {"response": {"output": 5}}), "no response object"),
        (("response.completed", {}), "empty"),
    ],
)
async def test_malformed_events_are_errors(event: Any, words: str) -> None:
    with pytest.raises(InvalidResponseError, match=words):
        await stream(answer_sse([event]))


async def test_a_refused_request_raises_before_the_first_event() -> None:
    async def refuse(_: RecordedRequest, reply: Reply) -> None:
        await reply.error(429, {"error": {"message": "Slow.", "code": "rate_limit_exceeded"}})

    with pytest.raises(RateLimitError):
        await stream(refuse)


# ------------------------------------------------------------------------------------- connections
async def test_the_connection_is_used_again_after_a_stream() -> None:
    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_sse(events(message("Hello"))))
        source = backend(server)
        for _ in range(2):
            await collect(source, TextRequest(prompt="hi"), context("gpt-5.4"))
        await source.aclose()
        assert [request.connection for request in server.requests] == [
            server.requests[0].connection
        ] * 2


async def test_a_server_that_does_not_hang_up_is_not_waited_for() -> None:
    async with LoopbackServer() as server:
        release = asyncio.Event()

        async def linger(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200, {"content-type": "text/event-stream"})
            for name, data in events(message("Hello")):
                await reply.event(data, name)
            await release.wait()

        server.on("POST", PATH, linger)
        source = backend(server)
        told = await collect(source, TextRequest(prompt="hi"), context("gpt-5.4"))
        assert finished(told).text == "Hello"
        release.set()
        await source.aclose()


async def test_closing_the_stream_early_closes_the_connection() -> None:
    async with LoopbackServer() as server:
        gone = asyncio.Event()

        async def drip(_: RecordedRequest, reply: Reply) -> None:
            await reply.start(200, {"content-type": "text/event-stream"})
            for name, data in events(message("Hello"))[:5]:
                await reply.event(data, name)
            await gone.wait()

        server.on("POST", PATH, drip)
        source = backend(server)
        opened = source.stream_text(TextRequest(prompt="hi"), context("gpt-5.4"))
        async with aclosing(opened) as told:  # type: ignore[type-var]  # an async generator
            async for event in told:
                assert isinstance(event, TextDelta)
                break
        await server.closed_by_client()
        gone.set()
        await source.aclose()
