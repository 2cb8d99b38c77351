"""``client.count_tokens``: the same input as ``text`` would send, counted by who will read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

import gensdk
from gensdk.backends.anthropic import AnthropicBackend
from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.backends.google import GoogleBackend
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import (
    InvalidResponseError,
    ModelRetiredError,
    RateLimitError,
    TimedOutError,
    UnsupportedFeatureError,
)
from gensdk.spec import TokenCountBackend
from gensdk.testing import ScriptedBackend
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
)

KEY = "sk-count-1234567890"
OPENAI = "/v1/responses/input_tokens"


def weather(city: str) -> str:
    """Tell the weather."""
    return city


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    async with LoopbackServer() as running:
        yield running


def client_of(backend: Any) -> gensdk.Client:
    return gensdk.Client(backends={"v": backend})


async def test_openai(server: LoopbackServer) -> None:
    server.on("POST", OPENAI, answer_json({"object": "response.input_tokens", "input_tokens": 11}))
    backend = OpenAIBackend(api_key=KEY, base_url=f"{server.url}/v1")
    assert isinstance(backend, TokenCountBackend)
    async with client_of(backend) as client:
        found = await client.count_tokens(
            "hi", model="v:gpt-6-luna", tools=[weather], max_tokens=5, system="Be brief."
        )
    assert (found.input_tokens, found.exact, found.source) == (11, True, "provider")
    assert (found.provider, found.model) == ("v", "gpt-6-luna")
    sent = server.requests[0].json()
    assert set(sent) <= {"model", "input", "instructions", "tools", "tool_choice",
                         "parallel_tool_calls"}  # fmt: skip
    assert sent["model"] == "gpt-6-luna"
    assert sent["tools"][0]["name"] == "weather"
    await backend.aclose()


async def test_anthropic(server: LoopbackServer) -> None:
    server.on("POST", "/v1/messages/count_tokens", answer_json({"input_tokens": 2095}))
    backend = AnthropicBackend(api_key=KEY, base_url=server.url)
    async with client_of(backend) as client:
        found = await client.count_tokens(
            "hi", model="v:claude-opus-5-5", tools=[weather], max_tokens=5, system="Be brief."
        )
    assert (found.input_tokens, found.exact) == (2095, False)
    request = server.requests[0]
    sent = request.json()
    assert set(sent) == {"model", "messages", "system", "tools"}
    assert request.headers["anthropic-version"] == "2026-10-21"
    await backend.aclose()


async def test_google(server: LoopbackServer) -> None:
    path = "/v1/models/gemini-3.8-flash:countTokens"
    server.on("POST", path, answer_json({"totalTokens": 31, "promptTokensDetails": []}))
    backend = GoogleBackend(api_key=KEY, base_url=server.url)
    async with client_of(backend) as client:
        found = await client.count_tokens("hi", model="v:gemini-3.8-flash", system="Be brief.")
    assert (found.input_tokens, found.exact, found.model) == (31, True, "gemini-3.8-flash")
    sent = server.requests[0].json()["generateContentRequest"]
    assert sent["model"] == "models/gemini-3.8-flash"
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert sent["contents"][0]["parts"] == [{"text": "hi"}]
    await backend.aclose()


async def test_who_cannot_count_says_so(server: LoopbackServer) -> None:
    gpu = OpenAICompatibleBackend(f"{server.url}/v1")
    for backend, why in ((ScriptedBackend("x"), "no way to count"), (gpu, "Responses API alone")):
        with pytest.raises(UnsupportedFeatureError, match=why) as caught:
            await client_of(backend).count_tokens("hi", model="v:m")
        assert (caught.value.provider, caught.value.model) == ("v", "m")
    assert server.requests == []
    await gpu.aclose()


async def test_failures_are_typed_and_cost_nothing(server: LoopbackServer) -> None:
    async def silent(_: RecordedRequest, reply: Reply) -> None:
        await server.closed_by_client()

    busy = answer_error(429, {"error": {"message": "x", "code": "rate_limit_exceeded"}})
    gone = answer_error(404, {"error": {"message": "x", "code": "model_not_found"}})
    server.on("POST", OPENAI, busy, gone, silent)
    backend = OpenAIBackend(api_key=KEY, base_url=f"{server.url}/v1")
    async with client_of(backend) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.count_tokens("hi", model="v:gpt-6-luna")
        assert (caught.value.provider, caught.value.billed) == ("v", "no")
        assert len(server.requests) == 1  # asked once
        with pytest.raises(ModelRetiredError, match=r"gpt-5\.6-sol"):
            await client.count_tokens("hi", model="v:gpt-4")
        with pytest.raises(TimedOutError) as late:
            await client.count_tokens(
                "hi", model="v:gpt-6-luna", timeouts=gensdk.Timeouts(attempt=0.05)
            )
        assert (late.value.phase, late.value.billed) == ("attempt", "no")
    await backend.aclose()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"input_tokens": "5"}', b'{"input_tokens": -1}',
             b'{"input_tokens": true}', b'{"input_tokens": 1e300}', b'{"input_tokens": null}'],
)  # fmt: skip
async def test_what_is_no_count(server: LoopbackServer, body: bytes) -> None:
    server.on("POST", OPENAI, answer_bytes(body, "application/json"))
    backend = OpenAIBackend(api_key=KEY, base_url=f"{server.url}/v1")
    async with client_of(backend) as client:
        with pytest.raises(InvalidResponseError, match="no count of tokens"):
            await client.count_tokens("hi", model="v:gpt-6-luna")
    await backend.aclose()


async def test_a_model_that_is_over_is_not_asked() -> None:
    backend = OpenAIBackend(api_key=KEY)
    with pytest.raises(ModelRetiredError):
        await client_of(backend).count_tokens("hi", model="v:gpt-4")
    await backend.aclose()


async def test_the_first_of_a_route_is_asked_and_the_synchronous_client_too() -> None:
    class Counter(ScriptedBackend):
        async def count_tokens(self, request: Any, context: Any) -> Any:
            from gensdk.types import TokenCount

            assert request.prompt == "hi"
            return TokenCount(
                input_tokens=3, exact=True, source="local", provider="?", model=context.model
            )

    backends: dict[str, Any] = {"a": Counter(), "b": ScriptedBackend("x")}
    found = await gensdk.Client(backends=backends).count_tokens("hi", model=["a:m", "b:m"])
    assert (found.input_tokens, found.provider, found.model) == (3, "a", "m")


def test_synchronous() -> None:
    with (
        gensdk.SyncClient(backends={"p": ScriptedBackend("x")}) as client,
        pytest.raises(UnsupportedFeatureError),
    ):
        client.count_tokens("hi", model="p:m")
