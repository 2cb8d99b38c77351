"""What the server says when it fails.

AUTOMATIC1111 answers ``{"error": class, "detail": text, "body": "", "errors": text}`` for what its
code raised (``modules/api/api.py``, ``api_middleware``); Forge and SD.Next FastAPI's
``{"detail": …}``. The vendor documents no codes: the class name is the code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gensdk.errors import (
    AuthenticationError,
    GenSDKError,
    InvalidRequestError,
    OutOfMemoryError,
)
from gensdk.toolkit import Answer, ErrorRow, Failure, error_for, failure_from, json_in

__all__ = ["ROWS", "error_of", "failure_of"]

ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(OutOfMemoryError, code="OutOfMemoryError"),
    ErrorRow(InvalidRequestError, 404, code="HTTPException"),
    ErrorRow(AuthenticationError, 401),
)
"""A 500 "CUDA out of memory" would fail again; an ``HTTPException`` is the request's fault."""

_NO_API = "The web UI has no such address: start it with --api, or check base_url."


def failure_of(answer: Answer) -> Failure:
    """The facts of a failed answer, the class name as the code."""
    failure = failure_from(answer)
    body = json_in(answer.body)
    if not isinstance(body, dict) or not isinstance(body.get("error"), str):
        return failure
    texts = (body.get("detail"), body.get("errors"), body.get("error"))
    message = next((text for text in texts if isinstance(text, str) and text), "")
    return replace(failure, code=body["error"] or None, message=message)


def error_of(
    answer: Answer, *, provider: str, model: str, redact: Callable[[str], str]
) -> GenSDKError:
    """The error of a failed answer."""
    failure = failure_of(answer)
    if failure.status == 404 and not failure.code:
        failure = replace(failure, message=_NO_API, code="no_api")
    return error_for(failure, ROWS, provider=provider, model=model, redact=redact)
