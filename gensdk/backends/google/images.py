"""Pictures from Gemini's image models, over ``:generateContent``: prepare, send, map.

The wire: ``ImageConfig`` and ``response_modalities`` of google-genai 3.4.0. File format and
compression are the model's own choice there; pictures to start from are parts of the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gensdk.catalog.google import GoogleModel, google_model
from gensdk.errors import ContentBlockedError, InvalidResponseError
from gensdk.toolkit import MAX_MEDIA_BYTES, Answer, Notes, picture_problem
from gensdk.types import URL, ImageRequest, ImageResponse, Media

from .account import model_path
from .contents import fetched_media, media_part
from .geometry import image_shape
from .options import GoogleImageOptions, options_of
from .text_request import safety_settings
from .wire import ContentBody, blocked_prompt, merge_extra, parsed, usage_of, withheld

if TYPE_CHECKING:
    from gensdk.spec import Context

    from .account import Account

__all__ = ["generate", "prepare"]

_TAKEN = frozenset({
    "prompt", "images", "size", "aspect_ratio", "n", "seed", "quality", "format", "moderation",
})  # fmt: skip
_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp", "image/gif": "gif"}
_THRESHOLDS = {"low": "BLOCK_ONLY_HIGH", "strict": "BLOCK_LOW_AND_ABOVE"}
_CATEGORIES = (
    "HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)  # fmt: skip
_NO_PICTURE = frozenset({"NO_IMAGE", "IMAGE_OTHER"})


def prepare(
    request: ImageRequest,
    images: Sequence[Media | URL],
    row: GoogleModel,
    options: GoogleImageOptions,
    notes: Notes,
) -> dict[str, Any]:
    """The body of the request.

    Raises:
        UnsupportedFeatureError: There is a mask, or more than one picture is asked for.
    """
    notes.drop_unsupported(
        request, _TAKEN, meaning={"mask"}, reason="Gemini's image models have no such field"
    )
    if request.n is not None and request.n > 1:
        notes.refuse("n", "it makes one picture a request; a client sends several by itself")
    parts = [media_part(image) for image in images]
    if request.prompt:
        parts.append({"text": request.prompt})
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    shape = image_shape(request, row.ratios, row.sizes, notes)
    if options.image_size is not None:
        shape["imageSize"] = options.image_size
    if shape:
        config["imageConfig"] = shape
    if request.seed is not None:
        config["seed"] = request.seed
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": config,
    }
    safety = dict(options.safety)
    if not safety and (threshold := _THRESHOLDS.get(request.moderation or "")):
        safety = dict.fromkeys(_CATEGORIES, threshold)  # type: ignore[arg-type]  # from the table
    if safety:
        body["safetySettings"] = safety_settings(safety)
    return body


async def generate(account: Account, request: ImageRequest, context: Context) -> ImageResponse:
    """Make a picture, or edit some, once."""
    notes = Notes(account.name, context)
    options = options_of(request, GoogleImageOptions, account.name, context.model)
    row = google_model(context.model)
    if request.mask is not None:
        notes.refuse("mask", "Gemini's image models have no such field")
    images = await fetched_media(request.images, context)
    payload = prepare(request, images, row, options, notes)
    merge_extra(payload, request, account, context.model)
    answer = await account.post(
        f"{model_path(context.model)}:generateContent",
        payload,
        context,
        max_bytes=MAX_MEDIA_BYTES,
    )
    return _response(answer, request, account, context, notes)


def _response(
    answer: Answer, request: ImageRequest, account: Account, context: Context, notes: Notes
) -> ImageResponse:
    """The picture in an answer.

    Raises:
        ContentBlockedError: Prompt or picture were held back.
        InvalidResponseError: There is no picture, or half of one.
    """
    body = parsed(ContentBody, answer.body, answer, account, context)
    found, said = _inside(body)
    images = tuple(_picture(one, answer, account, context) for one in found)
    if not images:
        raise _nothing(body, said, answer, account, context)
    made = _FORMATS.get(images[0].media_type)
    if request.format is not None and made != request.format:
        notes.adapt("format", f"The model chose {images[0].media_type} itself", made)
    return ImageResponse(
        images=images,
        revised_prompt=None,
        provider=account.name,
        model=body.model_version or context.model,
        usage=usage_of(body.usage_metadata),
        warnings=notes.warnings,
        request_id=body.response_id,
        provider_details={"text": said} if said else {},
    )


def _inside(body: ContentBody) -> tuple[list[dict[str, Any]], str]:
    """The pictures and the words; drafts that belong to the model's thinking are left out."""
    pictures: list[dict[str, Any]] = []
    words: list[str] = []
    for candidate in body.candidates:
        for part in candidate.content.parts if candidate.content else ():
            if part.get("thought") is True:
                continue
            inline, text = part.get("inlineData"), part.get("text")
            if isinstance(inline, dict) and isinstance(inline.get("data"), str):
                pictures.append(inline)
            elif isinstance(text, str):
                words.append(text)
    return pictures, "".join(words)


def _picture(inline: dict[str, Any], answer: Answer, account: Account, context: Context) -> Media:
    media = Media(data=account.decoded(inline["data"], answer, context))
    if media.kind != "image":
        message = f"The answer holds {media.media_type} where a picture was expected."
        raise account.invalid(message, answer, context)
    problem = picture_problem(media.data, media.media_type)
    if problem is not None:
        raise account.invalid(f"The picture in the answer {problem}.", answer, context)
    return media


def _nothing(
    body: ContentBody, said: str, answer: Answer, account: Account, context: Context
) -> ContentBlockedError | InvalidResponseError:
    """An answer without a picture: blocked, declined in words, or empty."""
    blocked = blocked_prompt(body, account, context)
    if blocked is not None:
        return blocked
    if not body.candidates:
        return account.invalid("The answer holds no candidate.", answer, context)
    candidate = body.candidates[0]
    word = candidate.finish_reason or "no finishReason"
    if word != "STOP" and word not in _NO_PICTURE and word != "MAX_TOKENS":
        return withheld(candidate, body, account, context)
    told = f", and said: {said[:300]}" if said else ""
    return account.invalid(f"The model made no picture ({word}){told}", answer, context)
