"""Many moments behind one timer of the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from gensdk._alarms import FEW, Alarm


class HandLoop(asyncio.SelectorEventLoop):
    """A loop whose clock is turned by hand, and that counts the timers set on it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timers: list[float] = []

    def time(self) -> float:
        return self.now

    def call_at(  # type: ignore[override]
        self, when: float, *callback: Any, **more: Any
    ) -> asyncio.TimerHandle:
        self.timers.append(when)
        return super().call_at(when, *callback, **more)

    async def turn_to(self, now: float) -> None:
        self.now = now
        for _ in range(3):
            await asyncio.sleep(0)


def on_hand_loop(work: Callable[[HandLoop], Any]) -> None:
    loop = HandLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work(loop))


def alarms_alive() -> int:
    gc.collect()
    return sum(type(thing) is Alarm for thing in gc.get_objects())


def test_rings_in_order_each_at_its_moment() -> None:
    async def work(loop: HandLoop) -> None:
        rung: list[int] = []
        for moment in (5, 3, 9, 4, 7):
            Alarm(moment, partial(rung.append, moment))
        for now, expected in ((2.9, []), (3, [3]), (4.5, [3, 4]), (7, [3, 4, 5, 7])):
            await loop.turn_to(now)
            assert rung == expected
        await loop.turn_to(100)
        assert rung == [3, 4, 5, 7, 9]
        await loop.turn_to(200)
        assert rung == [3, 4, 5, 7, 9]

    on_hand_loop(work)


def test_equal_moments_ring_in_the_order_they_were_set() -> None:
    async def work(loop: HandLoop) -> None:
        rung: list[int] = []
        for number in range(20):
            Alarm(1.0, partial(rung.append, number))
        await loop.turn_to(1.0)
        assert rung == list(range(20))

    on_hand_loop(work)


def test_what_is_off_does_not_ring_and_holds_nothing() -> None:
    class Held:
        def ring(self) -> None:
            pytest.fail("it was switched off")

    async def work(loop: HandLoop) -> None:
        held = Held()
        there = weakref.ref(held)
        alarm = Alarm(1.0, held.ring)
        assert alarm.call is not None
        alarm.off()
        alarm.off()
        del held
        gc.collect()
        assert alarm.call is None
        assert there() is None
        await loop.turn_to(2.0)

    on_hand_loop(work)


def test_an_alarm_that_has_rung_may_be_switched_off() -> None:
    async def work(loop: HandLoop) -> None:
        rung: list[int] = []
        alarm = Alarm(1.0, lambda: rung.append(1))
        await loop.turn_to(1.0)
        alarm.off()
        Alarm(2.0, lambda: rung.append(2))
        await loop.turn_to(2.0)
        assert rung == [1, 2]

    on_hand_loop(work)


def test_one_that_fails_does_not_silence_the_others() -> None:
    def fail() -> None:
        raise ValueError("the ring failed")

    async def work(loop: HandLoop) -> None:
        told: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _loop, facts: told.append(facts))
        rung: list[int] = []
        Alarm(1.0, fail)
        Alarm(1.0, lambda: rung.append(1))
        Alarm(2.0, lambda: rung.append(2))
        await loop.turn_to(1.0)
        assert rung == [1]
        await loop.turn_to(2.0)
        assert rung == [1, 2]
        assert [str(facts["exception"]) for facts in told] == ["the ring failed"]

    on_hand_loop(work)


def test_a_ring_may_set_and_switch_off_others() -> None:
    async def work(loop: HandLoop) -> None:
        rung: list[str] = []
        later = Alarm(1.0, lambda: rung.append("switched off by the first"))

        def first() -> None:
            later.off()
            rung.append("first")
            Alarm(1.5, lambda: rung.append("set by the first"))

        Alarm(0.5, first)
        await loop.turn_to(1.0)
        assert rung == ["first"]
        await loop.turn_to(1.5)
        assert rung == ["first", "set by the first"]

    on_hand_loop(work)


def test_one_that_sets_itself_again_at_once_does_not_hold_up_the_loop() -> None:
    async def work(loop: HandLoop) -> None:
        rung: list[float] = []

        def again() -> None:
            rung.append(loop.time())
            Alarm(loop.time(), again)

        Alarm(1.0, again)
        Alarm(1.0, lambda: rung.append(-1.0))
        await loop.turn_to(1.0)
        assert 1 < len(rung) < 10
        assert rung[:2] == [1.0, -1.0]

    on_hand_loop(work)


def test_many_that_are_switched_off_cost_one_timer_and_little_memory() -> None:
    async def work(loop: HandLoop) -> None:
        rung: list[int] = []
        others = alarms_alive()
        Alarm(300.0, lambda: rung.append(300))
        for number in range(10 * FEW):
            Alarm(300.0 + number, lambda: pytest.fail("it was switched off")).off()
        assert alarms_alive() - others <= 2 * FEW
        assert loop.timers == [300.0]
        await loop.turn_to(10_000)
        assert rung == [300]
        assert alarms_alive() <= others

    on_hand_loop(work)


def test_most_of_what_is_kept_is_on() -> None:
    async def work(_loop: HandLoop) -> None:
        others = alarms_alive()

        def alive() -> int:
            return alarms_alive() - others

        few = [Alarm(300.0, lambda: None) for _ in range(FEW + 1)]
        while few:
            few.pop().off()
        assert alive() == 0, "the last one was one too many"
        for _ in range(FEW):
            Alarm(300.0, lambda: None).off()
        assert alive() == FEW, "so many may stay"
        many = [Alarm(300.0, lambda: None) for _ in range(10 * FEW)]
        for _ in range(9 * FEW):
            Alarm(300.0, lambda: None).off()
        assert alive() == 20 * FEW, "half and half"
        Alarm(300.0, lambda: None).off()
        assert alive() == 10 * FEW, "now they were the most"
        while many:
            many.pop().off()
        assert alive() <= FEW

    on_hand_loop(work)


def test_those_that_rang_do_not_hide_those_that_are_off() -> None:
    async def work(loop: HandLoop) -> None:
        others = alarms_alive()
        rung: list[int] = []
        for number in range(10 * FEW):
            Alarm(1.0, partial(rung.append, number))
        await loop.turn_to(1.0)
        assert rung == list(range(10 * FEW))
        for _ in range(10 * FEW):
            Alarm(300.0, lambda: None).off()
        assert alarms_alive() - others <= FEW

    on_hand_loop(work)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_after_a_sweep_rings_in_order(seed: int) -> None:
    rng = random.Random(seed)

    async def work(loop: HandLoop) -> None:
        rung: list[float] = []
        alarms = {
            moment: Alarm(moment, partial(rung.append, moment))
            for moment in (rng.uniform(1, 100) for _ in range(8 * FEW))
        }
        for moment in rng.sample(sorted(alarms), 6 * FEW):
            alarms.pop(moment).off()
        assert rung == []
        await loop.turn_to(50.0)
        await loop.turn_to(100.0)
        assert rung == sorted(alarms)

    on_hand_loop(work)


def test_short_ones_before_a_long_one_do_not_pile_up_timers() -> None:
    async def work(loop: HandLoop) -> None:
        rung: list[float] = []
        Alarm(1000.0, lambda: rung.append(1000.0))
        for number in range(1, 50):
            Alarm(float(number), partial(rung.append, number))
            await loop.turn_to(float(number))
        assert rung == list(range(1, 50))
        assert loop.timers == [1000.0, *map(float, range(1, 50))]
        await loop.turn_to(1000.0)
        assert rung[-1] == 1000.0

    on_hand_loop(work)


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_rings_as_asyncio_itself_would(seed: int) -> None:
    """Alarms set, switched off and rung at random, against a plain list of them."""
    rng = random.Random(seed)

    async def work(loop: HandLoop) -> None:
        rung: list[int] = []
        waiting: dict[int, tuple[float, Alarm]] = {}
        number = 0
        for _ in range(400):
            turn = rng.random()
            if turn < 0.5:
                number += 1
                when = loop.now + rng.choice((0.1, 1.0, 5.0, 100.0)) * rng.random()
                alarm = Alarm(when, partial(rung.append, number))
                waiting[number] = (when, alarm)
            elif turn < 0.85 and waiting:
                waiting.pop(rng.choice(list(waiting)))[1].off()
            else:
                rung.clear()
                await loop.turn_to(loop.now + rng.random())
                due = sorted((when, key) for key, (when, _) in waiting.items() if when <= loop.now)
                assert rung == [key for _, key in due]
                for _, key in due:
                    del waiting[key]

    on_hand_loop(work)


def test_each_loop_has_its_own() -> None:
    rung: list[str] = []

    async def work(word: str, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        Alarm(loop.time() + 3600, lambda: rung.append("never"))
        Alarm(loop.time() + 0.01, lambda: rung.append(word))
        await asyncio.sleep(wait_s)

    asyncio.run(work("first", 0.05))
    asyncio.run(work("second", 0.05))
    assert rung == ["first", "second"]


def test_a_loop_that_has_ended_is_not_kept() -> None:
    async def work() -> weakref.ref[Any]:
        loop = asyncio.get_running_loop()
        Alarm(loop.time() + 3600, lambda: None)
        return weakref.ref(loop)

    ended = asyncio.run(work())
    gc.collect()
    assert ended() is None


def test_a_loop_that_was_closed_at_work_is_not_kept() -> None:
    """An alarm that is on leads to a task, and that to its loop."""

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        here = asyncio.current_task()
        assert here is not None
        alarm = Alarm(loop.time() + 3600, here.cancel)
        try:
            await loop.create_future()
        finally:
            alarm.off()

    loop = asyncio.new_event_loop()
    task: Any = loop.create_task(wait())
    task._log_destroy_pending = False
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    closed, abandoned = weakref.ref(loop), weakref.ref(task)
    del loop, task
    gc.collect()
    assert (closed(), abandoned()) == (None, None)


def test_a_clock_that_ran_out_is_followed_by_another() -> None:
    async def work(loop: HandLoop) -> None:
        rung: list[int] = []
        for number in range(1, 4):
            Alarm(float(number), partial(rung.append, number))
            await loop.turn_to(float(number))
            gc.collect()
        assert rung == [1, 2, 3]

    on_hand_loop(work)


def test_the_context_of_a_call_is_not_kept() -> None:
    class Held:
        pass

    variable: contextvars.ContextVar[Held] = contextvars.ContextVar("held")

    async def set_and_off() -> weakref.ref[Held]:
        held = Held()
        variable.set(held)
        Alarm(3600.0, lambda: None).off()
        return weakref.ref(held)

    async def work(_: HandLoop) -> None:
        there = await asyncio.create_task(set_and_off())
        await asyncio.sleep(0)  # the turn in which the task ended still has its context
        gc.collect()
        assert there() is None

    on_hand_loop(work)
