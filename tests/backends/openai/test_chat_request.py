"""What Chat Completions is sent for a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from gensdk.catalog.compatible import OPENAI, PRESETS, UNKNOWN, Dialect
from gensdk.types import OutputSchema, TextRequest, Tool
from tests.support.openai_chat import (
    CHAT,
    OPENAI_CHAT,
    ask,
    body_sent,
    choice,
    completion,
    listen,
    refusal_of,
)
from tests.support.server import LoopbackServer, answer_json, answer_sse


class Recipe(BaseModel):
    title: str
    steps: list[str]


def weather(city: str) -> str:
    """Say how the weather is."""
    return city


def forecast(city: str, days: int = 3) -> str:
    """Say how the weather will be."""
    return f"{city} {days}"


async def test_a_plain_prompt_sends_nothing_else() -> None:
    sent, warnings = await body_sent("Hi")
    assert sent == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    assert warnings == {}


async def test_every_portable_field_at_openai() -> None:
    request = TextRequest(
        prompt="Hi", system="Be brief.", max_tokens=50, temperature=0.5, top_p=0.9,
        presence_penalty=0.1, frequency_penalty=-0.2, logit_bias={50256: -100, 7: 5.0}, seed=11,
        stop=["END"], n=2, logprobs=3, user_id="u1", service_tier="flex", cache_key="k",
        metadata={"a": "b"}, verbosity="low",
    )  # fmt: skip
    sent, warnings = await body_sent(request, model="gpt-4o", **OPENAI_CHAT)
    assert sent == {
        "model": "gpt-4o",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "max_completion_tokens": 50, "temperature": 0.5, "top_p": 0.9, "presence_penalty": 0.1,
        "frequency_penalty": -0.2, "logit_bias": {"50256": -100, "7": 5}, "seed": 11,
        "stop": ["END"], "n": 2, "logprobs": True, "top_logprobs": 3, "safety_identifier": "u1",
        "service_tier": "flex", "prompt_cache_key": "k", "metadata": {"a": "b"},
        "verbosity": "low",
    }  # fmt: skip
    assert isinstance(sent["logit_bias"]["50256"], int)
    assert [warning for warning in warnings if warning != "n" and warning != "model"] == []


async def test_an_unknown_server_gets_the_common_ground_only() -> None:
    request = TextRequest(
        prompt="Hi", system="S", max_tokens=5, user_id="u", top_k=5, min_p=0.1, verbosity="low",
        service_tier="flex", cache_key="k", metadata={"a": "b"}, reasoning_effort="low",
    )  # fmt: skip
    sent, warnings = await body_sent(request)
    assert sent == {
        "model": "m",
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}],
        "max_tokens": 5,
        "user": "u",
        "reasoning_effort": "low",
    }
    assert warnings.keys() == {
        "top_k", "min_p", "verbosity", "service_tier", "cache_key", "metadata",
    }  # fmt: skip


async def test_the_callers_wish_turns_drops_into_errors() -> None:
    request = TextRequest(prompt="Hi", top_k=5)
    message = await refusal_of(request, unsupported="error")
    assert "top_k" in message


async def test_dialect_fields_renames_and_logprobs_without_alternatives() -> None:
    sent, _ = await body_sent(TextRequest(prompt="Hi", top_k=5, min_p=0.1), PRESETS["vllm"])
    assert (sent["top_k"], sent["min_p"]) == (5, 0.1)
    sent, _ = await body_sent(TextRequest(prompt="Hi", seed=4), PRESETS["mistral"])
    assert sent["random_seed"] == 4
    assert "seed" not in sent
    sent, _ = await body_sent(TextRequest(prompt="Hi", logprobs=0))
    assert sent["logprobs"] is True
    assert "top_logprobs" not in sent


async def test_a_strict_server_gets_nothing_outside_openais_fields() -> None:
    dialect = replace(UNKNOWN, body_fields=frozenset({"top_k"}), strict_unknown_fields=True)
    sent, warnings = await body_sent(TextRequest(prompt="Hi", top_k=5), dialect)
    assert "top_k" not in sent
    assert "top_k" in warnings


async def test_models_that_reason_get_no_sampling_fields() -> None:
    request = TextRequest(
        prompt="Hi", temperature=0.5, logit_bias={1: 2.0}, logprobs=1, seed=1,
        reasoning_effort="minimal",
    )  # fmt: skip
    sent, warnings = await body_sent(request, model="gpt-5.6-sol", **OPENAI_CHAT)
    assert not sent.keys() & {"temperature", "logit_bias", "logprobs", "reasoning_effort"}
    assert {"temperature", "logit_bias", "logprobs", "reasoning_effort"} <= warnings.keys()
    request = TextRequest(prompt="Hi", temperature=0.5, reasoning_effort="none")
    sent, _ = await body_sent(request, model="gpt-5.6-sol", **OPENAI_CHAT)
    assert (sent["temperature"], sent["reasoning_effort"]) == (0.5, "none")


async def test_rows_of_models_decide_on_seed_effort_and_tools() -> None:
    sent, warnings = await body_sent(
        TextRequest(prompt="Hi", seed=1, reasoning_effort="high"), model="gpt-5", **OPENAI_CHAT
    )
    assert "seed" not in sent
    assert sent["reasoning_effort"] == "high"
    assert "seed" in warnings
    sent, warnings = await body_sent(
        TextRequest(prompt="Hi", reasoning_effort="high"), model="gpt-4o", **OPENAI_CHAT
    )
    assert "reasoning_effort" not in sent
    assert "does not reason" in warnings["reasoning_effort"]
    message = await refusal_of(
        TextRequest(prompt="Hi", tools=weather), model="gpt-5.6-luna", **OPENAI_CHAT
    )
    assert "Responses" in message


async def test_stop_strings_beyond_the_servers_are_cut_here() -> None:
    stops = ["a", "b", "c", "d", "END"]
    async with LoopbackServer() as server:
        server.on("POST", CHAT, answer_json(completion(choice("one END two"))))
        request = TextRequest(prompt="Hi", stop=stops)
        response = await ask(server, request, replace(UNKNOWN, max_stop=4))
        assert server.requests[0].json()["stop"] == ["a", "b", "c", "d"]
        assert response.text == "one "
        assert response.finish_reason == "stop_sequence"
        assert response.warnings[0].sent == ["a", "b", "c", "d"]
        await ask(server, request, PRESETS["perplexity"])
        assert "stop" not in server.requests[1].json()


async def test_more_candidates_than_the_server_makes_are_refused() -> None:
    message = await refusal_of(TextRequest(prompt="Hi", n=2), PRESETS["groq"])
    assert "at most 1" in message


# ------------------------------------------------------------------------------ schema and tools
async def test_a_schema_by_the_dialects_mode() -> None:
    request = TextRequest(prompt="Hi", output=Recipe)
    sent, _ = await body_sent(request, model="gpt-4o", **OPENAI_CHAT)
    spec = sent["response_format"]["json_schema"]
    assert sent["response_format"]["type"] == "json_schema"
    assert spec["strict"] is True
    assert spec["schema"]["required"] == ["title", "steps"]
    assert spec["schema"]["additionalProperties"] is False
    sent, _ = await body_sent(request)
    assert "strict" not in sent["response_format"]["json_schema"]
    assert sent["response_format"]["json_schema"]["schema"] == Recipe.model_json_schema()
    sent, warnings = await body_sent(request, PRESETS["deepseek"])
    assert sent["response_format"] == {"type": "json_object"}
    assert '"steps"' in sent["messages"][0]["content"]
    assert "JSON mode" in warnings["output"]
    assert "schema" in await refusal_of(request, PRESETS["transformers-serve"])


async def test_names_and_strictness_of_schemas() -> None:
    free = {"title": "A free shape!", "type": "object", "additionalProperties": True}
    shape = OutputSchema(name="A free shape!", json_schema=free)
    request = TextRequest(prompt="Hi", output=shape)
    sent, _ = await body_sent(request, model="gpt-4o", **OPENAI_CHAT)
    assert sent["response_format"]["json_schema"] == {"name": "A_free_shape_", "schema": free}
    strict = request.model_copy(update={"options": {"openai": {"strict": True}}})
    assert "strict" in await refusal_of(strict, model="gpt-4o", **OPENAI_CHAT)
    loose = TextRequest(prompt="Hi", output=Recipe, options={"openai": {"strict": False}})
    sent, _ = await body_sent(loose, model="gpt-4o", **OPENAI_CHAT)
    assert "strict" not in sent["response_format"]["json_schema"]


async def test_tools_and_the_choice_among_them() -> None:
    request = TextRequest(
        prompt="Hi", tools=[weather, forecast], tool_choice="weather", parallel_tool_calls=False
    )
    sent, _ = await body_sent(request, model="gpt-4o", **OPENAI_CHAT)
    first, second = (tool["function"] for tool in sent["tools"])
    assert first["name"] == "weather"
    assert first["description"] == "Say how the weather is."
    assert first["strict"] is True
    assert first["parameters"]["required"] == ["city"]
    assert "strict" not in second
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert sent["parallel_tool_calls"] is False
    sent, _ = await body_sent(request.model_copy(update={"tool_choice": "required"}))
    assert sent["tool_choice"] == "required"
    assert "strict" not in sent["tools"][0]["function"]
    bare = TextRequest(prompt="Hi", tools=[Tool(name="t")])
    sent, _ = await body_sent(bare)
    assert "description" not in sent["tools"][0]["function"]
    assert "tool_choice" not in sent


async def test_servers_that_do_not_read_tool_choice() -> None:
    ollama, llamacpp = PRESETS["ollama"], PRESETS["llamacpp"]
    request = TextRequest(prompt="Hi", tools=[weather, forecast], tool_choice="none")
    sent, warnings = await body_sent(request, ollama)
    assert "tools" not in sent
    assert "tool_choice" in warnings
    sent, warnings = await body_sent(request.model_copy(update={"tool_choice": "auto"}), ollama)
    assert len(sent["tools"]) == 2
    assert not warnings
    await refusal_of(request.model_copy(update={"tool_choice": "required"}), ollama)
    sent, warnings = await body_sent(
        request.model_copy(update={"tool_choice": "forecast"}), llamacpp
    )
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["forecast"]
    assert sent["tool_choice"] == "required"
    assert "tool_choice" in warnings
    await refusal_of(request, replace(UNKNOWN, refuses=frozenset({"tools"})))


async def test_parallel_calls_without_tools_are_noted() -> None:
    sent, warnings = await body_sent(TextRequest(prompt="Hi", parallel_tool_calls=True))
    assert "parallel_tool_calls" not in sent
    assert "parallel_tool_calls" in warnings


# -------------------------------------------------------------------------------- options, extra
async def test_options_of_the_protocol() -> None:
    options = {
        "store": True,
        "prediction": "as before",
        "audio": {"voice": "coral", "format": "mp3"},
        "truncation": "auto",
    }
    request = TextRequest(prompt="Hi", options={"openai": options})
    sent, warnings = await body_sent(request, model="gpt-4o", **OPENAI_CHAT)
    assert sent["store"] is True
    assert sent["prediction"] == {"type": "content", "content": "as before"}
    assert sent["modalities"] == ["text", "audio"]
    assert sent["audio"] == {"voice": "coral", "format": "mp3"}
    assert "options.truncation" in warnings
    stored = TextRequest(prompt="Hi", options={"openai": {"previous_response_id": "r1"}})
    assert "Responses" in await refusal_of(stored, model="gpt-4o", **OPENAI_CHAT)


async def test_extra_goes_out_verbatim_and_must_not_clash() -> None:
    sent, _ = await body_sent(TextRequest(prompt="Hi", extra={"chat_template_kwargs": {"x": 1}}))
    assert sent["chat_template_kwargs"] == {"x": 1}
    clash = TextRequest(prompt="Hi", max_tokens=3, extra={"max_tokens": 4})
    assert "max_tokens" in await refusal_of(clash)


@pytest.mark.parametrize(
    ("dialect", "options", "expected"),
    [
        (UNKNOWN, {}, {"include_usage": True}),
        (OPENAI, {"include_obfuscation": False},
         {"include_usage": True, "include_obfuscation": False}),
        (PRESETS["mistral"], {}, None),
    ],
)  # fmt: skip
async def test_stream_options_by_dialect(
    dialect: Dialect, options: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    async with LoopbackServer() as server:
        events = [(None, {"choices": [{"index": 0, "delta": {"content": "x"},
                                       "finish_reason": "stop"}]})]  # fmt: skip
        server.on("POST", CHAT, answer_sse(events))
        request = TextRequest(prompt="Hi", options={dialect.name: options})
        await listen(server, request, dialect, protocol="chat")
        sent = server.requests[0].json()
    assert sent["stream"] is True
    assert sent.get("stream_options") == expected
