"""A conversation as turns of the Messages API.

What the model said before goes back as it came, as far as ``PrivateData`` of this account kept
it: thinking with its signature, citations, and the blocks of Anthropic's own tools. Thinking is
tied to the model that produced it, so another model's stays out, as does another provider's data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from gensdk.errors import InvalidRequestError
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

if TYPE_CHECKING:
    from gensdk.toolkit import Notes
from gensdk.toolkit.history import CallIds, passed_on

__all__ = ["Conversation", "conversation"]

Block = dict[str, object]
Turn = dict[str, object]

_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_CALL_IDS = CallIds(re.compile("[A-Za-z0-9_-]+"))


@dataclass(slots=True)
class Conversation:
    """What the messages of a request become.

    Attributes:
        system: Instructions that stand above the conversation, in order.
        turns: The turns; no two of the same role follow each other.
        unsigned_call: Whether the model's last turn called tools without thinking of its own.
    """

    system: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    unsigned_call: bool = False

    @property
    def prefilled(self) -> bool:
        """Whether it ends with a turn of the model, to be continued."""
        return bool(self.turns) and self.turns[-1]["role"] == "assistant"

    def add(self, role: str, blocks: list[Block]) -> None:
        """Add blocks to the last turn if it has the same role, else as a new one."""
        if not blocks:
            return  # nothing but white space, which the server refuses
        last = self.turns[-1] if self.turns else None
        if last is not None and last["role"] == role:
            content = last["content"]
            assert isinstance(content, list)
            content += blocks
        else:
            self.turns.append({"role": role, "content": blocks})
        if role == "assistant":
            kinds = [block["type"] for block in blocks]
            self.unsigned_call = "tool_use" in kinds and kinds[0] not in {
                "thinking", "redacted_thinking",
            }  # fmt: skip


def conversation(
    messages: Sequence[Message],
    *,
    provider: str,
    model: str,
    system_turns: bool,
    citations: bool,
    notes: Notes,
) -> Conversation:
    """The turns of a conversation.

    Args:
        messages: The conversation, oldest first.
        provider: Name of the account; data it kept in the parts is sent back.
        model: Model that is asked; thinking of another one is left out.
        system_turns: Whether instructions may stand between the turns.
        citations: Whether documents may be cited.
        notes: Where what was left out or moved is noted.

    Raises:
        UnsupportedFeatureError: A part the API has no block for.
        InvalidRequestError: A part stands in a message of the wrong role.
    """
    told = Conversation()
    for message in passed_on(messages, provider, notes, _CALL_IDS):
        match message.role:
            case "system":
                _instructions(message.content, told, notes, in_place=system_turns)
            case "user":
                given = [_user_block(part, notes, citations=citations) for part in message.content]
                told.add("user", [block for block in given if block is not None])
            case "tool":
                told.add("user", [_tool_result(part) for part in message.content])
            case "assistant":
                told.add("assistant", list(_said(message.content, provider, model, notes)))
            case _:
                assert_never(message.role)
    if told.prefilled:
        _strip_end(told.turns[-1])
    return told


def _instructions(
    parts: Sequence[Part], told: Conversation, notes: Notes, *, in_place: bool
) -> None:
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) != len(parts):
        raise InvalidRequestError("a message of role 'system' holds text only", param="prompt")
    text = "".join(texts)
    if in_place and told.turns and told.turns[-1]["role"] == "user" and text.strip():
        told.turns.append({"role": "system", "content": [{"type": "text", "text": text}]})
        return
    if told.turns:
        notes.adapt(
            "prompt",
            "instructions inside the conversation were moved above it: this model takes none there",
            "system",
        )
    told.system.append(text)


def _user_block(part: Part, notes: Notes, *, citations: bool) -> Block | None:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text} if part.text.strip() else None
        case ImagePart():
            return _picture(part, notes)
        case FilePart():
            return _document(part, notes, citations=citations)
        case ToolResultPart():
            return _tool_result(part)
        case AudioPart():
            raise notes.refuse("prompt", "Claude takes no sound; transcribe it first")
        case ToolCallPart() | ReasoningPart() | RefusalPart():
            raise InvalidRequestError(
                f"a message of the user holds a {part.type!r} part; it belongs to another role",
                param="prompt",
            )
        case _:
            assert_never(part)


def _picture(part: ImagePart, notes: Notes) -> Block:
    if part.detail in {"low", "high"}:
        notes.drop("detail", "how closely to look at a picture cannot be said")
    if not isinstance(part.image, Media):
        return {"type": "image", "source": {"type": "url", "url": part.image.url}}
    if part.image.media_type not in _PICTURES:
        notes.refuse("prompt", f"Claude sees JPEG, PNG, GIF and WebP, not {part.image.media_type}")
    return {"type": "image", "source": _base64(part.image)}


def _document(part: FilePart, notes: Notes, *, citations: bool) -> Block:
    block: Block = {"type": "document", "source": _document_source(part, notes)}
    name = part.name or (part.file.name if isinstance(part.file, Media) else None)
    if name:
        block["title"] = name
    if citations:
        block["citations"] = {"enabled": True}
    return block


def _document_source(part: FilePart, notes: Notes) -> Block:
    file = part.file
    if not isinstance(file, Media):
        return {"type": "url", "url": file.url}
    if file.media_type == "application/pdf":
        return _base64(file)
    if file.media_type.startswith("text/") or file.media_type == "application/json":
        try:
            text = file.data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidRequestError("a document of text is not UTF-8", param="prompt") from error
        return {"type": "text", "media_type": "text/plain", "data": text}
    raise notes.refuse("prompt", f"Claude reads PDF and plain text, not {file.media_type}")


def _base64(media: Media) -> Block:
    return {"type": "base64", "media_type": media.media_type, "data": media.base64()}


def _tool_result(part: Part) -> Block:
    if not isinstance(part, ToolResultPart):
        raise InvalidRequestError(
            f"a message of a tool holds a {part.type!r} part; it takes results only", param="prompt"
        )
    block: Block = {"type": "tool_result", "tool_use_id": part.tool_call_id}
    if part.content:
        block["content"] = part.content
    if part.is_error:
        block["is_error"] = True
    return block


def _said(parts: Sequence[Part], provider: str, model: str, notes: Notes) -> Iterator[Block]:
    for part in parts:
        kept = _kept(part, provider)
        match part:
            case TextPart() | RefusalPart():
                if part.text.strip():
                    yield {"type": "text", "text": part.text, **kept}
            case ToolCallPart():
                yield _tool_use(part, kept)
            case ReasoningPart():
                block = _thought(part, kept, model)
                if block is not None:
                    yield block
                elif part.text:
                    notes.other(
                        "the thinking of another model was left out of the conversation",
                        "prompt",
                        "adapted",
                    )
            case ImagePart() | AudioPart() | FilePart() | ToolResultPart():
                raise InvalidRequestError(
                    f"a message of the model holds a {part.type!r} part; the server takes none",
                    param="prompt",
                )
            case _:
                assert_never(part)


def _kept(part: Part, provider: str) -> JsonObject:
    private = part.private
    return private.data if private is not None and private.provider == provider else {}


def _tool_use(part: ToolCallPart, kept: JsonObject) -> Block:
    # Broken JSON goes back under the name that the vendor's guide gives for it.
    given: object = part.arguments if part.malformed is None else {"INVALID_JSON": part.malformed}
    return {
        "type": "tool_use", "id": part.id, "name": part.name, "input": given, **kept,
    }  # fmt: skip


def _thought(part: ReasoningPart, kept: JsonObject, model: str) -> Block | None:
    """The block a part came from; None where it cannot go back."""
    block = kept.get("block")
    thinking = "signature" in kept or (
        isinstance(block, dict) and block.get("type") == "redacted_thinking"
    )
    if thinking and kept.get("model") != model:
        return None
    if "signature" in kept:
        return {"type": "thinking", "thinking": part.text, "signature": kept["signature"]}
    return dict(block) if isinstance(block, dict) else None


def _strip_end(turn: Turn) -> None:
    """The server refuses white space at the end of a message it shall continue."""
    content = turn["content"]
    assert isinstance(content, list)
    last = content[-1]
    if last["type"] == "text":
        last["text"] = last["text"].rstrip()
