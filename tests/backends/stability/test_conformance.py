"""Stability passes the suite that every backend has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from gensdk.backends.stability import StabilityBackend
from gensdk.backends.stability.errors import ROWS
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    JobExpiredError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)
from gensdk.spec import Backend
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.testing.conformance.samples import PLAIN, picture
from gensdk.types import Ability, ImageRequest, Request
from tests.backends.stability.test_images import CANARY, HEADERS, named
from tests.backends.stability.test_music_and_jobs import AUDIO, ID, MP3, RUNNING
from tests.support.conformance import sent_to
from tests.support.openai_media import PNG
from tests.support.server import LoopbackServer, answer_bytes, answer_error, answer_json

DRAWN = answer_bytes(PNG, "image/png", headers=HEADERS)
PLAYED = answer_bytes(MP3, "audio/mpeg", headers=HEADERS)

NAMES: tuple[tuple[type[GenSDKError], int, tuple[str, ...]], ...] = (
    (
        ContentBlockedError, 403,
        ("content_moderation", "public_figure", "copyrighted_content"),
    ),
    (InvalidRequestError, 400, ("invalid_language", "bad_request")),
    (AuthenticationError, 401, ("unauthorized",)),
    (QuotaExceededError, 402, ("payment_required", "insufficient_balance")),
    (RequestTooLargeError, 413, ("payload_too_large",)),
    (ServerError, 500, ("internal_error",)),
)  # fmt: skip
ERRORS = (
    *(
        DocumentedError(status, named(name), error, name, request_id="e1")
        for error, status, names in NAMES
        for name in names
    ),
    DocumentedError(404, named("generation_not_found"), JobExpiredError, billed="maybe"),
    # "You will be timed out for 60 seconds", and the answer does not say so.
    DocumentedError(429, named("rate_limit_exceeded"), RateLimitError, retry_after=60.0),
)


class TestStability(HTTPBackendConformance):
    models: ClassVar[Mapping[Ability, str]] = {
        "image": "sd3.5-large", "music": "stable-audio-2.5",
    }  # fmt: skip
    model = "sd3.5-large"
    secret = CANARY
    errors = ERRORS
    error_rows = ROWS
    raw = frozenset[Ability]({"image", "music"})
    honours: ClassVar[Mapping[Ability, frozenset[str]]] = {
        "music": frozenset({"instrumental"}),  # Stable Audio makes nothing else
    }

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            self.serve(self.server)
            yield self.backend_at(self.server.url)

    def serve(self, server: LoopbackServer) -> None:
        server.on("POST", "*", DRAWN)
        for kind in ("text-to-audio", "audio-to-audio", "inpaint"):
            server.on("POST", f"{AUDIO}/stable-audio-2/{kind}", PLAYED)

    def backend_at(self, base_url: str) -> Any:
        return StabilityBackend(base_url=base_url, api_key=CANARY)

    def sent(self) -> list[object]:
        return sent_to(self.server, "POST")


class TestStabilityJobs(TestStability):
    """The services that answer with a job."""

    models: ClassVar[Mapping[Ability, str]] = {
        "image": "upscale-creative", "music": "stable-audio-3",
    }  # fmt: skip
    model = "upscale-creative"
    values: ClassVar[Mapping[Ability, Mapping[str, Mapping[str, Any]]]] = {
        "image": {"images": {"images": (picture(128),)}},
    }

    def serve(self, server: LoopbackServer) -> None:
        server.on("POST", "*", answer_json({"id": ID}))
        server.on("GET", "*", answer_error(404, named("generation_not_found")))
        server.on("GET", f"/v2beta/results/{ID}", RUNNING, DRAWN)
        server.on("GET", f"{AUDIO}/results/{ID}", RUNNING, PLAYED)

    def requests(self) -> Mapping[Ability, Request]:
        picked = ImageRequest(prompt="a grey square", images=(picture(),))
        return {**PLAIN, "image": picked}
