"""Rules about parts of a conversation that both text protocols keep alike.

Rule of the room: pure. What is meant is said the same way over Chat Completions and Responses, or
refused by both.
"""

from __future__ import annotations

from collections.abc import Sequence

from gensdk.errors import InvalidRequestError
from gensdk.toolkit import Notes
from gensdk.types import URL, ImagePart, Part, ReasoningPart, TextPart, ToolResultPart

__all__ = ["left_out_thinking", "only_text", "picture_address", "result_text"]

_ERROR = "Error: "


def only_text(parts: Sequence[Part], role: str) -> str:
    """The text of a message that cannot hold anything else.

    Raises:
        InvalidRequestError: It does.
    """
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) != len(parts):
        raise InvalidRequestError(
            f"a message of role {role!r} holds text and nothing else", param="prompt"
        )
    return "".join(texts)


def picture_address(part: ImagePart) -> str:
    """The address of a picture, or the picture itself as a data URI.

    Raises:
        InvalidRequestError: It is no picture.
    """
    if isinstance(part.image, URL):
        return part.image.url
    if part.image.kind != "image":
        raise InvalidRequestError(
            f"an image part holds {part.image.media_type}, not a picture; a document goes into a "
            "file part",
            param="prompt",
        )
    return part.image.data_uri()


def result_text(part: ToolResultPart) -> str:
    """What a tool answered. The protocols have no word for a failure, so the text says it."""
    if not part.is_error or part.content.lower().startswith("error"):
        return part.content
    return _ERROR + part.content


def left_out_thinking(parts: Sequence[Part], notes: Notes) -> None:
    """Note thinking that cannot go back to this server."""
    if any(isinstance(part, ReasoningPart) and part.text for part in parts):
        notes.other(
            "the thinking of another model was left out of the conversation", "prompt", "adapted"
        )
