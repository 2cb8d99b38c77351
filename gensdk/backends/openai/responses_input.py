"""A conversation as input items of the Responses API.

What the model said before goes back in the shape it came in, as far as ``PrivateData`` of this
account kept it: thinking with its encrypted content, and the items of OpenAI's own tools. Data of
another provider stays out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, assert_never

from pydantic_core import to_json

from gensdk.errors import InvalidRequestError
from gensdk.toolkit.history import CallIds, passed_on
from gensdk.types import (
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
    ToolCallPart,
    ToolResultPart,
)

from .parts import left_out_thinking, only_text, picture_address, result_text

if TYPE_CHECKING:
    from gensdk.toolkit import Notes

__all__ = ["input_items"]

Item = dict[str, object]

_CALL_IDS = CallIds(re.compile(".{1,64}"))
"""OpenAI's OpenAPI document, ``FunctionCallOutputItemParam``: 1 to 64 characters."""


def input_items(
    messages: Sequence[Message],
    *,
    provider: str,
    system_role: Literal["developer", "system"],
    stored: bool,
    notes: Notes,
) -> list[Item]:
    """The items for a conversation.

    Args:
        messages: The conversation, oldest first.
        provider: Name of the account; data it kept in the parts is sent back.
        system_role: What the server calls the role of instructions.
        stored: Whether the server keeps answers, so that thinking may be named by its id alone.
        notes: Where left-out thinking is noted.

    Raises:
        UnsupportedFeatureError: A part the protocol has no item for.
        InvalidRequestError: A part stands in a message of the wrong role.
    """
    items: list[Item] = []
    for message in passed_on(messages, provider, notes, _CALL_IDS):
        match message.role:
            case "user":
                items.append({"role": "user", "content": _user_content(message.content, notes)})
            case "system":
                items.append({"role": system_role, "content": only_text(message.content, "system")})
            case "assistant":
                items += _assistant_items(message.content, provider, notes, stored=stored)
            case "tool":
                items += [_tool_output(part) for part in message.content]
            case _:
                assert_never(message.role)
    return items


def _user_content(parts: Sequence[Part], notes: Notes) -> str | list[Item]:
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return [_user_part(part, notes) for part in parts]


def _user_part(part: Part, notes: Notes) -> Item:
    match part:
        case TextPart():
            return {"type": "input_text", "text": part.text}
        case ImagePart():
            return _image(part)
        case FilePart():
            return _file(part)
        case AudioPart():
            raise notes.refuse("prompt", "Responses takes no sound; Chat Completions does")
        case ToolCallPart() | ToolResultPart() | ReasoningPart() | RefusalPart():
            raise InvalidRequestError(
                f"a message of the user holds a {part.type!r} part; it belongs to another role",
                param="prompt",
            )
        case _:
            assert_never(part)


def _image(part: ImagePart) -> Item:
    address = picture_address(part)
    return {"type": "input_image", "image_url": address, "detail": part.detail or "auto"}


def _file(part: FilePart) -> Item:
    if not isinstance(part.file, Media):
        return {"type": "input_file", "file_url": part.file.url}
    name = part.name or part.file.filename
    return {"type": "input_file", "filename": name, "file_data": part.file.data_uri()}


def _tool_output(part: Part) -> Item:
    if not isinstance(part, ToolResultPart):
        raise InvalidRequestError(
            f"a message of a tool holds a {part.type!r} part; it takes results only", param="prompt"
        )
    return {
        "type": "function_call_output",
        "call_id": part.tool_call_id,
        "output": result_text(part),
    }


def _assistant_items(
    parts: Sequence[Part], provider: str, notes: Notes, *, stored: bool
) -> Iterator[Item]:
    for part in parts:
        kept = _kept(part, provider)
        match part:
            case TextPart() | RefusalPart():
                yield _said(part, kept)
            case ToolCallPart():
                yield _function_call(part, kept)
            case ReasoningPart() | ImagePart():
                item = _replayed(part, kept, stored=stored)
                if item is not None:
                    yield item
                else:
                    _left_out(part, notes)
            case AudioPart() | FilePart() | ToolResultPart():
                raise InvalidRequestError(
                    f"a message of the model holds a {part.type!r} part; the server takes none",
                    param="prompt",
                )
            case _:
                assert_never(part)


def _kept(part: Part, provider: str) -> JsonObject:
    private = part.private
    return private.data if private is not None and private.provider == provider else {}


def _said(part: TextPart | RefusalPart, kept: JsonObject) -> Item:
    """A message of the model; in full where its id is known, so that it stays with its thinking."""
    if "id" not in kept:
        return {"role": "assistant", "content": part.text}
    content: JsonObject = (
        {"type": "output_text", "text": part.text, "annotations": []}
        if isinstance(part, TextPart)
        else {"type": "refusal", "refusal": part.text}
    )
    return {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [content],
        **kept,
    }


def _function_call(part: ToolCallPart, kept: JsonObject) -> Item:
    arguments = part.malformed if part.malformed is not None else to_json(part.arguments).decode()
    return {
        "type": "function_call",
        "call_id": part.id,
        "name": part.name,
        "arguments": arguments,
        **kept,
    }


def _replayed(part: ReasoningPart | ImagePart, kept: JsonObject, *, stored: bool) -> Item | None:
    """The raw item a part came from; None where it cannot go back."""
    item = kept.get("item")
    if not isinstance(item, dict):
        return None
    if isinstance(part, ImagePart):
        return {**item, "result": part.image.base64()} if isinstance(part.image, Media) else None
    thinking = item.get("type") == "reasoning"
    if thinking and not (stored or item.get("encrypted_content") or item.get("content")):
        return None
    return {key: value for key, value in item.items() if value is not None}


def _left_out(part: ReasoningPart | ImagePart, notes: Notes) -> None:
    if isinstance(part, ImagePart):
        notes.refuse("prompt", "a picture in a message of the model cannot be sent back")
    left_out_thinking((part,), notes)
