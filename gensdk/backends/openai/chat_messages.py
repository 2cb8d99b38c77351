"""A conversation in the words of Chat Completions.

Rule of the room: pure, except ``fetched``, which downloads what the protocol takes only as
bytes. Nothing is left out in silence: a part the protocol has no word for is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from pydantic_core import to_json

from gensdk.catalog.compatible import Dialect
from gensdk.errors import InvalidRequestError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.toolkit.history import CallIds, passed_on
from gensdk.types import (
    URL,
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TextRequest,
    ToolCallPart,
    ToolResultPart,
)

from .parts import left_out_thinking, only_text, picture_address, result_text

__all__ = ["Wire", "conversation", "fetched", "plain_prompt"]

Wire = dict[str, object]

AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
"""Sound formats of ``input_audio`` (openai 3.52, chat_completion_content_part_input_audio)."""


_NO_FILES = "this server takes no documents"


async def fetched(
    request: TextRequest, dialect: Dialect, notes: Notes, context: Context
) -> TextRequest:
    """Replace documents given by address by their bytes: the protocol takes no file address.

    Raises:
        UnsupportedFeatureError: The server takes no documents; nothing was downloaded.
    """
    if isinstance(request.prompt, str) or not any(
        isinstance(part, FilePart) and isinstance(part.file, URL)
        for message in request.prompt
        for part in message.content
    ):
        return request
    if "file_input" in dialect.refuses:
        notes.refuse("prompt", _NO_FILES)
    messages = [
        message.model_copy(
            update={"content": tuple([await _fetched(part, context) for part in message.content])}
        )
        for message in request.prompt
    ]
    return request.model_copy(update={"prompt": tuple(messages)})


async def _fetched(part: Part, context: Context) -> Part:
    if isinstance(part, FilePart) and isinstance(part.file, URL):
        return part.model_copy(update={"file": await context.fetch(part.file)})
    return part


def conversation(
    request: TextRequest, dialect: Dialect, notes: Notes, instructions: str = ""
) -> list[Wire]:
    """The messages to send; ``instructions`` are added to the system message.

    Raises:
        UnsupportedFeatureError: A part cannot be said to this server.
        InvalidRequestError: A message has parts that its role cannot have.
    """
    system = "\n\n".join(text for text in (request.system, instructions) if text)
    messages: list[Wire] = []
    if system:
        messages.append({"role": dialect.system_role, "content": system})
    if isinstance(request.prompt, str):
        messages.append({"role": "user", "content": request.prompt})
        return messages
    ids = CallIds(re.compile(dialect.call_id_form), dialect.call_id_length)
    for message in passed_on(request.prompt, dialect.name, notes, ids):
        messages.extend(_said(message, dialect, notes))
    return messages


def _said(message: Message, dialect: Dialect, notes: Notes) -> Iterator[Wire]:
    """One message is one on the wire, but each tool result is a message of its own."""
    rest: list[Part] = []
    for part in message.content:
        if isinstance(part, ToolResultPart):
            content = result_text(part)
            yield {"role": "tool", "tool_call_id": part.tool_call_id, "content": content}
        else:
            rest.append(part)
    if not rest:
        return
    if message.role == "assistant":
        yield _assistant(rest, dialect, notes)
    elif message.role == "user":
        yield {"role": "user", "content": _user_content(rest, dialect, notes)}
    elif message.role == "system":
        yield {"role": dialect.system_role, "content": only_text(rest, "system")}
    else:
        raise InvalidRequestError("a message of role 'tool' holds tool results and nothing else")


def _user_content(parts: Sequence[Part], dialect: Dialect, notes: Notes) -> object:
    """A string where there is only text (older servers take nothing else), else a list."""
    if all(isinstance(part, TextPart) for part in parts):
        return only_text(parts, "user")
    return [_user_part(part, dialect, notes) for part in parts]


def _user_part(part: Part, dialect: Dialect, notes: Notes) -> Wire:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return _image(part, dialect, notes)
        case AudioPart():
            return _audio(part, dialect, notes)
        case FilePart():
            return _file(part, dialect, notes)
        case ToolCallPart() | ToolResultPart() | ReasoningPart() | RefusalPart():
            raise InvalidRequestError(f"a message of the user cannot hold a {part.type} part")
        case _:
            assert_never(part)


def _image(part: ImagePart, dialect: Dialect, notes: Notes) -> Wire:
    if "image_input" in dialect.refuses:
        notes.refuse("prompt", "this server takes no pictures")
    picture: Wire = {"url": picture_address(part)}
    if part.detail is not None:
        picture["detail"] = part.detail
    return {"type": "image_url", "image_url": picture}


def _audio(part: AudioPart, dialect: Dialect, notes: Notes) -> Wire:
    if "audio_input" in dialect.refuses:
        notes.refuse("prompt", "this server takes no sound")
    sound = AUDIO_FORMATS.get(part.audio.media_type)
    if sound is None:
        notes.refuse("prompt", f"sound must be WAV or MP3, not {part.audio.media_type}")
    return {"type": "input_audio", "input_audio": {"data": part.audio.base64(), "format": sound}}


def _file(part: FilePart, dialect: Dialect, notes: Notes) -> Wire:
    if "file_input" in dialect.refuses:
        notes.refuse("prompt", _NO_FILES)
    if isinstance(part.file, URL):
        raise InvalidRequestError("a document's address must be fetched before it is sent")
    name = part.name or part.file.filename
    return {"type": "file", "file": {"filename": name, "file_data": part.file.data_uri()}}


def _assistant(parts: Sequence[Part], dialect: Dialect, notes: Notes) -> Wire:
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[Wire] = []
    for part in parts:
        match part:
            case TextPart() | RefusalPart():
                text.append(part.text)
            case ReasoningPart():
                reasoning.append(part.text)
            case ToolCallPart():
                calls.append(_tool_call(part))
            case AudioPart() if any(isinstance(other, TextPart) for other in parts):
                notes.adapt("prompt", "An earlier spoken answer was sent as its transcript.")
            case _:
                notes.refuse("prompt", f"a message of the model cannot hold a {part.type} part")
    message: Wire = {"role": "assistant", "content": "".join(text) if text or not calls else None}
    if calls:
        message["tool_calls"] = calls
    # DeepSeek wants the key beside every tool call, even where the thinking is empty.
    if dialect.reasoning_field and (calls or any(reasoning)):
        message[dialect.reasoning_field] = "".join(reasoning)
    elif not dialect.reasoning_field:
        left_out_thinking(parts, notes)
    return message


def _tool_call(part: ToolCallPart) -> Wire:
    """Broken arguments go back as valid JSON: servers that parse the history refuse them else."""
    arguments = {"malformed": part.malformed} if part.malformed is not None else part.arguments
    function = {"name": part.name, "arguments": to_json(arguments).decode()}
    return {"id": part.id, "type": "function", "function": function}


def plain_prompt(request: TextRequest, notes: Notes) -> str:
    """The conversation as one text, for models that only continue a text.

    Raises:
        UnsupportedFeatureError: Something in it is not text.
    """
    messages = request.messages
    texts = [_line(message, notes) for message in messages]
    if len(messages) == 1 and messages[0].role == "user":
        if request.system is None:
            return texts[0]
        notes.adapt("system", "'system' was put before the prompt: this protocol has no roles.")
        return f"{request.system}\n\n{texts[0]}"
    notes.adapt("prompt", "The conversation was written out as one text with the speakers' names.")
    names = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}
    lines = [f"System: {request.system}"] if request.system else []
    lines += [f"{names[m.role]}: {text}" for m, text in zip(messages, texts, strict=True)]
    if messages[-1].role != "assistant":  # else the answer goes on where that message ends
        lines.append("Assistant:")
    return "\n\n".join(lines)


def _line(message: Message, notes: Notes) -> str:
    for part in message.content:
        if not isinstance(part, TextPart | ReasoningPart | RefusalPart):
            notes.refuse("prompt", f"the Completions protocol takes text, not a {part.type} part")
    left_out_thinking(message.content, notes)
    return "".join(
        part.text for part in message.content if isinstance(part, TextPart | RefusalPart)
    )
