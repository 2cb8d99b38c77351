"""Anthropic's error bodies, types and codes, and what they mean.

Shape: ``{"type": "error", "error": {"type", "message", "details": {"error_code"}}, "request_id"}``.
Sources: ``anthropic`` 2.11 ``_exceptions.py``, ``_error_classes.py`` (statuses and codes) and
``types/shared/error_type.py`` (types); the errors page of the API reference; read 2026-11-21.

Rule of the room: an error is chosen by status, code and type. Prose is read for one thing alone,
a prompt that is too long, which the API states nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

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
from gensdk.toolkit import (
    STATUS_ROWS,
    Answer,
    ErrorRow,
    Failure,
    error_for,
    failure_from,
    failure_in,
    json_in,
    request_id_of,
)

__all__ = ["ROWS", "error_inside", "error_of_answer", "request_id_of"]

_QUOTA = (
    "contract_spend_limit_reached", "enforced_spend_limit_reached", "storage_quota_exceeded",
    "linked_organization_billing_unavailable", "linked_organization_spend_limit_reached",
)  # fmt: skip
_DENIED = (
    "organization_on_hold", "organization_type_not_supported", "parent_organization_required",
    "organization_not_enrolled_in_beta", "claude_code_key_creator_not_member",
    "cmek_key_disabled", "cmek_key_network_blocked", "skill_read_blocked_undecryptable",
    "user_profile_billing_not_authorized", "user_profile_not_billable",
    "sandbox_egress_restricted", "api_key_scope_missing", "workspace_policy_violation",
)  # fmt: skip
_OVERLOADED = ("compaction_unavailable", "cmek_context_unavailable", "cmek_key_unreachable")
_NO_MODEL = ("file_expired", "thread_not_found", "environment_not_found")
"""Codes of a 404 that is not about the model."""

CODE_ROWS: tuple[ErrorRow, ...] = (
    *(ErrorRow(QuotaExceededError, code=code) for code in _QUOTA),
    *(ErrorRow(PermissionDeniedError, code=code) for code in _DENIED),
    *(ErrorRow(OverloadedError, code=code) for code in _OVERLOADED),
    *(ErrorRow(InvalidRequestError, code=code) for code in _NO_MODEL),
    ErrorRow(RateLimitError, code="ramp_limit_exceeded"),
    ErrorRow(TransientError, code="request_body_timeout"),  # "nothing was done"
    ErrorRow(TransientError, code="concurrent_membership_change"),
    ErrorRow(RequestTooLargeError, code="request_body_too_large_after_decoding"),
)
"""Codes that say more than their status. Every other code of a 400 is an invalid request."""

TYPE_ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(OverloadedError, type="overloaded_error"),
    ErrorRow(RateLimitError, type="rate_limit_error"),
    ErrorRow(QuotaExceededError, type="billing_error"),
    ErrorRow(AuthenticationError, type="authentication_error"),
    ErrorRow(PermissionDeniedError, type="permission_error"),
    ErrorRow(RequestTooLargeError, type="request_too_large"),
    ErrorRow(ModelNotFoundError, type="not_found_error"),
    ErrorRow(TransientError, 409, type="conflict_error"),
    ErrorRow(InvalidRequestError, type="memory_precondition_failed_error"),
    ErrorRow(InvalidRequestError, type="memory_path_conflict_error"),
)
"""The vendor's types: in a stream they are all there is, for its status is 200. ``api_error`` and
``timeout_error`` say no more than their status."""

STREAM_ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(InvalidRequestError, 0, type="invalid_request_error"),
    ErrorRow(TransientError, 0, type="conflict_error"),
    ErrorRow(ServerError, 0),
)

ROWS: tuple[ErrorRow, ...] = (*CODE_ROWS, *TYPE_ROWS, *STATUS_ROWS, *STREAM_ROWS)

_TOO_LONG = ("prompt is too long", "input length and `max_tokens` exceed context limit")
_TOO_LONG_ROWS = (ErrorRow(ContextLengthError, 400, type="invalid_request_error"), *ROWS)


def error_of_answer(
    answer: Answer,
    *,
    provider: str,
    model: str,
    redact: Callable[[str], str],
) -> GenSDKError:
    """The error for an answer whose status is not 2xx, whatever its body looks like.

    Args:
        answer: The failed answer.
        provider: Name the backend goes by.
        model: Model that was asked.
        redact: Removes secrets from the message.
    """
    failure = _refined(failure_from(answer), json_in(answer.body))
    return error_for(failure, _rows(failure), provider=provider, model=model, redact=redact)


def error_inside(
    body: object,
    headers: Mapping[str, str],
    *,
    provider: str,
    model: str,
    redact: Callable[[str], str],
) -> GenSDKError:
    """The error for an error object inside a stream or inside a 200; it may be billed."""
    failure = _refined(failure_in(body, 0, headers), body)
    error = error_for(failure, _rows(failure), provider=provider, model=model, redact=redact)
    error.billed = "maybe"
    return error


def _rows(failure: Failure) -> Sequence[ErrorRow]:
    too_long = failure.code is None and failure.message.lower().startswith(_TOO_LONG)
    return _TOO_LONG_ROWS if too_long else ROWS


def _refined(failure: Failure, body: object) -> Failure:
    """Add what stands in places of this vendor's own: the code, and the id inside the body."""
    if not isinstance(body, dict):
        return failure
    inner = body.get("error")
    details = inner.get("details") if isinstance(inner, dict) else None
    code = details.get("error_code") if isinstance(details, dict) else None
    request_id = body.get("request_id")
    return replace(
        failure,
        code=code if isinstance(code, str) else failure.code,
        request_id=failure.request_id or (request_id if isinstance(request_id, str) else None),
    )
