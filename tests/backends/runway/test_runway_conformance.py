"""Runway passes the suite that foreign backends have to pass."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import gensdk
from gensdk.backends.runway import RunwayBackend
from gensdk.spec import Backend, Context
from gensdk.testing.conformance import HTTPBackendConformance
from gensdk.toolkit import Downloader
from gensdk.types import Ability
from tests.backends.runway.loopback import CANARY, CREATED, MP3, MP4, TASK, deleted, task
from tests.support.openai_media import PNG
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_json,
)

_FILES = {"text_to_image": PNG, "text_to_speech": MP3, "sound_effect": MP3}


class TestRunway(HTTPBackendConformance):
    models: ClassVar[Mapping[Ability, str]] = {
        "video": "veo3.1",
        "image": "gpt_image_2",
        "speech": "eleven_v3",
        "music": "mirelo_sfx_2_0",
    }
    model = "gen4.5"
    secret = CANARY
    honours: ClassVar[Mapping[Ability, Collection[str]]] = {"video": {"format"}}
    values: ClassVar[Mapping[Ability, Mapping[str, Mapping[str, Any]]]] = {
        "video": {  # the suite's own are what is made anyhow
            "size": {"size": "720x1280"},
            "aspect_ratio": {"aspect_ratio": "9:16"},
            "resolution": {"resolution": "1080p"},
        }
    }

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            made = [MP4]

            async def started(request: RecordedRequest, reply: Reply) -> None:
                made[0] = _FILES.get(request.path.removeprefix("/v1/"), MP4)
                await reply.json(CREATED)

            async def file(request: RecordedRequest, reply: Reply) -> None:
                await reply.bytes(made[0], "application/octet-stream")

            self.server.on("POST", "*", started)
            output = [f"{self.server.url}/out/0"]
            self.server.on("GET", TASK, answer_json(task("SUCCEEDED", output=output)))
            self.server.on("GET", "/out/0", file)
            self.server.on("DELETE", TASK, deleted)
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> RunwayBackend:
        return RunwayBackend(base_url=base_url, api_key=CANARY)

    def context(self, backend: Backend, ability: Ability, **facts: Any) -> Context:
        policy = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}))
        facts.setdefault("collect", Downloader(policy).fetch)
        return super().context(backend, ability, **facts)

    def sent(self) -> list[object]:
        return [
            (request.path, json.loads(request.body))
            for request in self.server.requests
            if request.method == "POST"
        ]
