"""The models of an account, over ``GET /v1/models``.

The wire: ``anthropic`` 2.11 (``lifecycle``, ``retires_at``, sizes) and the vendor's page on the
Models API (cursor ``after_id``, ``has_more``, ``last_id``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensdk.spec import Context
from gensdk.toolkit.listing import Page, day_of, read_list, whole_number
from gensdk.types import ListedModel

from .account import API_VERSION, Account

__all__ = ["list_models"]

_STATES = frozenset({"active", "deprecated", "retired"})


async def list_models(account: Account, context: Context) -> list[ListedModel]:
    """Read the list, a thousand a page."""

    async def ask(after: str | None) -> Page:
        query = {"limit": "1000"} | ({"after_id": after} if after else {})
        headers = account.headers_for((), API_VERSION)
        answer = await account.get("/v1/models", query, headers, context)
        page = Page.of(answer, "data", "last_id")
        return page if _more(answer.body) else Page(page.entries)

    return await read_list(ask, _read, provider=account.name)


def _more(body: bytes) -> bool:
    from pydantic_core import from_json

    whole = from_json(body)
    return isinstance(whole, dict) and whole.get("has_more") is True


def _read(entry: Mapping[str, Any]) -> dict[str, Any]:
    state = entry.get("lifecycle")
    return {
        "id": entry.get("id"),
        "status": state if state in _STATES else None,
        "retires_on": day_of(entry.get("retires_at")),
        "created_on": day_of(entry.get("created_at")),
        "abilities": frozenset({"text"}),
        "max_input_tokens": whole_number(entry.get("max_input_tokens")),
        "max_output_tokens": whole_number(entry.get("max_tokens")),
    }
