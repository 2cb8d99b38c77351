"""Who is asked again, when, and how often: what servers say about it, and what they must not do.

Time is warped, so waits of a minute are counted exactly and take none.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import gensdk
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import (
    AuthenticationError,
    ConnectionFailedError,
    GenSDKError,
    InvalidRequestError,
    OverloadedError,
    RateLimitError,
    ServerError,
)
from tests.support.hostile import (
    BUY,
    CANARY,
    PLAIN,
    QUICK,
    STREAMS,
    VERBS,
    asking,
    failing,
    good_answer,
    raw,
)
from tests.support.scripts import until
from tests.support.server import (
    Handler,
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_error,
)
from tests.support.warped_time import warped

USUAL = gensdk.Retry()
NOW = "Sat, 21 Nov 2026 12:00:00 GMT"
LONG = 1e9


async def good(request: RecordedRequest, reply: Reply) -> None:
    """Answer as a healthy server does."""
    declared, body = good_answer(request)
    await reply.bytes(body, declared)


# ------------------------------------------------------------------------------ what servers say
def date(hint: str) -> dict[str, str]:
    return {"retry-after": hint, "date": NOW}


NO_HINT: dict[str, dict[str, str]] = {
    "nothing": {},
    "empty": {"retry-after": ""},
    "negative": {"retry-after": "-5"},
    "no number": {"retry-after": "nan"},
    "words": {"retry-after": "soon"},
    "two numbers": {"retry-after": "5, 7"},
    "a unit": {"retry-after": "5s"},
    "underscores": {"retry-after": "1_0"},
    "no ASCII": {"retry-after": "\xb2"},
    "a day that is past": date("Sat, 21 Nov 2026 11:59:00 GMT"),
    "a day of long ago": date("Thu, 01 Jan 1970 00:00:00 GMT"),
    "half a day": date("Sat, 21 Nov"),
    "no such day": date("Sat, 99 Nov 2026 12:00:00 GMT"),
    "negative ms": {"retry-after-ms": "-1"},
    "no number of ms": {"retry-after-ms": "nan"},
    "a header of rubbish": {"retry-after": "x" * 5000},
}
HINTS: dict[str, tuple[dict[str, str], float]] = {
    "seconds": ({"retry-after": "7"}, 7),
    "fractions": ({"retry-after": "1.5"}, 1.5),
    "blanks around": ({"retry-after": "  7  "}, 7),
    "at once": ({"retry-after": "0"}, 0),
    "an exponent": ({"retry-after": "2e1"}, 20),
    "milliseconds": ({"retry-after-ms": "1500"}, 1.5),
    "Azure's milliseconds": ({"x-ms-retry-after-ms": "2500"}, 2.5),
    "milliseconds before seconds": ({"retry-after-ms": "900", "retry-after": "50"}, 0.9),
    "bad milliseconds beside seconds": ({"retry-after-ms": "x", "retry-after": "3"}, 3),
    "a date": (date("Sat, 21 Nov 2026 12:00:09 GMT"), 9),
    "a date of RFC 850": (date("Saturday, 21-Nov-26 12:00:09 GMT"), 9),
    "a date with a zone": (date("Sat, 21 Nov 2026 13:00:09 +0100"), 9),
}
TOO_LONG: dict[str, tuple[dict[str, str], float]] = {
    "over the patience": ({"retry-after": "61"}, 61),
    "a day": ({"retry-after": "86400"}, 86400),
    "infinity": ({"retry-after": "inf"}, LONG),
    "beyond numbers": ({"retry-after": "1e400"}, LONG),
    "many digits": ({"retry-after": "9" * 400}, LONG),
    "ms beyond numbers": ({"retry-after-ms": "inf"}, LONG),
    "next year": (date("Sun, 21 Nov 2027 12:00:00 GMT"), 31536000),
}


def waited(headers: dict[str, str], status: int, verb: str = "text") -> tuple[Any, int, float]:
    """The error, the requests, and the seconds it took."""

    async def run() -> tuple[Any, int, float]:
        handler = answer_error(status, "", headers)
        error, asked = await failing(VERBS[verb], handler, retry=USUAL, patience_s=1e6)
        return error, asked, sum(one.delay_s for one in error.attempts)

    return warped(run())


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("name", HINTS)
def test_a_hint_is_never_undercut(name: str, status: int) -> None:
    headers, seconds = HINTS[name]
    error, asked, slept = waited(headers, status)
    assert (error.retry_after, asked, error.billed) == (seconds, 3, "no")
    assert 2 * seconds <= slept <= 2 * (seconds * 1.1 + 0.06)


@pytest.mark.parametrize("name", NO_HINT)
def test_nonsense_is_no_hint(name: str) -> None:
    error, asked, slept = waited(NO_HINT[name], 429)
    assert (error.retry_after, asked) == (None, 3)
    assert 0.1 * 1.5 <= slept <= 1.5


@pytest.mark.parametrize("name", TOO_LONG)
def test_a_wait_nobody_would_make_is_told_and_not_made(name: str) -> None:
    headers, seconds = TOO_LONG[name]
    error, asked, slept = waited(headers, 503)
    assert (error.retry_after, asked, slept) == (seconds, 1, 0)


SAYS: list[tuple[int, str, type[GenSDKError], int]] = [
    (503, "false", OverloadedError, 1),
    (429, "false", RateLimitError, 1),
    (500, "false", ServerError, 1),
    (500, "FALSE", ServerError, 1),
    (400, "true", InvalidRequestError, 3),
    (401, "true", AuthenticationError, 3),
    (400, "maybe", InvalidRequestError, 1),
    (500, "maybe", ServerError, 3),
]


@pytest.mark.parametrize(("status", "says", "kind", "times"), SAYS)
@pytest.mark.parametrize("verb", VERBS)
async def test_the_server_may_overrule_the_class(
    verb: str, status: int, says: str, kind: type[GenSDKError], times: int
) -> None:
    handler = answer_error(status, "", {"x-should-retry": says})
    error, asked = await failing(VERBS[verb], handler)
    assert (type(error), asked) == (kind, times)
    assert error.retryable == (says.lower() == "true" or (says == "maybe" and status == 500))


def test_a_download_that_would_wait_longer_than_the_call_may_last_is_over_at_once() -> None:
    """The picture is paid for; what is told is why it cannot be had, not that time ran out."""

    async def linking(request: RecordedRequest, reply: Reply) -> None:
        if request.method == "GET":
            await reply.error(503, "", {"retry-after": "30"})
        else:
            await reply.json({"data": [{"url": f"http://{request.headers['host']}/a.png"}]})

    async def run() -> tuple[GenSDKError, int, float]:
        clock = asyncio.get_running_loop().time
        policy = gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"}))
        began = clock()
        settings: dict[str, Any] = {"timeouts": 10, "retry": USUAL, "media": policy}
        error, asked = await failing(PLAIN["image"], linking, patience_s=1e6, **settings)
        return error, asked, clock() - began

    error, asked, seconds = warped(run())
    assert (type(error), error.retry_after, error.billed) == (ServerError, 30, "yes")
    assert asked == 2
    assert seconds < 1


# ----------------------------------------------------------------------------------- the allowance
REFUSED = {"error": {"message": "no", "code": "insufficient_quota", "type": "insufficient_quota"}}
OUTAGES: dict[str, tuple[Handler, int]] = {
    # what happens every time, and how many requests a hundred calls may make of it
    "server errors": (answer_error(500, ""), 135),
    "bad gateways": (answer_error(502, ""), 135),
    "cut connections": (raw(b"", reset=True), 135),
    "throttled": (answer_error(429, ""), 155),
    "overloaded": (answer_error(503, ""), 155),
    "quota": (answer_error(429, REFUSED), 100),
    "bad requests": (answer_error(400, ""), 100),
}


@pytest.mark.parametrize("at_once", [False, True], ids=["in turn", "at once"])
@pytest.mark.parametrize("name", OUTAGES)
async def test_an_outage_is_not_multiplied(name: str, at_once: bool) -> None:
    """A hundred calls that all fail, each of which would try ten times."""
    handler, most = OUTAGES[name]
    stubborn = gensdk.Retry(attempts=10, base_s=0.0, max_backoff_s=0.0)
    async with asking(handler, retry=stubborn) as (server, client):
        calls = [VERBS["text"] for _ in range(100)]
        if at_once:
            told = await asyncio.gather(*(ask(client) for ask in calls), return_exceptions=True)
        else:
            told = [await _error(ask(client)) for ask in calls]
        assert all(isinstance(one, GenSDKError) for one in told)
        assert len(server.requests) == most <= 160


async def _error(call: Any) -> BaseException:
    with pytest.raises(GenSDKError) as caught:
        await call
    return caught.value


async def test_copies_of_a_client_share_the_allowance() -> None:
    async with asking(answer_error(500, "")) as (server, client):
        for number in range(100):
            copy = client.with_options(timeouts=float(number + 1))
            await _error(VERBS["text"](copy))
        assert len(server.requests) == 135


# ----------------------------------------------------------------------- connections that are dead
class Balancer:
    """A server whose kept connections die unseen: the next request on one is reset."""

    def __init__(self) -> None:
        self.dead_up_to = 0
        self.asked: list[int] = []
        self.together = 0

    async def __call__(self, request: RecordedRequest, reply: Reply) -> None:
        self.asked.append(request.connection)
        if request.connection <= self.dead_up_to:
            reply.abort()
            return
        if self.together:  # nobody is answered before all are here: each has its own connection
            self.together -= 1
            await until(lambda: not self.together)
        await good(request, reply)


@pytest.mark.parametrize("verb", PLAIN)
async def test_a_dead_connection_is_replaced_by_a_new_one(verb: str) -> None:
    """However many neighbours have died with it, one more request is enough."""
    balancer = Balancer()
    async with asking(balancer) as (server, client):
        balancer.together = 8
        await asyncio.gather(*(VERBS[verb](client) for _ in range(8)))
        assert server.connections == 8
        balancer.dead_up_to = 8
        reply = await VERBS[verb](client)
        assert balancer.asked[8:] == [balancer.asked[8], 9]
        lost, kept = reply.attempts
        assert (lost.error, lost.billed, lost.outcome) == ("connection", "no", "error")
        assert kept.outcome == "ok"
        await VERBS[verb](client)
        assert balancer.asked[10:] == [9], "the new connection is trusted"


async def test_one_try_stays_one_try() -> None:
    balancer = Balancer()
    async with asking(balancer, retry=gensdk.Retry(attempts=1)) as (_, client):
        await VERBS["text"](client)
        balancer.dead_up_to = 1
        with pytest.raises(ConnectionFailedError) as caught:
            await VERBS["text"](client)
        assert (caught.value.billed, len(balancer.asked)) == ("no", 2)


async def test_answers_under_way_are_not_cut_off_by_a_dead_neighbour() -> None:
    """Connections that are in use serve their call to its end, and no other after it."""
    going = asyncio.Event()

    async def handler(request: RecordedRequest, reply: Reply) -> None:
        if len(server.requests) == 3:
            await going.wait()
        elif len(server.requests) == 4:
            reply.abort()
            going.set()
            return
        await good(request, reply)

    async with asking(handler) as (server, client):
        first, second = await asyncio.gather(VERBS["text"](client), VERBS["text"](client))
        assert server.connections == 2
        slow, quick = await asyncio.gather(VERBS["text"](client), VERBS["text"](client))
        assert [len(slow.attempts), len(quick.attempts)] == [1, 2]
        assert first.text == second.text == slow.text == quick.text


# ------------------------------------------------------------------------------- idempotency keys
HEADER = "idempotency-key"


class Third:
    """Fails twice in ways that were not processed, then answers."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def __call__(self, request: RecordedRequest, reply: Reply) -> None:
        self.keys.append(request.headers[HEADER])
        if len(self.keys) % 3:
            await reply.error(503, "")
        else:
            await good(request, reply)


@pytest.mark.parametrize("verb", [*PLAIN, *STREAMS])
async def test_a_key_is_minted_once_a_call(verb: str) -> None:
    third = Third()
    async with LoopbackServer() as server:
        server.on("*", "*", third)
        backend = OpenAIBackend(
            api_key=CANARY, base_url=f"{server.url}/v1", idempotency_header="Idempotency-Key"
        )
        async with gensdk.Client(backends={"a": backend}, retry=QUICK) as client:
            for _ in range(2):
                reply = await VERBS[verb](client)
                assert [one.outcome for one in reply.attempts] == ["error", "error", "ok"]
                assert [one.billed for one in reply.attempts] == ["no", "no", "yes"]
        await backend.aclose()
    first, second = third.keys[:3], third.keys[3:]
    assert len(set(first)) == len(set(second)) == 1
    assert len({*first, *second}) == 2
    assert all(len(key) >= 16 and key.isascii() for key in third.keys)


async def test_parts_of_a_request_have_keys_of_their_own() -> None:
    """To the provider each is another request; tried again, it keeps its key."""
    keys: dict[str, int] = {}

    async def handler(request: RecordedRequest, reply: Reply) -> None:
        key = request.headers[HEADER]
        keys[key] = keys.get(key, 0) + 1
        if keys[key] == 1:
            await reply.error(503, "")
        else:
            await good(request, reply)

    async with LoopbackServer() as server:
        server.on("*", "*", handler)
        backend = OpenAIBackend(
            api_key=CANARY, base_url=f"{server.url}/v1", idempotency_header="Idempotency-Key"
        )
        async with gensdk.Client(backends={"a": backend}, retry=QUICK) as client:
            await client.speech("word. " * 1500, model="a:tts-1")
        await backend.aclose()
    assert len(keys) > 1
    assert set(keys.values()) == {2}


@pytest.mark.parametrize("verb", BUY)
async def test_a_lost_answer_is_asked_for_once_more_and_said_to_be(verb: str) -> None:
    """Every attempt says whether it may be charged, and so does the call that came through."""
    lost: list[int] = []

    async def handler(request: RecordedRequest, reply: Reply) -> None:
        if not lost:
            lost.append(request.connection)
            reply.abort()
        else:
            await good(request, reply)

    async with asking(handler) as (_, client):
        reply = await VERBS[verb](client)
    assert [one.billed for one in reply.attempts] == ["maybe", "yes"]
    assert [one.error for one in reply.attempts] == ["connection", None]
