"""Models on this machine: text, pictures, videos, speech, music, vectors, through PyTorch.

``local:<hub id or folder>[@revision]`` names a model; ``local:storyteller`` and ``local:painter``
are the built-in demonstrations. Importing this room loads neither torch nor transformers; the
first call does, in the worker thread of the model it asks for.

Rule of the room: nothing here blocks an event loop, runs code that came with a model, or opens a
pickle. Between an ability (``text``) and the device stands ``engine``; ``backend`` knows both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import LocalBackend
    from .device import explain_device
    from .embedding.request import LocalEmbedOptions
    from .images.options import LocalImageOptions, Lora
    from .moderation.options import LocalModerationOptions
    from .music.options import LocalMusicOptions
    from .options import LocalTextOptions
    from .prepare import Estimate, LoadProgress, LocalModels, Preparation
    from .speech.options import LocalSpeechOptions
    from .status import ModelStatus
    from .transcription.options import LocalTranscriptionOptions

__all__ = [
    "Estimate",
    "LoadProgress",
    "LocalBackend",
    "LocalEmbedOptions",
    "LocalImageOptions",
    "LocalModels",
    "LocalModerationOptions",
    "LocalMusicOptions",
    "LocalSpeechOptions",
    "LocalTextOptions",
    "LocalTranscriptionOptions",
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
    "LocalEmbedOptions": "embedding.request",
    "LocalImageOptions": "images.options",
    "LocalModerationOptions": "moderation.options",
    "LocalMusicOptions": "music.options",
    "LocalSpeechOptions": "speech.options",
    "LocalTextOptions": "options",
    "LocalTranscriptionOptions": "transcription.options",
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
