"""What people know by name: each way that is named leads somewhere."""

from __future__ import annotations

from datetime import date

import pytest

import gensdk
from gensdk.catalog import lifecycle
from gensdk.catalog.no_public_api import NO_PUBLIC_API
from gensdk.catalog.systems import SYSTEMS

WAYS = [
    (row.ability, *way.split(":", 1)) for row in SYSTEMS for way in row.models if way != "callable"
]
AS_OF = date(2026, 11, 20)


@pytest.mark.parametrize(("ability", "provider", "model"), WAYS)
async def test_every_way_leads_to_a_model_that_does_it(
    ability: str, provider: str, model: str
) -> None:
    row = lifecycle(provider, model)
    assert row is None or row.retired_on > AS_OF
    if provider in {"comfyui", "webui"}:
        return
    async with gensdk.Client() as client:
        facts = client.capabilities(f"{provider}:{model}")
    assert facts is not None
    assert ability in facts.abilities


def test_products_without_an_interface_stand_in_the_list() -> None:
    named = " ".join(row.name for row in SYSTEMS)
    assert all(row.product in named for row in NO_PUBLIC_API)
