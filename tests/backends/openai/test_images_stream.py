"""Previews: the events of a drawn picture, and what is not streamed."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import (
    ImageEditCompletedEvent,
    ImageEditPartialImageEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
)

from gensdk.backends.openai import images
from gensdk.errors import (
    ConnectionFailedError,
    ContentBlockedError,
    GenSDKError,
    InvalidResponseError,
    ServerError,
    StreamInterruptedError,
)
from gensdk.types import Finished, ImageDone, ImageEvent, ImagePreview, ImageRequest, Media
from tests.support.openai_media import JPEG, PNG, SVG, b64, context, loopback
from tests.support.server import (
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
    answer_sse,
)

GENERATE = "/v1/images/generations"
EDIT = "/v1/images/edits"
MODEL = "gpt-image-2"
FACTS = {
    "background": "opaque",
    "created_at": 1_760_000_000,
    "output_format": "png",
    "quality": "low",
    "size": "1024x1024",
}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 9},
    "output_tokens": 400,
    "total_tokens": 409,
}
"""Without details of the output: ``output_tokens`` is the number of image tokens."""


def partial(index: int, kind: str = "image_generation", data: bytes = JPEG) -> dict[str, Any]:
    event = {"type": f"{kind}.partial_image", "b64_json": b64(data), **FACTS}
    return event | {"partial_image_index": index}


def completed(kind: str = "image_generation", data: bytes = PNG) -> dict[str, Any]:
    return {"type": f"{kind}.completed", "b64_json": b64(data), **FACTS, "usage": USAGE}


def named(*events: dict[str, Any]) -> list[tuple[str | None, object]]:
    return [(event["type"], event) for event in events]


async def collect(
    request: ImageRequest, handler: Any, path: str = GENERATE, model: str = MODEL
) -> tuple[list[ImageEvent], RecordedRequest]:
    async with loopback() as (server, account):
        server.on("POST", path, handler)
        events = [event async for event in images.stream(account, request, context(model))]
        return events, server.requests[0]


def test_the_sample_events_are_the_vendors_own_shape() -> None:
    ImageGenPartialImageEvent.model_validate(partial(0), strict=True)
    ImageGenCompletedEvent.model_validate(completed(), strict=True)
    ImageEditPartialImageEvent.model_validate(partial(0, "image_edit"), strict=True)
    ImageEditCompletedEvent.model_validate(completed("image_edit"), strict=True)


async def test_previews_then_the_picture_then_the_response() -> None:
    handler = answer_sse(
        named(partial(0), partial(1), completed()), headers={"x-request-id": "req_5"}
    )
    events, request = await collect(ImageRequest(prompt="a cat", quality="draft"), handler)
    assert request.json() == {
        "model": MODEL,
        "prompt": "a cat",
        "quality": "low",
        "stream": True,
        "partial_images": 2,
    }
    first, second, done, end = events
    assert isinstance(first, ImagePreview)
    assert (first.step, first.of, first.image.data) == (1, 2, JPEG)
    assert isinstance(second, ImagePreview)
    assert second.step == 2
    assert isinstance(done, ImageDone)
    assert done.image.data == PNG
    assert isinstance(end, Finished)
    response = end.response
    assert response.images == (done.image,)
    assert response.request_id == "req_5"
    assert response.usage.output_image_tokens == 400
    assert response.usage.input_image_tokens == 0
    assert response.provider_details["created"] == 1_760_000_000
    assert response.provider_details["quality"] == "low"


async def test_the_connection_serves_the_next_call() -> None:
    async with loopback() as (server, account):
        server.on("POST", GENERATE, answer_sse(named(partial(0), completed())))
        for _ in range(2):
            request = ImageRequest(prompt="a cat")
            events = [event async for event in images.stream(account, request, context(MODEL))]
            assert isinstance(events[-1], Finished)
        assert server.connections == 1


async def test_an_edit_streams_over_the_form() -> None:
    events, request = await collect(
        ImageRequest(
            prompt="a hat", images=(Media(data=PNG),), options={"openai": {"partial_images": 0}}
        ),
        answer_sse(named(completed("image_edit")), done=False),
        path=EDIT,
    )
    fields = {part.name: part.text for part in request.form() if part.filename is None}
    assert fields["stream"] == "true"
    assert fields["partial_images"] == "0"
    assert [event.type for event in events] == ["image_done", "finished"]


@pytest.mark.parametrize("more", [{"n": 2}, {"format": "svg"}, {"format": "gif"}])
async def test_what_has_no_previews_comes_whole_with_a_note(more: dict[str, Any]) -> None:
    answer = {"data": [{"b64_json": b64(PNG)}, {"b64_json": b64(SVG)}], "output_format": "svg"}
    events, request = await collect(ImageRequest(prompt="x", **more), answer_json(answer))
    assert "stream" not in request.json()
    assert "partial_images" not in request.json()
    first, second, end = events
    assert isinstance(first, ImageDone)
    assert isinstance(second, ImageDone)
    assert (first.index, second.index) == (0, 1)
    assert isinstance(end, Finished)
    assert end.response.warnings[0].parameter == "stream"


async def test_a_model_without_previews_comes_whole() -> None:
    answer = {"data": [{"b64_json": b64(PNG)}]}
    events, request = await collect(ImageRequest(prompt="x"), answer_json(answer), model="dall-e-3")
    assert request.json()["response_format"] == "b64_json"
    assert [event.type for event in events] == ["image_done", "finished"]


@pytest.mark.parametrize("done", [True, False])
async def test_a_stream_without_its_last_event_was_cut(done: bool) -> None:
    handler = answer_sse(named(partial(0)), done=done, headers={"x-request-id": "req_6"})
    async with loopback() as (server, account):
        server.on("POST", GENERATE, handler)
        events = images.stream(account, ImageRequest(prompt="x"), context(MODEL))
        assert isinstance(await anext(events), ImagePreview)
        with pytest.raises(StreamInterruptedError) as caught:
            await anext(events)
    assert caught.value.request_id == "req_6"
    assert caught.value.billed == "maybe"


async def test_a_cut_connection_interrupts_what_had_begun() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        if len(server.requests) == 1:
            await reply.event(partial(0))
        reply.close()

    async with loopback() as (server, account):
        server.on("POST", GENERATE, handler)
        request = ImageRequest(prompt="x")
        events = images.stream(account, request, context(MODEL))
        assert isinstance(await anext(events), ImagePreview)
        with pytest.raises(StreamInterruptedError):
            await anext(events)
        with pytest.raises(ConnectionFailedError):
            await anext(images.stream(account, request, context(MODEL)))


async def test_a_server_may_answer_with_the_whole_at_once() -> None:
    answer = {"data": [{"b64_json": b64(PNG)}], "usage": USAGE}
    events, request = await collect(ImageRequest(prompt="x"), answer_json(answer))
    assert request.json()["stream"] is True
    assert [event.type for event in events] == ["image_done", "finished"]
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.response.usage.output_tokens == 400
    with pytest.raises(InvalidResponseError):
        await collect(ImageRequest(prompt="x"), answer_bytes(b"<html></html>", "text/html"))


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (
            ("error", {"type": "error", "error": {"message": "no", "code": "moderation_blocked"}}),
            ContentBlockedError,
        ),
        ((None, {"error": {"message": "oops", "type": "server_error"}}), ServerError),
        (("error", {"message": "oops", "code": "server_error"}), ServerError),
        ((None, "{not json"), InvalidResponseError),
        ((None, completed(data=b"plain words")), InvalidResponseError),
        ((None, {"type": "image_generation.completed", "b64_json": "###"}), InvalidResponseError),
    ],
)
async def test_errors_inside_the_stream(event: Any, error: type[GenSDKError]) -> None:
    with pytest.raises(error) as caught:
        await collect(ImageRequest(prompt="x"), answer_sse([event], done=False))
    assert caught.value.provider == "openai"
    assert caught.value.billed == "maybe"


async def test_a_refused_stream_is_the_error_of_its_cause() -> None:
    body = {"error": {"message": "no", "code": "moderation_blocked"}}
    with pytest.raises(ContentBlockedError):
        await collect(ImageRequest(prompt="x"), answer_error(400, body))


async def test_comments_and_unknown_events_are_passed_over() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        await reply.chunk(": keep-alive\n\n")
        await reply.event({"type": "image_generation.queued"})
        await reply.event({"type": "image_generation.sketch", "b64_json": b64(PNG)})
        await reply.event(completed())
        await reply.end()

    events, _ = await collect(ImageRequest(prompt="x"), handler)
    assert [event.type for event in events] == ["image_done", "finished"]


async def test_leaving_a_stream_closes_its_connection() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        await reply.event(partial(0))
        await server.closed_by_client()
        reply.close()

    async with loopback() as (server, account):
        server.on("POST", GENERATE, handler)
        events = images.stream(account, ImageRequest(prompt="x"), context(MODEL))
        async for event in events:
            assert isinstance(event, ImagePreview)
            break
        await events.aclose()
        await server.closed_by_client()
