"""Bodies of the Gemini API as the server sends them, and accounts that talk to a test's server.

Every body here, and every request that the tests expect, was held against the classes of
google-genai 3.4.0 once (its package is no dependency of the tests).
"""

from __future__ import annotations

import base64
from datetime import date
from typing import Any

import gensdk
from gensdk.backends.google import GoogleBackend
from gensdk.spec import Context
from tests.support.scripts import QUICK
from tests.support.server import LoopbackServer

KEY = "AIza-canary-0123456789"
TODAY = date(2026, 11, 21)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
MP4 = b"\0\0\0\x18ftypisom" + bytes(32)
MP3 = b"ID3\x04\0\0\0\0\0\0" + bytes(32)


def content(model: str, method: str = "generateContent") -> str:
    """Path of a model's method."""
    return f"/v1/models/{model}:{method}"


def backend(server: LoopbackServer, **settings: Any) -> GoogleBackend:
    """An account that talks to the test's server."""
    given: dict[str, Any] = {"api_key": KEY}
    return GoogleBackend(base_url=server.url, **(given | settings))


def client(server: LoopbackServer, **settings: Any) -> gensdk.Client:
    """A client whose provider ``google`` is the test's server."""
    given: dict[str, Any] = {"backends": {"google": backend(server)}, "retry": QUICK}
    return gensdk.Client(**(given | settings))


def context(model: str = "gemini-3.8-flash", **facts: Any) -> Context:
    """One attempt at a model."""
    return Context(model=model, connect_s=5, read_s=5, **facts)


def usage(**counts: int) -> dict[str, Any]:
    """Tokens of an answer."""
    return {
        "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}], **counts,
    }  # fmt: skip


def answer(*parts: dict[str, Any], finish: str | None = "STOP", **facts: Any) -> dict[str, Any]:
    """An answer of ``generateContent``, or an event of its stream."""
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": list(parts)}}
    if finish is not None:
        candidate["finishReason"] = finish
    candidate |= facts.pop("candidate", {})
    body = {"candidates": [candidate], "modelVersion": "gemini-3.8-flash", "responseId": "r-1"}
    return body | {"usageMetadata": usage()} | facts


def text(words: str = "Hello", **more: Any) -> dict[str, Any]:
    """A part of text."""
    return {"text": words, **more}


def call(name: str = "weather", **more: Any) -> dict[str, Any]:
    """A part that calls a function."""
    signature = {"thoughtSignature": more.pop("signature")} if "signature" in more else {}
    return {"functionCall": {"name": name, "args": {"city": "Oslo"}, **more}, **signature}


def inline(data: bytes, kind: str, **more: Any) -> dict[str, Any]:
    """A part that holds a medium."""
    told = {"mimeType": kind, "data": base64.b64encode(data).decode()}
    return {"inlineData": told, **more}


def failure(
    status: int, word: str, *details: dict[str, Any], message: str = "no"
) -> dict[str, Any]:
    """A ``google.rpc.Status``."""
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if details:
        error["details"] = list(details)
    return {"error": error}


def detail(kind: str, **fields: Any) -> dict[str, Any]:
    """One detail of a failure."""
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def interaction(status: str = "completed", *made: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """An interaction as it stands."""
    steps: list[dict[str, Any]] = [{"type": "thought", "signature": "c2ln"}]
    if made:
        steps.append({"type": "model_output", "content": list(made)})
    counted = {"total_input_tokens": 12, "total_output_tokens": 700, "total_tokens": 712}
    body = {"id": "int-1", "status": status, "model": "lyria-3.5", "steps": steps}
    return body | {"usage": counted} | facts
