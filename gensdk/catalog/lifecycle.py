"""When models are shut down, and what their vendor names instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import import_module

from gensdk.types import ModelEnding

__all__ = ["LifecycleRow", "ending_of", "endings_of", "lifecycle"]

_HOMES = frozenset({"anthropic", "google", "openai"})
"""Vendors whose rows are a file of this package."""

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})$")


@dataclass(frozen=True, slots=True)
class LifecycleRow:
    """The announced end of one model and of its dated snapshots.

    Attributes:
        provider: Vendor, as in ``"provider:model"``.
        models: Ids that share this end, without a snapshot's date.
        retired_on: Day from which calls fail.
        successor: The vendor's named replacement, None where it names none.
        source: Where that was read.
        as_of: When.
    """

    provider: str
    models: tuple[str, ...]
    retired_on: date
    successor: str | None
    source: str
    as_of: date

    def retired(self, today: date) -> bool:
        """Whether the day of the shutdown has come."""
        return today >= self.retired_on


@lru_cache(maxsize=1024)
def lifecycle(provider: str, model: str) -> LifecycleRow | None:
    """The announced end of a model; None where the catalogue knows of none.

    A dated snapshot (``gpt-4o-2024-08-06``) shares its model's row unless it has its own, and a
    fine-tuned model (``ft:gpt-4o-mini:…``) ends with its base.
    """
    rows = endings_of(provider)
    name = model.split(":")[1] if model.startswith("ft:") else model
    undated = _SNAPSHOT.sub("", name)
    return rows.get(name) or rows.get(undated)


def ending_of(provider: str, model: str, *, official: bool) -> ModelEnding | None:
    """The same as a fact of a model's capabilities.

    Args:
        provider: Vendor.
        model: Model, without the provider prefix.
        official: Whether the address is the vendor's own; elsewhere a model may live on.
    """
    row = lifecycle(provider, model)
    if row is None:
        return None
    source = f"{row.source}, {row.as_of.isoformat()}"
    return ModelEnding(row.retired_on, row.successor, source, certain=official)


@lru_cache(maxsize=8)
def endings_of(provider: str) -> dict[str, LifecycleRow]:
    """Every announced end of a vendor's models, by the id it was announced for."""
    if provider not in _HOMES:
        return {}
    every: Sequence[LifecycleRow] = import_module(f".{provider}", __package__).LIFECYCLE
    return {name: row for row in every for name in row.models}
