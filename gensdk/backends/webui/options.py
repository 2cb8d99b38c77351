"""What only the web UI takes: ``options={"webui": WebUIImageOptions(...)}``, or a dict of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gensdk.toolkit import vendor_options
from gensdk.types import Request

__all__ = ["WebUIHires", "WebUIImageOptions", "image_options"]

Share = Annotated[float, Field(ge=0, le=1)]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WebUIHires(_Options):
    """The second pass that draws a picture larger ("Hires. fix"); for pictures from text.

    Attributes:
        scale: How many times larger; not together with ``width`` and ``height``.
        width: Width to end with.
        height: Height to end with.
        upscaler: Name as the UI shows it, such as ``"Latent"`` or ``"R-ESRGAN 4x+"``.
        steps: Steps of the second pass; None takes those of the first.
        strength: How far the second pass may leave the first.
        sampler: Sampler of the second pass.
        scheduler: Scheduler of the second pass.
        guidance_scale: Guidance of the second pass (Forge).
    """

    scale: Annotated[float, Field(ge=1, le=8)] | None = None
    width: Annotated[int, Field(ge=8, le=16384)] | None = None
    height: Annotated[int, Field(ge=8, le=16384)] | None = None
    upscaler: str | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    strength: Share | None = None
    sampler: str | None = None
    scheduler: str | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None


class WebUIImageOptions(_Options):
    """What only the web UI takes. LoRAs are written into the prompt: ``<lora:name:0.8>``.

    Attributes:
        sampler: Name as the UI shows it, such as ``"DPM++ 2M"``.
        scheduler: Name as the UI shows it, such as ``"Karras"``.
        styles: Names of saved styles, beside the request's ``style``.
        hires: A second pass that draws larger.
        batches: ``"together"`` draws ``n`` pictures at once; ``"one by one"`` needs less memory.
        clip_skip: Layers of the text encoder to stop before its end.
        vae: Name of the VAE for this request.
        refiner: Checkpoint that finishes the picture.
        refiner_at: Share of the steps after which it takes over.
        variation_seed: Seed of a variation.
        variation_strength: How much of the variation.
        distilled_guidance: Guidance of distilled models such as Flux (Forge).
        restore_faces: Whether to repair faces.
        tiling: Whether the picture shall tile.
        eta: Noise multiplier of ancestral samplers.
        resize: How a source picture of another shape is fitted.
        mask_blur: Pixels over which the mask's edge fades.
        masked: What stands under the mask at first.
        only_masked: Whether the masked part alone is drawn, at full size.
        only_masked_padding: Pixels around it that are seen too.
        previews_every_s: Seconds between two looks at the picture in a stream.
        settings: Settings of the server for this request alone (``override_settings``).
    """

    sampler: str | None = None
    scheduler: str | None = None
    styles: tuple[str, ...] = ()
    hires: WebUIHires | None = None
    batches: Literal["together", "one by one"] = "together"
    clip_skip: Annotated[int, Field(ge=1, le=12)] | None = None
    vae: str | None = None
    refiner: str | None = None
    refiner_at: Share | None = None
    variation_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    variation_strength: Share | None = None
    distilled_guidance: Annotated[float, Field(ge=0, le=100)] | None = None
    restore_faces: bool | None = None
    tiling: bool | None = None
    eta: Annotated[float, Field(ge=0, le=1)] | None = None
    resize: Literal["stretch", "crop", "fill", "latent"] | None = None
    mask_blur: Annotated[int, Field(ge=0, le=64)] | None = None
    masked: Literal["fill", "original", "latent noise", "latent nothing"] | None = None
    only_masked: bool | None = None
    only_masked_padding: Annotated[int, Field(ge=0, le=512)] | None = None
    previews_every_s: Annotated[float, Field(ge=0, le=60)] = 0.5
    settings: dict[str, JsonValue] = Field(default_factory=dict)


def image_options(request: Request, name: str, model: str) -> WebUIImageOptions:
    """The options of a request, by the account's name or by ``webui``.

    Raises:
        InvalidRequestError: A field is unknown or has a wrong value; the message names it.
    """
    return vendor_options(request, WebUIImageOptions, provider=name, vendor="webui", model=model)
