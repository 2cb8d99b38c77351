"""The life of PixVerse's jobs, its envelope and its codes, against a loopback server."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import gensdk
from gensdk.backends.pixverse import PixVerseBackend
from gensdk.backends.pixverse.errors import ROWS
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    JobExpiredError,
    JobFailedError,
    MissingCredentialsError,
    OutcomeUnknownError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    UnsupportedFeatureError,
)
from gensdk.spec import Context
from gensdk.types import JobHandle, Media, VideoRequest
from tests.backends.pixverse.loopback import (
    BASE,
    CANARY,
    RESULT,
    created,
    envelope,
    failed,
    job,
    loopback,
)
from tests.support.openai_media import PNG
from tests.support.scripts import QUICK
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
)

MODEL = "pixverse:v6"
HANDLE = JobHandle(id="318")
CONTEXT = Context(model="v6", provider="pixverse", idempotency_key="call-1")
MADE = answer_json(envelope({"video_id": 318}))


def account(server: LoopbackServer) -> PixVerseBackend:
    return PixVerseBackend(api_key=CANARY, base_url=f"{server.url}{BASE}")


def trace(request: RecordedRequest) -> str:
    return request.headers["ai-trace-id"]


# ----------------------------------------------------------------------------------- the codes
CODES: dict[int, type[GenSDKError]] = {
    400011: InvalidRequestError, 400012: AuthenticationError, 400013: InvalidRequestError,
    400017: InvalidRequestError, 400018: InvalidRequestError, 400019: InvalidRequestError,
    400032: InvalidRequestError, 500008: InvalidRequestError, 500020: PermissionDeniedError,
    500030: RequestTooLargeError, 500031: InvalidRequestError, 500032: InvalidRequestError,
    500033: InvalidRequestError, 500041: ServerError, 500042: InvalidRequestError,
    500044: RateLimitError, 500054: ContentBlockedError, 500060: QuotaExceededError,
    500063: ContentBlockedError, 500064: InvalidRequestError, 500069: OverloadedError,
    500070: InvalidRequestError, 500071: InvalidRequestError, 500090: QuotaExceededError,
    500100: ServerError, 99999: ServerError, 701002: InvalidRequestError,
    701003: InvalidRequestError,
    400777: InvalidRequestError, 777777: ServerError,
}  # fmt: skip
"""Every code the vendor documents, and two that it does not."""


@pytest.mark.parametrize("code", CODES)
async def test_status_200_with_a_code_is_an_error(code: int) -> None:
    async with LoopbackServer() as server:
        server.on("POST", "*", failed(code, "it went wrong"))
        backend = account(server)
        with pytest.raises(GenSDKError, match="it went wrong") as caught:
            await backend.start(VideoRequest(prompt="x"), CONTEXT)
        await backend.aclose()
    error = caught.value
    assert type(error) is CODES[code]
    assert (error.code, error.status) == (str(code), None)
    assert error.request_id == trace(server.requests[0])
    assert error.param == ("prompt" if code in {400018, 400019} else None)
    if isinstance(error, ContentBlockedError):
        assert error.stage == "input"


def test_the_table_has_every_documented_code() -> None:
    known = {row.code for row in ROWS if row.code}
    assert known == {str(code) for code in CODES} - {"400777", "777777"}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"ErrCode": 400012, "ErrMsg": "no"}, AuthenticationError),
        (400, {"ErrCode": 500090, "ErrMsg": "no"}, QuotaExceededError),
        (429, "slow down", RateLimitError),
        (404, "nothing here", InvalidRequestError),
        (500, b"<html></html>", ServerError),
        (503, {"ErrCode": 0}, OverloadedError),
    ],
)
async def test_statuses_count_too(status: int, body: Any, error: type[GenSDKError]) -> None:
    async with LoopbackServer() as server:
        server.on("POST", "*", answer_error(status, body))
        backend = account(server)
        with pytest.raises(error) as caught:
            await backend.start(VideoRequest(prompt="x"), CONTEXT)
        await backend.aclose()
    assert (type(caught.value), caught.value.status) == (error, status)


@pytest.mark.parametrize(
    "answered",
    [
        b"", b"[]", b"{}", b'{"ErrCode": null}', b'{"ErrCode": false, "Resp": {"video_id": 1}}',
        b'{"ErrCode": "0", "Resp": {}}', b'{"ErrCode": 0}', b'{"ErrCode": 0, "Resp": {}}',
        b'{"ErrCode": 0, "Resp": {"video_id": 0}}', b'{"ErrCode": 0, "Resp": {"video_id": "a/b"}}',
    ],
)  # fmt: skip
async def test_an_answer_that_cannot_be_read_may_have_made_a_video(answered: bytes) -> None:
    async with loopback() as (server, client):
        server.on("POST", "*", answer_bytes(answered, "application/json"))
        with pytest.raises(GenSDKError) as caught:
            await client.video("x", model=MODEL)
        assert len(created(server)) == 1
    assert caught.value.billed == "maybe"


@pytest.mark.parametrize("answered", [{"img_id": 0}, {"img_id": "x"}, {}, {"img_id": True}])
async def test_an_upload_without_an_id_costs_nothing(answered: Any) -> None:
    async with loopback() as (server, client):
        server.on("POST", f"{BASE}/image/upload", answer_json(envelope(answered)))
        with pytest.raises(InvalidResponseError, match="upload") as caught:
            await client.video("x", model=MODEL, first_frame=Media(data=PNG))
        assert created(server) == []
    assert caught.value.billed == "no"


async def test_an_upload_that_fails_ends_the_call() -> None:
    async with loopback() as (server, client):
        server.on("POST", f"{BASE}/image/upload", failed(500054, "not this picture"))
        with pytest.raises(ContentBlockedError, match="not this picture"):
            await client.video("x", model=[MODEL, "local:demo"], first_frame=Media(data=PNG))
        assert created(server) == []


# -------------------------------------------------------------------------------------- traces
async def test_a_start_whose_answer_was_lost_is_repeated_under_the_same_trace() -> None:
    async def cut(request: RecordedRequest, reply: Reply) -> None:
        raise ConnectionResetError

    async with loopback(retry=QUICK) as (server, client):
        server.on("POST", "*", cut, MADE)
        await client.video("x", model=MODEL)
        first, second = created(server)
        assert trace(first) == trace(second)
        await client.video("x", model=MODEL)
        assert trace(created(server)[2]) != trace(first)


async def test_a_start_that_was_put_off_gets_a_new_trace() -> None:
    async with loopback(retry=QUICK) as (server, client):
        server.on("POST", "*", failed(500044), failed(500069), MADE)
        response = await client.video("x", model=MODEL)
        traces = [trace(request) for request in created(server)]
    assert len(set(traces)) == 3
    assert len(response.attempts) == 3


async def test_the_next_model_of_a_route_does_not_get_the_video_of_the_first() -> None:
    async with loopback() as (server, client):
        server.on("POST", "*", failed(500044), MADE)
        await client.video("x", model=["pixverse:v6", "pixverse:c1"])
        first, second = created(server)
    assert trace(first) != trace(second)


async def test_every_look_has_a_trace_of_its_own() -> None:
    async with LoopbackServer() as server:
        server.on("GET", RESULT, answer_json(job(5)))
        backend = account(server)
        for _ in range(3):
            await backend.poll(HANDLE, CONTEXT)
        await backend.aclose()
        assert len({trace(request) for request in server.requests}) == 3


async def test_a_start_that_stays_lost_is_unknown() -> None:
    async def cut(request: RecordedRequest, reply: Reply) -> None:
        raise ConnectionResetError

    async with loopback(retry=QUICK) as (server, client):
        server.on("POST", "*", cut)
        with pytest.raises((OutcomeUnknownError, GenSDKError)) as caught:
            await client.video("x", model=MODEL)
        assert len({trace(request) for request in created(server)}) == 1
    assert caught.value.billed == "maybe"


# -------------------------------------------------------------------------------- the job's life
async def test_every_status_is_a_state() -> None:
    told = [
        (5, "running"),
        (True, "running"),
        (1, "succeeded"),
        (6, "expired"),
        (8, "failed"),
        (3, "running"),
    ]
    async with LoopbackServer() as server:
        server.on("GET", RESULT, *(answer_json(job(number)) for number, _ in told))
        backend = account(server)
        states = [await backend.poll(HANDLE, CONTEXT) for _ in told]
        await backend.aclose()
    assert [state.status for state in states] == [status for _, status in told]
    assert {state.poll_after_s for state in states} == {5.0}
    assert states[4].code == "8"


async def test_what_moderation_held_back_is_a_block() -> None:
    async with loopback() as (server, client):
        server.on("GET", RESULT, answer_json(job(7)))
        with pytest.raises(ContentBlockedError) as caught:
            await client.video("x", model=[MODEL, "local:demo"])
    assert (caught.value.stage, caught.value.billed) == ("output", "no")
    assert caught.value.job_id == "318"


@pytest.mark.parametrize("url", ["", None, 7])
async def test_no_output_is_no_success(url: object) -> None:
    async with loopback() as (server, client):
        server.on("GET", RESULT, answer_json(job(1, url=url)))
        with pytest.raises(JobFailedError, match="nothing") as caught:
            await client.video("x", model=MODEL)
    assert caught.value.code == "no_output"


async def test_taken_up_by_another_process() -> None:
    async with loopback() as (server, client):
        done = job(1, url=f"{server.url}/out.mp4")
        server.on("GET", RESULT, answer_json(job(5)), answer_json(done))
        started = await client.start_video("x", model=MODEL, fps=24)
        async for progress in started:
            assert progress.status == "running"
            break
        text = started.to_json()
        assert CANARY not in text
        other = gensdk.Client(
            backends={"pixverse": account(server)},
            media=gensdk.MediaPolicy(allow_hosts=frozenset({"127.0.0.1"})),
        )
        async with other:
            response = await other.job(text).result()
        assert response.seed == 11
        assert [note.parameter for note in response.warnings] == ["fps"]
        assert len(created(server)) == 1


async def test_it_cannot_be_cancelled_and_says_so() -> None:
    async with loopback() as (server, client):
        server.on("GET", RESULT, answer_json(job(5)))
        started = await client.start_video("x", model=MODEL)
        before = len(server.requests)
        assert await started.cancel() == "unsupported"
        assert len(server.requests) == before


@pytest.mark.parametrize("answered", [failed(500008), failed(500064), answer_error(404, "no")])
async def test_a_job_that_is_not_known_has_expired(answered: Any) -> None:
    async with LoopbackServer() as server:
        server.on("GET", "*", answered)
        backend = account(server)
        with pytest.raises(JobExpiredError):
            await backend.poll(HANDLE, CONTEXT)
        with pytest.raises(JobExpiredError):
            await backend.collect(HANDLE, None, CONTEXT)
        with pytest.raises(JobExpiredError):
            await backend.poll(JobHandle(id="../account/balance"), CONTEXT)
        assert len(server.requests) == 2
        await backend.aclose()


async def test_several_videos_are_several_jobs() -> None:
    async with LoopbackServer() as server:
        backend = account(server)
        with pytest.raises(UnsupportedFeatureError, match="start several jobs"):
            await backend.start(VideoRequest(prompt="x", n=2), CONTEXT)
        await backend.aclose()
        assert server.requests == []


async def test_collecting_too_early_is_an_error() -> None:
    async with LoopbackServer() as server:
        server.on("GET", RESULT, answer_json(job(5)))
        backend = account(server)
        with pytest.raises(InvalidResponseError, match="not done"):
            await backend.collect(HANDLE, None, CONTEXT)
        await backend.aclose()


@pytest.mark.parametrize(
    "file", [answer_bytes(PNG, "video/mp4"), answer_bytes(b"", "video/mp4"), answer_error(403, "x")]
)
async def test_a_file_that_is_none_was_paid_for(file: Any) -> None:
    async with loopback() as (server, client):
        server.on("GET", "/out.mp4", file)
        with pytest.raises(GenSDKError) as caught:
            await client.video("x", model=MODEL)
    assert caught.value.billed == "yes"
    assert "sign=secret" not in str(caught.value)


# ------------------------------------------------------------------------------------- accounts
async def test_the_key_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with loopback() as (server, client):
        server.on("POST", "*", failed(400012, f"bad key {CANARY}"))
        with pytest.raises(AuthenticationError) as caught:
            await client.video("x", model=MODEL)
        backend = account(server)
        shown = f"{caught.value!r} {caught.value} {backend!r} {backend.identity('x')}"
        await backend.aclose()
    assert CANARY not in shown + caplog.text


async def test_key_and_address_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIXVERSE_API_KEY", raising=False)
    backend = PixVerseBackend()
    with pytest.raises(MissingCredentialsError, match="PIXVERSE_API_KEY"):
        await backend.start(VideoRequest(prompt="x"), CONTEXT)
    await backend.aclose()
    async with LoopbackServer() as server:
        monkeypatch.setenv("PIXVERSE_API_KEY", CANARY)
        monkeypatch.setenv("PIXVERSE_BASE_URL", f"{server.url}{BASE}/")
        server.on("POST", f"{BASE}/video/text/generate", MADE)
        backend = PixVerseBackend()
        assert (await backend.start(VideoRequest(prompt="x"), CONTEXT)).id == "318"
        await backend.aclose()
        assert server.requests[0].headers["api-key"] == CANARY
