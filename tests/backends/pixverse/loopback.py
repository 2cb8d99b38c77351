"""PixVerse's platform on loopback, as its API reference describes it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import gensdk
from gensdk.backends.pixverse import PixVerseBackend
from tests.support.server import (
    Handler,
    LoopbackServer,
    RecordedRequest,
    answer_bytes,
    answer_json,
)

CANARY = "sk-canary0123456789abcdef"
BASE = "/openapi/v2"
RESULT = f"{BASE}/video/result/318"
MP4 = b"\0\0\0\x18ftypisom" + bytes(40)


def envelope(resp: object = None, code: int = 0, said: str = "Success") -> dict[str, Any]:
    return {"ErrCode": code, "ErrMsg": said, "Resp": resp}


def failed(code: int, said: str = "no") -> Handler:
    """A failure as this API tells one: with status 200."""
    return answer_json(envelope(None, code, said))


def job(status: int, **facts: Any) -> dict[str, Any]:
    resp = {
        "create_time": "2026-11-21T12:00:00Z", "id": 318, "modify_time": "", "negative_prompt": "",
        "outputHeight": 720, "outputWidth": 1280, "prompt": "x", "resolution_ratio": 0, "seed": 11,
        "size": 52, "status": status, "style": "", "url": "", "new": None,
    }  # fmt: skip
    return envelope(resp | facts)


def uploads(server: LoopbackServer) -> None:
    """Pictures 901, 902, … and the media 700."""
    pictures = [answer_json(envelope({"img_id": 901 + at, "img_url": "x"})) for at in range(9)]
    server.on("POST", f"{BASE}/image/upload", *pictures)
    media = envelope({"media_id": 700, "media_type": "video", "url": "x"})
    server.on("POST", f"{BASE}/media/upload", answer_json(media))


@asynccontextmanager
async def loopback(**settings: Any) -> AsyncIterator[tuple[LoopbackServer, gensdk.Client]]:
    """A server whose jobs are done at the first look, and a client of it."""
    async with LoopbackServer() as server:
        server.on("POST", "*", answer_json(envelope({"video_id": 318, "credits": 45})))
        uploads(server)
        server.on("GET", RESULT, answer_json(job(1, url=f"{server.url}/out.mp4?sign=secret")))
        server.on("GET", "/out.mp4", answer_bytes(MP4, "video/mp4"))
        backend = PixVerseBackend(api_key=CANARY, base_url=f"{server.url}{BASE}")
        chosen: dict[str, Any] = {
            "retry": gensdk.Retry(attempts=1),
            "media": gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"})),
        } | settings
        async with gensdk.Client(backends={"pixverse": backend}, **chosen) as client:
            yield server, client
        await backend.aclose()


def created(server: LoopbackServer) -> list[RecordedRequest]:
    return [one for one in server.requests if one.path.endswith("/generate")]


def body(server: LoopbackServer) -> tuple[str, Any]:
    """Service and body of the only creation."""
    (sent,) = created(server)
    return sent.path.split("/")[-2], json.loads(sent.body)
