"""A loopback server that answers every endpoint the examples and the front-door tests use."""

from __future__ import annotations

import array
import base64
import json
from typing import Any

from tests.support import openai_responses as responses
from tests.support.openai_media import PNG, b64
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_json,
)

__all__ = ["MP3", "PANCAKES", "fake_openai", "say"]

MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(200)
PANCAKES = {"title": "Pancakes", "minutes": 20, "steps": ["Mix.", "Fry."]}
TEXT_TOKENS = {"text_tokens": 5, "image_tokens": 0}


def say(text: str) -> tuple[dict[str, Any], ...]:
    """The output items of a plain text answer."""
    return (responses.message(text),)


async def _responses(request: RecordedRequest, reply: Reply) -> None:
    asked = request.json()
    output = say("A robot went out to see the sea.")
    if asked.get("text", {}).get("format", {}).get("type") == "json_schema":
        output = say(json.dumps(PANCAKES))
    elif asked.get("tools") and "function_call_output" not in json.dumps(asked["input"]):
        output = (responses.function_call('{"city": "Oslo", "days": 2}'),)
    if asked.get("stream"):
        await reply.sse(responses.events(*output), done=False)
    else:
        await reply.json(responses.body(*output))


async def _embeddings(request: RecordedRequest, reply: Reply) -> None:
    inputs = request.json()["input"]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(array.array("f", [1.0, index, 0.5])).decode(),
        }
        for index, _ in enumerate(inputs)
    ]
    usage = {"prompt_tokens": 6, "total_tokens": 6}
    await reply.json({"object": "list", "data": data, "model": "emb", "usage": usage})


async def _moderations(request: RecordedRequest, reply: Reply) -> None:
    results = [
        {
            "flagged": "hate" in text,
            "categories": {"hate": "hate" in text},
            "category_scores": {"hate": 0.9 if "hate" in text else 0.01},
            "category_applied_input_types": {"hate": ["text"]},
        }
        for text in request.json()["input"]
    ]
    await reply.json({"id": "modr-1", "model": "omni-moderation-latest", "results": results})


async def _images(request: RecordedRequest, reply: Reply) -> None:
    if not request.headers["content-type"].startswith("application/json"):
        await reply.json({"created": 1, "data": [{"b64_json": b64(PNG)}]})
        return
    asked = request.json()
    facts = {
        "b64_json": b64(PNG), "created_at": 1, "size": "1024x1024", "quality": "low",
        "background": "opaque", "output_format": "png",
    }  # fmt: skip
    usage = {
        "input_tokens": 5, "output_tokens": 100, "total_tokens": 105,
        "input_tokens_details": TEXT_TOKENS,
    }  # fmt: skip
    if not asked.get("stream"):
        await reply.json({"created": 1, "data": [{"b64_json": b64(PNG)}], "usage": usage})
        return
    kind = "image_generation"
    partial = {"type": f"{kind}.partial_image", "partial_image_index": 0, **facts}
    done = {"type": f"{kind}.completed", "usage": usage, **facts}
    await reply.sse([(partial["type"], partial), (done["type"], done)], done=False)  # type: ignore[list-item]


def fake_openai() -> LoopbackServer:
    """The server; enter it with ``async with``."""
    server = LoopbackServer()
    server.on("POST", "/v1/responses", _responses)
    server.on("POST", "/v1/embeddings", _embeddings)
    server.on("POST", "/v1/moderations", _moderations)
    server.on("POST", "/v1/images/generations", _images)
    server.on("POST", "/v1/images/edits", _images)
    server.on("POST", "/v1/audio/speech", answer_bytes(MP3, "audio/mpeg"))
    words = {
        "text": "Hello there.",
        "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
    }
    server.on("POST", "/v1/audio/transcriptions", answer_json(words))
    return server
