"""Answers of Anthropic's Messages API as the server sends them, whole and as events.

The shapes were held against the response classes of ``anthropic`` 2.11 once, by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from gensdk.backends.anthropic import AnthropicBackend
from gensdk.backends.anthropic.request import Prepared, prepare
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.types import ResponseWarning, TextEvent, TextRequest, TextResponse
from tests.support.server import Handler, LoopbackServer, RecordedRequest, answer_json

TODAY = date(2026, 11, 21)
PATH = "/v1/messages"
KEY = "sk-ant-canary-1234567890"
MODEL = "claude-sonnet-5-5"
HEADERS = {"request-id": "req_011CX"}
USAGE = {
    "input_tokens": 12,
    "output_tokens": 9,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 30,
    "output_tokens_details": {"thinking_tokens": 4},
    "service_tier": "standard",
}


def backend(server: LoopbackServer, **settings: Any) -> AnthropicBackend:
    """A backend that talks to the test's server."""
    given: dict[str, Any] = {"api_key": KEY}
    return AnthropicBackend(base_url=server.url, **(given | settings))


def context(model: str = MODEL, **facts: Any) -> Context:
    """One attempt at a model."""
    return Context(model=model, connect_s=5, read_s=5, **facts)


def prepared(
    model: str = MODEL, unsupported: Any = "warn", settings: Any = None, **fields: Any
) -> tuple[Prepared, tuple[ResponseWarning, ...]]:
    """A request to Anthropic itself as it would go out, and what was noted about it."""
    source = AnthropicBackend(api_key=KEY, **(settings or {}))
    attempt = context(model, unsupported=unsupported)
    notes = Notes(source.name, attempt)
    request = TextRequest(**({"prompt": "hi"} | fields))
    return prepare(request, attempt, source.account, notes), notes.warnings


def body(model: str = MODEL, **fields: Any) -> dict[str, Any]:
    """The body of a request that nothing is noted about."""
    sent, warnings = prepared(model, **fields)
    assert warnings == ()
    return dict(sent.payload)


def text(said: str = "Hello", **more: Any) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": said, "citations": None, **more}


def thinking(thought: str = "Hm.", signature: str = "c2ln") -> dict[str, Any]:
    """A block of thinking."""
    return {"type": "thinking", "thinking": thought, "signature": signature}


def tool_use(arguments: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A block that asks for a tool."""
    given = {"city": "Oslo"} if arguments is None else arguments
    return {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": given, **more}


def search() -> list[dict[str, Any]]:
    """Blocks of a search that the provider ran itself."""
    asked = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search"}
    page = {
        "type": "web_search_result", "title": "Cats", "url": "https://cats.example",
        "encrypted_content": "enc", "page_age": None,
    }  # fmt: skip
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [page]}
    return [{**asked, "input": {"query": "cats"}}, found]


CITATION = {
    "type": "char_location", "cited_text": "The sky is green.", "document_index": 0,
    "document_title": "Sky", "file_id": None, "start_char_index": 0, "end_char_index": 17,
}  # fmt: skip


def message(*blocks: dict[str, Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    """A whole answer."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": list(blocks),
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": USAGE,
    } | more


def refused(category: str | None = "cyber") -> dict[str, Any]:
    """How a refusal is explained."""
    return {"type": "refusal", "category": category, "explanation": "It could do harm."}


def failure(kind: str, message: str = "It failed.", code: str | None = None) -> dict[str, Any]:
    """The body of an error."""
    error: dict[str, Any] = {"type": kind, "message": message}
    if code is not None:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": "req_body"}


def events(*blocks: dict[str, Any], **more: Any) -> list[tuple[str | None, Any]]:
    """The stream of an answer: pings, every block in pieces, and the end."""
    whole = message(*blocks, **more)
    begun = whole | {"content": [], "stop_reason": None, "stop_details": None}
    begun["usage"] = USAGE | {"output_tokens": 1, "output_tokens_details": None}
    told: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        told += _block_events(index, block)
    delta = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    used = {k: v for k, v in whole["usage"].items() if k != "service_tier"}
    told.append({"type": "message_delta", "delta": delta, "usage": used})
    told.append({"type": "message_stop"})
    return named(told)


def named(told: list[dict[str, Any]]) -> list[tuple[str | None, Any]]:
    """Events under the names the server gives them."""
    return [(event["type"], event) for event in told]


def _block_events(index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    kind = block["type"]
    blank: dict[str, dict[str, Any]] = {
        "text": {"text": "", "citations": None},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
        "server_tool_use": {"input": {}},
    }
    empty = blank.get(kind, {})
    deltas: list[dict[str, Any]] = []
    if kind == "text":
        deltas += [{"type": "citations_delta", "citation": one} for one in block["citations"] or []]
        deltas += [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    elif kind == "thinking":
        deltas += [
            {"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])
        ]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind in {"tool_use", "server_tool_use"}:
        deltas.append({"type": "input_json_delta", "partial_json": ""})
        written = json.dumps(block["input"])
        deltas += [{"type": "input_json_delta", "partial_json": one} for one in pieces(written)]
    return [
        {"type": "content_block_start", "index": index, "content_block": block | empty},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def pieces(whole: str, size: int = 3) -> list[str]:
    """A text cut into small pieces."""
    return [whole[start : start + size] for start in range(0, len(whole), size)]


async def ask(answer: Any, model: str = MODEL, **fields: Any) -> TextResponse[Any]:
    """One plain call that is answered with ``answer``."""
    return (await exchange(answer, model, **fields))[0]


async def exchange(
    answer: Any, model: str = MODEL, settings: Any = None, **fields: Any
) -> tuple[TextResponse[Any], RecordedRequest]:
    """One plain call and the request it made."""
    handler: Handler = answer if callable(answer) else answer_json(answer, headers=HEADERS)
    async with LoopbackServer() as server:
        server.on("POST", PATH, handler)
        source = backend(server, **(settings or {}))
        try:
            request = TextRequest(**({"prompt": "hi"} | fields))
            response = await source.text(request, context(model))
        finally:
            await source.aclose()
        return response, server.requests[0]


async def stream(handler: Handler, model: str = MODEL, **fields: Any) -> list[TextEvent]:
    """All events of one stream."""
    async with LoopbackServer() as server:
        server.on("POST", PATH, handler)
        source = backend(server)
        try:
            request = TextRequest(**({"prompt": "hi"} | fields))
            return [event async for event in source.stream_text(request, context(model))]
        finally:
            await source.aclose()
