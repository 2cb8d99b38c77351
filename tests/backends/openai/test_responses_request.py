"""Text over Responses: what a request becomes on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import ResponseCreateParams
from pydantic import BaseModel, TypeAdapter

from gensdk.backends.openai import Account, OpenAITextOptions
from gensdk.backends.openai.responses_request import prepare
from gensdk.catalog.compatible import OPENAI, UNKNOWN
from gensdk.errors import InvalidRequestError, UnsupportedFeatureError
from gensdk.spec import Context
from gensdk.toolkit import Notes
from gensdk.types import (
    URL,
    AudioPart,
    FilePart,
    ImagePart,
    Media,
    Message,
    Part,
    PrivateData,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TextRequest,
    Tool,
    ToolCallPart,
    ToolResultPart,
)

PNG = Media(data=b"\x89PNG\r\n\x1a\n" + b"\0" * 8)
PDF = Media(data=b"%PDF-1.7", name="a.pdf")
WAV = Media(data=b"RIFF\0\0\0\0WAVE")
VALID: TypeAdapter[Any] = TypeAdapter(ResponseCreateParams)


def body(
    model: str = "gpt-4.1",
    *,
    stream: bool = False,
    unsupported: Any = "warn",
    account: Account | None = None,
    **fields: Any,
) -> tuple[dict[str, Any], dict[str, str]]:
    """The body for a request, checked against OpenAI's own types, and its notes by parameter."""
    account = account or Account(OPENAI, base_url="http://127.0.0.1:9/v1")
    context = Context(model=model, unsupported=unsupported)
    notes = Notes(account.name, context)
    request = TextRequest(**({"prompt": "hi"} | fields))
    payload: dict[str, Any] = prepare(request, context, account, notes, stream=stream)
    VALID.validate_python(payload)
    return payload, {str(warning.parameter): warning.kind for warning in notes.warnings}


def items(*messages: Message, **fields: Any) -> list[Any]:
    """The input items for a conversation."""
    sent: list[Any] = body(prompt=messages, **fields)[0]["input"]
    return sent


class Recipe(BaseModel):
    title: str
    steps: list[str]


def test_a_plain_prompt_sends_three_fields() -> None:
    payload, notes = body()
    assert payload == {"model": "gpt-4.1", "input": "hi", "store": False}
    assert notes == {}


def test_portable_fields_get_their_wire_names() -> None:
    payload, notes = body(
        system="Be brief.",
        max_tokens=20,
        temperature=0.2,
        top_p=0.9,
        logprobs=3,
        verbosity="low",
        user_id="u1",
        service_tier="flex",
        cache_key="k",
        metadata={"a": "b"},
        parallel_tool_calls=False,
    )
    assert payload == {
        "model": "gpt-4.1",
        "input": "hi",
        "instructions": "Be brief.",
        "max_output_tokens": 20,
        "temperature": 0.2,
        "top_p": 0.9,
        "top_logprobs": 3,
        "include": ["message.output_text.logprobs"],
        "text": {"verbosity": "low"},
        "safety_identifier": "u1",
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "store": False,
    }
    assert notes == {}


# ----------------------------------------------------------------------------------- conversations
def test_messages_become_items() -> None:
    assert items(
        Message.system("Rules."),
        Message.user("Look", PNG, URL("https://a.example/b.png"), PDF),
        Message.assistant("Seen."),
        Message.user("Then?"),
    ) == [
        {"role": "developer", "content": "Rules."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": PNG.data_uri(), "detail": "auto"},
                {
                    "type": "input_image",
                    "image_url": "https://a.example/b.png",
                    "detail": "auto",
                },
                {"type": "input_file", "filename": "a.pdf", "file_data": PDF.data_uri()},
            ],
        },
        {"role": "assistant", "content": "Seen."},
        {"role": "user", "content": "Then?"},
    ]


def test_details_and_addresses_of_parts() -> None:
    sent = items(
        Message.user(
            ImagePart(image=PNG, detail="high"),
            FilePart(file=URL("https://a.example/a.pdf")),
            FilePart(file=PDF, name="b.pdf"),
        )
    )[0]["content"]
    assert sent[0]["detail"] == "high"
    assert sent[1] == {"type": "input_file", "file_url": "https://a.example/a.pdf"}
    assert sent[2]["filename"] == "b.pdf"


def test_tool_calls_and_results() -> None:
    assert items(
        Message.assistant(
            ToolCallPart(id="c1", name="f", arguments={"a": 1}),
            ToolCallPart(id="c2", name="f", malformed="{oops"),
        ),
        Message(
            role="tool",
            content=(
                ToolResultPart(tool_call_id="c1", content="1"),
                ToolResultPart(tool_call_id="c2", content="2", is_error=True),
            ),
        ),
    ) == [
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{oops"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": "Error: 2"},
    ]


def own(**data: Any) -> PrivateData:
    return PrivateData(provider="openai", data=data)


def test_what_this_account_kept_goes_back_as_it_came() -> None:
    thinking = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    search = {"type": "web_search_call", "id": "ws", "status": "completed",
              "action": {"type": "search", "query": "x"}, "note": None}  # fmt: skip
    picture = {"type": "image_generation_call", "id": "ig", "status": "completed"}
    parts: tuple[Part, ...] = (
        ReasoningPart(text="Hm.", private=own(item=thinking)),
        ReasoningPart(private=own(item=search)),
        ToolCallPart(id="c1", name="f", private=own(id="fc_1", namespace="n")),
        ImagePart(image=PNG, private=own(item=picture)),
        TextPart(text="Hello", private=own(id="msg_1", phase="final_answer")),
        RefusalPart(text="No.", private=own(id="msg_2")),
    )
    sent = items(Message(role="assistant", content=parts), model="gpt-5.4")
    said = {"type": "message", "role": "assistant", "status": "completed"}
    assert sent == [
        thinking,
        {key: value for key, value in search.items() if value is not None},
        {
            "type": "function_call",
            "call_id": "c1",
            "name": "f",
            "arguments": "{}",
            "id": "fc_1",
            "namespace": "n",
        },
        picture | {"result": PNG.base64()},
        said
        | {
            "id": "msg_1",
            "phase": "final_answer",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        },
        said | {"id": "msg_2", "content": [{"type": "refusal", "refusal": "No."}]},
    ]


def test_thinking_of_another_provider_stays_out_with_a_note() -> None:
    foreign = PrivateData(provider="anthropic", data={"signature": "s"})
    for part in (ReasoningPart(text="Hm.", private=foreign), ReasoningPart(text="Hm.")):
        payload, notes = body(prompt=[Message.assistant(part, "Hello")])
        assert payload["input"] == [{"role": "assistant", "content": "Hello"}]
        assert notes == {"prompt": "adapted"}


def test_thinking_without_its_content_goes_back_only_where_the_server_keeps_it() -> None:
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    message = Message.assistant(ReasoningPart(private=own(item=bare)), "Hello")
    assert len(items(message)) == 1
    stored = {"openai": OpenAITextOptions(store=True)}
    assert items(message, options=stored)[0] == bare
    told = bare | {"content": [{"type": "reasoning_text", "text": "Hm."}]}
    assert items(Message.assistant(ReasoningPart(private=own(item=told))))[0] == told


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Message.user(ToolCallPart(id="c", name="f")), "tool_call"),
        (Message.user(RefusalPart(text="No.")), "refusal"),
        (Message(role="tool", content=(TextPart(text="x"),)), "results only"),
        (Message.assistant(AudioPart(audio=WAV)), "audio"),
    ],
)
def test_parts_in_the_wrong_role_are_refused(message: Message, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        items(message)


@pytest.mark.parametrize(
    "part",
    [ImagePart(image=PNG), ImagePart(image=URL("https://a.example"), private=own(item={"a": 1}))],
)
def test_a_foreign_picture_of_the_model_is_refused(part: ImagePart) -> None:
    with pytest.raises(UnsupportedFeatureError):
        items(Message.assistant(part))


def test_sound_is_refused_where_the_protocol_was_chosen() -> None:
    with pytest.raises(UnsupportedFeatureError, match="Chat Completions"):
        items(Message.user(WAV))


# ----------------------------------------------------------------------------- models and reasoning
def test_sampling_goes_out_only_while_the_model_does_not_reason() -> None:
    payload, notes = body("gpt-5.4", temperature=0.5, top_p=0.5, logprobs=1)
    assert {"temperature", "top_p", "top_logprobs"} <= payload.keys()
    assert notes == {}
    payload, notes = body("gpt-5.4", temperature=0.5, logprobs=1, reasoning_effort="low")
    assert payload["reasoning"] == {"effort": "low"}
    assert "temperature" not in payload
    assert "top_logprobs" not in payload
    assert notes == {"temperature": "unsupported", "logprobs": "unsupported"}
    assert body("gpt-5.6-sol", temperature=0.5)[1] == {"temperature": "unsupported"}
    assert body("gpt-5.6-sol", temperature=0.5, reasoning_effort="none")[1] == {}


def test_sampling_of_a_model_nobody_checked_is_sent() -> None:
    payload, notes = body("gpt-6-luna", temperature=0.5)
    assert payload["temperature"] == 0.5
    assert notes == {}


def test_a_strict_caller_gets_an_error_before_the_network() -> None:
    with pytest.raises(UnsupportedFeatureError) as caught:
        body("o3", temperature=0.5, unsupported="error")
    assert caught.value.param == "temperature"
    assert caught.value.billed == "no"


def test_efforts_a_model_does_not_know_are_dropped() -> None:
    payload, notes = body("gpt-5.6-sol", reasoning_effort="minimal")
    assert "reasoning" not in payload
    assert notes == {"reasoning_effort": "unsupported"}
    payload, notes = body("gpt-4.1", reasoning_effort="low")
    assert "reasoning" not in payload
    assert notes == {"reasoning_effort": "unsupported"}
    assert body("gpt-4.1", reasoning_effort="none") == body("gpt-4.1")
    assert body("brand-new", reasoning_effort="low")[0]["reasoning"] == {"effort": "low"}


def test_thinking_comes_back_encrypted_when_nothing_is_stored() -> None:
    assert body("gpt-5.4")[0]["include"] == ["reasoning.encrypted_content"]
    assert "include" not in body("gpt-4.1")[0]
    kept = {"openai": OpenAITextOptions(store=True)}
    payload = body("gpt-5.4", options=kept)[0]
    assert payload["store"] is True
    assert "include" not in payload


def test_fields_responses_does_not_have_are_dropped_with_a_note() -> None:
    payload, notes = body(
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        logit_bias={1: 5.0},
        top_k=3,
        min_p=0.1,
        stop="END",
    )
    assert payload.keys() == {"model", "input", "store"}
    assert notes.pop("stop") == "adapted"
    assert set(notes.values()) == {"unsupported"}
    assert notes.keys() == {
        "seed", "presence_penalty", "frequency_penalty", "logit_bias", "top_k", "min_p",
    }  # fmt: skip


def test_several_candidates_are_the_clients_work() -> None:
    with pytest.raises(UnsupportedFeatureError) as caught:
        body(n=2)
    assert caught.value.param == "n"
    assert body(n=1)[1] == {}


# ---------------------------------------------------------------------------------- schemas, tools
def test_a_schema_goes_out_strict() -> None:
    payload, notes = body(output=Recipe, verbosity="high")
    assert payload["text"] == {
        "format": {
            "type": "json_schema",
            "name": "Recipe",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "steps": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["title", "steps"],
                "additionalProperties": False,
            },
        },
        "verbosity": "high",
    }
    assert notes == {}


def test_a_schema_strict_mode_cannot_say_goes_out_as_it_is() -> None:
    payload, notes = body(output=dict[str, int])
    sent = payload["text"]["format"]
    assert sent["strict"] is False
    assert sent["schema"]["additionalProperties"] == {"type": "integer"}
    assert notes == {"output": "adapted"}
    with pytest.raises(UnsupportedFeatureError, match="free keys"):
        body(output=dict[str, int], options={"openai": {"strict": True}})
    loose = body(output=Recipe, options={"openai": {"strict": False}})[0]["text"]["format"]
    assert loose["strict"] is False
    assert loose["schema"]["title"] == "Recipe"


def weather(city: str) -> str:
    """Say the weather."""
    return city


def clock(city: str, hours: int = 12) -> str:
    return city * hours


def test_functions_are_strict_where_nothing_is_optional() -> None:
    payload = body(tools=[weather, clock], tool_choice="weather")[0]
    first, second = payload["tools"]
    assert first == {
        "type": "function",
        "name": "weather",
        "description": "Say the weather.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    }
    assert second["strict"] is False
    assert second["parameters"]["required"] == ["city"]
    assert "description" not in second
    assert payload["tool_choice"] == {"type": "function", "name": "weather"}
    forced = body(tools=[clock], options={"openai": {"strict": True}})[0]["tools"][0]
    assert forced["parameters"]["required"] == ["city", "hours"]
    assert (
        body(tools=[weather], options={"openai": {"strict": False}})[0]["tools"][0]["strict"]
        is False
    )


def test_a_function_that_strict_mode_cannot_say_is_refused_when_strict_was_asked() -> None:
    tool = Tool(name="f", parameters={"type": "object", "additionalProperties": True})
    with pytest.raises(UnsupportedFeatureError, match="strict"):
        body(tools=[tool], options={"openai": {"strict": True}})


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_choices_among_tools(choice: str) -> None:
    assert body(tools=[weather], tool_choice=choice)[0]["tool_choice"] == choice


# ----------------------------------------------------------------------------------------- options
def test_options_of_this_provider() -> None:
    options = OpenAITextOptions(
        previous_response_id="resp_0",
        truncation="auto",
        include=("web_search_call.action.sources",),
        reasoning_summary="auto",
        reasoning_context="all_turns",
        reasoning_mode="pro",
        max_tool_calls=3,
        builtin_tools=({"type": "web_search"},),
        include_obfuscation=False,
    )
    payload = body("gpt-5.4", options={"openai": options, "anthropic": {"x": 1}}, stream=True)[0]
    assert payload == {
        "model": "gpt-5.4",
        "input": "hi",
        "reasoning": {"summary": "auto", "context": "all_turns", "mode": "pro"},
        "tools": [{"type": "web_search"}],
        "previous_response_id": "resp_0",
        "truncation": "auto",
        "max_tool_calls": 3,
        "store": False,
        "include": ["web_search_call.action.sources", "reasoning.encrypted_content"],
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    }


def test_a_conversation_is_kept_by_the_server_as_it_likes() -> None:
    payload = body(options={"openai": {"conversation": "conv_1"}})[0]
    assert payload["conversation"] == "conv_1"
    assert "store" not in payload


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stor": True}, "stor"),
        ({"background": True}, "background"),
        ({"truncation": "maybe"}, "truncation"),
        (Recipe(title="", steps=[]), "Recipe"),
    ],
)
def test_wrong_options_are_named(options: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        body(options={"openai": options})


def test_options_of_others_change_nothing() -> None:
    given = {"anthropic": {"anything": 1}}
    assert body(options=given) == body() == body(options={"openai": {"background": False}})


@pytest.mark.parametrize("options", [{"prediction": "x"}, {"audio": {"voice": "coral"}}])
def test_options_of_chat_are_refused(options: Any) -> None:
    with pytest.raises(UnsupportedFeatureError, match="Chat Completions"):
        body(options={"openai": options})


def test_extra_goes_out_verbatim() -> None:
    payload = body("gpt-5.4", extra={"prompt_cache_options": {"ttl": "12h"}, "store": True,
                                     "include": ["code_interpreter_call.outputs"]})[0]  # fmt: skip
    assert payload["prompt_cache_options"] == {"ttl": "12h"}
    assert payload["store"] is True
    assert payload["include"] == ["code_interpreter_call.outputs"]


@pytest.mark.parametrize(
    ("extra", "kind", "param"),
    [
        ({"temperature": 1}, InvalidRequestError, "temperature"),
        ({"background": True}, UnsupportedFeatureError, "extra"),
        ({"stream": True}, UnsupportedFeatureError, "extra"),
    ],
)
def test_extra_that_clashes_is_refused(
    extra: Any, kind: type[InvalidRequestError], param: str
) -> None:
    with pytest.raises(kind) as caught:
        body(temperature=0.5, extra=extra)
    assert caught.value.param == param


# ----------------------------------------------------------------------------------- other servers
def test_another_server_gets_no_fields_that_only_openai_has() -> None:
    other = Account(UNKNOWN, name="gpu", base_url="http://127.0.0.1:9/v1")
    payload, notes = body(
        "m",
        account=other,
        prompt=[Message.system("Rules."), Message.user("hi")],
        temperature=0.5,
        verbosity="low",
        metadata={"a": "b"},
        user_id="u",
        reasoning_effort="low",
    )
    assert payload == {
        "model": "m",
        "input": [{"role": "system", "content": "Rules."}, {"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "user": "u",
        "reasoning": {"effort": "low"},
    }
    assert notes == {"verbosity": "unsupported", "metadata": "unsupported"}


def test_a_server_that_refuses_sampling_and_efforts_is_spared_them() -> None:
    from dataclasses import replace

    dialect = replace(UNKNOWN, refuses=frozenset({"temperature", "logprobs", "reasoning_effort"}))
    other = Account(dialect, base_url="http://127.0.0.1:9/v1")
    payload, notes = body("m", account=other, temperature=0.5, logprobs=1, reasoning_effort="low")
    assert payload == {"model": "m", "input": "hi"}
    assert notes.keys() == {"temperature", "logprobs", "reasoning_effort"}
