"""The client on the wire: what the vendor's server sees when a call is left, cut or repeated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import gensdk
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    InvalidRequestError,
    ModelRetiredError,
    OutcomeUnknownError,
    QuotaExceededError,
    RequestTooLargeError,
    RouteExhaustedError,
    ServerError,
    StreamInterruptedError,
    TimedOutError,
    UnsupportedFeatureError,
)
from gensdk.testing import ScriptedBackend
from gensdk.types import TextDelta
from tests.support import openai_responses as responses
from tests.support.fake_openai import MP3, fake_openai, say
from tests.support.openai_media import PNG, b64
from tests.support.server import (
    Handler,
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
    answer_sse,
)

QUICK = gensdk.Retry(base_s=0.001, max_backoff_s=0.001)
IMAGES = "/v1/images/generations"


def client_of(server: LoopbackServer, **settings: Any) -> gensdk.Client:
    account = OpenAIBackend(api_key="sk-canary-1234567890", base_url=f"{server.url}/v1")
    backends = {"openai": account, **settings.pop("backends", {})}
    return gensdk.Client(backends=backends, **({"retry": QUICK} | settings))


def error_body(code: str, message: str = "no", kind: str = "error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class Hanging:
    """A handler that answers with a first piece and then says nothing more."""

    def __init__(self, *events: tuple[str | None, object]) -> None:
        self.events = events
        self.begun = asyncio.Event()

    async def __call__(self, request: RecordedRequest, reply: Reply) -> None:
        if self.events:
            await reply.start(headers={"content-type": "text/event-stream"})
            for name, data in self.events:
                await reply.event(data, name)
        self.begun.set()
        await asyncio.get_running_loop().create_future()


def first_words() -> list[tuple[str | None, object]]:
    """A Responses stream up to and including its first text."""
    told = responses.events(*say("Once upon a time"))
    end = next(i for i, (name, _) in enumerate(told) if name == "response.output_text.delta")
    return told[: end + 1]


async def test_the_whole_answer_is_accounted_for() -> None:
    facts: list[object] = []
    async with fake_openai() as server, client_of(server, hooks=[facts.append]) as client:
        reply = await client.text("hi", model="openai:gpt-6-luna", tag="greeting")
    assert reply.text == "A robot went out to see the sea."
    assert (reply.provider, reply.finish_reason) == ("openai", "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (12, 9)
    assert reply.usage.cached_tokens == 4
    assert reply.cost is not None
    assert reply.cost.amount > 0
    assert [attempt.outcome for attempt in reply.attempts] == ["ok"]
    assert reply.timing.started_at is not None
    assert [type(fact).__name__ for fact in facts] == [
        "CallStarted", "AttemptFinished", "CallFinished",
    ]  # fmt: skip
    assert server.requests[0].headers["authorization"] == "Bearer sk-canary-1234567890"
    assert type(reply).model_validate_json(reply.model_dump_json()) == reply


@pytest.mark.parametrize("verb", ["text", "image", "speech", "transcribe", "embed", "moderate"])
async def test_a_failing_server_is_asked_three_times_and_no_more(verb: str) -> None:
    paths = {
        "text": "/v1/responses", "image": IMAGES, "speech": "/v1/audio/speech",
        "transcribe": "/v1/audio/transcriptions", "embed": "/v1/embeddings",
        "moderate": "/v1/moderations",
    }  # fmt: skip
    given: Any = MP3 if verb == "transcribe" else "hi"
    async with LoopbackServer() as server, client_of(server) as client:
        server.on("POST", paths[verb], answer_error(500, error_body("server_error")))
        with pytest.raises(ServerError) as caught:
            await getattr(client, verb)(given, model="openai:some-model")
        assert len(server.requests) == 3
        assert len(caught.value.attempts) == 3
        assert caught.value.billed == "maybe"


async def test_leaving_a_stream_early_closes_the_connection() -> None:
    hanging = Hanging(*first_words())
    async with LoopbackServer() as server, client_of(server) as client:
        server.on("POST", "/v1/responses", hanging)
        async with client.stream_text("hi", model="openai:m") as stream:
            async for event in stream:
                assert isinstance(event, TextDelta)
                break
        await server.closed_by_client()


async def test_an_exception_of_the_consumer_closes_the_connection_and_passes() -> None:
    class OwnError(Exception):
        pass

    async with LoopbackServer() as server, client_of(server) as client:
        server.on("POST", "/v1/responses", Hanging(*first_words()))
        with pytest.raises(OwnError):
            async with client.stream_text("hi", model="openai:m") as stream:
                async for _ in stream:
                    raise OwnError
        await server.closed_by_client()


@pytest.mark.parametrize("streaming", [False, True])
async def test_cancelling_closes_the_connection(streaming: bool) -> None:
    hanging = Hanging()
    async with LoopbackServer() as server, client_of(server) as client:
        server.on("POST", "/v1/responses", hanging)

        async def work() -> None:
            if streaming:
                async with client.stream_text("hi", model="openai:m") as stream:
                    await stream.result()
            await client.text("hi", model="openai:m")

        task = asyncio.create_task(work())
        await hanging.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.closed_by_client()
        assert len(server.requests) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_silent_image_request_is_not_sent_again() -> None:
    hanging = Hanging()
    timeouts = gensdk.Timeouts(attempt=0.05)
    async with LoopbackServer() as server, client_of(server, timeouts=timeouts) as client:
        server.on("POST", IMAGES, hanging)
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.image("a cat", model="openai:gpt-image-2")
        assert len(server.requests) == 1
        assert caught.value.billed == "maybe"
        assert "Retry(unknown_outcome=True)" in str(caught.value)
        await server.closed_by_client()


async def test_a_silent_image_request_is_repeated_where_the_user_says_so() -> None:
    retry = gensdk.Retry(base_s=0.001, unknown_outcome=True)
    done = answer_json({"created": 1, "data": [{"b64_json": b64(PNG)}]})
    timeouts = gensdk.Timeouts(attempt=0.2)
    async with LoopbackServer() as server:
        server.on("POST", IMAGES, Hanging(), done)
        async with client_of(server, retry=retry, timeouts=timeouts) as client:
            picture = await client.image("a cat", model="openai:gpt-image-2")
    assert picture.images[0].data == PNG
    assert [one.billed for one in picture.attempts] == ["maybe", "yes"]


async def test_a_silent_text_request_is_repeated() -> None:
    done = answer_json(responses.body(*say("late")))
    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", Hanging(), done)
        async with client_of(server, timeouts=gensdk.Timeouts(attempt=0.2)) as client:
            reply = await client.text("hi", model="openai:m")
    assert reply.text == "late"
    assert [one.error for one in reply.attempts] == ["timeout", None]


ROUTE = ["openai:gpt-4.1", "spare:small"]
OUTAGES: dict[str, tuple[Handler, str]] = {
    "overloaded": (answer_error(503, "busy"), "overloaded"),
    "rate limit": (answer_error(429, error_body("rate_limit_exceeded")), "rate_limit"),
    "quota": (answer_error(429, error_body("insufficient_quota")), "quota_exceeded"),
    "server": (answer_error(500, error_body("server_error")), "server"),
    "unknown model": (answer_error(404, error_body("model_not_found")), "model_not_found"),
    "garbage": (answer_json(["what?"]), "invalid_response"),
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("outage", OUTAGES)
async def test_an_outage_is_answered_by_the_next_hop(outage: str, streaming: bool) -> None:
    handler, kind = OUTAGES[outage]
    spare = ScriptedBackend("I am still here")
    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", handler)
        async with client_of(server, backends={"spare": spare}) as client:
            if streaming:
                async with client.stream_text("hi", model=ROUTE) as stream:
                    reply = await stream.result()
            else:
                reply = await client.text("hi", model=ROUTE)
    assert reply.text == "I am still here"
    assert (reply.provider, reply.model) == ("spare", "small")
    assert {one.error for one in reply.attempts[:-1]} == {kind}
    assert reply.attempts[-1].outcome == "ok"
    assert len(reply.attempts) == len(server.requests) + 1


REFUSALS: dict[str, tuple[Handler, type[Exception]]] = {
    "invalid": (answer_error(400, error_body("invalid_value")), InvalidRequestError),
    "key": (answer_error(401, error_body("invalid_api_key")), AuthenticationError),
    "blocked": (answer_error(400, error_body("content_policy_violation")), ContentBlockedError),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refusal_is_not_answered_by_another_model(refusal: str) -> None:
    handler, kind = REFUSALS[refusal]
    spare = ScriptedBackend()
    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", handler)
        async with client_of(server, backends={"spare": spare}) as client:
            with pytest.raises(kind):
                await client.text("hi", model=ROUTE)
    assert len(server.requests) == 1
    assert spare.asked == []


async def test_a_retired_model_is_answered_by_the_next_hop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    spare = ScriptedBackend("the successor speaks", "again", repeat=True)
    async with gensdk.Client(backends={"spare": spare}) as client:
        with pytest.raises(ModelRetiredError) as caught:
            await client.text("hi", model="openai:gpt-3.5-turbo")
        assert caught.value.successor
        reply = await client.text("hi", model=["openai:gpt-3.5-turbo", "spare:small"])
    assert reply.text == "the successor speaks"
    assert reply.attempts[0].error == "model_retired"


async def test_an_unreachable_provider_is_answered_by_the_next_hop() -> None:
    nowhere = OpenAIBackend(api_key="sk-test", base_url="http://127.0.0.1:9/v1")
    spare = ScriptedBackend("here")
    backends: dict[str, Any] = {"openai": nowhere, "spare": spare}
    async with gensdk.Client(backends=backends, retry=QUICK) as client:
        reply = await client.text("hi", model=ROUTE)
        assert reply.text == "here"
        assert {one.error for one in reply.attempts[:-1]} == {"connection"}
        assert {one.billed for one in reply.attempts[:-1]} == {"no"}
        with pytest.raises(RouteExhaustedError) as caught:
            await client.text("hi", model=["openai:gpt-4.1", "openai:gpt-4o"])
        assert len(caught.value.exceptions) == 2
    await nowhere.aclose()


async def test_a_stream_cut_after_its_first_output_keeps_what_came() -> None:
    spare = ScriptedBackend()
    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", answer_sse(first_words(), done=False))
        async with client_of(server, backends={"spare": spare}) as client:
            with pytest.raises(StreamInterruptedError) as caught:
                async with client.stream_text("hi", model=ROUTE) as stream:
                    await stream.result()
    partial: Any = caught.value.partial
    assert partial.text == "Onc"
    assert len(server.requests) == 1
    assert spare.asked == []


async def test_a_stream_that_falls_silent_is_ended_by_the_idle_clock() -> None:
    timeouts = gensdk.Timeouts(idle=0.05)
    async with LoopbackServer() as server, client_of(server, timeouts=timeouts) as client:
        server.on("POST", "/v1/responses", Hanging(*first_words()))
        with pytest.raises(TimedOutError) as caught:
            async with client.stream_text("hi", model="openai:m") as stream:
                await stream.result()
        assert caught.value.phase == "idle"
        assert caught.value.partial is not None
        await server.closed_by_client()


async def test_the_key_is_nowhere_in_an_error() -> None:
    import pickle
    import traceback

    echo = error_body("invalid_api_key", "Incorrect API key: sk-canary-1234567890")
    async with LoopbackServer() as server, client_of(server) as client:
        server.on("POST", "/v1/responses", answer_error(401, echo))
        with pytest.raises(AuthenticationError) as caught:
            await client.text("hi", model="openai:m")
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert "canary" not in told
    assert b"canary" not in pickle.dumps(error)
    assert "canary" not in repr(error.attempts)


async def test_quota_is_asked_for_once() -> None:
    async with LoopbackServer() as server, client_of(server) as client:
        server.on("POST", "/v1/responses", answer_error(429, error_body("insufficient_quota")))
        with pytest.raises(QuotaExceededError):
            await client.text("hi", model="openai:m")
    assert len(server.requests) == 1


async def test_many_vectors_are_batched_and_come_back_in_order() -> None:
    async with fake_openai() as server, client_of(server) as client:
        reply = await client.embed([f"text {i}" for i in range(5000)], model="openai:emb")
    assert [len(request.json()["input"]) for request in server.requests] == [2048, 2048, 904]
    assert len(reply.vectors) == 5000
    assert reply.vectors[2047][1] == 2047
    assert reply.vectors[2048][1] == 0
    assert reply.usage.input_tokens == 18


async def test_a_client_works_on_two_event_loops() -> None:
    async with fake_openai() as server:
        account = OpenAIBackend(api_key="sk-test", base_url=f"{server.url}/v1")
        client = gensdk.Client(backends={"openai": account})

        async def once() -> str:
            return (await client.text("hi", model="openai:m")).text

        first = await asyncio.to_thread(lambda: asyncio.run(once()))
        assert first == await once() == "A robot went out to see the sea."
        await client.aclose()
        await account.aclose()


async def test_a_paid_picture_is_downloaded_again_and_not_made_again() -> None:
    async with LoopbackServer() as server:
        answer = {"created": 1, "data": [{"url": f"{server.url}/cat.png"}]}
        server.on("POST", IMAGES, answer_json(answer))
        server.on("GET", "/cat.png", answer_error(503, "busy"), answer_bytes(PNG, "image/png"))
        media = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}))
        async with client_of(server, media=media) as client:
            picture = await client.image("a cat", model="openai:dall-e-3")
    assert picture.images[0].data == PNG
    assert [one.path for one in server.requests] == [IMAGES, "/cat.png", "/cat.png"]


async def test_a_lost_download_says_that_the_picture_is_paid_for() -> None:
    async with LoopbackServer() as server:
        answer = {"created": 1, "data": [{"url": f"{server.url}/cat.png"}]}
        server.on("POST", IMAGES, answer_json(answer))
        server.on("GET", "/cat.png", answer_error(503, "busy"))
        media = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}))
        async with client_of(server, media=media) as client:
            with pytest.raises(ServerError) as caught:
                await client.image("a cat", model="openai:dall-e-3")
    assert caught.value.billed == "yes"
    assert [one.path for one in server.requests] == [IMAGES, *["/cat.png"] * 3]


@pytest.mark.parametrize(
    ("answer", "gets", "kind", "said"),
    [
        (answer_error(503, "busy"), 3, InvalidRequestError, "could not be fetched"),
        (answer_error(404, "gone"), 1, InvalidRequestError, "could not be fetched"),
        (answer_bytes(PNG * 99, "image/png"), 1, RequestTooLargeError, "could not be fetched"),
    ],
)
async def test_an_input_that_cannot_be_had_is_no_failure_of_a_provider(
    answer: Handler, gets: int, kind: type[Exception], said: str
) -> None:
    spare = ScriptedBackend()
    media = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}), max_bytes=2000)
    async with LoopbackServer() as server:
        server.on("GET", "/in.png", answer)
        async with client_of(server, media=media, backends={"spare": spare}) as client:
            with pytest.raises(kind, match=said) as caught:
                await client.image(
                    "a hat on it",
                    images=[gensdk.URL(f"{server.url}/in.png")],
                    model=["openai:gpt-image-2", "spare:m"],
                )
    error: Any = caught.value
    assert [one.path for one in server.requests] == ["/in.png"] * gets
    assert spare.asked == []
    assert (error.provider, error.model, error.billed) == ("", "", "no")
    assert not error.retryable
    assert "openai" not in str(error)


async def test_an_input_is_fetched_again_after_a_failure_in_passing() -> None:
    media = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}))
    async with LoopbackServer() as server:
        server.on("GET", "/in.png", answer_error(503, "busy"), answer_bytes(PNG, "image/png"))
        done = answer_json({"created": 1, "data": [{"b64_json": b64(PNG)}]})
        server.on("POST", "/v1/images/edits", done)
        async with client_of(server, media=media) as client:
            url = gensdk.URL(f"{server.url}/in.png")
            picture = await client.image("a hat", images=url, model="openai:gpt-image-2")
    assert picture.images[0].data == PNG
    assert [one.path for one in server.requests] == ["/in.png", "/in.png", "/v1/images/edits"]


async def test_errors_and_notes_use_the_name_the_account_was_given() -> None:
    from gensdk.backends.compatible import OpenAICompatibleBackend

    async with LoopbackServer() as server:
        server.on("POST", "/v1/chat/completions", answer_error(400, error_body("bad")))
        gpu = OpenAICompatibleBackend(f"{server.url}/v1")
        async with gensdk.Client(backends={"gpu": gpu}) as client:
            with pytest.raises(InvalidRequestError) as caught:
                await client.text("hi", model="gpu:m")
            with pytest.raises(UnsupportedFeatureError, match="gpu:m"):
                await client.text("hi", model="gpu:m", top_k=5, unsupported="error")
        await gpu.aclose()
    assert caught.value.provider == "gpu"
    assert "[gpu:m" in str(caught.value)
