"""Pictures drawn, and pictures changed, at whichever provider has the model."""

from __future__ import annotations

import math
from typing import Any

from gensdk.catalog.huggingface import Service
from gensdk.errors import InvalidResponseError
from gensdk.spec import Context
from gensdk.toolkit import (
    Answer,
    Notes,
    fetched,
    picture_in,
    picture_problem,
    request_id_of,
    vendor_options,
)
from gensdk.types import ImageRequest, ImageResponse, Media

from .account import Accounts
from .bodies import base64_of, body_of, parameters_of, picture_parameters, size_of
from .options import HuggingFaceImageOptions
from .providers import Target
from .work import files_in, outcome, sent, told_seed

__all__ = ["generate", "prepare"]

_TAKEN = frozenset({
    "prompt", "images", "n", "size", "aspect_ratio", "negative_prompt", "steps",
    "guidance_scale", "seed",
})  # fmt: skip
_AREA = 1024 * 1024
_STEP = 32
"""Sides that every diffusion model of these providers takes are multiples of it."""
_ENVELOPED = "parameters"


async def generate(accounts: Accounts, request: ImageRequest, context: Context) -> ImageResponse:
    """Make or change a picture, once."""
    notes = Notes(accounts.name, context)
    notes.drop_unsupported(
        request, _TAKEN, meaning={"mask"}, reason="no provider is known to take it over the router"
    )
    if request.n is not None and request.n > 1:
        notes.refuse("n", "it makes one picture a request; a client sends several by itself")
    options = vendor_options(
        request,
        HuggingFaceImageOptions,
        provider=accounts.name,
        vendor=accounts.router.vendor.name,
        model=context.model,
    )
    target = await accounts.providers.target(
        "image-to-image" if request.images else "text-to-image", options.provider, context, notes
    )
    pictures = tuple([await fetched(item, context) for item in request.images])
    body = prepare(request, pictures, options, target, accounts.name, context.model, notes)
    answer = await sent(accounts, target, context, body=body)
    if target.service.answer == "bytes" and target.service.queue is None:
        images: tuple[Media, ...] = (
            picture_in(answer.body, answer, provider=accounts.name, model=context.model),
        )
        return _response(images, request, {}, answer, target, accounts, context, notes)
    answer, document = await outcome(accounts, target, answer, context)
    images = await files_in(document, answer, accounts, context, "picture")
    _check(images, answer, target, accounts, context)
    return _response(images, request, document, answer, target, accounts, context, notes)


def prepare(
    request: ImageRequest,
    pictures: tuple[Media, ...],
    options: HuggingFaceImageOptions,
    target: Target,
    provider: str,
    model: str,
    notes: Notes,
) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: The provider takes fewer pictures.
    """
    service = target.service
    values = {name: getattr(request, name) for name in ("negative_prompt", "steps",
                                                        "guidance_scale", "seed")}  # fmt: skip
    parameters = parameters_of({**values, "scheduler": options.scheduler}, service, notes)
    parameters |= _size(request, service, notes)
    subject: object = request.prompt or None
    if pictures and service.envelope == _ENVELOPED:
        if len(pictures) > 1:
            notes.refuse("images", f"{target.provider} takes one picture")
        if subject is not None:
            parameters["prompt"] = subject
        subject = base64_of(pictures[0])
    elif pictures:
        parameters |= picture_parameters(pictures, target, notes, "images")
        if service.names_model:
            subject = request.prompt  # Together wants one, be it empty
    return body_of(target, subject, parameters, request, provider=provider, model=model)


def _size(request: ImageRequest, service: Service, notes: Notes) -> dict[str, Any]:
    sides, asked = request.dimensions, "size"
    if request.aspect_ratio is not None:
        asked = "aspect_ratio"
        width, height = map(int, request.aspect_ratio.split(":"))
        across = _rounded(math.sqrt(_AREA * width / height))
        sides = across, _rounded(math.sqrt(_AREA * height / width))
    if sides is None:
        if request.size is not None:
            notes.adapt("size", "No size is sent: the model takes its own.")
        return {}
    if service.size is None:
        notes.drop(asked, f"{service.provider} has no such field for {service.task}")
        return {}
    if asked == "aspect_ratio":
        notes.adapt(
            asked, "It takes pixels: about a megapixel of that shape.", "{}x{}".format(*sides)
        )
    return size_of(sides, service)


def _rounded(side: float) -> int:
    return max(_STEP, round(side / _STEP) * _STEP)


def _check(
    images: tuple[Media, ...],
    answer: Answer,
    target: Target,
    accounts: Accounts,
    context: Context,
) -> None:
    """Refuse what is no picture, or half of one."""
    for image in images:
        problem = f"is {image.media_type}" if image.kind != "image" else None
        problem = problem or picture_problem(image.data, image.media_type)
        if problem is not None:
            raise InvalidResponseError(
                f"The picture of {target.provider} {problem}.",
                provider=accounts.name,
                model=context.model,
                request_id=request_id_of(answer.headers),
                billed="yes",
            )


def _response(
    images: tuple[Media, ...],
    request: ImageRequest,
    document: dict[str, Any],
    answer: Answer,
    target: Target,
    accounts: Accounts,
    context: Context,
    notes: Notes,
) -> ImageResponse:
    flagged = document.get("has_nsfw_concepts")
    if isinstance(flagged, list) and any(one is True for one in flagged):
        notes.other(f"{target.provider} flags the picture as not safe; it may be blank.")
    given = request.seed if "seed" in target.service.fields else None
    known = told_seed(document, given)
    return ImageResponse(
        images=images,
        seed=known,
        provider=accounts.name,
        model=context.model,
        warnings=notes.warnings,
        request_id=request_id_of(answer.headers),
        reproducible=known is not None,
        provider_details={"provider": target.provider, "provider_model": target.model},
    )
