"""Failed answers: reading the facts, choosing the class, waiting hints."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    TimedOutError,
    TransientError,
)
from gensdk.toolkit import (
    STATUS_ROWS,
    Answer,
    ErrorRow,
    Failure,
    Secret,
    error_for,
    failure_from,
    failure_in,
    redactor,
    request_id_of,
    retry_after_s,
)
from gensdk.toolkit.failures import TOO_LONG_S


def answer(body: object, status: int = 400, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, raw)


def build(failure: Failure, rows: tuple[ErrorRow, ...] = (), **more: object) -> GenSDKError:
    redact = more.get("redact", str)
    return error_for(failure, rows, provider="acme", model="m", redact=redact)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "message", "code", "kind", "param"),
    [
        (
            {"error": {"message": "no", "type": "t", "code": "c", "param": "p"}},
            "no", "c", "t", "p",
        ),
        ({"error": {"message": "no", "code": 429}}, "no", "429", None, None),
        ({"error": {"message": "no", "code": None, "type": ""}}, "no", None, None, None),
        ({"error": {"message": ["a", "b"], "code": True}}, "a; b", None, None, None),
        ({"error": "no"}, "no", None, None, None),
        ({"error": "no_scope", "message": "ask an admin"}, "ask an admin", "no_scope", None, None),
        ({"error": {"error": {"message": "deep"}}}, "deep", None, None, None),
        ({"error": {}, "message": "outer"}, "", None, None, None),
        ({"message": "no", "type": "t", "code": 404}, "no", "404", "t", None),
        ({"detail": "no"}, "no", None, None, None),
        (
            {"detail": [{"loc": ["body", "n"], "msg": "too big"}, {"msg": "bad"}, "odd"]},
            "body.n: too big; bad; odd", None, None, None,
        ),
        ({"detail": {"message": "in detail"}}, "in detail", None, None, None),
        ({"errors": [{"message": "first", "code": 7}, {}]}, "first", "7", None, None),
        ([{"error": {"message": "listed", "code": 400}}], "listed", "400", None, None),
        ("just text", "just text", None, None, None),
        ({}, "", None, None, None),
        ([], "", None, None, None),
        (None, "", None, None, None),
        (7, "", None, None, None),
        (b"upstream connect error", "upstream connect error", None, None, None),
        (b"", "", None, None, None),
        (b"\xff\xfe", "\ufffd\ufffd", None, None, None),
        (
            b"<!DOCTYPE html><html><title>502 <b>Bad</b>\n Gateway &amp; co</title>long</html>",
            "502 Bad Gateway & co", None, None, None,
        ),
        (b"<html><body>nothing</body></html>", "", None, None, None),
    ],
)  # fmt: skip
def test_what_servers_say_is_understood(
    body: object, message: str, code: str | None, kind: str | None, param: str | None
) -> None:
    failure = failure_from(answer(body))
    assert (failure.message, failure.code, failure.type, failure.param) == (
        message, code, kind, param,
    )  # fmt: skip


def test_headers_give_request_id_wait_and_advice() -> None:
    failure = failure_from(
        answer({}, 429, x_request_id="r1", retry_after="3", x_should_retry=" FALSE")
    )
    assert (failure.status, failure.request_id) == (429, "r1")
    assert (failure.retry_after, failure.should_retry) == (3.0, False)
    assert failure_in({}, 500, {"x-should-retry": "maybe"}).should_retry is None
    assert request_id_of({"request-id": "r2"}) == "r2"
    assert request_id_of({}) is None
    assert len(request_id_of({"x-request-id": "r" * 9999}) or "") == 200


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["error", "errors", "message", "detail", "code", "type", "loc", "msg"]),
        inner, max_size=4,
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_body_can_break_the_reading(body: bytes) -> None:
    error = build(failure_from(Answer(500, {}, body)))
    assert isinstance(error, ServerError)
    assert len(error.message) <= 2000


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "billed"),
    [
        (400, InvalidRequestError, False, "no"),
        (401, AuthenticationError, False, "no"),
        (402, QuotaExceededError, False, "no"),
        (403, PermissionDeniedError, False, "no"),
        (404, InvalidRequestError, False, "no"),
        (405, InvalidRequestError, False, "no"),
        (408, TransientError, True, "no"),
        (409, TransientError, True, "no"),
        (413, RequestTooLargeError, False, "no"),
        (418, InvalidRequestError, False, "no"),
        (422, InvalidRequestError, False, "no"),
        (429, RateLimitError, True, "no"),
        (500, ServerError, True, "maybe"),
        (501, InvalidRequestError, False, "no"),
        (502, ServerError, True, "maybe"),
        (503, OverloadedError, True, "no"),
        (504, ServerError, True, "maybe"),
        (520, ServerError, True, "maybe"),
        (529, OverloadedError, True, "no"),
        (200, ServerError, True, "maybe"),
    ],
)
def test_every_status_has_its_class(
    status: int, kind: type[GenSDKError], retryable: bool, billed: str
) -> None:
    error = build(Failure(status))
    assert type(error) is kind
    assert (error.retryable, error.billed, error.status) == (retryable, billed, status)
    assert f"status {status}" in str(error)
    assert (error.provider, error.model) == ("acme", "m")


@pytest.mark.parametrize(
    "facts",
    [
        {"code": "model_not_found"},
        {"param": "model"},
        {"type": "model_not_found"},
        {"type": "not_found_error"},
        {"type": "NotFoundError"},
    ],
)
def test_a_404_is_the_model_only_where_a_field_says_so(facts: dict[str, str]) -> None:
    assert type(build(Failure(404, **facts))) is ModelNotFoundError  # type: ignore[arg-type]
    assert type(build(Failure(400, **facts))) is InvalidRequestError  # type: ignore[arg-type]
    error = build(Failure(404, message="The model `x` does not exist"))
    assert type(error) is InvalidRequestError
    assert "base_url" in error.message


def test_vendor_rows_come_first_and_all_facts_must_match() -> None:
    rows = (
        ErrorRow(ContextLengthError, 400, code="too_long"),
        ErrorRow(QuotaExceededError, 429, type="insufficient_quota"),
        ErrorRow(InvalidRequestError, param="x"),
    )
    assert type(build(Failure(400, code="too_long"), rows)) is ContextLengthError
    assert type(build(Failure(422, code="too_long"), rows)) is InvalidRequestError
    assert type(build(Failure(429, type="insufficient_quota"), rows)) is QuotaExceededError
    assert type(build(Failure(429), rows)) is RateLimitError
    assert type(build(Failure(500, param="x"), rows)) is InvalidRequestError


def test_a_timeout_row_gets_its_phase() -> None:
    error = build(Failure(524), (ErrorRow(TimedOutError, 524),))
    assert isinstance(error, TimedOutError)
    assert (error.phase, error.billed) == ("attempt", "maybe")


@pytest.mark.parametrize("advice", [True, False])
def test_the_servers_advice_overrides_the_class(advice: bool) -> None:
    assert build(Failure(429, should_retry=advice)).retryable is advice
    assert build(Failure(400, should_retry=advice)).retryable is advice


def test_facts_are_carried_redacted_and_bounded() -> None:
    key = "sk-secret-abcdef"
    failure = Failure(
        401,
        code="c" * 999,
        param=key,
        message=f"Incorrect key {key}. \x1b]0;x\x07 " + "QUJD" * 100 + " " + "long " * 900,
        request_id=f"r-{key}",
        retry_after=7.5,
    )
    error = build(failure, redact=redactor(Secret(key)))
    assert key not in str(error) + repr(error.__dict__)
    assert "\x1b" not in str(error)
    assert "QUJDQUJDQUJDQUJDQUJDQUJD… (400 characters cut)" in error.message
    assert len(error.message) <= 2000
    assert len(error.code or "") == 200
    assert error.retry_after == 7.5


def test_messages_say_what_to_do_next() -> None:
    assert build(Failure(401, message="bad key")).message == "bad key. Check the API key."
    assert build(Failure(401, message="bad key!")).message == "bad key! Check the API key."
    assert build(Failure(402)).message.endswith("Check the account's credit and limits.")


def test_no_status_row_is_shadowed() -> None:
    for index, row in enumerate(STATUS_ROWS):
        failure = Failure(row.status or 0, row.code, row.type, "", row.param)
        assert next(r for r in STATUS_ROWS if r.matches(failure)) is STATUS_ROWS[index]


# ------------------------------------------------------------------------------- retry-after
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1_000"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": "inf"}, TOO_LONG_S),
        ({"retry-after": "9" * 400}, TOO_LONG_S),
        ({"retry-after-ms": "1e300"}, TOO_LONG_S),
        (
            {
                "retry-after": "Fri, 20 Nov 2026 10:00:30 GMT",
                "date": "Fri, 20 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Fri, 20 Nov 2026 10:00:30 -0000",
                "date": "Fri, 20 Nov 2026 10:00:00 +0000",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Fri, 20 Nov 2026 09:59:59 GMT",
                "date": "Fri, 20 Nov 2026 10:00:00 GMT",
            },
            None,
        ),
        ({"retry-after": "Fri, 20 Nov 2020 10:00:00 GMT", "date": "nonsense"}, None),
        ({"retry-after": "Fri, 31 Feb 2026 10:00:00 GMT"}, None),
        ({"retry-after": "Fri, 20 Nov 9999999999999999999999 10:00:00 GMT"}, None),
        ({"retry-after": "x" * 10_000}, None),
    ],
)
def test_waiting_hints(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_hints_are_none_or_finite_and_not_negative(ms: str, hint: str, date: str) -> None:
    found = retry_after_s({"retry-after-ms": ms, "retry-after": hint, "date": date})
    assert found is None or (0 <= found <= TOO_LONG_S and math.isfinite(found))


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(0, 10**6),
)
def test_dates_are_measured_by_the_servers_own_clock(now: datetime, wait: int) -> None:
    now = now.replace(microsecond=0, tzinfo=UTC)
    headers = {
        "date": format_datetime(now, usegmt=True),
        "retry-after": format_datetime(now + timedelta(seconds=wait), usegmt=True),
    }
    assert retry_after_s(headers) == wait


def test_without_a_date_the_local_clock_serves() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    found = retry_after_s({"retry-after": format_datetime(later, usegmt=True)})
    assert found is not None
    assert 3500 < found <= 3600


def test_what_a_server_says_is_not_shown_by_the_failure_itself() -> None:
    told = Failure(400, message="secret words", param="secret field", code="bad")
    assert "secret" not in repr(told)
