"""An account that is one key at one origin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date

import pytest

from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    ContentBlockedError,
    GenSDKError,
    InvalidRequestError,
)
from gensdk.spec import Context
from gensdk.toolkit import Credential, ErrorRow, Form, KeyedAccount, KeySource, Secret, Vendor
from tests.support.server import LoopbackServer, answer_error, answer_json

CONTEXT = Context(model="m")
VENDOR = Vendor(
    name="acme",
    base_url="https://api.acme.example",
    key_variable="ACME_API_KEY",
    url_variable="ACME_BASE_URL",
    rows=(ErrorRow(ContentBlockedError, code="blocked"),),
    blocked_at="output",
)


def rotating() -> Callable[[], str]:
    keys = iter(["key-number-one", "key-number-two"])
    return lambda: next(keys)


async def later() -> str:
    return "key-number-one"


@pytest.mark.parametrize("key", ["key-number-one", Secret("key-number-one"), rotating(), later])
async def test_a_key_is_a_text_a_secret_or_a_function(key: KeySource) -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/x", answer_json({"a": 1}))
        account = KeyedAccount(VENDOR, api_key=key, base_url=f"{server.url}/", headers={"X-Y": "z"})
        answer = await account.send("POST", "/x", CONTEXT, payload={"b": 2}, query={"q": "1"})
        await account.aclose()
    sent = server.requests[0]
    assert answer.body == b'{"a": 1}'
    assert sent.headers["authorization"] == "Bearer key-number-one"
    assert sent.headers["x-y"] == "z"
    assert (sent.json(), sent.query) == ({"b": 2}, {"q": "1"})


async def test_a_key_that_rotates_is_asked_for_each_time_and_masked_for_good() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "*", answer_json({}))
        account = KeyedAccount(VENDOR, api_key=rotating(), base_url=server.url)
        for _ in range(2):
            await account.send("POST", "/x", CONTEXT, form=Form(fields=(("a", "b"),)))
        await account.aclose()
    told = [request.headers["authorization"] for request in server.requests]
    assert told == ["Bearer key-number-one", "Bearer key-number-two"]
    assert account.redact("key-number-one key-number-two") == "[redacted] [redacted]"


async def test_logins_in_headers_of_the_users_own_are_masked_too() -> None:
    said = {"error": {"message": "no barcsecret-0123, gateway-0123, value-of-x-y-z"}}
    async with LoopbackServer() as server:
        server.on("POST", "/x", answer_error(400, said))
        headers = {"Authorization": "Basic barcsecret-0123", "X-Gateway-Key": "gateway-0123",
                   "X-Y": "value-of-x-y-z"}  # fmt: skip
        account = KeyedAccount(VENDOR, api_key="k-1234567", base_url=server.url, headers=headers)
        with pytest.raises(InvalidRequestError) as caught:
            await account.send("POST", "/x", CONTEXT)
        await account.aclose()
    assert caught.value.message == "no [redacted], [redacted], value-of-x-y-z"


async def test_what_a_credential_keeps_does_not_show_the_key() -> None:
    credential = Credential("key-number-one", provider="acme")
    await credential.headers()
    assert "number" not in repr(vars(credential))


async def test_the_environment_gives_key_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LoopbackServer() as server:
        monkeypatch.setenv("ACME_BASE_URL", server.url)
        monkeypatch.setenv("ACME_API_KEY", " key-from-outside ")
        server.on("GET", "/x", answer_json({}))
        account = KeyedAccount(VENDOR)
        await account.send("GET", "/x", CONTEXT)
        await account.aclose()
    assert server.requests[0].headers["authorization"] == "Bearer key-from-outside"
    monkeypatch.setenv("ACME_BASE_URL", "http://elsewhere.example")
    with pytest.raises(ConfigurationError, match=r"ACME_BASE_URL.*https"):
        KeyedAccount(VENDOR)
    assert KeyedAccount(VENDOR, base_url="http://mine.example").base_url == "http://mine.example"


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example", "https://", "https://u:p@a.example", "https://a.example:0", "http://["],
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigurationError):
        KeyedAccount(VENDOR, base_url=url)


async def test_failures_go_through_the_vendors_table() -> None:
    async with LoopbackServer() as server:
        account = KeyedAccount(VENDOR, api_key="key-number-one", base_url=server.url)
        server.on("POST", "/x", answer_error(400, {"error": {"code": "blocked", "message": "no"}}))
        with pytest.raises(ContentBlockedError) as caught:
            await account.send("POST", "/x", CONTEXT)
        assert caught.value.stage == "output"
        server.on("POST", "/x", answer_error(418, "teapot key-number-one"))
        with pytest.raises(GenSDKError) as other:
            await account.send("POST", "/x", CONTEXT)
        await account.aclose()
    assert type(other.value) is InvalidRequestError
    assert "key-number-one" not in str(other.value)
    assert other.value.__context__ is None


async def test_a_closed_account_stays_closed() -> None:
    for used in (False, True):
        async with LoopbackServer() as server:
            server.on("GET", "/x", answer_json({}))
            account = KeyedAccount(VENDOR, api_key="key-number-one", base_url=server.url)
            if used:
                await account.send("GET", "/x", CONTEXT)
            await account.aclose()
            await account.aclose()
            with pytest.raises(ClientClosedError):
                await account.send("GET", "/x", CONTEXT)
            assert len(server.requests) == used


def test_the_identity_holds_no_key_and_a_lent_client_has_none() -> None:
    import httpx2

    one = KeyedAccount(VENDOR, api_key="key-number-one")
    assert one.identity() == KeyedAccount(VENDOR, api_key="key-number-two").identity()
    assert one.identity() != KeyedAccount(VENDOR, headers={"x": "y"}).identity()
    assert KeyedAccount(VENDOR, http_client=httpx2.AsyncClient()).identity() is None
    named = KeyedAccount(VENDOR, http_client="httpx2")
    assert named.identity() == one.identity()
    assert "key-number-one" not in repr(one) + repr(vars(one))


def test_answers_under_other_rows_are_told_apart() -> None:
    newer = dataclasses.replace(VENDOR, as_of=date(2026, 11, 21))
    assert KeyedAccount(VENDOR).identity() == KeyedAccount(VENDOR).identity()
    assert KeyedAccount(newer).identity() != KeyedAccount(VENDOR).identity()
