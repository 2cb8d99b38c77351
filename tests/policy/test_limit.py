"""Limits: places that are always given back, a window of a minute, and waiting with an end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import gensdk
from gensdk import Limit, Timeouts
from gensdk.errors import ConfigurationError, ServerError, TimedOutError
from gensdk.policy.limit import _Gate
from gensdk.testing import Pause, ScriptedBackend, Step
from gensdk.types import TextDelta
from tests.support.scripts import ONCE, client_of, nothing_left, scripted, until

TINY = 0.02
ONE = Limit(concurrency=1)


class Busy:
    """Counts how many answers are under way at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def backend(self, count: int) -> ScriptedBackend:
        return _Counting(self, *["fine"] * count)


class _Counting(ScriptedBackend):
    def __init__(self, busy: Busy, *steps: Step) -> None:
        super().__init__(*steps, name="a")
        self.busy = busy

    async def text(self, request: Any, context: Any) -> Any:
        self.busy.now += 1
        self.busy.most = max(self.busy.most, self.busy.now)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.busy.now -= 1
        return await super().text(request, context)


@pytest.mark.parametrize("limit", [Limit(concurrency=3), {"a": Limit(concurrency=3)}])
async def test_so_many_at_once(limit: Any) -> None:
    busy = Busy()
    client = client_of(busy.backend(20), limit=limit)
    await asyncio.gather(*(client.text("x") for _ in range(20)))
    assert busy.most == 3
    nothing_left()


async def test_another_provider_has_no_limit() -> None:
    busy = Busy()
    client = client_of(busy.backend(9), limit={"b": ONE})
    await asyncio.gather(*(client.text("x") for _ in range(9)))
    assert busy.most == 9


async def test_copies_of_a_client_share_the_places() -> None:
    busy = Busy()
    client = client_of(busy.backend(4), limit=ONE)
    other = client.with_options(unsupported="drop")
    await asyncio.gather(*(one.text("x") for one in (client, other) for _ in range(2)))
    assert busy.most == 1


async def test_waiting_too_long_is_a_typed_error_and_is_not_tried_again() -> None:
    pause = Pause()
    backend = scripted([pause, "fine"])
    client = client_of(backend, limit=ONE)
    first = asyncio.create_task(client.text("x"))
    await pause.reached()
    with pytest.raises(TimedOutError, match="no free place for a:m") as caught:
        await client.text("x", timeouts=Timeouts(queue=TINY))
    error = caught.value
    assert (error.phase, error.billed, error.provider, error.model) == ("queue", "no", "a", "m")
    assert [(one.outcome, one.error) for one in error.attempts] == [("skipped", "timeout")]
    assert len(backend.asked) == 1
    pause.go_on()
    assert (await first).text == "fine"


async def test_a_route_goes_where_there_is_a_place() -> None:
    pause = Pause()
    client = client_of(scripted([pause, "late"]), scripted("b", name="b"), limit={"a": ONE})
    first = asyncio.create_task(client.text("x"))
    await pause.reached()
    reply = await client.text("x", model=["a:m", "b:m"], timeouts=Timeouts(queue=TINY))
    assert reply.provider == "b"
    assert [one.outcome for one in reply.attempts] == ["skipped", "ok"]
    pause.go_on()
    assert (await first).text == "late"


async def test_the_total_strikes_in_the_queue_too() -> None:
    pause = Pause()
    client = client_of(scripted([pause, "fine"]), limit=ONE)
    first = asyncio.create_task(client.text("x"))
    await pause.reached()
    with pytest.raises(TimedOutError) as caught:
        await client.text("x", timeouts=TINY)
    assert (caught.value.phase, caught.value.billed) == ("total", "no")
    pause.go_on()
    await first


@pytest.mark.parametrize("limit", [ONE, Limit(concurrency=1, requests_per_minute=1000)])
async def test_cancelled_in_the_queue_gives_the_place_back(limit: Limit) -> None:
    pause = Pause()
    client = client_of(scripted([pause, "one"], "two", "three"), limit=limit)
    first = asyncio.create_task(client.text("x"))
    await pause.reached()
    waiting = [asyncio.create_task(client.text("x")) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting[:2]:
        task.cancel()
    pause.go_on()
    assert (await first).text == "one"
    assert (await waiting[2]).text == "two"
    assert (await client.text("x")).text == "three"
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    nothing_left()


async def test_a_failed_attempt_and_a_wait_hold_no_place() -> None:
    pause = Pause()
    backend = scripted(ServerError("x"), [pause, "other"], "again")
    client = client_of(backend, limit=ONE, retry=gensdk.Retry(base_s=0.001))
    reply, other = await asyncio.gather(
        client.text("x"), _go_on_when_reached(client.text("y", retry=ONCE), pause)
    )
    assert {reply.text, other.text} == {"again", "other"}


async def _go_on_when_reached(work: Any, pause: Pause) -> Any:
    task = asyncio.ensure_future(work)
    await pause.reached()
    pause.go_on()
    return await task


@pytest.mark.parametrize("how", ["finish", "leave", "break"])
async def test_a_stream_holds_its_place_until_it_ends(how: str) -> None:
    steps: dict[str, list[object]] = {
        "finish": [TextDelta(text="a"), "b"],
        "leave": [TextDelta(text="a"), "b"],
        "break": [TextDelta(text="a"), ServerError("x")],
    }
    backend = scripted(steps[how], "next")
    client = client_of(backend, limit=ONE)
    async with client.stream_text("x") as stream:
        await anext(stream)
        following = asyncio.create_task(client.text("y"))
        await asyncio.sleep(0)
        assert len(backend.asked) == 1
        if how == "finish":
            await stream.result()
        if how == "break":
            with pytest.raises(ServerError):
                await stream.result()
    assert (await following).text == "next"
    nothing_left()


async def test_a_stream_that_never_opened_gives_the_place_back() -> None:
    client = client_of(scripted([ServerError("x")], "next"), limit=ONE, retry=ONCE)
    with pytest.raises(ServerError):
        async with client.stream_text("x"):
            pytest.fail("it never opened")
    assert (await client.text("y")).text == "next"


# ------------------------------------------------------------------------------------ the window
class Clock:
    """A loop clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        real = asyncio.sleep

        async def sleep(seconds: float) -> None:
            self.now += seconds
            await real(0)

        monkeypatch.setattr("gensdk.policy.limit.asyncio.sleep", sleep)


class Caller:
    """The part of a call that a gate looks at."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def clock(self) -> float:
        return self._clock.now


async def test_so_many_in_any_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    gate = _Gate(Limit(requests_per_minute=3))
    caller: Any = Caller(clock)
    begun = []
    for _ in range(10):
        await gate._window(caller)
        begun.append(clock.now)
        clock.now += 1
    for index in range(len(begun) - 3):
        assert begun[index + 3] - begun[index] >= 60
    assert begun[3] == 1060.0, "no later than needed"


async def test_cancelled_while_the_window_is_full() -> None:
    limit = Limit(concurrency=1, requests_per_minute=1)
    client = client_of(scripted("one", "two"), limit=limit)
    await client.text("x")
    waiting = asyncio.create_task(client.text("x"))
    behind = asyncio.create_task(client.text("x", timeouts=Timeouts(queue=TINY)))
    with pytest.raises(TimedOutError, match="no free place"):
        await behind
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(TimedOutError, match="no free place"):
        await client.text("x", timeouts=Timeouts(queue=TINY))
    nothing_left()


async def test_each_loop_has_its_own_places() -> None:
    busy = Busy()
    client = client_of(busy.backend(4), limit=ONE)
    await client.text("x")

    def elsewhere() -> None:
        async def both() -> None:
            await asyncio.gather(client.text("x"), client.text("x"))

        asyncio.run(both())

    await asyncio.to_thread(elsewhere)
    await client.text("x")
    assert busy.most == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Limit(concurrency=0),
        lambda: Limit(requests_per_minute=0),
        lambda: Limit(concurrency=1.5),  # type: ignore[arg-type]
        lambda: gensdk.Client(limit=5),  # type: ignore[arg-type]
        lambda: gensdk.Client(limit={"a": 5}),  # type: ignore[dict-item]
    ],
)
def test_limits_that_make_no_sense(make: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()


async def test_an_empty_limit_limits_nothing() -> None:
    busy = Busy()
    client = client_of(busy.backend(5), limit=Limit())
    await asyncio.gather(*(client.text("x") for _ in range(5)))
    assert busy.most == 5
    await until(lambda: busy.now == 0)
