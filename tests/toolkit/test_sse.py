"""Server-sent events: one stream, any cutting, the same events."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gensdk.errors import ResponseTooLargeError
from gensdk.toolkit import SSEEvent, server_sent_events, sse
from gensdk.toolkit.sse import MAX_EVENT_BYTES


async def events_of(chunks: Sequence[bytes], limit: int = 2**20) -> list[SSEEvent]:
    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [event async for event in server_sent_events(source(), max_event_bytes=limit)]


def reference(stream: bytes) -> list[SSEEvent]:
    """The standard's algorithm, line by line, over the whole stream."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[SSEEvent] = []
    data: list[bytes] = []
    name = b""
    *lines, _unfinished = text.split(b"\n")
    for line in lines:
        if not line:
            if data:
                events.append(SSEEvent(b"\n".join(data), name.decode("utf-8", "replace")))
            data, name = [], b""
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events


async def test_an_error_keeps_nothing_of_what_had_come() -> None:
    """Its traceback leads to the iterator, which may hold megabytes of an unfinished event."""

    async def breaks() -> AsyncIterator[bytes]:
        yield b"data: a\n\ndata: half of"
        raise OSError("cut")

    events: Any = server_sent_events(breaks())
    assert await anext(events) == SSEEvent(b"a")
    assert events._splitter._rest
    with pytest.raises(OSError, match="cut"):
        await anext(events)
    assert not events._splitter._rest


async def test_line_ends_that_are_cut_in_two() -> None:
    chunks = [b"data: a\r", b"\ndata: b\r\n\r", b"\ndata: c\r", b"\r", b"data: d\r\n\r\n"]
    assert await events_of(chunks) == [SSEEvent(b"a\nb"), SSEEvent(b"c"), SSEEvent(b"d")]


async def test_a_byte_order_mark_is_none_where_a_later_chunk_begins() -> None:
    mark = b"\xef\xbb\xbf"
    assert await events_of([mark + b"data: a\n\n", mark + b"data: b\n\n"]) == [SSEEvent(b"a")]
    assert await events_of([mark[:2], mark[2:] + b"data: a\n\n"]) == [SSEEvent(b"a")]


@pytest.mark.parametrize(("events", "turns"), [(3, 0), (4, 1), (7, 1), (8, 2)])
async def test_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch, events: int, turns: int
) -> None:
    assert sse._TURN == 1024
    monkeypatch.setattr(sse, "_TURN", 4)
    had: list[float] = []

    async def turn(seconds: float) -> None:
        had.append(seconds)

    monkeypatch.setattr("asyncio.sleep", turn)
    assert len(await events_of([b"data: x\n\n" * events])) == events
    assert had == [0.0] * turns


@pytest.mark.parametrize("before", [b"", b"data: x\n\n"])
@pytest.mark.parametrize("ends", [b"", b"\n\n"])
@pytest.mark.parametrize("cut", [1, 4, 11, 12])
async def test_the_cap_of_an_event_is_exact(before: bytes, ends: bytes, cut: int) -> None:
    event = b"data: abcdef"  # twelve bytes
    told = await events_of([before + event[:cut], event[cut:] + ends], limit=12)
    assert len(told) == bool(ends) + bool(before)
    with pytest.raises(ResponseTooLargeError, match="more than 11 bytes"):
        await events_of([before + event[:cut], event[cut:] + ends], limit=11)
    assert MAX_EVENT_BYTES == 8 * 2**20


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [SSEEvent(b"a")]),
        (b"data:a\n\n", [SSEEvent(b"a")]),
        (b"data:  a \n\n", [SSEEvent(b" a ")]),
        (b"data\n\n", [SSEEvent(b"")]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\r\n", [SSEEvent(x) for x in (b"a", b"b", b"c")]),
        (b"\xef\xbb\xbfdata: a\n\n", [SSEEvent(b"a")]),
        (b"data: a\n\xef\xbb\xbfdata: b\n\n", [SSEEvent(b"a")]),
        (b": comment\n\n:\n\ndata: a\n: inside\n\n", [SSEEvent(b"a")]),
        (b"id: 1\nretry: 5\n\n", []),
        (b"event: x\n\n", []),
        (b"event: x\ndata: a\n\ndata: b\n\n", [SSEEvent(b"a", "x"), SSEEvent(b"b")]),
        (b"data: a\nevent: x\ndata: b\nevent:y\n\n", [SSEEvent(b"a\nb", "y")]),
        (b"data: a\ndata\ndata: b\n\n", [SSEEvent(b"a\n\nb")]),
        (b"Data: a\nunknown: b\nnonsense\n\n", []),
        (b"data: a", []),
        (b"data: a\n", []),
        (b"data: a\n\ndata: b", [SSEEvent(b"a")]),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [SSEEvent(b"a"), SSEEvent(b"b")]),
        (b"event: \xff\ndata: \xff\n\n", [SSEEvent(b"\xff", "\ufffd")]),
        (b"", []),
        (b"\xef\xbb", []),
    ],
)
async def test_the_grammar(stream: bytes, expected: list[SSEEvent]) -> None:
    assert await events_of([stream]) == expected
    assert await events_of([bytes([byte]) for byte in stream]) == expected


lines = st.sampled_from(
    [
        b"data: x",
        b"data:",
        b"data",
        b": c",
        b"event: e",
        b"event",
        b"id: 1",
        b"",
        b"",
        b"\xef\xbb\xbf",
    ]
) | st.binary(max_size=6)
streams = st.lists(
    st.tuples(lines, st.sampled_from([b"\n", b"\n", b"\r", b"\r\n"])), max_size=25
).map(lambda pairs: b"".join(line + end for line, end in pairs))


@given(stream=streams, cuts=st.lists(st.integers(0, 200), max_size=20))
@example(stream=b"data: a\r\n\r\n", cuts=[8, 9, 10])
@example(stream=b"\xef\xbb\xbfdata: a\n\n", cuts=[1, 2])
async def test_any_cutting_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    chunks = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert await events_of(chunks) == reference(stream)
    assert await events_of([b"", *chunks, b""]) == reference(stream)


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 100 + b"\n\n"],
        [b"data: ok\n\ndata: " + b"x" * 100 + b"\n\n"],
        [b"data: "] + [b"x"] * 200,
        [b"data: x\n"] * 50,
        [b":" + b"x" * 100],
    ],
)
async def test_an_event_over_the_cap_ends_the_stream(chunks: list[bytes]) -> None:
    with pytest.raises(ResponseTooLargeError, match="50 bytes"):
        await events_of(chunks, limit=50)


async def test_the_cap_is_for_one_event_not_for_the_stream() -> None:
    assert len(await events_of([b"data: " + b"x" * 40 + b"\n\n"] * 100, limit=50)) == 100


async def test_leaving_early_leaves_the_source_where_it_is() -> None:
    taken = []

    async def source() -> AsyncIterator[bytes]:
        for n in range(3):
            taken.append(n)
            yield b"data: %d\n\ndata: more\n\n" % n

    chunks = source()
    async for event in server_sent_events(chunks):
        assert event.data == b"0"
        break
    assert taken == [0]
    assert await anext(chunks) == b"data: 1\n\ndata: more\n\n"


@pytest.mark.parametrize("end", [b"", b"\n\n"])
async def test_events_before_one_that_is_too_large_are_given(end: bytes) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"data: one\n\ndata: two\n\ndata: " + b"x" * 99 + end
        pytest.fail("it asked for more")

    given = []
    with pytest.raises(ResponseTooLargeError):
        async for event in server_sent_events(source(), max_event_bytes=50):
            given.append(event.data)  # noqa: PERF401  # what came before the error counts
    assert given == [b"one", b"two"]
