"""Runway's failed answers, and the codes of tasks that failed.

Sources: docs.dev.runwayml.com, errors/errors (statuses) and errors/task-failures (codes), read
2026-11-21. A failed request is ``{"error": "…"}``, sometimes with ``issues`` that name fields; it
has no code. Only one sentence is told apart, as nothing else shows that the credit is spent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from gensdk.catalog.runway import AS_OF
from gensdk.errors import InvalidRequestError, OverloadedError, QuotaExceededError
from gensdk.toolkit import Answer, ErrorRow, Failure, Vendor, failure_from, json_in

__all__ = ["ROWS", "VENDOR", "blocked_stage", "read_failure"]

_NO_CREDIT = "You do not have enough credits to run this task."
_NO_CREDIT_CODE = "not_enough_credits"
_SAID = "said"
"""Type of what the API itself says, and no gateway before it."""

ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(QuotaExceededError, code=_NO_CREDIT_CODE),
    ErrorRow(InvalidRequestError, 405),
    # "Shedding load" and "not able to satisfy the request": nothing was begun. Of a gateway's own
    # 502 or 504 nobody knows that.
    ErrorRow(OverloadedError, 502, type=_SAID),
    ErrorRow(OverloadedError, 503),
    ErrorRow(OverloadedError, 504, type=_SAID),
)

_BLOCKED: tuple[tuple[str, Literal["input", "output"] | None], ...] = (
    ("SAFETY.INPUT", "input"),
    ("SAFETY.OUTPUT", "output"),
    ("SAFETY", None),
    ("INPUT_PREPROCESSING.SAFETY", "input"),
)
"""Beginnings of the codes of tasks that moderation stopped."""


def blocked_stage(code: str | None) -> tuple[bool, Literal["input", "output"] | None]:
    """Whether moderation stopped a task, and at which end. ``INTERNAL…`` and others are faults."""
    for start, stage in _BLOCKED:
        if code is not None and (code == start or code.startswith(f"{start}.")):
            return True, stage
    return False, None


def read_failure(answer: Answer) -> Failure:
    """Read ``{"error", "issues": [{"path", "message"}]}``."""
    failure = failure_from(answer)
    body = json_in(answer.body)
    if not isinstance(body, dict) or not isinstance(body.get("error"), str):
        return failure
    said = body["error"]
    code = _NO_CREDIT_CODE if said == _NO_CREDIT else failure.code
    places = list(_issues(body.get("issues")))
    told = "; ".join([said, *(f"{place}: {what}" for place, what in places)])
    param = places[0][0] if places else failure.param
    return replace(failure, code=code, message=told, param=param, type=_SAID)


def _issues(issues: object) -> list[tuple[str, str]]:
    found = []
    for issue in issues[:10] if isinstance(issues, list) else []:
        path = issue.get("path") if isinstance(issue, dict) else None
        if isinstance(path, list):
            found.append((".".join(map(str, path)), str(issue.get("message", ""))))
    return found


VENDOR = Vendor(
    name="runway",
    base_url="https://api.dev.runwayml.com",
    key_variable="RUNWAYML_API_SECRET",
    url_variable="RUNWAYML_BASE_URL",
    rows=ROWS,
    as_of=AS_OF,
    read=read_failure,
)
