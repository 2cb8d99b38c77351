"""Every field of every answer, replaced by what must not be there.

Each answer and each event of a stream is taken apart; at every place a value of the wrong type,
size or meaning is put, or the place is left out. What comes of it is an answer or an error of
gensdk: never a ``KeyError``, never a hang, never a value of the wrong type.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import gensdk
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import GenSDKError
from tests.support import openai_responses as responses
from tests.support.fake_openai import say
from tests.support.hostile import CANARY, VERBS, asking, failing, good_answer
from tests.support.openai_chat import choice, chunk, completion
from tests.support.openai_media import PNG, b64
from tests.support.server import LoopbackServer, RecordedRequest, Reply, answer_bytes

ODD: list[Any] = [
    None, [], {}, "", "x", True, -1, 1.5, float("nan"), 10**400, [None], {"a": None}, "\ud800",
    "9" * 5000, [1, "a", None],
]  # fmt: skip
GONE = object()
Document = dict[str, Any]
Event = tuple[str | None, Any]
Place = tuple[str | int, ...]


def places(value: object, here: Place = ()) -> Iterator[Place]:
    yield here
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, item in inner:
        yield from places(item, (*here, key))


def replaced(document: Any, place: Place, value: object) -> Any:
    if not place:
        return value
    whole = inner = copy.deepcopy(document)
    for key in place[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return whole


def variants(document: Any, values: list[Any]) -> Iterator[Any]:
    for place in places(document):
        for value in values:
            yield replaced(document, place, value)
        if place:
            yield replaced(document, place, GONE)


def as_stream(events: list[Event]) -> bytes:
    return b"".join(
        (f"event: {name}\n" if name else "").encode() + b"data: %b\n\n" % written(data)
        for name, data in events
    )


def written(data: object) -> bytes:
    return data if isinstance(data, bytes) else json.dumps(data).encode()


def odd_streams(events: list[Event]) -> Iterator[bytes]:
    """The stream with one event changed; of several events of a kind the first is."""
    seen: set[object] = set()
    for number, (name, data) in enumerate(events):
        if isinstance(data, bytes) or (name is not None and name in seen):
            continue
        seen.add(name)
        for variant in variants(data, ODD[::3]):
            yield as_stream([*events[:number], (name, variant), *events[number + 1 :]])


def odd_documents(document: Document) -> Iterator[bytes]:
    return (written(variant) for variant in variants(document, ODD))


class _At:
    def __init__(self, path: str) -> None:
        self.path = path


def healthy(path: str) -> Document:
    return dict(json.loads(good_answer(_At(path))[1]))  # type: ignore[arg-type]  # has a path


CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
HEARD: Document = {
    "text": "a", "language": "english", "duration": 1.0,
    "segments": [{"id": 0, "start": 0.0, "end": 1.0, "text": "a", "speaker": "A"}],
    "words": [{"word": "a", "start": 0.0, "end": 1.0}], "usage": {"type": "duration", "seconds": 1},
}  # fmt: skip
RESPONSE = responses.body(
    *say("hi"), responses.reasoning("a"), responses.function_call(), responses.refusal()
)
DRAWN: Document = {
    "b64_json": b64(PNG), "created_at": 1, "size": "1024x1024", "output_format": "png",
    "usage": {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"image_tokens": 1}},
}  # fmt: skip


def drawn(kind: str, **more: Any) -> Event:
    return f"image_generation.{kind}", {"type": f"image_generation.{kind}", **DRAWN, **more}


CHAT_STREAM: list[Event] = [
    chunk(content="hi", role="assistant"),
    chunk(tool_calls=[CALL | {"index": 0}]),
    chunk("stop", usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}),
    (None, b"[DONE]"),
]
SPOKEN: list[Event] = [
    (None, {"type": "speech.audio.delta", "audio": b64(b"ID3\x04\0\0\0\0\0\0")}),
    (None, {"type": "speech.audio.done", "usage": {"input_tokens": 1, "output_tokens": 2}}),
]
Bodies = Callable[[], Iterator[bytes]]
CASES: dict[str, tuple[str, str, Bodies]] = {
    "Responses": ("openai", "text", lambda: odd_documents(RESPONSE)),
    "Chat": (
        "compatible", "text",
        lambda: odd_documents(completion(choice("hi", tool_calls=[CALL], refusal=None))),
    ),
    "pictures": ("openai", "image", lambda: odd_documents(healthy("/images/generations"))),
    "vectors": ("openai", "embed", lambda: odd_documents(healthy("/embeddings"))),
    "judgements": ("openai", "moderate", lambda: odd_documents(healthy("/moderations"))),
    "transcripts": ("openai", "transcribe", lambda: odd_documents(HEARD)),
    "Responses stream": (
        "openai", "stream_text", lambda: odd_streams(responses.events(*say("hi"))),
    ),
    "Chat stream": ("compatible", "stream_text", lambda: odd_streams(CHAT_STREAM)),
    "previews": (
        "openai", "stream_image",
        lambda: odd_streams([drawn("partial_image", partial_image_index=0), drawn("completed")]),
    ),
    "sound": ("openai", "stream_speech", lambda: odd_streams(SPOKEN)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_an_answer_or_an_error_of_ours(name: str) -> None:
    account, verb, bodies = CASES[name]
    declared = "text/event-stream" if verb.startswith("stream") else "application/json"
    body, tried, answered = b"", 0, 0

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.bytes(body, declared)

    async with asking(handler, account, retry=gensdk.Retry(attempts=1)) as (_, client):
        async with asyncio.timeout(60):
            for body in bodies():  # noqa: B007  # the handler sends it
                tried += 1
                try:
                    reply = await VERBS[verb](client)
                except GenSDKError:
                    continue
                answered += 1
                said = reply.model_dump_json()
                assert type(reply).model_validate_json(said).model_dump_json() == said
    assert 0 < answered < tried


UNKNOWN: dict[str, Any] = {"new_in_2028": {"a": [1]}, "object": "response.v9"}


@pytest.mark.parametrize("verb", ["text", "image", "embed", "moderate", "transcribe"])
async def test_fields_and_words_from_the_future_do_no_harm(verb: str) -> None:
    async def handler(request: RecordedRequest, reply: Reply) -> None:
        document = json.loads(good_answer(request)[1])
        await reply.json(_widened(document))

    async with asking(handler) as (server, client):
        assert await VERBS[verb](client)
        assert len(server.requests) == 1


def _widened(value: Any) -> Any:
    """Unknown fields in every object that is not a table of names."""
    if isinstance(value, list):
        return [_widened(item) for item in value]
    if not isinstance(value, dict) or "hate" in value:
        return value
    return {name: _widened(item) for name, item in value.items()} | UNKNOWN


FUTURE_ITEM = {"type": "hologram", "id": "h1", "beams": [1, 2]}


async def test_items_events_and_reasons_from_the_future() -> None:
    body = responses.body(*say("Hello."))
    events = responses.events(*say("Hello."))
    body["output"] = [FUTURE_ITEM, *body["output"]]
    events.insert(1, ("response.hologram.delta", {"type": "response.hologram.delta", "x": 1}))

    async def handler(request: RecordedRequest, reply: Reply) -> None:
        if request.path.endswith("/chat/completions"):
            await reply.json(completion(choice("Hello.")) | {"choices": [_ended("beamed_up")]})
        elif request.json().get("stream"):
            await reply.sse(events, done=False)
        else:
            await reply.json(body)

    for account in ("openai", "compatible"):
        async with asking(handler, account) as (server, client):
            assert (await VERBS["text"](client)).text == "Hello."
            if account == "openai":
                assert (await VERBS["stream_text"](client)).text == "Hello."
            assert len(server.requests) == (2 if account == "openai" else 1)


def _ended(reason: str) -> Document:
    return choice("Hello.") | {"finish_reason": reason}


EMPTY: dict[str, Document] = {
    "no choices": {"choices": []},
    "choices that are none": {"choices": None},
    "no content": {"choices": [choice(None)]},
    "no message": {"choices": [{"index": 0, "finish_reason": "stop"}]},
}


@pytest.mark.parametrize("name", EMPTY)
async def test_an_answer_that_says_nothing_is_an_error(name: str) -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.json(completion(choice("x")) | EMPTY[name])

    async with asking(handler, "compatible") as (server, client):
        with pytest.raises(GenSDKError) as caught:
            await VERBS["text"](client)
        assert (caught.value.kind, len(server.requests)) == ("invalid_response", 2)
        assert caught.value.billed == "maybe"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_number_that_is_none_is_no_score_and_no_time(number: str) -> None:
    """Every comparison with NaN is false: a limit on such a score would never be reached."""
    verdict = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.25}}
    bodies = {
        "moderate": json.dumps({"id": "1", "model": "m", "results": [verdict]}),
        "transcribe": json.dumps({"text": "a", "words": [{"word": "a", "start": 0.25, "end": 1}]}),
        "embed": good_answer(_At("/embeddings"))[1].decode().replace("2.0", "0.25"),  # type: ignore[arg-type]
    }
    for verb, body in bodies.items():
        handler = answer_bytes(body.replace("0.25", number).encode(), "application/json")
        error, asked = await failing(VERBS[verb], handler)
        assert (error.kind, asked) == ("invalid_response", 2)


NEGATIVE: list[Document] = [
    {"prompt_tokens": -(10**6), "completion_tokens": 7, "total_tokens": 1},
    {"prompt_tokens": 5, "completion_tokens": -(10**6), "total_tokens": 1},
    {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": -9999}},
    {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"audio_tokens": -9999}},
    {"prompt_tokens": 5, "completion_tokens": 7, "cost": -5.0},
]


@pytest.mark.parametrize("usage", NEGATIVE)
async def test_a_count_below_nothing_is_no_credit(usage: Document) -> None:
    """What cannot be has no price: the budget keeps what it had reserved."""
    answer = answer_bytes(json.dumps(completion() | {"usage": usage}).encode(), "application/json")
    async with LoopbackServer() as server:
        server.on("*", "*", answer)
        backend = OpenAIBackend(api_key=CANARY, base_url=f"{server.url}/v1", protocol="chat")
        budget = gensdk.Budget(1, output_tokens=100)
        async with gensdk.Client(backends={"openai": backend}, budget=budget) as client:
            reply = await client.text("Hi", model="openai:gpt-4o")
        await backend.aclose()
    assert reply.cost is None or 0 < reply.cost.amount < 1
    assert 0 < budget.report().spent < 1
