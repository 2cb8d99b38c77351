"""Jobs without ``await``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import gensdk
from gensdk.errors import JobFailedError, TimedOutError
from gensdk.testing import ScriptedBackend, ScriptedJob
from gensdk.types import ABILITIES, JobHandle, JobState, Media, MusicResponse, VideoResponse
from tests.support.scripts import QUICK

FILM = VideoResponse(videos=(Media(data=b"film"),))
TUNE = MusicResponse(audio=Media(data=b"tune"))
LATER = JobState(status="running", poll_after_s=1000)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [one for one in set(threading.enumerate()) - before if one.name.startswith("gensdk")]
    assert left == []


def client_of(*steps: ScriptedJob, **settings: Any) -> gensdk.SyncClient:
    backend = ScriptedBackend(*steps, name="a", jobs=["music", "video"])
    models: dict[str, Any] = dict.fromkeys(ABILITIES, "a:m")
    return gensdk.SyncClient(backends={"a": backend}, models=models, retry=QUICK, **settings)


def test_music_and_video_are_waited_for() -> None:
    with client_of(ScriptedJob(0.5, result=FILM), ScriptedJob(result=TUNE)) as client:
        assert client.video("x").videos == FILM.videos
        assert client.music("x").audio == TUNE.audio


def test_a_job_is_iterated_and_gives_its_result() -> None:
    with client_of(ScriptedJob("queued", 0.5, result=FILM), ScriptedJob(result=TUNE)) as client:
        job = client.start_video("x")
        assert (job.status, job.id, job.state.progress) == ("queued", "job-1", None)
        assert [one.status for one in job] == ["queued", "running", "succeeded"]
        assert job.result().videos == FILM.videos
        assert client.start_music("x").result().audio == TUNE.audio
        assert repr(job) == "SyncJob('job-1' at a:m, succeeded)"


def test_leaving_the_loop_early() -> None:
    with client_of(ScriptedJob("queued", 0.5, result=FILM)) as client:
        job = client.start_video("x")
        for progress in job:
            assert progress.status == "queued"
            break
        assert job.result().videos == FILM.videos


def test_a_job_is_cancelled_and_ends_badly() -> None:
    with client_of(ScriptedJob(LATER), ScriptedJob("failed")) as client:
        job = client.start_video("x")
        with pytest.raises(TimedOutError):
            job.result(deadline_s=0.02)
        assert job.cancel() == "stopped"
        assert job.status == "cancelled"
        with pytest.raises(JobFailedError):
            client.video("x")


def test_a_job_is_taken_up() -> None:
    with client_of(ScriptedJob(0.5, result=FILM)) as client:
        told = client.start_video("x").to_json()
        job = client.job(told)
        assert job.handle == JobHandle.model_validate_json(told)
        assert job.to_json() == told
        reply = job.result()
        assert isinstance(reply, VideoResponse)
        assert reply.videos == FILM.videos
