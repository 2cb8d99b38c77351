"""Breakers: what opens a circuit, what does not, and how it closes again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import gensdk
from gensdk import Breaker, CircuitChanged, Timeouts
from gensdk.errors import (
    AuthenticationError,
    BudgetExceededError,
    CircuitOpenError,
    ConfigurationError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    RouteExhaustedError,
    ServerError,
    TimedOutError,
)
from gensdk.testing import Pause
from gensdk.types import TextDelta
from tests.support.scripts import ONCE, client_of, nothing_left, scripted, until
from tests.support.server import LoopbackServer, answer_error


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("gensdk.policy.breaker.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


DOWN = ServerError("down", status=500)


async def fail(client: gensdk.Client, count: int = 1, **given: Any) -> list[GenSDKError]:
    errors = []
    for _ in range(count):
        with pytest.raises(GenSDKError) as caught:
            await client.text("x", **given)
        errors.append(caught.value)
    return errors


async def test_after_so_many_failures_nothing_is_sent(clock: Clock) -> None:
    backend = scripted(DOWN, repeat=True)
    breaker = Breaker(failures=3, open_s=5)
    client = client_of(backend, breaker=breaker, retry=ONCE)
    await fail(client, 2)
    assert breaker.state("a:m") == "closed"
    await fail(client)
    assert breaker.state("a:m") == "open"
    with pytest.raises(CircuitOpenError, match="3 failed calls") as caught:
        await client.text("x")
    error = caught.value
    assert len(backend.asked) == 3
    assert (error.billed, error.provider, error.model, error.retryable) == ("no", "a", "m", True)
    assert error.retry_after is not None
    assert 5 <= error.retry_after <= 6.25
    assert [(one.outcome, one.error) for one in error.attempts] == [("skipped", "circuit_open")]
    (circuit,) = breaker.circuits()
    assert (circuit.provider, circuit.model, circuit.ability) == ("a", "m", "text")
    assert (circuit.state, circuit.failures) == ("open", 3)
    assert circuit.retry_after == error.retry_after


async def test_calls_are_counted_after_their_retries(clock: Clock) -> None:
    backend = scripted(DOWN, repeat=True)
    client = client_of(backend, breaker=Breaker(failures=2))
    await fail(client, 2)
    assert len(backend.asked) == 6
    await fail(client, 5)
    assert len(backend.asked) == 6, "neither sent nor repeated"


async def test_models_and_abilities_by_themselves(clock: Clock) -> None:
    backend = scripted(DOWN, "fine", "words", "again")
    client = client_of(backend, breaker=Breaker(failures=1), retry=ONCE)
    await fail(client)
    assert (await client.text("x", model="a:other")).text == "fine"
    assert (await client.transcribe(b"ID3\x04\x00")).text == "words"
    await fail(client)
    assert len(backend.asked) == 3


async def test_a_route_moves_on_at_once_and_one_of_open_circuits_ends(clock: Clock) -> None:
    first, second = scripted(DOWN), scripted("b", DOWN, name="b")
    client = client_of(first, second, breaker=Breaker(failures=1), retry=ONCE)
    both = ["a:m", "b:m"]
    await fail(client)
    reply = await client.text("x", model=both)
    assert reply.provider == "b"
    assert [(one.outcome, one.error) for one in reply.attempts] == [
        ("skipped", "circuit_open"),
        ("ok", None),
    ]
    await fail(client, model="b:m")
    with pytest.raises(RouteExhaustedError) as caught:
        await client.text("x", model=both)
    assert [getattr(error, "kind", None) for error in caught.value.exceptions] == [
        "circuit_open"
    ] * 2
    assert len(first.asked) == 1


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        OverloadedError("x", status=503),
        RateLimitError("x", status=429),
        QuotaExceededError("x", status=429),
        InvalidResponseError("x"),
        TimedOutError("x", phase="attempt"),
    ],
)
async def test_what_looks_like_an_outage(clock: Clock, error: GenSDKError) -> None:
    client = client_of(scripted(error), breaker=Breaker(failures=1), retry=ONCE)
    await fail(client)
    (refusal,) = await fail(client)
    assert isinstance(refusal, CircuitOpenError)
    assert f"the last one: {error.kind}" in refusal.message


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequestError("x", status=400),
        AuthenticationError("x", status=401),
        ContentBlockedError("x"),
        BudgetExceededError("x"),
        TimedOutError("x", phase="queue"),
        ValueError("yours"),
    ],
)
async def test_what_does_not(clock: Clock, error: Exception) -> None:
    backend = scripted(error, repeat=True)
    client = client_of(backend, breaker=Breaker(failures=1), retry=ONCE)
    for _ in range(3):
        with pytest.raises(type(error)):
            await client.text("x")
    assert len(backend.asked) == 3


async def test_an_answer_that_refuses_shows_that_it_lives(clock: Clock) -> None:
    bad = InvalidRequestError("x", status=400)
    backend = scripted(DOWN, bad, DOWN, bad, "fine")
    client = client_of(backend, breaker=Breaker(failures=2), retry=ONCE)
    await fail(client, 4)
    assert (await client.text("x")).text == "fine"


async def test_less_than_half_right_of_the_last(clock: Clock) -> None:
    steps: list[Any] = [DOWN, "fine", DOWN, "fine", DOWN, "fine", DOWN, DOWN]
    breaker = Breaker(failures=100, share=0.5, of_last=6)
    client = client_of(scripted(*steps), breaker=breaker, retry=ONCE)
    for step in steps:
        assert breaker.state("a:m") == "closed"
        if step == "fine":
            await client.text("x")
        else:
            await fail(client)
    assert breaker.state("a:m") == "open"


async def test_successes_alone_leave_nothing_to_remember(clock: Clock) -> None:
    breaker = Breaker(of_last=3)
    client = client_of(scripted(DOWN, *["fine"] * 3), breaker=breaker, retry=ONCE)
    await fail(client)
    assert len(breaker.circuits()) == 1
    for _ in range(3):
        await client.text("x")
    assert breaker.circuits() == ()


# ------------------------------------------------------------------------------------ half open
async def test_one_trial_at_a_time_closes_it(clock: Clock) -> None:
    pause = Pause()
    backend = scripted(DOWN, [pause, "back"], "more", "and more")
    breaker = Breaker(failures=1, open_s=5)
    facts: list[Any] = []
    client = client_of(backend, breaker=breaker, retry=ONCE, hooks=[facts.append])
    await fail(client)
    clock.now += 4.9
    await fail(client)
    clock.now += 1.4
    assert breaker.state("a:m") == "half_open"
    trial = asyncio.create_task(client.text("x"))
    await pause.reached()
    (refusal,) = await fail(client)
    assert isinstance(refusal, CircuitOpenError)
    assert "a trial call is under way" in refusal.message
    pause.go_on()
    assert (await trial).text == "back"
    assert breaker.state("a:m") == "closed"
    assert (await client.text("x")).text == "more"
    changes = [fact for fact in facts if isinstance(fact, CircuitChanged)]
    assert [fact.state for fact in changes] == ["open", "half_open", "closed"]
    assert changes[0].error == "server"
    assert (changes[0].provider, changes[0].model, changes[0].ability) == ("a", "m", "text")
    assert len({fact.call_id for fact in changes}) == 2


async def test_a_trial_is_one_attempt_and_doubles_the_pause(clock: Clock) -> None:
    backend = scripted(DOWN, repeat=True)
    breaker = Breaker(failures=1, open_s=10, longest_s=35)
    client = client_of(backend, breaker=breaker)
    await fail(client)
    asked = len(backend.asked)
    for least in (20, 35, 35):
        clock.now += 45
        await fail(client)
        asked += 1
        assert len(backend.asked) == asked
        (circuit,) = breaker.circuits()
        assert least <= circuit.retry_after <= least * 1.25


@pytest.mark.parametrize("ending", ["cancelled", "told nothing"])
async def test_a_trial_without_a_verdict_is_tried_again(clock: Clock, ending: str) -> None:
    pause = Pause()
    nothing: Any = BudgetExceededError("x") if ending == "told nothing" else [pause, "late"]
    backend = scripted(DOWN, nothing, "back")
    breaker = Breaker(failures=1)
    client = client_of(backend, breaker=breaker, retry=ONCE)
    await fail(client)
    clock.now += 10
    trial = asyncio.create_task(client.text("x"))
    if ending == "cancelled":
        await pause.reached()
        trial.cancel()
    with pytest.raises((asyncio.CancelledError, BudgetExceededError)):
        await trial
    assert breaker.state("a:m") == "half_open"
    assert (await client.text("x")).text == "back"
    assert breaker.state("a:m") == "closed"
    nothing_left()


async def test_the_parts_of_one_request_are_one_trial(clock: Clock) -> None:
    backend = scripted(DOWN, "one", "two", "three", max_candidates=1)
    client = client_of(backend, breaker=Breaker(failures=1), retry=ONCE)
    await fail(client)
    clock.now += 10
    assert len((await client.text("x", n=3)).candidates) == 3


async def test_endings_of_calls_from_before_change_nothing(clock: Clock) -> None:
    slow, late = Pause(), Pause()
    backend = scripted([slow, "old"], [late, DOWN], DOWN, "back")
    breaker = Breaker(failures=1)
    client = client_of(backend, breaker=breaker, retry=ONCE)
    good = asyncio.create_task(client.text("x"))
    await slow.reached()
    bad = asyncio.create_task(client.text("x"))
    await late.reached()
    await fail(client)
    (before,) = breaker.circuits()
    slow.go_on()
    await good
    late.go_on()
    with pytest.raises(ServerError):
        await bad
    assert breaker.circuits() == (before,)


async def test_retry_after_is_honoured(clock: Clock) -> None:
    busy = OverloadedError("x", status=503, retry_after=120.0)
    backend = scripted(busy, "back")
    client = client_of(backend, breaker=Breaker(failures=1, open_s=5), retry=ONCE)
    await fail(client)
    clock.now += 119
    (refusal,) = await fail(client)
    assert refusal.retry_after == pytest.approx(1)
    clock.now += 1
    assert (await client.text("x")).text == "back"


async def test_the_deadline_of_a_call_that_hangs_counts(clock: Clock) -> None:
    pause = Pause()
    backend = scripted([pause, "late"], repeat=True)
    client = client_of(backend, breaker=Breaker(failures=1))
    await fail(client, timeouts=Timeouts(total=0.01))
    (refusal,) = await fail(client)
    assert isinstance(refusal, CircuitOpenError)
    nothing_left()


async def test_a_deadline_counts_against_those_who_were_asked_at_that_moment(clock: Clock) -> None:
    """Hedged: the first hop hangs, the second one waits for a place and was never asked."""
    breaker, held = Breaker(failures=1), Pause()
    client = client_of(
        scripted([Pause()]), scripted([held, "b"], name="b"), breaker=breaker,
        limit={"b": gensdk.Limit(concurrency=1)},
    )  # fmt: skip
    holding = asyncio.create_task(client.text("x", model="b:m"))
    await held.reached()
    with pytest.raises(TimedOutError):
        await client.text("x", model=gensdk.Route("a:m", "b:m", hedge_after=0), timeouts=0.02)
    assert (breaker.state("a:m"), breaker.state("b:m")) == ("open", "closed")
    held.go_on()
    assert (await holding).text == "b"


async def test_a_hedge_that_lost_is_no_failure_and_ends_no_trial(clock: Clock) -> None:
    client = client_of(
        scripted(DOWN, [Pause()], "well"), scripted("b", name="b"), retry=ONCE,
        breaker=(breaker := Breaker(failures=1, open_s=1, longest_s=1)),
    )  # fmt: skip
    await fail(client)
    clock.now += 2
    reply = await client.text("x", model=gensdk.Route("a:m", "b:m", hedge_after=0))
    assert (reply.provider, breaker.state("a:m")) == ("b", "half_open"), "the trial was cut short"
    assert (await client.text("x")).text == "well", "and another is let through"
    assert breaker.state("a:m") == "closed"


async def test_two_that_race_at_one_model_are_one_trial(clock: Clock) -> None:
    """Hedging one hop puts one attempt into a half-open circuit, and the other is turned away."""
    slow = Pause()
    backend = scripted(DOWN, [slow, "back"], "asked twice")
    client = client_of(backend, retry=ONCE, breaker=(breaker := Breaker(failures=1, open_s=1)))
    await fail(client)
    clock.now += 2
    asking = asyncio.create_task(client.text("x", model=gensdk.Route("a:m", hedge_after=0)))
    await slow.reached()
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(backend.asked) == 2
    slow.go_on()
    reply = await asking
    assert [one.outcome for one in reply.attempts] == ["skipped", "ok"]
    assert (reply.text, breaker.state("a:m")) == ("back", "closed")


async def test_of_two_that_race_the_trial_tells(clock: Clock) -> None:
    backend = scripted(DOWN, repeat=True)
    client = client_of(backend, retry=ONCE, breaker=(breaker := Breaker(failures=1, open_s=1)))
    await fail(client)
    clock.now += 2
    (error,) = await fail(client, model=gensdk.Route("a:m", hedge_after=0))
    assert type(error) is ServerError
    assert (len(backend.asked), breaker.state("a:m")) == (2, "open")


async def test_a_hop_that_fails_until_it_loses_the_hedge_opens_its_circuit(clock: Clock) -> None:
    """It never comes to its last try, as the other answers before."""
    breaker, patient = Breaker(failures=2), gensdk.Retry(base_s=60)
    down, answers = scripted(DOWN, repeat=True), scripted("b", name="b", repeat=True)
    client = client_of(down, answers, breaker=breaker, retry=patient)
    for _ in range(2):
        reply = await client.text("x", model=gensdk.Route("a:m", "b:m", hedge_after=0.001))
        assert (reply.provider, reply.attempts[0].error) == ("b", "server")
    assert breaker.state("a:m") == "open"
    reply = await client.text("x", model=gensdk.Route("a:m", "b:m", hedge_after=60))
    assert (reply.provider, len(down.asked)) == ("b", 2)


async def test_a_hop_that_is_only_slow_loses_without_blame(clock: Clock) -> None:
    breaker = Breaker(failures=1)
    client = client_of(scripted([Pause()]), scripted("b", name="b"), breaker=breaker)
    await client.text("x", model=gensdk.Route("a:m", "b:m", hedge_after=0))
    assert breaker.circuits() == ()


async def test_a_call_that_is_cancelled_between_its_tries_does_not_count(clock: Clock) -> None:
    breaker, facts = Breaker(failures=1), list[Any]()
    client = client_of(
        scripted(DOWN, repeat=True), breaker=breaker, retry=gensdk.Retry(base_s=60),
        hooks=[facts.append],
    )  # fmt: skip
    task = asyncio.create_task(client.text("x", model=gensdk.Route("a:m", hedge_after=60)))
    await until(lambda: any(isinstance(fact, gensdk.AttemptFinished) for fact in facts))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.circuits() == ()


async def test_a_cancelled_call_does_not(clock: Clock) -> None:
    pause = Pause()
    breaker = Breaker(failures=1)
    client = client_of(scripted([pause, "late"]), breaker=breaker)
    task = asyncio.create_task(client.text("x"))
    await pause.reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.circuits() == ()


# -------------------------------------------------------------------------------------- streams
BROKEN: list[object] = [TextDelta(text="a"), ServerError("cut")]


async def read(client: gensdk.Client) -> None:
    async with client.stream_text("x") as stream:
        await stream.result()


async def test_streams_that_break_or_never_begin_open_it(clock: Clock) -> None:
    backend = scripted(BROKEN, [ServerError("x")], BROKEN)
    client = client_of(backend, breaker=Breaker(failures=3), retry=ONCE)
    for _ in range(3):
        with pytest.raises(ServerError):
            await read(client)
    with pytest.raises(CircuitOpenError):
        await read(client)
    assert len(backend.asked) == 3


async def test_a_stream_that_is_left_was_well(clock: Clock) -> None:
    breaker = Breaker(failures=2)
    backend = scripted(BROKEN, [TextDelta(text="a"), "b"], BROKEN)
    client = client_of(backend, breaker=breaker, retry=ONCE)
    with pytest.raises(ServerError):
        await read(client)
    async with client.stream_text("x") as stream:
        await anext(stream)
    with pytest.raises(ServerError):
        await read(client)
    assert breaker.state("a:m") == "closed"


async def test_the_first_output_of_a_trial_closes_it(clock: Clock) -> None:
    breaker = Breaker(failures=1)
    backend = scripted(DOWN, [TextDelta(text="a"), ServerError("cut")], "never")
    client = client_of(backend, breaker=breaker, retry=ONCE)
    await fail(client)
    clock.now += 10
    async with client.stream_text("x") as stream:
        await anext(stream)
        assert breaker.state("a:m") == "closed"
        with pytest.raises(ServerError):
            await stream.result()
    assert breaker.state("a:m") == "open"


# ------------------------------------------------------------------------------------ the object
async def test_clients_share_what_one_breaker_knows(clock: Clock) -> None:
    breaker = Breaker(failures=1)
    await fail(client_of(scripted(DOWN), breaker=breaker, retry=ONCE))
    (refusal,) = await fail(client_of(scripted("fine"), breaker=breaker))
    assert isinstance(refusal, CircuitOpenError)


async def test_the_nearest_breaker_counts(clock: Clock) -> None:
    """Call, then route, then the copy of a client, then the client; ``False`` is none."""
    own, copied, routed, called = (Breaker(failures=1) for _ in range(4))
    client = client_of(scripted(DOWN, repeat=True), retry=ONCE, breaker=own)
    copy = client.with_options(breaker=copied)
    route = gensdk.Route("a:m", breaker=routed)
    await fail(client, model=route, breaker=called)
    assert [one.state("a:m") for one in (own, routed, called)] == ["closed", "closed", "open"]
    await fail(client, model=route)
    await fail(copy)
    assert [one.state("a:m") for one in (own, routed, copied)] == ["closed", "open", "open"]
    (error,) = await fail(copy)
    assert isinstance(error, CircuitOpenError)
    for without in (client.with_options(breaker=False), copy):
        await fail(without, count=2, model=gensdk.Route("a:m", breaker=False))
    await fail(client, count=2, breaker=False)
    assert own.state("a:m") == "closed"


@pytest.mark.parametrize("wrong", [True, 5, Breaker])
async def test_something_else_for_a_breaker(wrong: Any) -> None:
    for make in (
        lambda: client_of(scripted(), breaker=wrong),
        lambda: client_of(scripted()).with_options(breaker=wrong),
        lambda: gensdk.Route("a:m", breaker=wrong),
    ):
        with pytest.raises(ConfigurationError, match=r"give gensdk\.Breaker"):
            make()
    with pytest.raises(ConfigurationError, match=r"give gensdk\.Breaker"):
        await client_of(scripted("x")).text("x", breaker=wrong)


async def test_a_dead_server_is_left_alone() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/v1/responses", answer_error(503, {"error": {"message": "down"}}))
        from gensdk.backends.openai import OpenAIBackend

        backend = OpenAIBackend(api_key="k", base_url=server.url + "/v1")
        client = gensdk.Client(
            backends={"openai": backend}, breaker=Breaker(failures=2), retry=ONCE,
            models={"text": "openai:gpt-6-luna"},
        )  # fmt: skip
        async with client:
            errors = await fail(client, 5)
        assert [error.kind for error in errors] == ["overloaded"] * 2 + ["circuit_open"] * 3
        assert len(server.requests) == 2
        await backend.aclose()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Breaker(failures=0),
        lambda: Breaker(of_last=1.5),  # type: ignore[arg-type]
        lambda: Breaker(share=2),
        lambda: Breaker(open_s=0),
        lambda: Breaker(open_s=10, longest_s=5),
        lambda: gensdk.Client(breaker=5),  # type: ignore[arg-type]
    ],
)
def test_breakers_that_make_no_sense(make: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()
