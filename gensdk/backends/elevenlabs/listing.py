"""The models of an account, over ``GET /v1/models`` (elevenlabs 2.78).

The list has the models of speech; those of music and transcription, and dates, are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensdk.spec import Context
from gensdk.toolkit import KeyedAccount
from gensdk.toolkit.listing import MAX_LIST_BYTES, Page, read_list
from gensdk.types import ListedModel

__all__ = ["list_models"]


async def list_models(account: KeyedAccount, context: Context) -> list[ListedModel]:
    """Read the list; it is one page."""

    async def ask(_: str | None) -> Page:
        answer = await account.send("GET", "/v1/models", context, max_bytes=MAX_LIST_BYTES)
        return Page.of(answer, None)

    return await read_list(ask, _read, provider=account.name)


def _read(entry: Mapping[str, Any]) -> dict[str, Any]:
    speaks = entry.get("can_do_text_to_speech") is True
    return {"id": entry.get("model_id"), "abilities": frozenset({"speech"}) if speaks else None}
