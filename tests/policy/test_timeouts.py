"""The clocks: each phase ends with its own typed error; the user's own clocks stay the user's."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import astuple
from typing import Any

import pytest

import gensdk
from gensdk import Timeouts
from gensdk.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitError,
    RouteExhaustedError,
    ServerError,
    TimedOutError,
)
from gensdk.policy.stream import Watch
from gensdk.policy.timeouts import DEFAULTS, NOTHING
from gensdk.spec import Context
from gensdk.testing import Pause, ScriptedBackend
from gensdk.types import (
    ABILITIES,
    AudioChunk,
    ImageDone,
    ImageResponse,
    Media,
    Request,
    Response,
    SpeechResponse,
    TextDelta,
    TextResponse,
)
from tests.support.scripts import (
    ONCE,
    PNG,
    ask,
    client_of,
    facts,
    nothing_left,
    partial_of,
    scripted,
    until,
)
from tests.support.virtual_time import virtual_time

TINY = 0.02
NEVER = math.inf


async def test_attempt() -> None:
    pause = Pause()
    with pytest.raises(TimedOutError, match=r"no answer within 0\.02 s") as caught:
        await client_of(scripted(pause), retry=ONCE).text("x", timeouts=Timeouts(attempt=TINY))
    error = caught.value
    assert (error.phase, error.billed, error.provider, error.model) == (
        "attempt",
        "maybe",
        "a",
        "m",
    )
    assert pause.cancelled
    assert [one.error for one in error.attempts] == ["timeout"]
    nothing_left()


async def test_attempt_on_this_machine_costs_nothing() -> None:
    client = client_of(scripted(Pause(), local=True), retry=ONCE)
    with pytest.raises(TimedOutError) as caught:
        await client.text("x", timeouts=Timeouts(attempt=TINY))
    assert caught.value.billed == "no"


async def test_an_attempt_that_timed_out_is_tried_again() -> None:
    reply = await client_of(scripted(Pause(), "fine")).text("x", timeouts=Timeouts(attempt=TINY))
    assert [one.error for one in reply.attempts] == ["timeout", None]


async def test_outside_of_a_task_no_clock_could_end_the_call() -> None:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[BaseException] = loop.create_future()

    def by_hand() -> None:
        work = client_of(scripted(Pause())).text("x")
        try:
            work.send(None)
        except (RuntimeError, AttributeError) as error:
            told.set_result(error)
        finally:
            work.close()

    loop.call_soon(by_hand)
    async with asyncio.timeout(5):
        error = await told
    assert type(error) is RuntimeError
    assert "outside of a task" in str(error)


async def test_total() -> None:
    pause = Pause()
    with pytest.raises(TimedOutError, match="in total") as caught:
        await client_of(scripted(pause)).text("x", timeouts=TINY)
    assert (caught.value.phase, caught.value.billed) == ("total", "maybe")
    assert [one.outcome for one in caught.value.attempts] == ["cancelled"]
    assert pause.cancelled
    nothing_left()


async def test_total_strikes_while_waiting_to_try_again() -> None:
    steps = [ServerError("x")] * 3
    patient = gensdk.Retry(base_s=TINY, max_backoff_s=TINY)
    with pytest.raises((ServerError, TimedOutError)) as caught:
        await client_of(scripted(*steps), retry=patient).text("x", timeouts=TINY)
    assert caught.value.attempts


@pytest.mark.parametrize("ability", ["image", "speech"])
async def test_total_of_a_paid_call_leaves_the_outcome_open(ability: Any) -> None:
    with pytest.raises(OutcomeUnknownError, match="may still be billed") as caught:
        await ask(client_of(scripted(Pause())), ability, timeouts=TINY)
    assert (caught.value.billed, caught.value.provider) == ("maybe", "a")


async def test_total_of_a_paid_call_on_this_machine() -> None:
    with pytest.raises(TimedOutError) as caught:
        await client_of(scripted(Pause(), local=True)).image("x", timeouts=TINY)
    assert (caught.value.phase, caught.value.billed) == ("total", "no")


async def test_hops_share_the_total() -> None:
    first, second = scripted(Pause()), scripted(Pause(), name="b")
    timeouts = Timeouts(attempt=TINY, total=2 * TINY)
    with pytest.raises(TimedOutError) as caught:
        await client_of(first, second, retry=ONCE).text(
            "x", model=["a:m", "b:m"], timeouts=timeouts
        )
    assert caught.value.phase == "total"
    assert [one.outcome for one in caught.value.attempts] == ["error", "cancelled"]
    left = second.asked[0].context.connect_s
    assert left <= TINY, "what is left of the whole"


async def test_without_a_total_a_route_runs_to_its_end() -> None:
    client = client_of(scripted(Pause()), scripted(Pause(), name="b"), retry=ONCE)
    with pytest.raises(RouteExhaustedError):
        await client.text("x", model=["a:m", "b:m"], timeouts=Timeouts(attempt=TINY, total=NEVER))


async def test_first_output() -> None:
    pause = Pause()
    backend = scripted([pause, "never"])
    with pytest.raises(TimedOutError, match="no first output") as caught:
        async with client_of(backend, retry=ONCE).stream_text(
            "x", timeouts=Timeouts(first_output=TINY)
        ):
            pytest.fail("it never opened")
    assert caught.value.phase == "first_output"
    assert pause.cancelled
    assert backend.closed == 1
    nothing_left()


async def test_first_output_of_paid_speech_leaves_the_outcome_open() -> None:
    client = client_of(scripted([Pause()]))
    with pytest.raises(OutcomeUnknownError):
        async with client.stream_speech("x", timeouts=Timeouts(first_output=TINY)):
            pytest.fail("it never opened")


async def test_idle() -> None:
    pause = Pause()
    backend = scripted([TextDelta(text="half"), TextDelta(text=" way"), pause])
    client = client_of(backend)
    async with client.stream_text("x", timeouts=Timeouts(idle=TINY)) as stream:
        with pytest.raises(TimedOutError, match=r"no output for 0\.02 s") as caught:
            await stream.result()
        with pytest.raises(TimedOutError):
            await anext(stream)
    assert (caught.value.phase, caught.value.billed) == ("idle", "maybe")
    assert partial_of(caught.value).text == "half way"
    assert [one.error for one in caught.value.attempts] == ["timeout"]
    assert pause.cancelled
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    nothing_left()


async def test_the_time_the_reader_takes_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    pause = Pause()
    backend = scripted([TextDelta(text="a"), TextDelta(text="b"), TextDelta(text="c"), pause, "d"])
    async with client_of(backend).stream_text("x", timeouts=Timeouts(idle=60)) as stream:
        await anext(stream)
        await anext(stream)
        ahead[0] += 70  # the reader is busy, and the timer of the output before it goes off
        await asyncio.sleep(0)
        await anext(stream)
        reading = asyncio.create_task(stream.result())
        await pause.reached()
        ahead[0] += 50  # within the time of this wait, though not of the one before
        await asyncio.sleep(0)
        pause.go_on()
        assert (await reading).text == "d"


async def test_every_output_starts_the_idle_clock_again() -> None:
    pauses = [Pause() for _ in range(4)]
    script = [step for pause in pauses for step in (pause, TextDelta(text="a"))]
    backend = scripted([TextDelta(text="a"), *script, "end"])
    async with client_of(backend).stream_text("x", timeouts=Timeouts(idle=10 * TINY)) as stream:
        for number, pause in enumerate(pauses, 1):
            asyncio.get_running_loop().call_later(4 * TINY * number, pause.go_on)
        assert (await stream.result()).text == "end"


@pytest.mark.parametrize(
    ("ability", "event", "kind"),
    [
        ("text", TextDelta(text="half"), TextResponse),
        ("image", ImageDone(image=Media(data=PNG)), ImageResponse),
        ("speech", AudioChunk(data=b"ab"), SpeechResponse),
    ],
)
async def test_what_is_left_of_a_stream_says_where_it_comes_from(
    ability: str, event: Any, kind: type[Response]
) -> None:
    client = client_of(scripted([event, Pause()], local=True))
    async with getattr(client, f"stream_{ability}")("x", timeouts=Timeouts(idle=TINY)) as stream:
        with pytest.raises(TimedOutError) as caught:
            await stream.result()
    partial = partial_of(caught.value)
    assert type(partial) is kind
    assert (partial.provider, partial.model, partial.finish_reason) == ("a", "m", "error")


@virtual_time
async def test_the_clocks_of_a_stream_strike_at_their_moment() -> None:
    """The timer of one wait rings in the next one, which has its whole time all the same."""
    loop = asyncio.get_running_loop()

    async def events(_request: Any, _context: Any) -> AsyncIterator[TextDelta]:
        yield TextDelta(text="a")
        await asyncio.sleep(40)
        yield TextDelta(text="b")
        await asyncio.sleep(10_000)

    backend: Any = scripted()
    backend.stream_text = events
    for total, struck_s, phase in (
        (9_000, 40 + 60, "idle"), (101, 100, "idle"), (100, 100, "total"), (90, 90, "total"),
    ):  # fmt: skip
        began = loop.time()
        timeouts = Timeouts(idle=60, total=total)
        async with client_of(backend).stream_text("x", timeouts=timeouts) as stream:
            with pytest.raises(TimedOutError) as caught:
                await stream.result()
        assert caught.value.phase == phase
        assert partial_of(caught.value).text == "ab"
        assert loop.time() - began == struck_s
    nothing_left()


async def test_a_task_that_got_over_a_cancellation_has_its_clocks() -> None:
    """Its count of cancellations is not zero then, and none of them is ours to take back."""
    client = client_of(scripted([TextDelta(text="a"), Pause()], Pause(), Pause()), retry=ONCE)

    async def work() -> list[str | None]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        phases: list[str | None] = []
        async with client.stream_text("x", timeouts=Timeouts(idle=TINY)) as stream:
            with pytest.raises(TimedOutError) as caught:
                await stream.result()
        phases.append(caught.value.phase)
        for timeouts in (Timeouts(attempt=TINY), Timeouts(total=TINY)):
            with pytest.raises(TimedOutError) as caught:
                await client.text("x", timeouts=timeouts)
            phases.append(caught.value.phase)
        assert task.cancelling() == 1
        return phases

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == ["idle", "attempt", "total"]
    nothing_left()


async def test_total_of_a_stream() -> None:
    pause = Pause()
    backend = scripted([TextDelta(text="ab"), pause])
    timeouts = Timeouts(total=3 * TINY, idle=NEVER)
    async with client_of(backend).stream_text("x", timeouts=timeouts) as stream:
        with pytest.raises(TimedOutError, match="whole call") as caught:
            await stream.result()
    assert caught.value.phase == "total"
    assert partial_of(caught.value).text == "ab"
    assert pause.cancelled


@pytest.mark.parametrize("timeouts", [Timeouts(idle=TINY), Timeouts(total=3 * TINY, idle=NEVER)])
async def test_a_paid_stream_that_falls_silent_leaves_the_outcome_open(timeouts: Timeouts) -> None:
    backend = scripted([AudioChunk(data=b"ab"), Pause()])
    async with client_of(backend).stream_speech("x", timeouts=timeouts) as stream:
        with pytest.raises(OutcomeUnknownError, match="may still finish") as caught:
            await stream.result()
    error = caught.value
    assert partial_of(error).audio.data == b"ab"
    assert (error.billed, error.retryable, error.provider) == ("maybe", False, "a")
    assert [one.error for one in error.attempts] == ["outcome_unknown"]
    assert isinstance(error.__cause__, TimedOutError)


async def test_a_stream_on_this_machine_costs_nothing_when_it_falls_silent() -> None:
    backend = scripted([AudioChunk(data=b"ab"), Pause()], local=True)
    async with client_of(backend).stream_speech("x", timeouts=Timeouts(idle=TINY)) as stream:
        with pytest.raises(TimedOutError) as caught:
            await stream.result()
    assert (caught.value.billed, caught.value.attempts[0].billed) == ("no", "no")


async def test_a_stream_without_clocks_waits() -> None:
    pause = Pause()
    backend = scripted([TextDelta(text="a"), pause, "b"])
    timeouts = Timeouts(total=NEVER, idle=NEVER, first_output=NEVER)
    async with client_of(backend).stream_text("x", timeouts=timeouts) as stream:
        await anext(stream)
        reading = asyncio.create_task(stream.result())
        await pause.reached()
        pause.go_on()
        assert (await reading).text == "b"


# ----------------------------------------------------------------------------- the user's clocks
async def test_the_users_timeout_is_the_users() -> None:
    pause = Pause()
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(TINY):
            await client_of(scripted(pause)).text("x")
    assert type(caught.value) is TimeoutError
    assert pause.cancelled
    nothing_left()


async def test_the_users_timeout_around_a_stream() -> None:
    pause = Pause()
    backend = scripted([TextDelta(text="a"), pause])
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(TINY), client_of(backend).stream_text("x") as stream:
            await stream.result()
    assert type(caught.value) is TimeoutError
    assert backend.closed == 1
    nothing_left()


async def test_a_timeout_raised_by_a_backend_is_not_taken_for_ours() -> None:
    with pytest.raises(TimeoutError):
        await client_of(scripted(TimeoutError())).text("x")
    with pytest.raises(TimeoutError):
        async with client_of(scripted([TimeoutError()])).stream_text("x"):
            pytest.fail("it never opened")


@pytest.mark.parametrize("streaming", [False, True])
async def test_cancelling_reaches_the_backend(streaming: bool) -> None:
    pause = Pause()
    backend = scripted([pause, "x"])
    facts: list[Any] = []
    client = client_of(backend, hooks=[facts.append])

    async def work() -> None:
        if streaming:
            async with client.stream_text("x") as stream:
                await stream.result()
        else:
            await client.text("x")

    task = asyncio.create_task(work())
    await pause.reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pause.cancelled
    assert facts[-1].error == "cancelled"
    assert [one.outcome for one in facts[-1].attempts] == ["cancelled"]
    assert facts[-1].attempts[0].billed == "maybe"
    nothing_left()


@pytest.mark.parametrize("caller_s", [59, 61])
@pytest.mark.parametrize("timeouts", [Timeouts(total=60), Timeouts(attempt=60)])
async def test_a_clock_and_the_caller_in_one_turn_are_the_caller(
    monkeypatch: pytest.MonkeyPatch, caller_s: float, timeouts: Timeouts
) -> None:
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    pause = Pause()
    task = asyncio.create_task(client_of(scripted(pause)).text("x", timeouts=timeouts))
    await pause.reached()
    loop.call_later(caller_s, task.cancel)
    ahead[0] += 100
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pause.cancelled
    nothing_left()


async def test_both_clocks_at_once_are_the_callers_cancellation() -> None:
    """The stream's own clock and a cancellation from outside: the caller's wins."""
    watch = Watch(idle_s=60, deadline=math.inf)

    async def wait() -> None:
        with watch:
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    watch._idle = 0
    watch._tick()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    watch.stop()


async def test_an_output_that_beats_its_clock_is_delivered() -> None:
    """The clock struck, but the wait ended without a cancellation: nothing of it stays."""
    watch = Watch(idle_s=60, deadline=math.inf)
    with watch:
        watch._fired = TimedOutError("x", phase="idle")
    with watch:
        await asyncio.sleep(0)
    watch.stop()
    assert watch._fired is None


# ------------------------------------------------------------------------------------- settings
@pytest.mark.parametrize("bad", [0, -1, math.nan, "5", [1]])
@pytest.mark.parametrize(
    "phase", ["total", "attempt", "connect", "queue", "first_output", "idle", "poll"]
)
def test_seconds_over_zero(phase: str, bad: Any) -> None:
    with pytest.raises(ConfigurationError, match=phase):
        Timeouts(**{phase: bad})


def test_the_nearest_setting_wins() -> None:
    call, client = Timeouts(total=5, idle=1), Timeouts(total=9, connect=2)
    phases = call.over(client).phases("text")
    assert (phases.total, phases.idle, phases.connect) == (5, 1, 2)
    assert phases.attempt == DEFAULTS["text"].attempt
    assert call.over(None) is call


USUAL: dict[str, tuple[float, ...]] = {
    # total, attempt, connect, queue, first output, idle, poll
    "text": (600, 300, 10, 60, 120, 60, 30),
    "image": (900, 600, 10, 60, 300, 300, 30),
    "speech": (600, 300, 10, 60, 60, 30, 30),
    "music": (600, 300, 10, 60, 120, 30, 30),
    "transcribe": (900, 600, 10, 60, 60, 30, 30),
    "video": (1200, 900, 10, 60, 120, 30, 30),
    "embed": (300, 120, 10, 60, 60, 30, 30),
    "moderate": (120, 60, 10, 60, 60, 30, 30),
}


@pytest.mark.parametrize("ability", ABILITIES)
def test_the_usual_clocks(ability: Any) -> None:
    """As docs/reliability.md has them."""
    assert astuple(Timeouts().phases(ability)) == USUAL[ability]


def test_nothing_said_is_the_other_s_word() -> None:
    given = Timeouts(total=5)
    assert Timeouts().over(given) == given
    assert NOTHING.over(given) is given
    assert given.over(NOTHING) is given
    assert given.over(Timeouts(total=9, idle=2)) == Timeouts(total=5, idle=2)


@pytest.mark.parametrize("ability", ABILITIES)
async def test_every_ability_has_finite_clocks(ability: Any) -> None:
    phases = Timeouts().phases(ability)
    assert all(0 < getattr(phases, name) <= 1200 for name in phases.__dataclass_fields__)
    assert phases.attempt <= phases.total


@pytest.mark.parametrize("given", ["5", 0, math.nan, [5]])
def test_a_client_takes_seconds_or_timeouts(given: Any) -> None:
    with pytest.raises(ConfigurationError):
        gensdk.Client(timeouts=given)


async def test_a_rate_limit_within_the_total_is_waited_for() -> None:
    backend = scripted(RateLimitError("x", retry_after=0.001), "fine")
    assert (await client_of(backend).text("x", timeouts=5.0)).text == "fine"


class Sleepy(ScriptedBackend):
    """Its model takes a while to come into memory."""

    made_ready: int = 0
    wanted: tuple[Request, bool] | None = None
    left: int = 0

    @asynccontextmanager
    async def make_ready(
        self, request: Request, context: Context, *, streaming: bool = False
    ) -> AsyncIterator[str]:
        assert context.model == "m"
        self.made_ready += 1
        self.wanted = request, streaming
        try:
            await asyncio.sleep(3 * TINY)
            yield f"ready {self.made_ready}"
        finally:
            self.left += 1


@pytest.mark.parametrize("local", [True, False])
async def test_loading_is_no_part_of_a_local_attempt(local: bool) -> None:
    backend = Sleepy("fine", "fine", name="a", capabilities=facts(local=local))
    client = client_of(backend, retry=ONCE)
    reply = await client.text("x", timeouts=Timeouts(attempt=TINY))
    assert reply.text == "fine"
    async with client.stream_text("x", timeouts=Timeouts(first_output=TINY)) as stream:
        assert (await stream.result()).text == "fine"
    assert backend.made_ready == backend.left == (2 if local else 0)
    ready = ["ready 1", "ready 2"] if local else [None, None]
    assert [asked.context.ready for asked in backend.asked] == ready
    nothing_left()


async def test_the_backend_is_ready_for_the_very_request_that_follows() -> None:
    """Also where options were put under another name."""
    backend = Sleepy("fine", ["fine"], name="b", capabilities=facts(local=True))
    client = gensdk.Client(backends={"account": backend})
    await client.text("x", model="account:m", options={"account": {"a": 1}})
    asked = backend.asked[0].request
    assert asked.options["b"] == {"a": 1}
    assert backend.wanted is not None
    assert backend.wanted[0] is asked
    async with client.stream_text("x", model="account:m") as stream:
        assert backend.left == 2, "it holds until the first output"
        await stream.result()
    assert backend.wanted == (backend.asked[1].request, True)


@pytest.mark.parametrize("streaming", [False, True])
async def test_readiness_ends_with_whatever_ends_the_attempt(streaming: bool) -> None:
    pause = Pause()
    script: Any = [pause] if streaming else pause
    backend = Sleepy(script, script, name="a", capabilities=facts(local=True))
    client = client_of(backend, retry=ONCE)
    timeouts = Timeouts(first_output=TINY) if streaming else Timeouts(attempt=TINY)
    with pytest.raises(TimedOutError, match=r"within 0\.02 s"):
        await _text(client, streaming, timeouts)
    assert (backend.made_ready, backend.left) == (1, 1)
    task = asyncio.create_task(_text(client, streaming, None))
    await until(lambda: backend.made_ready == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (backend.left, len(backend.asked)) == (2, 1), "it was cancelled while the model loaded"
    nothing_left()


async def _text(client: gensdk.Client, streaming: bool, timeouts: Timeouts | None) -> None:
    if not streaming:
        await client.text("x", timeouts=timeouts)
        return
    async with client.stream_text("x", timeouts=timeouts):
        pytest.fail("it never opened")


async def test_loading_is_bounded_by_the_total() -> None:
    backend = Sleepy("fine", name="a", capabilities=facts(local=True))
    client = client_of(backend, retry=ONCE)
    with pytest.raises(TimedOutError) as caught:
        await client.text("x", timeouts=Timeouts(total=TINY))
    assert caught.value.phase == "total"
    nothing_left()
