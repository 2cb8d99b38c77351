"""The account: keys, addresses, headers, retired models, and what happens without them."""

from __future__ import annotations

import asyncio
import copy
import pickle
import traceback
from typing import Any

import httpx2
import openai
import pytest

import gensdk
from gensdk.backends.openai import Account, OpenAIBackend
from gensdk.catalog.compatible import OPENAI, UNKNOWN
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    ConnectionFailedError,
    GenSDKError,
    InvalidRequestError,
    MissingCredentialsError,
    RateLimitError,
    TimedOutError,
)
from gensdk.spec import Context
from gensdk.toolkit import Credential, Form, FormFile, Notes, Secret
from gensdk.types import TextRequest
from tests.support.openai_responses import PATH, backend, body, collect, context, message
from tests.support.server import (
    Handler,
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_error,
    answer_json,
)

REQUEST = TextRequest(prompt="hi")


async def headers_sent(source: OpenAIBackend, server: LoopbackServer) -> dict[str, str]:
    """The headers of one call."""
    server.on("POST", PATH, answer_json(body(message())))
    await source.text(REQUEST, context())
    await source.aclose()
    return server.requests[-1].headers


# --------------------------------------------------------------------------------------------- keys
async def test_a_given_key_is_sent_as_bearer() -> None:
    for key in ("sk-one-123456", Secret("sk-one-123456")):
        async with LoopbackServer() as server:
            sent = await headers_sent(backend(server, api_key=key), server)
            assert sent["authorization"] == "Bearer sk-one-123456"
            assert sent["content-type"] == "application/json"


async def test_the_key_of_the_environment_is_read_at_the_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LoopbackServer() as server:
        source = backend(server, api_key=None)
        monkeypatch.setenv("OPENAI_API_KEY", " sk-env-123456\n")
        sent = await headers_sent(source, server)
        assert sent["authorization"] == "Bearer sk-env-123456"


async def test_a_key_that_rotates_is_asked_for_every_time() -> None:
    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_json(body(message())))
        count = 0

        async def token() -> str:
            nonlocal count
            count += 1
            return f"token-{count}-abcdef"

        source = backend(server, api_key=token)
        for _ in range(2):
            await source.text(REQUEST, context())
        await source.aclose()
        assert [request.headers["authorization"] for request in server.requests] == [
            "Bearer token-1-abcdef",
            "Bearer token-2-abcdef",
        ]


async def test_a_key_function_may_be_plain_and_its_own_errors_pass() -> None:
    async with LoopbackServer() as server:
        sent = await headers_sent(backend(server, api_key=lambda: Secret("tok-123456")), server)
        assert sent["authorization"] == "Bearer tok-123456"

    def broken() -> str:
        raise LookupError("vault closed")

    source = OpenAIBackend(api_key=broken, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(LookupError, match="vault closed"):
        await source.text(REQUEST, context())


async def test_a_missing_key_is_an_error_of_the_first_call() -> None:
    source = OpenAIBackend()
    with pytest.raises(MissingCredentialsError, match="OPENAI_API_KEY") as caught:
        await source.text(REQUEST, context())
    assert caught.value.provider == "openai"
    assert caught.value.billed == "no"
    with pytest.raises(MissingCredentialsError):
        await collect(source, REQUEST, context())
    await source.aclose()


async def test_a_server_without_keys_gets_none() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/v1/x", answer_json({}))
        account = Account(UNKNOWN, base_url=f"{server.url}/v1")
        for _ in range(2):
            await account.post("/x", {}, context("m"))
        await account.aclose()
        assert "authorization" not in server.requests[1].headers
    credential = Credential(None, provider="nobody")
    with pytest.raises(MissingCredentialsError, match="pass api_key"):
        await credential.headers()


@pytest.mark.parametrize("key", ["", "  ", "sk-\n123", "ключ"])
def test_an_unusable_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OpenAIBackend(api_key=key)
    assert not key.strip() or key not in str(caught.value)


def test_the_key_is_in_no_repr_pickle_or_copy() -> None:
    key = "sk-very-secret-123456"
    source = OpenAIBackend(api_key=key)
    credential = source.account._credential
    for shown in (source, source.account, credential):
        assert key not in repr(shown)
    assert "given" in repr(credential)
    assert "OPENAI_API_KEY" in repr(OpenAIBackend().account._credential)
    assert "a function" in repr(OpenAIBackend(api_key=lambda: key).account._credential)
    assert "nowhere" in repr(Credential(None, provider="x"))
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(source)
    assert copy.copy(source).account is source.account


async def _echo_and_cut(request: RecordedRequest, reply: Reply) -> None:
    key = request.headers["authorization"].removeprefix("Bearer ")
    await reply.raw(f"HTTP/1.1 200 OK\r\nbad header {key}\r\n\r\n".encode())
    reply.close()


async def _echo_in_error(request: RecordedRequest, reply: Reply) -> None:
    key = request.headers["authorization"].removeprefix("Bearer ")
    await reply.error(400, f"your key {key} is wrong")


@pytest.mark.parametrize("way", ["given", "environment", "function", "client"])
@pytest.mark.parametrize("handler", [_echo_and_cut, _echo_in_error])
async def test_a_key_that_the_server_repeats_is_masked_wherever_it_came_from(
    way: str, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-echoed-1234567890"
    monkeypatch.setenv("OPENAI_API_KEY", key)

    async def token() -> str:
        return key

    async with LoopbackServer() as server:
        server.on("POST", PATH, handler)
        keys: dict[str, Any] = {"given": key, "function": token}
        given: dict[str, Any] = {"api_key": keys.get(way)}
        if way == "client":
            given = {"client": openai.AsyncOpenAI(api_key=token, base_url=f"{server.url}/v1")}
        source = backend(server, **given)
        for _ in range(2):
            with pytest.raises(GenSDKError) as caught:
                await source.text(REQUEST, context())
            shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            said = [line for line in shown.format() if "/tests/" not in line]
            assert key not in "".join(said)
            assert key not in repr(caught.value.__cause__)
        await source.aclose()
        if way == "client":
            await given["client"].close()


async def test_text_that_is_no_unicode_is_refused_before_sending() -> None:
    account = OpenAIBackend(api_key="sk-one-123456", base_url="http://127.0.0.1:9/v1").account
    with pytest.raises(InvalidRequestError, match="surrogates") as caught:
        await account.post("/x", {"input": "secret words \ud800"}, context("m"))
    assert caught.value.__context__ is None
    assert "secret" not in str(caught.value)


async def test_only_the_last_few_rotating_keys_are_remembered() -> None:
    keys = iter(f"token-{number // 2:03}-abcdef" for number in range(20))
    credential = Credential(lambda: next(keys), provider="x")
    for _ in range(20):
        await credential.headers()
    assert len(tuple(credential._known)) == 4
    assert credential.redact("token-009-abcdef token-001-abcdef") == "[redacted] token-001-abcdef"


# --------------------------------------------------------------------------------------- addresses
def test_addresses_by_argument_environment_and_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OpenAIBackend().account.base_url == "https://api.openai.com/v1"
    assert OpenAIBackend().account.official
    monkeypatch.setenv("OPENAI_BASE_URL", "https://eu.api.openai.com/v1/")
    assert OpenAIBackend().account.base_url == "https://eu.api.openai.com/v1"
    assert OpenAIBackend().account.official
    given = OpenAIBackend(base_url="http://gpu:8000/v1/")
    assert given.account.base_url == "http://gpu:8000/v1"
    assert not given.account.official
    with pytest.raises(ConfigurationError):
        Account(UNKNOWN)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://[::1]:1", "http://localhost/v1"])
def test_the_environment_may_name_this_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert OpenAIBackend().account.base_url == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://gpu:8000/v1", "use https"),
        ("http://10.0.0.1/v1", "use https"),
        ("ftp://host/v1", "http"),
        ("api.openai.com", "http"),
        ("https://user:pass@host/v1", "user name"),
    ],
)
def test_the_environment_may_not_send_the_key_in_the_clear(
    url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigurationError, match=words) as caught:
        OpenAIBackend()
    assert "OPENAI_BASE_URL" in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_another_server_does_not_read_openais_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org_1")
    account = Account(UNKNOWN, base_url="http://gpu/v1")
    assert account.base_url == "http://gpu/v1"
    assert account._headers == {}


# ----------------------------------------------------------------------------------------- headers
async def test_organization_project_and_further_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org_env")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj_env")
    async with LoopbackServer() as server:
        sent = await headers_sent(backend(server), server)
        assert sent["openai-organization"] == "org_env"
        assert sent["openai-project"] == "proj_env"
        given = backend(
            server, organization="org_1", project="proj_1", default_headers={"X-Team": "a"}
        )
        sent = await headers_sent(given, server)
        assert sent["openai-organization"] == "org_1"
        assert sent["openai-project"] == "proj_1"
        assert sent["x-team"] == "a"
        assert "idempotency-key" not in sent


async def test_an_idempotency_key_goes_out_only_where_asked_for() -> None:
    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_json(body(message())))
        source = backend(server, idempotency_header="Idempotency-Key")
        await source.text(REQUEST, context(idempotency_key="call-1"))
        await source.text(REQUEST, context())
        await source.aclose()
        assert server.requests[0].headers["idempotency-key"] == "call-1"
        assert "idempotency-key" not in server.requests[1].headers


# -------------------------------------------------------------------------------------- connections
async def test_a_borrowed_http_client_is_used_and_left_open() -> None:
    async with LoopbackServer() as server, httpx2.AsyncClient(trust_env=False) as client:
        sent = await headers_sent(backend(server, http_client=client), server)
        assert sent["authorization"].startswith("Bearer ")
        assert not client.is_closed


async def test_nothing_listening_is_a_connection_error() -> None:
    source = OpenAIBackend(api_key="sk-123456", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ConnectionFailedError) as caught:
        await source.text(REQUEST, context())
    assert caught.value.billed == "no"
    await source.aclose()


async def test_a_silent_server_is_a_timeout() -> None:
    async with LoopbackServer() as server:
        release = asyncio.Event()

        async def silent(_: RecordedRequest, reply: Reply) -> None:
            await release.wait()
            reply.close()

        server.on("POST", PATH, silent)
        source = backend(server)
        with pytest.raises(TimedOutError) as caught:
            await source.text(REQUEST, Context(model="gpt-5.4", read_s=0.05))
        assert caught.value.phase == "idle"
        assert caught.value.billed == "maybe"
        release.set()
        await source.aclose()


async def test_cancelling_passes_through_and_hangs_up() -> None:
    async with LoopbackServer() as server:
        release = asyncio.Event()

        async def silent(_: RecordedRequest, reply: Reply) -> None:
            await release.wait()
            reply.close()

        server.on("POST", PATH, silent)
        source = backend(server)
        task = asyncio.create_task(source.text(REQUEST, context("gpt-5.4")))
        await server.received()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.closed_by_client()
        release.set()
        await source.aclose()


async def test_closing_is_final_and_may_be_done_twice() -> None:
    async with LoopbackServer() as server:
        source = backend(server)
        await headers_sent(source, server)
        await source.aclose()
        with pytest.raises(ClientClosedError, match="'openai' was closed"):
            await source.text(REQUEST, context())
        assert len(server.requests) == 1


async def test_closing_during_a_paid_call_does_not_send_it_again() -> None:
    async with LoopbackServer() as server:

        async def silent(_: RecordedRequest, __: Reply) -> None:
            await server.closed_by_client()
            raise ConnectionResetError

        server.on("POST", "/v1/images/generations", silent)
        source = backend(server)
        retry = gensdk.Retry(base_s=0.001, max_backoff_s=0.001)
        async with gensdk.Client(backends={"openai": source}, retry=retry) as client:
            task = asyncio.create_task(client.image("a cat", model="openai:gpt-image-2"))
            await server.received()
            await source.aclose()
            with pytest.raises(ClientClosedError, match="under way") as caught:
                await task
        assert caught.value.billed == "maybe"
        assert len(server.requests) == server.connections == 1


# ------------------------------------------------------------------------------------------- forms
async def test_a_form_is_sent_and_its_failure_mapped() -> None:
    form = Form(fields=(("model", "m"),), files=(FormFile("file", "a.wav", b"RIFF", "audio/wav"),))
    async with LoopbackServer() as server:
        server.on("POST", "/v1/f", answer_json({"a": 1}), answer_error(429, {"error": {}}))
        account = backend(server).account
        answer = await account.post_form("/f", form, context("m"))
        assert answer.body == b'{"a": 1}'
        parts = {part.name: part for part in server.requests[0].form()}
        assert parts["model"].text == "m"
        assert (parts["file"].filename, parts["file"].content) == ("a.wav", b"RIFF")
        with pytest.raises(RateLimitError):
            await account.post_form("/f", form, context("m"))
        await account.aclose()


async def test_a_form_can_be_answered_with_a_stream() -> None:
    form = Form(fields=(("model", "m"),))
    async with LoopbackServer() as server:
        server.on("POST", "/v1/f", answer_json({"a": 1}), answer_error(429, {"error": {}}))
        account = backend(server).account
        async with account.stream_form("/f", form, context("m")) as answer:
            assert await answer.read(100) == b'{"a": 1}'
        with pytest.raises(RateLimitError):
            async with account.stream_form("/f", form, context("m")):
                pytest.fail("a failure opens no stream")
        await account.aclose()


# ----------------------------------------------------------------------------- refused preferences
def refuse(param: str, **facts: Any) -> Any:
    told = {"message": "Unsupported parameter.", "code": "unsupported_parameter", "param": param}
    return answer_error(400, {"error": told | facts})


async def test_a_refused_preference_is_dropped_once_and_remembered() -> None:
    async with LoopbackServer() as server:
        fine = answer_json(body(message()))
        server.on("POST", PATH, refuse("temperature"), refuse("top_p"), fine)
        source = backend(server)
        request = TextRequest(prompt="hi", temperature=0.5, top_p=0.5)
        for _ in range(2):
            response = await source.text(request, context("gpt-6-luna"))
            assert {w.parameter: w.kind for w in response.warnings} == {
                "temperature": "unsupported",
                "top_p": "unsupported",
            }
        await source.text(request, context("gpt-6.1-sol"))
        await source.aclose()
        assert [sorted({"temperature", "top_p"} & r.json().keys()) for r in server.requests] == [
            ["temperature", "top_p"],
            ["top_p"],
            [],
            [],
            ["temperature", "top_p"],
        ]


async def test_a_refusal_while_reasoning_says_nothing_about_the_model_without() -> None:
    async with LoopbackServer() as server:
        fine = answer_json(body(message()))
        server.on("POST", PATH, refuse("temperature"), fine)
        source = backend(server)
        thinking = TextRequest(prompt="hi", temperature=0.5, reasoning_effort="high")
        await source.text(thinking, context("gpt-6-luna"))
        plain = TextRequest(prompt="hi", temperature=0.5, reasoning_effort="none")
        await source.text(plain, context("gpt-6-luna"))
        await source.aclose()
        assert "temperature" in server.requests[-1].json()


async def test_streams_learn_too() -> None:
    from tests.support.openai_responses import events
    from tests.support.server import answer_sse

    async with LoopbackServer() as server:
        nested = refuse("reasoning.effort", code="unsupported_value")
        server.on("POST", PATH, nested, answer_sse(events(message("Hi"))))
        source = backend(server)
        request = TextRequest(prompt="hi", reasoning_effort="minimal")
        for _ in range(2):
            told = await collect(source, request, context("gpt-6-luna"))
            response: Any = told[-1]
            assert [w.parameter for w in response.response.warnings] == ["reasoning_effort"]
        await source.aclose()
        assert ["reasoning" in r.json() for r in server.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("param", "facts"),
    [
        ("tools", {}),
        ("seed", {}),
        ("temperature", {"code": "invalid_value"}),
        ("temperature", {"code": None, "message": "too high"}),
        (None, {}),
    ],
)
async def test_what_is_no_refused_preference_stays_an_error(param: Any, facts: Any) -> None:
    async with LoopbackServer() as server:
        server.on("POST", PATH, refuse(param, **facts))
        source = backend(server)
        with pytest.raises(InvalidRequestError) as caught:
            request = TextRequest(prompt="hi", temperature=0.5)
            await source.text(request, context("gpt-6-luna"))
        assert caught.value.param == param
        await source.aclose()
        assert len(server.requests) == 1


async def test_a_server_that_leaves_the_code_empty_is_understood() -> None:
    async with LoopbackServer() as server:
        server.on("POST", PATH, refuse("temperature", code=None), answer_json(body(message())))
        source = backend(server)
        request = TextRequest(prompt="hi", temperature=0.5)
        assert (await source.text(request, context("gpt-6-luna"))).text == "Hello"
        await source.aclose()


async def test_a_strict_server_of_the_fastapi_kind_is_understood() -> None:
    detail = [{"type": "extra_forbidden", "loc": ["body", "top_p"], "msg": "Extra inputs"}]
    async with LoopbackServer() as server:
        server.on("POST", PATH, answer_error(422, {"detail": detail}), answer_json(body(message())))
        source = backend(server)
        request = TextRequest(prompt="hi", top_p=0.5)
        assert (await source.text(request, context("gpt-6-luna"))).text == "Hello"
        await source.aclose()


async def test_a_caller_who_wants_errors_gets_one() -> None:
    async with LoopbackServer() as server:
        server.on("POST", PATH, refuse("temperature"))
        source = backend(server)
        with pytest.raises(InvalidRequestError) as caught:
            await source.text(
                TextRequest(prompt="hi", temperature=0.5),
                context("gpt-6-luna", unsupported="error"),
            )
        assert caught.value.param == "temperature"
        assert (caught.value.status, caught.value.code) == (400, "unsupported_parameter")
        with pytest.raises(InvalidRequestError):
            await source.account.post(
                "/responses", {"temperature": 1}, context("m", unsupported="error")
            )
        await source.aclose()


async def test_a_server_that_refuses_everything_is_not_asked_forever() -> None:
    names = ["temperature", "top_p", "metadata", "user"]
    async with LoopbackServer() as server:
        server.on("POST", "/v1/x", *[refuse(name) for name in names])
        account = backend(server).account
        with pytest.raises(InvalidRequestError):
            await account.post("/x", dict.fromkeys(names, 1), context("m"))
        with pytest.raises(InvalidRequestError):
            async with account.stream("/x", {"user": 1, "model": "m"}, context("n")):
                pytest.fail("a failure opens no stream")
        await account.aclose()
        assert len(server.requests) == 4 + 2


async def test_a_field_by_another_name_is_renamed_and_remembered() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/v1/x", refuse("max_tokens"), answer_json({}))
        account = backend(server).account
        notes = Notes("openai", context("m"))
        for _ in range(2):
            await account.post("/x", {"max_tokens": 5}, context("m"), notes=notes)
        await account.aclose()
        assert [request.json() for request in server.requests] == [
            {"max_tokens": 5},
            {"max_completion_tokens": 5},
            {"max_completion_tokens": 5},
        ]
        assert notes.warnings == ()


def test_the_dialect_names_the_account() -> None:
    assert OpenAIBackend().name == "openai"
    assert OpenAIBackend(name="work").name == "work"
    assert Account(OPENAI).catalogue == "openai"
    assert Account(UNKNOWN, base_url="http://x").catalogue == ""
