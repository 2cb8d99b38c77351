"""Failures by cause, and the account: keys, addresses, retired models."""

from __future__ import annotations

import pickle
import traceback
from datetime import date
from typing import Any

import pytest

import gensdk
from gensdk.backends import google
from gensdk.backends.google import GoogleBackend
from gensdk.backends.google.errors import failure_of
from gensdk.errors import (
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
    MissingCredentialsError,
    ModelNotFoundError,
    ModelRetiredError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TransientError,
)
from gensdk.spec import IdentifiedBackend, JobBackend, MusicBackend, SpeechStreamBackend
from gensdk.types import TextRequest
from tests.support.google_api import (
    KEY,
    answer,
    backend,
    client,
    content,
    context,
    detail,
    failure,
    text,
)
from tests.support.server import LoopbackServer, answer_error, answer_json

MODEL = "gemini-3.8-flash"
ASKED = TextRequest(prompt="x")


async def failed(status: int, body: Any, headers: Any = None, model: str = MODEL) -> GenSDKError:
    """The error that an answer becomes."""
    async with LoopbackServer() as server:
        server.on("POST", content(model), answer_error(status, body, headers))
        source = backend(server)
        with pytest.raises(GenSDKError) as caught:
            await source.text(ASKED, context(model))
        await source.aclose()
    return caught.value


def info(reason: str, **metadata: str) -> dict[str, Any]:
    return detail("ErrorInfo", reason=reason, domain="googleapis.com", metadata=metadata)


def quota(quota_id: str, value: str = "20") -> dict[str, Any]:
    violation = {"quotaMetric": "requests", "quotaId": quota_id, "quotaValue": value}
    return detail("QuotaFailure", violations=[violation])


@pytest.mark.parametrize(
    ("status", "word", "details", "kind"),
    [
        (400, "INVALID_ARGUMENT", [], InvalidRequestError),
        (400, "INVALID_ARGUMENT", [info("API_KEY_INVALID")], AuthenticationError),
        (400, "FAILED_PRECONDITION", [], PermissionDeniedError),
        (400, "OUT_OF_RANGE", [], InvalidRequestError),
        (401, "UNAUTHENTICATED", [], AuthenticationError),
        (403, "PERMISSION_DENIED", [], PermissionDeniedError),
        (403, "PERMISSION_DENIED", [info("SERVICE_DISABLED")], PermissionDeniedError),
        (403, "PERMISSION_DENIED", [info("BILLING_DISABLED")], QuotaExceededError),
        (404, "NOT_FOUND", [], ModelNotFoundError),
        (409, "ABORTED", [], TransientError),
        (429, "RESOURCE_EXHAUSTED", [], RateLimitError),
        (429, "RESOURCE_EXHAUSTED", [quota("RequestsPerMinutePerProject")], RateLimitError),
        (429, "RESOURCE_EXHAUSTED", [quota("RequestsPerDayPerProject")], QuotaExceededError),
        (429, "RESOURCE_EXHAUSTED", [quota("RequestsPerMinute", "0")], QuotaExceededError),
        (429, "RESOURCE_EXHAUSTED", [info("X", quota_limit="ProPerDay")], QuotaExceededError),
        (499, "CANCELLED", [], TransientError),
        (500, "INTERNAL", [], ServerError),
        (501, "UNIMPLEMENTED", [], InvalidRequestError),
        (503, "UNAVAILABLE", [], OverloadedError),
        (504, "DEADLINE_EXCEEDED", [], ServerError),
        (418, "BRAND_NEW_WORD", [], InvalidRequestError),
    ],
)
async def test_the_table(
    status: int, word: str, details: list[dict[str, Any]], kind: type[GenSDKError]
) -> None:
    error = await failed(status, failure(status, word, *details, message="what is wrong"))
    assert type(error) is kind
    assert (error.status, error.code) == (status, word)
    assert "what is wrong" in error.message


async def test_retry_info_and_the_field_at_fault() -> None:
    details = [quota("PerMinute"), detail("RetryInfo", retryDelay="36.43s")]
    error = await failed(429, failure(429, "RESOURCE_EXHAUSTED", *details))
    assert error.retry_after == 36.43
    error = await failed(429, failure(429, "RESOURCE_EXHAUSTED", *details), {"retry-after": "7"})
    assert error.retry_after == 7
    violations = [{"field": "generation_config.temperature", "description": "too hot"}]
    wrong = detail("BadRequest", fieldViolations=violations)
    error = await failed(400, failure(400, "INVALID_ARGUMENT", wrong))
    assert error.param == "generation_config.temperature"


@pytest.mark.parametrize("delay", ["", "x", "-3s", "NaNs", "infs", "36", None, 7])
def test_delays_that_are_none(delay: Any) -> None:
    body = failure(429, "RESOURCE_EXHAUSTED", detail("RetryInfo", retryDelay=delay))
    assert failure_of(body, 429, {}).retry_after is None


@pytest.mark.parametrize(
    "body", ["plain", b"<html><title>Bad gateway</title></html>", [], {"error": 3}, {"error": []}]
)
async def test_bodies_of_other_shapes(body: Any) -> None:
    error = await failed(502, body)
    assert type(error) is ServerError
    assert "<html" not in error.message


async def test_the_client_waits_as_long_as_google_says() -> None:
    async with LoopbackServer() as server:
        busy = failure(429, "RESOURCE_EXHAUSTED", detail("RetryInfo", retryDelay="0.002s"))
        server.on("POST", content(MODEL), answer_error(429, busy), answer_json(answer(text("ok"))))
        async with client(server) as gen:
            reply = await gen.text("x", model=f"google:{MODEL}")
        assert [one.status for one in reply.attempts] == [429, None]


async def test_codes_of_interactions() -> None:
    for status, code, kind in (
        (400, "invalid_request", InvalidRequestError),
        (401, "authentication", AuthenticationError),
        (404, "not_found", ModelNotFoundError),
        (429, "rate_limit_exceeded", RateLimitError),
        (503, "unavailable", OverloadedError),
        (400, "content_blocked", ContentBlockedError),
    ):
        error = await failed(status, {"error": {"code": code, "message": "m"}})
        assert type(error) is kind
        assert error.code == code.upper()


# --------------------------------------------------------------------------------------- retired
@pytest.mark.parametrize(
    ("model", "successor"),
    [
        ("imagen-4.0-generate-001", "google:gemini-3.1-flash-image"),
        ("imagen-4.0-ultra-generate-001", "google:gemini-3-pro-image"),
    ],
)
async def test_imagen_is_retired(model: str, successor: str) -> None:
    async with gensdk.Client(backends={"google": GoogleBackend(api_key=KEY)}) as gen:
        with pytest.raises(ModelRetiredError) as caught:
            await gen.image("a cat", model=f"google:{model}")
    assert caught.value.successor == successor
    assert caught.value.retired_on == date(2026, 8, 17)
    assert caught.value.billed == "no"


# -------------------------------------------------------------------------------- keys, addresses
async def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    async with LoopbackServer() as server:
        server.on("POST", content(MODEL), answer_json(answer(text())))
        source = backend(server, api_key=None)
        with pytest.raises(MissingCredentialsError, match="GEMINI_API_KEY"):
            await source.text(ASKED, context())
        assert server.requests == []
        monkeypatch.setenv("GEMINI_API_KEY", " AIza-gemini-1 \n")
        await source.text(ASKED, context())
        monkeypatch.setenv("GOOGLE_API_KEY", "AIza-google-1")
        await source.text(ASKED, context())
        second = backend(server, api_key=None)
        await second.text(ASKED, context())
        keys = [one.headers["x-goog-api-key"] for one in server.requests]
        assert keys == ["AIza-gemini-1", "AIza-gemini-1", "AIza-google-1"]
        await source.aclose()
        await second.aclose()


async def test_a_key_that_rotates() -> None:
    count = 0

    async def current() -> str:
        nonlocal count
        count += 1
        return f"AIza-number-{count}"

    async with LoopbackServer() as server:
        server.on("POST", content(MODEL), answer_json(answer(text())))
        source = backend(server, api_key=current)
        for _ in range(2):
            await source.text(ASKED, context())
        await source.aclose()
        keys = [one.headers["x-goog-api-key"] for one in server.requests]
        assert keys == ["AIza-number-1", "AIza-number-2"]


async def test_the_key_is_nowhere_to_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    echo = failure(403, "PERMISSION_DENIED", message=f"key {KEY} may not")
    async with LoopbackServer() as server:
        server.on("POST", content(MODEL), answer_error(403, echo))
        source = backend(server)
        with pytest.raises(PermissionDeniedError) as caught:
            await source.text(ASKED, context())
        shown = [repr(source), repr(source.account), str(caught.value), repr(vars(caught.value))]
        shown += [repr(source.account._credential), caplog.text, source.identity(MODEL) or ""]
        shown += traceback.format_exception(caught.value)
        shown.append(repr(pickle.loads(pickle.dumps(caught.value))))
        assert not any(KEY in one for one in shown)
        assert all(KEY not in one.target for one in server.requests)
        await source.aclose()
        with pytest.raises(ClientClosedError):
            await source.text(ASKED, context())


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://", "https://a:b@x", "https://x/?key=1", "https://x:99999"]
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        GoogleBackend(base_url=url)


def test_the_address_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "https://gate.example/gemini/")
    assert GoogleBackend().account.base_url == "https://gate.example/gemini"
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://gate.example")
    with pytest.raises(ConfigurationError, match="use https"):
        GoogleBackend()
    monkeypatch.delenv("GOOGLE_GEMINI_BASE_URL")
    assert GoogleBackend().account.official


def test_identities_tell_accounts_apart_without_keys() -> None:
    one, other = GoogleBackend(api_key="AIza-one-1"), GoogleBackend(api_key="AIza-two-2")
    assert isinstance(one, IdentifiedBackend)
    assert one.identity(MODEL) == other.identity(MODEL)
    assert one.identity(MODEL) != GoogleBackend(api_version="v1beta").identity(MODEL)
    assert GoogleBackend(http_client=object()).identity(MODEL) is None


def test_what_models_do() -> None:
    source = GoogleBackend()
    assert isinstance(source, JobBackend)
    assert isinstance(source, MusicBackend)
    assert isinstance(source, SpeechStreamBackend)
    for model, abilities, streams, jobs in (
        (MODEL, {"text"}, {"text"}, set()),
        ("gemini-4-argon", {"text"}, {"text"}, set()),
        ("gemini-3.1-flash-image", {"text", "image"}, {"text"}, set()),
        ("gemini-3.8-flash-tts", {"speech"}, {"speech"}, set()),
        ("gemini-2.5-flash-preview-tts", {"speech"}, set(), set()),
        ("lyria-3.5", {"music"}, set(), set()),
        ("gemini-omni-1.2-flash", {"video"}, set(), {"video"}),
        ("veo-3.1-fast-generate-preview", {"video"}, set(), {"video"}),
        ("gemini-embedding-2", {"embed"}, set(), set()),
        ("nobody-knows", {"text", "image", "speech", "embed"}, {"text", "speech"}, set()),
    ):
        facts = source.capabilities(model)
        found = [set(one) for one in (facts.abilities, facts.streams, facts.jobs)]
        assert found == [abilities, streams, jobs], model


async def test_a_model_that_cannot_is_refused_before_the_network() -> None:
    async with LoopbackServer() as server, client(server) as gen:
        with pytest.raises(gensdk.errors.UnsupportedFeatureError):
            await gen.image("x", model=f"google:{MODEL}")
        with pytest.raises(gensdk.errors.UnsupportedFeatureError):
            async with gen.stream_image("x", model="google:gemini-3.1-flash-image") as stream:
                await stream.result()
        assert server.requests == []


async def test_tuned_models_have_paths_of_their_own() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/v1/tunedModels/mine:generateContent", answer_json(answer(text("t"))))
        source = backend(server)
        reply = await source.text(ASKED, context("tunedModels/mine"))
        assert reply.text == "t"
        with pytest.raises(InvalidRequestError):
            await source.text(ASKED, context("../../etc"))
        await source.aclose()


def test_the_entry_point_and_the_public_names() -> None:
    made = google.create("mine")
    assert isinstance(made, GoogleBackend)
    assert made.name == "mine"
    assert {getattr(google, name) for name in google.__all__}
    with pytest.raises(AttributeError):
        google.nothing  # noqa: B018
