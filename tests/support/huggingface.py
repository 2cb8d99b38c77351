"""Hugging Face on loopback: the hub, the router with the providers behind it, and their files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import gensdk
from gensdk.backends.huggingface import HuggingFaceBackend
from gensdk.testing.conformance.samples import picture, sound
from gensdk.toolkit import MediaPolicy
from gensdk.types import Media
from tests.support.server import LoopbackServer, answer_bytes, answer_json

CANARY = "hf_canary0123456789abcdef"
MODEL = "org/model"
HUB = f"/api/models/{MODEL}"
PICTURE: Media = picture()
SOUND: Media = sound()
FILM = Media(data=b"\0\0\0\x18ftypisom" + bytes(40))


def entry(provider: str, task: str, model: str = "vendor/name", **more: Any) -> dict[str, Any]:
    """What the hub says of a model at one provider."""
    facts = {"provider": provider, "providerId": model, "task": task, "status": "live"}
    return {**facts, "isModelAuthor": False, **more}


def mapping(*entries: Mapping[str, Any]) -> dict[str, Any]:
    """What the hub answers about a model."""
    return {"id": MODEL, "_id": "6", "inferenceProviderMapping": list(entries)}


@asynccontextmanager
async def loopback(
    *entries: Mapping[str, Any], client: Mapping[str, Any] = {}, **settings: Any
) -> AsyncIterator[tuple[LoopbackServer, gensdk.Client]]:
    """A server for hub, router and files, and a client of it that tries once."""
    async with LoopbackServer() as server:
        server.on("GET", HUB, answer_json(mapping(*entries)))
        server.on("GET", "/files/picture.png", answer_bytes(PICTURE.data, "image/png"))
        server.on("GET", "/files/sound.wav", answer_bytes(SOUND.data, "audio/wav"))
        server.on("GET", "/files/film.mp4", answer_bytes(FILM.data, "video/mp4"))
        backend = HuggingFaceBackend(
            api_key=CANARY, base_url=server.url, hub_url=server.url, poll_s=0.001, **settings
        )
        given: dict[str, Any] = {
            "backends": {"huggingface": backend},
            "retry": gensdk.Retry(attempts=1),
            "media": MediaPolicy(allow_hosts=frozenset({"127.0.0.1"})),
            **client,
        }
        async with gensdk.Client(**given) as opened:
            yield server, opened
        await backend.aclose()


def posted(server: LoopbackServer) -> list[Any]:
    """The requests that cost something."""
    return [one for one in server.requests if one.method == "POST"]
