"""A conversation as Google's ``contents``, and media as its parts.

Rule of the room: pure, except ``fetched``, which downloads what Google does not fetch by itself.
Nothing is left out in silence: a part there is no word for is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never
from urllib.parse import urlsplit

from pydantic_core import from_json

from gensdk.errors import InvalidRequestError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.toolkit.history import passed_on
from gensdk.types import (
    URL,
    AudioPart,
    FilePart,
    ImagePart,
    JsonObject,
    Media,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TextRequest,
    ToolCallPart,
    ToolResultPart,
)

__all__ = ["Conversation", "conversation", "fetched", "fetched_media", "media_part"]

NO_SIGNATURE = "skip_thought_signature_validator"
"""Google's own word for a function call that another model made and that has no signature
(ai.google.dev, page "thought signatures", questions and answers)."""

_VIDEO_HOSTS = frozenset({"youtube.com", "www.youtube.com", "youtu.be"})
_FILES_HOST = "generativelanguage.googleapis.com"


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said, in Google's words."""

    contents: list[JsonObject]
    system: str


# ---------------------------------------------------------------------------------------- media
def handed_over(address: str) -> bool:
    """Whether Google fetches an address by itself: its own files, its storage, YouTube."""
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    own = host == _FILES_HOST and "/files/" in parts.path
    return parts.scheme == "gs" or host in _VIDEO_HOSTS or own


def media_part(media: Media | URL) -> dict[str, Any]:
    """A medium as a part.

    Raises:
        InvalidRequestError: It is an address that ``fetched`` should have downloaded.
    """
    if isinstance(media, Media):
        return {"inlineData": {"mimeType": _type_of(media), "data": media.base64()}}
    if not handed_over(media.url):
        raise InvalidRequestError(
            f"{media.url!r:.200} must be fetched before it is sent", param="prompt"
        )
    return {"fileData": {"fileUri": media.url}}


def _type_of(media: Media) -> str:
    if media.media_type == "audio/pcm" and media.sample_rate:
        return f"audio/l16;rate={media.sample_rate}"
    return media.media_type


async def fetched_media(items: Sequence[Media | URL], context: Context) -> tuple[Media | URL, ...]:
    """The media; what Google does not fetch is downloaded, side by side and guarded."""
    if not any(isinstance(item, URL) and not handed_over(item.url) for item in items):
        return tuple(items)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_fetch(item, context)) for item in items]
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__
    return tuple(task.result() for task in tasks)


async def _fetch(item: Media | URL, context: Context) -> Media | URL:
    wanted = isinstance(item, URL) and not handed_over(item.url)
    return await context.fetch(item) if isinstance(item, URL) and wanted else item


async def fetched(request: TextRequest, context: Context) -> TextRequest:
    """Replace addresses that Google does not fetch by what is there."""
    if isinstance(request.prompt, str):
        return request
    parts = [part for message in request.prompt for part in message.content]
    found = [_inside(part) for part in parts]
    given = [media for media in found if media is not None]
    if not any(isinstance(one, URL) for one in given):
        return request
    ready = iter(await fetched_media(given, context))
    changed = iter(
        [
            part if media is None else _with(part, next(ready))
            for part, media in zip(parts, found, strict=True)
        ]
    )
    messages = tuple(
        message.model_copy(update={"content": tuple(next(changed) for _ in message.content)})
        for message in request.prompt
    )
    return request.model_copy(update={"prompt": messages})


def _inside(part: Part) -> Media | URL | None:
    if isinstance(part, ImagePart):
        return part.image
    return part.file if isinstance(part, FilePart) else None


def _with(part: Part, media: Media | URL) -> Part:
    name = "image" if isinstance(part, ImagePart) else "file"
    return part.model_copy(update={name: media})


# --------------------------------------------------------------------------------- conversation
def conversation(
    request: TextRequest, provider: str, notes: Notes, *, signatures: bool
) -> Conversation:
    """The conversation to send.

    Args:
        request: What was asked.
        provider: The account's name: its own private data goes back, others' do not.
        notes: Takes what was changed on the way.
        signatures: Whether the model wants a signature on function calls.

    Raises:
        UnsupportedFeatureError: A part cannot be said to this model.
        InvalidRequestError: A message has parts that its role cannot have.
    """
    system = [request.system] if request.system else []
    contents: list[dict[str, Any]] = []
    names: dict[str, str] = {}  # tool by call: Google wants the name beside every result
    for message in passed_on(request.messages, provider, notes, None):
        if message.role == "system":
            if contents:
                notes.adapt("prompt", "A later system message was put in front of the conversation")
            system.append(_only_text(message))
            continue
        parts = _Turn(provider, notes, names, signatures).parts(message)
        role = "model" if message.role == "assistant" else "user"
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    if not contents:
        raise InvalidRequestError(
            "Google needs at least one message of the user", provider=provider, param="prompt"
        )
    return Conversation(contents, "\n\n".join(system))


def _only_text(message: Message) -> str:
    if any(not isinstance(part, TextPart) for part in message.content):
        raise InvalidRequestError(
            f"a message of role {message.role!r} holds text and nothing else", param="prompt"
        )
    return message.text


class _Turn:
    """One message on its way."""

    def __init__(
        self, provider: str, notes: Notes, names: dict[str, str], signatures: bool
    ) -> None:
        self._provider = provider
        self._notes = notes
        self._names = names
        self._signatures = signatures
        self._called = False

    def parts(self, message: Message) -> list[dict[str, Any]]:
        said = self._model if message.role == "assistant" else self._user
        return [one for part in message.content if (one := said(part)) is not None]

    def _user(self, part: Part) -> dict[str, Any] | None:
        match part:
            case TextPart():
                return {"text": part.text}
            case ImagePart():
                return self._picture(part)
            case AudioPart():
                return media_part(part.audio)
            case FilePart():
                return media_part(part.file)
            case ToolResultPart():
                return self._result(part)
            case _:
                raise InvalidRequestError(
                    f"a message of the user cannot hold a {part.type} part", param="prompt"
                )

    def _model(self, part: Part) -> dict[str, Any] | None:
        if isinstance(part, ToolResultPart):
            self._notes.refuse("prompt", "the model's turn cannot hold the result of a tool")
        own = self._own(part)
        if isinstance(verbatim := own.get("part"), dict):
            return verbatim
        signature = own.get("thoughtSignature")
        signed = {"thoughtSignature": signature} if isinstance(signature, str) else {}
        match part:
            case TextPart() | RefusalPart():
                return {"text": part.text, **signed} if part.text or signed else None
            case ReasoningPart():
                return self._thought(part, signed)
            case ToolCallPart():
                return self._call(part, signed)
            case ImagePart():
                return {**self._picture(part), **signed}
            case AudioPart():
                return media_part(part.audio)
            case FilePart():
                return media_part(part.file)
            case _:
                assert_never(part)

    def _own(self, part: Part) -> JsonObject:
        private = part.private
        return private.data if private and private.provider == self._provider else {}

    def _thought(self, part: ReasoningPart, signed: dict[str, str]) -> dict[str, Any] | None:
        if signed:
            return {"text": part.text, "thought": True, **signed}
        if part.text and not (part.private and part.private.provider == self._provider):
            self._notes.other(
                "the thinking of another model was left out of the conversation",
                "prompt",
                "adapted",
            )
        return None

    def _call(self, part: ToolCallPart, signed: dict[str, str]) -> dict[str, Any]:
        arguments = {"malformed": part.malformed} if part.malformed is not None else part.arguments
        first, self._called = not self._called, True
        self._names[part.id] = part.name  # ids made up here come again in a later turn
        if first and self._signatures and not signed:
            signed = {"thoughtSignature": NO_SIGNATURE}
        return {"functionCall": {"id": part.id, "name": part.name, "args": arguments}, **signed}

    def _result(self, part: ToolResultPart) -> dict[str, Any]:
        name = part.name or self._names.get(part.tool_call_id)
        if name is None:
            raise InvalidRequestError(
                f"the result of call {part.tool_call_id!r} answers no call of this conversation, "
                "and Google needs the tool's name: ToolResultPart(name=…)",
                provider=self._provider,
                param="prompt",
            )
        told = {"error": part.content} if part.is_error else _response(part.content)
        return {"functionResponse": {"id": part.tool_call_id, "name": name, "response": told}}

    def _picture(self, part: ImagePart) -> dict[str, Any]:
        if isinstance(part.image, Media) and part.image.kind != "image":
            raise InvalidRequestError(
                f"an image part holds {part.image.media_type}, not a picture; a document goes "
                "into a file part",
                param="prompt",
            )
        return media_part(part.image)


def _response(content: str) -> dict[str, Any]:
    """A result as the object that Google wants; ``output`` is its word for one that is none."""
    try:
        value = from_json(content)
    except ValueError:
        value = content
    return value if isinstance(value, dict) else {"output": value}
