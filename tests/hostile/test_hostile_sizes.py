"""Answers that are too large: bombs, bodies without end, and what a refusal of them costs."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from gensdk.errors import GenSDKError, ResponseTooLargeError, ServerError
from gensdk.toolkit import Downloader, MediaPolicy, server_sent_events
from gensdk.toolkit.answer import StreamAnswer
from gensdk.toolkit.transport import RawAnswer
from gensdk.types import URL
from tests.support.bombs import MIB, bomb, packed
from tests.support.hostile import PLAIN, STREAMS, VERBS, failing
from tests.support.scripts import ONCE
from tests.support.server import Handler, LoopbackServer, RecordedRequest, Reply, answer_bytes

BOMB_MIB = 512
BOMBS = {coding: bomb(BOMB_MIB, coding) for coding in ("gzip", "deflate", "bare deflate")}


class Peak:
    mib = 0.0
    kept_mib = 0.0


@contextmanager
def traced() -> Iterator[Peak]:
    """What Python allocates inside the block, at its height and at its end."""
    peak = Peak()
    tracemalloc.start()
    try:
        yield peak
        kept, most = tracemalloc.get_traced_memory()
        peak.mib, peak.kept_mib = most / MIB, kept / MIB
    finally:
        tracemalloc.stop()


def exploding(coding: str, declared: str = "application/json", status: int = 200) -> Handler:
    headers = {"content-encoding": coding.removeprefix("bare ")}
    return answer_bytes(BOMBS[coding], declared, status, headers)


# ---------------------------------------------------------------------------------------- bombs
@pytest.mark.parametrize("coding", BOMBS)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_bomb_is_refused_early(verb: str, coding: str) -> None:
    declared = "application/json" if verb in PLAIN else "text/event-stream"
    with traced() as peak:
        error, asked = await failing(VERBS[verb], exploding(coding, declared))
    assert isinstance(error, ResponseTooLargeError)
    assert (asked, error.billed) == (1, "maybe")
    assert peak.mib < 64
    assert peak.kept_mib < 4, "the error keeps what had come"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_bomb_in_a_failure_is_not_read(verb: str) -> None:
    with traced() as peak:
        error, asked = await failing(VERBS[verb], exploding("gzip", status=500))
    assert (type(error), asked) == (ServerError, 3)
    assert len(error.message) <= 2000
    assert peak.mib < 8


@pytest.mark.parametrize("status", [200, 500])
async def test_a_bomb_through_a_lent_client(status: int) -> None:
    with traced() as peak:
        error, asked = await failing(VERBS["text"], exploding("gzip", status=status), "lent")
    expected = (ResponseTooLargeError, 1) if status == 200 else (ServerError, 3)
    assert (type(error), asked) == expected
    assert peak.mib < 64


async def test_a_bomb_of_sound() -> None:
    with traced() as peak:
        error, asked = await failing(VERBS["stream_speech"], exploding("gzip", "audio/mpeg"))
    assert isinstance(error, ResponseTooLargeError)
    assert asked == 1
    assert peak.mib < 3 * 32 + 8, "what was delivered is in the partial answer too"


async def test_a_bomb_behind_an_address() -> None:
    downloader = Downloader(MediaPolicy(allow_hosts=frozenset({"127.0.0.1"})))
    async with LoopbackServer() as server:
        server.on("GET", "/a.png", exploding("gzip", "image/png"))
        with traced() as peak, pytest.raises(ResponseTooLargeError) as caught:
            await downloader.fetch(URL(f"{server.url}/a.png"))
    assert caught.value.status == 200
    assert peak.mib < 64


async def test_a_bomb_of_comments_and_one_of_events() -> None:
    """What says nothing unfolds just as well."""
    for filling in (b": nothing\n\n", b"data: {}\n\n      "):
        body = bomb(BOMB_MIB, filling=filling, start=b": begin\n\n")
        handler = answer_bytes(body, "text/event-stream", headers={"content-encoding": "gzip"})
        error, asked = await failing(STREAMS["stream_text"], handler)
        assert isinstance(error, ResponseTooLargeError)
        assert (asked, error.status, error.partial) == (1, 200, None)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _release() -> None:
    """Nothing to let go."""


def answer_of(data: bytes, **headers: str) -> StreamAnswer:
    raw = RawAnswer(200, (), _once(data), _release)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return StreamAnswer(raw, named, None, (OSError,), lambda _: GenSDKError("x"), {})


async def test_others_have_their_turn_while_a_body_unfolds() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    with pytest.raises(ResponseTooLargeError):
        await answer_of(BOMBS["gzip"], content_encoding="gzip").read(2**40)
    counter.cancel()
    assert turns >= 32


async def test_others_have_their_turn_while_events_pour_in() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    told = [event async for event in server_sent_events(_once(b"data: x\n\n" * 50_000))]
    counter.cancel()
    assert len(told) == 50_000
    assert turns >= 40


async def test_honest_bodies_may_unfold() -> None:
    """A hundredfold is believed, and anything is while it is small."""
    zeros = bytes(20 * MIB)
    small = b"".join(packed(iter([zeros])))
    read = await answer_of(small, content_encoding="gzip").chunks().__anext__()
    assert read
    line = random.Random(0).randbytes(20_000) + bytes(MIB - 20_000)
    tame = b"".join(packed(iter([line] * 40)))
    assert 40 * MIB / len(tame) < 100
    got = 0
    with pytest.raises(GenSDKError, match="cut off"):  # `packed` leaves its end open
        async for piece in answer_of(tame, content_encoding="gzip").chunks():
            got += len(piece)
    assert got == 40 * MIB


# ----------------------------------------------------------------------------------- without end
class Endless:
    """Sends a head, then the same MiB again and again until the client has gone."""

    def __init__(
        self, declared: str, piece: bytes = b" " * MIB, status: int = 200, **headers: str
    ) -> None:
        self.sent_mib = 0
        self._status = status
        self._piece = piece
        self._headers = {"content-type": declared, **headers}

    async def __call__(self, _: RecordedRequest, reply: Reply) -> None:
        await reply.start(self._status, self._headers)
        while True:
            await reply.chunk(self._piece)
            self.sent_mib += 1


@pytest.mark.parametrize("verb", ["text", "transcribe", "moderate"])
async def test_a_body_without_end_is_cut_off_at_its_cap(verb: str) -> None:
    endless = Endless("application/json")
    with traced() as peak:
        error, asked = await failing(VERBS[verb], endless)
    assert isinstance(error, ResponseTooLargeError)
    assert (asked, error.billed) == (1, "maybe")
    assert 32 <= endless.sent_mib < 40, "the server was told by its connection"
    assert peak.mib < 64
    assert peak.kept_mib < 4


@pytest.mark.parametrize("account", ["openai", "lent"])
async def test_a_failure_without_end_is_cut_off(account: str) -> None:
    """64 KiB are kept, and nothing is waited for: what was sent is what sockets hold."""
    endless = Endless("application/json", status=500)
    with traced() as peak:
        error, asked = await failing(VERBS["text"], endless, account, retry=ONCE)
    assert (type(error), error.status, asked) == (ServerError, 500, 1)
    assert endless.sent_mib < 16
    assert peak.mib < 16


async def test_a_story_without_end_is_cut_off() -> None:
    """256 MiB of events; what was said until then is on the error."""
    padding = b": " + b"x" * (MIB - 10) + b"\n\n"
    endless = Endless("text/event-stream", padding)
    error, asked = await failing(STREAMS["stream_text"], endless)
    assert isinstance(error, ResponseTooLargeError)
    assert asked == 1
    assert 256 <= endless.sent_mib < 264


@pytest.mark.parametrize("verb", ["stream_text", "stream_speech"])
async def test_an_event_without_end_is_cut_off(verb: str) -> None:
    endless = Endless("text/event-stream", b"x" * MIB)
    with traced() as peak:
        error, asked = await failing(STREAMS[verb], endless)
    assert isinstance(error, ResponseTooLargeError)
    assert (asked, error.partial) == (1, None)
    assert endless.sent_mib < 16
    assert peak.mib < 32


@pytest.mark.parametrize("verb", PLAIN)
async def test_a_length_beyond_the_cap_is_not_waited_for(verb: str) -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        headers = {"content-type": "application/json", "content-length": str(10**12)}
        await reply.start(200, headers)
        await asyncio.get_running_loop().create_future()

    error, asked = await failing(VERBS[verb], handler)
    assert isinstance(error, ResponseTooLargeError)
    assert (asked, error.billed) == (1, "maybe")
