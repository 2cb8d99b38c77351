"""Bodies of OpenAI's Responses API as the server sends them, checked by OpenAI's own types."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gensdk.backends.openai import OpenAIBackend
from gensdk.spec import Context
from gensdk.types import TextEvent, TextRequest
from tests.support.server import LoopbackServer

TODAY = date(2026, 11, 20)
PATH = "/v1/responses"
_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def backend(server: LoopbackServer, **settings: Any) -> OpenAIBackend:
    """An OpenAI backend that talks to the test's server."""
    given: dict[str, Any] = {"api_key": "sk-test-1234567890"}
    return OpenAIBackend(base_url=f"{server.url}/v1", **(given | settings))


def context(model: str = "gpt-4.1", **facts: Any) -> Context:
    """One attempt at a model."""
    return Context(model=model, connect_s=5, read_s=5, **facts)


def message(
    text: str = "Hello", item_id: str = "msg_1", status: str = "completed", **more: Any
) -> dict[str, Any]:
    """An output item: a message of text."""
    content = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": item_id,
        "role": "assistant",
        "status": status,
        "content": [content | more.pop("content", {})],
        **more,
    }


def refusal(text: str = "I cannot.") -> dict[str, Any]:
    """An output item: a message that declines."""
    return {
        "type": "message",
        "id": "msg_r",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "refusal", "refusal": text}],
    }


def reasoning(*summaries: str, **more: Any) -> dict[str, Any]:
    """An output item: thinking."""
    return {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": text} for text in summaries],
        **more,
    }


def function_call(arguments: str = '{"city": "Oslo"}', **more: Any) -> dict[str, Any]:
    """An output item: a function to call."""
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "weather",
        "arguments": arguments,
        "status": "completed",
        **more,
    }


def body(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole response; checked against the type OpenAI's own package parses it with."""
    whole = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1795000000,
        "model": "gpt-4.1-2025-04-14",
        "status": "completed",
        "output": list(output),
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "service_tier": "default",
        "usage": {
            "input_tokens": 12,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 21,
        },
    } | more
    Response.model_validate(whole)
    return whole


def events(*output: dict[str, Any], final: str = "completed", **more: Any) -> list[Any]:
    """The stream of a response: every item added, its text in pieces, done, and the end."""
    told: list[dict[str, Any]] = [
        {"type": "response.created", "response": body(status="in_progress", **_no_end(more))}
    ]
    for index, item in enumerate(output):
        told += _item_events(index, item)
    status = "completed" if final == "completed" else final
    told.append({"type": f"response.{final}", "response": body(*output, status=status, **more)})
    return numbered(told)


def _no_end(more: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in more.items() if k not in {"incomplete_details", "error", "usage"}}


def _item_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    where = {"output_index": index, "item_id": item["id"]}
    empty: dict[str, dict[str, Any]] = {
        "message": {"content": []},
        "function_call": {"arguments": ""},
        "reasoning": {"summary": []},
    }
    started = item | empty[item["type"]]
    told = [{"type": "response.output_item.added", "output_index": index, "item": started}]
    for number, part in enumerate(item.get("content", [])):
        told += _part_events(where | {"content_index": number}, part)
    for piece in pieces(item.get("arguments", "")):
        told.append({"type": "response.function_call_arguments.delta", "delta": piece, **where})
    for number, part in enumerate(item.get("summary", [])):
        kind = {"type": "response.reasoning_summary_text.delta", "summary_index": number}
        told += [kind | where | {"delta": piece} for piece in pieces(part["text"])]
    told.append({"type": "response.output_item.done", "output_index": index, "item": item})
    return told


def _part_events(where: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    if part["type"] == "refusal":
        return [
            {"type": "response.refusal.delta", "delta": piece, **where}
            for piece in pieces(part["refusal"])
        ]
    told: list[dict[str, Any]] = [
        {"type": "response.content_part.added", "part": part | {"text": ""}, **where}
    ]
    told += [
        {"type": "response.output_text.delta", "delta": piece, "logprobs": [], **where}
        for piece in pieces(part["text"])
    ]
    told.append(
        {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **where}
    )
    return told


def pieces(text: str, size: int = 3) -> list[str]:
    """A text cut into small pieces."""
    return [text[start : start + size] for start in range(0, len(text), size)]


def numbered(told: list[dict[str, Any]]) -> list[tuple[str | None, Any]]:
    """Events with sequence numbers, named as the server names them."""
    named: list[tuple[str | None, Any]] = []
    for number, event in enumerate(told):
        whole = event | {"sequence_number": number}
        _EVENTS.validate_json(json.dumps(whole))
        named.append((event["type"], whole))
    return named


async def collect(source: OpenAIBackend, request: TextRequest, attempt: Context) -> list[TextEvent]:
    """All events of a stream."""
    return [event async for event in source.stream_text(request, attempt)]
