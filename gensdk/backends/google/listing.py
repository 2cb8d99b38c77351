"""The models of an account, over ``GET /models`` (ai.google.dev, page on ``models.list``).

The list tells sizes and methods, and no dates: those are in the catalogue alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensdk.spec import Context
from gensdk.toolkit.listing import MAX_LIST_BYTES, Page, read_list, whole_number
from gensdk.types import Ability, ListedModel

from .account import Account

__all__ = ["list_models"]

_METHODS: dict[str, Ability] = {"embedContent": "embed", "predictLongRunning": "video"}
"""Methods that say what a model does; ``generateContent`` is text, pictures or sound."""


async def list_models(account: Account, context: Context) -> list[ListedModel]:
    """Read the list, a thousand a page."""

    async def ask(token: str | None) -> Page:
        query = {"pageSize": "1000"} | ({"pageToken": token} if token else {})
        answer = await account.get("models", context, max_bytes=MAX_LIST_BYTES, query=query)
        return Page.of(answer, "models", "nextPageToken")

    return await read_list(ask, _read, provider=account.name)


def _read(entry: Mapping[str, Any]) -> dict[str, Any]:
    name = entry.get("name")
    methods = entry.get("supportedGenerationMethods")
    known = methods if isinstance(methods, list) else []
    does = frozenset(_METHODS[one] for one in known if isinstance(one, str) and one in _METHODS)
    return {
        "id": name.removeprefix("models/") if isinstance(name, str) else None,
        "abilities": does or None,
        "max_input_tokens": whole_number(entry.get("inputTokenLimit")),
        "max_output_tokens": whole_number(entry.get("outputTokenLimit")),
    }
