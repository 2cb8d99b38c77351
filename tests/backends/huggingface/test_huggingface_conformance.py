"""The suite every backend passes, with a provider of each kind behind the router."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from math import inf
from typing import Any, ClassVar

from gensdk.backends.huggingface import HuggingFaceBackend
from gensdk.backends.huggingface.providers import Entry
from gensdk.spec import Backend, Context
from gensdk.testing.conformance import HTTPBackendConformance
from gensdk.testing.conformance.options import Options
from gensdk.types import URL, Ability, Media
from tests.support import openai_chat as chat
from tests.support.huggingface import CANARY, FILM, MODEL, PICTURE, SOUND, entry
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_error,
    answer_json,
)

KNOWN = [
    (provider, task)
    for provider in ("together", "replicate")
    for task in ("text-to-image", "image-to-image", "text-to-video", "image-to-video",
                 "text-to-speech", "automatic-speech-recognition")
]  # fmt: skip
MADE: Mapping[Ability, Media] = {"image": PICTURE, "speech": SOUND, "video": FILM}


async def answer(request: RecordedRequest, reply: Reply) -> None:
    """Any request to the router, in the words of whoever stands in its path."""
    provider, place = request.path.strip("/").partition("/")[::2]
    if provider == "v1":
        if request.json().get("stream"):
            usage = (None, chat.chunk_of([], chat.USAGE))
            await reply.sse([chat.chunk(content="A "), chat.chunk("stop", content="robot."), usage])
        else:
            count = request.json().get("n", 1)
            choices = [chat.choice("A robot.", index=index) for index in range(count)]
            await reply.json(chat.completion(*choices))
    elif provider == "hf-inference":
        if place.endswith("feature-extraction"):
            await reply.json([[1.0] * request.json().get("dimensions", 8)] * 2)
        elif place.endswith("image"):
            await reply.bytes(PICTURE.data, "image/png")
        elif place.endswith("speech"):
            await reply.bytes(SOUND.data, "audio/wav")
        else:
            await reply.json({"text": "Hi", "chunks": [{"text": "Hi", "timestamp": [0, 1]}]})
    elif provider == "together" and "videos" in place:
        await reply.json({"id": "w1", "status": "queued"})
    else:
        await reply.json({"id": "w1", "status": "succeeded", "output": "https://made.example/x"})


class _Stage(Options):
    secret = CANARY
    models: ClassVar[Mapping[Ability, str]] = {
        "text": "org/chat",
        "image": "org/image:hf-inference",
        "speech": "org/speech:hf-inference",
        "transcribe": "org/hear:hf-inference",
        "embed": "org/embed:hf-inference",
        "video": f"{MODEL}:together",
    }

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            self.server.on("POST", "*", answer)
            ended = {"status": "completed", "outputs": {"video_url": "https://made.example/x"}}
            self.server.on("GET", "/together/v2/videos/w1", answer_json(ended))
            self.server.on("GET", "*", answer_error(404, {"error": "not found"}))
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> HuggingFaceBackend:
        """The hub has been asked already: its faults are not those of an attempt."""
        backend = HuggingFaceBackend(
            base_url=base_url, hub_url=base_url, api_key=CANARY, poll_s=0.001
        )
        told = [entry(provider, task) for provider, task in KNOWN]
        entries = tuple(Entry.model_validate(facts) for facts in told)
        backend.accounts.providers._kept[MODEL] = inf, entries
        return backend

    def context(self, backend: Backend, ability: Ability, **facts: Any) -> Context:
        async def collect(url: URL) -> Media:
            return MADE[ability]

        return super().context(backend, ability, **{"collect": collect, **facts})

    def sent(self) -> list[object]:
        return [
            (one.path, one.body if "multipart" not in one.headers.get("content-type", "")
             else [(part.name, part.content) for part in one.form()])
            for one in self.server.requests if one.method == "POST"
        ]  # fmt: skip


class TestHuggingFace(_Stage, HTTPBackendConformance):
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {
        "text": b"".join(
            f"data: {json.dumps(data)}\n\n".encode()
            for _, data in (chat.chunk(content="A "), chat.chunk("stop", content="robot"))
        )
    }


class TestReplicate(_Stage):
    """The same with everything in an envelope, out of a queue."""

    models: ClassVar[Mapping[Ability, str]] = {
        "text": "org/chat:groq",
        "image": f"{MODEL}:replicate",
        "speech": f"{MODEL}:replicate",
        "transcribe": f"{MODEL}:replicate",
        "embed": "org/embed:hf-inference",
        "video": f"{MODEL}:together",
    }
