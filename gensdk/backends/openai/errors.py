"""OpenAI's error bodies and codes, and what they mean: one table for every protocol and endpoint.

Sources: ``openai`` 3.52 ``types/responses/response_error.py`` (codes of failed responses and of
``error`` events), ``types/responses/response_output_item.py`` (``moderation_details``), the error
guide of the API reference, and Azure's ``innererror`` shape; read 2026-11-20.

Rule of the room: an error is chosen by status, code and type. Prose is read for one thing alone,
the list of safety categories, which older models state nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
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

__all__ = [
    "BLOCKED_CODES",
    "ROWS",
    "error_of",
    "failure_inside",
    "failure_of",
    "request_id_of",
]

BLOCKED_CODES = (
    "moderation_blocked",
    "content_policy_violation",
    "content_filter",
    "ResponsibleAIPolicyViolation",
    "bio_policy",
    "misalignment_policy_violation",
    "image_content_policy_violation",
    "invalid_prompt",
)
"""Codes of content that safety rules stopped."""
_QUOTA_CODES = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_hard_limit",
    "billing_not_active",
)

CODE_ROWS: tuple[ErrorRow, ...] = (
    *(ErrorRow(QuotaExceededError, code=code) for code in _QUOTA_CODES),
    ErrorRow(QuotaExceededError, type="insufficient_quota"),
    *(ErrorRow(ContentBlockedError, code=code) for code in BLOCKED_CODES),
    ErrorRow(ContextLengthError, code="context_length_exceeded"),
    ErrorRow(ModelNotFoundError, code="model_not_found"),
    ErrorRow(ModelNotFoundError, code="DeploymentNotFound"),
    ErrorRow(RequestTooLargeError, code="image_file_too_large"),
    ErrorRow(RateLimitError, code="rate_limit_exceeded"),
    ErrorRow(OverloadedError, code="slow_down"),
    ErrorRow(OverloadedError, code="server_is_overloaded"),
    ErrorRow(OverloadedError, type="overloaded_error"),
)
"""Codes that mean the same whatever the status says, or where there is no status."""

STREAM_ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(AuthenticationError, code="invalid_api_key"),
    ErrorRow(ServerError, code="server_error"),
    ErrorRow(ServerError, code="vector_store_timeout"),
    *(
        ErrorRow(InvalidRequestError, code=code)
        for code in (
            "data_residency_mismatch", "invalid_image", "invalid_image_format",
            "invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small",
            "image_parse_error", "invalid_image_mode", "unsupported_image_media_type",
            "empty_image_file", "failed_to_download_image", "image_file_not_found",
            "unsupported_parameter", "unsupported_value",
        )
    ),
    ErrorRow(AuthenticationError, type="authentication_error"),
    ErrorRow(PermissionDeniedError, type="permission_error"),
    ErrorRow(RateLimitError, type="rate_limit_error"),
    ErrorRow(InvalidRequestError, type="invalid_request_error"),
    ErrorRow(InvalidRequestError, type="image_generation_user_error"),
    ErrorRow(ServerError, 0),
)  # fmt: skip
"""What remains once codes and statuses had their say: errors inside a stream have no status."""

ROWS: tuple[ErrorRow, ...] = (*CODE_ROWS, *STATUS_ROWS, *STREAM_ROWS)

_CATEGORIES = re.compile(r"safety_violations=\[([^\]]*)\]")


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Read the failure from an answer whose status is not 2xx, whatever its body looks like."""
    failure = failure_from(Answer(status, headers, body))
    return _refined(failure, json_in(body))


def failure_inside(body: object, headers: Mapping[str, str] | None = None) -> Failure:
    """Read the failure from an error object inside a stream or inside a 200.

    There is no status to go by, unless the server put one where the code belongs (vLLM).
    """
    failure = failure_in(body, 0, headers)
    code = failure.code
    if code is not None and code.isdigit() and 400 <= int(code) < 600:
        failure = replace(failure, status=int(code))
    return _refined(failure, body)


def _refined(failure: Failure, body: object) -> Failure:
    """Take code and parameter of a strict server's list of problems (FastAPI's ``detail``)."""
    detail = body.get("detail") if isinstance(body, dict) else None
    first = detail[0] if isinstance(detail, list) and detail else None
    if failure.code is not None or not isinstance(first, dict):
        return failure
    place = first.get("loc")
    steps = [str(step) for step in place if step != "body"] if isinstance(place, list) else []
    code = first.get("type")
    return replace(
        failure,
        code=code if isinstance(code, str) else None,
        param=".".join(steps) or failure.param,
    )


def error_of(
    failure: Failure,
    body: object = None,
    *,
    provider: str,
    model: str | None,
    redact: Callable[[str], str],
    catalogue: str = "",
) -> GenSDKError:
    """Turn a failure into the error of its cause, with what only this vendor's body says.

    Args:
        failure: What the answer said.
        body: The parsed body, for block categories.
        provider: Name the backend goes by.
        model: Model that was asked.
        redact: Removes secrets from the message.
        catalogue: Vendor name under which the catalogue knows the model; empty for none.
    """
    error = error_for(failure, ROWS, provider=provider, model=model, redact=redact)
    if isinstance(error, ContentBlockedError):
        error.stage, error.categories = _block_details(body, failure)
    return error


def _block_details(
    body: object, failure: Failure
) -> tuple[Literal["input", "output"] | None, tuple[str, ...]]:
    """Stage and categories of a block, from the three places where they are stated."""
    inside = body.get("error", body) if isinstance(body, dict) else None
    error = inside if isinstance(inside, dict) else {}
    details = error.get("moderation_details")
    if isinstance(details, dict):
        stage = details.get("moderation_stage")
        names = details.get("categories")
        categories = tuple(map(str, names)) if isinstance(names, list) else ()
        return (stage if stage in {"input", "output"} else None), categories
    inner = error.get("innererror")
    if isinstance(inner, dict):
        return "input", _azure_categories(inner.get("content_filter_result"))
    match = _CATEGORIES.search(failure.message)
    names = match[1].split(",") if match else []
    stage_known = failure.code in {"invalid_prompt", "content_policy_violation"}
    return ("input" if stage_known else None), tuple(name.strip() for name in names if name.strip())


def _azure_categories(result: object) -> tuple[str, ...]:
    if not isinstance(result, dict):
        return ()
    return tuple(
        str(name)
        for name, verdict in result.items()
        if isinstance(verdict, dict) and (verdict.get("filtered") or verdict.get("detected"))
    )
