"""Hugging Face Inference Providers: one token, many providers of text, media and vectors.

Text is OpenAI's wire format, so ``gensdk.backends.openai`` does that work; every other task goes
to the provider's own API behind Hugging Face's router, by the rows of
``gensdk/catalog/huggingface.py``. Nothing here is imported before it is asked for, and the
package ``huggingface_hub`` is not needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import HuggingFaceBackend
    from .options import (
        HuggingFaceEmbedOptions,
        HuggingFaceImageOptions,
        HuggingFaceSpeechOptions,
        HuggingFaceTextOptions,
        HuggingFaceTranscriptionOptions,
        HuggingFaceVideoOptions,
    )

__all__ = [
    "HuggingFaceBackend",
    "HuggingFaceEmbedOptions",
    "HuggingFaceImageOptions",
    "HuggingFaceSpeechOptions",
    "HuggingFaceTextOptions",
    "HuggingFaceTranscriptionOptions",
    "HuggingFaceVideoOptions",
    "create",
]

_HOMES = dict.fromkeys(__all__, "options") | {"HuggingFaceBackend": "backend"}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def create(name: str) -> HuggingFaceBackend:
    """Entry point: an account with the token from ``HF_TOKEN``."""
    from .backend import HuggingFaceBackend

    return HuggingFaceBackend(name=name)
