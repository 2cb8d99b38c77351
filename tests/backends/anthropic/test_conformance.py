"""Anthropic passes the suite that every backend has to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from gensdk.backends.anthropic import AnthropicBackend
from gensdk.backends.anthropic.errors import CODE_ROWS, TYPE_ROWS
from gensdk.errors import (
    AuthenticationError,
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
    TransientError,
)
from gensdk.spec import Backend
from gensdk.testing.conformance import DocumentedError, HTTPBackendConformance
from gensdk.toolkit import ErrorRow
from gensdk.types import Ability
from tests.support import anthropic_messages as messages
from tests.support.conformance import by_asking, sent_to, wire_of
from tests.support.server import LoopbackServer, answer_json

WORDS = messages.text("A robot.")

INVALID = "invalid_request_error"


def failed(
    error: type[GenSDKError], status: int, kind: str, *codes: str
) -> tuple[DocumentedError, ...]:
    """Answers of one status and type, one for each code, or one without."""
    return tuple(
        DocumentedError(
            status, messages.failure(kind, code=code), error, code, request_id="req_011CX",
            retry_after=8.0, headers={**messages.HEADERS, "retry-after": "8"},
        )
        for code in (codes or (None,))
    )  # fmt: skip


ERRORS = (
    *failed(AuthenticationError, 401, "authentication_error"),
    *failed(PermissionDeniedError, 403, "permission_error"),
    *failed(QuotaExceededError, 402, "billing_error"),
    *failed(ModelNotFoundError, 404, "not_found_error"),
    *failed(TransientError, 409, "conflict_error"),
    *failed(RequestTooLargeError, 413, "request_too_large"),
    *failed(RateLimitError, 429, "rate_limit_error"),
    *failed(OverloadedError, 529, "overloaded_error"),
    *failed(ServerError, 500, "api_error"),
    *failed(InvalidRequestError, 412, "memory_precondition_failed_error"),
    *failed(InvalidRequestError, 409, "memory_path_conflict_error"),
    *failed(
        QuotaExceededError, 400, INVALID, "contract_spend_limit_reached",
        "enforced_spend_limit_reached", "storage_quota_exceeded",
        "linked_organization_billing_unavailable", "linked_organization_spend_limit_reached",
    ),
    *failed(
        PermissionDeniedError, 400, INVALID, "organization_on_hold",
        "organization_type_not_supported", "parent_organization_required",
        "organization_not_enrolled_in_beta", "claude_code_key_creator_not_member",
        "cmek_key_disabled", "cmek_key_network_blocked", "skill_read_blocked_undecryptable",
        "user_profile_billing_not_authorized", "user_profile_not_billable",
        "sandbox_egress_restricted", "api_key_scope_missing", "workspace_policy_violation",
    ),
    *failed(
        OverloadedError, 503, "api_error", "compaction_unavailable", "cmek_context_unavailable",
        "cmek_key_unreachable",
    ),
    *failed(
        InvalidRequestError, 404, "not_found_error", "file_expired", "thread_not_found",
        "environment_not_found",
    ),
    *failed(RateLimitError, 429, "rate_limit_error", "ramp_limit_exceeded"),
    *failed(TransientError, 400, INVALID, "request_body_timeout"),
    *failed(TransientError, 409, "conflict_error", "concurrent_membership_change"),
    *failed(RequestTooLargeError, 413, INVALID, "request_body_too_large_after_decoding"),
    DocumentedError(
        400, messages.failure(INVALID, "prompt is too long: 9 tokens > 8"), ContextLengthError
    ),
)  # fmt: skip


class TestAnthropic(HTTPBackendConformance):
    model = messages.MODEL
    secret = messages.KEY
    errors = ERRORS
    error_rows: ClassVar[tuple[ErrorRow, ...]] = (*CODE_ROWS, *TYPE_ROWS)
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {"text": wire_of(messages.events(WORDS))}

    @asynccontextmanager
    async def backend(self) -> AsyncIterator[Backend]:
        async with LoopbackServer() as self.server:
            plain = answer_json(messages.message(WORDS), headers=messages.HEADERS)
            told = by_asking(plain, messages.events(WORDS), done=False)
            self.server.on("POST", messages.PATH, told)
            yield self.backend_at(self.server.url)

    def backend_at(self, base_url: str) -> Any:
        return AnthropicBackend(base_url=base_url, api_key=messages.KEY)

    def sent(self) -> list[object]:
        return sent_to(self.server)


class TestAnthropicBeforeSampling(TestAnthropic):
    """A model that still takes temperature and the like."""

    model = "claude-haiku-4-5"
