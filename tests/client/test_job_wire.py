"""A provider of jobs on loopback, behind a backend as small as they come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_core import from_json, to_json

import gensdk
from gensdk import Route, Timeouts
from gensdk.errors import (
    ConnectionFailedError,
    ContentBlockedError,
    JobExpiredError,
    JobFailedError,
    OutcomeUnknownError,
    QuotaExceededError,
    TimedOutError,
)
from gensdk.spec import Capabilities, Context, JobBackend
from gensdk.testing import ScriptedBackend
from gensdk.toolkit import (
    STATUS_ROWS,
    Answer,
    ErrorRow,
    HTTPWire,
    Notes,
    Secret,
    error_for,
    failure_from,
    redactor,
)
from gensdk.types import (
    CancelOutcome,
    JobHandle,
    JobState,
    JobStatus,
    Media,
    Request,
    Response,
    VideoRequest,
    VideoResponse,
)
from tests.support.scripts import QUICK, facts
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
)

MP4 = b"\0\0\0\x18ftypisom" + bytes(32)
JOBS, JOB, FILE = "/v1/videos", "/v1/videos/v1", "/v1/videos/v1/content"
STATUS: dict[str, JobStatus] = {
    "queued": "queued", "in_progress": "running", "completed": "succeeded", "failed": "failed",
}  # fmt: skip
ROWS = (ErrorRow(JobExpiredError, 404), *STATUS_ROWS)


class Studio:
    """Creates, looks, fetches and deletes over HTTP; one request each."""

    name = "studio"

    def __init__(self, url: str, key: str = "sk-studio") -> None:
        self._secret = Secret(key)
        headers = {"authorization": f"Bearer {key}"}
        self._wire = HTTPWire(url, headers=headers, provider=self.name, secrets=(self._secret,))

    def capabilities(self, model: str) -> Capabilities:
        video = frozenset({"video"})
        return Capabilities(abilities=video, jobs=video)  # type: ignore[arg-type]

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def start(self, request: Request, context: Context) -> JobHandle:
        assert isinstance(request, VideoRequest)
        notes = Notes(self.name, context)
        notes.drop_unsupported(request, {"prompt", "duration_s"}, reason="the studio has none")
        body: dict[str, Any] = {"model": context.model, "prompt": request.prompt}
        if request.duration_s is not None:
            body["seconds"] = request.duration_s
        headers = {"idempotency-key": context.idempotency_key}
        answer = await self._send("POST", JOBS, context, body, headers)
        return JobHandle(id=answer["id"], data={"path": JOB}, warnings=notes.warnings)

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        seen = await self._send("GET", str(handle.data["path"]), context)
        if seen.get("moderated"):
            raise ContentBlockedError("held back", stage="output")
        return JobState(
            status=STATUS[seen["status"]],
            progress=seen.get("progress"),
            message=(seen.get("error") or {}).get("message"),
            code=(seen.get("error") or {}).get("code"),
            poll_after_s=0.0,
        )

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        path = f"{handle.data['path']}/content"
        answer = self._checked(await self._wire.send("GET", path, context), context)
        videos = (Media(data=answer.body),) if answer.body else ()
        return VideoResponse(videos=videos, provider=self.name, model=context.model)

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        await self._send("DELETE", str(handle.data["path"]), context)
        return "stopped"

    async def _send(
        self, method: str, path: str, context: Context, body: Any = None, headers: Any = None
    ) -> dict[str, Any]:
        answer = await self._wire.send(
            method,
            path,
            context,
            body=None if body is None else to_json(body),
            headers={"content-type": "application/json", **(headers or {})},
        )
        found: dict[str, Any] = from_json(self._checked(answer, context).body or b"{}")
        return found

    def _checked(self, answer: Answer, context: Context) -> Answer:
        if answer.status < 400:
            return answer
        raise error_for(
            failure_from(answer),
            ROWS,
            provider=self.name,
            model=context.model,
            redact=redactor(self._secret),
        )


def state(status: str, **facts: Any) -> Any:
    return answer_json({"id": "v1", "status": status, **facts})


def client_of(server: LoopbackServer, **settings: Any) -> gensdk.Client:
    given: dict[str, Any] = {
        "backends": {"studio": Studio(server.url)},
        "models": {"video": "studio:film-1"},
        "retry": QUICK,
    }
    return gensdk.Client(**(given | settings))


def sent(server: LoopbackServer) -> list[str]:
    return [f"{one.method} {one.path}" for one in server.requests]


async def closed(client: gensdk.Client, *backends: Studio) -> None:
    await client.aclose()
    for backend in backends:
        await backend.aclose()


@pytest.fixture
async def server() -> Any:
    async with LoopbackServer() as made:
        made.on("POST", JOBS, state("queued"))
        made.on("GET", FILE, answer_bytes(MP4, "video/mp4"))
        made.on("DELETE", JOB, answer_json({"deleted": True}))
        yield made


async def test_a_video_over_http(server: LoopbackServer) -> None:
    server.on("GET", JOB, state("queued"), state("in_progress", progress=0.5), state("completed"))
    studio = Studio(server.url)
    assert isinstance(studio, JobBackend)
    client = client_of(server, backends={"studio": studio})
    reply = await client.video("a paper boat", duration_s=4, fps=24)
    assert (reply.videos[0].data, reply.videos[0].media_type) == (MP4, "video/mp4")
    assert (reply.provider, reply.model, reply.request_id) == ("studio", "film-1", "v1")
    assert [(one.kind, one.parameter) for one in reply.warnings] == [("unsupported", "fps")]
    assert sent(server) == [f"POST {JOBS}", *[f"GET {JOB}"] * 3, f"GET {FILE}"]
    first = server.requests[0]
    assert first.json() == {"model": "film-1", "prompt": "a paper boat", "seconds": 4}
    assert first.headers["authorization"] == "Bearer sk-studio"
    assert first.headers["idempotency-key"].startswith("gensdk-")
    await closed(client, studio)


async def test_a_failed_job_tells_why(server: LoopbackServer) -> None:
    server.on("GET", JOB, state("failed", error={"code": "no_gpu", "message": "all are busy"}))
    with pytest.raises(JobFailedError, match="all are busy") as caught:
        await client_of(server).video("x")
    assert (caught.value.code, caught.value.job_id) == ("no_gpu", "v1")
    assert "sk-studio" not in (caught.value.job_handle or "") + str(caught.value)


@pytest.mark.parametrize(
    ("looked", "fetched", "kind"),
    [
        (answer_error(404, {"error": {"message": "gone"}}), None, JobExpiredError),
        (state("completed"), answer_error(404, {"error": {"message": "gone"}}), JobExpiredError),
        (state("completed"), answer_bytes(b"", "video/mp4"), JobFailedError),
        (state("completed", moderated=True), None, ContentBlockedError),
    ],
)
async def test_other_bad_ends(looked: Any, fetched: Any, kind: type[Exception]) -> None:
    async with LoopbackServer() as server:
        server.on("POST", JOBS, state("queued"))
        server.on("GET", JOB, looked)
        if fetched:
            server.on("GET", FILE, fetched)
        with pytest.raises(kind):
            await client_of(server).video("x")


async def test_looks_that_fail_in_passing(server: LoopbackServer) -> None:
    async def cut(_: RecordedRequest, reply: Reply) -> None:
        reply.abort()

    oops = answer_error(500, {"error": {"message": "oops"}})
    busy = answer_error(429, "slow down", {"retry-after-ms": "1"})
    server.on("GET", JOB, oops, cut, busy, state("in_progress"), oops, state("completed"))
    reply = await client_of(server).video("x")
    assert reply.videos[0].data == MP4
    assert sent(server).count(f"POST {JOBS}") == 1
    assert len(reply.attempts) == 1


@pytest.mark.parametrize("way", ["silence", "cut", "500", "html"])
async def test_a_creation_whose_answer_is_lost_is_posted_once(way: str) -> None:
    never = asyncio.Event()

    async def create(_: RecordedRequest, reply: Reply) -> None:
        if way == "silence":
            await never.wait()
        elif way == "cut":
            reply.abort()
        else:
            await reply.error(500, b"<html>" if way == "html" else {"error": {"message": "x"}})

    async with LoopbackServer() as server:
        server.on("POST", JOBS, create)
        spare = ScriptedBackend(name="spare", capabilities=facts(), jobs=["video"])
        studio = Studio(server.url)
        client = client_of(
            server,
            backends={"studio": studio, "spare": spare},
            timeouts=Timeouts(first_output=0.05 if way == "silence" else 5),
        )
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.video("x", model=Route("studio:film-1", "spare:m"))
        never.set()
        assert caught.value.billed == "maybe"
        assert sent(server) == [f"POST {JOBS}"]
        assert spare.asked == []
        await closed(client, studio)


async def test_a_creation_that_was_refused_for_now_is_posted_again(server: LoopbackServer) -> None:
    async with LoopbackServer() as busy:
        full = answer_error(503, {"error": {"message": "full"}})
        busy.on("POST", JOBS, full, state("queued"))
        busy.on("GET", JOB, state("completed"))
        busy.on("GET", FILE, answer_bytes(MP4))
        reply = await client_of(busy).video("x")
        assert [one.status for one in reply.attempts] == [503, None]
        keys = {one.headers["idempotency-key"] for one in busy.requests[:2]}
        assert (sent(busy).count(f"POST {JOBS}"), len(keys)) == (2, 1)


async def test_a_route_goes_on_when_nobody_is_there(server: LoopbackServer) -> None:
    server.on("GET", JOB, state("completed"))
    nobody = Studio("http://127.0.0.1:9")
    nobody.name = "nobody"
    client = client_of(server, backends={"nobody": nobody, "studio": Studio(server.url)})
    reply = await client.video("x", model=["nobody:m", "studio:film-1"], retry=gensdk.Retry(1))
    assert reply.provider == "studio"
    assert [one.error for one in reply.attempts] == [ConnectionFailedError.kind, None]


async def test_quota_at_the_start(server: LoopbackServer) -> None:
    async with LoopbackServer() as poor:
        poor.on("POST", JOBS, answer_error(402, {"error": {"message": "pay first"}}))
        with pytest.raises(QuotaExceededError) as caught:
            await client_of(poor).start_video("x")
        assert caught.value.job_id is None


async def test_a_handle_goes_to_another_process(server: LoopbackServer) -> None:
    server.on("GET", JOB, state("in_progress"), state("completed"))
    async with client_of(server) as client:
        told = (await client.start_video("a paper boat")).to_json()
    assert "sk-studio" not in told
    async with client_of(server) as other:
        job = other.job(told)
        assert [one.status async for one in job] == ["running", "succeeded"]
        assert (await job.result()).videos[0].data == MP4
    assert sent(server) == [f"POST {JOBS}", *[f"GET {JOB}"] * 2, f"GET {FILE}"]


async def test_past_the_deadline_the_job_is_deleted(server: LoopbackServer) -> None:
    server.on("GET", JOB, state("in_progress"))
    with pytest.raises(TimedOutError, match="does not run any more") as caught:
        await client_of(server, timeouts=0.2).video("x")
    assert caught.value.job_id == "v1"
    assert sent(server)[-1] == f"DELETE {JOB}"
    assert sent(server).count(f"POST {JOBS}") == 1


async def test_a_cancelled_call_deletes_its_job(server: LoopbackServer) -> None:
    looked, never = asyncio.Event(), asyncio.Event()

    async def stuck(_: RecordedRequest, _reply: Reply) -> None:
        looked.set()
        await never.wait()

    server.on("GET", JOB, stuck)
    task = asyncio.create_task(client_of(server).video("x"))
    await looked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    never.set()
    assert sent(server) == [f"POST {JOBS}", f"GET {JOB}", f"DELETE {JOB}"]
