"""What both text protocols do alike with the parts of a conversation."""

from __future__ import annotations

import pytest

from gensdk.backends.openai.parts import (
    left_out_thinking,
    only_text,
    picture_address,
    result_text,
)
from gensdk.errors import InvalidRequestError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.types import (
    URL,
    ImagePart,
    Media,
    Message,
    ReasoningPart,
    TextPart,
    TextRequest,
    ToolResultPart,
)
from tests.support.openai_responses import backend, context
from tests.support.server import LoopbackServer

PNG = Media(data=b"\x89PNG\r\n\x1a\n" + b"\0" * 8)
PDF = Media(data=b"%PDF-1.7")


def test_a_message_of_text_alone() -> None:
    assert only_text((TextPart(text="a"), TextPart(text="b")), "system") == "ab"
    with pytest.raises(InvalidRequestError, match="'system'"):
        only_text((TextPart(text="a"), ImagePart(image=PNG)), "system")


def test_the_address_of_a_picture() -> None:
    assert picture_address(ImagePart(image=URL("https://a.example/a.png"))).endswith("/a.png")
    assert picture_address(ImagePart(image=PNG)).startswith("data:image/png;base64,")
    with pytest.raises(InvalidRequestError, match="application/pdf"):
        picture_address(ImagePart(image=PDF))


@pytest.mark.parametrize(
    ("content", "is_error", "sent"),
    [
        ("7", False, "7"),
        ("no such city", True, "Error: no such city"),
        ("error: no such city", True, "error: no such city"),
    ],
)
def test_a_failed_tool_says_so_in_its_text(content: str, is_error: bool, sent: str) -> None:
    part = ToolResultPart(tool_call_id="c", content=content, is_error=is_error)
    assert result_text(part) == sent


@pytest.mark.parametrize(("text", "noted"), [("hm", 1), ("", 0)])
def test_thinking_that_is_left_out_is_noted(text: str, noted: int) -> None:
    notes = Notes("openai", Context(model="m"))
    left_out_thinking((TextPart(text="a"), ReasoningPart(text=text)), notes)
    assert len(notes.warnings) == noted


@pytest.mark.parametrize("protocol", ["responses", "chat", "completions"])
async def test_every_protocol_notes_left_out_thinking(protocol: str) -> None:
    from gensdk.backends.openai import chat_messages
    from gensdk.backends.openai.responses_input import input_items
    from gensdk.catalog.compatible import OPENAI

    notes = Notes("openai", Context(model="m"))
    messages = (Message.user("a"), Message.assistant(ReasoningPart(text="hm"), "b"))
    request = TextRequest(prompt=messages)
    if protocol == "responses":
        input_items(messages, provider="openai", system_role="system", stored=False, notes=notes)
    elif protocol == "chat":
        chat_messages.conversation(request, OPENAI, notes)
    else:
        chat_messages.plain_prompt(request, notes)
    assert any("thinking" in note.message for note in notes.warnings)


@pytest.mark.parametrize("protocol", ["responses", "chat"])
@pytest.mark.parametrize(
    "message",
    [
        Message(role="system", content=("Look:", ImagePart(image=PNG))),
        Message(role="user", content=("Look:", ImagePart(image=PDF))),
    ],
)
async def test_both_protocols_refuse_what_they_cannot_say(protocol: str, message: Message) -> None:
    async with LoopbackServer() as server:
        source = backend(server, protocol=protocol)
        request = TextRequest(prompt=(message, Message.user("hi")))
        with pytest.raises(InvalidRequestError):
            await source.text(request, context("gpt-4.1"))
        await source.aclose()
        assert server.requests == []
