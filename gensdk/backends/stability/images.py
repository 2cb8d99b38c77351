"""Pictures over ``/v2beta/stable-image/…``: a form goes out, the picture itself comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from gensdk.catalog.stability import ASPECT_RATIOS, STYLES, ImageService, image_service
from gensdk.errors import ContentBlockedError, InvalidRequestError
from gensdk.spec import Context
from gensdk.toolkit import (
    MAX_MEDIA_BYTES,
    Answer,
    Form,
    FormFile,
    KeyedAccount,
    Notes,
    fetched,
    merge_extra,
    picture_in,
    request_id_of,
    vendor_options,
)
from gensdk.types import ImageRequest, ImageResponse, Media, ResponseWarning

from .forms import field_texts, form_file, seed_of, told_seed
from .masks import has_alpha, white_where_transparent
from .options import StabilityImageOptions

__all__ = ["Prepared", "generate", "picture_response", "prepare", "prepared"]

ROOT = "/v2beta/stable-image"
ACCEPT = {"accept": "image/*"}
_PICTURES = ("image/png", "image/jpeg", "image/webp")
_MAX_BYTES = 10 * 2**20
"""Largest whole request, by the answer ``payload_too_large``."""
_STRENGTH = 0.6
_WEAKEST_GUIDANCE, _STRONGEST_GUIDANCE = 1.0, 10.0
_USER_HEADER = "stability-client-user-id"
_MAX_USER = 256
_NO_FIELD = ("quality", "steps", "background", "compression", "moderation")


@dataclass(frozen=True)
class Prepared:
    """One request, ready to go."""

    path: str
    form: Form
    headers: Mapping[str, str]


async def generate(account: KeyedAccount, request: ImageRequest, context: Context) -> ImageResponse:
    """Make or change one picture."""
    notes = Notes(account.name, context)
    sent = await prepared(account, request, context, notes)
    answer = await account.send(
        "POST",
        sent.path,
        context,
        form=sent.form,
        headers={**ACCEPT, **sent.headers},
        max_bytes=MAX_MEDIA_BYTES,
    )
    return picture_response(account, answer, context, notes.warnings)


async def prepared(
    account: KeyedAccount, request: ImageRequest, context: Context, notes: Notes
) -> Prepared:
    """The request with its pictures; addresses are downloaded, a mask is turned over."""
    service = _service(request, context.model, notes)
    options = vendor_options(
        request,
        StabilityImageOptions,
        provider=account.name,
        vendor=account.vendor.name,
        model=context.model,
    )
    body = prepare(request, options, service, context.model, notes)
    headers = _user(request.user_id, notes)
    given = [await fetched(item, context) for item in request.images]
    files = [
        form_file(field, picture, _PICTURES, _MAX_BYTES, context)
        for field, picture in zip(service.pictures, given, strict=False)
    ]
    if request.mask is not None:
        files.append(await _mask(request.mask, context, notes))
    if options.light_reference is not None:
        light = options.light_reference
        files.append(form_file("light_reference", light, _PICTURES, _MAX_BYTES, context))
    taken = dict.fromkeys(file.field for file in files)
    merge_extra(body, request, provider=account.name, model=context.model, taken=taken)
    form = Form(fields=field_texts(body), files=tuple(files))
    return Prepared(f"{ROOT}{service.path}", form, headers)


def _service(request: ImageRequest, model: str, notes: Notes) -> ImageService:
    """The service for a request: a mask on a model that only draws is work for ``inpaint``."""
    service = image_service(model)
    if request.mask is None or service.mask:
        return service
    if not service.path.startswith("/generate/"):
        notes.refuse("mask", "of Stability's services 'inpaint' and 'erase' take a mask")
    notes.adapt("model", "A picture with a mask goes to the service 'inpaint'.", "inpaint")
    return image_service("inpaint")


def prepare(
    request: ImageRequest,
    options: StabilityImageOptions,
    service: ImageService,
    model: str,
    notes: Notes,
) -> dict[str, Any]:
    """The fields of the form, without its pictures.

    Raises:
        InvalidRequestError: Something the service needs is missing.
        UnsupportedFeatureError: It does not take the pictures or the options given.
    """
    _check_pictures(request, service, model, notes)
    if request.n not in {None, 1}:
        notes.refuse("n", "one request makes one picture; the client sends several")
    body: dict[str, Any] = {}
    if service.prompt and request.prompt.strip():
        body[service.prompt] = request.prompt
    elif service.prompt_needed:
        raise InvalidRequestError(f"{model} needs a prompt", model=model, param="prompt")
    elif request.prompt.strip():
        notes.drop("prompt", "this service takes none")
    _add_options(options, service, model, notes, body)
    if "model" in service.fields:
        body["model"] = model
    _add_shape(request, service, notes, body)
    _add_preferences(request, service, notes, body)
    _add_format(request, service, notes, body)
    return body


def _check_pictures(request: ImageRequest, service: ImageService, model: str, notes: Notes) -> None:
    count, most = len(request.images), len(service.pictures)
    if count > most:
        why = f"it takes {most or 'no'} picture{'' if most == 1 else 's'}"
        notes.refuse("images", why if most else f"{why}; ultra and sd3.5-large take one")
    if count < service.needed:
        raise InvalidRequestError(
            f"{model} needs {service.needed} picture{'' if service.needed == 1 else 's'}: "
            "images=[…]",
            model=model,
            param="images",
        )


def _add_options(
    options: StabilityImageOptions,
    service: ImageService,
    model: str,
    notes: Notes,
    body: dict[str, Any],
) -> None:
    for name in type(options).model_fields:
        value = getattr(options, name)
        if value is None:
            continue
        if name not in service.fields:
            notes.refuse(f"options.{name}", "this service has no such field")
        if not isinstance(value, Media):
            body[name] = value
    if service.required and not any(body.get(name) for name in service.required):
        raise InvalidRequestError(
            f"{model} needs {' or '.join(service.required)}: "
            f"options={{'stability': StabilityImageOptions({service.required[0]}=…)}}",
            model=model,
            param=f"options.{service.required[0]}",
        )


def _add_shape(
    request: ImageRequest, service: ImageService, notes: Notes, body: dict[str, Any]
) -> None:
    """Where it starts from, and the shape of what is drawn from nothing."""
    from_picture = bool(request.images) and "strength" in service.fields
    if from_picture:
        body["strength"] = _STRENGTH if request.strength is None else request.strength
        if request.strength is None:
            notes.adapt("strength", "The API has no default strength.", _STRENGTH)
        if "mode" in service.fields:
            body["mode"] = "image-to-image"
    elif request.strength is not None:
        notes.drop("strength", "there is no picture to leave, or the service has no such field")
    asked = "size" if request.dimensions else "aspect_ratio"
    ratio = _ratio(request)
    if ratio is None:
        return
    if "aspect_ratio" not in service.fields or (from_picture and "mode" in service.fields):
        notes.drop(asked, "the shape follows from the picture")
        return
    body["aspect_ratio"] = min(ASPECT_RATIOS, key=lambda one: abs(_value(one) / ratio - 1))
    if asked == "size" or body["aspect_ratio"] != request.aspect_ratio:
        notes.adapt(asked, "It draws fixed shapes of about a megapixel.", body["aspect_ratio"])


def _ratio(request: ImageRequest) -> float | None:
    if request.dimensions is not None:
        width, height = request.dimensions
        return width / height
    return _value(request.aspect_ratio) if request.aspect_ratio else None


def _value(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def _add_preferences(
    request: ImageRequest, service: ImageService, notes: Notes, body: dict[str, Any]
) -> None:
    for name in _NO_FIELD:
        if getattr(request, name) not in {None, "auto"}:
            notes.drop(name, "the API has no such field")
    if request.negative_prompt is not None:
        _put("negative_prompt", request.negative_prompt, service, notes, body)
    if request.seed is not None and "seed" not in service.fields:
        notes.drop("seed", "this service has no such field")
    elif (seed := seed_of(request.seed, notes)) is not None:
        body["seed"] = seed
    if request.style is not None and request.style not in STYLES:
        notes.drop("style", f"the styles are {', '.join(sorted(STYLES))}")
    elif request.style is not None:
        _put("style", request.style, service, notes, body, "style_preset")
    guidance = request.guidance_scale
    if guidance is not None:
        held = min(max(guidance, _WEAKEST_GUIDANCE), _STRONGEST_GUIDANCE)
        _put("guidance_scale", held, service, notes, body, "cfg_scale")
        if "cfg_scale" in body and held != guidance:
            notes.adapt("guidance_scale", "It takes 1 to 10.", held)


def _put(
    name: str,
    value: object,
    service: ImageService,
    notes: Notes,
    body: dict[str, Any],
    field: str | None = None,
) -> None:
    if (field or name) in service.fields:
        body[field or name] = value
    else:
        notes.drop(name, "this service has no such field")


def _add_format(
    request: ImageRequest, service: ImageService, notes: Notes, body: dict[str, Any]
) -> None:
    if request.format is None:
        return
    body["output_format"] = request.format if request.format in service.formats else "png"
    if body["output_format"] != request.format:
        notes.adapt("format", f"It writes {', '.join(service.formats)}.", "png")


def _user(user_id: str | None, notes: Notes) -> dict[str, str]:
    if user_id is None:
        return {}
    if not (user_id.isascii() and user_id.isprintable() and len(user_id) <= _MAX_USER):
        notes.drop("user_id", "it travels in a header: up to 256 ASCII characters")
        return {}
    return {_USER_HEADER: user_id}


async def _mask(mask: Media, context: Context, notes: Notes) -> FormFile:
    if has_alpha(mask):
        try:
            mask = await asyncio.to_thread(white_where_transparent, mask)
        except ValueError as error:
            raise InvalidRequestError(
                f"the mask cannot be used: {error}",
                provider=context.provider or None,
                model=context.model,
                param="mask",
            ) from error
    else:
        notes.other(
            "The mask has no transparency: it was sent as it is, and white is where it edits.",
            "mask",
        )
    return form_file("mask", mask, _PICTURES, _MAX_BYTES, context)


def picture_response(
    account: KeyedAccount,
    answer: Answer,
    context: Context,
    warnings: tuple[ResponseWarning, ...] = (),
) -> ImageResponse:
    """The picture of an answer.

    Raises:
        ContentBlockedError: Moderation blurred it.
        InvalidResponseError: It is no picture.
    """
    reason = answer.headers.get("finish-reason", "").strip()
    request_id = request_id_of(answer.headers)
    if reason == "CONTENT_FILTERED":
        raise ContentBlockedError(
            "Moderation blurred the picture, so it is no answer.",
            stage="output",
            provider=account.name,
            model=context.model,
            status=answer.status,
            code=reason,
            request_id=request_id,
            billed="maybe",
        )
    picture = picture_in(answer.body, answer, provider=account.name, model=context.model)
    seed = told_seed(answer.headers)
    details: dict[str, JsonValue] = {}
    if reason not in {"", "SUCCESS"}:
        details["finish_reason"] = account.redact(reason[:200])
    return ImageResponse(
        images=(picture,),
        seed=seed or None,
        provider=account.name,
        model=context.model,
        warnings=warnings,
        request_id=request_id,
        reproducible=bool(seed),
        provider_details=details,
    )
