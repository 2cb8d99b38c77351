"""Messages and their parts: the provider-neutral form of a conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, field_validator
from pydantic_core import PydanticSerializationError, to_json

from .base import SendableJson, Text, Value
from .media import URL, Media, is_empty, no_address, no_media

__all__ = [
    "AudioPart",
    "FilePart",
    "ImagePart",
    "Message",
    "Part",
    "PrivateData",
    "ReasoningPart",
    "RefusalPart",
    "Role",
    "TextPart",
    "ToolCallPart",
    "ToolResultPart",
    "part_of",
]

Role = Literal["system", "user", "assistant", "tool"]


class PrivateData(Value):
    """Data only its own provider understands (reasoning signatures, item ids).

    It travels with the part and is sent back to the same provider alone; another provider's hop
    leaves it out.
    """

    provider: Text
    data: SendableJson


class _Part(Value):
    private: PrivateData | None = Field(default=None, repr=False)


class TextPart(_Part):
    """Plain text."""

    type: Literal["text"] = "text"
    text: Text


class ImagePart(_Part):
    """A picture the model should look at.

    Attributes:
        image: Bytes, or an address the provider fetches.
        detail: How closely to look, where the provider lets one choose.
    """

    type: Literal["image"] = "image"
    image: Media | URL
    detail: Literal["auto", "low", "high"] | None = None


class AudioPart(_Part):
    """Sound the model should listen to."""

    type: Literal["audio"] = "audio"
    audio: Media


class FilePart(_Part):
    """A document, such as a PDF."""

    type: Literal["file"] = "file"
    file: Media | URL
    name: Text | None = None


class ToolCallPart(_Part):
    """The model asks for a tool to be run.

    Attributes:
        id: Names the call; the result must carry it.
        name: Tool to run.
        arguments: Parsed arguments. Empty where the model's JSON was broken.
        malformed: The model's text where it was not a JSON object.
    """

    type: Literal["tool_call"] = "tool_call"
    id: Text
    name: Text
    arguments: SendableJson = Field(default_factory=dict)
    malformed: Text | None = None


class ToolResultPart(_Part):
    """What a tool returned.

    Attributes:
        tool_call_id: The id of the call it answers.
        content: Result as text; JSON for anything that is not text.
        is_error: Whether the text describes a failure.
    """

    type: Literal["tool_result"] = "tool_result"
    tool_call_id: Text
    content: Text
    name: Text | None = None
    is_error: bool = False


class ReasoningPart(_Part):
    """The model's thinking, or a summary of it, as far as the provider shows it."""

    type: Literal["reasoning"] = "reasoning"
    text: Text = ""


class RefusalPart(_Part):
    """The model declines, in its own words."""

    type: Literal["refusal"] = "refusal"
    text: Text


Part = Annotated[
    TextPart
    | ImagePart
    | AudioPart
    | FilePart
    | ToolCallPart
    | ToolResultPart
    | ReasoningPart
    | RefusalPart,
    Field(discriminator="type"),
]


def part_of(value: object) -> object:
    """Turn text, media or a URL into the part that carries it; parts stay as they are.

    Raises:
        ValueError: It is none of these; the message says what to write.
    """
    if isinstance(value, str):
        return TextPart(text=value)
    if isinstance(value, URL):
        return ImagePart(image=value)
    if isinstance(value, Media):
        if value.kind == "image":
            return ImagePart(image=value)
        if value.kind == "audio":
            return AudioPart(audio=value)
        return FilePart(file=value, name=value.name)
    if isinstance(value, _Part | dict):  # a dict is a part in its JSON form
        return value
    said = no_media(value) or f"a message holds text, Media, URL or parts, not {_kind(value)}"
    raise ValueError(said)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


def bad_media(part: Part) -> str | None:
    """What is wrong with the media of a part: there are none, or an address is none."""
    content = {"image": "image", "audio": "audio", "file": "file"}.get(part.type)
    if content is None:
        return None
    media = getattr(part, content)
    return f"an empty {part.type}" if is_empty(media) else no_address(media)


def says_something(part: Part) -> bool:
    """Whether there is anything in a part: every one has, but for a text of white space."""
    return not isinstance(part, TextPart) or bool(part.text.strip())


class Message(Value):
    """One turn of a conversation.

    ``content`` takes text, media, parts or a sequence of them. ``Message.user("…")``,
    ``Message.assistant("…")``, ``Message.system("…")`` and ``Message.tool(id, "…")`` are the
    short forms.
    """

    role: Role
    content: tuple[Part, ...]

    @field_validator("content", mode="before")
    @classmethod
    def _as_parts(cls, value: Any) -> Any:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(part_of(item) for item in items)

    @field_validator("content", mode="after")
    @classmethod
    def _not_empty(cls, value: tuple[Part, ...]) -> tuple[Part, ...]:
        if not value:
            raise ValueError("a message needs at least one part")
        return value

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @classmethod
    def user(cls, *content: str | Media | URL | Part) -> Self:
        """A message of the user: text, pictures, sound or documents, in order."""
        return cls(role="user", content=content)

    @classmethod
    def system(cls, text: str) -> Self:
        """Instructions that stand above the conversation."""
        return cls(role="system", content=(TextPart(text=text),))

    @classmethod
    def assistant(cls, *content: str | Part) -> Self:
        """A message of the model."""
        return cls(role="assistant", content=content)

    @classmethod
    def tool(cls, tool_call_id: str, result: JsonValue, *, is_error: bool = False) -> Self:
        """The result of one tool call; anything but text becomes JSON."""
        part = ToolResultPart(
            tool_call_id=tool_call_id, content=result_text(result), is_error=is_error
        )
        return cls(role="tool", content=(part,))


def result_text(result: object) -> str:
    """A tool's result as the text a model reads: text as it is, everything else as JSON.

    Lone surrogates, as in the name of a file that is no UTF-8, become ``?`` or an escape.
    """
    if isinstance(result, str):
        return result.encode(errors="replace").decode()
    try:
        return to_json(result, fallback=str, bytes_mode="base64").decode()
    except PydanticSerializationError:
        return json.dumps(result, default=str)


def plain_text(parts: Sequence[Part]) -> str:
    """The text parts of a message, joined."""
    return "".join(part.text for part in parts if isinstance(part, TextPart))
