"""ElevenLabs passes the suite that every backend has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from gensdk.backends.elevenlabs import ElevenLabsBackend
from gensdk.backends.elevenlabs.errors import ROWS
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
    RequestTooLargeError,
    ServerError,
    TransientError,
)
from gensdk.spec import Backend
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.types import Ability
from tests.backends.elevenlabs.test_speech import CANARY, HEADERS, MP3, detail
from tests.backends.elevenlabs.test_transcription import ANSWER
from tests.support.conformance import sent_to
from tests.support.server import LoopbackServer, answer_bytes, answer_json


def coded(
    error: type[GenSDKError], status: int, kind: str, *codes: str
) -> tuple[DocumentedError, ...]:
    """Answers of one type, each with a code of the errors page."""
    return tuple(
        DocumentedError(
            status, detail(code, kind), error, code, request_id="e1", retry_after=7.0,
            headers={"retry-after": "7"},
        )
        for code in codes
    )  # fmt: skip


ERRORS = (
    *coded(
        QuotaExceededError, 401, "authentication_error", "quota_exceeded", "insufficient_credits",
        "insufficient_quota",
    ),
    *coded(QuotaExceededError, 402, "payment_required", "payment_required", "new_code"),
    *coded(
        AuthenticationError, 401, "authentication_error", "invalid_api_key", "missing_api_key",
        "needs_authorization", "new_code",
    ),
    *coded(
        PermissionDeniedError, 401, "authorization_error", "missing_permissions",
        "insufficient_permissions", "detected_unusual_activity", "subscription_required",
        "only_for_creator+", "can_not_use_professional_voice", "new_code",
    ),
    *coded(
        ContentBlockedError, 400, "validation_error", "bad_prompt", "bad_composition_plan",
        "content_against_policy", "content_policy_violation", "detected_captcha_voice",
    ),
    *coded(
        RequestTooLargeError, 400, "validation_error", "max_character_limit_exceeded",
        "text_too_long", "file_too_large",
    ),
    *coded(
        ModelNotFoundError, 400, "invalid_request", "model_not_found", "invalid_model_id",
        "unsupported_model",
    ),
    *coded(
        InvalidRequestError, 404, "not_found", "voice_not_found", "invalid_voice_id",
        "invalid_parameters",
    ),
    *coded(InvalidRequestError, 400, "invalid_request", "new_code"),
    *coded(
        RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded",
        "concurrent_limit_exceeded", "too_many_concurrent_requests", "new_code",
    ),
    *coded(OverloadedError, 429, "rate_limit_error", "system_busy"),
    *coded(OverloadedError, 503, "service_unavailable", "service_unavailable", "new_code"),
    *coded(TransientError, 425, "too_early", "new_code"),
    *coded(ServerError, 500, "internal_error", "new_code"),
    DocumentedError(
        404, detail("thing_not_found", "not_found", param="model_id"), ModelNotFoundError,
        param="model_id",
    ),
    DocumentedError(
        422, {"detail": [{"loc": ["body", "seed"], "msg": "no"}]}, InvalidRequestError, param="seed"
    ),
)  # fmt: skip


class TestElevenLabs(HTTPBackendConformance):
    models: ClassVar[Mapping[Ability, str]] = {
        "speech": "eleven_flash_v2_5", "music": "music_v2_5", "transcribe": "scribe_v2",
    }  # fmt: skip
    model = "eleven_flash_v2_5"
    secret = CANARY
    errors = ERRORS
    error_rows = ROWS

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            sound = answer_bytes(MP3, "audio/mpeg", headers=HEADERS)
            self.server.on("POST", "*", sound)
            self.server.on("POST", "/v1/speech-to-text", answer_json(ANSWER))
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> Any:
        return ElevenLabsBackend(base_url=base_url, api_key=CANARY)

    def sent(self) -> list[object]:
        return sent_to(self.server)


class TestElevenLabsOverHttpx2(TestElevenLabs):
    """The same over the other transport; which of the two the rest runs over, the extra decides."""

    errors = ()
    error_rows = ()

    def backend_at(self, base_url: str) -> Any:
        return ElevenLabsBackend(base_url=base_url, api_key=CANARY, http_client="httpx2")
