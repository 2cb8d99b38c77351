"""Servers that copy OpenAI's wire format pass the suite that every backend has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.catalog.compatible import PRESETS
from gensdk.spec import Backend
from gensdk.testing.conformance import HTTPBackendConformance
from gensdk.testing.conformance.options import Options
from gensdk.types import Ability
from tests.backends.openai.test_conformance import CHUNKS, KEY, serve
from tests.support.conformance import sent_to, wire_of
from tests.support.fake_openai import fake_openai


class TestCompatible(HTTPBackendConformance):
    """A server that nothing is known about, with every ability, videos too."""

    dialect: ClassVar[str] = "compatible"
    secret = KEY
    base_path = "/v1"
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {"text": wire_of(CHUNKS)}

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with fake_openai() as self.server:
            serve(self.server)
            yield self.backend_at(f"{self.server.url}/v1")

    def backend_at(self, base_url: str) -> Any:
        return OpenAICompatibleBackend(base_url, dialect=self.dialect, api_key=KEY)

    def sent(self) -> list[object]:
        return sent_to(self.server, "POST")


class TestVideos(TestCompatible):
    """``/v1/videos`` with the further fields of vLLM-Omni."""

    dialect = "vllm-omni"


@pytest.mark.parametrize("dialect", sorted(PRESETS))
def test_no_option_is_lost_at_any_known_server(dialect: str) -> None:
    class Known(Options):
        backend = TestCompatible.backend
        backend_at = TestCompatible.backend_at
        sent = TestCompatible.sent

    Known.dialect = dialect  # type: ignore[attr-defined]
    Known().test_every_option_is_accounted_for()
