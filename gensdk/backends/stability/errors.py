"""Stability's failed answers, and what their names mean.

Source: ``components/responses`` of the vendor's OpenAPI document (named in
``gensdk.catalog.stability``): ``{"id", "name", "errors": […]}``. A request that moderation stops is
not charged; nor is any other that fails. Over 150 requests in 10 seconds the account is shut out
for 60.
"""

from __future__ import annotations

from dataclasses import replace

from gensdk.catalog.stability import AS_OF
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    InvalidRequestError,
    JobExpiredError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)
from gensdk.toolkit import Answer, ErrorRow, Failure, Vendor, failure_from, json_in

__all__ = ["ROWS", "VENDOR", "read_failure"]

_SHUT_OUT_S = 60.0

ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(ContentBlockedError, code="content_moderation"),
    ErrorRow(ContentBlockedError, code="public_figure"),
    ErrorRow(ContentBlockedError, code="copyrighted_content"),
    ErrorRow(InvalidRequestError, code="invalid_language"),
    ErrorRow(InvalidRequestError, code="bad_request"),
    ErrorRow(AuthenticationError, code="unauthorized"),
    ErrorRow(QuotaExceededError, code="payment_required"),
    ErrorRow(QuotaExceededError, code="insufficient_balance"),
    ErrorRow(RequestTooLargeError, code="payload_too_large"),
    ErrorRow(RateLimitError, code="rate_limit_exceeded"),
    ErrorRow(JobExpiredError, code="generation_not_found"),
    ErrorRow(ServerError, code="internal_error"),
)


def read_failure(answer: Answer) -> Failure:
    """Read ``{"id", "name", "errors"}``."""
    failure = failure_from(answer)
    body = json_in(answer.body)
    if isinstance(body, dict) and isinstance(body.get("name"), str):
        said = body.get("errors")
        lines = [str(line) for line in said[:10]] if isinstance(said, list) else []
        failure = replace(
            failure,
            code=body["name"],
            message="; ".join(lines) or failure.message,
            param=_field(lines[0]) if lines else None,
            request_id=failure.request_id or _id(body.get("id")),
        )
    if failure.code == "rate_limit_exceeded" and failure.retry_after is None:
        failure = replace(failure, retry_after=_SHUT_OUT_S)
    return failure


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None


def _field(line: str) -> str | None:
    """The field that a line such as ``some-field: is required`` is about."""
    name, colon, _ = line.partition(":")
    return name if colon and name.replace("_", "").replace("-", "").isalnum() else None


VENDOR = Vendor(
    name="stability",
    base_url="https://api.stability.ai",
    key_variable="STABILITY_API_KEY",
    url_variable="STABILITY_BASE_URL",
    rows=ROWS,
    as_of=AS_OF,
    read=read_failure,
    blocked_at="input",
)
