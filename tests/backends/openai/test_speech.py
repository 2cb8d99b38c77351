"""``/audio/speech``: the body that is sent, and sound as it comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gensdk.backends.openai import speech
from gensdk.backends.openai.options_media import OpenAISpeechOptions
from gensdk.catalog.compatible import Dialect
from gensdk.errors import (
    ConnectionFailedError,
    GenSDKError,
    InvalidResponseError,
    QuotaExceededError,
    ServerError,
    StreamInterruptedError,
    UnsupportedFeatureError,
)
from gensdk.types import AudioChunk, Finished, SpeechEvent, SpeechRequest, SpeechResponse
from tests.support.openai_media import SERVER, b64, context, loopback
from tests.support.server import (
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
    answer_sse,
)

PATH = "/v1/audio/speech"
NEW = "gpt-4o-mini-tts"
MP3 = b"ID3\x04" + bytes(60)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40)
OPUS = b"OggS" + bytes(24) + b"OpusHead" + bytes(20)
PCM_LIKE_MP3 = b"\xff\xfb" * 2400
HEADERS = {"x-request-id": "req_s"}


async def sent(
    request: SpeechRequest,
    model: str = NEW,
    dialect: Dialect | None = None,
    data: bytes = MP3,
    content_type: str = "audio/mpeg",
    **settings: Any,
) -> tuple[dict[str, Any], SpeechResponse]:
    where = {} if dialect is None else {"dialect": dialect}
    async with loopback(**where) as (server, account):
        server.on("POST", PATH, answer_bytes(data, content_type, headers=HEADERS))
        response = await speech.generate(account, request, context(model, **settings))
        body = server.requests[0].json()
        assert isinstance(body, dict)
        return body, response


async def test_the_catalogue_fills_the_voice_that_the_api_insists_on() -> None:
    body, response = await sent(SpeechRequest(text="Hello"))
    assert body == {"model": NEW, "input": "Hello", "voice": "alloy"}
    assert response.audio.data == MP3
    assert response.audio.media_type == "audio/mpeg"
    assert response.provider_details == {"voice": "alloy"}
    assert (response.provider, response.model) == ("openai", NEW)
    assert response.request_id == "req_s"
    assert response.warnings == ()
    assert response.usage.characters is None
    assert response.duration_s is None
    body, response = await sent(SpeechRequest(text="Hello"), "kokoro", SERVER)
    assert body == {"model": "kokoro", "input": "Hello"}
    assert response.provider_details == {}


async def test_every_field() -> None:
    request = SpeechRequest(
        text="Hello",
        voice="coral",
        instructions="softly",
        speed=1.5,
        format="wav",
        sample_rate=24_000,
        extra={"lang": "en"},
    )
    body, response = await sent(request, data=WAV, content_type="audio/wav")
    assert body == {
        "model": NEW,
        "input": "Hello",
        "voice": "coral",
        "instructions": "softly",
        "speed": 1.5,
        "response_format": "wav",
        "lang": "en",
    }
    assert response.audio.media_type == "audio/wav"
    assert response.warnings == ()
    assert response.provider_details == {}


async def test_a_custom_voice_travels_as_an_object() -> None:
    body, _ = await sent(SpeechRequest(text="x", voice="voice_123"))
    assert body["voice"] == {"id": "voice_123"}
    body, _ = await sent(SpeechRequest(text="x", voice="voice_123"), "kokoro", SERVER)
    assert body["voice"] == "voice_123"


async def test_what_the_model_cannot_is_dropped_with_a_note() -> None:
    request = SpeechRequest(
        text="Hello", instructions="softly", language="de", seed=7, sample_rate=8000
    )
    body, response = await sent(request, "tts-1-hd")
    assert body == {"model": "tts-1-hd", "input": "Hello", "voice": "alloy"}
    dropped = [(note.kind, note.parameter) for note in response.warnings]
    expected = ["instructions", "language", "seed", "sample_rate"]
    assert dropped == [("unsupported", name) for name in expected]
    assert response.usage.characters == 5
    with pytest.raises(UnsupportedFeatureError):
        await sent(request, "tts-1-hd", unsupported="error")


async def test_a_server_may_take_language_and_rate() -> None:
    dialect = replace(SERVER, body_fields=frozenset({"language", "sample_rate"}))
    request = SpeechRequest(text="x", language="de", sample_rate=8000, format="pcm", seed=1)
    body, response = await sent(request, "m", dialect, data=bytes(1600))
    assert body["language"] == "de"
    assert body["sample_rate"] == 8000
    assert response.audio.sample_rate == 8000
    assert response.duration_s == 0.1
    assert not response.reproducible
    assert [note.parameter for note in response.warnings] == ["seed"]
    dialect = replace(SERVER, body_fields=frozenset({"seed"}))
    body, response = await sent(SpeechRequest(text="x", seed=1), "m", dialect)
    assert body["seed"] == 1
    assert response.reproducible


async def test_raw_samples_are_never_mistaken_for_mp3() -> None:
    body, response = await sent(
        SpeechRequest(text="x", format="pcm"), data=PCM_LIKE_MP3, content_type="audio/pcm"
    )
    assert body["response_format"] == "pcm"
    assert response.audio.media_type == "audio/pcm"
    assert response.audio.sample_rate == 24_000
    assert response.audio.data == PCM_LIKE_MP3
    assert response.duration_s == 0.1


@pytest.mark.parametrize(
    ("asked", "data", "content_type", "media_type", "noted"),
    [
        ("opus", OPUS, "audio/ogg", "audio/opus", False),
        ("mp3", WAV, "audio/mpeg", "audio/wav", True),
        ("pcm", WAV, "audio/pcm", "audio/wav", True),
        ("flac", bytes(8), "application/octet-stream", "audio/flac", False),
        (None, bytes(8), "audio/aac", "audio/aac", False),
        (None, OPUS, "application/octet-stream", "audio/opus", False),
    ],
)
async def test_the_bytes_say_what_they_are(
    asked: Any, data: bytes, content_type: str, media_type: str, noted: bool
) -> None:
    request = SpeechRequest(text="x", format=asked)
    _, response = await sent(request, data=data, content_type=content_type)
    assert response.audio.media_type == media_type
    assert response.audio.sample_rate is None
    notes = [(note.kind, note.parameter, note.sent) for note in response.warnings]
    assert notes == ([("adapted", "format", media_type)] if noted else [])


@pytest.mark.parametrize(
    ("data", "content_type", "says"),
    [
        (b"", "audio/mpeg", "empty"),
        (b"<html>busy</html>", "text/html", "text/html"),
        (b"<!DOCTYPE html><p>busy", "audio/mpeg", "a document"),
        (b'{"audio": null}', "application/json", "application/json"),
        (b' {"status": "queued"}', "application/octet-stream", "a document"),
        (b'{"status": queu', "audio/mpeg", "a document"),
        (bytes(8), "application/octet-stream", "application/octet-stream"),
        (b"%PDF-1.7", "audio/mpeg", "application/pdf"),
    ],
)
async def test_a_body_that_is_no_sound_is_refused(
    data: bytes, content_type: str, says: str
) -> None:
    with pytest.raises(InvalidResponseError, match=says) as caught:
        await sent(SpeechRequest(text="x"), data=data, content_type=content_type)
    assert caught.value.request_id == "req_s"
    assert "busy" not in str(caught.value)


async def test_errors_are_those_of_their_cause() -> None:
    quota = {"error": {"message": "no credit", "code": "insufficient_quota"}}
    async with loopback() as (server, account):
        server.on("POST", PATH, answer_error(429, quota), answer_json(quota))
        for _ in range(2):
            with pytest.raises(QuotaExceededError):
                await speech.generate(account, SpeechRequest(text="x"), context(NEW))


async def test_a_whole_sound_is_not_asked_for_as_events() -> None:
    options = {"openai": OpenAISpeechOptions(stream_format="sse")}
    body, response = await sent(SpeechRequest(text="x", options=options))
    assert "stream_format" not in body
    assert [note.parameter for note in response.warnings] == ["stream_format"]


# ----------------------------------------------------------------------------------- streams
async def collect(
    request: SpeechRequest, handler: Any, model: str = NEW
) -> tuple[list[SpeechEvent], dict[str, Any]]:
    async with loopback() as (server, account):
        server.on("POST", PATH, handler)
        events = [event async for event in speech.stream(account, request, context(model))]
        body = server.requests[0].json()
        assert isinstance(body, dict)
        return events, body


def joined(events: list[SpeechEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, AudioChunk))


async def test_bytes_as_they_come_then_the_whole() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "audio/pcm", **HEADERS})
        for start in range(0, len(PCM_LIKE_MP3), 1200):
            await reply.chunk(PCM_LIKE_MP3[start : start + 1200])
        await reply.end()

    events, body = await collect(SpeechRequest(text="Hello", format="pcm"), handler)
    assert body == {"model": NEW, "input": "Hello", "voice": "alloy", "response_format": "pcm"}
    assert joined(events) == PCM_LIKE_MP3
    first, end = events[0], events[-1]
    assert isinstance(first, AudioChunk)
    assert first.sample_rate == 24_000
    assert isinstance(end, Finished)
    assert end.response.audio.data == PCM_LIKE_MP3
    assert end.response.audio.media_type == "audio/pcm"
    assert end.response.duration_s == 0.1
    assert end.response.request_id == "req_s"


def delta(data: bytes) -> tuple[str | None, object]:
    return None, {"type": "speech.audio.delta", "audio": b64(data)}


DONE = {
    "type": "speech.audio.done",
    "usage": {"input_tokens": 4, "output_tokens": 90, "total_tokens": 94},
}
SSE = {"openai": {"stream_format": "sse"}}


async def test_events_end_with_usage() -> None:
    handler = answer_sse([delta(MP3[:30]), (None, {"type": "x"}), delta(MP3[30:]), (None, DONE)])
    events, body = await collect(SpeechRequest(text="x", options=SSE), handler)
    assert body["stream_format"] == "sse"
    assert joined(events) == MP3
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.response.usage.input_tokens, end.response.usage.output_tokens) == (4, 90)
    assert end.response.audio.media_type == "audio/mpeg"


async def test_the_connection_serves_the_next_call() -> None:
    async with loopback() as (server, account):
        server.on("POST", PATH, answer_sse([delta(MP3), (None, DONE)]))
        request = SpeechRequest(text="x", options=SSE)
        for _ in range(2):
            events = [event async for event in speech.stream(account, request, context(NEW))]
            assert isinstance(events[-1], Finished)
        assert server.connections == 1


async def test_a_server_may_answer_events_with_bytes() -> None:
    events, body = await collect(
        SpeechRequest(text="x", options=SSE), answer_bytes(MP3, "audio/mpeg")
    )
    assert body["stream_format"] == "sse"
    assert joined(events) == MP3


async def test_the_older_models_stream_bytes_only() -> None:
    events, body = await collect(
        SpeechRequest(text="x", options=SSE), answer_bytes(MP3, "audio/mpeg"), model="tts-1"
    )
    assert "stream_format" not in body
    end = events[-1]
    assert isinstance(end, Finished)
    assert [note.parameter for note in end.response.warnings] == ["stream_format"]


@pytest.mark.parametrize("done", [True, False])
async def test_events_without_their_end_were_cut(done: bool) -> None:
    with pytest.raises(StreamInterruptedError):
        await collect(SpeechRequest(text="x", options=SSE), answer_sse([delta(MP3)], done=done))


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (("error", {"type": "error", "error": {"code": "server_error"}}), ServerError),
        ((None, {"error": {"message": "x", "code": "insufficient_quota"}}), QuotaExceededError),
        ((None, "{cut"), InvalidResponseError),
        ((None, {"type": "speech.audio.delta", "audio": "!!"}), InvalidResponseError),
    ],
)
async def test_errors_inside_the_events(event: Any, error: type[GenSDKError]) -> None:
    with pytest.raises(error):
        await collect(SpeechRequest(text="x", options=SSE), answer_sse([event]))


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (answer_bytes(b"", "audio/mpeg"), InvalidResponseError),
        (answer_sse([(None, DONE)]), InvalidResponseError),
        (
            answer_sse(
                [(None, {"type": "speech.audio.delta", "audio": b64(b"%PDF-")}), (None, DONE)]
            ),
            InvalidResponseError,
        ),
        (answer_bytes(b"<html></html>", "text/html"), InvalidResponseError),
        (answer_json({"error": {"code": "insufficient_quota"}}), QuotaExceededError),
        (answer_error(500, {"error": {"message": "x"}}), ServerError),
    ],
)
async def test_a_stream_that_is_no_sound_is_refused(handler: Any, error: type[GenSDKError]) -> None:
    with pytest.raises(error):
        await collect(SpeechRequest(text="x"), handler)


async def test_a_cut_connection_is_an_error_after_the_first_sound() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "audio/mpeg"})
        await reply.chunk(MP3)
        reply.close()

    async with loopback() as (server, account):
        server.on("POST", PATH, handler)
        events = speech.stream(account, SpeechRequest(text="x"), context(NEW))
        assert isinstance(await anext(events), AudioChunk)
        with pytest.raises(StreamInterruptedError) as caught:
            await anext(events)
    assert isinstance(caught.value.__cause__, ConnectionFailedError)


async def test_a_connection_cut_before_any_sound_is_just_that() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "audio/mpeg"})
        reply.close()

    with pytest.raises(ConnectionFailedError):
        await collect(SpeechRequest(text="x"), handler)


async def test_an_error_document_in_pieces_is_read_to_its_end() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "application/json"})
        await reply.chunk('{"error": {"message": "no", ')
        await reply.chunk('"code": "insufficient_quota"}}')
        await reply.end()

    with pytest.raises(QuotaExceededError):
        await collect(SpeechRequest(text="x"), handler)


async def test_leaving_a_stream_closes_its_connection() -> None:
    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "audio/mpeg"})
        await reply.chunk(MP3)
        await server.closed_by_client()
        reply.close()

    async with loopback() as (server, account):
        server.on("POST", PATH, handler)
        events = speech.stream(account, SpeechRequest(text="x"), context(NEW))
        assert isinstance(await anext(events), AudioChunk)
        await events.aclose()
        await server.closed_by_client()
