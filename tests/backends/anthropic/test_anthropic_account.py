"""Claude: keys, addresses, versions, and the way through the front door."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

import gensdk
from gensdk.backends.anthropic import AnthropicBackend, AnthropicTextOptions, create
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    MissingCredentialsError,
)
from gensdk.toolkit import Secret
from gensdk.types import TextRequest
from tests.support.anthropic_messages import (
    HEADERS,
    KEY,
    PATH,
    backend,
    context,
    events,
    exchange,
    message,
    text,
    tool_use,
)
from tests.support.server import LoopbackServer, RecordedRequest, Reply, answer_json, answer_sse

ROOT = Path(__file__).parents[3]
REQUEST = TextRequest(prompt="hi")


def test_it_is_registered() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["gensdk.backends"]["anthropic"] == (
        "gensdk.backends.anthropic:create"
    )
    assert create("claude").name == "claude"


@pytest.mark.parametrize("key", ["k-12345678", Secret("k-12345678"), lambda: "k-12345678"])
async def test_keys(key: Any) -> None:
    _, request = await exchange(message(text()), settings={"api_key": key})
    assert request.headers["authorization"] == "Bearer k-12345678"


async def test_a_key_that_changes() -> None:
    keys = iter(["first-key", "second-key"])

    async def current() -> str:
        return next(keys)

    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_json(message(text())))
        source = backend(server, api_key=current)
        await source.text(REQUEST, context())
        await source.text(REQUEST, context())
        sent = [one.headers["authorization"] for one in server.requests]
        assert sent == ["Bearer first-key", "Bearer second-key"]
        assert source.account.redact("first-key second-key") == "[redacted] [redacted]"
        await source.aclose()


@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
async def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "from-the-environment")
    _, request = await exchange(message(text()), settings={"api_key": None})
    assert request.headers["authorization"] == "Bearer from-the-environment"


async def test_a_missing_key_is_an_error_of_the_first_call() -> None:
    source = AnthropicBackend()
    with pytest.raises(MissingCredentialsError, match="ANTHROPIC_API_KEY"):
        await source.text(REQUEST, context())
    await source.aclose()


async def test_the_key_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_json(message(text())))
        source = backend(server)
        await source.text(REQUEST, context())
        shown = repr(source) + repr(source.account) + repr(vars(source.account))
        await source.aclose()
    assert KEY not in shown + caplog.text


# ------------------------------------------------------------------------------------- address
def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AnthropicBackend().account.base_url == "https://api.anthropic.com"
    assert AnthropicBackend().account.official
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example/claude/")
    source = AnthropicBackend()
    assert source.account.base_url == "https://gateway.example/claude"
    assert not source.account.official
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gateway.example")
    with pytest.raises(ConfigurationError, match="use https"):
        AnthropicBackend()
    assert AnthropicBackend(base_url="http://gateway.example").account.base_url
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:8000")
    assert AnthropicBackend().account.base_url == "http://127.0.0.1:8000"
    with pytest.raises(ConfigurationError):
        AnthropicBackend(base_url="api.anthropic.com")


async def test_headers_of_the_account() -> None:
    settings = {
        "betas": ("b1",), "api_version": "2023-06-01",
        "default_headers": {"Anthropic-Workspace-Id": "w1"},
    }  # fmt: skip
    _, request = await exchange(message(text()), settings=settings)
    assert request.path == PATH
    assert request.headers["anthropic-beta"] == "b1"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["anthropic-workspace-id"] == "w1"


async def test_another_server_of_the_same_format_decides_for_itself() -> None:
    reply, request = await exchange(message(text()), "qwen", temperature=1.5, top_p=0.5)
    asked = request.json()
    assert (asked["temperature"], asked["top_p"], asked["max_tokens"]) == (1.0, 0.5, 4096)
    assert [one.parameter for one in reply.warnings] == ["max_tokens", "temperature"]


def test_identity_tells_accounts_apart_and_holds_no_key() -> None:
    same = AnthropicBackend(api_key="one-key").identity("m")
    assert same == AnthropicBackend(api_key="other-key").identity("m")
    others = (
        AnthropicBackend(base_url="https://gateway.example"),
        AnthropicBackend(betas=("b",)),
        AnthropicBackend(api_version="2023-06-01"),
        AnthropicBackend(default_headers={"x": "y"}),
    )
    assert len({same, *(one.identity("m") for one in others)}) == 5
    assert AnthropicBackend(http_client=httpx2.AsyncClient()).identity("m") is None


async def test_a_closed_account_says_so() -> None:
    source = AnthropicBackend(api_key=KEY)
    await source.aclose()
    await source.aclose()
    with pytest.raises(ClientClosedError):
        await source.text(REQUEST, context())


def test_capabilities() -> None:
    source = AnthropicBackend()
    newest, older = source.capabilities("claude-opus-5-5"), source.capabilities("claude-haiku-4-5")
    assert newest.abilities == newest.streams == frozenset({"text"})
    assert (newest.max_candidates, newest.price_provider) == (1, "anthropic")
    assert (newest.continues, older.continues) == (False, True)
    elsewhere = AnthropicBackend(base_url="http://gpu:8000").capabilities("qwen")
    assert (elsewhere.abilities, elsewhere.continues) == (frozenset({"text"}), True)


# ---------------------------------------------------------------------------------- front door
class City(BaseModel):
    name: str
    people: int


async def test_through_the_front_door() -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    async def handler(request: RecordedRequest, reply: Reply) -> None:
        asked = request.json()
        if "output_config" in asked:
            await reply.json(message(text('{"name": "Oslo", "people": 700000}')), headers=HEADERS)
        elif asked.get("stream"):
            await reply.sse(events(text("Once upon")), done=False, headers=HEADERS)
        elif asked.get("tools") and len(asked["messages"]) == 1:
            await reply.json(message(tool_use(), stop="tool_use"), headers=HEADERS)
        else:
            await reply.json(message(text("Sunny.")), headers=HEADERS)

    async with LoopbackServer() as server:
        server.on("POST", PATH, handler)
        source = backend(server)
        async with gensdk.Client(backends={"anthropic": source}) as client:
            model = "anthropic:claude-sonnet-5-5"
            found = await client.text("A city", model=model, output=City)
            assert found.output == City(name="Oslo", people=700000)
            told = await client.text("Oslo?", model=model, tools=[weather], max_steps=3)
            assert told.text == "Sunny."
            sent = server.requests[-1].json()["messages"][-1]["content"][0]
            assert sent["content"] == "sunny in Oslo"
            async with client.stream_text("A story", model=model) as stream:
                pieces = [piece async for piece in stream.text]
                reply = await stream.result()
            assert "".join(pieces) == reply.text == "Once upon"
            two = await client.text("Twice", model=model, n=2)
            assert len(two.candidates) == 2
            own = AnthropicTextOptions(betas=("b",))
            await client.text("x", model=model, options={"anthropic": own})
            assert server.requests[-1].headers["anthropic-beta"] == "b"


async def test_it_costs_what_the_list_says() -> None:
    usage = {"input_tokens": 1_000_000, "output_tokens": 100_000, "cache_read_input_tokens": 500}
    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_json(message(text(), usage=usage)))
        async with gensdk.Client(backends={"anthropic": backend(server)}) as client:
            reply = await client.text("x", model="anthropic:claude-sonnet-5-5")
    assert reply.cost is not None
    assert str(reply.cost) == "3.00005 USD"


async def test_a_route_goes_on_with_claude_where_another_stream_broke_off() -> None:
    async def broken(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        for name, event in events(text("Once upon a ti"))[:7]:
            await reply.event(event, name)
        reply.close()

    async with LoopbackServer() as first, LoopbackServer() as second:
        first.on("POST", PATH, broken)
        second.on("POST", PATH, answer_sse(events(text("a time.")), done=False))
        accounts = {"one": backend(first, name="one"), "two": backend(second, name="two")}
        route = gensdk.Route("one:claude-opus-5-5", "two:claude-sonnet-5-5")
        async with gensdk.Client(backends=accounts) as client:
            stream = client.stream_text("A story", model=route, interrupted="continue")
            async with stream as told:
                reply = await told.result()
        turns = second.requests[0].json()["messages"]
    assert reply.text.startswith("Once upon a")
    assert reply.text.endswith("time.")
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]


async def test_a_route_passes_over_a_model_that_cannot_be_made_to_call() -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_json(message(tool_use(), stop="tool_use")))
        route = gensdk.Route("anthropic:claude-opus-5-5", "anthropic:claude-haiku-5-5")
        async with gensdk.Client(backends={"anthropic": backend(server)}) as client:
            reply = await client.text("x", model=route, tools=[weather], tool_choice="required")
        assert [one.json()["model"] for one in server.requests] == ["claude-haiku-5-5"]
    assert reply.tool_calls[0].name == "weather"
