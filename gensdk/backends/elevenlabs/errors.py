"""ElevenLabs' failed answers, and what their codes mean.

Sources, read 2026-11-21: the errors page of the documentation (``detail`` with type, code,
message, param and request_id; ``status`` is its older word for the code), the help article on
codes 400 and 401, the music quickstart for ``bad_prompt`` and ``bad_composition_plan``, and the
status classes of the ``elevenlabs`` package 2.78.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gensdk.catalog.elevenlabs import AS_OF
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
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
from gensdk.toolkit import Answer, ErrorRow, Failure, Vendor, failure_from, failure_in, json_in

__all__ = ["ROWS", "VENDOR", "read_failure"]

_CODES: tuple[tuple[type[Exception], tuple[str, ...]], ...] = (
    (
        QuotaExceededError,
        ("quota_exceeded", "insufficient_credits", "insufficient_quota", "payment_required"),
    ),
    (AuthenticationError, ("invalid_api_key", "missing_api_key", "needs_authorization")),
    (
        PermissionDeniedError,
        ("missing_permissions", "insufficient_permissions", "detected_unusual_activity",
         "subscription_required", "only_for_creator+", "can_not_use_professional_voice"),
    ),
    (
        ContentBlockedError,
        ("bad_prompt", "bad_composition_plan", "content_against_policy",
         "content_policy_violation", "detected_captcha_voice"),
    ),
    (RequestTooLargeError, ("max_character_limit_exceeded", "text_too_long", "file_too_large")),
    (ModelNotFoundError, ("model_not_found", "invalid_model_id", "unsupported_model")),
    (InvalidRequestError, ("voice_not_found", "invalid_voice_id", "invalid_parameters")),
    (
        RateLimitError,
        ("rate_limit_exceeded", "concurrent_limit_exceeded", "too_many_concurrent_requests"),
    ),
    (OverloadedError, ("system_busy", "service_unavailable")),
)  # fmt: skip

_TYPES: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "authentication_error"),
    (PermissionDeniedError, "authorization_error"),
    (QuotaExceededError, "payment_required"),
    (InvalidRequestError, "validation_error"),
    (InvalidRequestError, "invalid_request"),
    (RateLimitError, "rate_limit_error"),
    (TransientError, "too_early"),
    (ServerError, "internal_error"),
    (OverloadedError, "service_unavailable"),
)

ROWS: tuple[ErrorRow, ...] = (
    *(ErrorRow(error, code=code) for error, codes in _CODES for code in codes),  # type: ignore[arg-type]  # all are ours
    ErrorRow(ModelNotFoundError, 404, param="model_id"),
    *(ErrorRow(error, type=kind) for error, kind in _TYPES),  # type: ignore[arg-type]  # all are ours
)
"""Codes first: a 401 is as often a spent quota as a wrong key."""


def read_failure(answer: Answer) -> Failure:
    """Read ``{"detail": {…}}``, and FastAPI's list of problems."""
    failure = failure_from(answer)
    body = json_in(answer.body)
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, dict):
        word = detail.get("code") or detail.get("status")
        inner = failure_in({**detail, "code": word}, answer.status, answer.headers)
        said = detail.get("request_id")
        return replace(inner, request_id=inner.request_id or (said if _is_id(said) else None))
    first = detail[0] if isinstance(detail, list) and detail else None
    if not isinstance(first, Mapping) or not isinstance(first.get("loc"), list):
        return failure
    place = ".".join(str(step) for step in first["loc"] if step not in {"body", "query"})
    return replace(failure, param=place or None)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200


VENDOR = Vendor(
    name="elevenlabs",
    base_url="https://api.elevenlabs.io",
    key_variable="ELEVENLABS_API_KEY",
    url_variable="ELEVENLABS_BASE_URL",
    key_header="xi-api-key",
    key_prefix="",
    rows=ROWS,
    as_of=AS_OF,
    read=read_failure,
    blocked_at="input",
)
