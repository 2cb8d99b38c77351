"""Bodies of Chat Completions and legacy Completions, checked against the openai package's types."""

from __future__ import annotations

from typing import Any

import pytest

from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.catalog.compatible import OPENAI, UNKNOWN, Dialect
from gensdk.errors import InvalidRequestError, UnsupportedFeatureError
from gensdk.spec import Context
from gensdk.types import Finished, TextRequest, TextResponse
from tests.support.server import LoopbackServer, answer_json

CHAT = "/v1/chat/completions"
LEGACY = "/v1/completions"
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def completion(*choices: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A whole chat answer of the true shape."""
    from openai.types.chat import ChatCompletion

    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "model-of-the-server",
        "choices": list(choices) or [choice("Hello")],
        "usage": USAGE,
    } | changes
    ChatCompletion.model_validate(body, strict=False)
    return body


def choice(
    content: str | None, finish: str = "stop", index: int = 0, **message: Any
) -> dict[str, Any]:
    return {
        "index": index,
        "message": {"role": "assistant", "content": content} | message,
        "finish_reason": finish,
        "logprobs": None,
    }


def chunk(
    finish: str | None = None, index: int = 0, usage: object = None, **delta: Any
) -> tuple[None, dict[str, Any]]:
    """A chunk with one choice."""
    item = {"index": index, "delta": delta, "finish_reason": finish}
    return None, chunk_of([item], usage)


def chunk_of(choices: list[Any], usage: object = None) -> dict[str, Any]:
    from openai.types.chat import ChatCompletionChunk

    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "model-of-the-server",
        "choices": choices,
        "usage": usage,
    }
    ChatCompletionChunk.model_validate(body)
    return body


def call_piece(index: int, arguments: str = "", **rest: Any) -> dict[str, Any]:
    """A piece of a tool call: ``id=`` and ``name=`` come with the first."""
    function = {"arguments": arguments} | ({"name": rest.pop("name")} if "name" in rest else {})
    return {"index": index, "function": function} | rest


def backend(
    server: LoopbackServer, dialect: Dialect | str = UNKNOWN, **options: Any
) -> OpenAICompatibleBackend:
    options.setdefault("api_key", "sk-test-key-0123456789")
    return OpenAICompatibleBackend(server.url + "/v1", dialect=dialect, **options)


async def ask(
    server: LoopbackServer,
    request: TextRequest | str = "Hi",
    dialect: Dialect | str = UNKNOWN,
    model: str = "m",
    unsupported: Any = "warn",
    **options: Any,
) -> TextResponse[Any]:
    """One plain call through a backend of its own."""
    own = backend(server, dialect, **options)
    request = TextRequest(prompt=request) if isinstance(request, str) else request
    try:
        return await own.text(request, Context(model=model, unsupported=unsupported))
    finally:
        await own.aclose()


async def listen(
    server: LoopbackServer,
    request: TextRequest | str = "Hi",
    dialect: Dialect | str = UNKNOWN,
    model: str = "m",
    **options: Any,
) -> tuple[list[Any], TextResponse[Any]]:
    """One streamed call; returns the deltas and the response."""
    own = backend(server, dialect, **options)
    request = TextRequest(prompt=request) if isinstance(request, str) else request
    try:
        events = [event async for event in own.stream_text(request, Context(model=model))]
    finally:
        await own.aclose()
    assert isinstance(events[-1], Finished)
    assert not any(isinstance(event, Finished) for event in events[:-1])
    return events[:-1], events[-1].response


OPENAI_CHAT: dict[str, Any] = {"dialect": OPENAI, "protocol": "chat"}


async def body_sent(
    request: TextRequest | str, dialect: Dialect = UNKNOWN, model: str = "m", **options: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """The JSON sent, and the warnings by parameter."""
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_json(completion()))
        response = await ask(server, request, dialect, model, **options)
        assert len(server.requests) == 1
        warnings = {str(warning.parameter): warning.message for warning in response.warnings}
        return server.requests[0].json(), warnings


async def refusal_of(request: TextRequest, dialect: Dialect = UNKNOWN, **options: Any) -> str:
    """The error of a request that must not leave."""
    async with LoopbackServer() as server:
        with pytest.raises((UnsupportedFeatureError, InvalidRequestError)) as caught:
            await ask(server, request, dialect, **options)
        assert not server.requests
        return str(caught.value)
