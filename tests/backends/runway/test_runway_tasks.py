"""The life of Runway's tasks, and its failures, against a loopback server."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

import gensdk
from gensdk.backends.runway import RunwayBackend, RunwayVideoOptions
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    MissingCredentialsError,
    OutcomeUnknownError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    UnsupportedFeatureError,
)
from gensdk.spec import Context
from gensdk.types import JobHandle, VideoRequest
from tests.backends.runway.loopback import (
    CANARY,
    CREATED,
    ID,
    MP4,
    TASK,
    loopback,
    posts,
    task,
)
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
)

MODEL = "runway:gen4.5"
HANDLE = JobHandle(id=ID, data={"kind": "video"})
CONTEXT = Context(model="gen4.5", provider="runway")


def account(server: LoopbackServer) -> RunwayBackend:
    return RunwayBackend(api_key=CANARY, base_url=server.url)


async def test_every_status_is_a_state() -> None:
    told = [
        (task("PENDING"), "queued", None),
        (task("THROTTLED"), "queued", None),
        (task("RUNNING", progress=0.25), "running", 0.25),
        (task("RUNNING", progress="soon"), "running", None),
        (task("PAINTING", new=[1]), "running", None),
        (task("SUCCEEDED", output=["https://x"]), "succeeded", None),
        (task("CANCELLED"), "cancelled", None),
        (task("FAILED", failure="no", failureCode="INTERNAL.BAD_OUTPUT.CODE01"), "failed", None),
    ]
    async with LoopbackServer() as server:
        server.on("GET", TASK, *(answer_json(body) for body, _, _ in told))
        backend = account(server)
        states = [await backend.poll(HANDLE, CONTEXT) for _ in told]
        await backend.aclose()
    assert [(state.status, state.progress) for state in states] == [row[1:] for row in told]
    assert {state.poll_after_s for state in states} == {5.0}
    assert "fewer tasks" in (states[1].message or "")
    assert states[-1].code == "INTERNAL.BAD_OUTPUT.CODE01"
    assert (states[-1].message, states[-1].billed) == ("no", "yes")
    assert (states[0].billed, states[0].details) == (None, {})
    assert states[-1].details == {"credits": 60.0}


@pytest.mark.parametrize(
    ("code", "stage"),
    [
        ("SAFETY.INPUT.TEXT", "input"),
        ("SAFETY.OUTPUT.IMAGE", "output"),
        ("SAFETY", None),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", "input"),
    ],
)
async def test_what_moderation_stopped_is_never_repeated_elsewhere(
    code: str, stage: str | None
) -> None:
    async with loopback() as (server, client):
        failed = task("FAILED", failure="not this", failureCode=code, cost={"credits": 0})
        server.on("GET", TASK, answer_json(failed))
        with pytest.raises(ContentBlockedError, match="not this") as caught:
            await client.video("x", model=[MODEL, "local:demo"])
    error = caught.value
    assert (error.stage, error.code, error.billed, error.job_id) == (stage, code, "no", ID)
    assert len(posts(server)) == 1


@pytest.mark.parametrize("code", ["INTERNAL", "INPUT_PREPROCESSING.INTERNAL", "ASSET.INVALID"])
async def test_other_failures_are_the_jobs(code: str) -> None:
    async with loopback() as (server, client):
        server.on("GET", TASK, answer_json(task("FAILED", failure="broke", failureCode=code)))
        with pytest.raises(JobFailedError, match="broke") as caught:
            await client.video("x", model=MODEL)
    assert (caught.value.code, caught.value.billed) == (code, "yes")


@pytest.mark.parametrize("output", [[], None, "text"])
async def test_no_output_is_no_success(output: object) -> None:
    async with loopback() as (server, client):
        server.on("GET", TASK, answer_json(task("SUCCEEDED", output=output)))
        with pytest.raises(JobFailedError, match="nothing") as caught:
            await client.video("x", model=MODEL)
    assert caught.value.code == "no_output"


async def test_taken_up_by_another_process_with_fresh_addresses() -> None:
    async with loopback() as (server, client):
        server.on("GET", TASK, answer_json(task("RUNNING", progress=0.5)))
        job = await client.start_video("a boat", model="runway:veo3.1", seed=9, fps=24)
        text = job.to_json()
        assert CANARY not in text
        assert "jwt" not in text
        fresh = [f"{server.url}/fresh/1", f"{server.url}/fresh/2"]
        server.on("GET", TASK, answer_json(task("SUCCEEDED", output=fresh)))
        for url in fresh:
            server.on("GET", url.removeprefix(server.url), answer_bytes(MP4, "video/mp4"))
        other = gensdk.Client(
            backends={"runway": account(server)},
            media=gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"})),
        )
        async with other:
            response = await other.job(text).result()
        assert [made.data for made in response.videos] == [MP4, MP4]
        assert response.seed == 9
        assert [note.parameter for note in response.warnings] == ["fps"]
        assert len(posts(server)) == 1


async def test_cancelling_says_that_it_may_still_bill() -> None:
    async with loopback() as (server, client):
        running = answer_json(task("RUNNING", progress=0.1))
        server.on("GET", TASK, running, running, answer_error(404, {}))
        job = await client.start_video("x", model=MODEL)
        async for progress in job:
            assert progress.progress == 0.1
            break
        assert await job.cancel() == "may_still_bill"
        assert server.requests[-1].method == "DELETE"
        assert server.requests[-1].path == TASK
        with pytest.raises(JobCancelledError):
            await job.result()


async def test_what_a_task_has_made_is_not_deleted_by_cancelling_too_late() -> None:
    async with loopback() as (server, client):
        made = answer_json(task("SUCCEEDED", output=[f"{server.url}/out/0"]))
        server.on("GET", TASK, answer_json(task("RUNNING")), made)
        job = await client.start_video("x", model=MODEL)
        async for _ in job:
            break
        assert await job.cancel() == "may_still_bill"
        assert (await job.result()).videos[0].data == MP4
        assert all(request.method != "DELETE" for request in server.requests)


async def test_a_task_that_cannot_be_looked_at_is_cancelled_all_the_same() -> None:
    async with loopback() as (server, client):
        server.on("GET", TASK, answer_error(503, {"error": "busy"}))
        job = await client.start_video("x", model=MODEL)
        assert await job.cancel() == "may_still_bill"
        assert server.requests[-1].method == "DELETE"


async def test_files_without_end_are_not_fetched() -> None:
    async with loopback() as (server, client):
        output = [f"{server.url}/out/0"] * 17
        server.on("GET", TASK, answer_json(task("SUCCEEDED", output=output)))
        with pytest.raises(InvalidResponseError, match="17 files"):
            await client.video("x", model=MODEL)
        assert all(request.path != "/out/0" for request in server.requests)


@pytest.mark.parametrize("ability", ["image", "speech", "video"])
async def test_a_call_that_is_cancelled_cancels_its_task(ability: str) -> None:
    models = {"image": "gen4_image", "speech": "eleven_v3", "video": "gen4.5"}
    looked = asyncio.Event()
    told: list[Any] = []

    async def running(request: RecordedRequest, reply: Reply) -> None:
        await reply.json(task("RUNNING", progress=0.1))
        looked.set()

    async with loopback(hooks=[told.append]) as (server, client):
        server.on("GET", TASK, running)
        call = asyncio.create_task(getattr(client, ability)("x", model=f"runway:{models[ability]}"))
        await looked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        assert server.requests[-1].method == "DELETE"
    assert any("may go on and be billed" in note for note in caught.value.__notes__)
    (outcome,) = [fact.outcome for fact in told if isinstance(fact, gensdk.policy.JobCancelled)]
    assert outcome == "may_still_bill"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": "Validation of body failed"}, InvalidRequestError),
        (400, {"error": "You do not have enough credits to run this task."}, QuotaExceededError),
        (401, {"error": "Invalid API key"}, AuthenticationError),
        (404, {"error": "Not found"}, InvalidRequestError),
        (405, "no", InvalidRequestError),
        (429, {"error": "Too many"}, RateLimitError),
        (500, {"error": "oops"}, ServerError),
        (502, b"<html></html>", ServerError),
        (502, {"error": "busy"}, OverloadedError),
        (503, {"error": "busy"}, OverloadedError),
        (504, {"error": "busy"}, OverloadedError),
        (504, b"<html></html>", ServerError),
    ],
)
async def test_failures_by_status(status: int, body: Any, error: type[GenSDKError]) -> None:
    async with LoopbackServer() as server:
        server.on("POST", "*", answer_error(status, body, headers={"retry-after": "7"}))
        backend = account(server)
        with pytest.raises(error) as caught:
            await backend.start(VideoRequest(prompt="x"), CONTEXT)
        await backend.aclose()
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)
    assert type(caught.value) is error


async def test_the_field_that_is_wrong_is_named() -> None:
    wrong = {
        "error": "Validation of body failed",
        "issues": [{"code": "invalid", "path": ["ratio"], "message": "not a ratio"}, "odd"],
    }
    async with loopback() as (server, client):
        server.on("POST", "*", answer_error(400, wrong))
        with pytest.raises(InvalidRequestError, match="ratio: not a ratio") as caught:
            await client.video("x", model=MODEL)
    assert caught.value.param == "ratio"


async def test_a_task_is_never_created_twice() -> None:
    async def cut(request: RecordedRequest, reply: Reply) -> None:
        raise ConnectionResetError

    async with loopback(retry=gensdk.Retry(base_s=0, max_backoff_s=0)) as (server, client):
        server.on("POST", "*", cut)
        with pytest.raises(OutcomeUnknownError):
            await client.video("x", model=MODEL)
        assert len(posts(server)) == 1
        server.on("POST", "*", answer_error(503, {"error": "busy"}), answer_json(CREATED))
        await client.video("x", model=MODEL)
        assert len(posts(server)) == 3
        server.on("POST", "*", answer_error(504, b"<html>gateway</html>"), answer_json(CREATED))
        with pytest.raises(OutcomeUnknownError):
            await client.video("x", model=MODEL)
        assert len(posts(server)) == 4


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"id": 7}', b'{"id": "../x"}', b"<html>"])
async def test_an_id_that_cannot_be_read(body: bytes) -> None:
    async with loopback() as (server, client):
        server.on("POST", "*", answer_bytes(body, "application/json"))
        with pytest.raises(GenSDKError) as caught:
            await client.video("x", model=MODEL)
    assert caught.value.billed == "maybe"


@pytest.mark.parametrize("method", ["poll", "collect", "cancel"])
async def test_a_task_that_is_not_known_has_expired(method: str) -> None:
    async with LoopbackServer() as server:
        server.on("GET", "*", answer_error(404, {"error": "no"}))
        server.on("DELETE", "*", answer_error(404, {"error": "no"}))
        backend = account(server)
        given: dict[str, tuple[Any, ...]] = {"collect": (None, CONTEXT)}
        with pytest.raises(JobExpiredError):
            await getattr(backend, method)(HANDLE, *given.get(method, (CONTEXT,)))
        strange = JobHandle(id="../organization", data={"kind": "video"})
        with pytest.raises(JobExpiredError):
            await getattr(backend, method)(strange, *given.get(method, (CONTEXT,)))
        assert len(server.requests) == 1
        await backend.aclose()


@pytest.mark.parametrize("answered", [b"nothing", b'{"status": "RUNNING"}', b'{"id": "x"}'])
async def test_a_task_that_cannot_be_read(answered: bytes) -> None:
    async with LoopbackServer() as server:
        server.on("GET", "*", answer_bytes(answered, "application/json"))
        backend = account(server)
        with pytest.raises(InvalidResponseError):
            await backend.poll(HANDLE, CONTEXT)
        await backend.aclose()


async def test_several_videos_are_several_tasks() -> None:
    async with LoopbackServer() as server:
        backend = account(server)
        with pytest.raises(UnsupportedFeatureError, match="start several jobs"):
            await backend.start(VideoRequest(prompt="x", n=2), CONTEXT)
        await backend.aclose()
        assert server.requests == []


async def test_collecting_too_early_is_an_error() -> None:
    async with LoopbackServer() as server:
        server.on("GET", TASK, answer_json(task("RUNNING", progress=0.9)))
        backend = account(server)
        with pytest.raises(InvalidResponseError, match="RUNNING"):
            await backend.collect(HANDLE, None, CONTEXT)
        await backend.aclose()


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (answer_bytes(b"ID3\x04\x00" + bytes(40), "video/mp4"), InvalidResponseError),
        (answer_bytes(b"<html><body>gone</body></html>", "text/html"), InvalidResponseError),
        (answer_bytes(b"", "video/mp4"), InvalidResponseError),
        (answer_error(403, "expired"), GenSDKError),
    ],
)
async def test_a_file_that_is_none_was_paid_for(file: Any, error: type[GenSDKError]) -> None:
    async with loopback() as (server, client):
        server.on("GET", "/out/0", file)
        with pytest.raises(error) as caught:
            await client.video("x", model=MODEL)
    assert caught.value.billed == "yes"
    assert caught.value.job_handle is not None
    assert "_jwt" not in str(caught.value)


async def test_frames_come_as_a_bundle() -> None:
    bundle = b"PK\x03\x04" + bytes(40)
    async with loopback(bundle) as (_, client):
        options = {"runway": RunwayVideoOptions(output_format="png_sequence")}
        response = await client.video("x", model=MODEL, options=options)
        assert response.videos[0].data == bundle
        with pytest.raises(InvalidResponseError):
            await client.video("x", model=MODEL)


# ------------------------------------------------------------------------------------- accounts
async def test_the_key_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with loopback() as (server, client):
        server.on("POST", "*", answer_error(401, {"error": f"bad key {CANARY}"}))
        with pytest.raises(AuthenticationError) as caught:
            await client.video("x", model=MODEL)
        backend = account(server)
        failed = task("FAILED", failure=f"for {CANARY}", failureCode="INTERNAL")
        server.on("GET", TASK, answer_json(failed))
        state = await backend.poll(HANDLE, CONTEXT)
        shown = f"{caught.value!r} {caught.value} {backend!r} {state!r} {backend.identity('x')}"
        await backend.aclose()
    assert CANARY not in shown + caplog.text


async def test_key_address_and_version_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RUNWAYML_API_SECRET", raising=False)
    backend = RunwayBackend()
    with pytest.raises(MissingCredentialsError, match="RUNWAYML_API_SECRET"):
        await backend.start(VideoRequest(prompt="x"), CONTEXT)
    await backend.aclose()
    async with LoopbackServer() as server:
        monkeypatch.setenv("RUNWAYML_API_SECRET", CANARY)
        monkeypatch.setenv("RUNWAYML_BASE_URL", server.url)
        server.on("POST", "*", answer_json(CREATED))
        backend = RunwayBackend(headers={"X-Runway-Version": "2027-01-01"})
        handle = await backend.start(VideoRequest(prompt="x"), CONTEXT)
        await backend.aclose()
        assert handle.id == ID
        assert server.requests[0].headers["x-runway-version"] == "2027-01-01"
        assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
