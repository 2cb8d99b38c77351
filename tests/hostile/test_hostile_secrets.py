"""The key is nowhere: whatever the server does with it, and wherever one looks.

A canary is sent as the key over every account and verb, against servers that repeat it in all the
places they have. Looked through are texts, facts, pickles and copies of errors, the locals of all
frames of their chains, every log record at DEBUG, hooks, and what is serialised.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import socket
from typing import Any

import pytest

import gensdk
from gensdk import Timeouts
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import GenSDKError, TimedOutError
from gensdk.types import Media
from tests.support.fake_openai import MP3
from tests.support.hostile import (
    ACCOUNTS,
    CANARY,
    PROMPT,
    STREAMS,
    VERBS,
    asking,
    everything_in,
    good_answer,
    raw,
    silent,
)
from tests.support.server import Handler, RecordedRequest, Reply

IN_JSON = CANARY.replace("k", "\\u006b")
IN_URL = CANARY.replace("-", "%2D")
HEADERS = {"x-request-id": f"req-{CANARY}", "x-echo": f"Bearer {CANARY}", "retry-after-ms": "0"}


def echo(status: int, body: str, declared: str = "application/json") -> Handler:
    """Repeat the key in the headers, and in the body wherever it says KEY."""

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        said = body.replace("KEY", CANARY)
        await reply.bytes(said.encode(), declared, status, HEADERS)

    return handler


async def echo_in_chunk(_: RecordedRequest, reply: Reply) -> None:
    await reply.start(200, HEADERS | {"transfer-encoding": "chunked"})
    await reply.raw(f"{CANARY}\r\n".encode())
    reply.close()


def told(**facts: str) -> str:
    return json.dumps({"error": {"message": "no", "type": "t", "param": None, "code": "c"} | facts})


async def echo_in_coding(_: RecordedRequest, reply: Reply) -> None:
    await reply.bytes(b"{}", "application/json", 200, {"content-encoding": CANARY})


ECHOES: dict[str, Handler] = {
    "message": echo(400, told(message="your key KEY is wrong")),
    "code": echo(401, told(code="KEY")),
    "type": echo(403, told(type="KEY")),
    "parameter": echo(422, told(param="KEY")),
    "another shape": echo(400, '{"detail": [{"loc": ["header", "KEY"], "msg": "KEY"}]}'),
    "escaped": echo(400, told(message="x").replace("x", f"{IN_JSON} and {CANARY}")),
    "plain text": echo(500, "Authorization: Bearer KEY", "text/plain"),
    "a web page": echo(502, "<html><title>KEY</title><body>KEY</body></html>", "text/html"),
    "a name in JSON": echo(500, '{"KEY": "KEY"}'),
    "a success that is none": echo(200, '{"KEY": ["KEY"]}'),
    "an error in a success": echo(200, told(message="KEY")),
    "no JSON": echo(200, "KEY"),
    "an event": echo(200, f"event: error\ndata: {told(message='KEY')}\n\n", "text/event-stream"),
    "a broken event": echo(200, "data: {KEY\n\n", "text/event-stream"),
    "a broken header": raw(f"HTTP/1.1 200 OK\r\nbad header {CANARY}\r\n\r\n".encode()),
    "a broken status": raw(f"HTTP/1.1 {CANARY}\r\n\r\n".encode()),
    "a chunk": echo_in_chunk,
    "a coding": echo_in_coding,
    "a redirect": echo(307, ""),
    "no reason": echo(500, ""),
    "nothing": echo(200, ""),
    "a cut connection": raw(b""),
    "silence": silent,
}

NOT_ECHOED = ("a redirect", "no reason", "nothing", "a cut connection", "silence")
"""Here the key is in the headers at most, and locals are looked through too."""


@pytest.fixture(autouse=True)
def every_log(caplog: pytest.LogCaptureFixture) -> None:
    """DEBUG everywhere, also in the HTTP libraries and the vendor's package."""
    names = ("", "gensdk", "httpx2", "httpcore2", "httpx", "httpcore", "openai", "asyncio")
    for name in names:
        caplog.set_level(logging.DEBUG, name)


def check_logs(caplog: pytest.LogCaptureFixture, *, vendor: bool) -> None:
    for record in caplog.records:
        shown = f"{record.getMessage()} {vars(record)!r}"
        assert CANARY not in shown, record.name
        # The vendor's own package writes the body at DEBUG, where one lends a client of it.
        if not vendor or record.levelno >= logging.INFO:
            assert PROMPT not in shown, record.name
    caplog.clear()


def check_error(error: GenSDKError, *, echoed: bool = False) -> None:
    # What a server says stands in local variables while it is read, whatever it says.
    assert CANARY not in everything_in(error, frames=not echoed)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert CANARY not in everything_in(twin)
    assert CANARY.encode() not in pickle.dumps(error)
    assert CANARY not in "".join(one.model_dump_json() for one in error.attempts)
    for shown in (str(error), repr(error), pickle.dumps(error).decode("latin-1")):
        assert PROMPT not in shown


FEW = ("text", "stream_text")
PAIRS = [("openai", verb) for verb in VERBS] + [
    (account, verb) for account in ACCOUNTS if account != "openai" for verb in FEW
]


@pytest.mark.parametrize(("account", "verb"), PAIRS)
async def test_no_key_in_anything_that_fails(
    account: str, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    facts: list[object] = []
    clocks = Timeouts(attempt=0.02, first_output=0.02)
    once = gensdk.Retry(attempts=1)
    for name, handler in ECHOES.items():
        quick = clocks if handler is silent else None
        async with asking(handler, account, hooks=[facts.append], timeouts=quick, retry=once) as (
            _,
            client,
        ):
            with pytest.raises(GenSDKError) as caught:
                await VERBS[verb](client)
            assert CANARY not in f"{client!r} {client}"
        check_error(caught.value, echoed=name not in NOT_ECHOED)
        check_logs(caplog, vendor=account == "lent")
    assert len(facts) == 3 * len(ECHOES)
    assert CANARY not in repr(facts)
    assert PROMPT not in repr(facts)


@pytest.mark.parametrize(("account", "verb"), PAIRS)
async def test_no_key_in_anything_that_succeeds(
    account: str, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: RecordedRequest, reply: Reply) -> None:
        declared, body = good_answer(request)
        await reply.bytes(body, declared, 200, HEADERS)

    async with asking(handler, account) as (_, client):
        reply = await VERBS[verb](client)
    assert reply.request_id == "req-[redacted]"
    for shown in (repr(reply), str(reply), reply.model_dump_json(), repr(vars(reply))):
        assert CANARY not in shown
    assert CANARY.encode() not in pickle.dumps(reply)
    check_logs(caplog, vendor=account == "lent")


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("verb", ["text", "stream_text"])
async def test_no_key_in_what_a_cancelled_call_leaves(
    account: str, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with asking(silent, account) as (server, client):
        task = asyncio.create_task(_awaited(verb, client))
        await server.received()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    frames = everything_in(caught.value)
    if account != "lent":  # frames of the vendor's package and of its HTTP client are theirs
        assert CANARY not in frames
    check_logs(caplog, vendor=account == "lent")


async def _awaited(verb: str, client: gensdk.Client) -> Any:
    return await VERBS[verb](client)


@pytest.mark.parametrize("transport", ["httpx2", "aiohttp"])
@pytest.mark.parametrize("cancelled", [False, True], ids=["too late", "cancelled"])
async def test_no_key_in_what_is_cut_off_while_it_is_sent(transport: Any, cancelled: bool) -> None:
    """The request is larger than what sockets hold, and nobody reads it."""
    if transport == "aiohttp":
        pytest.importorskip("aiohttp", "3.14")
    sound = Media(data=MP3 + bytes(16 * 2**20))
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        backend = OpenAIBackend(api_key=CANARY, base_url=url, http_client=transport)
        async with gensdk.Client(backends={"a": backend}) as client:
            total = 60.0 if cancelled else 0.1
            with pytest.raises(TimeoutError if cancelled else TimedOutError) as caught:
                async with asyncio.timeout(0.1 if cancelled else 60):
                    await client.transcribe(sound, model="a:whisper-1", timeouts=total)
        await backend.aclose()
    assert CANARY not in everything_in(caught.value)


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_no_key_in_what_can_be_looked_at(account: str) -> None:
    async with asking(None, account) as (_, client):
        backend = client._registry.backends["a"] if hasattr(client, "_registry") else client
        for thing in (client, backend):
            assert CANARY not in f"{thing!r} {thing}"
            with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
                pickle.dumps(thing)
        copied = client.with_options(timeouts=3.0)
        assert CANARY not in repr(copied)


@pytest.mark.parametrize("verb", STREAMS)
async def test_no_key_in_a_stream_that_breaks(verb: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also where output had come before."""
    sound = raw(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 99\r\n\r\nID3\x04")
    words = b'event: response.output_text.delta\ndata: {"type": "x", "delta": "Once"}\n\n'
    text = raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + words)
    async with asking(sound if verb == "stream_speech" else text) as (_, client):
        with pytest.raises(GenSDKError) as caught:
            await VERBS[verb](client)
    check_error(caught.value)
    check_logs(caplog, vendor=False)
