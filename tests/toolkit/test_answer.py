"""Answers piece by piece, at the exact byte where a cap strikes."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from gensdk.errors import (
    ClientClosedError,
    ConnectionFailedError,
    GenSDKError,
    InvalidResponseError,
    ResponseTooLargeError,
)
from gensdk.toolkit import answer as room
from gensdk.toolkit.answer import MAX_ERROR_BYTES, Answer, StreamAnswer, whole
from gensdk.toolkit.transport import RawAnswer

FACTS = {"provider": "a", "model": "m", "status": 200, "request_id": "r"}


class Body:
    """Pieces as they come over the wire; counts what was taken. An exception in it is raised."""

    def __init__(self, *pieces: Any) -> None:
        self.taken = 0
        self._pieces = iter(pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = next(self._pieces, None)
        if piece is None:
            raise StopAsyncIteration
        if isinstance(piece, BaseException):
            raise piece
        if isinstance(piece, asyncio.Event):
            await piece.wait()
            return b""
        self.taken += 1
        return bytes(piece)


async def _let_go() -> None:
    """Nothing to close."""


def arriving(
    *pieces: Any, status: int = 200, cap: int | None = None, **headers: str
) -> StreamAnswer:
    body = pieces[0] if pieces and isinstance(pieces[0], Body) else Body(*pieces)
    raw = RawAnswer(status, (), body, _let_go)
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def mapped(error: Exception) -> GenSDKError:
        return ConnectionFailedError(f"broke: {error}", billed="maybe")

    return StreamAnswer(raw, named, cap, (OSError,), mapped, dict(FACTS))


async def all_of(answer: StreamAnswer) -> bytes:
    return b"".join([piece async for piece in answer.chunks()])


def same_facts(error: GenSDKError) -> None:
    told = (error.provider, error.model, error.status, error.request_id)
    assert told == ("a", "m", 200, "r")


async def test_the_cap_is_allowed_and_one_byte_more_is_not() -> None:
    assert await all_of(arriving(b"ab", b"cd", cap=4)) == b"abcd"
    with pytest.raises(ResponseTooLargeError, match="larger than allowed;") as caught:
        await all_of(arriving(b"ab", b"cde", cap=4))
    same_facts(caught.value)
    assert await arriving(b"ab", b"cd").read(4) == b"abcd"
    assert await arriving(b"abcd").read(4) == b"abcd"
    assert await arriving().read(4) == b""
    with pytest.raises(ResponseTooLargeError, match="larger than 4 bytes") as caught:
        await arriving(b"ab", b"cde").read(4)
    same_facts(caught.value)


@pytest.mark.parametrize(
    ("length", "fits"), [("4", True), ("5", False), ("x", True), ("\u0665", True), ("", True)]
)
async def test_a_declared_length_is_believed_at_once(length: str, fits: bool) -> None:
    body = Body(b"ab")
    answer = arriving(body, content_length=length)
    if fits:
        assert await answer.read(4) == b"ab"
    else:
        with pytest.raises(ResponseTooLargeError):
            await answer.read(4)
        assert body.taken == 0


async def test_a_declared_length_of_something_packed_says_nothing() -> None:
    packed = zlib.compress(b"abcd")
    answer = arriving(packed, content_length="99", content_encoding="deflate")
    assert await answer.read(4) == b"abcd"


@pytest.mark.parametrize("status", [400, 500])
async def test_a_failure_is_cut_at_its_limit(status: int) -> None:
    body = Body(b"ab", b"cde", b"never")
    assert await arriving(body, status=status, content_length="99").read(4) == b"abcd"
    assert body.taken == 2
    exact = Body(b"ab", b"cd", b"e", b"never")
    assert await arriving(exact, status=status).read(4) == b"abcd"
    assert exact.taken == 3


@pytest.mark.parametrize("damage", [OSError("cut"), b"no gzip at all"])
async def test_a_failure_keeps_what_came_before_it_broke(damage: Any) -> None:
    coding: dict[str, Any] = {} if isinstance(damage, OSError) else {"content_encoding": "gzip"}
    got = await arriving(b"ab" if not coding else b"", damage, status=500, **coding).read(99)
    assert got == (b"" if coding else b"ab")


async def test_a_failure_in_a_strange_coding_is_not_read() -> None:
    body = Body(b"ab")
    assert await arriving(body, status=400, content_encoding="br").read(99) == b""
    assert body.taken == 0
    with pytest.raises(InvalidResponseError, match="not asked for") as caught:
        arriving(b"ab", status=399, content_encoding="br")
    same_facts(caught.value)


async def test_a_failure_that_falls_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert room.FAILURE_BODY_S == 5
    monkeypatch.setattr(room, "FAILURE_BODY_S", 0.01)
    assert await arriving(b"ab", asyncio.Event(), status=503).read(99) == b"ab"


async def test_a_success_that_breaks_is_told() -> None:
    with pytest.raises(ConnectionFailedError, match="broke: cut"):
        await arriving(b"ab", OSError("cut")).read(99)
    with pytest.raises(ConnectionFailedError, match="broke: cut"):
        await all_of(arriving(b"ab", OSError("cut")))
    with pytest.raises(ZeroDivisionError):
        await arriving(ZeroDivisionError()).read(9)


async def test_damaged_and_unfinished_codings_are_told_with_their_facts() -> None:
    for pieces in ([b"no gzip at all"], [zlib.compress(b"abcd")[:-2]]):
        with pytest.raises(InvalidResponseError) as caught:
            await arriving(*pieces, content_encoding="deflate").read(99)
        same_facts(caught.value)


# ----------------------------------------------------------------------------------------- bombs
def zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


def sized(monkeypatch: pytest.MonkeyPatch, **sizes: int) -> None:
    for name, size in sizes.items():
        monkeypatch.setattr(room, name, size)


def test_the_sizes_of_a_bomb() -> None:
    assert room._LARGE == 32 * 2**20
    assert (room._LARGE_STREAM, room._MAX_UNFOLDING, room._TURN) == (2 * 2**20, 100, 2**18)
    assert MAX_ERROR_BYTES == 64 * 2**10


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_small_body_may_unfold_to_any_degree(
    monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    """Exactly as much as is small; a byte more is a bomb. A stream has a bound of its own."""
    sized(monkeypatch, **{"_LARGE_STREAM" if streamed else "_LARGE": 50_000})
    sized(monkeypatch, **{"_LARGE" if streamed else "_LARGE_STREAM": 10**9})
    for count, fits in ((50_000, True), (50_001, False)):
        answer = arriving(zeros(count), content_encoding="deflate")
        reading = all_of(answer) if streamed else answer.read(10**9)
        if fits:
            assert len(await reading) == count
        else:
            with pytest.raises(ResponseTooLargeError) as caught:
                await reading
            same_facts(caught.value)


@pytest.mark.parametrize("spare", [0, 1])
async def test_a_large_body_may_unfold_a_hundredfold(
    monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    packed = zeros(50_000)
    sized(monkeypatch, _LARGE=0, _MAX_UNFOLDING=-(-50_000 // len(packed)) - spare)
    answer = arriving(packed, content_encoding="deflate")
    if spare:
        with pytest.raises(ResponseTooLargeError):
            await answer.read(10**9)
    else:
        assert len(await answer.read(10**9)) == 50_000


@pytest.mark.parametrize(("pieces", "turns"), [(4, 2), (5, 2), (6, 3), (1, 0)])
async def test_others_have_a_turn_each_so_many_bytes(
    monkeypatch: pytest.MonkeyPatch, pieces: int, turns: int
) -> None:
    """Each piece is half a turn."""
    sized(monkeypatch, _TURN=2000)
    had = 0

    async def count(_: float) -> None:
        nonlocal had
        had += 1

    monkeypatch.setattr(asyncio, "sleep", count)
    engine = zlib.compressobj()
    parts = [engine.compress(bytes(1000)) + engine.flush(zlib.Z_SYNC_FLUSH) for _ in range(pieces)]
    got = await arriving(*parts, engine.flush(), content_encoding="deflate").read(10**9)
    assert (len(got), had) == (1000 * pieces, turns)


# ---------------------------------------------------------------------------- whole, drained
class Opened(AbstractAsyncContextManager[StreamAnswer]):
    """An exchange with one answer."""

    def __init__(self, answer: StreamAnswer) -> None:
        self._answer = answer
        self.left = False

    async def __aenter__(self) -> StreamAnswer:
        return self._answer

    async def __aexit__(self, *_: object) -> None:
        self.left = True


async def test_whole_answers() -> None:
    opened = Opened(arriving(b"ab", b"c", x_a="1"))
    assert await whole(opened, 3) == Answer(200, {"x-a": "1"}, b"abc")
    assert opened.left
    long = bytes(MAX_ERROR_BYTES + 1)
    assert len((await whole(Opened(arriving(long, status=500)), 10**9)).body) == MAX_ERROR_BYTES
    assert (await whole(Opened(arriving(b"abc", status=400)), 2)).body == b"ab"
    with pytest.raises(ResponseTooLargeError):
        await whole(Opened(arriving(b"abc", status=399)), 2)
    assert "abc" not in repr(Answer(200, {}, b"abc"))


async def test_draining_reads_the_little_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Body(b"ab", b"c", b"d")
    answer = arriving(body)
    assert await anext(answer.chunks()) == b"ab"
    await answer.drain()
    assert body.taken == 3
    assert room._DRAIN_S == 0.25
    monkeypatch.setattr(room, "_DRAIN_S", 0.01)
    await arriving(asyncio.Event()).drain()
    await arriving(OSError("cut")).drain()
    await arriving(b"no", b"gzip", content_encoding="gzip").drain()
    with pytest.raises(ZeroDivisionError):
        await arriving(ZeroDivisionError()).drain()


async def test_an_answer_outlives_its_block_only_unread() -> None:
    raw = RawAnswer(200, (), Body(b"ab"), _let_go)
    answer = StreamAnswer(raw, {}, None, (OSError,), lambda _: GenSDKError("x"), {})
    await raw.aclose()
    with pytest.raises(ClientClosedError, match="outside its 'async with' block"):
        await answer.read(9)
    await answer.drain()


async def test_a_second_iteration_goes_on() -> None:
    answer = arriving(b"a", b"b")
    assert answer.chunks() is answer.__aiter__()
    assert [await anext(answer), await anext(answer.chunks())] == [b"a", b"b"]
    with pytest.raises(StopAsyncIteration):
        await anext(answer)
