"""Bought once: what a call may have paid for is neither bought again nor thrown away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import gensdk
from gensdk import Limit, Route
from gensdk.errors import (
    ConnectionFailedError,
    GenSDKError,
    InvalidResponseError,
    LocalError,
    OutcomeUnknownError,
    QuotaExceededError,
    RateLimitError,
    ResponseTooLargeError,
    RouteExhaustedError,
    ServerError,
    StreamInterruptedError,
    TimedOutError,
)
from gensdk.policy.paid import bought
from gensdk.testing import Pause
from gensdk.types import (
    Attempt,
    EmbedResponse,
    ImageResponse,
    Media,
    SpeechResponse,
    TextDelta,
    Vectors,
)
from tests.support.scripts import ONCE, PNG, client_of, nothing_left, partial_of, scripted, until

PICTURE = ImageResponse(images=(Media(data=PNG),))
AGAIN = gensdk.Retry(base_s=0, max_backoff_s=0, unknown_outcome=True)
TINY = 0.02


def cut() -> ConnectionFailedError:
    return ConnectionFailedError("the connection broke", billed="maybe")


def billed_of(error: GenSDKError) -> list[tuple[str, str]]:
    return [(one.provider, one.billed) for one in error.attempts]


# --------------------------------------------------------------------------------- over the hops
async def test_parts_that_were_answered_are_not_bought_elsewhere() -> None:
    first = scripted(*[PICTURE] * 3, RateLimitError("slow", retry_after=999), max_images=1)
    second = scripted(name="b")
    with pytest.raises(RateLimitError) as caught:
        await client_of(first, second).image("x", n=4, model=["a:m", "b:m"])
    assert second.asked == []
    error = caught.value
    assert error.billed == "yes"
    assert len(partial_of(error).images) == 3
    (note,) = error.__notes__
    assert note.startswith("b:m was not tried: this image request may be paid for already")


async def test_but_this_machine_may_make_them() -> None:
    first = scripted(PICTURE, QuotaExceededError("x"), max_images=1)
    hosted, local = scripted(name="b"), scripted(PICTURE, name="c", local=True)
    reply = await client_of(first, hosted, local).image("x", n=2, model=["a:m", "b:m", "c:m"])
    assert (reply.provider, hosted.asked) == ("c", [])


async def test_what_was_paid_for_is_kept_when_every_hop_fails() -> None:
    first = scripted(PICTURE, QuotaExceededError("x"), max_images=1)
    local = scripted(LocalError("full"), name="b", local=True)
    with pytest.raises(RouteExhaustedError) as caught:
        await client_of(first, local).image("x", n=2, model=["a:m", "b:m"])
    assert len(partial_of(caught.value).images) == 1
    assert caught.value.billed == "yes"


@pytest.mark.parametrize("extra", [{"retry": AGAIN}, {}])
async def test_a_picture_whose_download_fails(extra: dict[str, Any]) -> None:
    first = scripted(ServerError("the download failed", billed="yes"))
    second = scripted(PICTURE, name="b")
    client = client_of(first, second, **extra)
    if extra:
        assert (await client.image("x", model=["a:m", "b:m"])).provider == "b"
        return
    with pytest.raises(ServerError):
        await client.image("x", model=["a:m", "b:m"])
    assert (len(first.asked), len(second.asked)) == (1, 0)


@pytest.mark.parametrize(
    "make",
    [
        cut,
        lambda: StreamInterruptedError("cut"),
        lambda: InvalidResponseError("not JSON"),
        lambda: ResponseTooLargeError("endless"),
    ],
)
async def test_an_answer_may_be_lost_once_in_a_call(make: Callable[[], GenSDKError]) -> None:
    """Not once at each hop; the second hop may still make good one that was lost before."""
    names = ("a", "b", "c")
    backends = [scripted(make(), name=name, repeat=True) for name in names]
    route = Route("a:m", "b:m", "c:m", retry=ONCE)
    with pytest.raises(type(make())) as caught:
        await client_of(*backends).image("x", model=route)
    assert [len(one.asked) for one in backends] == [1, 1, 0]
    assert billed_of(caught.value) == [("a", "maybe"), ("b", "maybe")]
    client = client_of(scripted(make()), scripted(PICTURE, name="b"), retry=ONCE)
    reply = await client.image("x", model=["a:m", "b:m"])
    assert reply.provider == "b"


async def test_the_once_more_of_a_cut_connection_is_spent_over_the_hops() -> None:
    first, second = scripted(cut()), scripted(cut(), name="b", repeat=True)
    route = Route("a:m", "b:m", "c:m")
    client = client_of(first, second, scripted(name="c"), retry=ONCE)
    with pytest.raises(ConnectionFailedError):
        await client.image("x", model=route)
    assert len(second.asked) == 1
    first = scripted(cut(), QuotaExceededError("x"))
    client = client_of(first, second, scripted(name="c"))
    with pytest.raises(ConnectionFailedError):
        await client.image("x", model=route)
    assert (len(first.asked), len(second.asked)) == (2, 2), "no second try at b"


async def test_text_is_asked_again_everywhere() -> None:
    backends = [scripted(cut(), name=name, repeat=True) for name in "ab"]
    with pytest.raises(RouteExhaustedError):
        await client_of(*backends).text("x", model=["a:m", "b:m"])
    assert [len(one.asked) for one in backends] == [3, 3]


async def test_a_failure_that_the_server_answered_moves_on() -> None:
    backends = [scripted(ServerError("x"), name=name, repeat=True) for name in "ab"]
    last = scripted(PICTURE, name="c")
    reply = await client_of(*backends, last).image("x", model=["a:m", "b:m", "c:m"])
    assert [one.provider for one in reply.attempts] == [*"aaabbbc"]


async def test_an_unknown_outcome_is_remembered_behind_a_local_hop() -> None:
    first = scripted(TimedOutError("x", phase="attempt", billed="maybe"))
    local = scripted(LocalError("full"), name="b", local=True)
    hosted = scripted(name="c")
    with pytest.raises(LocalError) as caught:
        await client_of(first, local, hosted).image("x", model=["a:m", "b:m", "c:m"])
    assert hosted.asked == []
    assert caught.value.billed == "maybe"


@pytest.mark.parametrize(
    ("outcome", "error", "billed", "is_bought"),
    [
        ("ok", None, "yes", True), ("error", "server", "yes", True),
        ("error", "outcome_unknown", "maybe", True), ("cancelled", None, "maybe", True),
        ("cancelled", None, "no", False), ("error", "outcome_unknown", "no", False),
        ("error", "connection", "maybe", False), ("error", "server", "maybe", False),
    ],
)  # fmt: skip
def test_after_which_attempt_nothing_is_bought_again(
    outcome: Any, error: str | None, billed: Any, is_bought: bool
) -> None:
    attempt = Attempt(provider="a", model="m", outcome=outcome, error=error, billed=billed)
    call: Any = SimpleNamespace(ability="image", retry=gensdk.Retry(), attempts=[attempt])
    assert bought(call, 0) is is_bought
    assert not bought(call, 1)
    for changes in ({"ability": "text"}, {"retry": AGAIN}):
        assert not bought(SimpleNamespace(**vars(call) | changes), 0)  # type: ignore[arg-type]


async def test_what_is_said_of_an_unknown_outcome() -> None:
    timeout = TimedOutError("no answer", phase="attempt", billed="maybe")
    with pytest.raises(OutcomeUnknownError) as caught:
        await client_of(scripted(timeout)).image("x")
    assert caught.value.message.startswith(
        "no answer; a:m may still finish, and bill, this image request, so it is not sent again. "
    )
    started = scripted(ServerError("broke", status=500), jobs=frozenset({"video"}))
    with pytest.raises(OutcomeUnknownError) as caught:
        await client_of(started).video("x")
    assert caught.value.message.startswith(
        "broke; a:m may have started, and bill, this video job, so it is not started again. "
    )
    assert caught.value.status == 500


async def test_an_answer_that_the_user_refused_is_made_again() -> None:
    backends = [scripted(PICTURE, name=name) for name in "abc"]
    answers: Iterator[bool] = iter([False, False, True])
    route = Route("a:m", "b:m", "c:m", accept=lambda _: next(answers))
    assert (await client_of(*backends).image("x", model=route)).provider == "c"


# ------------------------------------------------------------------------------------- the parts
async def test_a_paid_part_under_way_is_let_finish() -> None:
    pause = Pause()
    first = scripted([pause, PICTURE], QuotaExceededError("x"), max_images=1)
    second = scripted(name="b")
    client = client_of(first, second)
    task = asyncio.create_task(client.image("x", n=2, model=["a:m", "b:m"]))
    await until(lambda: len(first.asked) == 2)
    await pause.reached()
    pause.go_on()
    with pytest.raises(QuotaExceededError) as caught:
        await task
    assert (pause.cancelled, second.asked) == (False, [])
    assert sorted(one.outcome for one in caught.value.attempts) == ["error", "ok"]
    partial = partial_of(caught.value)
    assert (len(partial.images), partial.finish_reason, partial.provider) == (1, "error", "a")
    assert "have no answer: 2" in partial.warnings[-1].message
    nothing_left()


async def test_no_part_is_begun_after_one_has_failed() -> None:
    """Not one that waits for its turn, nor one that waits to be tried again."""
    pause = Pause()
    slow = RateLimitError("slow", retry_after=30)
    steps: list[Any] = [slow, [pause, ServerError("late")], PICTURE, QuotaExceededError("x")]
    backend = scripted(*steps, max_images=1)
    task = asyncio.create_task(client_of(backend).image("x", n=9))
    await until(lambda: len(backend.asked) == 4)
    pause.go_on()
    with pytest.raises(QuotaExceededError) as caught:
        await task
    assert len(backend.asked) == 4
    assert [one.error for one in caught.value.attempts].count("server") == 1
    assert caught.value.billed == "yes"
    nothing_left()


async def test_eager_tasks_stop_too() -> None:
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is None:
        pytest.skip("Python 3.12 has eager tasks")
    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        backend = scripted(QuotaExceededError("x"), max_images=1)
        with pytest.raises(QuotaExceededError):
            await client_of(backend).image("x", n=9)
    finally:
        loop.set_task_factory(None)
    assert len(backend.asked) == 1


async def test_finished_parts_of_other_abilities_are_kept_too() -> None:
    with pytest.raises(ServerError) as caught:
        await client_of(scripted("a", ServerError("x"), max_candidates=1), retry=ONCE).text(
            "x", n=2
        )
    assert partial_of(caught.value).text == "a"
    rows = [EmbedResponse(vectors=Vectors.of([[float(n)]])) for n in range(3)]
    backend = scripted(rows[0], ServerError("x"), rows[2], max_inputs=1)
    with pytest.raises(ServerError) as caught:
        await client_of(backend, retry=ONCE).embed(["a", "b", "c"])
    assert partial_of(caught.value).vectors.tolist() == [[0.0]], "what stands behind a gap is not"


async def test_sounds_that_cannot_be_joined_are_no_partial() -> None:
    sounds = [SpeechResponse(audio=Media(data=b"fLaC")) for _ in range(2)]
    backend = scripted(*sounds, QuotaExceededError("x"), max_characters=4)
    with pytest.raises(QuotaExceededError) as caught:
        await client_of(backend).speech("One. Two. Six.")
    assert caught.value.partial is None


async def test_the_total_keeps_what_was_finished() -> None:
    backend = scripted(PICTURE, Pause(), max_images=1)
    with pytest.raises(OutcomeUnknownError) as caught:
        await client_of(backend).image("x", n=2, timeouts=TINY)
    assert len(partial_of(caught.value).images) == 1
    assert caught.value.billed == "yes"


# ------------------------------------------------------------------------- what an error may cost
async def test_an_error_tells_of_the_whole_call() -> None:
    steps = [ServerError("x"), RateLimitError("x"), RateLimitError("x")]
    with pytest.raises(RateLimitError) as caught:
        await client_of(scripted(*steps)).image("x")
    assert caught.value.billed == "maybe"


async def test_the_total_tells_of_what_was_before_it() -> None:
    client = client_of(scripted(ServerError("x")), limit=Limit(requests_per_minute=1))
    with pytest.raises(TimedOutError) as caught:
        await client.text("x", timeouts=TINY)
    assert (caught.value.phase, caught.value.billed) == ("total", "maybe")


async def test_a_stream_that_breaks_tells_of_the_tries_before_it() -> None:
    broken = [TextDelta(text="a"), RateLimitError("x")]
    async with client_of(scripted([ServerError("x")], broken)).stream_text("x") as stream:
        with pytest.raises(RateLimitError) as caught:
            await stream.result()
    assert caught.value.billed == "maybe"
    assert len(caught.value.attempts) == 2


@pytest.mark.parametrize("streaming", [False, True])
async def test_nothing_is_billed_on_this_machine(streaming: bool) -> None:
    error = InvalidResponseError("empty")
    client = client_of(scripted([TextDelta(text="a"), error] if streaming else error, local=True))
    with pytest.raises(InvalidResponseError) as caught:
        if streaming:
            async with client.stream_text("x") as stream:
                await stream.result()
        else:
            await client.text("x", retry=ONCE)
    assert (caught.value.billed, billed_of(caught.value)) == ("no", [("a", "no")])
