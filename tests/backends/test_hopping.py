"""A conversation that one provider began goes on at any other.

Every answer comes from its provider's own mapping of a true wire answer, and goes out through the
other's. What the vendors demand of a history is checked on the body that was sent.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

import gensdk
from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.backends.local.options import LocalTextOptions
from gensdk.backends.local.text.request import prepare
from gensdk.backends.openai import OpenAIBackend
from gensdk.backends.perplexity import PerplexityBackend
from gensdk.errors import UnsupportedFeatureError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.toolkit.history import CallIds, passed_on
from gensdk.types import (
    FilePart,
    Media,
    Message,
    PrivateData,
    ReasoningPart,
    TextPart,
    TextRequest,
    ToolCallPart,
    ToolResultPart,
)
from tests.backends.perplexity.test_perplexity import completion as searched
from tests.support import anthropic_messages as claude
from tests.support import google_api as gemini
from tests.support import openai_chat as chat
from tests.support import openai_responses as responses
from tests.support.server import LoopbackServer, answer_json

PICTURE = gemini.PNG
PDF = b"%PDF-1.4 canary of a document"
THOUGHT = "Let me think of Oslo."
CANARIES = {
    "responses": "enc-canary-responses",
    "anthropic": "sig-canary-anthropic",
    "google": "sig-canary-google",
}
"""What only the provider itself understands."""


def tool_call(number: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": '{"city": "Oslo"}'}
    return {"id": f"call_{number}", "type": "function", "function": function}


ANSWERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "responses": (
        "POST /v1/responses",
        "responses:gpt-5.6",
        responses.body(
            responses.reasoning(THOUGHT, encrypted_content=CANARIES["responses"]),
            responses.message("I look."),
            responses.function_call(call_id="call_" + "r" * 55),
        ),
    ),
    "chat": (
        "POST /chat/v1/chat/completions",
        "chat:gpt-4.1",
        chat.completion(chat.choice("I look.", "tool_calls", tool_calls=[tool_call("chat")])),
    ),
    "anthropic": (
        "POST /v1/messages",
        f"anthropic:{claude.MODEL}",
        claude.message(
            claude.thinking(THOUGHT, CANARIES["anthropic"]),
            claude.text("I look."),
            claude.tool_use(),
            stop="tool_use",
        ),
    ),
    "google": (
        "POST /v1/models/gemini-3.8-flash:generateContent",
        "google:gemini-3.8-flash",
        gemini.answer(
            gemini.text(THOUGHT, thought=True),
            gemini.text("I look."),
            gemini.call(signature=CANARIES["google"]),
        ),
    ),
    "perplexity": ("POST /chat/completions", "perplexity:sonar-pro", searched()),
    "compatible": (
        "POST /own/v1/chat/completions",
        "compatible:m",
        chat.completion(
            chat.choice(
                None,
                "tool_calls",
                reasoning_content=THOUGHT,
                tool_calls=[tool_call("a b/c|ü") | {"id": "functions.weather:0"}],
            )
        ),
    ),
    "mistral": (
        "POST /mistral/v1/chat/completions",
        "mistral:m",
        chat.completion(chat.choice(None, "tool_calls", tool_calls=[tool_call("m")])),
    ),
}


def client_at(server: LoopbackServer) -> gensdk.Client:
    for place, _, answer in ANSWERS.values():
        method, _, path = place.partition(" ")
        server.on(method, path, answer_json(answer, headers=claude.HEADERS))
    compatible = OpenAICompatibleBackend
    return gensdk.Client(
        backends={
            "responses": responses.backend(server, name="responses"),
            "chat": OpenAIBackend(
                api_key="sk-test-1234567890", base_url=f"{server.url}/chat/v1",
                protocol="chat", name="chat",
            ),
            "anthropic": claude.backend(server),
            "google": gemini.backend(server),
            "perplexity": PerplexityBackend(api_key="pplx-canary-0123456789", base_url=server.url),
            "compatible": compatible(f"{server.url}/own/v1", api_key="k" * 16, name="compatible"),
            "mistral": compatible(
                f"{server.url}/mistral/v1", dialect="mistral", api_key="k" * 16, name="mistral"
            ),
        }
    )  # fmt: skip


def question() -> Message:
    return Message.user(
        "What is the weather?", Media(data=PICTURE), FilePart(file=Media(data=PDF), name="a.pdf")
    )


def result_for(answer: Message) -> list[Message]:
    calls = [part for part in answer.content if isinstance(part, ToolCallPart)]
    if not calls:
        return [Message.user("Go on.")]
    return [Message.tool(call.id, {"degrees": 7}) for call in calls]


def history(answer: Message) -> list[Message]:
    """Two rounds with the same answer, as servers that count their calls from 0 give them."""
    ended = [Message.assistant("It has 7."), Message.user("And now?")]
    return [question(), answer, *result_for(answer), *ended, answer, *result_for(answer)]


async def answer_of(client: gensdk.Client, name: str) -> Message:
    reply = await client.text("hi", model=ANSWERS[name][1])
    assert reply.provider == name
    return reply.message


# ------------------------------------------------------------------- what each vendor demands
def check_responses(body: dict[str, Any]) -> None:
    from openai.types.responses import ResponseInputItemParam

    kind: TypeAdapter[Any] = TypeAdapter(list[ResponseInputItemParam])
    kind.validate_python(body["input"])
    calls: list[str] = []
    for item in body["input"]:
        if item.get("type") == "function_call":
            calls.append(item["call_id"])
        elif item.get("type") == "function_call_output":
            assert item["call_id"] in calls
    assert len(set(calls)) == len(calls)
    assert all(1 <= len(one) <= 64 for one in calls)


def check_chat(body: dict[str, Any], form: str = ".{1,40}") -> None:
    from openai.types.chat import ChatCompletionMessageParam

    kind: TypeAdapter[Any] = TypeAdapter(list[ChatCompletionMessageParam])
    kind.validate_python(body["messages"])
    asked: list[str] = []
    waiting: set[str] = set()
    for message in body["messages"]:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, "every call is answered before the conversation goes on"
        ids = [one["id"] for one in message.get("tool_calls", ())]
        waiting = set(ids)
        asked += ids
    assert not waiting
    assert len(set(asked)) == len(asked)
    assert all(re.fullmatch(form, one) for one in asked)


def check_mistral(body: dict[str, Any]) -> None:
    check_chat(body, "[A-Za-z0-9]{9}")


def check_anthropic(body: dict[str, Any]) -> None:
    roles = [turn["role"] for turn in body["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    waiting: list[str] = []
    asked: list[str] = []
    for turn in body["messages"]:
        kinds = [block["type"] for block in turn["content"]]
        answered = [
            block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"
        ]
        assert answered == waiting, "results follow their calls at once"
        assert kinds[: len(answered)] == ["tool_result"] * len(answered), "and come first"
        waiting = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        asked += waiting
    assert not waiting
    assert len(set(asked)) == len(asked)
    assert all(re.fullmatch("[a-zA-Z0-9_-]+", one) for one in asked)


def check_google(body: dict[str, Any]) -> None:
    roles = [turn["role"] for turn in body["contents"]]
    assert roles == ["user", "model"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    called: list[str] = []
    for turn in body["contents"]:
        kinds = {word for part in turn["parts"] for word in part if word != "thoughtSignature"}
        assert kinds <= {"text", "inlineData", "functionCall", "functionResponse", "thought"}
        answered = [
            part["functionResponse"]["name"] for part in turn["parts"] if "functionResponse" in part
        ]
        assert answered == called
        calls = [part for part in turn["parts"] if "functionCall" in part]
        assert all("thoughtSignature" in part for part in calls[:1])
        called = [part["functionCall"]["name"] for part in calls]


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "responses": check_responses,
    "chat": check_chat,
    "anthropic": check_anthropic,
    "google": check_google,
    "perplexity": check_chat,
    "compatible": check_chat,
    "mistral": check_mistral,
}


@pytest.mark.parametrize("end", CHECKS)
@pytest.mark.parametrize("start", ANSWERS)
async def test_what_one_began_the_other_goes_on_with(start: str, end: str) -> None:
    async with LoopbackServer() as server, client_at(server) as client:
        answer = await answer_of(client, start)
        told = history(answer)
        before = len(server.requests)
        reply = await client.text(told, model=ANSWERS[end][1], max_tokens=50)
        (request,) = server.requests[before:]
        sent = request.body.decode()
    CHECKS[end](json.loads(sent))
    for content in ("What is the weather?", "And now?", "It has 7."):
        assert content in sent
    assert base64.b64encode(PICTURE).decode() in sent
    assert base64.b64encode(PDF).decode() in sent
    calls = answer.content and [one for one in answer.content if isinstance(one, ToolCallPart)]
    if calls:
        assert sent.count('"weather"') >= 2
        assert sent.count("Oslo") >= 2
        assert sent.count("degrees") == 2
    foreign = {canary for name, canary in CANARIES.items() if name != end}
    assert not [canary for canary in foreign if canary in sent], "it is its provider's alone"
    if start == end and end in CANARIES:
        assert sent.count(CANARIES[end]) == 2, "its own goes back"
    thought = any(isinstance(one, ReasoningPart) and one.text for one in answer.content)
    went = THOUGHT in sent
    noted = any("thinking" in one.message for one in reply.warnings)
    assert thought is False or went or noted or start == end


@pytest.mark.parametrize("start", ANSWERS)
@pytest.mark.parametrize("sees", [False, True])
async def test_a_model_on_this_machine_goes_on_or_says_what_it_cannot_read(
    start: str, sees: bool
) -> None:
    async with LoopbackServer() as server, client_at(server) as client:
        answer = await answer_of(client, start)
    told = history(answer)
    attempt = Context(model="m")
    with pytest.raises(UnsupportedFeatureError, match="file parts"):
        prepare(TextRequest(prompt=told), attempt, "local", streams=False, sees=True)
    told[0] = Message.user("What is the weather?", *([Media(data=PICTURE)] if sees else []))
    request = TextRequest(prompt=told, options={"local": LocalTextOptions()})
    job, notes = prepare(request, attempt, "local", streams=False, sees=sees)
    assert len(job.turns[0].pictures) == sees
    calls = [call for turn in job.turns for call in turn.calls]
    results = [turn for turn in job.turns if turn.role == "tool"]
    assert [one.name for one in calls] == ["weather"] * len(results)
    assert [one.call_id for one in results] == [one.id for one in calls]
    thought = any(isinstance(one, ReasoningPart) for one in answer.content)
    kept = any(turn.reasoning for turn in job.turns)
    assert thought is False or kept or notes.warnings


async def test_what_only_another_provider_understands_is_left_out_with_a_note() -> None:
    ran = TextPart(text="", private=PrivateData(provider="google", data={"part": {"executed": 1}}))
    told = [Message.user("a"), Message.assistant(ran, "It ran."), Message.user("b")]
    async with LoopbackServer() as server, client_at(server) as client:
        for name in ("responses", "chat", "anthropic", "compatible"):
            reply = await client.text(told, model=ANSWERS[name][1])
            said = [one.message for one in reply.warnings if one.parameter == "prompt"]
            assert said == ["what only google understands was left out of the conversation"], name
            assert "executed" not in server.requests[-1].body.decode()
        reply = await client.text(told, model=ANSWERS["google"][1])
        assert reply.warnings == ()
        assert "executed" in server.requests[-1].body.decode()


# ---------------------------------------------------------------------------------- properties
FORMS = [CallIds(re.compile("[A-Za-z0-9]{9}"), 9), CallIds(re.compile("[A-Za-z0-9_-]+"))]
IDS = st.lists(st.text("ab:é", max_size=3) | st.just("abcdefghi"), min_size=1, max_size=4)


@given(st.lists(IDS, max_size=5), st.sampled_from(FORMS))
def test_ids_fit_are_of_one_call_each_and_results_stay_with_their_calls(
    turns: list[list[str]], ids: CallIds
) -> None:
    told: list[Message] = []
    notes = Notes("p", Context(model="m"))
    for number, given_ids in enumerate(turns):
        calls = [
            ToolCallPart(id=one, name=f"t{number}_{place}") for place, one in enumerate(given_ids)
        ]
        told.append(Message.assistant(*calls))
        told += [Message.tool(call.id, call.name) for call in calls]
    changed = passed_on(told, "p", notes, ids)
    names: dict[str, str] = {}
    for message, before in zip(changed, told, strict=True):
        for part, old in zip(message.content, before.content, strict=True):
            if isinstance(part, ToolCallPart):
                assert ids.form.fullmatch(part.id)
                assert part.id not in names
                assert isinstance(old, ToolCallPart)
                assert part.id == old.id or names or not ids.form.fullmatch(old.id)
                names[part.id] = part.name
            else:
                assert isinstance(part, ToolResultPart)
                assert names[part.tool_call_id] == part.content
    assert passed_on(told, "p", notes, ids) == changed, (
        "the same again, for the prompt caches' sake"
    )
