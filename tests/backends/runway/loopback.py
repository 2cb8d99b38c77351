"""Runway's tasks on loopback, as ``runwayml`` 5.24 reads them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import gensdk
from gensdk.backends.runway import RunwayBackend
from tests.support.server import LoopbackServer, RecordedRequest, Reply, answer_bytes, answer_json

CANARY = "key_canary0123456789abcdef"
ID = "17f20503-6c24-4c16-946b-35dbbce2af2f"
TASK = f"/v1/tasks/{ID}"
MADE = "2026-11-21T12:00:00.000Z"
CREATED = {"id": ID, "estimatedCost": {"credits": 60}}
MP4 = b"\0\0\0\x18ftypisom" + bytes(40)
MP3 = b"ID3\x04\x00" + bytes(40)


def task(status: str, **facts: Any) -> dict[str, Any]:
    """A task as it is told."""
    ended = status in {"SUCCEEDED", "FAILED", "CANCELLED"}
    cost = {"cost": {"credits": 60}} if ended else {"estimatedCost": {"credits": 60}}
    return {"id": ID, "createdAt": MADE, "status": status, **cost, **facts}


@asynccontextmanager
async def loopback(
    made: bytes = MP4, *, endpoint: str = "*", **settings: Any
) -> AsyncIterator[tuple[LoopbackServer, gensdk.Client]]:
    """A server whose tasks succeed at the first look, and a client of it."""
    async with LoopbackServer() as server:
        server.on("POST", endpoint, answer_json(CREATED))
        output = [f"{server.url}/out/0?_jwt=signed"]
        server.on("GET", TASK, answer_json(task("SUCCEEDED", output=output)))
        server.on("GET", "/out/0", answer_bytes(made, "application/octet-stream"))
        server.on("DELETE", TASK, deleted)
        backend = RunwayBackend(api_key=CANARY, base_url=server.url)
        chosen: dict[str, Any] = {
            "retry": gensdk.Retry(attempts=1),
            "media": gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"})),
        } | settings
        async with gensdk.Client(backends={"runway": backend}, **chosen) as client:
            yield server, client
        await backend.aclose()


async def deleted(request: RecordedRequest, reply: Reply) -> None:
    await reply.bytes(b"", "application/json", 204)


def posts(server: LoopbackServer) -> list[RecordedRequest]:
    return [request for request in server.requests if request.method == "POST"]


def body(server: LoopbackServer) -> Any:
    (sent,) = posts(server)
    return json.loads(sent.body)
