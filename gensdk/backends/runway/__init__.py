"""Runway: videos, pictures, speech and sound effects, all of them as tasks.

Nothing here is imported before it is asked for. The vendor's package is not needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import RunwayBackend
    from .options import (
        RunwayImageOptions,
        RunwaySoundOptions,
        RunwaySpeechOptions,
        RunwayVideoOptions,
    )

__all__ = [
    "RunwayBackend",
    "RunwayImageOptions",
    "RunwaySoundOptions",
    "RunwaySpeechOptions",
    "RunwayVideoOptions",
    "create",
]

_HOMES = dict.fromkeys(__all__, "options") | {"RunwayBackend": "backend"}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def create(name: str) -> RunwayBackend:
    """Entry point: an account with the key from ``RUNWAYML_API_SECRET``."""
    from .backend import RunwayBackend

    return RunwayBackend(name=name)
