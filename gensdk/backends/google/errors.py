"""Google's error bodies, and what they mean: one table for every endpoint.

``generateContent`` and operations answer with ``google.rpc.Status``: a code word, and details of
known types (``ErrorInfo.reason``, ``RetryInfo``, ``QuotaFailure``, ``BadRequest``). Interactions
answer ``{"error": {"code": "invalid_request", "message"}}``: the same words in small letters.

Sources, read 2026-11-21: ai.google.dev, pages "troubleshooting" and "api-errors";
``google/rpc/code.proto``, ``google/api/error_reason.proto``; answers quoted in public issues
(daily quotas: OmniRoute 9504, gemini-cli 10925).

Rule of the room: an error is chosen by status, code and reason, never by prose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TransientError,
)
from gensdk.toolkit import (
    STATUS_ROWS,
    Answer,
    ErrorRow,
    Failure,
    error_for,
    failure_from,
    failure_in,
)

__all__ = ["BLOCK_CODES", "ROWS", "error_of", "failure_of", "status_of_code"]

DAILY = "DAILY_QUOTA"
"""Reason given to a 429 whose quota is counted by the day, or is nothing at all."""

_KEY_REASONS = (
    "API_KEY_INVALID", "API_KEY_EXPIRED", "CREDENTIALS_MISSING", "ACCESS_TOKEN_EXPIRED",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED", "ACCOUNT_STATE_INVALID",
)  # fmt: skip
_DENIED_REASONS = (
    "API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED",
    "API_KEY_ANDROID_APP_BLOCKED", "API_KEY_IOS_APP_BLOCKED", "SERVICE_DISABLED",
    "CONSUMER_SUSPENDED", "CONSUMER_INVALID", "USER_PROJECT_DENIED", "IAM_PERMISSION_DENIED",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "LOCATION_POLICY_VIOLATED", "SECURITY_POLICY_VIOLATED",
)  # fmt: skip
BLOCK_CODES = frozenset({
    "SAFETY", "BLOCKED", "CONTENT_BLOCKED", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII",
    "RECITATION", "IMAGE_SAFETY", "JAILBREAK", "CONTENT_POLICY_VIOLATION", "CONTENT_FILTER",
})  # fmt: skip
"""Code words of what safety rules stopped."""

ROWS: tuple[ErrorRow, ...] = (
    *(ErrorRow(AuthenticationError, type=reason) for reason in _KEY_REASONS),
    *(ErrorRow(PermissionDeniedError, type=reason) for reason in _DENIED_REASONS),
    ErrorRow(QuotaExceededError, type=DAILY),
    ErrorRow(QuotaExceededError, type="BILLING_DISABLED"),
    ErrorRow(QuotaExceededError, code="BUDGET_EXCEEDED"),
    *(ErrorRow(ContentBlockedError, code=code) for code in sorted(BLOCK_CODES)),
    ErrorRow(AuthenticationError, code="UNAUTHENTICATED"),
    ErrorRow(AuthenticationError, code="AUTHENTICATION"),
    ErrorRow(PermissionDeniedError, code="PERMISSION_DENIED"),
    # "The free tier is not available in your country": the account has to be set up first.
    ErrorRow(PermissionDeniedError, code="FAILED_PRECONDITION"),
    ErrorRow(ModelNotFoundError, code="NOT_FOUND"),
    ErrorRow(InvalidRequestError, code="INVALID_ARGUMENT"),
    ErrorRow(InvalidRequestError, code="INVALID_REQUEST"),
    ErrorRow(InvalidRequestError, code="OUT_OF_RANGE"),
    ErrorRow(InvalidRequestError, code="ALREADY_EXISTS"),
    ErrorRow(InvalidRequestError, code="UNIMPLEMENTED"),
    ErrorRow(RateLimitError, code="RESOURCE_EXHAUSTED"),
    ErrorRow(RateLimitError, code="RATE_LIMIT_EXCEEDED"),
    ErrorRow(RateLimitError, code="TOO_MANY_REQUESTS"),
    ErrorRow(TransientError, code="ABORTED"),
    ErrorRow(TransientError, code="CANCELLED"),
    ErrorRow(OverloadedError, code="UNAVAILABLE"),
    ErrorRow(OverloadedError, code="SERVICE_UNAVAILABLE"),
    ErrorRow(ServerError, code="DEADLINE_EXCEEDED"),
    ErrorRow(ServerError, code="INTERNAL"),
    ErrorRow(ServerError, code="INTERNAL_ERROR"),
    ErrorRow(ServerError, code="DATA_LOSS"),
    ErrorRow(ServerError, code="UNKNOWN"),
    *STATUS_ROWS,
    ErrorRow(ServerError, 0),
)

_RPC_CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_TYPE = "type.googleapis.com/google.rpc."


def status_of_code(code: object) -> str | None:
    """The word of a numeric ``google.rpc.Code``, as operations give it."""
    if isinstance(code, int) and not isinstance(code, bool) and 0 < code < len(_RPC_CODES):
        return _RPC_CODES[code]
    return str(code).upper() if isinstance(code, str) and code else None


def failure_of(body: bytes | object, status: int, headers: Mapping[str, str]) -> Failure:
    """Read the facts out of a failed answer, or of parsed JSON inside a good one."""
    found = _parsed(body) if isinstance(body, bytes) else body
    failure = failure_in(found, status, headers)
    error = _inner(found)
    word = error.get("status")
    code = word if isinstance(word, str) else status_of_code(error.get("code"))
    # A number is the HTTP status once more, or in operations a google.rpc.Code.
    if code is None and failure.code and not failure.code.isdigit():
        code = failure.code.upper()
    details = list(_details(error))
    return replace(
        failure,
        code=code,
        type=DAILY if _daily(details) else _reason(details),
        param=_field(details) or failure.param,
        retry_after=failure.retry_after if failure.retry_after is not None else _delay(details),
    )


def _parsed(body: bytes) -> object:
    try:
        return from_json(body)
    except ValueError:
        return failure_from(Answer(0, {}, body)).message  # text, or the title of a web page


def error_of(
    failure: Failure,
    *,
    provider: str,
    model: str | None,
    redact: Callable[[str], str],
) -> GenSDKError:
    """Turn a failure into the error of its cause.

    Args:
        failure: What the answer said.
        provider: Name the account goes by.
        model: Model that was asked.
        redact: Removes secrets from the message.
    """
    error = error_for(failure, ROWS, provider=provider, model=model, redact=redact)
    if isinstance(error, ContentBlockedError) and failure.code:
        error.categories = (failure.code,)
    return error


# ------------------------------------------------------------------------------------- details
def _inner(body: object) -> dict[str, Any]:
    """The object with code, message and details, out of a list and out of ``error``."""
    if isinstance(body, list) and body:
        body = body[0]
    inner = body.get("error", body) if isinstance(body, dict) else None
    return inner if isinstance(inner, dict) else {}


def _details(error: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    found = error.get("details")
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict):
            yield one


def _of(details: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    return (one for one in details if one.get("@type") == _TYPE + name)


def _reason(details: list[dict[str, Any]]) -> str | None:
    for one in _of(details, "ErrorInfo"):
        if isinstance(one.get("reason"), str):
            return str(one["reason"])
    return None


def _daily(details: list[dict[str, Any]]) -> bool:
    """Whether a quota is gone for the day, or was never there: waiting seconds does not help."""
    for one in _of(details, "QuotaFailure"):
        violations = one.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if not isinstance(violation, dict):
                continue
            if "PerDay" in str(violation.get("quotaId")) or violation.get("quotaValue") == "0":
                return True
    return any(
        "PerDay" in str(metadata.get("quota_limit"))
        for one in _of(details, "ErrorInfo")
        if isinstance(metadata := one.get("metadata"), dict)
    )


def _delay(details: list[dict[str, Any]]) -> float | None:
    """``RetryInfo.retryDelay``, a duration such as ``"36.4s"``."""
    for one in _of(details, "RetryInfo"):
        text = str(one.get("retryDelay", ""))
        try:
            seconds = float(text.removesuffix("s"))
        except ValueError:
            continue
        if text.endswith("s") and seconds >= 0 and math.isfinite(seconds):
            return seconds
    return None


def _field(details: list[dict[str, Any]]) -> str | None:
    for one in _of(details, "BadRequest"):
        violations = one.get("fieldViolations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and isinstance(violation.get("field"), str):
                return str(violation["field"]) or None
    return None
