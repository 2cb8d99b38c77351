"""Claude: every documented failure, with its class and what it tells."""

from __future__ import annotations

from typing import Any

import pytest

from gensdk.errors import (
    AuthenticationError,
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    TransientError,
)
from gensdk.types import RateLimits, TextRequest
from tests.support.anthropic_messages import (
    HEADERS,
    KEY,
    MODEL,
    PATH,
    ask,
    backend,
    context,
    failure,
    message,
    text,
)
from tests.support.server import LoopbackServer, answer_error, answer_json


async def failed(status: int, body: Any, headers: Any = None, model: str = MODEL) -> GenSDKError:
    """The error a failed answer becomes."""
    with pytest.raises(GenSDKError) as caught:
        await ask(answer_error(status, body, HEADERS | (headers or {})), model)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "error", "retryable"),
    [
        (400, "invalid_request_error", InvalidRequestError, False),
        (401, "authentication_error", AuthenticationError, False),
        (402, "billing_error", QuotaExceededError, False),
        (403, "permission_error", PermissionDeniedError, False),
        (404, "not_found_error", ModelNotFoundError, False),
        (409, "conflict_error", TransientError, True),
        (413, "request_too_large", RequestTooLargeError, False),
        (422, "invalid_request_error", InvalidRequestError, False),
        (429, "rate_limit_error", RateLimitError, True),
        (500, "api_error", ServerError, True),
        (501, "api_error", InvalidRequestError, False),
        (503, "api_error", OverloadedError, True),
        (504, "timeout_error", ServerError, True),
        (529, "overloaded_error", OverloadedError, True),
        (418, "new_error", InvalidRequestError, False),
        (599, "new_error", ServerError, True),
    ],
)
async def test_statuses_and_types(
    status: int, kind: str, error: type[GenSDKError], *, retryable: bool
) -> None:
    found = await failed(status, failure(kind, "It failed."), {"retry-after": "7"})
    assert type(found) is error
    assert (found.status, found.request_id, found.retry_after) == (status, "req_011CX", 7.0)
    assert (found.retryable, found.provider, found.model) == (retryable, "anthropic", MODEL)
    assert str(found).startswith("It failed.")


@pytest.mark.parametrize(
    ("status", "kind", "code", "error"),
    [
        (429, "rate_limit_error", "contract_spend_limit_reached", QuotaExceededError),
        (429, "rate_limit_error", "enforced_spend_limit_reached", QuotaExceededError),
        (429, "rate_limit_error", "ramp_limit_exceeded", RateLimitError),
        (402, "billing_error", "linked_organization_spend_limit_reached", QuotaExceededError),
        (400, "invalid_request_error", "storage_quota_exceeded", QuotaExceededError),
        (400, "invalid_request_error", "organization_on_hold", PermissionDeniedError),
        (400, "invalid_request_error", "cmek_key_disabled", PermissionDeniedError),
        (400, "invalid_request_error", "request_body_timeout", TransientError),
        (400, "invalid_request_error", "tool_name_conflict", InvalidRequestError),
        (403, "permission_error", "user_profile_not_billable", PermissionDeniedError),
        (404, "not_found_error", "file_expired", InvalidRequestError),
        (404, "not_found_error", "thread_not_found", InvalidRequestError),
        (409, "conflict_error", "skill_read_blocked_undecryptable", PermissionDeniedError),
        (413, "invalid_request_error", "request_body_too_large_after_decoding",
         RequestTooLargeError),
        (503, "api_error", "cmek_key_unreachable", OverloadedError),
        (529, "overloaded_error", "compaction_unavailable", OverloadedError),
    ],
)  # fmt: skip
async def test_codes(status: int, kind: str, code: str, error: type[GenSDKError]) -> None:
    found = await failed(status, failure(kind, code=code))
    assert type(found) is error
    assert found.code == code


@pytest.mark.parametrize(
    "said",
    [
        "prompt is too long: 1000001 tokens > 1000000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    ],
)
async def test_a_prompt_that_is_too_long(said: str) -> None:
    assert type(await failed(400, failure("invalid_request_error", said))) is ContextLengthError


async def test_bodies_of_other_shapes() -> None:
    assert type(await failed(502, b"<html><title>Bad gateway</title></html>")) is ServerError
    assert type(await failed(503, "no healthy upstream")) is OverloadedError
    assert type(await failed(404, {"detail": "Not Found"})) is InvalidRequestError


async def test_the_id_may_stand_in_the_body_alone() -> None:
    found = await failed(500, failure("api_error"), {"request-id": ""})
    assert found.request_id == "req_body"


async def test_the_key_is_in_no_message() -> None:
    found = await failed(401, failure("authentication_error", f"invalid key {KEY} sent", KEY))
    assert KEY not in str(found) + repr(found) + str(found.code)


async def test_limits_are_told() -> None:
    told: list[RateLimits] = []
    limits = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-input-tokens-remaining": "900",
        "anthropic-ratelimit-output-tokens-remaining": "80",
        "anthropic-ratelimit-output-tokens-reset": "2026-11-21T10:01:00Z",
        "date": "Sat, 21 Nov 2026 10:00:00 GMT",
    }
    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_json(message(text()), headers=limits))
        source = backend(server)
        await source.text(TextRequest(prompt="hi"), context(limits=told.append))
        await source.aclose()
    (found,) = told
    assert found.requests is not None
    assert found.tokens is not None
    assert (found.requests.left, found.tokens.left, found.tokens.reset_s) == (49, 80, 60)
