"""OpenAI, Azure OpenAI, and the wire format that half the world copies.

Nothing here is imported before it is asked for, and the ``openai`` package is imported only for
an account that was given one of its clients.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .account import Account
    from .azure import AzureOpenAIBackend
    from .backend import OpenAIBackend
    from .options import OpenAIAudioOutput, OpenAITextOptions
    from .options_media import (
        OpenAIEmbedOptions,
        OpenAIImageOptions,
        OpenAIModerationOptions,
        OpenAISpeechOptions,
        OpenAITranscriptionOptions,
    )

__all__ = [
    "Account",
    "AzureOpenAIBackend",
    "OpenAIAudioOutput",
    "OpenAIBackend",
    "OpenAIEmbedOptions",
    "OpenAIImageOptions",
    "OpenAIModerationOptions",
    "OpenAISpeechOptions",
    "OpenAITextOptions",
    "OpenAITranscriptionOptions",
    "create",
    "create_azure",
]

_HOMES = {
    "Account": "account",
    "AzureOpenAIBackend": "azure",
    "OpenAIAudioOutput": "options",
    "OpenAIBackend": "backend",
    "OpenAIEmbedOptions": "options_media",
    "OpenAIImageOptions": "options_media",
    "OpenAIModerationOptions": "options_media",
    "OpenAISpeechOptions": "options_media",
    "OpenAITextOptions": "options",
    "OpenAITranscriptionOptions": "options_media",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def create(name: str) -> OpenAIBackend:
    """Entry point: OpenAI with settings from the environment."""
    from .backend import OpenAIBackend

    return OpenAIBackend(name=name)


def create_azure(name: str) -> AzureOpenAIBackend:
    """Entry point: Azure OpenAI with settings from the environment."""
    from .azure import AzureOpenAIBackend

    return AzureOpenAIBackend(name=name)
