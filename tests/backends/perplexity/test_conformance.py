"""Perplexity passes the suite that every backend has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from gensdk.backends.perplexity import PerplexityBackend
from gensdk.backends.perplexity.errors import ROWS
from gensdk.errors import (
    AuthenticationError,
    ModelNotFoundError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)
from gensdk.spec import Backend
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.types import Ability
from tests.backends.perplexity.test_perplexity import CANARY, CHAT, chunks, coded, completion
from tests.support.conformance import by_asking, sent_to, wire_of
from tests.support.server import LoopbackServer, RecordedRequest, Reply, answer_json

STREAM = chunks("A [1], ", "B [2].")


def failed(status: int, kind: str) -> dict[str, Any]:
    """The error body of the documentation: the code is the status again."""
    return {"error": {"message": "No.", "type": kind, "code": status}}


ERRORS = (
    DocumentedError(400, failed(400, "invalid_model"), ModelNotFoundError),
    DocumentedError(401, failed(401, "authentication_error"), AuthenticationError),
    DocumentedError(401, failed(401, "insufficient_quota"), QuotaExceededError),
    DocumentedError(
        429, failed(429, "requests_rate_limit_exceeded"), RateLimitError, retry_after=3.0,
        request_id="r-1", headers={"retry-after": "3", "x-request-id": "r-1"},
    ),
    DocumentedError(500, failed(500, "internal_error"), ServerError),
)  # fmt: skip


class TestPerplexity(HTTPBackendConformance):
    models: ClassVar[Mapping[Ability, str]] = {"embed": "pplx-embed-v1-4b"}
    model = "sonar-pro"
    secret = CANARY
    errors = ERRORS
    error_rows = ROWS
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {"text": wire_of(STREAM)}

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            told = by_asking(answer_json(completion()), STREAM, done=True)
            self.server.on("POST", CHAT, told)
            self.server.on("POST", "/v1/embeddings", vectors)
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> Any:
        return PerplexityBackend(base_url=base_url, api_key=CANARY)

    def sent(self) -> list[object]:
        return sent_to(self.server)


async def vectors(request: RecordedRequest, reply: Reply) -> None:
    asked = request.json()
    length = asked.get("dimensions", 2560)
    await reply.json(coded(*(bytes([7]) * length for _ in asked["input"])))
