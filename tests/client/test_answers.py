"""Structured output, tools between steps, many requests, and the life of a client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import gensdk
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    InvalidRequestError,
    OutputValidationError,
    RateLimitError,
    ServerError,
)
from gensdk.testing import Pause, ScriptedBackend, ScriptError, say
from gensdk.types import (
    Candidate,
    Cost,
    ImageRequest,
    Message,
    RefusalPart,
    Request,
    ResponseWarning,
    TextRequest,
    TextResponse,
    Tool,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from tests.support.scripts import ONCE, client_of, nothing_left, partial_of, scripted, until


class Recipe(BaseModel):
    title: str
    steps: list[str] = []


# ------------------------------------------------------------------------------------- output
@pytest.mark.parametrize(
    ("output", "text", "expected"),
    [
        (Recipe, '{"title": "soup"}', Recipe(title="soup")),
        (Recipe, '```json\n{"title": "soup"}\n```', Recipe(title="soup")),
        (Recipe, '  ```\n{"title": "a ``` b"}\n```\n', Recipe(title="a ``` b")),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (Literal["yes", "no"], '{"value": "yes"}', "yes"),
        ({"type": "object", "required": ["a"]}, '{"a": 1}', {"a": 1}),
        ({"type": "array"}, '{"value": [1]}', [1]),
    ],
)
async def test_the_answer_as_the_type_asked_for(output: Any, text: str, expected: Any) -> None:
    backend = scripted(text)
    reply = await client_of(backend).text("x", output=output)
    assert reply.output == expected
    assert type(reply.output) is type(expected)
    request = backend.asked[0].request
    assert isinstance(request, TextRequest)
    assert request.output is not None
    assert request.output.json_schema["type"] == "object"


@pytest.mark.parametrize(
    "text", ["", "no json", '{"title": 5}', '["soup"]', "```json\n", '{"title": "soup"', "```"]
)
async def test_an_answer_that_does_not_fit_keeps_its_text(text: str) -> None:
    answer = say(text, request_id="r1", usage=Usage(output_tokens=3))
    with pytest.raises(OutputValidationError, match="schema 'Recipe'") as caught:
        await client_of(scripted(answer)).text("x", output=Recipe)
    error = caught.value
    assert (error.text, error.billed, error.request_id) == (text, "yes", "r1")
    assert (error.provider, error.model) == ("a", "m")
    assert [one.outcome for one in error.attempts] == ["ok"]
    assert partial_of(error).usage.output_tokens == 3
    assert error.problems


async def test_an_answer_of_this_machine_that_does_not_fit_cost_nothing() -> None:
    for backend, billed in ((scripted("no"), "yes"), (scripted("no", local=True), "no")):
        with pytest.raises(OutputValidationError) as caught:
            await client_of(backend).text("x", output=Recipe)
        assert caught.value.billed == billed


async def test_an_answer_cut_short_says_so() -> None:
    answer = say('{"title": "so', finish_reason="length")
    with pytest.raises(OutputValidationError, match="cut at max_tokens"):
        await client_of(scripted(answer)).text("x", output=Recipe)


@pytest.mark.parametrize("part", [RefusalPart(text="no"), ToolCallPart(id="1", name="f")])
async def test_a_refusal_or_a_call_has_no_output(part: Any) -> None:
    answer: TextResponse[Any] = TextResponse(candidates=(Candidate(parts=(part,)),))
    reply = await client_of(scripted(answer)).text("x", output=Recipe)
    assert reply.output is None


async def test_an_option_that_a_copy_cannot_have_is_named() -> None:
    wrong: dict[str, Any] = {"timeout": 3, "api_key": "k"}
    with pytest.raises(TypeError, match=r"Client\.with_options\(\) has no 'api_key', 'timeout'"):
        client_of(scripted("x")).with_options(**wrong)


async def test_run_fills_the_output_too() -> None:
    request = TextRequest.model_validate({"prompt": "x", "output": {"type": "object"}})
    loaded = TextRequest.model_validate_json(request.model_dump_json())
    reply = await client_of(scripted('{"a": 1}')).run(loaded)
    assert isinstance(reply, TextResponse)
    assert reply.output == {"a": 1}


# -------------------------------------------------------------------------------------- tools
def calls(*parts: ToolCallPart, **facts: Any) -> TextResponse[Any]:
    return TextResponse(
        candidates=(Candidate(parts=parts, finish_reason="tool_calls"),),
        **({"finish_reason": "tool_calls"} | facts),
    )


def call(name: str, number: int = 1, **arguments: Any) -> ToolCallPart:
    return ToolCallPart(id=f"c{number}", name=name, arguments=arguments)


threads: list[int] = []


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    threads.append(threading.get_ident())
    return a + b


async def look(query: str) -> dict[str, str]:
    """Look something up."""
    return {"found": query}


def results(backend: ScriptedBackend, turn: int = -1) -> list[ToolResultPart]:
    request = backend.asked[turn].request
    assert isinstance(request, TextRequest)
    parts = [part for message in request.messages for part in message.content]
    return [part for part in parts if isinstance(part, ToolResultPart)]


async def test_tools_run_between_steps() -> None:
    first = calls(call("add", 1, a="2", b=3), call("look", 2, query="q"))
    backend = scripted(first, calls(call("add", 3, a=9)), "done")
    threads.clear()
    reply = await client_of(backend).text("go", tools=[add, look], max_steps=5, system="s")
    assert reply.text == "done"
    assert [(one.tool_call_id, one.content) for one in results(backend)] == [
        ("c1", "5"), ("c2", '{"found":"q"}'), ("c3", "10"),
    ]  # fmt: skip
    assert [message.role for message in reply.steps] == [
        "assistant", "tool", "tool", "assistant", "tool",
    ]  # fmt: skip
    asked = backend.asked[-1].request
    assert isinstance(asked, TextRequest)
    assert asked.messages == (Message.user("go"), *reply.steps)
    assert asked.system == "s"
    assert len(reply.attempts) == 3
    assert threading.get_ident() not in threads, "plain functions may block"


async def test_the_first_question_is_sent_as_it_was_asked() -> None:
    """Plain text stays plain text: a base model continues it, a conversation it could not."""
    backend = scripted("x", repeat=True)
    await client_of(backend).text("Once upon a time")
    await client_of(backend).text("Once upon a time", tools=[add], max_steps=3)
    for asked in backend.asked:
        assert isinstance(asked.request, TextRequest)
        assert asked.request.prompt == "Once upon a time"


async def test_what_was_used_adds_up() -> None:
    warning = ResponseWarning(kind="adapted", message="w", sent={"a": 1})
    facts: dict[str, Any] = {
        "usage": Usage(input_tokens=10, output_tokens=1),
        "cost": Cost(amount=Decimal("0.5")),
        "warnings": (warning,),
    }
    backend = scripted(calls(call("add", a=1), **facts), say("done", **facts))
    reply = await client_of(backend).text("x", tools=[add], max_steps=2)
    assert reply.usage == Usage(input_tokens=20, output_tokens=2)
    assert reply.cost == Cost(amount=Decimal("1.0"))
    assert reply.warnings == (warning,)
    assert reply.timing is not None
    assert reply.timing.duration_s >= 0


async def test_when_the_steps_are_used_up_the_open_calls_are_there() -> None:
    backend = scripted(calls(call("add", 1, a=1)), calls(call("add", 2, a=2)))
    reply = await client_of(backend).text("x", tools=[add], max_steps=2)
    assert reply.finish_reason == "tool_calls"
    assert [one.id for one in reply.tool_calls] == ["c2"]
    assert len(reply.steps) == 2
    backend.assert_done()


async def test_with_one_step_no_tool_is_run() -> None:
    reply = await client_of(scripted(calls(call("add", a=1)))).text("x", tools=[add])
    assert [one.name for one in reply.tool_calls] == ["add"]
    assert reply.steps == ()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (call("no_such", a=1), "there is no tool 'no_such'; tools: add"),
        (call("add", a="many"), "wrong arguments: a: "),
        (call("add"), "wrong arguments: a: "),
        (call("add", a=1, c=2), "wrong arguments: c: "),
        (ToolCallPart(id="c1", name="add", malformed="{"), "not a JSON object"),
    ],
)
async def test_the_models_mistakes_go_back_to_the_model(part: ToolCallPart, said: str) -> None:
    backend = scripted(calls(part), "sorry")
    reply = await client_of(backend).text("x", tools=[add], max_steps=2)
    assert reply.text == "sorry"
    (result,) = results(backend)
    assert result.is_error
    assert said in result.content


async def test_the_users_exception_passes_and_stops_the_others() -> None:
    pause = Pause()

    async def waits() -> None:
        await pause.wait()

    async def breaks() -> None:
        await pause.reached()
        raise ZeroDivisionError("mine")

    backend = scripted(calls(call("waits", 1), call("breaks", 2)))
    with pytest.raises(ZeroDivisionError, match="mine"):
        await client_of(backend).text("x", tools=[waits, breaks], max_steps=2)
    assert pause.cancelled
    nothing_left()


async def test_an_awaitable_of_a_plain_function_is_awaited() -> None:
    def later() -> Any:
        return look("q")

    backend = scripted(calls(call("later")), "done")
    await client_of(backend).text("x", tools=[later], max_steps=2)
    assert results(backend)[0].content == '{"found":"q"}'


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"max_steps": 0}, "max_steps: a whole number, 1 or more"),
        ({"max_steps": "2"}, "max_steps: a whole number"),
        ({"max_steps": True}, "max_steps: a whole number"),
        ({"max_steps": 2, "tools": [Tool(name="mute")]}, "mute has no function"),
        ({"max_steps": 2, "tools": [add], "n": 2}, "do not go together"),
    ],
)
async def test_steps_that_could_not_be_run(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        await client_of(scripted()).text("x", **parameters)


async def test_tools_and_output_together() -> None:
    backend = scripted(calls(call("add", a=1)), '{"title": "soup"}')
    reply = await client_of(backend).text("x", tools=[add], max_steps=3, output=Recipe)
    assert reply.output == Recipe(title="soup")


# ---------------------------------------------------------------------------------------- map
def numbered(count: int) -> Iterator[TextRequest]:
    for number in range(count):
        taken.append(number)
        yield TextRequest(prompt=str(number))


taken: list[int] = []


def echo(request: Request) -> str:
    assert isinstance(request, TextRequest)
    return str(request.prompt)


async def test_answers_come_in_order_and_few_are_taken_ahead() -> None:
    taken.clear()
    client = client_of(scripted(echo, repeat=True))
    seen: list[int] = []
    async for reply in client.map(numbered(50), concurrency=3):
        assert len(taken) <= len(seen) + 6
        seen.append(int(reply.text))
    assert seen == list(range(50))
    nothing_left()


async def test_so_many_under_way_at_once() -> None:
    pauses = [Pause() for _ in range(6)]
    backend = scripted(*[[pause, "x"] for pause in pauses])
    answers = client_of(backend).map(numbered(6), concurrency=2)
    first = asyncio.ensure_future(anext(answers))
    await until(lambda: len(backend.asked) == 2)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(backend.asked) == 2
    for pause in pauses:
        pause.go_on()
    await first
    assert len([answer async for answer in answers]) == 5


async def test_an_error_is_raised_or_given_in_its_place() -> None:
    def answer(request: Request) -> Any:
        return RateLimitError("x") if echo(request) == "1" else echo(request)

    client = client_of(ScriptedBackend(answer, name="a", repeat=True), retry=ONCE)
    found = [one async for one in client.map(numbered(3), return_errors=True)]
    assert [type(one).__name__ for one in found] == [
        "TextResponse",
        "RateLimitError",
        "TextResponse",
    ]
    seen: list[str] = []
    with pytest.raises(RateLimitError):
        async for one in client.map(numbered(3)):
            seen.append(one.text)  # noqa: PERF401  # what came before the error counts
    assert seen == ["0"]
    nothing_left()


async def test_other_exceptions_are_always_raised() -> None:
    client = client_of(scripted(ZeroDivisionError(), repeat=True))
    with pytest.raises(ZeroDivisionError):
        _ = [one async for one in client.map(numbered(2), return_errors=True)]

    def broken() -> Iterator[TextRequest]:
        yield TextRequest(prompt="x")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        _ = [one async for one in client.map(broken())]
    nothing_left()


async def test_leaving_early_cancels_what_is_under_way() -> None:
    pauses = [Pause() for _ in range(3)]
    backend = scripted("first", *[[pause, "x"] for pause in pauses])
    async with aclosing(client_of(backend).map(numbered(9), concurrency=4)) as answers:
        async for _ in answers:
            break
        await asyncio.gather(*(pause.reached() for pause in pauses))
    assert all(pause.cancelled for pause in pauses)
    nothing_left()


async def test_an_empty_map_and_a_wrong_one() -> None:
    client = client_of(scripted())
    nothing: list[TextRequest] = []
    assert [one async for one in client.map(nothing)] == []
    with pytest.raises(InvalidRequestError, match="concurrency: 1 or more"):
        await anext(client.map([], concurrency=0))
    alone: Any = TextRequest(prompt="x")
    with pytest.raises(InvalidRequestError, match="a list of them, or TextRequest to run"):
        await anext(client.map(alone))


# ---------------------------------------------------------------------------------- the client
async def test_a_closed_client_says_so() -> None:
    client = client_of(scripted())
    async with client:
        pass
    await client.aclose()
    verbs = [client.text("x"), client.embed("x"), client.run(TextRequest(prompt="x"))]
    for work in verbs:
        with pytest.raises(ClientClosedError, match="make a new"):
            await work
    with pytest.raises(ClientClosedError):
        await client.__aenter__()
    with pytest.raises(ClientClosedError):
        await anext(client.map([TextRequest(prompt="x")]))


async def test_a_copy_shares_all_but_what_was_changed() -> None:
    backend = scripted("x", repeat=True)
    client = client_of(backend, timeouts=gensdk.Timeouts(connect=3.0, attempt=50.0))
    quick = client.with_options(
        timeouts=gensdk.Timeouts(connect=1.0), unsupported="error", retry=ONCE
    )
    for one in (client, quick):
        await one.text("x")
    assert [asked.context.connect_s for asked in backend.asked] == [3.0, 1.0]
    assert [asked.context.unsupported for asked in backend.asked] == ["warn", "error"]
    await quick.aclose()
    with pytest.raises(ClientClosedError):
        await client.text("x")


async def test_a_copy_may_try_less_often() -> None:
    client = client_of(scripted(ServerError("x"), "fine"))
    with pytest.raises(ServerError):
        await client.with_options(retry=ONCE).text("x")


def test_one_client_on_two_event_loops() -> None:
    client = client_of(
        scripted("a b", repeat=True), limit=gensdk.Limit(concurrency=1, requests_per_minute=99)
    )

    async def work() -> list[str]:
        async with client.stream_text("x") as stream:
            text = (await stream.result()).text
        return [text, *(one.text for one in await asyncio.gather(*(client.text("x"),) * 1))]

    for _ in range(2):
        assert asyncio.run(work()) == ["a b", "a b"]
    asyncio.run(client.aclose())


async def test_a_url_is_fetched_under_the_clients_rules() -> None:
    backend = scripted("x")
    async with client_of(backend) as client:
        await client.text("x")
        fetch = backend.asked[0].context.fetch
        for _ in range(2):
            with pytest.raises(gensdk.errors.UnsafeURLError) as caught:
                await fetch(gensdk.URL("https://127.0.0.1/secret"))
            assert caught.value.provider == "", "no provider is to blame"


async def test_the_clients_verbs_without_a_downloader_close() -> None:
    async with gensdk.Client():
        pass


# ------------------------------------------------------------------------------------ the double
async def test_the_scripted_double_keeps_to_its_script() -> None:
    backend = ScriptedBackend("the the the", name="a")
    async with client_of(backend).stream_text("x") as stream:
        assert "".join([piece async for piece in stream.text]) == "the the the"
    assert backend.closed == 0
    with pytest.raises(ScriptError, match="not in the script"):
        await client_of(backend).text("x")
    backend = ScriptedBackend("x", name="a")
    with pytest.raises(ScriptError, match="1 steps"):
        backend.assert_done()
    with pytest.raises(ScriptError, match="no answer to a ImageRequest"):
        await client_of(backend).run(ImageRequest(prompt="x"))
    with pytest.raises(ScriptError, match="no answer to a plain call"):
        await client_of(ScriptedBackend([5], name="a")).text("x")
    replies = ScriptedBackend("heard", "said", name="a")
    assert (await client_of(replies).transcribe(b"ID3\x04\0")).text == "heard"
    assert (await client_of(replies).speech("x")).audio.data == b"said"
    with pytest.raises(ConfigurationError):
        gensdk.Client(backends={"a:b": replies})
