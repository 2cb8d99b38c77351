"""PixVerse: videos of words, of pictures, of references, and videos made longer.

Nothing here is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import PixVerseBackend
    from .options import PixVerseVideoOptions

__all__ = ["PixVerseBackend", "PixVerseVideoOptions", "create"]

_HOMES = dict.fromkeys(__all__, "options") | {"PixVerseBackend": "backend"}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def create(name: str) -> PixVerseBackend:
    """Entry point: an account with the key from ``PIXVERSE_API_KEY``."""
    from .backend import PixVerseBackend

    return PixVerseBackend(name=name)
