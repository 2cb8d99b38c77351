"""PixVerse's answers: ``{"ErrCode", "ErrMsg", "Resp"}``, with status 200 also where it failed.

Source: docs.platform.pixverse.ai, error-codes and the page on Mimic (701002 and 701003), read
2026-11-21. Codes above 500000 are no faults of the server by themselves: the table decides.
"""

from __future__ import annotations

from dataclasses import replace

from gensdk.catalog.pixverse import AS_OF
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    InvalidRequestError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)
from gensdk.toolkit import Answer, ErrorRow, Failure, Vendor, failure_from, json_in

__all__ = ["GONE", "ROWS", "VENDOR", "read_failure"]

_REFUSED = "refused"

ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(InvalidRequestError, code="400011"),  # a field is empty
    ErrorRow(AuthenticationError, code="400012"),  # no such account
    ErrorRow(InvalidRequestError, code="400013"),  # a field's type or value is wrong
    ErrorRow(InvalidRequestError, code="400017"),  # a field is wrong
    ErrorRow(InvalidRequestError, code="400018"),  # the prompt is too long
    ErrorRow(InvalidRequestError, code="400019"),  # the prompt is too long
    ErrorRow(InvalidRequestError, code="400032"),  # no such picture
    ErrorRow(InvalidRequestError, code="500008"),  # no such thing
    ErrorRow(PermissionDeniedError, code="500020"),
    ErrorRow(RequestTooLargeError, code="500030"),  # the picture is too large
    ErrorRow(InvalidRequestError, code="500031"),  # the picture cannot be read
    ErrorRow(InvalidRequestError, code="500032"),  # the picture's format
    ErrorRow(InvalidRequestError, code="500033"),  # the picture's size
    ErrorRow(ServerError, code="500041"),  # the upload failed
    ErrorRow(InvalidRequestError, code="500042"),  # the picture's path
    ErrorRow(RateLimitError, code="500044"),  # too many jobs under way
    ErrorRow(ContentBlockedError, code="500054"),
    ErrorRow(QuotaExceededError, code="500060"),  # effects of this month
    ErrorRow(ContentBlockedError, code="500063"),
    ErrorRow(InvalidRequestError, code="500064"),  # it was deleted
    ErrorRow(OverloadedError, code="500069"),
    ErrorRow(InvalidRequestError, code="500070"),  # the template has to be activated first
    ErrorRow(InvalidRequestError, code="500071"),  # not at this quality
    ErrorRow(QuotaExceededError, code="500090"),  # the credit is spent
    ErrorRow(ServerError, code="500100"),
    ErrorRow(InvalidRequestError, code="701002"),  # no clear subject
    ErrorRow(InvalidRequestError, code="701003"),  # no person in the video
    ErrorRow(ServerError, code="99999"),
    ErrorRow(InvalidRequestError, type=_REFUSED),
)

GONE = frozenset({"500008", "500064"})
"""Codes by which a job that is asked for is not there any more."""

_TOO_LONG = frozenset({"400018", "400019"})


def read_failure(answer: Answer) -> Failure:
    """Read the code and the sentence; without a code it is a failure like any other."""
    failure = failure_from(answer)
    body = json_in(answer.body)
    code = body.get("ErrCode") if isinstance(body, dict) else None
    if not isinstance(code, int) or not code:
        return failure
    word = str(code)
    said = body.get("ErrMsg")
    return replace(
        failure,
        status=0 if failure.status // 100 == 2 else failure.status,
        code=word,
        type=_REFUSED if word.startswith("400") else failure.type,
        message=said if isinstance(said, str) and said else f"The request failed with code {code}.",
        param="prompt" if word in _TOO_LONG else failure.param,
    )


VENDOR = Vendor(
    name="pixverse",
    base_url="https://app-api.pixverse.ai/openapi/v2",
    key_variable="PIXVERSE_API_KEY",
    url_variable="PIXVERSE_BASE_URL",
    key_header="api-key",
    key_prefix="",
    rows=ROWS,
    as_of=AS_OF,
    read=read_failure,
    blocked_at="input",
)
