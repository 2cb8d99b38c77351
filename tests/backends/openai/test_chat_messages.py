"""What Chat Completions is sent for the messages of a conversation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.backends.openai.chat import prepare
from gensdk.catalog.compatible import PRESETS, UNKNOWN
from gensdk.errors import InvalidRequestError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.types import (
    URL,
    AudioPart,
    FilePart,
    ImagePart,
    Media,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TextRequest,
    ToolCallPart,
    ToolResultPart,
)
from tests.support.openai_chat import CHAT, backend, body_sent, completion, refusal_of
from tests.support.server import LoopbackServer, answer_json

PNG = Media(data=b"\x89PNG\r\n\x1a\n" + b"\0" * 16)
WAV = Media(data=b"RIFF\0\0\0\0WAVEfmt ", media_type="audio/wav")
MP3 = Media(data=b"ID3\x04", media_type="audio/mpeg")
PDF = Media(data=b"%PDF-1.7", name="paper.pdf")


async def test_parts_of_the_users_message() -> None:
    request = TextRequest(
        prompt=[
            Message.user(
                "Look:",
                ImagePart(image=PNG, detail="low"),
                URL("https://example.org/cat.png"),
                AudioPart(audio=WAV),
                AudioPart(audio=MP3),
                FilePart(file=PDF),
            )
        ]
    )
    sent, _ = await body_sent(request)
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": PNG.data_uri(), "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        {"type": "input_audio", "input_audio": {"data": WAV.base64(), "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": MP3.base64(), "format": "mp3"}},
        {"type": "file", "file": {"filename": "paper.pdf", "file_data": PDF.data_uri()}},
    ]


async def test_text_parts_are_sent_as_one_string() -> None:
    sent, _ = await body_sent(TextRequest(prompt=[Message.user("a", "b")]))
    assert sent["messages"] == [{"role": "user", "content": "ab"}]


async def test_a_conversation_with_tools() -> None:
    call = ToolCallPart(id="c1", name="weather", arguments={"city": "Bonn"})
    broken = ToolCallPart(id="c2", name="weather", malformed='{"city": ')
    request = TextRequest(
        prompt=[
            Message.system("S"),
            Message.user("How is it?"),
            Message.assistant(ReasoningPart(text="hm"), call, broken),
            Message(
                role="tool",
                content=(
                    ToolResultPart(tool_call_id="c1", content="sunny"),
                    ToolResultPart(tool_call_id="c2", content="no JSON", is_error=True),
                ),
            ),
            Message.assistant("It is sunny.", RefusalPart(text=" No more.")),
        ]
    )
    sent, warnings = await body_sent(request)
    assert "thinking" in warnings["prompt"]
    assert sent["messages"] == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "How is it?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Bonn"}'},
                },
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"malformed":"{\\"city\\": "}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: no JSON"},
        {"role": "assistant", "content": "It is sunny. No more."},
    ]


async def test_reasoning_goes_back_where_the_dialect_wants_it() -> None:
    call = ToolCallPart(id="c1", name="weather")
    request = TextRequest(
        prompt=[
            Message.user("Hi"),
            Message.assistant(ReasoningPart(text="thought"), "answer"),
            Message.user("More"),
            Message.assistant(call),
            Message.assistant("plain"),
        ]
    )
    sent, _ = await body_sent(request, PRESETS["deepseek"])
    assert sent["messages"][1]["reasoning_content"] == "thought"
    assert sent["messages"][3]["reasoning_content"] == ""
    assert "reasoning_content" not in sent["messages"][4]
    sent, _ = await body_sent(request, PRESETS["openrouter"])
    assert sent["messages"][1]["reasoning"] == "thought"


async def test_a_spoken_answer_goes_back_as_its_transcript() -> None:
    spoken = Message.assistant("Good day", AudioPart(audio=WAV))
    sent, warnings = await body_sent(TextRequest(prompt=[Message.user("Hi"), spoken]))
    assert sent["messages"][1] == {"role": "assistant", "content": "Good day"}
    assert "transcript" in warnings["prompt"]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (Message(role="tool", content=(TextPart(text="x"),)), "role 'tool'"),
        (Message(role="system", content=(ImagePart(image=PNG),)), "role 'system'"),
        (Message.user(ToolCallPart(id="1", name="x")), "tool_call"),
        (Message.user(ImagePart(image=WAV)), "not a picture"),
        (Message.assistant(ImagePart(image=PNG)), "image part"),
        (Message.user(AudioPart(audio=Media(data=b"fLaC"))), "WAV or MP3"),
    ],
)
async def test_what_has_no_place_in_the_protocol_is_refused(message: Message, problem: str) -> None:
    assert problem in await refusal_of(TextRequest(prompt=[message]))


@pytest.mark.parametrize("part", [ImagePart(image=PNG), AudioPart(audio=WAV), FilePart(file=PDF)])
async def test_servers_without_eyes_and_ears(part: ImagePart | AudioPart | FilePart) -> None:
    dialect = replace(UNKNOWN, refuses=frozenset({"image_input", "audio_input", "file_input"}))
    assert "'prompt'" in await refusal_of(TextRequest(prompt=[Message.user(part)]), dialect)


async def test_a_document_by_address_is_fetched_first() -> None:
    fetched: list[URL] = []

    async def fetch(url: URL) -> Media:
        fetched.append(url)
        return PDF

    part = FilePart(file=URL("https://example.org/paper.pdf"), name="p.pdf")
    request = TextRequest(prompt=[Message.user("Read", part), Message.user("please")])
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_json(completion()))
        own = backend(server)
        await own.text(request, Context(model="m", fetch=fetch))
        await own.aclose()
        content = server.requests[0].json()["messages"][0]["content"]
    assert content[1]["file"] == {"filename": "p.pdf", "file_data": PDF.data_uri()}
    assert len(fetched) == 1
    assert "documents" in await refusal_of(
        request, replace(UNKNOWN, refuses=frozenset({"file_input"}))
    )


def test_preparing_alone_downloads_nothing() -> None:
    own = OpenAICompatibleBackend("http://gpu:8000/v1")
    context = Context("m")
    part = FilePart(file=URL("https://example.org/paper.pdf"))
    request = TextRequest(prompt=[Message.user(part)])
    with pytest.raises(InvalidRequestError, match="fetched"):
        prepare(request, context, own.account, Notes("compatible", context))
