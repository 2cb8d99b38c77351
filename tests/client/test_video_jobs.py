"""Jobs through the front door: started once, looked at until they end, fetched, cancelled."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator
from typing import Any

import pytest

import gensdk
from gensdk import Retry, Route, Timeouts
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    OutcomeUnknownError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TimedOutError,
    TransientError,
    UnknownBackendError,
    UnsupportedFeatureError,
)
from gensdk.spec import Capabilities, Context
from gensdk.testing import Pause, ScriptedBackend, ScriptedJob, Step
from gensdk.types import (
    JobHandle,
    JobState,
    Media,
    MusicResponse,
    Response,
    ResponseWarning,
    VideoRequest,
    VideoResponse,
)
from tests.support.scripts import ONCE, client_of, facts, nothing_left, until

FILM = VideoResponse(videos=(Media(data=b"film"),), duration_s=4)
TINY = 0.02
CUT = ConnectionFailedError("the connection broke", billed="maybe")


def studio(*steps: Step, name: str = "a", **changes: Any) -> ScriptedBackend:
    """A backend whose videos and music are jobs."""
    return ScriptedBackend(
        *steps, name=name, capabilities=facts(**changes), jobs=["video", "music"]
    )


def clock(**seconds: float) -> Timeouts:
    return Timeouts(**seconds)


# ------------------------------------------------------------------------------- to the end
async def test_a_video_is_started_waited_for_and_fetched() -> None:
    work = ScriptedJob("queued", 0.25, 0.75, result=FILM)
    backend = studio(work)
    client = client_of(backend)
    reply = await client.video("a paper boat", duration_s=4)
    assert (reply.videos, reply.duration_s) == (FILM.videos, 4)
    assert (reply.provider, reply.model, reply.request_id) == ("a", "m", "job-1")
    assert [(one.outcome, one.billed) for one in reply.attempts] == [("ok", "yes")]
    assert reply.timing.started_at is not None
    assert (work.looked, work.collected, work.cancelled) == (4, 1, 0)
    (asked,) = backend.asked
    assert asked.verb == "start"
    assert asked.request == VideoRequest(prompt="a paper boat", duration_s=4)
    nothing_left()


async def test_a_job_shows_its_progress_and_its_result() -> None:
    backend = studio(ScriptedJob("queued", 0.5, JobState(status="running", step=3, steps=4),
                                 result=FILM))  # fmt: skip
    job = await client_of(backend).start_video("x")
    assert (job.status, job.id, job.handle.provider) == ("queued", "job-1", "a")
    seen = [(one.status, one.share) async for one in job]
    assert seen == [("queued", None), ("running", 0.5), ("running", 0.75), ("succeeded", None)]
    assert job.status == "succeeded"
    assert [one.status async for one in job] == ["succeeded"]
    reply = await job.result()
    assert reply.videos == FILM.videos
    assert await job.result() is reply
    assert backend.jobs["job-1"].collected == 1
    assert repr(job) == "Job('job-1' at a:m, succeeded)"


async def test_the_handle_says_what_was_started() -> None:
    backend = studio(ScriptedJob(result=FILM))
    job = await client_of(backend).start_video("x", seed=5)
    handle = JobHandle.model_validate_json(job.to_json())
    assert handle == job.handle
    assert (handle.ability, handle.model) == ("video", "m")
    assert handle.fingerprint == VideoRequest(prompt="x", seed=5).fingerprint()
    assert handle.idempotency_key == backend.asked[0].context.idempotency_key != ""
    assert handle.created_at is not None


async def test_warnings_of_the_start_reach_the_answer() -> None:
    told = ResponseWarning(kind="unsupported", parameter="fps", message="no fps")

    class Noting(ScriptedBackend):
        async def start(self, request: Any, context: Context) -> JobHandle:
            handle = await super().start(request, context)
            return handle.model_copy(update={"warnings": (told,)})

    backend = Noting(ScriptedJob(result=FILM), name="a", jobs=["video"])
    assert (await client_of(backend).video("x", fps=24)).warnings == (told,)


async def test_a_request_object_runs_as_the_verb_does() -> None:
    client = client_of(studio(ScriptedJob(0.5, result=FILM)))
    reply = await client.run(VideoRequest(prompt="x"))
    assert isinstance(reply, VideoResponse)


async def test_two_tasks_wait_for_one_job() -> None:
    pause = Pause()
    backend = studio(ScriptedJob(0.5, pause, result=FILM))
    job = await client_of(backend).start_video("x")
    first, second = asyncio.create_task(job.result()), asyncio.create_task(job.result())
    await pause.reached()
    first.cancel()
    await until(lambda: first.done())
    pause.go_on()
    assert (await second).videos == FILM.videos
    assert backend.jobs["job-1"].collected == 1
    assert backend.jobs["job-1"].cancelled == 0


# -------------------------------------------------------------------------------- bad endings
@pytest.mark.parametrize(
    ("status", "kind"),
    [("failed", JobFailedError), ("cancelled", JobCancelledError), ("expired", JobExpiredError)],
)
async def test_a_job_that_ends_badly(status: Any, kind: type[JobError]) -> None:
    state = JobState(status=status, message="the oven is cold", code="E7", billed="no")
    backend = studio(ScriptedJob(0.5, state, result=FILM))
    with pytest.raises(kind, match="the oven is cold") as caught:
        await client_of(backend).video("x")
    error = caught.value
    assert (error.job_id, error.code, error.provider, error.model) == ("job-1", "E7", "a", "m")
    assert error.billed == "no"
    assert [(one.outcome, one.error) for one in error.attempts] == [("error", kind.kind)]
    assert json.loads(error.job_handle or "")["id"] == "job-1"
    assert backend.jobs["job-1"].collected == 0


async def test_iterating_shows_the_bad_end_and_raises_it() -> None:
    job = await client_of(studio(ScriptedJob(0.5, "failed"))).start_video("x")
    seen = []
    with pytest.raises(JobFailedError) as first:
        async for progress in job:
            seen.append(progress.status)  # noqa: PERF401  # it raises on the way
    assert seen == ["running", "failed"]
    with pytest.raises(JobFailedError) as second:
        await job.result()
    assert second.value is first.value
    assert job.status == "failed"


@pytest.mark.parametrize(
    "empty",
    [
        VideoResponse(),
        VideoResponse(videos=(Media(data=b""),)),
        MusicResponse(audio=Media(data=b"")),
    ],
)
async def test_no_output_is_no_success(empty: Response) -> None:
    with pytest.raises(JobFailedError, match="it made nothing") as caught:
        await client_of(studio(ScriptedJob(result=empty))).video("x")
    assert (caught.value.code, caught.value.billed) == ("no_output", "maybe")


async def test_what_safety_rules_stopped() -> None:
    for work in (
        ScriptedJob(0.5, ContentBlockedError("no", stage="output")),
        ScriptedJob(result=ContentBlockedError("no", stage="output")),
    ):
        job = await client_of(studio(work)).start_video("x")
        with pytest.raises(ContentBlockedError) as caught:
            await job.result()
        assert caught.value.job_id == "job-1"
        assert job.status == "failed"
        with pytest.raises(ContentBlockedError):
            await job.result()
        assert work.looked + work.collected == 2


async def test_a_result_of_another_kind() -> None:
    sound = MusicResponse(audio=Media(data=b"x"))
    job = await client_of(studio(ScriptedJob(result=sound))).start_video("x")
    with pytest.raises(InvalidResponseError, match="a MusicResponse, not a VideoResponse"):
        await job.result()


@pytest.mark.parametrize("what", ["start", "poll", "collect", "cancel"])
async def test_a_backend_that_answers_with_nonsense(what: str) -> None:
    class Odd(ScriptedBackend):
        """One method gives a number."""

    async def number(*_: object) -> int:
        return 5

    setattr(Odd, what, number)
    client = client_of(Odd(ScriptedJob(0.5, result=FILM), name="a", jobs=["video"]), retry=ONCE)
    with pytest.raises(GenSDKError) as caught:
        job = await client.start_video("x")
        await (job.cancel() if what == "cancel" else job.result())
    kind = OutcomeUnknownError if what == "start" else InvalidResponseError
    assert type(caught.value) is kind


# ------------------------------------------------------------------------------ the start
@pytest.mark.parametrize(
    "lost",
    [
        CUT, ServerError("500"), TimedOutError("slow", phase="idle", billed="maybe"),
        InvalidResponseError("no id in it"),
    ],
)  # fmt: skip
async def test_a_start_whose_outcome_is_not_known_is_not_repeated(lost: GenSDKError) -> None:
    backend, spare = studio(lost), studio(name="b")
    with pytest.raises(OutcomeUnknownError, match="video job") as caught:
        await client_of(backend, spare).start_video("x", model=["a:m", "b:m"])
    assert caught.value.__cause__ is lost
    assert caught.value.billed == "maybe"
    assert (len(backend.asked), spare.asked) == (1, [])


async def test_our_own_clock_strikes_during_the_start() -> None:
    backend = studio(Pause())
    with pytest.raises(OutcomeUnknownError):
        await client_of(backend, timeouts=clock(first_output=TINY)).video("x")
    with pytest.raises(OutcomeUnknownError):
        await client_of(studio(Pause()), timeouts=TINY).video("x")
    assert len(backend.asked) == 1


@pytest.mark.parametrize(
    "again", [{"retry": Retry(base_s=0, unknown_outcome=True)}, {"idempotent_start": True}]
)
async def test_unless_it_may_be_repeated(again: dict[str, Any]) -> None:
    safe = again.pop("idempotent_start", False)
    backend = studio(CUT, CUT, ScriptedJob(result=FILM), idempotent_start=safe)
    assert (await client_of(backend, **again).video("x")).videos == FILM.videos
    assert len({one.context.idempotency_key for one in backend.asked}) == 1
    assert len(backend.asked) == 3


@pytest.mark.parametrize(
    "clear",
    [
        OverloadedError("503"), RateLimitError("429"), TransientError("408"),
        ConnectionFailedError("refused", billed="no"), ServerError("500", billed="no"),
    ],
)  # fmt: skip
async def test_a_start_that_was_not_processed_is_repeated(clear: GenSDKError) -> None:
    backend = studio(clear, ScriptedJob(result=FILM))
    reply = await client_of(backend).video("x")
    assert [one.outcome for one in reply.attempts] == ["error", "ok"]
    assert len(backend.asked) == 2


async def test_a_route_falls_back_at_the_start() -> None:
    first = studio(QuotaExceededError("empty"))
    second = studio(ScriptedJob(0.5, result=FILM), name="b")
    job = await client_of(first, second).start_video("x", model=Route("a:m", "b:m"))
    assert (job.handle.provider, job.handle.idempotency_key[-2:]) == ("b", "-1")
    reply = await job.result()
    assert [one.error for one in reply.attempts] == ["quota_exceeded", None]
    assert reply.provider == "b"


async def test_a_route_may_mix_jobs_and_models_that_answer_at_once() -> None:
    hosted, here = studio(CUT), ScriptedBackend("film", name="b", capabilities=facts(local=True))
    client = client_of(hosted, here, retry=ONCE)
    reply = await client.video("x", model=["a:m", "b:m"])
    assert (reply.provider, reply.videos[0].data) == ("b", b"film")
    assert [one.error for one in reply.attempts] == ["outcome_unknown", None]


async def test_a_job_here_costs_nothing() -> None:
    backend = studio(ServerError("x"), ScriptedJob(0.5, "failed"), local=True)
    with pytest.raises(JobFailedError) as caught:
        await client_of(backend).video("x")
    assert caught.value.billed == "no"
    assert {one.billed for one in caught.value.attempts} == {"no"}
    assert len(backend.asked) == 2


async def test_start_is_for_models_with_jobs() -> None:
    direct = ScriptedBackend("film", name="a")
    with pytest.raises(UnsupportedFeatureError, match=r"'start_video': it answers at once"):
        await client_of(direct).start_video("x")
    with pytest.raises(UnsupportedFeatureError, match=r"cannot do 'start_video' \[a:m\]"):
        await client_of(studio(abilities=frozenset({"text"}))).start_video("x")
    reply = await client_of(direct, studio(ScriptedJob(result=FILM), name="b")).start_video(
        "x", model=["a:m", "b:m"]
    )
    assert reply.handle.provider == "b"


async def test_more_videos_than_a_job_makes() -> None:
    backend = studio(ScriptedJob(result=FILM), max_videos=2)
    with pytest.raises(UnsupportedFeatureError, match="2 of n videos in one job"):
        await client_of(backend).video("x", n=3)
    assert backend.asked == []
    pictures = studio(
        ScriptedJob(result=FILM), abilities=frozenset({"image"}), jobs=frozenset({"image"}),
        max_images=1,
    )  # fmt: skip
    with pytest.raises(UnsupportedFeatureError, match="1 of n pictures in one job"):
        await client_of(pictures).image("x", n=2)
    direct = ScriptedBackend(FILM, FILM, name="a", capabilities=facts(max_videos=1))
    assert len((await client_of(direct).video("x", n=2, seed=3)).videos) == 2
    assert sorted(one.request.seed for one in direct.asked) == [3, 4]  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------ looking
async def test_looks_that_fail_in_passing_are_repeated() -> None:
    work = ScriptedJob(
        ServerError("500"), 0.25, InvalidResponseError("html"), CUT, OverloadedError("503"),
        RateLimitError("429"), 0.5, result=[ServerError("500"), FILM],
    )  # fmt: skip
    reply = await client_of(studio(work)).video("x")
    assert reply.videos == FILM.videos
    assert [one.outcome for one in reply.attempts] == ["ok"]
    assert work.collected == 2


async def test_a_job_that_cannot_be_looked_at_goes_on() -> None:
    work = ScriptedJob(0.5, *[ServerError("500")] * 20, result=FILM)
    backend = studio(work)
    with pytest.raises(ServerError) as caught:
        await client_of(backend).video("x")
    assert work.looked == 16
    assert work.cancelled == 0
    job = client_of(backend).job(caught.value.job_handle or "")
    assert (await job.result()).videos == FILM.videos


async def test_one_try_is_one_look() -> None:
    work = ScriptedJob(ServerError("500"), result=FILM)
    with pytest.raises(ServerError):
        await client_of(studio(work), retry=ONCE).video("x")
    assert work.looked == 1


async def test_a_look_that_never_comes_is_cut_and_repeated() -> None:
    pause = Pause()
    work = ScriptedJob(pause, 0.5, result=FILM)
    client = client_of(studio(work), timeouts=clock(poll=TINY), retry=ONCE)
    job = await client.start_video("x")
    with pytest.raises(TimedOutError) as caught:
        await job.result()
    assert (caught.value.phase, pause.cancelled) == ("poll", True)
    pause.go_on()
    assert (await job.result()).videos == FILM.videos


async def test_a_provider_that_is_silent_about_a_job() -> None:
    work = ScriptedJob(Pause(), result=FILM)
    with pytest.raises(TimedOutError) as caught:
        await client_of(studio(work), timeouts=clock(poll=TINY), retry=ONCE).video("x")
    assert (caught.value.phase, work.cancelled) == ("poll", 0)
    assert caught.value.job_handle is not None


async def test_an_engine_that_tells_is_not_asked() -> None:
    class Telling(ScriptedBackend):
        async def watch(self, handle: JobHandle, context: Context) -> AsyncGenerator[JobState]:
            async for state in self.jobs[handle.id].watch():
                yield state

    work = ScriptedJob(0.5, JobState(status="running", preview=Media(data=b"p")), result=FILM)
    job = await client_of(Telling(work, name="a", jobs=["video"])).start_video("x")
    seen = [(one.status, one.preview) async for one in job]
    assert seen[1] == ("running", Media(data=b"p"))
    assert (len(seen), work.looked) == (3, 3)
    # What breaks the telling in passing leaves the asking.
    work = ScriptedJob(0.5, CUT, 0.75, result=FILM)
    client = client_of(Telling(work, name="a", jobs=["video"]))
    assert (await client.video("x")).videos == FILM.videos
    with pytest.raises(QuotaExceededError) as caught:
        await client_of(
            Telling(ScriptedJob(0.5, QuotaExceededError("x")), name="a", jobs=["video"])
        ).video("x")
    assert caught.value.job_id == "job-1"
    nothing_left()


async def test_hooks_hear_of_jobs_and_not_of_content() -> None:
    heard: list[object] = []
    picture = JobState(status="running", progress=0.5, preview=Media(data=b"secret"))
    client = client_of(studio(ScriptedJob(picture, result=FILM)), hooks=[heard.append])
    job = await client.start_video("x", tag="mine")
    assert [type(one).__name__ for one in heard] == ["CallStarted", "AttemptFinished", "JobStarted"]
    await job.result()
    progress = [one.progress for one in heard if isinstance(one, gensdk.JobProgressed)]
    assert [(one.status, one.progress, one.preview) for one in progress] == [
        ("running", 0.5, None), ("succeeded", None, None),
    ]  # fmt: skip
    last = heard[-1]
    assert isinstance(last, gensdk.CallFinished)
    assert (last.error, last.provider, last.tag) == (None, "a", "mine")
    assert last.attempts[-1].billed == "yes"
    await job.result()
    assert heard[-1] is last


# ------------------------------------------------------------------- deadlines, cancellation
@pytest.mark.parametrize(
    ("outcome", "told", "retryable"),
    [
        ("stopped", "does not run any more", True),
        ("may_still_bill", "may go on and be billed", False),
        ("unsupported", "cannot be cancelled and goes on", False),
        (ServerError("500"), "could not be cancelled and goes on", False),
    ],
)
async def test_a_call_past_its_deadline_cancels_its_job(
    outcome: Any, told: str, retryable: bool
) -> None:
    work = ScriptedJob(0.5, Pause(), result=FILM, cancel=outcome)
    with pytest.raises(TimedOutError, match=told) as caught:
        await client_of(studio(work), timeouts=TINY, retry=ONCE).video("x")
    error = caught.value
    assert (error.phase, error.job_id, error.retryable) == ("total", "job-1", retryable)
    assert error.billed == "maybe"
    assert JobHandle.model_validate_json(error.job_handle or "").id == "job-1"
    assert work.cancelled == 1
    nothing_left()


@pytest.mark.parametrize("outcome", ["stopped", ServerError("500")])
async def test_a_cancelled_call_cancels_its_job(outcome: Any) -> None:
    heard: list[object] = []
    pause = Pause()
    work = ScriptedJob(0.5, pause, result=FILM, cancel=outcome)
    client = client_of(studio(work), hooks=[heard.append], retry=ONCE)
    task = asyncio.create_task(client.video("x"))
    await pause.reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert "job-1" in caught.value.__notes__[0]
    (told,) = [one for one in heard if isinstance(one, gensdk.JobCancelled)]
    assert told.outcome == (outcome if outcome == "stopped" else None)
    last = heard[-1]
    assert isinstance(last, gensdk.CallFinished)
    assert last.error == "cancelled"
    nothing_left()


async def test_what_is_made_already_is_not_cancelled() -> None:
    class Slow(ScriptedBackend):
        async def collect(self, handle: Any, request: Any, context: Context) -> Response:
            await fetching.wait()
            return await super().collect(handle, request, context)

    heard: list[object] = []
    fetching = Pause()
    work = ScriptedJob(result=FILM)
    client = client_of(Slow(work, name="a", jobs=["video"]), hooks=[heard.append])
    with pytest.raises(TimedOutError, match="it has succeeded") as caught:
        await client.video("x", timeouts=TINY)
    assert (work.cancelled, caught.value.retryable) == (0, False)
    last = heard[-1]
    assert isinstance(last, gensdk.CallFinished)
    assert last.error == "timeout"
    fetching.go_on()
    assert (await client.job(caught.value.job_handle or "").result()).videos == FILM.videos


async def test_an_impatient_caller_waits_for_the_cancelling() -> None:
    looking, stopping = Pause(), Pause()
    work = ScriptedJob(looking, result=FILM, cancel=stopping)
    task = asyncio.create_task(client_of(studio(work)).video("x"))
    await looking.reached()
    task.cancel()
    await stopping.reached()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    stopping.go_on()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not stopping.cancelled
    nothing_left()


async def test_a_cancellation_during_the_end_of_a_deadline() -> None:
    stopping = Pause()
    work = ScriptedJob(Pause(), result=FILM, cancel=stopping)
    task = asyncio.create_task(client_of(studio(work), timeouts=TINY).video("x"))
    await stopping.reached()
    task.cancel()
    await asyncio.sleep(0)
    stopping.go_on()
    with pytest.raises(asyncio.CancelledError):
        await task
    nothing_left()


async def test_a_provider_that_does_not_answer_the_cancelling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gensdk.policy.job.GIVE_UP_S", TINY)
    stuck = Pause()
    work = ScriptedJob(Pause(), result=FILM, cancel=stuck)
    with pytest.raises(TimedOutError, match="could not be cancelled"):
        await client_of(studio(work), timeouts=TINY).video("x")
    assert stuck.cancelled
    nothing_left()


async def test_the_callers_own_timeout() -> None:
    work = ScriptedJob(Pause(), result=FILM)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(TINY):
            await client_of(studio(work)).video("x")
    assert work.cancelled == 1


async def test_waiting_for_a_job_ends_and_the_job_goes_on() -> None:
    pause = Pause()
    work = ScriptedJob(0.5, pause, result=FILM)
    job = await client_of(studio(work)).start_video("x")
    with pytest.raises(TimedOutError, match="it goes on") as caught:
        await job.result(deadline_s=TINY)
    assert (caught.value.phase, caught.value.job_id) == ("total", "job-1")
    task = asyncio.create_task(job.result(deadline_s=math.inf))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pause.go_on()
    assert (await job.result()).videos == FILM.videos
    assert work.cancelled == 0
    with pytest.raises(ConfigurationError, match="over zero"):
        await job.result(deadline_s=0)


async def test_iterating_is_bounded_too() -> None:
    work = ScriptedJob(0.5, Pause())
    job = await client_of(studio(work), timeouts=clock(total=TINY)).start_video("x")
    with pytest.raises(TimedOutError):
        async for _ in job:
            continue


@pytest.mark.parametrize(
    ("script", "outcome", "end"),
    [
        ({"cancel": "stopped"}, "stopped", JobCancelledError),
        ({"cancel": "may_still_bill"}, "may_still_bill", JobCancelledError),
        (
            {"cancel": "may_still_bill", "after_cancel": "expired"},
            "may_still_bill",
            JobExpiredError,
        ),
        ({"cancel": "may_still_bill", "after_cancel": "succeeded"}, "may_still_bill", None),
        ({"cancel": "unsupported"}, "unsupported", None),
    ],
)
async def test_cancelling_says_what_came_of_it(
    script: dict[str, Any], outcome: str, end: type[JobError] | None
) -> None:
    work = ScriptedJob(0.5, result=FILM, **script)
    job = await client_of(studio(work)).start_video("x")
    assert await job.cancel() == outcome
    if end is None:
        assert (await job.result()).videos == FILM.videos
        assert await job.cancel() == "stopped"  # it had ended
        assert work.cancelled == 1
        return
    with pytest.raises(end) as caught:
        await job.result()
    assert caught.value.job_id == "job-1"


async def test_a_job_that_is_gone_after_cancelling_was_cancelled() -> None:
    work = ScriptedJob(0.5, cancel="may_still_bill")
    backend = studio(work)
    job = await client_of(backend).start_video("x")
    await job.cancel()
    backend.jobs.clear()
    with pytest.raises(JobCancelledError):
        await job.result()
    assert job.status == "cancelled"


async def test_a_stopped_job_wakes_who_waits_for_it() -> None:
    work = ScriptedJob(JobState(status="running", poll_after_s=1000), result=FILM)
    job = await client_of(studio(work)).start_video("x")
    waiting = asyncio.create_task(job.result())
    await until(lambda: work.looked)
    assert await job.cancel() == "stopped"
    with pytest.raises(JobCancelledError):
        await waiting
    assert work.looked == 1


async def test_a_look_under_way_does_not_wake_a_stopped_job() -> None:
    looking = Pause()
    job = await client_of(studio(ScriptedJob(looking, 0.5, 0.75, result=FILM))).start_video("x")
    waiting = asyncio.create_task(job.result())
    await looking.reached()
    assert await job.cancel() == "stopped"
    looking.go_on()
    with pytest.raises(JobCancelledError):
        await waiting
    assert job.status == "cancelled"


# ---------------------------------------------------------------------------- taking up
async def test_another_client_takes_a_job_up() -> None:
    backend = studio(ScriptedJob(0.5, result=FILM))
    async with client_of(backend) as client:
        told = (await client.start_video("x")).to_json()
    heard: list[object] = []
    other = client_of(backend, hooks=[heard.append])
    job = other.job(told)
    assert heard == []
    reply = await job.result()
    assert isinstance(reply, VideoResponse)
    assert reply.videos == FILM.videos
    assert [(one.outcome, one.billed) for one in reply.attempts] == [("ok", "yes")]
    assert reply.timing.started_at == job.handle.created_at
    assert (reply.provider, reply.model) == ("a", "m")
    names = [type(one).__name__ for one in heard]
    assert (names[0], names[-1]) == ("CallStarted", "CallFinished")
    assert other.job(job.handle).status == "queued"


async def test_what_was_started_may_come_along() -> None:
    seen: list[object] = []

    class Curious(ScriptedBackend):
        async def collect(self, handle: Any, request: Any, context: Context) -> Response:
            seen.append(request)
            return await super().collect(handle, request, context)

    backend = Curious(*[ScriptedJob(result=FILM)] * 3, name="a", jobs=["video"])
    client = client_of(backend)
    request = VideoRequest(prompt="x")
    told = (await client.start_video("x")).to_json()
    await client.job(told).result()
    await client.job(told, request=request).result()
    await client.video("x")
    assert seen == [None, request, request]
    with pytest.raises(InvalidRequestError, match="another request"):
        client.job(told, request=VideoRequest(prompt="y"))


@pytest.mark.parametrize("wrong", ["", "{}", '{"id": ""}', "job-1", 5, {"id": "1"}])
async def test_no_handle(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError):
        client_of(studio()).job(wrong)


class Jobless:
    """A backend that runs no jobs."""

    name = "jobless"

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(abilities=frozenset({"text"}))

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_a_job_of_an_account_that_is_not_here() -> None:
    told = JobHandle(id="1", provider="elsewhere", model="m")
    client = gensdk.Client(backends={"jobless": Jobless()})
    with pytest.raises(UnknownBackendError, match="elsewhere"):
        client.job(told)
    with pytest.raises(UnsupportedFeatureError, match="runs no jobs here"):
        client.job(told.model_copy(update={"provider": "jobless"}))


async def test_a_job_that_ended_with_its_process() -> None:
    job = client_of(studio()).job(JobHandle(id="7", provider="a", model="m"))
    with pytest.raises(JobExpiredError) as caught:
        await job.result()
    assert (caught.value.job_id, job.status) == ("7", "expired")


async def test_a_closed_client() -> None:
    client = client_of(studio(ScriptedJob(result=FILM)))
    job = await client.start_video("x")
    await client.aclose()
    for ask in (job.result, job.cancel):
        with pytest.raises(ClientClosedError):
            await ask()
    with pytest.raises(ClientClosedError):
        client.job(job.handle)
