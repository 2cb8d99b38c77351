"""Webhooks: signatures made by the vendor's own rule, jobs taken up, forgeries refused."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import new as hmac
from typing import Any

import openai
import pytest

import gensdk
from gensdk import _webhooks
from gensdk.backends.google import GoogleBackend
from gensdk.backends.openai import OpenAIBackend
from gensdk.errors import (
    AuthenticationError,
    ConfigurationError,
    GenSDKError,
    InvalidRequestError,
    InvalidResponseError,
    MissingCredentialsError,
    UnsupportedFeatureError,
)
from gensdk.spec import Backend, WebhookBackend
from gensdk.testing import ScriptedBackend
from tests.support.server import LoopbackServer, answer_bytes, answer_json

SECRET = "whsec_" + b64encode(b"a secret of twenty-four b").decode()
OTHER = "whsec_" + b64encode(b"another secret").decode()
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DONE = {
    "id": "evt_1", "object": "event", "created_at": 1795262400, "type": "video.completed",
    "data": {"id": "video_abc"},
}  # fmt: skip


class FixedTime(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> FixedTime:
        return cls(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment at which every delivery here arrives."""
    monkeypatch.setattr(_webhooks, "datetime", FixedTime)


def sign(
    body: bytes, secret: str = SECRET, sent_at: datetime = NOW, delivery: str = "wh_1"
) -> dict[str, str]:
    """Headers as openai 3.52 ``lib/_webhooks.py`` checks them."""
    from base64 import b64decode

    key = b64decode(secret.removeprefix("whsec_")) if "whsec_" in secret else secret.encode()
    moment = str(int(sent_at.timestamp()))
    signed = f"{delivery}.{moment}.".encode() + body
    signature = b64encode(hmac(key, signed, sha256).digest()).decode()
    return {
        "Webhook-Id": delivery, "Webhook-Timestamp": moment,
        "Webhook-Signature": f"v1,{signature}", "Content-Type": "application/json",
    }  # fmt: skip


def client_of(**backends: Backend) -> gensdk.Client:
    given: dict[str, Backend] = {"openai": OpenAIBackend(api_key="k"), **backends}
    return gensdk.Client(backends=given)


def delivered(event: Any, **settings: Any) -> Any:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return client_of().read_webhook("openai", body, sign(body), secret=SECRET, **settings)


# ----------------------------------------------------------------------------------- the golden
def test_a_golden_signature() -> None:
    """Worked out once by hand from the specification, and checked with openai's own code."""
    body = b'{"type":"video.completed","data":{"id":"video_abc"}}'
    headers = {
        "webhook-id": "wh_golden",
        "webhook-timestamp": "1795262400",
        "webhook-signature": "v1,+oOrjbEqqTYqCpFKLnzwYJVHhh/txm3vLrtNgo2spuE=",
    }
    event = client_of().read_webhook("openai", body, headers, secret=SECRET)
    assert (event.id, event.type, event.sent_at) == ("wh_golden", "video.completed", NOW)


def test_the_vendors_own_code_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", NOW.timestamp)
    body = json.dumps(DONE).encode()
    vendor = openai.OpenAI(api_key="k", webhook_secret=SECRET)
    vendor.webhooks.verify_signature(body, sign(body))
    vendor.close()


# --------------------------------------------------------------------------------------- events
def test_a_finished_video_is_a_job() -> None:
    event = delivered(DONE)
    assert event.handle is not None
    assert event.state is not None
    assert (event.handle.id, event.handle.provider, event.handle.ability) == (
        "video_abc", "openai", "video",
    )  # fmt: skip
    assert (event.state.status, event.state.ended) == ("succeeded", True)
    assert event.data == {"id": "video_abc"}
    assert type(event).model_validate_json(event.model_dump_json()) == event
    assert delivered({**DONE, "type": "video.failed"}).state.status == "failed"


async def test_the_handle_takes_the_job_up() -> None:
    async with LoopbackServer() as server:
        done = answer_json({"id": "video_abc", "status": "completed"})
        server.on("GET", "/v1/videos/video_abc", done)
        film = b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 32
        server.on("GET", "/v1/videos/video_abc/content", answer_bytes(film, "video/mp4"))
        backend = OpenAIBackend(api_key="k", base_url=f"{server.url}/v1")
        async with gensdk.Client(backends={"mine": backend}) as client:
            body = json.dumps(DONE).encode()
            event = client.read_webhook("mine", body, sign(body), secret=SECRET)
            assert server.requests == []
            assert event.handle is not None
            assert event.handle.provider == "mine"
            clip = await client.job(event.handle).result()
            assert clip.videos[0].data == film
        await backend.aclose()


def test_other_events_name_no_job() -> None:
    event = delivered({**DONE, "type": "response.completed", "data": {"id": "resp_1"}})
    assert (event.type, event.handle, event.state) == ("response.completed", None, None)
    assert event.data == {"id": "resp_1"}
    odd = delivered({"type": 7, "data": [1]})
    assert (odd.type, odd.handle, odd.data) == ("", None, {})


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("interaction.completed", "succeeded"),
        ("interaction.failed", "failed"),
        ("interaction.cancelled", "cancelled"),
        ("interaction.requires_action", "running"),
        ("video.generated", "succeeded"),
    ],
)
def test_google(kind: str, status: str) -> None:
    backend = GoogleBackend(api_key="k")
    assert isinstance(backend, WebhookBackend)
    body = json.dumps({"type": kind, "version": "v1", "data": {"id": "v1_abc"}}).encode()
    event = client_of(google=backend).read_webhook("google", body, sign(body), secret=SECRET)
    assert event.handle is not None
    assert event.state is not None
    assert (event.handle.id, event.state.status) == ("v1_abc", status)
    with pytest.raises(MissingCredentialsError, match="secret="):
        client_of(google=backend).read_webhook("google", body, sign(body))


# -------------------------------------------------------------------------------------- secrets
def test_the_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(DONE).encode()
    with pytest.raises(MissingCredentialsError, match="OPENAI_WEBHOOK_SECRET"):
        client_of().read_webhook("openai", body, sign(body))
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)
    assert client_of().read_webhook("openai", body, sign(body)).handle is not None
    with pytest.raises(AuthenticationError):  # what is given goes before it
        client_of().read_webhook("openai", body, sign(body), secret=OTHER)


def test_secrets_that_are_being_changed() -> None:
    body = json.dumps(DONE).encode()
    client = client_of()
    for used in (SECRET, OTHER, "plain words"):
        headers = sign(body, used)
        both = (SECRET, OTHER, "plain words")
        assert client.read_webhook("openai", body, headers, secret=both).id == "wh_1"
    old = sign(body, OTHER)["Webhook-Signature"]
    headers = sign(body)
    headers["Webhook-Signature"] = f"v2,xx {old} v1a {headers['Webhook-Signature']}"
    assert client.read_webhook("openai", body.decode(), headers, secret=SECRET).id == "wh_1"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_é", "", b"bytes"])
def test_what_is_no_secret(secret: Any) -> None:
    body = json.dumps(DONE).encode()
    with pytest.raises(ConfigurationError) as caught:
        client_of().read_webhook("openai", body, sign(body), secret=[secret])
    assert "not base64" not in str(caught.value)


@pytest.mark.parametrize("secret", [None, b"bytes", 7])
def test_a_secret_is_a_text(secret: Any) -> None:
    body = json.dumps(DONE).encode()
    with pytest.raises(ConfigurationError, match="secret"):
        client_of().read_webhook("openai", body, sign(body), secret=secret)


# ------------------------------------------------------------------------------------ forgeries
def forged(**changes: Any) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(DONE).encode()
    headers = sign(body, changes.pop("secret", SECRET), changes.pop("sent_at", NOW))
    body = changes.pop("body", body)
    headers |= changes
    return body, {name: value for name, value in headers.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": OTHER},
        {"body": json.dumps({**DONE, "data": {"id": "video_evil"}}).encode()},
        {"body": b""},
        {"Webhook-Id": "wh_2"},
        {"Webhook-Timestamp": str(int(NOW.timestamp()) + 1)},
        {"sent_at": NOW - timedelta(seconds=301)},
        {"sent_at": NOW + timedelta(seconds=301)},
        {"Webhook-Timestamp": "soon"},
        {"Webhook-Timestamp": "-1"},
        {"Webhook-Timestamp": "9" * 30},
        {"Webhook-Timestamp": "9" * 12},
        {"body": "\ud800"},
        {"Webhook-Timestamp": "\u0661\u0662"},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1,"},
        {"Webhook-Signature": "v1,!!!"},
        {"Webhook-Signature": "v1,\u00e9"},
        {"Webhook-Signature": "v1"},
        {"Webhook-Id": None},
        {"Webhook-Timestamp": None},
        {"Webhook-Signature": None},
        {"Webhook-Id": "x" * 257},
        {"Webhook-Id": "a\nb"},
    ],
)
def test_what_is_not_signed_is_not_believed(changes: dict[str, Any]) -> None:
    body, headers = forged(**changes)
    with pytest.raises(AuthenticationError) as caught:
        client_of().read_webhook("openai", body, headers, secret=SECRET)
    assert SECRET not in str(caught.value)
    assert "video_evil" not in str(caught.value)
    assert (caught.value.provider, caught.value.retryable) == ("openai", False)


def test_a_signature_of_another_version_is_none() -> None:
    body, headers = forged()
    headers["Webhook-Signature"] = headers["Webhook-Signature"].replace("v1,", "v0,")
    with pytest.raises(AuthenticationError):
        client_of().read_webhook("openai", body, headers, secret=SECRET)


def test_only_the_first_signatures_are_looked_at() -> None:
    body, headers = forged()
    headers["Webhook-Signature"] = "v1,AAAA " * 16 + headers["Webhook-Signature"]
    with pytest.raises(AuthenticationError):
        client_of().read_webhook("openai", body, headers, secret=SECRET)


def test_the_tolerance_can_be_set() -> None:
    body, headers = forged(sent_at=NOW - timedelta(seconds=200))
    client = client_of()
    assert client.read_webhook("openai", body, headers, secret=SECRET).id == "wh_1"
    with pytest.raises(AuthenticationError, match="within 100 s"):
        client.read_webhook("openai", body, headers, secret=SECRET, tolerance_s=100)
    for wrong in (0, -1, float("inf"), "x"):
        with pytest.raises(ConfigurationError):
            client.read_webhook(
                "openai",
                body,
                headers,
                secret=SECRET,
                tolerance_s=wrong,  # type: ignore[arg-type]
            )


def test_a_body_too_large_is_not_hashed() -> None:
    body = b" " * (2**20 + 1)
    with pytest.raises(AuthenticationError, match="1048576 bytes"):
        client_of().read_webhook("openai", body, sign(body), secret=SECRET)


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"null", b"{", b"\xff", b"[" * 5000, b'{"type": "video.completed"}',
        b'{"type": "video.completed", "data": {"id": ""}}',
        b'{"type": "video.completed", "data": {"id": 7}}',
        json.dumps({"type": "video.failed", "data": {"id": "x" * 1025}}).encode(),
    ],
)  # fmt: skip
def test_signed_and_saying_nothing(body: bytes) -> None:
    with pytest.raises(InvalidResponseError):
        delivered(body)


# ---------------------------------------------------------------------------------------- others
def test_who_has_no_webhooks_says_so() -> None:
    client = client_of(p=ScriptedBackend("x"))
    with pytest.raises(UnsupportedFeatureError, match="no webhooks"):
        client.read_webhook("p", b"", {}, secret=SECRET)
    for body, headers in ((5, {}), (b"", None)):
        with pytest.raises(InvalidRequestError):
            client.read_webhook("openai", body, headers, secret=SECRET)  # type: ignore[arg-type]


def test_the_synchronous_client_reads_too() -> None:
    body = json.dumps(DONE).encode()
    with gensdk.SyncClient() as client:
        assert client.read_webhook("openai", body, sign(body), secret=SECRET).id == "wh_1"


async def test_a_closed_client_reads_none() -> None:
    client = client_of()
    await client.aclose()
    with pytest.raises(GenSDKError, match="closed"):
        client.read_webhook("openai", b"{}", sign(b"{}"), secret=SECRET)
