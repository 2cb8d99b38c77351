"""OpenAI's failures by code, status and type, on the real wire."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from openai.types.responses import ResponseError

from gensdk.backends.openai.errors import CODE_ROWS, STREAM_ROWS
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    TransientError,
)
from gensdk.types import TextRequest
from tests.support.openai_responses import PATH, backend, context
from tests.support.server import LoopbackServer, answer_error

KEY = "sk-test-1234567890"


async def fail(
    status: int,
    body: Any,
    *,
    model: str = "gpt-5.4",
    headers: dict[str, str] | None = None,
    **settings: Any,
) -> GenSDKError:
    """The error of one call that is answered with a failure."""
    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_error(status, body, headers))
        source = backend(server, **settings)
        with pytest.raises(GenSDKError) as caught:
            await source.text(TextRequest(prompt="hi"), context(model))
        await source.aclose()
        assert len(server.requests) == 1
        return caught.value


def error(message: str = "It failed.", **facts: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": None, "param": None, "code": None} | facts}


@pytest.mark.parametrize(
    ("status", "facts", "kind"),
    [
        (400, {"code": "context_length_exceeded"}, ContextLengthError),
        (400, {"code": "unsupported_parameter", "param": "tools"}, InvalidRequestError),
        (400, {"code": "invalid_value"}, InvalidRequestError),
        (400, {"code": "content_policy_violation"}, ContentBlockedError),
        (400, {"code": "billing_hard_limit_reached"}, QuotaExceededError),
        (400, {"code": "image_file_too_large"}, RequestTooLargeError),
        (401, {"code": "invalid_api_key"}, AuthenticationError),
        (403, {"code": "unsupported_country_region_territory"}, PermissionDeniedError),
        (404, {"code": "model_not_found"}, ModelNotFoundError),
        (404, {"code": "DeploymentNotFound"}, ModelNotFoundError),
        (404, {}, InvalidRequestError),
        (408, {}, TransientError),
        (413, {}, RequestTooLargeError),
        (429, {"code": "rate_limit_exceeded", "type": "tokens"}, RateLimitError),
        (429, {"code": "insufficient_quota"}, QuotaExceededError),
        (429, {"type": "insufficient_quota"}, QuotaExceededError),
        (429, {"code": "billing_not_active"}, QuotaExceededError),
        (500, {"type": "server_error"}, ServerError),
        (503, {"code": "slow_down"}, OverloadedError),
        (503, {}, OverloadedError),
    ],
)
async def test_failures_are_told_apart(
    status: int, facts: dict[str, Any], kind: type[GenSDKError]
) -> None:
    caught = await fail(status, error(**facts))
    assert type(caught) is kind
    assert caught.status == status
    assert caught.code == facts.get("code")
    assert caught.param == facts.get("param")
    assert caught.provider == "openai"
    assert caught.model == "gpt-5.4"
    assert "It failed." in caught.message


async def test_keeps_the_hints_in_the_headers() -> None:
    headers = {"x-request-id": "req_1", "retry-after-ms": "1500", "x-should-retry": "false"}
    caught = await fail(429, error(code="rate_limit_exceeded"), headers=headers)
    assert caught.request_id == "req_1"
    assert caught.retry_after == 1.5
    assert caught.retryable is False


async def test_a_web_page_is_no_mystery() -> None:
    caught = await fail(502, b"<html><title>Bad gateway</title></html>")
    assert isinstance(caught, ServerError)
    assert "Bad gateway" in caught.message
    assert "<html>" not in caught.message


async def test_the_key_never_comes_back_in_a_message() -> None:
    caught = await fail(401, error(f"Incorrect API key provided: {KEY}."))
    assert KEY not in str(caught)
    assert "Incorrect API key" in caught.message


async def test_a_redirect_is_not_followed() -> None:
    caught = await fail(302, "", headers={"location": "http://127.0.0.1:9/"})
    assert isinstance(caught, InvalidResponseError)


# ------------------------------------------------------------------------------------------ blocks
@pytest.mark.parametrize(
    ("inner", "stage", "categories"),
    [
        (
            {
                "code": "moderation_blocked",
                "moderation_details": {
                    "moderation_stage": "output",
                    "categories": ["violence", "sexual"],
                },
            },
            "output",
            ("violence", "sexual"),
        ),
        (
            {
                "code": "moderation_blocked",
                "moderation_details": {"moderation_stage": "unknown", "categories": None},
            },
            None,
            (),
        ),
        (
            {
                "code": "moderation_blocked",
                "type": "image_generation_user_error",
                "message": "Rejected. safety_violations=[sexual, violence].",
            },
            None,
            ("sexual", "violence"),
        ),
        ({"code": "moderation_blocked", "message": "safety_violations=[]"}, None, ()),
        ({"code": "invalid_prompt", "message": "Flagged."}, "input", ()),
        (
            {
                "code": "content_filter",
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {
                        "hate": {"filtered": True, "severity": "high"},
                        "jailbreak": {"filtered": False, "detected": True},
                        "violence": {"filtered": False, "severity": "safe"},
                        "note": "x",
                    },
                },
            },
            "input",
            ("hate", "jailbreak"),
        ),
        ({"code": "content_filter", "innererror": {"code": "x"}}, "input", ()),
    ],
)
async def test_blocks_say_stage_and_categories(
    inner: dict[str, Any], stage: str | None, categories: tuple[str, ...]
) -> None:
    caught = await fail(400, error(**inner))
    assert isinstance(caught, ContentBlockedError)
    assert caught.stage == stage
    assert caught.categories == categories


# ---------------------------------------------------------------------------------------- coverage
def test_every_code_of_a_failed_response_has_a_row() -> None:
    annotation = ResponseError.model_fields["code"].annotation
    codes = set(typing.get_args(annotation))
    assert len(codes) > 15
    assert codes <= {row.code for row in (*CODE_ROWS, *STREAM_ROWS)}
