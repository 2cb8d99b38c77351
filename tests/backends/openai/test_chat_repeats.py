"""Chunks like the one before are told by their bytes, and never wrongly."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from gensdk.backends.openai import chat_stream
from gensdk.backends.openai.chat_repeats import Repeats
from gensdk.backends.openai.chat_wire import WireAnswer
from gensdk.types import TextDelta, TextRequest
from tests.support.openai_chat import CHAT, listen
from tests.support.server import LoopbackServer, answer_sse

TEXTS = [
    " word",
    "a",
    "",
    'say "no"',
    "back\\slash",
    '"content": "x"',
    "}]}",
    "naïve ☃ 😀",
    "\n\t\x7f",
    "\u2028",
]


def chunk(text: str, *, ascii_only: bool = False, **delta: Any) -> bytes:
    choice = {
        "index": 0,
        "delta": {"content": text, **delta},
        "logprobs": None,
        "finish_reason": None,
    }
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-bench",
        "choices": [choice],
    }
    return json.dumps(body, ensure_ascii=ascii_only).encode()


def after(*chunks: bytes) -> Repeats:
    known = Repeats()
    for data in chunks:
        known.learn(WireAnswer.model_validate_json(data), data)
    return known


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("first", TEXTS)
def test_any_text_is_read_as_the_whole_chunk_would_be(first: str, ascii_only: bool) -> None:
    known = after(chunk(first, ascii_only=ascii_only))
    for text in TEXTS:
        assert known.text_of(chunk(text, ascii_only=ascii_only)) == text


def changed(rng: random.Random, data: bytes) -> bytes:
    """One to three bytes replaced, left out or put in."""
    some = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(some))
        turn = rng.random()
        byte = rng.choice(b'"\\{}[],: abnull0\xc3\xa9\n')
        if turn < 0.4:
            some[at] = byte
        elif turn < 0.7:
            del some[at]
        else:
            some.insert(at, byte)
    return bytes(some)


@pytest.mark.parametrize("pads", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_taken_differs_in_nothing_else(seed: int, pads: bool) -> None:
    """Whatever becomes of the bytes: a text is told only where reading it all gives the same."""
    rng = random.Random(seed)

    def one() -> bytes:
        text = rng.choice(TEXTS)
        return padded(text, "x" * rng.randint(0, 9)) if pads else chunk(text)

    first = one()
    known, whole = after(first), WireAnswer.model_validate_json(first)
    taken = 0
    for _ in range(3000):
        data = changed(rng, one())
        text = known.text_of(data)
        if text is None:
            continue
        taken += 1
        read = WireAnswer.model_validate_json(data)
        assert read.choices is not None
        assert read.choices[0].delta is not None
        assert read.choices[0].delta.content == text
        assert whole.choices is not None
        assert whole.choices[0].delta is not None
        read.choices[0].delta.content = whole.choices[0].delta.content
        assert read == whole
    assert taken > 10


def test_half_a_string_is_no_text() -> None:
    known = after(chunk("word"))
    whole = chunk("word")
    for data in (
        whole.replace(b'"word"', b'"wo'),
        whole.replace(b'"word"', b'"wo", "role": "x"'),
        whole.replace(b'"word"', b"null"),
        whole.replace(b'"word"', b'["word"]'),
        whole.replace(b'"word"', b""),
        whole.replace(b'"word"', rb'"\ud800"'),
        whole[:-1],
        whole[1:],
        b"",
    ):
        assert known.text_of(data) is None


OTHER: list[dict[str, Any]] = [
    {"usage": {"prompt_tokens": 1}},
    {"choices": []},
    {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]},
    {"choices": [{"index": 0, "delta": {"content": "a"}, "text": "b"}]},
    {"choices": [{"index": 0, "delta": {"content": "a"}, "message": {"content": "b"}}]},
    {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1}]},
    {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": []}}]},
    {"choices": [{"index": 0, "delta": {"content": None}}]},
    {"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "a"}]}}]},
    {"choices": [{"index": 0, "delta": {"content": "a", "reasoning": "b"}}]},
    {"choices": [{"index": 0, "delta": {"content": "a", "refusal": "b"}}]},
    {"choices": [{"index": 0, "delta": {"content": "a", "tool_calls": [{"index": 0}]}}]},
    {"choices": [{"index": 0, "delta": {"content": "a", "annotations": [{"content": "a"}]}}]},
    {"choices": [{"index": 0, "delta": {"content": "a", "audio": {"data": "AAAA"}}}]},
    {"choices": [{"index": 0, "delta": {"content": "a"}}], "extra": {"content": "a"}},
]


@pytest.mark.parametrize("body", OTHER)
def test_a_chunk_that_brings_more_than_text_is_not_learned(body: dict[str, Any]) -> None:
    data = json.dumps({"id": "1", "choices": [{"index": 0}], **body}).encode()
    assert after(data).text_of(data) is None


def padded(text: str, padding: object) -> bytes:
    """A chunk as OpenAI sends it: with letters that hide how long the text is."""
    return chunk(text)[:-1] + b', "obfuscation": ' + json.dumps(padding).encode() + b"}"


@pytest.mark.parametrize("text", TEXTS)
def test_padding_may_differ(text: str) -> None:
    known = after(padded("a", "xYz1"))
    for padding in ("", "b", "Abc9" * 9):
        assert known.text_of(padded(text, padding)) == text
    for other in (None, 1, 'a"b', "ü", {"a": "b"}, ["a"]):
        assert known.text_of(padded(text, other)) is None
    assert known.text_of(chunk(text)) is None
    assert after(chunk("a")).text_of(padded(text, "a")) is None


def test_chunks_that_differ_in_more_are_given_up() -> None:
    """The last of what was learned is known still; nothing more is."""
    different = [chunk("a", role="assistant", number=n) for n in range(9)]
    known = after(*different)
    assert [known.text_of(data) is not None for data in different].index(True) == 3
    useful = Repeats()
    for data in different:
        useful.learn(WireAnswer.model_validate_json(data), data)
        assert useful.text_of(data) == "a"


class Never(Repeats):
    """Takes no chunk."""

    def text_of(self, data: bytes) -> str | None:
        return None


def streams() -> list[list[bytes]]:
    """Streams of chunks: alike, changing, two candidates, ends."""
    finish = json.dumps(
        {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    ).encode()
    other = chunk("other").replace(b'"index": 0', b'"index": 1')
    last = finish.replace(b'"index": 0', b'"index": 1')
    return [
        [*map(chunk, TEXTS), finish],
        [chunk("a"), chunk("b", role="assistant"), chunk("c", reasoning="d"), chunk("e"), finish],
        [chunk("a"), other, chunk("b"), chunk("c"), other, other, finish, last],
        [*(padded(text, text[:1].strip() and "x") for text in TEXTS), finish],
        [chunk("a", refusal=""), chunk("b", refusal=""), chunk("c", refusal="no"), finish],
    ]


@pytest.mark.parametrize("chunks", streams())
async def test_a_stream_reads_the_same_with_and_without(
    chunks: Sequence[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told() -> tuple[list[Any], Any]:
        async with LoopbackServer() as server:
            events = [(None, json.loads(data)) for data in chunks]
            server.on("POST", CHAT, answer_sse(events, done=True))
            said, response = await listen(server, TextRequest(prompt="Hi", stop="never"))
            return said, response.candidates

    with_it = await told()
    monkeypatch.setattr(chat_stream, "Repeats", Never)
    assert with_it == await told()
    assert any(isinstance(event, TextDelta) for event in with_it[0])
