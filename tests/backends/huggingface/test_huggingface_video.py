"""Videos: jobs in the providers' queues, and Novita, which answers at once."""

from __future__ import annotations

from typing import Any

import pytest

from gensdk.backends.huggingface import HuggingFaceVideoOptions
from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    ModelNotFoundError,
    OutcomeUnknownError,
    UnsupportedFeatureError,
)
from gensdk.types import JobHandle
from tests.support.huggingface import CANARY, FILM, MODEL, PICTURE, entry, loopback, posted
from tests.support.server import LoopbackServer, answer_bytes, answer_error, answer_json

T2V, I2V = "text-to-video", "image-to-video"
PROVIDERS = ["fal-ai", "replicate", "together", "wavespeed"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are looked at without a pause."""
    monkeypatch.setattr("gensdk.policy.job_ends.FIRST_PAUSE_S", 0.001)


def queue_of(provider: str, server: LoopbackServer, *, ending: Any = None) -> None:
    """A queue that has work for two looks; ``ending`` is its last word instead of a video."""
    file = f"{server.url}/files/film.mp4"
    if provider == "fal-ai":
        place = "/fal-ai/vendor/requests/w1"
        begun: Any = {
            "status": "IN_QUEUE", "request_id": "w1", "queue_position": 2,
            "response_url": "https://queue.fal.run/vendor/requests/w1",
        }  # fmt: skip
        states: list[Any] = [{"status": "IN_QUEUE", "queue_position": 1}, {"status": "COMPLETED"}]
        server.on("GET", f"{place}/status", *map(answer_json, states))
        server.on("GET", place, answer_json({"video": {"url": file}, "seed": 9}))
    elif provider == "together":
        place = "/together/v2/videos/w1"
        begun = {"id": "w1", "object": "video"}
        made = {"status": "completed", "outputs": {"video_url": file, "cost": 0.1}}
        states = [{"status": "in_progress"}, made]
    elif provider == "replicate":
        place = "/replicate/v1/predictions/w1"
        begun = {"id": "w1", "status": "starting"}
        states = [{"status": "processing"}, {"status": "succeeded", "output": file}]
    else:
        place = "/wavespeed/api/v3/predictions/w1/result"
        url = "https://api.wavespeed.ai/api/v3/predictions/w1/result"
        begun = {"data": {"id": "w1", "status": "created", "urls": {"get": url}}}
        states = [{"data": {"status": "processing"}},
                  {"data": {"status": "completed", "outputs": [file]}}]  # fmt: skip
    server.on("POST", "*", answer_json(begun, 201))
    if provider != "fal-ai":
        states = [states[0], ending or states[1]]
        server.on("GET", place, *map(answer_json, states))


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_life_of_a_job(provider: str) -> None:
    async with loopback(entry("novita", T2V), entry(provider, T2V)) as (server, client):
        queue_of(provider, server)
        job = await client.start_video("a boat", model=f"huggingface:{MODEL}", seed=5)
        text = job.to_json()
        assert await job.cancel() == "unsupported"
        states = [progress async for progress in job]
        result = await job.result()
        again = await client.job(text).result()
    assert result.videos[0].data == again.videos[0].data == FILM.data
    assert len(posted(server)) == 1
    assert CANARY not in text
    assert states[-1].status == "succeeded"
    if provider == "fal-ai":
        assert any(state.message == "1 before it" for state in states)
    named = 9 if provider == "fal-ai" else 5
    assert (result.seed, again.seed, result.reproducible) == (named, named, True)
    for look in server.requests:
        if "w1" in look.path:
            assert look.headers["authorization"] == f"Bearer {CANARY}"


async def test_frames_size_and_length() -> None:
    entries = [entry("together", I2V), entry("fal-ai", I2V)]
    async with loopback(*entries) as (server, client):
        queue_of("together", server)
        job = await client.start_video(
            "a boat", model=f"huggingface:{MODEL}", first_frame=PICTURE, last_frame=PICTURE,
            duration_s=2, fps=16, size="640x480", resolution=None, audio=True,
        )  # fmt: skip
        with pytest.raises(UnsupportedFeatureError, match="first frame alone"):
            await client.start_video(
                "a boat", model=f"huggingface:{MODEL}:fal-ai", last_frame=PICTURE
            )
        for wrong in ({"references": [PICTURE]}, {"video": FILM}, {"n": 2}):
            with pytest.raises(UnsupportedFeatureError):
                await client.start_video("a boat", model=f"huggingface:{MODEL}:fal-ai", **wrong)
    sent = posted(server)[0].json()
    frames = sent.pop("frame_images")
    assert [frame["frame"] for frame in frames] == ["first", "last"]
    assert frames[0]["input_image"].startswith("data:image/png;base64,")
    assert sent == {
        "prompt": "a boat",
        "model": "vendor/name",
        "num_frames": 32,
        "width": 640,
        "height": 480,
    }
    kinds = {note.parameter: note.kind for note in job.handle.warnings}
    assert kinds == {"duration_s": "adapted", "fps": "adapted", "audio": "unsupported"}


async def test_how_long_it_is_without_a_rate() -> None:
    async with loopback(entry("fal-ai", T2V)) as (server, client):
        queue_of("fal-ai", server)
        model = f"huggingface:{MODEL}"
        first = await client.start_video("a", model=model, duration_s=2, size="640x480")
        options = {"huggingface": HuggingFaceVideoOptions(num_frames=7)}
        second = await client.start_video("a", model=model, duration_s=2, options=options)
        third = await client.start_video("a", model=model, fps=12)
    one, two, three = (request.json() for request in posted(server))
    assert (one["num_frames"], two["num_frames"], three.get("num_frames")) == (48, 7, None)
    assert {note.parameter for note in first.handle.warnings} == {"duration_s", "size"}
    assert [note.kind for note in second.handle.warnings] == ["unsupported"]
    assert [note.parameter for note in third.handle.warnings] == ["fps"]


async def test_novita_answers_at_once() -> None:
    async with loopback(entry("novita", T2V)) as (server, client):
        made = {"video": {"video_url": f"{server.url}/files/film.mp4"}}
        server.on("POST", "/novita/v3/hf/vendor/name", answer_json(made))
        film = await client.video("a boat", model=f"huggingface:{MODEL}:novita", steps=4)
        assert film.videos[0].data == FILM.data
        assert posted(server)[0].json() == {"prompt": "a boat", "num_inference_steps": 4}
        with pytest.raises(ModelNotFoundError, match="novita"):
            await client.start_video("a boat", model=f"huggingface:{MODEL}")
        options = {"huggingface": HuggingFaceVideoOptions(provider="novita")}
        with pytest.raises(InvalidRequestError, match="no jobs"):
            await client.start_video("a boat", model=f"huggingface:{MODEL}", options=options)
    assert len(posted(server)) == 1


@pytest.mark.parametrize(
    ("provider", "ending", "error"),
    [
        ("together", {"status": "failed", "error": {"message": "no", "code": "x"}}, JobFailedError),
        ("together", {"status": "completed", "outputs": {}}, InvalidResponseError),
        ("replicate", {"status": "failed", "error": f"bad {CANARY}"}, JobFailedError),
        ("replicate", {"status": "canceled"}, JobCancelledError),
        ("replicate", {"status": "aborted"}, JobExpiredError),
        ("replicate", {"status": "succeeded", "output": []}, InvalidResponseError),
        ("wavespeed", {"data": {"status": "failed", "error": ""}}, JobFailedError),
    ],
)
async def test_jobs_that_end_badly(provider: str, ending: Any, error: type[GenSDKError]) -> None:
    async with loopback(entry(provider, T2V)) as (server, client):
        queue_of(provider, server, ending=ending)
        with pytest.raises(error) as caught:
            await client.video("a boat", model=f"huggingface:{MODEL}")
    assert CANARY not in f"{caught.value} {vars(caught.value)}"
    assert len(posted(server)) == 1


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (422, {"detail": [{"msg": "bad", "loc": ["body"], "type": "value_error"}]}, JobFailedError),
        (422, {"detail": [{"msg": "no", "type": "content_policy_violation"}]}, ContentBlockedError),
        (404, {"detail": "Not found"}, JobExpiredError),
    ],
)
async def test_fal_calls_completed_what_failed(
    status: int, body: object, error: type[GenSDKError]
) -> None:
    async with loopback(entry("fal-ai", T2V)) as (server, client):
        queue_of("fal-ai", server)
        server.on("GET", "/fal-ai/vendor/requests/w1", answer_error(status, body))
        with pytest.raises(error):
            await client.video("a boat", model=f"huggingface:{MODEL}")


async def test_fal_tells_an_error_beside_completed() -> None:
    async with loopback(entry("fal-ai", T2V)) as (server, client):
        queue_of("fal-ai", server)
        state = {"status": "COMPLETED", "error": "no runner", "error_type": "runner_error"}
        server.on("GET", "/fal-ai/vendor/requests/w1/status", answer_json(state))
        with pytest.raises(JobFailedError, match="no runner") as caught:
            await client.video("a boat", model=f"huggingface:{MODEL}")
    assert caught.value.code == "runner_error"


async def test_a_job_whose_start_cannot_be_read_may_have_been_started() -> None:
    async with loopback(entry("together", T2V)) as (server, client):
        server.on("POST", "*", answer_json({"object": "video"}))
        with pytest.raises(OutcomeUnknownError, match="number"):
            await client.start_video("a boat", model=f"huggingface:{MODEL}")


async def test_what_came_is_no_video() -> None:
    async with loopback(entry("together", T2V)) as (server, client):
        queue_of("together", server)
        server.on("GET", "/files/film.mp4", answer_bytes(PICTURE.data, "video/mp4"))
        with pytest.raises(InvalidResponseError, match="image/png") as caught:
            await client.video("a boat", model=f"huggingface:{MODEL}")
    assert caught.value.billed == "yes"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"provider": "novita", "task": T2V, "path": "/v3/{id}"},
        {"provider": "together", "task": "text-to-image", "path": "/v2/videos/{id}"},
        {"provider": "together", "task": T2V, "path": "/v2/{id}/{id}"},
        {"provider": "together", "task": T2V, "path": "/v2/../{id}"},
        {"provider": "together", "task": T2V, "path": 7},
        {"provider": "together", "task": T2V, "path": "/v2/videos/{id}", "id": "w1/remix"},
    ],
)
async def test_a_handle_that_names_no_job(data: dict[str, Any]) -> None:
    handle = JobHandle(id=data.get("id", "w1"), provider="huggingface", model=MODEL, data=data)
    async with loopback() as (server, client):
        with pytest.raises(JobExpiredError):
            await client.job(handle).result()
    assert server.requests == []
