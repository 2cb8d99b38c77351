"""Servers that take their time: each clock strikes when it should, and the whole call's above all.

Time is warped (``tests.support.warped_time``): a byte every 0.2 seconds for five minutes is
counted exactly and takes no time.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import gensdk
from gensdk import Timeouts
from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import (
    ConnectionFailedError,
    GenSDKError,
    OutcomeUnknownError,
    RouteExhaustedError,
    TimedOutError,
)
from tests.support import openai_responses as responses
from tests.support.fake_openai import MP3, say
from tests.support.hostile import (
    BUY,
    CANARY,
    PLAIN,
    PROMPT,
    STREAMS,
    VERBS,
    Verb,
    asking,
    drip,
    failing,
    raw,
    silent,
)
from tests.support.openai_media import PNG, b64
from tests.support.server import Handler, LoopbackServer, answer_error, answer_json
from tests.support.warped_time import warped

EVERY_S = 0.2
OK = b"HTTP/1.1 200 OK\r\n"
JSON_HEAD = OK + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
SSE_HEAD = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ONCE = gensdk.Retry(attempts=1)
USUAL = gensdk.Retry()

HANGING: dict[str, Handler] = {
    "silence": silent,
    "half a status line": raw(b"HTTP/1.1 2", hold=True),
    "no end of headers": raw(OK + b"content-type: application/json\r\n", hold=True),
    "a header every now and then": drip(OK, b"x: y\r\n", EVERY_S),
    "interim answers for ever": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", EVERY_S),
    "no body": raw(JSON_HEAD, hold=True),
    "half a body": raw(JSON_HEAD + b"1\r\n{\r\n", hold=True),
    "blanks every now and then": drip(JSON_HEAD, b"1\r\n \r\n", EVERY_S),
    "a stream of comments": drip(SSE_HEAD, b"4\r\n: a\n\r\n", EVERY_S),
    "empty events": drip(SSE_HEAD, b"7\r\ndata:\n\n\r\n", EVERY_S),
    "a failure that never ends": drip(
        b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", EVERY_S
    ),
}


class Timed:
    """What a call that failed took in warped seconds."""

    def __init__(self, error: GenSDKError, asked: int, seconds: float) -> None:
        self.error, self.asked, self.seconds = error, asked, seconds


def timed(verb: str, handler: Handler, **settings: Any) -> Timed:
    async def run() -> Timed:
        clock = asyncio.get_running_loop().time
        began = ended = clock()

        async def ask(client: gensdk.Client) -> None:
            nonlocal began, ended
            began = clock()
            try:
                await VERBS[verb](client)
            finally:
                ended = clock()

        error, asked = await failing(ask, handler, patience_s=1e6, **settings)
        return Timed(error, asked, ended - began)

    return warped(run())


# ---------------------------------------------------------------------------- the whole call
@pytest.mark.parametrize("name", HANGING)
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in {"edit", "moderate"}])
def test_the_whole_call_ends_in_time(verb: str, name: str) -> None:
    told = timed(verb, HANGING[name], timeouts=10, retry=USUAL)
    assert 9 < told.seconds <= 10.5 or "failure" in name
    assert told.seconds <= 10.5
    assert told.error.billed == "maybe"
    if "failure" not in name:
        kind = OutcomeUnknownError if verb in BUY else TimedOutError
        assert (type(told.error), told.asked) == (kind, 1)
        assert [one.outcome for one in told.error.attempts] == ["cancelled"]
    if isinstance(told.error, TimedOutError):
        assert told.error.phase == "total"


@pytest.mark.parametrize("verb", VERBS)
def test_attempts_and_waits_share_the_time(verb: str) -> None:
    """Three attempts of four seconds, with waits, are over after ten."""
    clocks = Timeouts(total=10, attempt=4, first_output=4)
    told = timed(verb, silent, timeouts=clocks, retry=USUAL)
    if verb in BUY:
        assert (type(told.error), told.asked, told.seconds) == (OutcomeUnknownError, 1, 4)
        return
    assert isinstance(told.error, TimedOutError)
    assert (told.error.phase, told.asked) == ("total", 3)
    assert told.seconds == pytest.approx(10)
    assert [one.outcome for one in told.error.attempts] == ["error", "error", "cancelled"]


@pytest.mark.parametrize("asks", ["4", "30", "100"])
@pytest.mark.parametrize("verb", ["text", "image", *STREAMS])
def test_a_wait_the_server_asks_for_is_kept_or_not_begun(verb: str, asks: str) -> None:
    """Never sooner than asked, never later than allowed: else the call ends at once."""
    slow = answer_error(503, "", {"retry-after": asks})
    told = timed(verb, slow, timeouts=10, retry=USUAL)
    assert told.error.retry_after == float(asks)
    assert told.error.billed == "no"
    if asks == "4":
        assert told.asked == 3
        assert 8 <= told.seconds <= 10
        assert all(one.delay_s >= 4 for one in told.error.attempts[1:])
    else:
        assert (told.asked, told.seconds) == (1, 0)


@pytest.mark.parametrize("verb", [*PLAIN, *STREAMS])
def test_fallbacks_share_the_time(verb: str) -> None:
    """Two dead hops have no more time than one; the second is cut short."""
    seconds, error = warped(_over_two_hops(verb))
    assert seconds == pytest.approx(10)
    assert error.attempts[0].provider == "a"
    if verb in BUY:  # what may be bought already is not bought elsewhere
        assert {one.provider for one in error.attempts} == {"a"}
        return
    assert isinstance(error, TimedOutError)
    assert error.phase == "total"
    assert [one.provider for one in error.attempts] == ["a", "b"]


async def _over_two_hops(verb: str) -> tuple[float, GenSDKError]:
    clocks = Timeouts(total=10, attempt=7 if verb not in BUY else 30, first_output=30)
    if verb == "stream_text":
        clocks = Timeouts(total=10, first_output=7)
    async with LoopbackServer(limit_s=1e6) as other:
        other.on("*", "*", silent)
        second = OpenAIBackend(api_key=CANARY, base_url=f"{other.url}/v1")
        async with asking(
            silent, backends={"b": second}, timeouts=clocks, retry=ONCE, patience_s=1e6
        ) as (_, client):
            routed = _routed(verb)
            began = asyncio.get_running_loop().time()
            with pytest.raises(GenSDKError) as caught:
                await routed(client)
            seconds = asyncio.get_running_loop().time() - began
        await second.aclose()
    return seconds, caught.value


def _routed(verb: str) -> Verb:
    """The verb with ``a`` and then ``b`` in place of ``a`` alone."""

    class Routed:
        def __init__(self, client: gensdk.Client) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            def ask(*given: Any, model: str, **rest: Any) -> Any:
                hops = [model, model.replace("a:", "b:", 1)]
                route = gensdk.Route(*hops, interchangeable=True)
                return getattr(self._client, name)(*given, model=route, **rest)

            return ask

    return lambda client: VERBS[verb](Routed(client))  # type: ignore[arg-type]  # looks like one


# ------------------------------------------------------------------------------ single clocks
@pytest.mark.parametrize("name", [name for name in HANGING if "failure" not in name])
@pytest.mark.parametrize("verb", ["text", "image", *STREAMS])
def test_an_attempt_ends_in_time(verb: str, name: str) -> None:
    clocks = Timeouts(attempt=4, first_output=4)
    told = timed(verb, HANGING[name], timeouts=clocks, retry=ONCE)
    assert told.seconds == pytest.approx(4)
    assert (told.asked, told.error.billed) == (1, "maybe")
    if verb in BUY:
        assert isinstance(told.error, OutcomeUnknownError)
    else:
        assert isinstance(told.error, TimedOutError)
        assert told.error.phase == ("first_output" if verb in STREAMS else "attempt")


@pytest.mark.parametrize("verb", VERBS)
def test_a_failure_with_an_endless_body_is_taken_at_its_status(verb: str) -> None:
    told = timed(verb, HANGING["a failure that never ends"], retry=ONCE)
    assert (told.error.kind, told.error.status) == ("server", 500)
    assert told.seconds == pytest.approx(5)


def _words() -> list[tuple[str | None, object]]:
    events = responses.events(*say("Once upon a time"))
    end = next(i for i, (name, _) in enumerate(events) if name == "response.output_text.delta")
    return events[: end + 1]


def _begun(verb: str) -> bytes:
    """The beginning of a stream, up to its first output, as one chunk."""
    if verb == "stream_speech":
        piece, head = MP3, OK + b"content-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n"
    else:
        preview = {
            "type": "image_generation.partial_image",
            "partial_image_index": 0,
            "b64_json": b64(PNG),
        }
        events = _words() if verb == "stream_text" else [(str(preview["type"]), preview)]
        piece = b"".join(
            f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in events
        )
        head = SSE_HEAD
    return head + b"%x\r\n%b\r\n" % (len(piece), piece)


PARTIAL = {"stream_text": "Onc", "stream_image": None, "stream_speech": MP3}


@pytest.mark.parametrize("beats", [False, True], ids=["silence", "heartbeats"])
@pytest.mark.parametrize("verb", STREAMS)
def test_a_stream_that_falls_silent_ends_in_time(verb: str, beats: bool) -> None:
    handler = raw(_begun(verb), hold=True)
    if beats and verb != "stream_speech":
        handler = drip(_begun(verb), b"4\r\n: a\n\r\n", EVERY_S)
    told = timed(verb, handler, timeouts=Timeouts(idle=7), retry=USUAL)
    assert told.seconds == pytest.approx(7, abs=0.01)
    assert (told.asked, told.error.billed) == (1, "maybe")
    assert isinstance(told.error, OutcomeUnknownError if verb in BUY else TimedOutError)
    partial: Any = told.error.partial
    found = {
        "stream_text": lambda: partial.text,
        "stream_image": lambda: partial,
        "stream_speech": lambda: partial.audio.data,
    }[verb]()
    assert found == PARTIAL[verb]
    if isinstance(told.error, TimedOutError):
        assert told.error.phase == "idle"


@pytest.mark.parametrize("verb", STREAMS)
def test_a_stream_for_ever_ends_with_the_call(verb: str) -> None:
    """Outputs keep the idle clock quiet; the whole call's clock they do not."""
    begun = _begun(verb)
    again = begun[begun.index(b"\r\n\r\n") + 4 :]
    told = timed(verb, drip(begun, again, EVERY_S), timeouts=Timeouts(total=10, idle=7))
    assert told.seconds == pytest.approx(10, abs=0.01)
    assert told.asked == 1
    assert (told.error.partial is None) == (verb == "stream_image")


# ----------------------------------------------------------------------------------- connecting
@asynccontextmanager
async def _full() -> AsyncIterator[str]:
    """An address where nobody takes connections any more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            for filler in fillers:
                filler.close()


@asynccontextmanager
async def _no_handshake() -> AsyncIterator[str]:
    """A server that takes the connection and never answers the TLS greeting."""
    async with LoopbackServer(limit_s=1e6) as server:
        yield server.url.replace("http:", "https:")


async def _unreachable(verb: str, place: Any, **settings: Any) -> tuple[GenSDKError, float]:
    clock = asyncio.get_running_loop().time
    async with place() as url:
        backend = OpenAIBackend(api_key=CANARY, base_url=f"{url}/v1")
        async with gensdk.Client(backends={"a": backend}, **settings) as client:
            began = clock()
            with pytest.raises(GenSDKError) as caught:
                await VERBS[verb](client)
            seconds = clock() - began
        await backend.aclose()
    return caught.value, seconds


@pytest.mark.parametrize("place", [_full, _no_handshake])
@pytest.mark.parametrize("verb", VERBS)
def test_no_connection_in_time(verb: str, place: Any) -> None:
    """Nothing was sent, so a paid request is tried again like any other."""
    work = _unreachable(verb, place, timeouts=Timeouts(connect=3), retry=USUAL)
    error, seconds = warped(work)
    assert isinstance(error, TimedOutError)
    assert (error.phase, error.billed, len(error.attempts)) == ("connect", "no", 3)
    assert 9 < seconds < 9 + 0.5 + 1
    error, seconds = warped(_unreachable(verb, place, timeouts=2, retry=USUAL))
    assert isinstance(error, TimedOutError)
    assert (error.phase, error.billed, len(error.attempts)) == ("connect", "no", 1)
    assert 1.9 < seconds < 2


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_there(verb: str) -> None:
    @asynccontextmanager
    async def nobody() -> AsyncIterator[str]:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and does not listen
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"

    error, seconds = warped(_unreachable(verb, nobody, retry=USUAL))
    assert isinstance(error, ConnectionFailedError)
    assert (error.billed, len(error.attempts), error.retryable) == ("no", 3, True)
    assert 0 < seconds < 0.5 + 1


def test_a_route_of_dead_hops_says_so() -> None:
    async def run() -> RouteExhaustedError:
        async with asking(silent, timeouts=Timeouts(attempt=3), patience_s=1e6) as (_, client):
            with pytest.raises(RouteExhaustedError) as caught:
                await client.text(PROMPT, model=["a:m", "a:n"], retry=ONCE)
            return caught.value

    error = warped(run())
    assert [type(one) for one in error.exceptions] == [TimedOutError, TimedOutError]
    assert [one.phase for one in error.exceptions if isinstance(one, TimedOutError)] == [
        "attempt", "attempt",
    ]  # fmt: skip


RUNNING = answer_json({"id": "v1", "status": "in_progress"})


@pytest.mark.parametrize("total", [2.0, 10.0, 200.0])
@pytest.mark.parametrize("look", [silent, RUNNING], ids=["silent", "running"])
@pytest.mark.parametrize("deleted", [silent, drip(JSON_HEAD, b"1\r\n \r\n", EVERY_S)])
def test_a_job_that_cannot_be_cancelled_ends_in_time(
    total: float, look: Handler, deleted: Handler
) -> None:
    """Telling the provider that nobody waits any more is a part of the call, too."""

    async def run() -> tuple[TimedOutError, float, list[str]]:
        clock = asyncio.get_running_loop().time
        async with LoopbackServer(limit_s=1e6) as server:
            server.on("POST", "/v1/videos", answer_json({"id": "v1", "status": "queued"}))
            server.on("GET", "/v1/videos/v1", look)
            server.on("DELETE", "/v1/videos/v1", deleted)
            backend = OpenAICompatibleBackend(f"{server.url}/v1", api_key=CANARY)
            async with gensdk.Client(backends={"a": backend}) as client:
                began = clock()
                with pytest.raises(TimedOutError) as caught:
                    await client.video(PROMPT, model="a:m", timeouts=total)
                seconds = clock() - began
            await backend.aclose()
        return caught.value, seconds, [one.method for one in server.requests]

    error, seconds, asked = warped(run())
    assert 0.95 * total <= seconds <= total + 0.5
    assert (error.phase, error.billed, error.job_id) == ("total", "maybe", "v1")
    assert (asked[0], asked.count("POST"), asked.count("DELETE")) == ("POST", 1, 1)
