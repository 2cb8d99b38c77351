"""Text over the router's chat, and the account."""

from __future__ import annotations

from typing import Any

import pytest

import gensdk
from gensdk.backends.huggingface import HuggingFaceBackend, HuggingFaceTextOptions, create
from gensdk.catalog.compatible import PRESETS
from gensdk.catalog.hosted import HOSTED
from gensdk.catalog.huggingface import AS_OF, SERVICES
from gensdk.errors import (
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    GenSDKError,
    InvalidRequestError,
    MissingCredentialsError,
    ModelNotFoundError,
    OverloadedError,
    QuotaExceededError,
    StreamInterruptedError,
)
from gensdk.types import TextDelta
from tests.support import openai_chat as chat
from tests.support.huggingface import CANARY, MODEL, loopback
from tests.support.server import answer_error, answer_json, answer_sse

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("model", "options", "asked"),
    [
        (MODEL, {}, MODEL),
        (f"{MODEL}:cerebras", {}, f"{MODEL}:cerebras"),
        (f"{MODEL}:cheapest", {}, f"{MODEL}:cheapest"),
        (f"{MODEL}:auto", {}, MODEL),
        (MODEL, HuggingFaceTextOptions(provider="groq"), f"{MODEL}:groq"),
        (f"{MODEL}:groq", {"provider": "groq"}, f"{MODEL}:groq"),
        (MODEL, {"provider": "fastest"}, f"{MODEL}:fastest"),
    ],
)
async def test_who_answers_stands_behind_the_model(model: str, options: Any, asked: str) -> None:
    async with loopback(bill_to="my-org") as (server, client):
        server.on("POST", CHAT, answer_json(chat.completion(chat.choice("Hi"))))
        reply = await client.text(
            "Hello", model=f"huggingface:{model}", max_tokens=9, seed=3,
            options={"huggingface": options} if options else {},
        )  # fmt: skip
    (sent,) = server.requests
    assert sent.json() == {
        "model": asked,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 9,
        "seed": 3,
    }
    assert sent.headers["authorization"] == f"Bearer {CANARY}"
    assert sent.headers["x-hf-bill-to"] == "my-org"
    assert (reply.text, reply.provider, reply.cost) == ("Hi", "huggingface", None)


async def test_two_providers_are_one_too_many() -> None:
    async with loopback() as (server, client):
        wrong: list[dict[str, Any]] = [{"provider": "groq"}, {"provider": "Not One"}, {"top": 1}]
        for options in wrong:
            with pytest.raises(InvalidRequestError):
                await client.text(
                    "Hello", model=f"huggingface:{MODEL}:novita", options={"huggingface": options}
                )
    assert server.requests == []


async def test_a_stream_and_one_that_is_cut() -> None:
    events = [chat.chunk(content="Hi "), chat.chunk("stop", content="you")]
    async with loopback() as (server, client):
        server.on("POST", CHAT, answer_sse(events), answer_sse(events[:1], done=False))
        model = f"huggingface:{MODEL}"
        async with client.stream_text("Hello", model=model) as stream:
            pieces = [event.text async for event in stream if isinstance(event, TextDelta)]
            reply = await stream.result()
        assert (pieces, reply.text) == (["Hi ", "you"], "Hi you")
        with pytest.raises(StreamInterruptedError) as caught:
            async with client.stream_text("Hello", model=model) as stream:
                await stream.result()
    assert caught.value.partial is not None
    assert server.requests[0].json()["stream"] is True


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"message": "not supported by any provider you have enabled",
                         "type": "invalid_request_error", "param": "model",
                         "code": "model_not_supported"}}, ModelNotFoundError),
        (401, {"error": "Invalid username or password."}, AuthenticationError),
        (402, {"error": "monthly included credits"}, QuotaExceededError),
        (503, {"error": "Model is loading", "estimated_time": 12}, OverloadedError),
        (424, {"error": "busy", "error_type": "overloaded"}, OverloadedError),
    ],
)  # fmt: skip
async def test_what_failures_mean(status: int, body: object, error: type[GenSDKError]) -> None:
    async with loopback() as (server, client):
        server.on("POST", CHAT, answer_error(status, body))
        with pytest.raises(error) as caught:
            await client.text("Hello", model=f"huggingface:{MODEL}")
    assert caught.value.status == status
    assert caught.value.retry_after == (12 if status == 503 else None)


async def test_a_model_that_is_loading_is_asked_again() -> None:
    loading = answer_error(503, {"error": "loading", "estimated_time": 0.001})
    async with loopback(client={"retry": gensdk.Retry(attempts=2)}) as (server, client):
        server.on("POST", CHAT, loading, answer_json(chat.completion(chat.choice("Hi"))))
        reply = await client.text("Hello", model=f"huggingface:{MODEL}")
    assert (reply.text, len(server.requests)) == ("Hi", 2)


# --------------------------------------------------------------------------------------- account
async def test_the_key_and_the_addresses_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    async with loopback() as (server, _):
        server.on("POST", CHAT, answer_json(chat.completion(chat.choice("Hi"))))
        monkeypatch.setenv("HUGGINGFACE_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        async with gensdk.Client(backends={"huggingface": create("huggingface")}) as client:
            with pytest.raises(MissingCredentialsError, match="HF_TOKEN"):
                await client.text("Hello", model=f"huggingface:{MODEL}")
            monkeypatch.setenv("HF_TOKEN", CANARY)
            assert (await client.text("Hello", model=f"huggingface:{MODEL}")).text == "Hi"
            with pytest.raises(ModelNotFoundError):
                await client.image("a cat", model=f"huggingface:{MODEL}")
    assert [one.path for one in server.requests] == [CHAT, f"/api/models/{MODEL}"]
    assert all(one.headers["authorization"] == f"Bearer {CANARY}" for one in server.requests)


@pytest.mark.parametrize("variable", ["HUGGINGFACE_BASE_URL", "HF_ENDPOINT"])
def test_an_address_of_the_environment_is_https(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://elsewhere.example")
    with pytest.raises(ConfigurationError, match=variable):
        create("huggingface")


async def test_an_account_that_was_closed() -> None:
    backend = HuggingFaceBackend(api_key=CANARY)
    assert CANARY not in f"{backend!r} {backend.identity(MODEL)}"
    assert backend.identity(MODEL) == HuggingFaceBackend(api_key="hf_else").identity(MODEL)
    assert backend.identity(MODEL) != HuggingFaceBackend(bill_to="o").identity(MODEL)
    await backend.aclose()
    await backend.aclose()
    async with gensdk.Client(backends={"huggingface": backend}) as client:
        for call in (client.text, client.image):
            with pytest.raises(ClientClosedError):
                await call("Hello", model=f"huggingface:{MODEL}")


def test_the_rows_agree() -> None:
    assert len({(row.provider, row.task) for row in SERVICES}) == len(SERVICES)
    assert AS_OF.year == 2026
    hosted = next(row for row in HOSTED if row.provider == "huggingface")
    assert (hosted.key_env, hosted.url_env) == (
        PRESETS["huggingface"].key_env,
        "HUGGINGFACE_BASE_URL",
    )
