"""One request to ``/images``: its path, its body, and the files of an edit."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gensdk.errors import InvalidRequestError
from gensdk.spec import Context
from gensdk.toolkit import MAX_MEDIA_BYTES, Answer, Form, FormFile, Notes, StreamAnswer, merge_extra
from gensdk.types import ImageRequest, Media

from .image_fields import ImageWire, image_fields, wire_for
from .media_wire import fetched, form_file, kept
from .options_media import OpenAIImageOptions, form_fields, media_options

if TYPE_CHECKING:
    from .account import Account

__all__ = ["ImageCall", "prepare"]

_INPUT_TYPES = ("image/png", "image/webp", "image/jpeg")
_OVERLAY_TYPES = ("image/png",)
_MAX_IMAGE = 50 * 2**20
_MAX_MASK = 4 * 2**20


@dataclass(frozen=True, slots=True)
class ImageCall:
    """One attempt: what was asked, of whom, and what is sent.

    Attributes:
        account: Account that is asked.
        request: The caller's request.
        context: Attempt.
        notes: What happened to the caller's options.
        wire: What the request was translated for.
        path: Endpoint.
        body: Fields, with the model.
        files: Files of an edit; None sends the body as JSON.
    """

    account: Account
    request: ImageRequest
    context: Context
    notes: Notes
    wire: ImageWire
    path: str
    body: dict[str, Any]
    files: tuple[FormFile, ...] | None = None

    @property
    def streams(self) -> bool:
        """Whether previews can come."""
        return self.wire.streams(self.request)

    @property
    def seeded(self) -> bool:
        """Whether a seed was sent, and not refused on the way."""
        return kept("seed", self.body, self.notes)

    async def send(self) -> Answer:
        """Ask for the whole answer."""
        if self.files is None:
            return await self.account.post(
                self.path, self.body, self.context, notes=self.notes, max_bytes=MAX_MEDIA_BYTES
            )
        form = Form(fields=form_fields(self.body), files=self.files)
        return await self.account.post_form(
            self.path, form, self.context, notes=self.notes, max_bytes=MAX_MEDIA_BYTES
        )

    def open(self, previews: int) -> AbstractAsyncContextManager[StreamAnswer]:
        """Ask for a stream."""
        body = {**self.body, "stream": True, "partial_images": previews}
        if self.files is None:
            return self.account.stream(self.path, body, self.context, notes=self.notes)
        form = Form(fields=form_fields(body), files=self.files)
        return self.account.stream_form(self.path, form, self.context, notes=self.notes)


async def prepare(account: Account, request: ImageRequest, context: Context) -> ImageCall:
    """Translate a request; the only wait is for input pictures behind an address.

    Raises:
        InvalidRequestError: The request cannot be what this model takes.
        UnsupportedFeatureError: The model cannot do what the request means.
    """
    notes = Notes(account.name, context)
    options = media_options(request, OpenAIImageOptions, account, context.model)
    wire = wire_for(request, context.model, account.dialect, options)
    body: dict[str, Any] = {"model": context.model, **image_fields(request, wire, notes)}
    merge_extra(body, request, provider=account.name, model=context.model)
    call = ImageCall(account, request, context, notes, wire, "/images/generations", body)
    if not wire.edit:
        return call
    _check_edit(call)
    images = await fetched(request.images, context)
    return replace(call, path="/images/edits", files=_files(call, images))


def _check_edit(call: ImageCall) -> None:
    request, row = call.request, call.wire.row
    if len(request.images) > row.max_images:
        most = f"at most {row.max_images}" if row.max_images else "none"
        call.notes.refuse("images", f"it takes {most}")
    if call.wire.options.markup is not None and request.mask is not None:
        call.notes.refuse("markup", "it does not go together with a mask")
    if not request.prompt.strip():
        raise InvalidRequestError(
            "an edit needs a prompt that says what to change",
            provider=call.account.name,
            model=call.context.model,
            param="prompt",
        )


def _files(call: ImageCall, images: tuple[Media, ...]) -> tuple[FormFile, ...]:
    """One picture is ``image``, several are ``image[]``, as the API's own client sends them."""
    field = "image" if len(images) == 1 else "image[]"
    own = call.wire.row.shape != "server"
    limit = _MAX_IMAGE if own else MAX_MEDIA_BYTES
    where = {"provider": call.account.name, "model": call.context.model}
    files = [form_file(field, image, _INPUT_TYPES, limit, **where) for image in images]
    if call.request.mask is not None:
        limit = _MAX_MASK if own else MAX_MEDIA_BYTES
        files.append(form_file("mask", call.request.mask, _OVERLAY_TYPES, limit, **where))
    if call.wire.options.markup is not None:
        markup = call.wire.options.markup
        files.append(form_file("markup", markup, _OVERLAY_TYPES, _MAX_IMAGE, **where))
    return tuple(files)
