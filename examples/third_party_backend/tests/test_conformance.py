"""The package passes the suite that every backend of gensdk passes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

from fake_acme import STREAM, fake_acme
from gensdk_acme import AcmeBackend
from gensdk_acme.wire import ERRORS

from gensdk.errors import ContentBlockedError, ContextLengthError, ModelNotFoundError
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.types import Ability


class TestAcme(HTTPBackendConformance):
    models: ClassVar[Mapping[Ability, str]] = {"embed": "acme-vectors-1"}
    model = "acme-1"
    secret = "key-of-the-tests"  # a made-up one
    error_rows = ERRORS
    errors = (
        DocumentedError(400, {"error": {"code": "too_many_words"}}, ContextLengthError),
        DocumentedError(400, {"error": {"code": "rude"}}, ContentBlockedError, "rude"),
        DocumentedError(404, {"error": {"code": "no_such_model"}}, ModelNotFoundError),
    )
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {"text": STREAM}

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[AcmeBackend]:
        async with fake_acme() as self.server:
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> AcmeBackend:
        return AcmeBackend(base_url=base_url, api_key=self.secret)

    def sent(self) -> list[object]:
        return [*self.server.bodies]
