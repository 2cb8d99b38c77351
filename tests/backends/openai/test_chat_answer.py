"""What becomes of an answer of Chat Completions."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest

from gensdk.catalog.compatible import OPENAI, PRESETS, UNKNOWN, Dialect
from gensdk.errors import (
    ContentBlockedError,
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    OverloadedError,
    RateLimitError,
)
from gensdk.types import AudioPart, ReasoningPart, RefusalPart, TextPart, TextRequest, TextResponse
from tests.support.openai_chat import CHAT, OPENAI_CHAT, ask, choice, chunk, completion
from tests.support.server import LoopbackServer, answer_bytes, answer_error, answer_json, answer_sse


async def answered(
    body: object, request: TextRequest | str = "Hi", dialect: Dialect = UNKNOWN, **options: Any
) -> TextResponse[Any]:
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_json(body, headers=options.pop("headers", None)))
        return await ask(server, request, dialect, **options)


async def test_a_whole_answer() -> None:
    usage = {
        "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "prompt_tokens_details": {
            "cached_tokens": 40, "cache_write_tokens": 10, "audio_tokens": 3, "image_tokens": 2,
        },
        "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 4},
    }  # fmt: skip
    body = completion(usage=usage, system_fingerprint="fp_1", service_tier="default")
    response = await answered(body, headers={"X-Request-Id": "req_1"})
    assert response.text == "Hello"
    assert response.finish_reason == "stop"
    assert (response.provider, response.model) == ("compatible", "model-of-the-server")
    assert response.request_id == "req_1"
    assert response.usage.model_dump(exclude_none=True) == {
        "input_tokens": 100, "output_tokens": 50, "cached_tokens": 40, "cache_write_tokens": 10,
        "reasoning_tokens": 20, "input_audio_tokens": 3, "output_audio_tokens": 4,
        "input_image_tokens": 2,
    }  # fmt: skip
    assert response.provider_details == {
        "id": "chatcmpl-1", "system_fingerprint": "fp_1", "service_tier": "default",
    }  # fmt: skip
    assert response.cost is None
    assert response.reproducible is False


async def test_an_answer_that_says_only_what_it_must() -> None:
    message = {"role": "assistant", "content": "Hi"}
    response = await answered({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert response.text == "Hi"
    assert response.model == "m"
    assert response.usage.total_tokens is None
    assert response.request_id is None


async def test_candidates_come_in_order() -> None:
    body = completion(choice("b", "length", index=1), choice("a", index=0))
    response = await answered(body, TextRequest(prompt="Hi", n=2))
    assert [candidate.text for candidate in response.candidates] == ["a", "b"]
    assert [candidate.finish_reason for candidate in response.candidates] == ["stop", "length"]
    assert not response.warnings


async def test_fewer_candidates_than_asked_for_are_told() -> None:
    response = await answered(completion(), TextRequest(prompt="Hi", n=3))
    assert "3 candidates" in response.warnings[0].message


async def test_tool_calls_whole_broken_and_parsed() -> None:
    calls: list[dict[str, Any]] = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"id": "", "type": "function", "function": {"name": "g", "arguments": "{"}},
        {"id": "c3", "type": "function", "function": {"name": "h", "arguments": {"b": 2}}},
    ]
    body = {"choices": [choice(None, "stop", tool_calls=calls)]}
    response = await answered(body)
    first, second, third = response.tool_calls
    assert (first.id, first.name, first.arguments) == ("c1", "f", {"a": 1})
    assert (second.id, second.malformed) == ("call_1", "{")
    assert third.arguments == {"b": 2}
    assert response.finish_reason == "tool_calls"
    assert response.text == ""


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
async def test_reasoning_under_either_name(key: str) -> None:
    response = await answered(completion(choice("42", "stop", 0, **{key: "Let me think."})))
    assert response.reasoning == "Let me think."
    assert [type(part) for part in response.parts] == [ReasoningPart, TextPart]


async def test_content_as_a_list_with_thinking() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "thinking", "thinking": "!"},
        {"type": "text", "text": "4"},
        {"type": "text", "text": "2"},
    ]
    body = {"choices": [choice("x")]}
    body["choices"][0]["message"]["content"] = content
    response = await answered(body)
    assert (response.reasoning, response.text) == ("hm!", "42")


async def test_a_refusal_is_a_part_and_no_error() -> None:
    response = await answered(completion(choice(None, refusal="I will not.")))
    assert response.parts == (RefusalPart(text="I will not."),)
    assert response.refusal == "I will not."
    assert response.finish_reason == "refusal"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("length", "length"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("eos_token", "unknown"),
        ("", None),
        (None, None),
    ],
)
async def test_finish_reasons(raw: str | None, reason: str | None) -> None:
    body = {"choices": [choice("x") | {"finish_reason": raw}]}
    response = await answered(body)
    assert response.finish_reason == reason
    if reason == "unknown":
        assert response.provider_details["finish_reason"] == raw


async def test_logprobs() -> None:
    top = [{"token": "Hi", "logprob": -0.1, "bytes": None},
           {"token": "Yo", "logprob": -2.5, "bytes": None}]  # fmt: skip
    tokens = [{"token": "Hi", "logprob": -0.1, "bytes": [72], "top_logprobs": top}]
    refusal = [{"token": "!", "logprob": -3, "bytes": None, "top_logprobs": []}]
    item = choice("Hi") | {"logprobs": {"content": tokens, "refusal": refusal}}
    response = await answered(completion(item), TextRequest(prompt="Hi", logprobs=2))
    assert response.candidates[0].logprobs is not None
    first, second = response.candidates[0].logprobs
    assert (first.token, first.logprob) == ("Hi", -0.1)
    assert first.alternatives == (("Hi", -0.1), ("Yo", -2.5))
    assert (second.token, second.alternatives) == ("!", ())
    none = choice("Hi") | {"logprobs": {"content": None, "refusal": None}}
    assert (await answered(completion(none))).candidates[0].logprobs is None


async def test_spoken_answers() -> None:
    data = b"RIFF\0\0\0\0WAVEfmt "
    audio = {"id": "a1", "data": base64.b64encode(data).decode(), "expires_at": 1,
             "transcript": "Hello"}  # fmt: skip
    request = TextRequest(prompt="Hi", options={"openai": {"audio": {"voice": "coral"}}})
    response = await answered(
        completion(choice(None, audio=audio)), request, model="gpt-audio-1.5", **OPENAI_CHAT
    )
    text, sound = response.parts
    assert text == TextPart(text="Hello")
    assert isinstance(sound, AudioPart)
    assert (sound.audio.data, sound.audio.media_type) == (data, "audio/wav")
    options = {"openai": {"audio": {"voice": "coral", "format": "pcm16"}}}
    audio = audio | {"data": base64.b64encode(b"\0\1").decode(), "transcript": ""}
    response = await answered(
        completion(choice(None, audio=audio)),
        TextRequest(prompt="Hi", options=options),
        model="gpt-audio-1.5",
        **OPENAI_CHAT,
    )
    (sound,) = response.parts
    assert isinstance(sound, AudioPart)
    assert (sound.audio.media_type, sound.audio.sample_rate) == ("audio/pcm", 24_000)
    silent = completion(choice("text", audio={"id": "a", "data": "", "expires_at": 1,
                                              "transcript": ""}))  # fmt: skip
    assert (await answered(silent)).parts == (TextPart(text="text"),)


async def test_citations_and_annotations_are_kept() -> None:
    body = completion() | {
        "citations": ["https://a.example"],
        "search_results": [{"title": "A", "url": "https://a.example"}],
        "related_questions": None,
    }
    response = await answered(body, "Hi", PRESETS["perplexity"])
    assert response.provider_details["citations"] == ["https://a.example"]
    assert response.provider_details["search_results"] == body["search_results"]
    assert "related_questions" not in response.provider_details
    citation = {"start_index": 0, "end_index": 1, "title": "t", "url": "u"}
    cited = {"type": "url_citation", "url_citation": citation}
    response = await answered(completion(choice("x", annotations=[cited])))
    assert response.provider_details["annotations"] == [cited]


@pytest.mark.parametrize("cost", [0.00125, {"total_cost": 0.00125, "input_tokens_cost": 0.001}])
async def test_a_cost_that_the_server_states(cost: object) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": cost}
    response = await answered(completion() | {"usage": usage})
    assert response.cost is not None
    assert response.cost.amount == Decimal("0.00125")
    assert (response.cost.source, response.cost.estimated) == ("provider", False)


async def test_usage_of_servers_that_count_differently() -> None:
    beside = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
              "completion_tokens_details": {"reasoning_tokens": 20}}  # fmt: skip
    response = await answered(completion(usage=beside))
    assert (response.usage.output_tokens, response.usage.reasoning_tokens) == (25, 20)
    hits = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_cache_hit_tokens": 8}  # fmt: skip
    response = await answered(completion() | {"usage": hits})
    assert response.usage.cached_tokens == 8


async def test_text_without_the_stop_string_stays_as_it_is() -> None:
    request = TextRequest(prompt="Hi", stop="END")
    response = await answered(
        completion(choice("all", reasoning="hm")), request, PRESETS["perplexity"]
    )
    assert (response.reasoning, response.text, response.finish_reason) == ("hm", "all", "stop")


# ------------------------------------------------------------------------------- reproducibility
@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (TextRequest(prompt="Hi", seed=1), True),
        (TextRequest(prompt="Hi", temperature=0), True),
        (TextRequest(prompt="Hi", temperature=0.1), False),
    ],
)
async def test_reproducible_where_nothing_was_random(request_: TextRequest, expected: bool) -> None:
    assert (await answered(completion(), request_)).reproducible is expected


async def test_a_seed_under_another_name_counts() -> None:
    response = await answered(completion(), TextRequest(prompt="Hi", seed=1), PRESETS["mistral"])
    assert response.reproducible is True


@pytest.mark.parametrize("unsupported", ["warn", "drop"])
async def test_a_seed_that_the_server_refused_does_not_count(unsupported: str) -> None:
    problem = {"message": "Unsupported parameter: 'seed'", "type": "invalid_request_error"}
    refusal = {"error": problem | {"param": "seed", "code": "unsupported_parameter"}}
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_error(400, refusal), answer_json(completion()))
        request = TextRequest(prompt="Hi", seed=1, reasoning_effort="low")
        response = await ask(server, request, unsupported=unsupported)
        assert "seed" in server.requests[0].json()
        assert "seed" not in server.requests[1].json()
    assert response.reproducible is False
    assert len(response.warnings) == (1 if unsupported == "warn" else 0)


# ------------------------------------------------------------------------------ unusable answers
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html><body>hello</body></html>", "web page"),
        (b"", "empty"),
        (b"[1, 2]", "cannot be read"),
        (b'{"choices": [{"index": "x"}]}', "choices.0.index"),
        (b'{"object": "list", "data": []}', "no choices"),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": null}', "no choices"),
        (b'{"choices": [{"index": 0}]}', "no message"),
    ],
)
async def test_answers_that_cannot_be_used(body: bytes, problem: str) -> None:
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_bytes(body, "application/json",
                                             headers={"x-request-id": "r"}))  # fmt: skip
        with pytest.raises(InvalidResponseError, match=problem) as caught:
            await ask(server)
    error = caught.value
    assert (error.provider, error.model, error.request_id) == ("compatible", "m", "r")
    assert error.billed == "maybe"


@pytest.mark.parametrize("finish", ["stop", "tool_calls"])
async def test_null_content_and_nothing_else_is_no_answer(finish: str) -> None:
    with pytest.raises(InvalidResponseError, match="no content"):
        await answered(completion(choice(None, finish)))


async def test_empty_answers_that_are_legal() -> None:
    response = await answered(completion(choice("")))
    assert (response.text, response.finish_reason) == ("", "stop")
    spent = await answered(completion(choice(None, "length")))
    assert (spent.text, spent.finish_reason) == ("", "length")


@pytest.mark.parametrize("content", [None, ""])
async def test_a_filter_that_left_nothing(content: str | None) -> None:
    body = completion(choice(content, "content_filter", reasoning="hm"))
    with pytest.raises(ContentBlockedError) as caught:
        await answered(body)
    assert (caught.value.stage, caught.value.code) == ("output", "content_filter")
    assert caught.value.request_id == "chatcmpl-1"


async def test_a_filter_that_left_something() -> None:
    response = await answered(completion(choice("Half", "content_filter")))
    assert (response.text, response.finish_reason) == ("Half", "content_filter")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, RateLimitError),
        ({"error": {"message": "full", "type": "overloaded_error"}}, OverloadedError),
        ({"error": {"message": "long", "code": "context_length_exceeded"}}, ContextLengthError),
        ({"object": "error", "message": "bad", "type": "BadRequestError", "code": 400},
         InvalidRequestError),
    ],
)  # fmt: skip
async def test_an_error_object_in_a_200(body: object, kind: type[GenSDKError]) -> None:
    with pytest.raises(kind) as caught:
        await answered(body)
    assert caught.value.billed == "maybe"


async def test_an_event_stream_that_was_not_asked_for() -> None:
    events = [chunk(role="assistant", content="Hel"), chunk("stop", content="lo")]
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_sse(events, done=False))
        response = await ask(server)
        assert response.text == "Hello"
        unmarked = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}'
        server.on("POST", CHAT, answer_bytes(unmarked, "application/json"))
        assert (await ask(server)).text == "x"


async def test_openais_own_row_speaks_as_openai() -> None:
    response = await answered(completion(), model="gpt-4o", dialect=OPENAI, protocol="chat")
    assert response.provider == "openai"
