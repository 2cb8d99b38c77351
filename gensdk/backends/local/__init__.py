"""Models on this machine: causal language models and chat models, through PyTorch.

``local:<hub id or folder>[@revision]`` names a model; ``local:storyteller`` is the built-in
demonstration. Importing this room loads neither torch nor transformers; the first call does, in
the worker thread of the model it asks for.

Rule of the room: nothing here blocks an event loop, runs code that came with a model, or opens a
pickle. Between an ability (``text``) and the device stands ``engine``; ``backend`` knows both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import LocalBackend
    from .device import explain_device
    from .images.options import LocalImageOptions, Lora
    from .options import LocalTextOptions
    from .prepare import Estimate, LoadProgress, LocalModels, Preparation
    from .status import ModelStatus

__all__ = [
    "Estimate",
    "LoadProgress",
    "LocalBackend",
    "LocalImageOptions",
    "LocalModels",
    "LocalTextOptions",
    "Lora",
    "ModelStatus",
    "Preparation",
    "create",
    "explain_device",
]

_HOMES = {
    "Estimate": "prepare",
    "LoadProgress": "prepare",
    "LocalBackend": "backend",
    "LocalImageOptions": "images.options",
    "LocalTextOptions": "options",
    "Lora": "images.options",
    "LocalModels": "prepare",
    "ModelStatus": "status",
    "Preparation": "prepare",
    "explain_device": "device",
}


def create(name: str = "local") -> LocalBackend:
    """Build the backend for the registry: every setting at its default."""
    from .backend import LocalBackend

    return LocalBackend(name=name)


def __getattr__(name: str) -> object:
    """Import a public name from its module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
