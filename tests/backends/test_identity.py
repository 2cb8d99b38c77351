"""Whose answers an account gets: what the cache tells accounts apart by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from gensdk.backends.anthropic import AnthropicBackend
from gensdk.backends.elevenlabs import ElevenLabsBackend
from gensdk.backends.google import GoogleBackend
from gensdk.backends.huggingface import HuggingFaceBackend
from gensdk.backends.openai import OpenAIBackend
from gensdk.backends.perplexity import PerplexityBackend
from gensdk.backends.pixverse import PixVerseBackend
from gensdk.backends.runway import RunwayBackend
from gensdk.backends.stability import StabilityBackend

HOSTED: list[Callable[..., Any]] = [
    AnthropicBackend,
    ElevenLabsBackend,
    GoogleBackend,
    HuggingFaceBackend,
    OpenAIBackend,
    PerplexityBackend,
    PixVerseBackend,
    RunwayBackend,
    StabilityBackend,
]


@pytest.mark.parametrize("backend", HOSTED)
def test_naming_the_transport_changes_nothing(backend: Callable[..., Any]) -> None:
    usual = backend(api_key="key-number-one").identity("m")
    assert usual is not None
    assert usual == backend(api_key="key-number-two", http_client="httpx2").identity("m")
    assert usual == backend(api_key="key-number-one", http_client="aiohttp").identity("m")


@pytest.mark.parametrize("backend", HOSTED)
def test_another_address_is_another_server(backend: Callable[..., Any]) -> None:
    usual = backend(api_key="key-number-one")
    assert usual.identity("m") != backend(base_url="https://elsewhere.example").identity("m")


@pytest.mark.parametrize("backend", HOSTED)
def test_the_users_own_client_may_send_requests_anywhere(backend: Callable[..., Any]) -> None:
    own = httpx2.AsyncClient()
    assert backend(api_key="key-number-one", http_client=own).identity("m") is None
