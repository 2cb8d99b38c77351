"""Trying again: what, how often, after how long, and at whose expense."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import tenacity

import gensdk
from gensdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    ContentBlockedError,
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    ModelNotFoundError,
    OutcomeUnknownError,
    OutOfMemoryError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseTooLargeError,
    ServerError,
    StreamInterruptedError,
    TimedOutError,
    UnsafeURLError,
    UnsupportedFeatureError,
)
from gensdk.policy.retry import (
    CAPACITY,
    COST,
    THROTTLE_COST,
    Tokens,
    passing,
    repeat_download,
)
from gensdk.testing import ScriptedBackend, Step, say
from gensdk.types import (
    Ability,
    EmbedResponse,
    ImageResponse,
    Media,
    ModerationResponse,
    MusicResponse,
    SpeechResponse,
    TextDelta,
    TranscriptionResponse,
    Vectors,
    VideoResponse,
)
from tests.support.scripts import (
    PNG,
    QUICK,
    ask,
    client_of,
    nothing_left,
    partial_of,
    scripted,
    until,
)

ANSWERS: dict[Ability, Step] = {
    "text": "fine",
    "image": ImageResponse(images=(Media(data=PNG),)),
    "speech": SpeechResponse(audio=Media(data=b"ID3\x04\x00")),
    "music": MusicResponse(audio=Media(data=b"ID3\x04\x00")),
    "transcribe": TranscriptionResponse(text="fine"),
    "video": VideoResponse(videos=(Media(data=b"film"),)),
    "embed": EmbedResponse(vectors=Vectors.of([[1.0]])),
    "moderate": ModerationResponse(),
}
TEXT_LIKE: tuple[Ability, ...] = ("text", "transcribe", "embed", "moderate")
PAID: tuple[Ability, ...] = ("image", "speech", "music", "video")

Make = Callable[[], GenSDKError]
TABLE: list[tuple[str, Make, int, int]] = [
    # what happens every time, attempts for text and its like, attempts for images and speech
    ("rate limit", lambda: RateLimitError("x"), 3, 3),
    ("overloaded", lambda: OverloadedError("x"), 3, 3),
    ("server error", lambda: ServerError("x"), 3, 3),
    ("nothing was sent", lambda: ConnectionFailedError("x"), 3, 3),
    ("cut after sending", lambda: ConnectionFailedError("x", billed="maybe"), 3, 2),
    ("stream cut before output", lambda: StreamInterruptedError("x"), 3, 2),
    ("connect timeout", lambda: TimedOutError("x", phase="connect"), 3, 3),
    ("full queue", lambda: TimedOutError("x", phase="queue"), 1, 1),
    ("own timeout", lambda: TimedOutError("x", phase="attempt", billed="maybe"), 3, 1),
    ("silent wire", lambda: TimedOutError("x", phase="idle", billed="maybe"), 3, 1),
    ("unusable answer", lambda: InvalidResponseError("x"), 2, 1),
    ("endless answer", lambda: ResponseTooLargeError("x"), 1, 1),
    ("unsafe address", lambda: UnsafeURLError("x"), 1, 1),
    ("invalid request", lambda: InvalidRequestError("x"), 1, 1),
    ("context length", lambda: ContextLengthError("x"), 1, 1),
    ("unsupported", lambda: UnsupportedFeatureError("x"), 1, 1),
    ("blocked", lambda: ContentBlockedError("x"), 1, 1),
    ("bad key", lambda: AuthenticationError("x"), 1, 1),
    ("forbidden", lambda: PermissionDeniedError("x"), 1, 1),
    ("quota", lambda: QuotaExceededError("x"), 1, 1),
    ("no such model", lambda: ModelNotFoundError("x"), 1, 1),
    ("outcome unknown", lambda: OutcomeUnknownError("x"), 1, 1),
    ("out of memory", lambda: OutOfMemoryError("x"), 1, 1),
    ("server says no", lambda: ServerError("x", retryable=False), 1, 1),
    ("server says yes", lambda: InvalidRequestError("x", retryable=True), 3, 3),
]


@pytest.mark.parametrize(("_", "make", "text", "paid"), TABLE, ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("ability", [*TEXT_LIKE, *PAID])
async def test_how_often(_: str, make: Make, text: int, paid: int, ability: Ability) -> None:
    tries = text if ability in TEXT_LIKE else paid
    backend = scripted(*[make() for _ in range(tries)])
    with pytest.raises(GenSDKError) as caught:
        await ask(client_of(backend), ability)
    backend.assert_done()
    assert [attempt.outcome for attempt in caught.value.attempts] == [
        "skipped" if isinstance(make(), UnsupportedFeatureError) else "error"
    ] * tries
    assert not isinstance(caught.value, tenacity.RetryError)


@pytest.mark.parametrize("ability", [*TEXT_LIKE, *PAID])
async def test_the_third_try_may_succeed(ability: Ability) -> None:
    backend = scripted(ServerError("x"), RateLimitError("x"), ANSWERS[ability])
    reply = await ask(client_of(backend), ability)
    assert [attempt.error for attempt in reply.attempts] == ["server", "rate_limit", None]
    keys = {asked.context.idempotency_key for asked in backend.asked}
    assert len(keys) == 1, "one key for every try of one call"


async def test_every_call_has_a_key_of_its_own() -> None:
    backend = scripted("a", repeat=True)
    client = client_of(backend)
    for _ in range(3):
        await client.text("x")
    assert len({asked.context.idempotency_key for asked in backend.asked}) == 3


@pytest.mark.parametrize("ability", PAID)
async def test_paid_calls_say_that_the_outcome_is_unknown(ability: Ability) -> None:
    timeout = TimedOutError("no answer", phase="attempt", billed="maybe", request_id="r9")
    with pytest.raises(OutcomeUnknownError, match="not sent again") as caught:
        await ask(client_of(scripted(timeout)), ability)
    assert (caught.value.billed, caught.value.request_id) == ("maybe", "r9")
    assert (caught.value.provider, caught.value.model) == ("a", "m")
    assert caught.value.__cause__ is timeout


@pytest.mark.parametrize("ability", PAID)
async def test_repeating_an_unknown_outcome_is_opt_in(ability: Ability) -> None:
    lost = [
        TimedOutError("x", phase="attempt", billed="maybe"),
        ConnectionFailedError("x", billed="maybe"),
        ConnectionFailedError("x", billed="maybe"),
    ]
    eager = gensdk.Retry(attempts=4, base_s=0, max_backoff_s=0, unknown_outcome=True)
    reply = await ask(client_of(scripted(*lost, ANSWERS[ability]), retry=eager), ability)
    assert len(reply.attempts) == 4


async def test_on_this_machine_nothing_is_paid() -> None:
    lost = TimedOutError("x", phase="attempt", billed="maybe")
    reply = await client_of(scripted(lost, ANSWERS["image"], local=True)).image("x")
    assert [attempt.billed for attempt in reply.attempts] == ["no", "no"]


async def test_a_call_may_set_its_own_number_of_tries() -> None:
    backend = scripted(*[ServerError("x")] * 5, "fine")
    client = client_of(backend)
    many = gensdk.Retry(attempts=6, base_s=0, max_backoff_s=0)
    assert len((await client.text("x", retry=many)).attempts) == 6
    with pytest.raises(ServerError):
        await client_of(scripted(ServerError("x"))).text("x", retry=gensdk.Retry(attempts=1))


async def test_errors_that_are_none_of_ours_pass_at_once() -> None:
    class OwnError(Exception):
        pass

    with pytest.raises(OwnError):
        await client_of(scripted(OwnError())).text("x")
    with pytest.raises(OwnError):
        await client_of(scripted(ServerError("x"), OwnError())).text("x")


# ---------------------------------------------------------------------------------------- waits
class Sleeps:
    """Stands in for ``asyncio.sleep`` inside the retries; takes no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits: list[float] = []
        real = asyncio.sleep

        async def sleep(seconds: float, result: Any = None) -> Any:
            if seconds:
                self.waits.append(seconds)
            await real(0)
            return result

        monkeypatch.setattr(asyncio, "sleep", sleep)


async def test_waits_double_and_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps = Sleeps(monkeypatch)
    patient = gensdk.Retry(attempts=7, base_s=1, max_backoff_s=8)
    reply = await client_of(scripted(*[ServerError("x")] * 6, "fine"), retry=patient).text("x")
    bounds = [1, 2, 4, 8, 8, 8]
    assert len(sleeps.waits) == 6
    for wait, bound in zip(sleeps.waits, bounds, strict=True):
        assert 0.1 * bound <= wait <= bound
    assert [attempt.delay_s for attempt in reply.attempts] == [0, *sleeps.waits]


def test_the_usual_patience() -> None:
    usual = gensdk.Retry()
    assert (usual.attempts, usual.base_s, usual.max_backoff_s, usual.max_wait_s) == (3, 0.5, 8, 60)
    assert not usual.unknown_outcome


def test_jitter_is_wide_and_never_zero() -> None:
    retry = gensdk.Retry(base_s=1, max_backoff_s=8)
    assert retry.wait_s(ServerError("x"), 3, lambda: 0.0) == pytest.approx(0.4)
    assert retry.wait_s(ServerError("x"), 3, lambda: 1.0) == 4.0
    assert retry.wait_s(ServerError("x"), 10_000, lambda: 1.0) == 8


async def test_retry_after_is_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps = Sleeps(monkeypatch)
    steps: list[Step] = [
        RateLimitError("x", retry_after=20.0),
        OverloadedError("x", retry_after=0.0),
    ]
    await client_of(scripted(*steps, "fine"), retry=gensdk.Retry()).text("x")
    assert 20 <= sleeps.waits[0] <= 22.1
    assert 0 < sleeps.waits[1] <= 0.05


@pytest.mark.parametrize("asked", [60.5, 86_400.0, 1e300, float("inf")])
async def test_a_wait_that_is_too_long_ends_the_call_at_once(asked: float) -> None:
    backend = scripted(RateLimitError("come back", retry_after=asked))
    with pytest.raises(RateLimitError) as caught:
        await client_of(backend, timeouts=gensdk.Timeouts(total=float("inf"))).text("x")
    assert caught.value.retry_after == asked


async def test_a_wait_that_does_not_fit_the_deadline_ends_the_call_at_once() -> None:
    backend = scripted(RateLimitError("come back", retry_after=30.0))
    with pytest.raises(RateLimitError):
        await client_of(backend).text("x", timeouts=20.0)


async def test_a_route_moves_on_instead_of_waiting_long() -> None:
    route = gensdk.Route("a:m", "b:m")
    first, second = scripted(RateLimitError("x", retry_after=300)), scripted("fine", name="b")
    reply = await client_of(first, second).text("x", model=route)
    assert reply.provider == "b"


async def test_cancelling_a_wait_ends_it_and_gives_the_allowance_back() -> None:
    backend = scripted(*[ServerError("x")] * 40)
    client = client_of(backend, retry=gensdk.Retry(base_s=60, max_backoff_s=60))
    for turn in range(40):
        task = asyncio.create_task(client.text("x"))
        await until(lambda: len(backend.asked) > turn and _sleeps(task))  # noqa: B023  # awaited here
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(backend.asked) == 40, "no second try was ever made"
    backend._steps = [ServerError("x"), "fine"]
    backend._next = 0
    reply = await client.text("x", retry=QUICK)
    assert len(reply.attempts) == 2, "40 waits that were cancelled cost nothing"
    nothing_left()


def _sleeps(task: asyncio.Task[Any]) -> bool:
    """Whether a task waits in the retries' own sleep."""
    inner: Any = task.get_coro()
    names = []
    while inner is not None:
        names.append(getattr(inner, "__name__", ""))
        inner = getattr(inner, "cr_await", None)
    return "_sleep" in names


# --------------------------------------------------------------------------------- the allowance
@pytest.mark.parametrize(("error", "most"), [(ServerError, 60), (ConnectionFailedError, 60)])
async def test_an_outage_is_not_multiplied(error: type[GenSDKError], most: int) -> None:
    backend = ScriptedBackend(lambda _: error("down"), name="a", repeat=True)
    client = client_of(backend)
    for _ in range(100):
        with pytest.raises(error):
            await client.text("x")
    assert 100 < len(backend.asked) <= 100 + most


async def test_throttling_costs_less_and_is_not_multiplied_either() -> None:
    backend = ScriptedBackend(lambda _: RateLimitError("slow"), name="a", repeat=True)
    client = client_of(backend)
    for _ in range(150):
        with pytest.raises(RateLimitError):
            await client.text("x")
    assert len(backend.asked) == 150 + CAPACITY // THROTTLE_COST
    assert CAPACITY // COST < CAPACITY // THROTTLE_COST <= 60


async def test_scattered_faults_never_run_it_dry() -> None:
    backend = scripted(ServerError("x"), "fine", "fine", repeat=True)
    client = client_of(backend)
    for _ in range(200):
        await client.text("x")
    assert len(backend.asked) == 300


async def test_each_provider_has_its_own() -> None:
    down = ScriptedBackend(lambda _: ServerError("down"), name="a", repeat=True)
    other = scripted(ServerError("x"), "fine", name="b", repeat=True)
    client = client_of(down, other)
    for _ in range(60):
        with pytest.raises(ServerError):
            await client.text("x")
    assert (await client.text("x", model="b:m")).text == "fine"
    assert (await client.with_options(unsupported="drop").text("x", model="b:m")).text == "fine"


def test_the_bucket() -> None:
    tokens = Tokens()
    assert tokens.left == CAPACITY == 500
    assert (tokens.take(ServerError("x")), tokens.take(RateLimitError("x"))) == (14, 9)
    tokens.give(1000)
    assert tokens.left == CAPACITY
    tokens.left = 13.0
    assert tokens.take(ServerError("x")) == 0
    assert tokens.left == 13


# ------------------------------------------------------------------------------------ and beside
def test_tenacity_is_loaded_only_when_something_failed() -> None:
    program = """
import asyncio, sys, gensdk
from gensdk.testing import ScriptedBackend
from gensdk.errors import ServerError
async def main():
    backend = ScriptedBackend("a", ServerError("x"), "b", name="a")
    retry = gensdk.Retry(base_s=0)
    async with gensdk.Client(backends={"a": backend}, retry=retry) as client:
        await client.text("x", model="a:m")
        assert "tenacity" not in sys.modules
        await client.text("x", model="a:m")
        assert "tenacity" in sys.modules
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "given",
    [
        {"attempts": 0}, {"attempts": 1.5}, {"attempts": "3"}, {"base_s": -1},
        {"max_backoff_s": float("nan")}, {"max_wait_s": None},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        gensdk.Retry(**given)


async def test_a_stream_is_tried_again_until_its_first_output() -> None:
    backend = scripted(ServerError("x"), [StreamInterruptedError("cut")], ["a b"])
    async with client_of(backend).stream_text("x") as stream:
        reply = await stream.result()
    assert reply.text == "a b"
    assert [attempt.error for attempt in reply.attempts] == ["server", "stream_interrupted", None]


async def test_a_stream_that_ends_before_any_output_is_tried_again() -> None:
    async with client_of(scripted([], ["fine"])).stream_text("x") as stream:
        reply = await stream.result()
    assert [attempt.error for attempt in reply.attempts] == ["stream_interrupted", None]


async def test_after_the_first_output_never_again() -> None:
    backend = scripted([TextDelta(text="half"), ServerError("x")])
    async with client_of(backend).stream_text("x") as stream:
        with pytest.raises(ServerError) as caught:
            await stream.result()
    assert isinstance(caught.value.partial, type(say("half")))
    assert partial_of(caught.value).text == "half"
    assert len(backend.asked) == 1


@pytest.mark.parametrize(("tries", "asks", "made"), [(1, None, 1), (3, None, 3), (3, 61.0, 1)])
async def test_a_download_is_tried_as_often_as_a_request(
    tries: int, asks: float | None, made: int
) -> None:
    count = 0

    async def fails() -> None:
        nonlocal count
        count += 1
        raise ServerError("x", retry_after=asks)

    with pytest.raises(ServerError):
        await repeat_download(fails, gensdk.Retry(attempts=tries, base_s=0), Tokens())
    assert count == made


async def test_a_download_waits_exactly_as_long_as_is_accepted() -> None:
    fails = [ServerError("x")]

    async def work() -> str:
        if fails:
            raise fails.pop()
        return "there"

    retry = gensdk.Retry(base_s=0, max_wait_s=0)
    assert await repeat_download(work, retry, Tokens()) == "there"


async def test_an_outage_of_downloads_is_not_multiplied_either() -> None:
    count, tokens = 0, Tokens()

    async def fails() -> None:
        nonlocal count
        count += 1
        raise ServerError("down")

    for _ in range(100):
        with pytest.raises(ServerError):
            await repeat_download(fails, QUICK, tokens)
    assert count == 100 + CAPACITY // COST


async def test_downloads_that_work_refill_their_allowance() -> None:
    tokens = Tokens()
    tokens.left = 20.0
    fails = [ServerError("x")]

    async def work() -> str:
        if fails:
            raise fails.pop()
        return "there"

    await repeat_download(work, QUICK, tokens)
    assert tokens.left == 20, "the price of a try that helped is given back"
    await repeat_download(work, QUICK, tokens)
    assert tokens.left == 21


async def test_a_download_that_is_cancelled_while_it_waits_gives_its_allowance_back() -> None:
    tokens = Tokens()

    async def fails() -> None:
        raise ServerError("down")

    task = asyncio.create_task(repeat_download(fails, gensdk.Retry(base_s=60), tokens))
    await until(lambda: tokens.left < CAPACITY)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tokens.left == CAPACITY


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ServerError("x"), True), (InvalidResponseError("x"), True),
        (StreamInterruptedError("x"), True), (ResponseTooLargeError("x"), False),
        (UnsafeURLError("x"), False), (AuthenticationError("x"), False),
    ],
)  # fmt: skip
def test_what_passes_where_asking_costs_nothing(error: GenSDKError, again: bool) -> None:
    assert passing(error) is again
