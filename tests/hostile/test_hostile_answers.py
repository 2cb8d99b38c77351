"""Answers that are none: every fault against every verb, over each kind of account.

What is held: how often the server is asked, the class and facts of the error, and that nothing is
left behind (``failing`` looks for tasks; the server for connections).
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gensdk.errors import (
    AuthenticationError,
    Billed,
    ConnectionFailedError,
    ContentBlockedError,
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    StreamInterruptedError,
    TransientError,
)
from tests.support.hostile import BUY, PLAIN, STREAMS, VERBS, failing, raw
from tests.support.server import (
    Handler,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
)

HTML = b"<!doctype html><html><title>Sign in to the hotel's wifi</title></html>"
JSON = "application/json"


@dataclass(frozen=True)
class Fault:
    """A handler, and what becomes of it.

    Attributes:
        asked: Requests of a verb that may be asked again; ``bought`` of one that is paid for.
    """

    handler: Handler
    error: type[GenSDKError]
    asked: int
    bought: int
    billed: Billed
    status: int | None


def unusable(body: bytes, declared: str = JSON, status: int = 200, **headers: str) -> Fault:
    """A 2xx that cannot be used: asked once more, but not where it was billed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    handler = answer_bytes(body, declared, status, named)
    return Fault(handler, InvalidResponseError, 2, 1, "maybe", status)


async def no_chunk(_: RecordedRequest, reply: Reply) -> None:
    """Break off behind the headers. In one packet with them aiohttp would not tell the status."""
    await reply.raw(head("200 OK", "transfer-encoding: chunked"))
    await asyncio.sleep(0.005)
    await reply.raw(b"zz\r\n{}\r\n")
    reply.close()


def cut(data: bytes, status: int | None = None, *, reset: bool = False) -> Fault:
    """A connection that broke after the request: a paid one is tried once more."""
    handler = raw(data, reset=reset)
    return Fault(handler, ConnectionFailedError, 3, 2, "maybe", status)


def final(status: int, error: type[GenSDKError], body: Any = "", **headers: str) -> Fault:
    """A refusal that will be the same next time."""
    return Fault(answer_error(status, body, headers), error, 1, 1, "no", status)


def passing(status: int, error: type[GenSDKError], billed: Billed, body: Any = "") -> Fault:
    """A failure that the server answered, and that may be over soon."""
    return Fault(answer_error(status, body), error, 3, 3, billed, status)


def told(code: str, kind: str = "error") -> dict[str, Any]:
    return {"error": {"message": "no", "type": kind, "param": None, "code": code}}


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


PACKED = gzip.compress(b'{"id": 1}' * 500)

FAULTS: dict[str, Fault] = {
    # ------------------------------------------------------------- a success that is none
    "a web page": unusable(HTML, "text/html"),
    "a web page said to be JSON": unusable(HTML),
    "nothing": unusable(b""),
    "nothing, said so": unusable(b"", status=204),
    "null": unusable(b"null"),
    "a list": unusable(b"[]"),
    "a number": unusable(b"12"),
    "an empty object": unusable(b"{}"),
    "half a document": unusable(b'{"id": "x", "choices": [{"mess'),
    "a document too deep": unusable(b"[" * 100_000),
    "no UTF-8": unusable(b'{"id": "\xff\xfe"}'),
    "an accepted job": unusable(b'{"status": "queued"}', status=202),
    # ------------------------------------------------------------- codings
    "a coding nobody asked for": unusable(b"x", content_encoding="br"),
    "two codings": unusable(gzip.compress(PACKED), content_encoding="gzip, gzip"),
    "no gzip": unusable(b"not gzip at all", content_encoding="gzip"),
    "half a gzip": unusable(PACKED[:-9], content_encoding="gzip"),
    "a broken gzip": unusable(PACKED[:20] + b"\0\xff" * 9, content_encoding="gzip"),
    "half a deflate": unusable(zlib.compress(PACKED)[:-5], content_encoding="deflate"),
    # ------------------------------------------------------------- cut connections
    "closed without a word": cut(b""),
    "reset without a word": cut(b"", reset=True),
    "no HTTP": cut(b"\x00\x01SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "HTTP of 1991": cut(b"hello world\n\n"),
    "half a header": cut(b"HTTP/1.1 200 OK\r\ncontent-ty"),
    "an endless header": cut(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000),
    "endless headers": cut(head("200 OK", *(f"x-{n}: y" for n in range(30_000)))),
    "a negative length": cut(head("200 OK", "content-length: -5") + b"{}"),
    "two lengths": cut(head("200 OK", "content-length: 5", "content-length: 7") + b"{}"),
    "a shorter body": cut(head("200 OK", f"content-type: {JSON}", "content-length: 99"), 200),
    "a reset in the body": cut(head("200 OK", "content-length: 99"), 200, reset=True),
    "half a chunk": cut(head("200 OK", "transfer-encoding: chunked") + b"9\r\n", 200),
    "no chunk": Fault(no_chunk, ConnectionFailedError, 3, 2, "maybe", 200),
    # ------------------------------------------------------------- failures that say so
    "bad request": final(400, InvalidRequestError, told("bad")),
    "unauthorized": final(401, AuthenticationError),
    "payment": final(402, QuotaExceededError),
    "forbidden": final(403, PermissionDeniedError),
    "not found": final(404, InvalidRequestError),
    "a proxy's login": final(407, InvalidRequestError),
    "too large": final(413, RequestTooLargeError),
    "a teapot": final(418, InvalidRequestError),
    "unprocessable": final(422, InvalidRequestError),
    "for legal reasons": final(451, InvalidRequestError),
    "not implemented": final(501, InvalidRequestError),
    "quota": final(429, QuotaExceededError, told("insufficient_quota", "insufficient_quota")),
    "billing": final(400, QuotaExceededError, told("billing_hard_limit_reached")),
    "blocked": final(400, ContentBlockedError, told("content_policy_violation")),
    "too long": final(400, ContextLengthError, told("context_length_exceeded")),
    "not to be tried again": final(503, OverloadedError, "", **{"x-should-retry": "false"}),
    "request timeout": passing(408, TransientError, "no"),
    "conflict": passing(409, TransientError, "no"),
    "too early": passing(425, TransientError, "no"),
    "rate limit": passing(429, RateLimitError, "no"),
    "server error": passing(500, ServerError, "maybe", HTML),
    "bad gateway": passing(502, ServerError, "maybe", HTML),
    "unavailable": passing(503, OverloadedError, "no"),
    "gateway timeout": passing(504, ServerError, "maybe"),
    "overloaded": passing(529, OverloadedError, "no"),
    "a status nobody knows": passing(599, ServerError, "maybe"),
    "a status out of range": passing(999, ServerError, "maybe"),
    # ------------------------------------------------------------- redirects
    "moved": final(301, InvalidResponseError, "", location="https://evil.example/v1"),
    "moved with its body": final(308, InvalidResponseError, "", location="//evil.example"),
    "moved nowhere": final(302, InvalidResponseError),
    "not modified": final(304, InvalidResponseError),
}


def damaged(status: int, *lines: str, body: bytes = b"", hold: bool = False) -> Handler:
    return raw(head(f"{status} No", *lines) + body, hold=hold)


HIDDEN: dict[str, Fault] = {
    "a key refused in half a body": replace(
        FAULTS["unauthorized"], handler=damaged(401, "content-length: 99", body=b'{"er')
    ),
    "throttled in half a chunk": replace(
        FAULTS["rate limit"], handler=damaged(429, "transfer-encoding: chunked", body=b"9\r\n{")
    ),
    "throttled in a coding nobody asked for": replace(
        FAULTS["rate limit"],
        handler=answer_bytes(b"\x8b\0", JSON, 429, {"content-encoding": "br"}),
    ),
    "overloaded in a broken gzip": replace(
        FAULTS["unavailable"],
        handler=answer_bytes(b"no gzip", JSON, 503, {"content-encoding": "gzip"}),
    ),
    "overloaded in half a gzip": replace(
        FAULTS["unavailable"],
        handler=answer_bytes(PACKED[:-9], JSON, 503, {"content-encoding": "gzip"}),
    ),
    "a bad request in a reset": replace(
        FAULTS["bad request"],
        handler=raw(head("400 No", "content-length: 99") + b"{", reset=True),
    ),
}
"""Failures whose body is broken: the status has said all that matters."""

ALL = FAULTS | HIDDEN


async def check(verb: str, fault: Fault, account: str = "openai") -> None:
    error, asked = await failing(VERBS[verb], fault.handler, account)
    expected = fault.bought if verb in BUY else fault.asked
    assert (type(error), asked) == (fault.error, expected), error
    assert (error.status, error.billed) == (fault.status, fault.billed)
    assert error.partial is None
    assert error.provider == "a"
    assert error.model
    assert [one.outcome for one in error.attempts] == ["error"] * expected
    assert {one.error for one in error.attempts} == {error.kind}
    assert {one.status for one in error.attempts} == {fault.status}
    assert {one.billed for one in error.attempts} == {fault.billed}
    assert 0 < len(error.message) <= 2000


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in {"edit", "moderate"}])
async def test_every_fault_of_every_verb(verb: str, name: str) -> None:
    await check(verb, ALL[name])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("account", ["compatible", "lent"])  # Azure's is the first wire again
async def test_every_fault_of_every_account(account: str, name: str) -> None:
    await check("text", ALL[name], account)


@pytest.mark.parametrize("verb", STREAMS)
@pytest.mark.parametrize("account", ["openai", "compatible"])
async def test_bytes_in_place_of_a_stream(account: str, verb: str) -> None:
    """What is no event stream has no output, whatever it was declared as."""
    handler = answer_bytes(bytes(range(256)) * 9, "text/event-stream")
    error, asked = await failing(STREAMS[verb], handler, account)
    assert isinstance(error, StreamInterruptedError | InvalidResponseError)
    assert (asked, error.billed, error.partial) == (2 if verb in BUY else 3, "maybe", None)
    assert error.status == 200


@pytest.mark.parametrize("verb", VERBS)
async def test_an_error_in_a_success(verb: str) -> None:
    """The cause decides; but that nothing was done nobody has said."""
    error, asked = await failing(VERBS[verb], answer_json(told("insufficient_quota")))
    assert (type(error), asked, error.billed) == (QuotaExceededError, 1, "maybe")


async def test_a_silent_failure_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gensdk.toolkit.answer.FAILURE_BODY_S", 0.02)
    handler = damaged(
        429, "retry-after-ms: 1", "content-length: 99", body=b'{"error": {', hold=True
    )
    for verb in PLAIN:
        error, asked = await failing(VERBS[verb], handler)
        assert (type(error), asked, error.retry_after) == (RateLimitError, 3, 0.001)


async def test_half_a_document_is_no_sentence() -> None:
    error, _ = await failing(VERBS["text"], HIDDEN["a key refused in half a body"].handler)
    assert error.message == "openai answered with status 401. Check the API key."
