"""Text over Responses: what a whole answer becomes."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    RateLimitError,
    ServerError,
)
from gensdk.types import (
    ImagePart,
    PrivateData,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TextRequest,
    TextResponse,
    TokenLogprob,
    ToolCallPart,
    Usage,
)
from tests.support.openai_responses import (
    PATH,
    backend,
    body,
    context,
    function_call,
    message,
    reasoning,
    refusal,
)
from tests.support.server import LoopbackServer, answer_bytes, answer_json

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16


async def ask(answer: Any, *, model: str = "gpt-4.1", **fields: Any) -> TextResponse[Any]:
    """One plain call that is answered with ``answer``."""
    async with LoopbackServer() as server:
        handler = (
            answer_bytes(answer, "text/html")
            if isinstance(answer, bytes)
            else answer_json(answer, headers={"x-request-id": "req_7"})
        )
        server.on("POST", PATH, handler)
        source = backend(server)
        try:
            return await source.text(TextRequest(prompt="hi", **fields), context(model))
        finally:
            await source.aclose()


async def test_maps_text_usage_and_ids() -> None:
    response = await ask(body(message("Hello")), model="gpt-5.4")
    assert response.text == "Hello"
    assert response.finish_reason == "stop"
    assert response.candidates[0].finish_reason == "stop"
    assert response.usage == Usage(
        input_tokens=12,
        output_tokens=9,
        cached_tokens=4,
        cache_write_tokens=2,
        reasoning_tokens=3,
    )
    assert response.provider == "openai"
    assert response.model == "gpt-4.1-2025-04-14"
    assert response.request_id == "req_7"
    assert response.reproducible is False
    assert response.warnings == ()
    assert response.provider_details == {"response_id": "resp_1", "service_tier": "default"}


async def test_keeps_the_phase_of_a_message_for_the_next_turn() -> None:
    response = await ask(body(message("Hello", phase="final_answer")))
    assert response.parts[0].private == PrivateData(
        provider="openai", data={"id": "msg_1", "phase": "final_answer"}
    )


async def test_maps_a_function_call() -> None:
    response = await ask(body(function_call(namespace="tools")))
    assert response.finish_reason == "tool_calls"
    assert response.tool_calls == (
        ToolCallPart(
            id="call_1",
            name="weather",
            arguments={"city": "Oslo"},
            private=PrivateData(provider="openai", data={"id": "fc_1", "namespace": "tools"}),
        ),
    )


async def test_keeps_the_text_of_broken_arguments() -> None:
    response = await ask(body(function_call('{"city": ')))
    assert response.tool_calls[0].malformed == '{"city": '


async def test_maps_a_refusal() -> None:
    response = await ask(body(refusal("No.")))
    assert response.finish_reason == "refusal"
    assert response.refusal == "No."
    assert isinstance(response.parts[0], RefusalPart)


async def test_shows_thinking_and_keeps_its_item() -> None:
    item = reasoning("First.", "Second.", encrypted_content="gAAA")
    response = await ask(body(item, message("Done")))
    assert response.reasoning == "First.\n\nSecond."
    assert isinstance(response.parts[0], ReasoningPart)
    assert response.parts[0].private == PrivateData(provider="openai", data={"item": item})


async def test_shows_the_full_thinking_of_servers_that_send_no_summary() -> None:
    item = reasoning(content=[{"type": "reasoning_text", "text": "Hm."}])
    assert (await ask(body(item, message("Done")))).reasoning == "Hm."


async def test_carries_items_of_hosted_tools_along() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    response = await ask(body(search, message("Found")))
    assert response.text == "Found"
    assert response.parts[0].private == PrivateData(provider="openai", data={"item": search})


async def test_maps_a_picture_of_the_image_tool() -> None:
    item = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": base64.b64encode(PNG).decode(),
    }
    part = (await ask(body(item))).parts[0]
    assert isinstance(part, ImagePart)
    assert getattr(part.image, "data", None) == PNG
    kept = {"type": "image_generation_call", "id": "ig_1", "status": "completed"}
    assert part.private == PrivateData(provider="openai", data={"item": kept})


async def test_maps_logprobs() -> None:
    logprobs = [
        {
            "token": "Hi",
            "bytes": [72, 105],
            "logprob": -0.1,
            "top_logprobs": [{"token": "Yo", "bytes": [], "logprob": -2.0}],
        }
    ]
    answer = body(message("Hi", content={"logprobs": logprobs}))
    response = await ask(answer, logprobs=1)
    assert response.candidates[0].logprobs == (
        TokenLogprob(token="Hi", logprob=-0.1, alternatives=(("Yo", -2.0),)),
    )
    assert (await ask(answer)).candidates[0].logprobs is None


async def test_keeps_citations() -> None:
    citation = {
        "type": "url_citation",
        "url": "https://a.example",
        "title": "A",
        "start_index": 0,
        "end_index": 1,
    }
    response = await ask(body(message("Hi", content={"annotations": [citation]})))
    assert response.provider_details["annotations"] == [citation]


async def test_content_of_an_unknown_kind_is_passed_over() -> None:
    answer = body(message("Hi"))
    answer["output"][0]["content"].append({"type": "output_smell"})
    assert (await ask(answer)).text == "Hi"


# ------------------------------------------------------------------------------------ stop strings
async def test_cuts_at_a_stop_string_and_drops_what_follows() -> None:
    tokens: list[dict[str, Any]] = [
        {"token": token, "bytes": [], "logprob": -1.0, "top_logprobs": []}
        for token in ("One", " END", " two")
    ]
    answer = body(message("One END two", content={"logprobs": tokens}), function_call())
    response = await ask(answer, stop="END", logprobs=0)
    assert response.text == "One "
    assert response.finish_reason == "stop_sequence"
    assert response.tool_calls == ()
    assert [entry.token for entry in response.candidates[0].logprobs or ()] == ["One"]
    assert response.parts[0].private is None
    assert [(w.kind, w.parameter) for w in response.warnings if w.parameter == "stop"] == [
        ("adapted", "stop")
    ]


async def test_a_stop_string_that_never_comes_changes_nothing() -> None:
    response = await ask(body(message("One two")), stop=["END"])
    assert (response.text, response.finish_reason) == ("One two", "stop")


async def test_later_text_of_the_same_message_goes_with_the_cut() -> None:
    item = message("a|b")
    item["content"].append(dict(item["content"][0], text="more"))
    assert (await ask(body(item), stop="|")).parts == (TextPart(text="a"),)


# ----------------------------------------------------------------------------------- early endings
@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("max_output_tokens", "length"),
        ("max_messages", "length"),
        ("content_filter", "content_filter"),
        ("steered", "pause"),
    ],
)
async def test_incomplete_answers_say_why(reason: str, finish: str) -> None:
    answer = body(
        message("Half", status="incomplete"),
        status="incomplete",
        incomplete_details={"reason": reason},
    )
    response = await ask(answer)
    assert (response.text, response.finish_reason) == ("Half", finish)
    assert response.provider_details["incomplete_reason"] == reason


async def test_an_unknown_reason_keeps_the_raw_words() -> None:
    answer = body(message("Half")) | {
        "status": "incomplete",
        "incomplete_details": {"reason": "tired"},
    }
    response = await ask(answer)
    assert response.finish_reason == "unknown"
    assert response.provider_details["incomplete_reason"] == "tired"
    assert response.provider_details["status"] == "incomplete"
    del answer["incomplete_details"]
    assert (await ask(answer)).finish_reason == "unknown"


async def test_a_cancelled_answer_says_so() -> None:
    assert (await ask(body(message("Ha"), status="cancelled"))).finish_reason == "cancelled"


async def test_an_unknown_status_is_unknown() -> None:
    response = await ask(body(message("Ha")) | {"status": "daydreaming"})
    assert response.finish_reason == "unknown"


async def test_a_budget_spent_on_thinking_is_explained() -> None:
    answer = body(
        reasoning(), status="incomplete", incomplete_details={"reason": "max_output_tokens"}
    )
    response = await ask(answer, max_tokens=16, model="gpt-5.4")
    assert (response.text, response.finish_reason) == ("", "length")
    assert "raise max_tokens" in response.warnings[0].message


async def test_a_block_before_any_output_is_an_error() -> None:
    answer = body(status="incomplete", incomplete_details={"reason": "content_filter"})
    with pytest.raises(ContentBlockedError) as caught:
        await ask(answer)
    assert caught.value.stage == "output"
    assert caught.value.billed == "yes"
    assert caught.value.request_id == "req_7"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (body(), "empty"),
        (body(reasoning("Hm.")), "empty"),
        (body(message(), status="queued"), "status 'queued'"),
        ({"object": "chat.completion", "choices": []}, "no output"),
        ({"output": "text"}, "no response object"),
        ({"output": [{"type": "message", "content": [{"text": 1}]}]}, "malformed"),
        ([], "no response object"),
        (b"<html><title>Gateway</title></html>", "no response object"),
    ],
)
async def test_unusable_answers_are_errors(answer: Any, words: str) -> None:
    with pytest.raises(InvalidResponseError, match=words) as caught:
        await ask(answer)
    assert caught.value.status == 200
    assert caught.value.billed == "maybe"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", ServerError),
        ("rate_limit_exceeded", RateLimitError),
        ("invalid_image", InvalidRequestError),
        ("bio_policy", ContentBlockedError),
    ],
)
async def test_a_failed_answer_is_the_error_of_its_code(code: str, kind: type[GenSDKError]) -> None:
    answer = body(status="failed", error={"code": code, "message": "It broke."})
    with pytest.raises(kind, match="It broke") as caught:
        await ask(answer)
    assert caught.value.code == code
    assert caught.value.status is None
    assert caught.value.billed == "maybe"


async def test_a_failure_without_reason_is_a_server_error() -> None:
    with pytest.raises(ServerError):
        await ask(body(status="failed"))


async def test_missing_usage_and_model_are_not_made_up() -> None:
    answer = {"status": "completed", "output": [{"type": "message", "content": []}]}
    response = await ask(answer, model="mine")
    assert response.usage == Usage()
    assert response.model == "mine"
    assert response.text == ""
