"""One set of weights, up to three pipelines: from words, from a picture, inside a mask."""

from __future__ import annotations

from typing import Any, Literal

from gensdk.errors import UnsupportedFeatureError

from ..diffusion.pipeline import call_parameters, quiet

__all__ = ["Mode", "Modes"]

Mode = Literal["text", "edit", "inpaint"]

_MAPPINGS: dict[Mode, str] = {
    "text": "AutoPipelineForText2Image",
    "edit": "AutoPipelineForImage2Image",
    "inpaint": "AutoPipelineForInpainting",
}
_SAID: dict[Mode, tuple[str, str]] = {
    "text": ("images", "paints only from a picture; give images=[...]"),
    "edit": ("images", "paints from words alone and takes no picture"),
    "inpaint": ("mask", "edits no part of a picture"),
}
_BOTH = frozenset({"Flux2Pipeline", "Flux2KleinPipeline", "OmniGenPipeline", "GlmImagePipeline"})
"""Pipelines of diffusers 0.42 whose one call paints from words as well as from pictures."""

SEVERAL_PICTURES = frozenset(
    {"Flux2Pipeline", "Flux2KleinPipeline", "QwenImageEditPlusPipeline", "GlmImagePipeline"}
)
"""Pipelines of diffusers 0.42 that take several source pictures for one result."""


class Modes:
    """The pipelines that share one set of weights, made when they are first needed."""

    def __init__(self, pipe: Any) -> None:
        """Begin with the one that was loaded."""
        self._own = pipe
        self._made: dict[Mode, Any] = dict.fromkeys(_natural(pipe), pipe)

    @property
    def own(self) -> Any:
        """The pipeline that was loaded."""
        return self._own

    def of(self, mode: Mode) -> Any:
        """The pipeline for a mode.

        Raises:
            UnsupportedFeatureError: This model has none.
        """
        if mode not in self._made:
            self._made[mode] = self._derived(mode)
        return self._made[mode]

    def _derived(self, mode: Mode) -> Any:
        import diffusers

        try:
            with quiet():
                pipe = getattr(diffusers, _MAPPINGS[mode]).from_pipe(self._own)
        except (ValueError, AttributeError, TypeError) as error:  # no such pipeline
            raise self._without(mode) from error
        if mode != "inpaint" and not self._takes_plain_latents():
            raise self._without(mode)
        return pipe

    def _takes_plain_latents(self) -> bool:
        """Whether the network takes noise alone: those for inpainting take picture and mask too."""
        unet = getattr(getattr(self._own, "unet", None), "config", None)
        vae = getattr(getattr(self._own, "vae", None), "config", None)
        if unet is None or vae is None:
            return True
        return bool(unet.in_channels == vae.latent_channels)

    def _without(self, mode: Mode) -> UnsupportedFeatureError:
        parameter, reason = _SAID[mode]
        return UnsupportedFeatureError(
            f"{type(self._own).__name__} {reason}. Choose a model that can.",
            provider="local",
            param=parameter,
        )


def _natural(pipe: Any) -> tuple[Mode, ...]:
    """What a pipeline does by itself."""
    takes = call_parameters(pipe)
    if type(pipe).__name__ in _BOTH:
        return "text", "edit"
    if "mask_image" in takes:
        return ("inpaint",)
    return ("edit",) if "image" in takes else ("text",)
