"""The models of an account, over ``GET /models``.

The wire: ``openai`` 3.52 ``types/model.py``. Compatible servers leave ``shutdown_date`` out, and
some tell the size of the window instead (vLLM ``max_model_len``, OpenRouter ``context_length``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gensdk.errors import UnsupportedFeatureError
from gensdk.spec import Context
from gensdk.toolkit import Answer
from gensdk.toolkit.listing import MAX_LIST_BYTES, Page, day_of, read_list, whole_number
from gensdk.types import ListedModel

from .account import Account

__all__ = ["list_models"]

_WINDOWS = ("max_model_len", "context_length", "context_window")


async def list_models(account: Account, context: Context) -> list[ListedModel]:
    """Read the list.

    Raises:
        UnsupportedFeatureError: It is Azure, which lists base models and no deployments.
    """
    if account.dialect.name == "azure":
        raise UnsupportedFeatureError(
            "Azure lists base models, not the deployments that its names stand for",
            provider=account.name,
        )

    async def ask(_: str | None) -> Page:
        return Page.of(await _get(account, context), "data")

    return await read_list(ask, _read, provider=account.name)


async def _get(account: Account, context: Context) -> Answer:
    async with account.opened("/models", context, MAX_LIST_BYTES, method="GET") as answer:
        if 200 <= answer.status < 300:
            return Answer(answer.status, answer.headers, await answer.read(MAX_LIST_BYTES))
        _, error = await account.judged(answer, context)
    raise error


def _read(entry: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"id": entry.get("id"), "created_on": day_of(entry.get("created"))}
    if "shutdown_date" in entry:
        told["retires_on"] = day_of(entry["shutdown_date"])
        told["status"] = "active" if entry["shutdown_date"] is None else "deprecated"
    sizes = (whole_number(entry.get(name)) for name in _WINDOWS)
    told["max_input_tokens"] = next((size for size in sizes if size is not None), None)
    return told
