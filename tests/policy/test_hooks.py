"""What hooks are told, what every answer carries, and that neither holds content."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

import gensdk
from gensdk import AttemptFinished, CallFinished, CallStarted
from gensdk.errors import ConfigurationError, InvalidResponseError, RateLimitError, ServerError
from gensdk.testing import Pause, ScriptedJob, Step, run_virtual, say
from gensdk.types import (
    Cost,
    Finished,
    Media,
    ModerationResponse,
    ResponseWarning,
    TextDelta,
    Usage,
    VideoResponse,
)
from tests.support.scripts import ONCE, client_of, scripted
from tests.support.virtual_time import virtual_time

SECRET = "the moon is made of cheese"


async def test_facts_of_a_call_that_was_tried_twice() -> None:
    facts: list[Any] = []
    answer = say(SECRET, model="m-2026", usage=Usage(input_tokens=1), request_id="r2")
    backend = scripted(ServerError("broken", status=500, request_id="r1"), answer)
    client = client_of(backend, hooks=[facts.append])
    reply = await client.text(SECRET, tag="team-x")
    started, failed, answered, finished = facts
    call_id = started.call_id
    assert started == CallStarted(call_id, "text", ("a:m",), False, "team-x", {})
    assert isinstance(failed, AttemptFinished)
    assert isinstance(answered, AttemptFinished)
    assert (failed.attempt.error, failed.attempt.status, failed.attempt.request_id) == (
        "server", 500, "r1",
    )  # fmt: skip
    assert (answered.attempt.outcome, answered.attempt.request_id) == ("ok", "r2")
    assert (answered.attempt.billed, failed.attempt.billed) == ("yes", "maybe")
    assert finished == CallFinished(
        call_id, "text", "a", "m-2026", None, Usage(input_tokens=1), None, reply.timing,
        (failed.attempt, answered.attempt), "team-x", "r2", ("stop",),
    )  # fmt: skip
    assert reply.attempts == finished.attempts
    assert {fact.call_id for fact in facts} == {call_id}
    assert SECRET not in repr(facts)


async def test_facts_of_a_call_that_failed() -> None:
    facts: list[Any] = []
    client = client_of(scripted(*[ServerError("x")] * 3), hooks=[facts.append])
    with pytest.raises(ServerError):
        await client.text("x")
    finished = facts[-1]
    assert (finished.error, finished.usage, finished.cost) == ("server", None, None)
    assert (finished.provider, finished.model) == ("a", "m")
    assert len(finished.attempts) == 3
    assert finished.timing.duration_s >= 0
    with pytest.raises(ZeroDivisionError):
        await client_of(scripted(ZeroDivisionError()), hooks=[facts.append]).text("x")
    assert facts[-1].error == "ZeroDivisionError"
    assert facts[-1].attempts[0].outcome == "error"


@pytest.mark.parametrize(
    ("how", "outcome", "error"),
    [
        ("finish", "ok", None), ("leave", "cancelled", "cancelled"), ("break", "error", "server"),
        ("bug", "error", "ZeroDivisionError"), ("own", "cancelled", "cancelled"),
    ],
)  # fmt: skip
async def test_facts_of_a_stream(how: str, outcome: str, error: str | None) -> None:
    facts: list[Any] = []
    ends: dict[str, object] = {"break": ServerError("x"), "bug": ZeroDivisionError()}
    backend = scripted([TextDelta(text="a"), ends.get(how, "b")])
    client = client_of(backend, hooks=[facts.append])
    expected: Any = {"break": ServerError, "bug": ZeroDivisionError, "own": ServerError}.get(
        how, ()
    )
    try:
        async with client.stream_text("x") as stream:
            await anext(stream)
            assert [type(fact) for fact in facts] == [CallStarted]
            if how == "own":
                raise ServerError("of another call, inside the block")
            if how != "leave":
                await stream.result()
    except expected:
        assert how in {"break", "bug", "own"}
    assert [type(fact) for fact in facts] == [CallStarted, AttemptFinished, CallFinished]
    assert facts[0].streaming
    assert (facts[1].attempt.outcome, facts[2].error) == (outcome, error)
    assert (facts[2].usage is not None) == (how == "finish")


def test_when_a_try_began_and_how_long_it_took() -> None:
    """Counted from the call's beginning: 3 s of waiting, then 2 s at work."""

    async def scenario() -> Any:
        work = Pause()
        backend = scripted(RateLimitError("x", retry_after=3), [work, "there"])
        asking = asyncio.create_task(client_of(backend).text("x"))
        await work.reached()
        await asyncio.sleep(2)
        work.go_on()
        return await asking

    failed, answered = run_virtual(scenario(), patience_s=0.0).attempts
    assert (failed.start_s, failed.duration_s, failed.delay_s) == (0, 0, 0)
    assert answered.start_s == pytest.approx(answered.delay_s)
    assert 3 <= answered.delay_s <= 3.4
    assert answered.duration_s == pytest.approx(2)


async def test_a_job_that_was_started_is_not_paid_for_yet() -> None:
    clip = VideoResponse(videos=(Media(data=b"film"),))
    backend = scripted(ScriptedJob(result=clip), jobs=frozenset({"video"}))
    facts: list[Any] = []
    reply = await client_of(backend, hooks=[facts.append]).video("x")
    (started, *_) = [fact.attempt for fact in facts if isinstance(fact, AttemptFinished)]
    assert (started.outcome, started.billed, started.request_id) == ("ok", "maybe", "job-1")
    assert reply.attempts[-1].billed == "yes"


async def test_a_failing_hook_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def broken(fact: Any) -> None:
        raise ValueError("my own mistake")

    reply = await client_of(scripted("fine"), hooks=[broken, seen.append]).text("x")
    assert reply.text == "fine"
    assert len(seen) == 3
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR] == [
        "a hook failed on CallStarted", "a hook failed on AttemptFinished",
        "a hook failed on CallFinished",
    ]  # fmt: skip


async def coroutine_hook(fact: Any) -> None:
    """A hook must be a plain function."""


class CallableHook:
    async def __call__(self, fact: Any) -> None:
        """Nor this."""


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (coroutine_hook, "plain function, not a coroutine"),
        (CallableHook(), "plain function, not a coroutine"),
        ("print", r"hook 'print' is no function: .* hooks=\[my_hook\]"),
        (None, "hook None is no function"),
    ],
)
def test_hooks_are_plain_functions(hook: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        gensdk.Client(hooks=[hook])


async def test_a_copy_may_have_other_hooks() -> None:
    mine: list[Any] = []
    yours: list[Any] = []
    client = client_of(scripted("a", repeat=True), hooks=[mine.append])
    await client.with_options(hooks=[yours.append]).text("x")
    assert (len(mine), len(yours)) == (0, 3)
    await client.text("x")
    assert (len(mine), len(yours)) == (3, 3)


# ----------------------------------------------------------------------- what an answer carries
async def test_the_pipeline_completes_the_answer() -> None:
    warning = ResponseWarning(kind="adapted", message="w")
    backend = scripted(say("x", provider="whoever", model="m-2026", warnings=(warning,)))
    reply = await client_of(backend).text("x")
    assert (reply.provider, reply.model, reply.warnings) == ("a", "m-2026", (warning,))
    assert reply.timing is not None
    assert reply.timing.first_output_s is None
    assert str(reply.timing.started_at).endswith("+00:00")
    (attempt,) = reply.attempts
    assert attempt.start_s >= 0
    assert attempt.duration_s <= reply.timing.duration_s


async def test_a_backend_that_does_not_name_its_model() -> None:
    assert (await client_of(scripted(say("x"))).text("x")).model == "m"


@virtual_time
async def test_a_stream_tells_when_its_first_output_came() -> None:
    async def events(_request: Any, _context: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(3)
        yield TextDelta(text="a")
        await asyncio.sleep(4)
        yield Finished(response=say("a"))

    backend: Any = scripted()
    backend.stream_text = events
    async with client_of(backend).stream_text("x") as stream:
        reply = await stream.result()
    assert (reply.timing.first_output_s, reply.timing.duration_s) == (3.0, 7.0)


async def test_a_demo_says_that_it_is_one() -> None:
    reply = await client_of(scripted("x", demo=True, local=True)).text("x")
    assert [one.kind for one in reply.warnings] == ["demo"]


async def test_the_providers_own_price_is_kept() -> None:
    cost = Cost(amount=Decimal("0.5"), estimated=False)
    backend = scripted(say("x", cost=cost), price_provider="openai")
    assert (await client_of(backend).text("x")).cost == cost


async def test_debug_lines_hold_no_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "gensdk")
    backend = scripted(ServerError("x"), say(SECRET))
    await client_of(backend).text(SECRET, system=SECRET)
    assert "text ok by a:m after 2 attempts" in caplog.text
    assert SECRET not in caplog.text
    assert all(SECRET not in repr(record.args) for record in caplog.records)


async def test_a_cancelled_call_is_told_as_such() -> None:
    facts: list[Any] = []
    client = client_of(scripted(asyncio.CancelledError()), hooks=[facts.append])
    with pytest.raises(asyncio.CancelledError):
        await client.text("x")
    assert facts[-1].error == "cancelled"
    asyncio.current_task().uncancel()  # type: ignore[union-attr]


async def test_an_answer_of_the_wrong_kind_is_a_typed_error() -> None:
    wrongs: list[Step] = [[], ModerationResponse()]
    for wrong in wrongs:
        client = client_of(scripted(wrong), retry=ONCE)
        with pytest.raises(InvalidResponseError, match="answered with"):
            await client.text("x")
