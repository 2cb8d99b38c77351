"""PixVerse passes the suite that foreign backends have to pass."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import gensdk
from gensdk.backends.pixverse import PixVerseBackend
from gensdk.spec import Backend, Context
from gensdk.testing.conformance import HTTPBackendConformance
from gensdk.toolkit import Downloader
from gensdk.types import Ability
from tests.backends.pixverse.loopback import (
    BASE,
    CANARY,
    MP4,
    RESULT,
    envelope,
    failed,
    job,
    uploads,
)
from tests.support.server import LoopbackServer, answer_bytes, answer_json


class TestPixVerse(HTTPBackendConformance):
    model = "v5.6"
    secret = CANARY
    base_path = BASE
    honours: ClassVar[Mapping[Ability, Collection[str]]] = {"video": {"format"}}
    values: ClassVar[Mapping[Ability, Mapping[str, Mapping[str, Any]]]] = {
        "video": {  # the suite's own are what is made anyhow
            "size": {"size": "720x1280"},
            "aspect_ratio": {"aspect_ratio": "9:16"},
            "resolution": {"resolution": "1080p"},
            "duration_s": {"duration_s": 8},
        }
    }

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            self.server.on("POST", "*", answer_json(envelope({"video_id": 318})))
            uploads(self.server)
            done = job(1, url=f"{self.server.url}/out.mp4")
            self.server.on("GET", RESULT, answer_json(done))
            self.server.on("GET", "/out.mp4", answer_bytes(MP4, "video/mp4"))
            self.server.on("GET", "*", failed(500008))
            yield self.backend_at(f"{self.server.url}{BASE}")

    def backend_at(self, base_url: str) -> PixVerseBackend:
        return PixVerseBackend(base_url=base_url, api_key=CANARY)

    def context(self, backend: Backend, ability: Ability, **facts: Any) -> Context:
        policy = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}))
        facts.setdefault("collect", Downloader(policy).fetch)
        return super().context(backend, ability, **facts)

    def sent(self) -> list[object]:
        return [
            (request.path, json.loads(request.body))
            for request in self.server.requests
            if request.path.endswith("/generate")
        ]
