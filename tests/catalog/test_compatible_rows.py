"""The rows of servers that speak OpenAI's wire format."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlsplit

import pytest

from gensdk.catalog.compatible import OPENAI, PRESETS, UNKNOWN, Dialect
from gensdk.types import ABILITIES, TextRequest

ROWS = [OPENAI, UNKNOWN, *PRESETS.values()]
PARTS = {"image_input", "audio_input", "file_input", "named_tool_choice"}
HOSTED = {
    "perplexity", "groq", "mistral", "deepseek", "together", "fireworks", "openrouter", "xai",
    "huggingface", "cerebras", "nvidia",
}  # fmt: skip
OWN = {
    "vllm", "vllm-omni", "sglang", "ollama", "llamacpp", "lmstudio", "tgi", "transformers-serve",
}  # fmt: skip


def test_the_hosts_are_there() -> None:
    assert PRESETS.keys() == HOSTED | OWN
    assert "openai" not in PRESETS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_cited_dated_and_consistent(row: Dialect) -> None:
    assert row.source
    assert date(2026, 1, 1) <= row.as_of <= date(2026, 11, 20)
    assert row.abilities <= set(ABILITIES)
    assert row.refuses <= TextRequest.model_fields.keys() | PARTS
    assert not row.refuses & row.body_fields
    assert not (row.strict_unknown_fields and row.body_fields)


@pytest.mark.parametrize("name", sorted(HOSTED))
def test_hosted_servers_have_a_key_and_https(name: str) -> None:
    row = PRESETS[name]
    assert row.key_required
    assert row.key_env
    assert urlsplit(row.base_url).scheme == "https"


@pytest.mark.parametrize("name", sorted(OWN))
def test_servers_of_ones_own_need_no_key_and_cost_nothing(name: str) -> None:
    row = PRESETS[name]
    assert not row.key_required
    assert row.price_provider is None
    assert urlsplit(row.base_url).hostname == "localhost"


def test_addresses_tell_hosted_servers_apart() -> None:
    hosts = [urlsplit(PRESETS[name].base_url).hostname for name in HOSTED]
    assert len(set(hosts)) == len(hosts)


def test_price_providers_exist_in_the_price_table() -> None:
    from genai_prices.data import providers

    known = {provider.id for provider in providers}
    assert {row.price_provider for row in ROWS} - {None} <= known


def test_an_unknown_server_is_asked_for_the_common_ground() -> None:
    assert UNKNOWN.text_protocol == "chat"
    assert UNKNOWN.max_tokens_field == "max_tokens"
    assert UNKNOWN.system_role == "system"
    assert UNKNOWN.embedding_encoding == "float"
    assert UNKNOWN.key_env is None
