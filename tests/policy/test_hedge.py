"""Hedging: a second hop is asked while the first one has not answered yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import gensdk
import gensdk.testing
from gensdk import Budget, Retry, Route, Timeouts
from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentBlockedError,
    ContextLengthError,
    GenSDKError,
    InvalidResponseError,
    OutcomeUnknownError,
    RouteExhaustedError,
    ServerError,
    TimedOutError,
)
from gensdk.policy import AttemptFinished
from gensdk.spec import Context
from gensdk.testing import Pause, ScriptedJob, run_virtual
from gensdk.types import ImageResponse, Media, Request, TextDelta, VideoResponse
from tests.support.scripts import ONCE, PNG, QUICK, client_of, nothing_left, scripted, until
from tests.support.server import LoopbackServer, RecordedRequest, Reply

HEDGED = Route("a:m", "b:n", hedge_after=0)
PICTURE = ImageResponse(images=(Media(data=PNG),))


def told(reply: Any) -> list[tuple[str, str, str | None]]:
    return [(one.provider, one.outcome, one.error) for one in reply.attempts]


async def test_the_second_hop_answers_and_the_first_is_cancelled() -> None:
    slow = Pause()
    facts: list[Any] = []
    client = client_of(scripted([slow, "late"]), scripted("quick", name="b"), hooks=[facts.append])
    reply = await client.text("x", model=HEDGED)
    assert (reply.text, reply.provider, reply.model) == ("quick", "b", "n")
    assert told(reply) == [("a", "cancelled", None), ("b", "ok", None)], "the answer's stands last"
    assert [one.billed for one in reply.attempts] == ["maybe", "yes"]
    attempts = [fact.attempt for fact in facts if isinstance(fact, AttemptFinished)]
    assert sorted(one.provider for one in attempts) == ["a", "b"]
    nothing_left()


async def test_the_first_answers_after_all() -> None:
    slow, never = Pause(), Pause()
    second = scripted([never, "b"], name="b")
    asking = asyncio.create_task(
        client_of(scripted([slow, "first"]), second).text("x", model=HEDGED)
    )
    await never.reached()
    slow.go_on()
    reply = await asking
    assert reply.provider == "a"
    assert told(reply) == [("b", "cancelled", None), ("a", "ok", None)]
    nothing_left()


async def test_nobody_else_is_asked_where_the_answer_comes_in_time() -> None:
    second = scripted(name="b")
    route = Route("a:m", "b:n", hedge_after=60)
    reply = await client_of(scripted("in time"), second).text("x", model=route)
    assert (reply.text, second.asked, len(reply.attempts)) == ("in time", [], 1)
    nothing_left()


async def test_the_wait_for_a_place_is_no_delay() -> None:
    """A limit of our own says nothing about the model: nobody else is asked because of it."""
    held, slow = Pause(), Pause()
    first, second = scripted([held, "before"], [slow, "late"]), scripted("quick", name="b")
    limit = {"a": gensdk.Limit(concurrency=1)}
    client = client_of(first, second, limit=limit)
    holding = asyncio.create_task(client.text("x"))
    await held.reached()
    asking = asyncio.create_task(client.text("y", model=HEDGED))
    for _ in range(100):
        await asyncio.sleep(0)
    assert (len(first.asked), second.asked) == (1, [])
    held.go_on()
    assert (await asking).provider == "b", "once it was asked, its time counts"
    assert len(first.asked) == 2
    await holding
    nothing_left()


def test_the_delay_counts_from_each_request() -> None:
    """The second hop waits 50 s for its place; the third is asked 10 s after that."""
    asked: list[float] = []

    async def scenario() -> None:
        now, held = asyncio.get_running_loop().time, Pause()
        backends = [
            scripted([Pause()]), scripted([held, "before"], [Pause()], name="b"),
            scripted("there", name="c"),
        ]  # fmt: skip
        client = client_of(*backends, limit={"b": gensdk.Limit(concurrency=1)}, retry=ONCE)
        holding = asyncio.create_task(client.text("x", model="b:n"))
        await held.reached()
        begun = now()
        route = Route("a:m", "b:n", "c:o", hedge_after=10)
        asking = asyncio.create_task(client.text("x", model=route))
        await asyncio.sleep(60)
        held.go_on()
        reply = await asking
        assert reply.provider == "c"
        asked.append(now() - begun)
        await holding

    run_virtual(scenario(), patience_s=0.0)
    assert asked == [pytest.approx(70)]


async def test_one_model_is_asked_twice(caplog: pytest.LogCaptureFixture) -> None:
    slow = Pause()
    caplog.set_level(logging.INFO, "gensdk")
    backend = scripted([slow, "late"], "again")
    reply = await client_of(backend).text("x", model=Route("a:m", hedge_after=0))
    assert reply.text == "again"
    keys = {asked.context.idempotency_key for asked in backend.asked}
    assert len(keys) == 2, "two requests, not one repeated"
    assert "no answer within 0 s; asking a:m too" in caplog.text
    nothing_left()


async def test_a_single_model_is_not_tried_more_often_for_being_hedged() -> None:
    backend = scripted(ServerError("x"))
    with pytest.raises(ServerError) as caught:
        await client_of(backend, retry=ONCE).text("x", model=Route("a:m", hedge_after=60))
    assert len(caught.value.attempts) == 1


async def test_a_single_model_has_nobody_to_go_on_for_being_hedged() -> None:
    backend = scripted([TextDelta(text="a"), ServerError("x")])
    way = Route("a:m", hedge_after=60, interrupted="continue")
    async with client_of(backend).stream_text("x", model=way) as stream:
        with pytest.raises(ServerError):
            await stream.result()
    assert len(backend.asked) == 1


async def test_both_of_one_model_fail_with_its_own_error() -> None:
    slow = Pause()
    backend = scripted([slow, ServerError("one")], [ServerError("two")])
    asking = asyncio.create_task(
        client_of(backend, retry=ONCE).text("x", model=Route("a:m", hedge_after=0))
    )
    await until(lambda: len(backend.asked) == 2)
    slow.go_on()
    with pytest.raises(ServerError) as caught:
        await asking
    assert len(caught.value.attempts) == 2
    nothing_left()


async def test_a_failure_brings_the_next_hop_at_once() -> None:
    route = Route("a:m", "b:n", hedge_after=60)
    client = client_of(scripted(ServerError("x")), scripted("b", name="b"), retry=ONCE)
    reply = await client.text("x", model=route)
    assert told(reply) == [("a", "error", "server"), ("b", "ok", None)]
    nothing_left()


async def test_one_that_fails_leaves_it_to_the_other() -> None:
    slow = Pause()
    first = scripted([slow, "first"])
    second = scripted(ServerError("x"), name="b")
    asking = asyncio.create_task(client_of(first, second, retry=ONCE).text("x", model=HEDGED))
    await until(lambda: second.asked)
    slow.go_on()
    reply = await asking
    assert told(reply) == [("b", "error", "server"), ("a", "ok", None)]


async def test_all_fail() -> None:
    slow = Pause()
    first, second = scripted([slow, ServerError("x")]), scripted(ServerError("y"), name="b")
    asking = asyncio.create_task(client_of(first, second, retry=ONCE).text("x", model=HEDGED))
    await until(lambda: second.asked)
    slow.go_on()
    with pytest.raises(RouteExhaustedError) as caught:
        await asking
    assert [vars(one)["provider"] for one in caught.value.exceptions] == ["a", "b"]
    nothing_left()


async def test_an_error_that_ends_the_call_ends_it_for_all() -> None:
    """Content that one model blocks is not taken from another that happens to be slower."""
    slow = Pause()
    client = client_of(scripted([slow, "first"]), scripted(ContentBlockedError("no"), name="b"))
    with pytest.raises(ContentBlockedError) as caught:
        await client.text("x", model=HEDGED)
    assert sorted(told(caught.value)) == [
        ("a", "cancelled", None),
        ("b", "error", "content_blocked"),
    ]
    nothing_left()


@pytest.mark.parametrize(
    "error",
    [AuthenticationError("key", status=401), ContextLengthError("long", status=400), "budget"],
    ids=lambda error: getattr(error, "kind", error),
)
async def test_a_hedge_that_cannot_answer_does_not_harm_the_first(error: Any) -> None:
    """Without hedging nobody would have asked it; what fails is the second hop, not the call."""
    slow = Pause()
    second = scripted(error if error != "budget" else "free", name="b")
    budget = Budget("0.10", prices={"a": "0.06", "b": "0.06"}) if error == "budget" else None
    client = client_of(scripted([slow, "first"]), second, retry=ONCE, budget=budget)
    facts: list[Any] = []
    asking = asyncio.create_task(
        client.with_options(hooks=[facts.append]).text("x", model=HEDGED, max_tokens=5)
    )
    await until(lambda: any(isinstance(fact, AttemptFinished) for fact in facts))
    for _ in range(20):
        await asyncio.sleep(0)
    slow.go_on()
    reply = await asking
    assert reply.text == "first"
    kind = "budget_exceeded" if error == "budget" else error.kind
    assert told(reply)[0][2] == kind
    nothing_left()


async def test_it_ends_the_call_when_the_first_fails_too() -> None:
    """As it would have, one after the other; nobody behind it is asked, however long it takes."""
    slow = Pause()
    second, third = scripted(AuthenticationError("key"), name="b"), scripted(name="c")
    client = client_of(scripted([slow, ServerError("x")]), second, third, retry=ONCE)
    route = Route("a:m", "b:n", "c:o", hedge_after=0)
    asking = asyncio.create_task(client.text("x", model=route))
    await until(lambda: second.asked)
    for _ in range(20):
        await asyncio.sleep(0)
    slow.go_on()
    with pytest.raises(AuthenticationError):
        await asking
    assert third.asked == []
    nothing_left()


async def test_cancelled_twice_nobody_runs_on() -> None:
    """A second cancellation, such as the caller's behind a deadline, waits for the losers too."""
    first = Reluctant()
    opening = asyncio.create_task(
        client_of(first, scripted([Pause()], name="b")).stream_text("x", model=HEDGED).__aenter__()
    )
    await until(lambda: first.began)
    opening.cancel()
    await first.cancelled.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    nothing_left()


async def test_an_answer_that_is_not_accepted_does_not_win() -> None:
    slow = Pause()
    first, second = scripted([slow, "good"]), scripted("bad", name="b")
    route = Route(
        "a:m", "b:n", hedge_after=0, accept=lambda reply: getattr(reply, "text", "") == "good"
    )
    asking = asyncio.create_task(client_of(first, second).text("x", model=route))
    await until(lambda: second.asked)
    slow.go_on()
    reply = await asking
    assert told(reply) == [("b", "error", "invalid_response"), ("a", "ok", None)]


async def test_a_broken_accept_ends_it_and_leaves_nothing() -> None:
    slow = Pause()

    def accept(_: object) -> bool:
        raise ZeroDivisionError

    client = client_of(scripted([slow, "a"]), scripted("b", name="b"))
    with pytest.raises(ZeroDivisionError):
        await client.text("x", model=Route("a:m", "b:n", hedge_after=0, accept=accept))
    nothing_left()


async def test_cancelling_cancels_all_of_them() -> None:
    one, two = Pause(), Pause()
    first, second = scripted([one, "a"]), scripted([two, "b"], name="b")
    facts: list[Any] = []
    client = client_of(first, second, hooks=[facts.append])
    asking = asyncio.create_task(client.text("x", model=HEDGED))
    await one.reached()
    await two.reached()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [one.outcome for one in facts[-1].attempts] == ["cancelled", "cancelled"]
    nothing_left()


async def test_the_total_time_covers_all_of_them() -> None:
    client = client_of(scripted([Pause()]), scripted([Pause()], name="b"))
    with pytest.raises(TimedOutError) as caught:
        await client.text("x", model=HEDGED, timeouts=Timeouts(total=0.01))
    assert caught.value.phase == "total"
    assert len(caught.value.attempts) == 2
    nothing_left()


async def test_the_losers_connection_is_closed() -> None:
    """On the wire too: the server sees that nobody listens any more."""
    asked = asyncio.Event()

    async def silent(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "application/json"})
        asked.set()
        await asyncio.Event().wait()

    async with LoopbackServer() as server:
        server.on("POST", "/v1/chat/completions", silent)
        hosted = OpenAICompatibleBackend(f"{server.url}/v1", name="hosted")
        slow = Pause()
        client = gensdk.Client(backends={"hosted": hosted, "b": scripted([slow, "b"], name="b")})
        way = Route("hosted:m", "b:n", hedge_after=0)
        asking = asyncio.create_task(client.text("x", model=way))
        await asked.wait()
        slow.go_on()
        assert (await asking).provider == "b"
        await server.closed_by_client()
        await hosted.aclose()
    nothing_left()


# -------------------------------------------------------------------------------------- streams
async def test_the_first_output_wins_a_stream() -> None:
    slow = Pause()
    first = scripted([slow, "late"])
    async with client_of(first, scripted("b c", name="b")).stream_text("x", model=HEDGED) as stream:
        assert first.closed == 1, "the loser is closed before the first event is handed out"
        assert [piece async for piece in stream.text] == ["b", " c"]
        reply = await stream.result()
    assert told(reply) == [("a", "cancelled", None), ("b", "ok", None)]
    nothing_left()


async def test_two_streams_that_open_at_once() -> None:
    """The one that lost was open already: it is closed, and its record too."""
    one, two = Pause(), Pause()
    first = scripted([one, TextDelta(text="a"), Pause()])
    second = scripted([two, TextDelta(text="b"), Pause()], name="b")
    stream = client_of(first, second).stream_text("x", model=HEDGED)
    opening = asyncio.create_task(stream.__aenter__())
    await one.reached()
    await two.reached()
    one.go_on()
    two.go_on()
    await opening
    assert (first.closed, second.closed) == (0, 1)
    await stream.__aexit__(None, None, None)
    assert first.closed == 1
    nothing_left()


class Reluctant(gensdk.testing.ScriptedBackend):
    """Lets go of a cancelled call only when the test says so."""

    def __init__(self) -> None:
        super().__init__(name="a", capabilities=scripted().capabilities("m"))
        self.cancelled, self.leave = asyncio.Event(), asyncio.Event()
        self.began = False

    async def stream_text(self, *_: object) -> Any:
        self.began = True
        try:
            await asyncio.Event().wait()
            yield TextDelta(text="never")
        finally:
            self.cancelled.set()
            await self.leave.wait()


@pytest.mark.parametrize("standby", [False, True])
async def test_cancelling_while_the_loser_lets_go_closes_the_winner(standby: bool) -> None:
    first, second = Reluctant(), scripted([TextDelta(text="b"), Pause()], name="b")
    way = Route("a:m", "b:n", hedge_after=0, standby=standby)
    stream = client_of(first, second).stream_text("x", model=way)
    opening = asyncio.create_task(stream.__aenter__())
    await first.cancelled.wait()
    opening.cancel()
    await asyncio.sleep(0)
    first.leave.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(lambda: len(asyncio.all_tasks()) == 1)
    assert second.closed == 1
    nothing_left()


async def test_cancelling_while_a_load_is_given_up_closes_the_stream() -> None:
    leave, given_up = asyncio.Event(), asyncio.Event()

    class Slow(Local):
        @asynccontextmanager
        async def make_ready(self, *_: Any, **__: Any) -> AsyncIterator[None]:
            try:
                await asyncio.Event().wait()
                yield
            finally:
                given_up.set()
                await leave.wait()

    again = Pause()
    first = scripted(ServerError("1"), [again, TextDelta(text="a"), Pause()])
    stream = client_of(first, Slow()).stream_text("x", model=STANDBY)
    opening = asyncio.create_task(stream.__aenter__())
    await again.reached()
    again.go_on()
    await given_up.wait()
    opening.cancel()
    leave.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(lambda: len(asyncio.all_tasks()) == 1)
    assert first.closed == 1
    nothing_left()


# ------------------------------------------------------------------------------- bought only once
async def test_a_picture_is_not_bought_twice() -> None:
    """The hosted hop in between is passed over; the model on this machine costs nothing."""
    slow = Pause()
    hosted = scripted(name="b")
    client = client_of(scripted([slow, PICTURE]), hosted, scripted(PICTURE, name="c", local=True))
    reply = await client.image("x", model=Route("a:m", "b:m", "c:m", hedge_after=0))
    assert (reply.provider, hosted.asked) == ("c", [])
    assert [one.billed for one in reply.attempts] == ["maybe", "no"]


async def test_a_picture_waits_where_only_paid_hops_are_left() -> None:
    slow = Pause()
    hosted = scripted(name="b")
    asking = asyncio.create_task(
        client_of(scripted([slow, PICTURE]), hosted).image("x", model=HEDGED)
    )
    await slow.reached()
    for _ in range(20):
        await asyncio.sleep(0)
    slow.go_on()
    assert ((await asking).provider, hosted.asked) == ("a", [])


async def test_unless_the_caller_takes_the_risk() -> None:
    slow = Pause()
    client = client_of(scripted([slow, PICTURE]), scripted(PICTURE, name="b"))
    reply = await client.image("x", model=HEDGED, retry=Retry(unknown_outcome=True))
    assert [one.billed for one in reply.attempts] == ["maybe", "yes"]


async def test_a_local_picture_is_hedged_by_a_paid_one() -> None:
    slow = Pause()
    client = client_of(scripted([slow, PICTURE], local=True), scripted(PICTURE, name="b"))
    reply = await client.image("x", model=HEDGED)
    assert [(one.provider, one.billed) for one in reply.attempts] == [("a", "no"), ("b", "yes")]


async def test_a_paid_call_under_way_keeps_the_next_from_following_a_local_failure() -> None:
    """The local hop failed while the hosted one is asked: only that one may answer now."""
    slow = Pause()
    broken = scripted(InvalidResponseError("x"), name="b", local=True)
    third = scripted(name="c")
    client = client_of(scripted([slow, PICTURE]), broken, third, retry=ONCE)
    route = Route("a:m", "b:m", "c:m", hedge_after=0)
    asking = asyncio.create_task(client.image("x", model=route))
    await until(lambda: broken.asked)
    for _ in range(20):
        await asyncio.sleep(0)
    slow.go_on()
    assert ((await asking).provider, third.asked) == ("a", [])


async def test_an_unknown_outcome_waits_for_this_machine() -> None:
    """It moves to no paid hop; the local one that was started in time may still answer."""
    lost, busy = Pause(), Pause()
    unknown = TimedOutError("x", phase="attempt", billed="maybe")
    local = scripted([busy, PICTURE], name="b", local=True)
    client = client_of(scripted([lost, unknown]), local, retry=ONCE)
    asking = asyncio.create_task(client.image("x", model=HEDGED))
    await busy.reached()
    lost.go_on()
    for _ in range(20):
        await asyncio.sleep(0)
    busy.go_on()
    reply = await asking
    assert told(reply) == [("a", "error", "outcome_unknown"), ("b", "ok", None)]


async def test_an_unknown_outcome_with_nobody_to_wait_for() -> None:
    unknown = TimedOutError("x", phase="attempt", billed="maybe")
    client = client_of(scripted(unknown), scripted(name="b"), retry=ONCE)
    with pytest.raises(OutcomeUnknownError):
        await client.image("x", model=Route("a:m", "b:m", hedge_after=60))


async def test_a_job_is_never_hedged() -> None:
    clip = VideoResponse(videos=(Media(data=b"v"),))
    first = scripted([Pause(), ScriptedJob(result=clip)])
    second = scripted(name="b")
    for backend in (first, second):  # the second is free, so money is not what holds it back
        backend._capabilities = gensdk.spec.Capabilities(
            abilities=frozenset({"video"}), jobs=frozenset({"video"}), local=backend is second
        )
    asking = asyncio.create_task(client_of(first, second).start_video("x", model=HEDGED))
    await until(lambda: first.asked)
    for _ in range(20):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert second.asked == []


async def test_a_single_job_fails_with_its_own_error() -> None:
    backend = scripted(ServerError("x", billed="no"))
    backend._capabilities = gensdk.spec.Capabilities(
        abilities=frozenset({"video"}), jobs=frozenset({"video"})
    )
    with pytest.raises(ServerError):
        await client_of(backend, retry=ONCE).start_video("x", model=Route("a:m", hedge_after=0))


# ------------------------------------------------------------------------------------- settings
@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf"), "1", True])
def test_seconds(bad: Any) -> None:
    with pytest.raises(ConfigurationError, match="hedge_after"):
        Route("a:m", "b:n", hedge_after=bad)


@pytest.mark.parametrize(
    "changes",
    [{"hedge_after": 1.0}, {"standby": True}, {"interrupted": "restart"}, {"breaker": False}],
)
async def test_settings_inside_another_route_are_not_lost(changes: dict[str, Any]) -> None:
    client = client_of(scripted(), models={"text": "a:m", "inner": Route("a:m", **changes)})
    with pytest.raises(ConfigurationError, match="would be lost"):
        await client.text("x", model=["inner", "a:m"])


# -------------------------------------------------------------------------------------- standby
class Local(gensdk.testing.ScriptedBackend):
    """A model on this machine that has to be loaded."""

    def __init__(self, *steps: Any, load: Any = None) -> None:
        facts = scripted(local=True).capabilities("m")
        super().__init__(*steps, name="local", capabilities=facts)
        self.load = load
        self.loads: list[str] = []
        self.given_up = 0

    @asynccontextmanager
    async def make_ready(self, _: Request, context: Context, **__: Any) -> AsyncIterator[None]:
        self.loads.append(context.model)
        if isinstance(self.load, Pause):
            try:
                await self.load.wait()
            except asyncio.CancelledError:
                self.given_up += 1
                raise
        elif self.load is not None:
            raise self.load
        yield


STANDBY = Route("a:m", "local:n", standby=True)


async def test_trouble_warms_the_local_hop_while_the_first_is_still_tried() -> None:
    """Loaded after the first failed attempt, not after the last."""
    local = Local("from here")
    again = Pause()
    first = scripted(ServerError("1"), [again, ServerError("2")], ServerError("3"))
    asking = asyncio.create_task(client_of(first, local).text("x", model=STANDBY))
    await again.reached()
    await until(lambda: local.loads)
    assert (local.loads, local.asked) == (["n"], [])
    again.go_on()
    assert (await asking).provider == "local"
    assert local.loads == ["n", "n"], "and the attempt itself asks, as ever"
    nothing_left()


async def test_a_load_nobody_needs_is_given_up() -> None:
    local = Local(load=Pause())
    again = Pause()
    first = scripted(ServerError("1"), [again, "well again"])
    asking = asyncio.create_task(client_of(first, local).text("x", model=STANDBY))
    await again.reached()
    await until(lambda: local.loads)
    again.go_on()
    assert (await asking).text == "well again"
    assert local.given_up == 1
    nothing_left()


async def test_a_load_that_fails_is_told_by_the_hop_itself() -> None:
    local = Local(load=gensdk.errors.ModelLoadError("broken"))
    client = client_of(scripted(ServerError("x")), local, retry=ONCE)
    with pytest.raises(RouteExhaustedError) as caught:
        await client.text("x", model=STANDBY)
    assert [vars(one)["provider"] for one in caught.value.exceptions] == ["a", "local"]
    nothing_left()


async def test_a_load_that_breaks_in_an_unforeseen_way_is_not_lost() -> None:
    """It is the hop's own to raise."""
    local = Local(load=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await client_of(scripted(ServerError("x")), local, retry=ONCE).text("x", model=STANDBY)
    nothing_left()


async def test_cancelling_ends_the_load() -> None:
    local = Local(load=Pause())
    first = scripted(ServerError("1"), [Pause(), "never"])
    asking = asyncio.create_task(client_of(first, local).text("x", model=STANDBY))
    await until(lambda: local.loads)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert local.given_up == 1
    nothing_left()


async def test_without_standby_nothing_is_loaded_before_its_turn() -> None:
    local = Local("x")
    again = Pause()
    first = scripted(ServerError("1"), [again, "a"])
    asking = asyncio.create_task(client_of(first, local).text("x", model=["a:m", "local:n"]))
    await again.reached()
    assert local.loads == []
    again.go_on()
    assert (await asking).provider == "a"


async def test_a_stream_that_breaks_later_starts_no_load_that_nobody_owns() -> None:
    local = Local()
    first = scripted([TextDelta(text="a"), ServerError("x")])
    async with client_of(first, local).stream_text("x", model=STANDBY) as stream:
        with pytest.raises(GenSDKError):
            await stream.result()
    assert local.loads == []
    nothing_left()


class _SlowOutage(gensdk.testing.ScriptedBackend):
    """Fails, and takes a turn of the loop more for it than a hedge waits."""

    async def text(self, request: Any, context: Context) -> Any:
        await asyncio.sleep(0.001)
        return await super().text(request, context)


async def test_an_outage_that_is_slow_is_not_multiplied() -> None:
    """A hedge is paid from the provider's allowance for retries, like a retry."""
    backend = _SlowOutage(*[ServerError("down", billed="no")] * 400, name="a")
    client = client_of(backend, retry=QUICK)
    for _ in range(100):
        with pytest.raises(GenSDKError):
            await client.text("x", model=Route("a:m", hedge_after=0))
    assert 120 < len(backend.asked) <= 160
    nothing_left()


async def test_hedges_that_lead_to_an_answer_cost_nothing() -> None:
    backend = scripted(*[[Pause(), "late"], "again"] * 60)
    client = client_of(backend)
    for _ in range(60):
        assert (await client.text("x", model=Route("a:m", hedge_after=0))).text == "again"
    assert len(backend.asked) == 120
