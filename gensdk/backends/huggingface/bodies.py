"""Bodies of requests: one form for every provider, from its row."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from gensdk.catalog.huggingface import Service, picture_fields
from gensdk.toolkit import Notes, merge_extra
from gensdk.types import Media, Request

from .providers import Target

__all__ = ["base64_of", "body_of", "data_url", "parameters_of", "picture_parameters", "size_of"]

_HUB_FILE = "https://huggingface.co/{model}/resolve/main/{file}"
_FAL_LORA = "fal-ai/lora"
_FAL_LORA_BASE = "stabilityai/stable-diffusion-xl-base-1.0"
"""What ``fal-ai/lora`` has to be told, and no other model of fal."""


def base64_of(media: Media) -> str:
    """The bytes as base64."""
    return base64.b64encode(media.data).decode("ascii")


def data_url(media: Media) -> str:
    """The bytes as an address of their own."""
    return f"data:{media.media_type};base64,{base64_of(media)}"


def parameters_of(values: Mapping[str, object], service: Service, notes: Notes) -> dict[str, Any]:
    """The fields that are set, as the provider calls them; others are dropped with a note."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        if name in service.fields:
            found[service.fields[name]] = value
        else:
            notes.drop(name, f"{service.provider} has no such field for {service.task}")
    return found


def size_of(sides: tuple[int, int], service: Service) -> dict[str, Any]:
    """A size as the provider is told it."""
    width, height = sides
    both = {"width": width, "height": height}
    if service.size in {"image_size", "target_size"}:
        return {str(service.size): both}
    return {"size": f"{width}x{height}"} if service.size == "text" else both


def picture_parameters(
    pictures: tuple[Media, ...], target: Target, notes: Notes, field: str
) -> dict[str, Any]:
    """Pictures to start from, in every field the provider may look for them in."""
    single, lists = picture_fields(target.service, target.model)
    if len(pictures) > 1 and not lists:
        notes.refuse(field, f"{target.provider} takes one picture with this model")
    addresses = [data_url(picture) for picture in pictures]
    return {
        **dict.fromkeys(single, addresses[0]),
        **{name: list(addresses) for name in lists},
    }


def body_of(
    target: Target,
    subject: object,
    parameters: Mapping[str, Any],
    request: Request,
    *,
    provider: str,
    model: str,
) -> dict[str, Any]:
    """The whole body.

    Args:
        target: Who is asked.
        subject: Prompt, text, sound or texts; None leaves its field out.
        parameters: Fields as the provider calls them.
        request: Its ``extra`` goes where the parameters stand.
        provider: Name of the account, for errors.
        model: Model asked, for errors.

    Raises:
        InvalidRequestError: ``extra`` names a field that is set already.
    """
    service = target.service
    about = {} if subject is None else {service.subject: subject}
    fixed: dict[str, Any] = {**service.constants, **_adapter(target)}
    if service.envelope == "parameters":
        inner = {**fixed, **parameters}
        merge_extra(inner, request, provider=provider, model=model)
        return {**about, "parameters": inner}
    named = {"model": target.model} if service.names_model else {}
    inner = {**about, **fixed, **parameters, **named}
    merge_extra(inner, request, provider=provider, model=model)
    if service.envelope == "input":
        _, colon, version = target.model.partition(":")
        return {"input": inner, "version": version} if colon else {"input": inner}
    return inner


def _adapter(target: Target) -> dict[str, Any]:
    """The fields that name a LoRA of the hub."""
    if target.adapter is None or target.service.adapter is None:
        return {}
    if target.service.adapter == "lora_weights":
        return {"lora_weights": f"https://huggingface.co/{target.hub_model}"}
    path = _HUB_FILE.format(model=target.hub_model, file=target.adapter)
    found: dict[str, Any] = {"loras": [{"path": path, "scale": 1}]}
    if target.model == _FAL_LORA and target.service.task == "text-to-image":
        found["model_name"] = _FAL_LORA_BASE
    return found
