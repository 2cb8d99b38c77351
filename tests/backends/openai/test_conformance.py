"""OpenAI passes the suite that every backend has to pass, over each of its protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

from gensdk.backends.openai import AzureOpenAIBackend, OpenAIBackend
from gensdk.backends.openai.errors import CODE_ROWS, STREAM_ROWS
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    ContextLengthError,
    GenSDKError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
)
from gensdk.spec import Backend
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.testing.conformance.options import Options
from gensdk.toolkit import ErrorRow
from gensdk.types import Ability
from tests.backends.openai.test_completions import written
from tests.backends.openai.test_images_stream import completed, named, partial
from tests.backends.openai.test_speech import OPUS, WAV
from tests.backends.openai.test_transcription import DIARIZED, PLAIN, TRANSLATE, VERBOSE
from tests.backends.openai.test_transcription import PATH as HEAR
from tests.backends.openai.test_videos import FILE, JOB, MP4, state
from tests.support import openai_chat as chat
from tests.support import openai_responses as responses
from tests.support.conformance import sent_to, wire_of
from tests.support.fake_openai import MP3, fake_openai
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_json,
)

KEY = "sk-conformance-0123456789"
CHUNKS = [chat.chunk(content="A "), chat.chunk("stop", content="robot.")]


async def answer_chat(request: RecordedRequest, reply: Reply) -> None:
    asked = request.json()
    if asked.get("stream"):
        await reply.sse([*CHUNKS, (None, chat.chunk_of([], chat.USAGE))])
    else:
        choices = [chat.choice("A robot.", index=index) for index in range(asked.get("n", 1))]
        await reply.json(chat.completion(*choices))


async def answer_completion(request: RecordedRequest, reply: Reply) -> None:
    if request.json().get("stream"):
        await reply.sse([(None, written("A ", None)), (None, written("robot."))])
    else:
        count = request.json().get("n", 1)
        choices = [written("A robot.", index=index)["choices"][0] for index in range(count)]
        await reply.json(written("A robot.") | {"choices": choices, "usage": chat.USAGE})


async def hear(request: RecordedRequest, reply: Reply) -> None:
    fields = {part.name: part.text for part in request.form() if part.filename is None}
    forms = {"verbose_json": VERBOSE, "diarized_json": DIARIZED}
    await reply.json(forms.get(fields.get("response_format", ""), PLAIN))


async def speak(request: RecordedRequest, reply: Reply) -> None:
    sounds = {"wav": WAV, "opus": OPUS, "pcm": bytes(480)}
    asked = request.json().get("response_format", "mp3")
    await reply.bytes(sounds.get(asked, MP3), f"audio/{asked}")


class Films:
    """``/v1/videos``: two looks, then the file; a job that was deleted is gone."""

    def __init__(self, server: LoopbackServer) -> None:
        self.looks = 0
        self.deleted = False
        server.on("POST", "/v1/videos", answer_json(state("queued")))
        server.on("GET", JOB, self.look)
        server.on("DELETE", JOB, self.delete)
        server.on("GET", FILE, answer_bytes(MP4, "video/mp4"))

    async def look(self, _: RecordedRequest, reply: Reply) -> None:
        self.looks += 1
        if self.deleted:
            await reply.error(404, {"error": {"message": "no such video"}})
        else:
            await reply.json(state("completed" if self.looks > 2 else "in_progress"))

    async def delete(self, request: RecordedRequest, reply: Reply) -> None:
        if self.deleted:
            await self.look(request, reply)
            return
        self.deleted = True
        await reply.json({"id": "video_1", "object": "video.deleted", "deleted": True})


def serve(server: LoopbackServer) -> None:
    """Beside what the fake answers: the other protocols, films, and sound in every form."""
    Films(server)
    server.on("POST", chat.CHAT, answer_chat)
    server.on("POST", chat.LEGACY, answer_completion)
    server.on("POST", "/v1/audio/speech", speak)
    server.on("POST", HEAR, hear)
    server.on("POST", TRANSLATE, hear)


def coded(
    error: type[GenSDKError], status: int, kind: str, *codes: str | None
) -> tuple[DocumentedError, ...]:
    """Answers of one type, each with a code."""
    return tuple(
        DocumentedError(
            status,
            {"error": {"message": "No.", "type": kind, "param": "prompt", "code": code}},
            error, code, param="prompt", request_id="req_1", retry_after=2.5,
            headers={"x-request-id": "req_1", "retry-after-ms": "2500"},
        )
        for code in codes
    )  # fmt: skip


INVALID = "invalid_request_error"
ERRORS = (
    *coded(
        QuotaExceededError, 429, "insufficient_quota", "insufficient_quota",
        "billing_hard_limit_reached", "billing_hard_limit", "billing_not_active", None,
    ),
    *coded(
        ContentBlockedError, 400, INVALID, "moderation_blocked", "content_policy_violation",
        "content_filter", "ResponsibleAIPolicyViolation", "bio_policy",
        "misalignment_policy_violation", "image_content_policy_violation", "invalid_prompt",
    ),
    *coded(ContextLengthError, 400, INVALID, "context_length_exceeded"),
    *coded(ModelNotFoundError, 404, INVALID, "model_not_found", "DeploymentNotFound"),
    *coded(RequestTooLargeError, 400, INVALID, "image_file_too_large"),
    *coded(RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded", None),
    *coded(OverloadedError, 503, "server_error", "slow_down", "server_is_overloaded"),
    *coded(OverloadedError, 500, "overloaded_error", None),
    *coded(AuthenticationError, 401, "authentication_error", "invalid_api_key", None),
    *coded(PermissionDeniedError, 403, "permission_error", None),
    *coded(ServerError, 500, "server_error", "server_error", "vector_store_timeout"),
    *coded(
        InvalidRequestError, 400, "image_generation_user_error", "data_residency_mismatch",
        "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url",
        "image_too_large", "image_too_small", "image_parse_error", "invalid_image_mode",
        "unsupported_image_media_type", "empty_image_file", "failed_to_download_image",
        "image_file_not_found", "unsupported_parameter", "unsupported_value",
    ),
)  # fmt: skip


class TestOpenAI(HTTPBackendConformance):
    models: ClassVar[Mapping[Ability, str]] = {
        "text": "gpt-6-luna",
        "image": "gpt-image-2.5-flare",
        "speech": "gpt-tts-9",
        "transcribe": "gpt-transcribe",
        "embed": "text-embedding-3-small",
        "moderate": "omni-moderation-latest",
    }
    model = "gpt-6-luna"
    secret = KEY
    errors = ERRORS
    error_rows: ClassVar[tuple[ErrorRow, ...]] = (*CODE_ROWS, *STREAM_ROWS)
    base_path = "/v1"
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {
        "text": wire_of(responses.events(responses.message("A robot went out."))),
        "image": wire_of(named(partial(0), completed())),
    }

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with fake_openai() as self.server:
            serve(self.server)
            yield self.backend_at(self.server.url + self.base_path)

    def backend_at(self, base_url: str) -> Backend:
        return OpenAIBackend(base_url=base_url, api_key=KEY)

    def sent(self) -> list[object]:
        return sent_to(self.server, "POST")


class TestOpenAIOverHttpx2(TestOpenAI):
    """The same over the other transport; which of the two the rest runs over, the extra decides."""

    def backend_at(self, base_url: str) -> Backend:
        return OpenAIBackend(base_url=base_url, api_key=KEY, http_client="httpx2")


class TestOpenAIOverChat(TestOpenAI):
    models: ClassVar[Mapping[Ability, str]] = {"text": "gpt-4.1"}
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {"text": wire_of(CHUNKS)}

    def backend_at(self, base_url: str) -> Backend:
        return OpenAIBackend(base_url=base_url, api_key=KEY, protocol="chat")


class TestOpenAIOverCompletions(TestOpenAI):
    models: ClassVar[Mapping[Ability, str]] = {}
    model = "gpt-3.5-turbo-instruct"
    errors = ()
    error_rows = ()
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {
        "text": wire_of([(None, written("A ", None)), (None, written("robot."))])
    }

    def backend_at(self, base_url: str) -> Backend:
        return OpenAIBackend(base_url=base_url, api_key=KEY, protocol="completions")


class TestOpenAIBefore(TestOpenAI):
    """The models of sound, vectors and judgement that are still served beside the newest."""

    errors = ()
    error_rows = ()

    models: ClassVar[Mapping[Ability, str]] = {
        "image": "gpt-image-1",
        "speech": "tts-1",
        "transcribe": "whisper-1",
        "embed": "text-embedding-ada-002",
    }
    model = "gpt-4.1"
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {}

    def backend_at(self, base_url: str) -> Backend:
        return OpenAIBackend(base_url=base_url, api_key=KEY)


class TestOpenAISpeakers(Options):
    """A model that tells who speaks."""

    model = "gpt-4o-transcribe-diarize"
    backend = TestOpenAI.backend
    backend_at = TestOpenAI.backend_at
    base_path = TestOpenAI.base_path
    sent = TestOpenAI.sent


class TestAzure(TestOpenAI):
    """Deployments: their names do not say what they do."""

    errors = ()
    error_rows = ()

    models: ClassVar[Mapping[Ability, str]] = {}
    model = "mine"
    base_path = ""

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with fake_openai() as self.server:
            serve(self.server)
            self.server.move("/openai")
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> Backend:
        return AzureOpenAIBackend(base_url, api_key=KEY)
