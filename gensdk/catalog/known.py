"""Whether the catalogue has any fact about a model; for the differences to a vendor's own list."""

from __future__ import annotations

from datetime import date

from gensdk.types import ABILITIES

from .abilities import abilities_of
from .elevenlabs import UNKNOWN as UNKNOWN_SOUND
from .elevenlabs import sound_model
from .google import UNKNOWN_GOOGLE_MODEL, google_model
from .lifecycle import endings_of, lifecycle

__all__ = ["known", "still_served"]


def known(provider: str, model: str) -> bool:
    """Whether any row of a vendor's speaks of a model; false for other providers."""
    if lifecycle(provider, model) is not None:
        return True
    if provider == "google":
        return google_model(model) is not UNKNOWN_GOOGLE_MODEL
    if provider == "elevenlabs":
        return sound_model(model) is not UNKNOWN_SOUND
    return abilities_of(provider, model) < frozenset(ABILITIES) - {"music"}


def still_served(provider: str, today: date) -> dict[str, date]:
    """Models whose announced end has not come yet, and that day."""
    rows = endings_of(provider)
    return {name: row.retired_on for name, row in rows.items() if today < row.retired_on}
