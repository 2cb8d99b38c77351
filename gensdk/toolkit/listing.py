"""Reading a provider's list of models, page by page, with bounds on everything in it.

A backend gives what asks for one page and what reads one entry; what no entry of a list should be
(no object, an id that is none) is left out, and a list of nothing else is an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from gensdk.errors import InvalidResponseError
from gensdk.types import ListedModel

from .answer import Answer

__all__ = [
    "MAX_LISTED",
    "MAX_LIST_BYTES",
    "MAX_LIST_PAGES",
    "Page",
    "day_of",
    "read_list",
    "whole_number",
]  # fmt: skip

MAX_LIST_BYTES = 16 * 2**20
"""Largest page that is read."""
MAX_LIST_PAGES = 50
MAX_LISTED = 20_000
"""Most models of one provider."""

_MAX_ID = 300


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        entries: What stands in it.
        following: What asks for the next page, None for the last one.
    """

    entries: list[Any]
    following: str | None = None

    @classmethod
    def of(cls, answer: Answer, field: str | None, following: str | None = None) -> Page:
        """The page in an answer.

        Args:
            answer: What came.
            field: Field with the entries; None where the answer itself is the list.
            following: Field with what asks for the next page.

        Raises:
            ValueError: It is not JSON, or of another shape.
        """
        body = from_json(answer.body)
        entries = body.get(field) if field and isinstance(body, dict) else body
        if not isinstance(entries, list):
            raise ValueError(f"no list of models under {field!r}")
        more = body.get(following) if following and isinstance(body, dict) else None
        return cls(entries, more if isinstance(more, str) and more else None)


async def read_list(
    ask: Callable[[str | None], Awaitable[Page]],
    read: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    *,
    provider: str,
) -> list[ListedModel]:
    """Every page of a list, in order.

    Args:
        ask: Gives the page that the one before pointed to; first with None. ``ValueError`` says
            that what came is no page.
        read: The fields of ``ListedModel`` that an entry tells.
        provider: Name of the account, for messages.

    Raises:
        InvalidResponseError: What came is no list, has no end, or is too long.
        GenSDKError: Asking failed.
    """
    found: dict[str, ListedModel] = {}
    seen: set[str | None] = set()
    at: str | None = None
    entries = 0
    while at not in seen:
        seen.add(at)
        try:
            page = await ask(at)
        except ValueError as error:
            raise _invalid(f"it is not what a list of models looks like ({error})", provider) from (
                error
            )
        entries += len(page.entries)
        if entries > MAX_LISTED or len(seen) > MAX_LIST_PAGES:
            raise _invalid(f"it has over {MAX_LISTED} models or {MAX_LIST_PAGES} pages", provider)
        for entry in page.entries:
            model = _model(entry, read)
            if model is not None:
                found.setdefault(model.id, model)
        if page.following is None:
            break
        at = page.following
    else:
        raise _invalid("a page points back to an earlier one", provider)
    if not found:
        raise _invalid("it is empty, or no entry has a usable id", provider)
    return list(found.values())


def _model(
    entry: object, read: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> ListedModel | None:
    if not isinstance(entry, dict):
        return None
    told = dict(read(entry))
    if not _usable(told.get("id")):
        return None
    if told.get("successor") is not None and not _usable(told["successor"]):
        told["successor"] = None
    try:
        return ListedModel(**told)
    except ValidationError:
        return None


def _usable(name: object) -> bool:
    """Whether this can be a model's name: printable, without a space, of a sane length."""
    return (
        isinstance(name, str) and 0 < len(name) <= _MAX_ID and name.isprintable()
        and not any(one.isspace() for one in name)
    )  # fmt: skip


def day_of(value: object) -> date | None:
    """The day in a date, in a moment with its time, or in seconds since 1970; None for others."""
    try:
        if isinstance(value, str):
            if len(value) == len("2026-11-21"):
                return date.fromisoformat(value)
            moment = datetime.fromisoformat(value)
            return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return datetime.fromtimestamp(value, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
    return None


def whole_number(value: object) -> int | None:
    """A count that is one; None for anything else."""
    counts = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if counts and isinstance(value, int) else None


def _invalid(why: str, provider: str) -> InvalidResponseError:
    return InvalidResponseError(f"the list of models cannot be used: {why}", provider=provider)
