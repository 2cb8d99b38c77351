"""Hugging Face's own options. Given as ``options={"huggingface": HuggingFaceImageOptions(...)}``.

Source: ``huggingface_hub`` 2.4.0 ``inference/_client.py`` and ``inference/_generated/types``.
Fields that only one provider has go into ``extra``: they are put where its parameters stand.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "HuggingFaceEmbedOptions",
    "HuggingFaceImageOptions",
    "HuggingFaceSpeechOptions",
    "HuggingFaceTextOptions",
    "HuggingFaceTranscriptionOptions",
    "HuggingFaceVideoOptions",
    "ProviderOptions",
]


class ProviderOptions(BaseModel):
    """What every task has.

    Attributes:
        provider: Provider to work, as a model's name may say after a colon; None takes the first
            of your order at https://hf.co/settings/inference-providers that has the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] | None = None


class HuggingFaceTextOptions(ProviderOptions):
    """Of text; ``provider`` may also be ``fastest``, ``cheapest`` or ``preferred``."""


class HuggingFaceImageOptions(ProviderOptions):
    """Of pictures.

    Attributes:
        scheduler: Name of a scheduler to use instead of the model's own.
    """

    scheduler: str | None = None


class HuggingFaceVideoOptions(ProviderOptions):
    """Of videos.

    Attributes:
        num_frames: How many frames to make, instead of ``duration_s``.
    """

    num_frames: Annotated[int, Field(ge=1)] | None = None


class HuggingFaceSpeechOptions(ProviderOptions):
    """Of speech."""


class HuggingFaceTranscriptionOptions(ProviderOptions):
    """Of transcription."""


class HuggingFaceEmbedOptions(ProviderOptions):
    """Of vectors. All but ``provider`` is for ``hf-inference``.

    Attributes:
        normalize: Whether to give vectors of unit length.
        prompt_name: Name of a prompt of the model that stands before each text.
        truncate: Whether to cut texts that are too long.
        truncation_direction: Where to cut them.
    """

    normalize: bool | None = None
    prompt_name: str | None = None
    truncate: bool | None = None
    truncation_direction: Literal["left", "right"] | None = None
