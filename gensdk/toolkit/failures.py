"""From a failed answer to an error: parse the facts, look the class up in a table.

A backend keeps rows for its vendor's codes and calls::

    raise error_for(failure_from(answer), ROWS, provider=..., model=..., redact=...)

``STATUS_ROWS`` stand behind every table. The class is decided by status, code, type and parameter,
never by prose.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import Any

from pydantic_core import from_json

from gensdk.errors import (
    AuthenticationError,
    GenSDKError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    TimedOutError,
    TransientError,
    printable,
)

from .answer import Answer

__all__ = [
    "STATUS_ROWS",
    "TOO_LONG_S",
    "ErrorRow",
    "Failure",
    "error_for",
    "failure_from",
    "failure_in",
    "request_id_of",
    "retry_after_s",
]

TOO_LONG_S = 1e9
"""What ``retry_after_s`` makes of infinity and other waits beyond a lifetime."""

MAX_FACT = 200
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{200,}")
_BLOB_SHOWN = 24
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title>")
_TAG = re.compile(r"(?s)<[^>]*>")


@dataclass(frozen=True)
class Failure:
    """What a provider said about a request it did not fulfil. None: it did not say.

    Its ``repr`` keeps the words to itself: they may repeat the key.

    Attributes:
        status: HTTP status.
        code: The provider's error code; numbers become text.
        type: The provider's error type, a broader word than the code.
        message: The provider's sentence, as it came; ``error_for`` cleans it.
        param: The request parameter concerned.
        request_id: The provider's id of the request.
        retry_after: Seconds to wait.
        should_retry: What the header ``x-should-retry`` says.
    """

    status: int
    code: str | None = field(default=None, repr=False)
    type: str | None = field(default=None, repr=False)
    message: str = field(default="", repr=False)
    param: str | None = field(default=None, repr=False)
    request_id: str | None = field(default=None, repr=False)
    retry_after: float | None = None
    should_retry: bool | None = None


@dataclass(frozen=True)
class ErrorRow:
    """One line of an error table: the first row whose facts all match names the class.

    Attributes:
        error: Class to raise.
        status: HTTP status; None matches any.
        code: The provider's code; None matches any.
        type: The provider's type; None matches any.
        param: The parameter complained about; None matches any.
    """

    error: type[GenSDKError]
    status: int | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None

    def matches(self, failure: Failure) -> bool:
        """Whether every fact of the row is a fact of the failure."""
        return (
            (self.status is None or self.status == failure.status)
            and (self.code is None or self.code == failure.code)
            and (self.type is None or self.type == failure.type)
            and (self.param is None or self.param == failure.param)
        )


STATUS_ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(InvalidRequestError, 400),
    ErrorRow(AuthenticationError, 401),
    ErrorRow(QuotaExceededError, 402),
    ErrorRow(PermissionDeniedError, 403),
    # A bare 404 is as often a wrong base_url as a wrong model. It is the model only where the
    # server says so in a field. Words: OpenAI, Groq, OpenRouter; Anthropic and Ollama; vLLM.
    ErrorRow(ModelNotFoundError, 404, code="model_not_found"),
    ErrorRow(ModelNotFoundError, 404, param="model"),
    ErrorRow(ModelNotFoundError, 404, type="model_not_found"),
    ErrorRow(ModelNotFoundError, 404, type="not_found_error"),
    ErrorRow(ModelNotFoundError, 404, type="NotFoundError"),
    ErrorRow(InvalidRequestError, 404),
    # "Not processed" by definition (RFC 9110 §15.5.9 and §15.5.10): safe to repeat.
    ErrorRow(TransientError, 408),
    ErrorRow(TransientError, 409),
    ErrorRow(RequestTooLargeError, 413),
    ErrorRow(InvalidRequestError, 422),
    ErrorRow(TransientError, 425),  # the server would not process it yet (RFC 8470)
    ErrorRow(RateLimitError, 429),
    ErrorRow(ServerError, 500),
    ErrorRow(InvalidRequestError, 501),  # the server cannot do what was asked, ever
    ErrorRow(ServerError, 502),
    ErrorRow(OverloadedError, 503),
    ErrorRow(ServerError, 504),
    ErrorRow(OverloadedError, 529),  # Anthropic's "overloaded"
)
"""Classes by status. Beyond the rows: other 4xx are ``InvalidRequestError``, other 5xx and
anything else ``ServerError``."""

_NEXT_STEP: tuple[tuple[type[GenSDKError], str], ...] = (
    (AuthenticationError, "Check the API key."),
    (PermissionDeniedError, "Check what this key may use."),
    (QuotaExceededError, "Check the account's credit and limits."),
    (ModelNotFoundError, "Check the model's name and whether this key may use it."),
)


def error_for(
    failure: Failure,
    rows: Sequence[ErrorRow],
    *,
    provider: str,
    model: str | None,
    redact: Callable[[str], str],
) -> GenSDKError:
    """Build the error for a failure; the caller raises it.

    Args:
        failure: The facts.
        rows: The vendor's table, most specific rows first; ``STATUS_ROWS`` come after it.
        provider: Backend name.
        model: Model asked.
        redact: Masks secrets, see ``gensdk.toolkit.redactor``.
    """
    kind = _class_of(failure, rows)
    facts: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "status": failure.status or None,
        "code": _fact(failure.code, redact),
        "param": _fact(failure.param, redact),
        "request_id": _fact(failure.request_id, redact),
        "retry_after": failure.retry_after,
        "retryable": failure.should_retry,
    }
    if issubclass(kind, TimedOutError):
        facts |= {"phase": "attempt", "billed": "maybe"}
    said = _cleaned(redact(failure.message)) or f"{provider} answered with status {failure.status}."
    steps = [step for error, step in _NEXT_STEP if issubclass(kind, error)]
    if kind is InvalidRequestError and failure.status == 404 and not failure.code:
        steps = ["The address was not found: check base_url."]
    if steps and said[-1] not in ".!?…":
        said += "."
    return kind(" ".join([said, *steps]), **facts)


def _class_of(failure: Failure, rows: Sequence[ErrorRow]) -> type[GenSDKError]:
    for table in (rows, STATUS_ROWS):
        for row in table:
            if row.matches(failure):
                return row.error
    return InvalidRequestError if failure.status // 100 == 4 else ServerError


def _fact(text: str | None, redact: Callable[[str], str]) -> str | None:
    return None if text is None else printable(redact(text), MAX_FACT)


def _cleaned(message: str) -> str:
    """Cut long runs of base64, so that no payload hides in a message, and blanks around it."""
    return _BLOB.sub(
        lambda found: f"{found[0][:_BLOB_SHOWN]}… ({len(found[0])} characters cut)", message
    ).strip()


# ------------------------------------------------------------------------------------- reading
def failure_from(answer: Answer) -> Failure:
    """Read the facts out of a failed answer: status, headers and whatever body there is.

    Understood are ``{"error": {message, type, code, param}}``, ``{"error": "text"}``, the same
    without the outer ``error``, ``{"detail": "text" | [{"loc", "msg"}]}`` (FastAPI),
    ``{"errors": [...]}``, a list of such objects, plain text, and HTML (its title only).
    """
    try:
        body = from_json(answer.body)
    except ValueError:
        body = _text_of(answer.body)
    return failure_in(body, answer.status, answer.headers)


def failure_in(body: object, status: int, headers: Mapping[str, str] | None = None) -> Failure:
    """Read the facts out of parsed JSON, e.g. of an error event in a stream."""
    headers = headers or {}
    inner = _envelope(body)
    facts: Mapping[str, object] = inner if isinstance(inner, dict) else {}
    return Failure(
        status=status,
        code=_word(facts.get("code")),
        type=_word(facts.get("type")),
        message=_message(inner),
        param=_word(facts.get("param")),
        request_id=request_id_of(headers),
        retry_after=retry_after_s(headers),
        should_retry={"true": True, "false": False}.get(
            headers.get("x-should-retry", "").strip().lower()
        ),
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Find the provider's id of the request."""
    for name in ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"):
        if found := headers.get(name):
            return found[:MAX_FACT]
    return None


def _envelope(body: object) -> object:
    """Unwrap lists and ``error`` members, a few levels deep at most."""
    for _ in range(4):
        if isinstance(body, list) and body:
            body = body[0]
        elif isinstance(body, dict) and isinstance(body.get("error"), dict | str):
            inner = body["error"]
            # {"error": "insufficient_scope", "message": "..."}: the short word is the code.
            if isinstance(inner, str) and isinstance(body.get("message"), str):
                return {"code": inner, **body}
            body = inner
        elif isinstance(body, dict) and isinstance(body.get("errors"), list) and body["errors"]:
            body = body["errors"][0]
        else:
            break
    return body


def _message(body: object) -> str:
    if isinstance(body, str):
        return body
    if not isinstance(body, dict):
        return ""
    for name in ("message", "detail", "msg", "title", "error_description"):
        value = body.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list) and value:
            return "; ".join(_problem(item) for item in value[:10])
        if isinstance(value, dict):
            return _message(value)
    return ""


def _problem(item: object) -> str:
    """One entry of FastAPI's list of validation problems."""
    if not isinstance(item, dict):
        return str(item)[:MAX_FACT]
    where = ".".join(map(str, item["loc"])) if isinstance(item.get("loc"), list) else ""
    return ": ".join(filter(None, [where, _message(item)]))


def _word(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value) or None


def _text_of(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    if text.startswith(("{", "[")):
        return ""  # JSON that was cut off: no sentence for anybody
    if not text.startswith("<"):
        return text
    title = _TITLE.search(text)
    return " ".join(unescape(_TAG.sub(" ", title[1])).split()) if title else ""


# -------------------------------------------------------------------------------- retry-after
_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")  # OpenAI; Azure


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to wait: in milliseconds where it says so, else ``retry-after``.

    A date is measured against the answer's own ``date`` header, so that a wrong local clock does
    no harm. Negative, past, NaN and unreadable values are no hint (None); infinity and overflow
    become ``TOO_LONG_S``.
    """
    for name in _MILLISECONDS:
        milliseconds = _number(headers.get(name))
        if milliseconds is not None:
            return min(milliseconds / 1000, TOO_LONG_S)
    hint = headers.get("retry-after")
    seconds = _number(hint)
    if seconds is not None:
        return min(seconds, TOO_LONG_S)
    when = _date(hint)
    if when is None:
        return None
    wait = (when - (_date(headers.get("date")) or datetime.now(UTC))).total_seconds()
    return min(wait, TOO_LONG_S) if wait >= 0 else None


def _number(text: str | None) -> float | None:
    if not text or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) or value < 0 else value


def _date(text: str | None) -> datetime | None:
    if not text or len(text) > MAX_FACT:
        return None
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
