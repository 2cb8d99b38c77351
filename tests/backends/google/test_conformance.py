"""Google passes the suite that every backend has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from gensdk.backends.google import GoogleBackend
from gensdk.backends.google.errors import DAILY, ROWS
from gensdk.errors import (
    AuthenticationError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TransientError,
)
from gensdk.spec import Backend
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.toolkit import STATUS_ROWS
from gensdk.types import Ability
from tests.backends.google.test_embeddings import vectors
from tests.backends.google.test_music import SOUND
from tests.backends.google.test_speech import spoken
from tests.backends.google.test_video import FILE, JOB, JOBS, NAME, OMNI, START, VEO, omni
from tests.support import google_api as api
from tests.support.conformance import sent_to, wire_of
from tests.support.server import (
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_bytes,
    answer_error,
    answer_json,
    answer_sse,
)

TEXT = "gemini-3.8-flash"
IMAGE = "gemini-3.1-flash-image"
SPEECH = "gemini-3.8-flash-tts"
VECTORS = "gemini-embedding-2"
WORDS = [
    (None, api.answer(api.text("A "), finish=None)),
    (None, api.answer(api.text("robot."))),
]
SAMPLES = [(None, spoken(finish=None)), (None, spoken())]


async def embedded(request: RecordedRequest, reply: Reply) -> None:
    await reply.json(vectors(*([1.0, 0.5] for _ in request.json()["requests"])))


async def interacted(request: RecordedRequest, reply: Reply) -> None:
    if request.json().get("background"):
        await reply.json(api.interaction("queued"))
    else:
        await reply.json(api.interaction("completed", SOUND))


def serve(server: LoopbackServer) -> None:
    for model in (TEXT, "gemini-2.5-flash"):
        server.on("POST", api.content(model), answer_json(api.answer(api.text("A robot."))))
        streamed = api.content(model, "streamGenerateContent")
        server.on("POST", streamed, answer_sse(WORDS, done=False))
    drawn = api.answer(api.inline(api.PNG, "image/png"))
    for model in (IMAGE, "gemini-2.5-flash-image"):
        server.on("POST", api.content(model), answer_json(drawn))
    server.on("POST", api.content(SPEECH), answer_json(spoken()))
    streamed = api.content(SPEECH, "streamGenerateContent")
    server.on("POST", streamed, answer_sse(SAMPLES, done=False))
    for model in (VECTORS, "gemini-embedding-001"):
        server.on("POST", api.content(model, "batchEmbedContents"), embedded)
    server.on("POST", JOBS, interacted)
    going = answer_json(api.interaction("in_progress"))
    server.on("GET", JOB, going, answer_json(api.interaction("completed", omni(server))))
    server.on("POST", f"{JOB}/cancel", answer_json(api.interaction("cancelled")))
    lost = answer_error(404, api.failure(404, "NOT_FOUND"))
    server.on("GET", "*", lost)
    server.on("GET", FILE, answer_bytes(api.MP4, "video/mp4"))
    uri = f"{server.url}{FILE}?alt=media"
    made = {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": uri}}]}}
    server.on("POST", START, answer_json({"name": NAME}))
    done = {"name": NAME, "done": True, "response": made}
    server.on("GET", f"/v1beta/{NAME}", answer_json({"name": NAME}), answer_json(done))


def worded(error: type[GenSDKError], status: int, *words: str) -> tuple[DocumentedError, ...]:
    """Answers by their code word, each with the wait that Google writes into the body."""
    wait = api.detail("RetryInfo", retryDelay="36.4s")
    return tuple(
        DocumentedError(status, api.failure(status, word, wait), error, word, retry_after=36.4)
        for word in words
    )


def reasoned(
    error: type[GenSDKError], status: int, word: str, *reasons: str
) -> tuple[DocumentedError, ...]:
    """Answers whose ``ErrorInfo`` says why."""
    return tuple(
        DocumentedError(
            status, api.failure(status, word, api.detail("ErrorInfo", reason=reason)), error, word
        )
        for reason in reasons
    )


PER_DAY = api.detail("QuotaFailure", violations=[{"quotaId": "GenerateRequestsPerDayPerProject"}])
FIELD = api.detail("BadRequest", fieldViolations=[{"field": "contents[0]", "description": "no"}])
ERRORS = (
    *worded(InvalidRequestError, 400, "INVALID_ARGUMENT", "OUT_OF_RANGE", "INVALID_REQUEST"),
    *worded(PermissionDeniedError, 400, "FAILED_PRECONDITION"),
    *worded(AuthenticationError, 401, "UNAUTHENTICATED", "AUTHENTICATION"),
    *worded(PermissionDeniedError, 403, "PERMISSION_DENIED"),
    *worded(ModelNotFoundError, 404, "NOT_FOUND"),
    *worded(TransientError, 409, "ABORTED"),
    *worded(InvalidRequestError, 409, "ALREADY_EXISTS"),
    *worded(
        RateLimitError, 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS"
    ),
    *worded(QuotaExceededError, 429, "BUDGET_EXCEEDED"),
    *worded(TransientError, 499, "CANCELLED"),
    *worded(ServerError, 500, "INTERNAL", "INTERNAL_ERROR", "DATA_LOSS", "UNKNOWN"),
    *worded(InvalidRequestError, 501, "UNIMPLEMENTED"),
    *worded(OverloadedError, 503, "UNAVAILABLE", "SERVICE_UNAVAILABLE"),
    *worded(ServerError, 504, "DEADLINE_EXCEEDED"),
    *worded(
        ContentBlockedError, 400, "SAFETY", "BLOCKED", "CONTENT_BLOCKED", "PROHIBITED_CONTENT",
        "BLOCKLIST", "SPII", "RECITATION", "IMAGE_SAFETY", "JAILBREAK", "CONTENT_POLICY_VIOLATION",
        "CONTENT_FILTER",
    ),
    *reasoned(
        AuthenticationError, 400, "INVALID_ARGUMENT", "API_KEY_INVALID", "API_KEY_EXPIRED",
        "CREDENTIALS_MISSING", "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "ACCOUNT_STATE_INVALID",
    ),
    *reasoned(
        PermissionDeniedError, 403, "PERMISSION_DENIED", "API_KEY_SERVICE_BLOCKED",
        "API_KEY_HTTP_REFERRER_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED",
        "API_KEY_ANDROID_APP_BLOCKED", "API_KEY_IOS_APP_BLOCKED", "SERVICE_DISABLED",
        "CONSUMER_SUSPENDED", "CONSUMER_INVALID", "USER_PROJECT_DENIED", "IAM_PERMISSION_DENIED",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "LOCATION_POLICY_VIOLATED", "SECURITY_POLICY_VIOLATED",
    ),
    *reasoned(QuotaExceededError, 403, "PERMISSION_DENIED", "BILLING_DISABLED"),
    DocumentedError(
        429, api.failure(429, "RESOURCE_EXHAUSTED", PER_DAY), QuotaExceededError
    ),
    DocumentedError(
        400, api.failure(400, "INVALID_ARGUMENT", FIELD), InvalidRequestError, param="contents[0]"
    ),
)  # fmt: skip


class TestGoogle(HTTPBackendConformance):
    models: ClassVar[Mapping[Ability, str]] = {
        "image": IMAGE, "speech": SPEECH, "music": "lyria-3.5", "video": OMNI, "embed": VECTORS,
    }  # fmt: skip
    model = TEXT
    secret = api.KEY
    errors = ERRORS
    error_rows = tuple(row for row in ROWS if row not in STATUS_ROWS and row.type != DAILY)
    raw = frozenset[Ability]()
    values: ClassVar[Mapping[Ability, Mapping[str, Mapping[str, Any]]]] = {
        "video": {"audio": {"audio": False}},  # they have sound anyway
    }
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {
        "text": wire_of(WORDS), "speech": wire_of(SAMPLES),
    }  # fmt: skip

    @pytest.fixture(autouse=True)
    def _no_pause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gensdk.backends.google.video._POLL_S", 0.0)

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            serve(self.server)
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> Any:
        return GoogleBackend(base_url=base_url, api_key=api.KEY)

    def sent(self) -> list[object]:
        return sent_to(self.server, "POST")


class TestGoogleBefore(TestGoogle):
    """The generation before, and videos of Veo."""

    models: ClassVar[Mapping[Ability, str]] = {
        "image": "gemini-2.5-flash-image", "video": VEO, "embed": "gemini-embedding-001",
    }  # fmt: skip
    model = "gemini-2.5-flash"
    errors = ()
    error_rows = ()
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {"text": wire_of(WORDS)}
