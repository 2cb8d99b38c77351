"""Streams closed by another task than their reader's, and streams that nobody closed."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from gensdk import Limit, Timeouts
from gensdk._alarms import Alarm
from gensdk.errors import (
    ConfigurationError,
    GenSDKError,
    ServerError,
    StreamInterruptedError,
)
from gensdk.testing import Pause, say
from gensdk.types import Finished, TextDelta
from tests.support.scripts import client_of, nothing_left, partial_of, scripted, until


@pytest.mark.parametrize("way", ["text", "read", "left", "broken", "cancelled"])
async def test_what_is_over_leaves_no_clock_running(way: str) -> None:
    before = clocks_running()
    end: Any = ServerError("broken") if way == "broken" else Pause()
    script: Any = "fine" if way == "text" else [TextDelta(text="a"), "b" if way == "read" else end]
    client = client_of(scripted(script))

    async def work() -> None:
        if way == "text":
            await client.text("x")
            return
        async with client.stream_text("x") as stream:
            await anext(stream)
            if way != "left":
                await stream.result()

    task = asyncio.create_task(work())
    if way == "cancelled":
        await end.reached()
        assert clocks_running() > before
        task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() == (way == "cancelled")
    assert clocks_running() == before


def clocks_running() -> int:
    gc.collect()
    return sum(type(thing) is Alarm and thing.call is not None for thing in gc.get_objects())


async def test_closing_ends_the_wait_of_another_task() -> None:
    pause = Pause()
    backend = scripted([TextDelta(text="a"), pause])
    facts: list[Any] = []
    stream = client_of(backend, hooks=[facts.append]).stream_text("x")
    async with stream:
        reading = asyncio.create_task(stream.result())
        await pause.reached()
    assert backend.closed == 1, "before the block was left"
    assert facts[-1].error == "cancelled"
    with pytest.raises(StreamInterruptedError, match="closed before its end") as caught:
        await reading
    error = caught.value
    assert partial_of(error).text == "a"
    assert (error.provider, error.billed) == ("a", "maybe")
    assert [one.outcome for one in error.attempts] == ["cancelled"]
    assert reading.cancelling() == 0
    nothing_left()


async def test_a_reader_that_is_cancelled_as_well_stays_cancelled() -> None:
    pause = Pause()
    stream = client_of(scripted([TextDelta(text="a"), pause])).stream_text("x")
    async with stream:
        reading = asyncio.create_task(stream.result())
        await pause.reached()
        reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    nothing_left()


async def test_a_backend_that_ends_in_spite_of_the_closing() -> None:
    """Its last event came too late: the stream is closed all the same."""

    class Stubborn:
        def __aiter__(self) -> Stubborn:
            return self

        async def __anext__(self) -> Any:
            if not started:
                started.append(1)
                return TextDelta(text="a")
            try:
                await pause.wait()
            except asyncio.CancelledError:
                return Finished(response=say("a"))

    started: list[int] = []
    pause = Pause()
    backend: Any = scripted()
    backend.stream_text = lambda _request, _context: Stubborn()
    stream = client_of(backend).stream_text("x")
    async with stream:
        reading = asyncio.create_task(stream.result())
        await pause.reached()
    with pytest.raises(StreamInterruptedError):
        await reading
    assert reading.cancelling() == 0


async def test_two_that_close_both_wait_for_the_end() -> None:
    pause, slow = Pause(), asyncio.Event()

    async def events() -> Any:
        try:
            yield TextDelta(text="a")
            await pause.wait()
        finally:
            await slow.wait()

    backend: Any = scripted()
    backend.stream_text = lambda _request, _context: events()
    stream = client_of(backend).stream_text("x")
    await stream.__aenter__()
    closing = [asyncio.create_task(stream.__aexit__(None, None, None)) for _ in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert [task.done() for task in closing] == [False, False]
    slow.set()
    await asyncio.gather(*closing)
    nothing_left()


async def test_two_tasks_cannot_read_one_stream() -> None:
    """The second one is told so; the first goes on undisturbed."""
    pause = Pause()
    async with client_of(scripted([TextDelta(text="a"), pause, "b"])).stream_text("x") as stream:
        reading = asyncio.create_task(stream.result())
        await pause.reached()
        with pytest.raises(ConfigurationError, match="two tasks read this stream"):
            await anext(stream)
        pause.go_on()
        assert (await reading).text == "b"
        assert (await stream.result()).text == "b"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_stream_that_is_lost_gives_its_place_back(elsewhere: bool) -> None:
    backend = scripted([TextDelta(text="a"), Pause()], "fine")
    facts: list[Any] = []
    threads: set[int] = set()
    hooks = [facts.append, lambda _: threads.add(threading.get_ident())]
    client = client_of(backend, hooks=hooks, limit=Limit(concurrency=1))

    async def lose() -> None:
        stream = client.stream_text("x")
        await stream.__aenter__()
        await anext(stream)

    gc.disable()
    try:
        await lose()
        if elsewhere:
            thread = threading.Thread(target=gc.collect)
            thread.start()
            thread.join()
        gc.collect()
    finally:
        gc.enable()
    await until(lambda: facts[-1].error == "cancelled" if hasattr(facts[-1], "error") else False)
    assert [one.outcome for one in facts[-1].attempts] == ["cancelled"]
    assert threads == {threading.get_ident()}, "told on the loop, wherever it was collected"
    assert (await client.text("x", timeouts=Timeouts(queue=1))).text == "fine"
    await until(lambda: backend.closed)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_stream_that_outlives_its_loop() -> None:
    client = client_of(scripted([TextDelta(text="a"), Pause()]))
    stream = client.stream_text("x")
    asyncio.run(stream.__aenter__())
    del stream
    gc.collect()


@pytest.mark.parametrize("failing", [True, False])
async def test_an_iterator_of_any_kind_is_closed_where_no_output_came(failing: bool) -> None:
    """An async generator is over once it has raised; another iterator may still hold something."""

    class Events:
        def __aiter__(self) -> Events:
            return self

        async def __anext__(self) -> Any:
            if failing:
                raise ServerError("broken", status=400)
            raise StopAsyncIteration

        async def aclose(self) -> None:
            closed.append(self)

    closed: list[Events] = []
    opened: list[Events] = []

    def open_stream(_request: Any, _context: Any) -> Events:
        opened.append(Events())
        return opened[-1]

    backend: Any = scripted()
    backend.stream_text = open_stream
    with pytest.raises(GenSDKError):
        async with client_of(backend).stream_text("x"):
            pass
    assert opened
    assert closed == opened
