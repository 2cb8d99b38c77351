"""Requests through the caller's own ``openai`` client."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import httpx2
import openai
import pytest
from openai import _exceptions
from openai.lib import azure as azure_module

from gensdk.backends.openai import AzureOpenAIBackend, OpenAIBackend
from gensdk.backends.openai.sdk_wire import ERRORS, SDKWire
from gensdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    ContentBlockedError,
    GenSDKError,
    InvalidResponseError,
    RateLimitError,
    ResponseTooLargeError,
    TimedOutError,
)
from gensdk.spec import Context
from gensdk.toolkit import Form, FormFile
from gensdk.types import Finished, TextRequest
from tests.support.openai_responses import PATH, body, collect, context, events, message
from tests.support.server import (
    Handler,
    LoopbackServer,
    RecordedRequest,
    Reply,
    answer_error,
    answer_json,
    answer_sse,
)

KEY = "sk-client-123456"
REQUEST = TextRequest(prompt="hi")


def client_for(server: LoopbackServer, **settings: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=f"{server.url}/v1", **settings)


async def test_answers_and_streams_through_the_client_and_leaves_it_open() -> None:
    async with LoopbackServer() as server, client_for(server) as client:
        headers = {"x-request-id": "req_1"}
        server.on("POST", PATH, answer_json(body(message("Hello")), headers=headers),
                  answer_sse(events(message("Hello")), headers=headers))  # fmt: skip
        source = OpenAIBackend(client=client, default_headers={"x-team": "a"})
        plain = await source.text(REQUEST, context("gpt-5.4"))
        assert plain.text == "Hello"
        assert plain.request_id == "req_1"
        told = await collect(source, REQUEST, context("gpt-5.4"))
        assert told[-1] == Finished(response=plain)
        await source.aclose()
        assert not client.is_closed()
        sent = server.requests[0]
        assert sent.headers["authorization"] == f"Bearer {KEY}"
        assert sent.headers["content-type"] == "application/json"
        assert sent.json()["input"] == "hi"
        assert source.account.base_url == f"{server.url}/v1"


async def test_failures_are_judged_like_any_other_and_never_retried() -> None:
    async with LoopbackServer() as server, client_for(server, max_retries=5) as client:
        told = {"error": {"message": f"Slow, {KEY}.", "code": "rate_limit_exceeded"}}
        server.on("POST", PATH, answer_error(429, told, {"retry-after": "3"}))
        source = OpenAIBackend(client=client)
        with pytest.raises(RateLimitError) as caught:
            await source.text(REQUEST, context("gpt-5.4"))
        assert caught.value.retry_after == 3
        assert KEY not in str(caught.value)
        with pytest.raises(RateLimitError):
            await collect(source, REQUEST, context("gpt-5.4"))
        assert len(server.requests) == 2
        redacted = source.account._lent
        assert KEY not in repr(redacted)


async def test_forms_go_through_the_client() -> None:
    form = Form(
        fields=(("model", "m"), ("include[]", "logprobs"), ("include[]", "words")),
        files=(FormFile("file", "a.wav", b"RIFF", "audio/wav"),),
    )
    async with LoopbackServer() as server, client_for(server) as client:
        server.on("POST", "/v1/f", answer_json({}))
        account = OpenAIBackend(client=client).account
        await account.post_form("/f", form, context("m"))
        parts = [(part.name, part.filename, part.content) for part in server.requests[0].form()]
        assert parts == [
            ("model", None, b"m"),
            ("include[]", None, b"logprobs"),
            ("include[]", None, b"words"),
            ("file", "a.wav", b"RIFF"),
        ]


async def test_answers_are_capped() -> None:
    async with LoopbackServer() as server, client_for(server) as client:
        server.on("POST", "/v1/x", answer_json({"a": "b" * 100}))
        account = OpenAIBackend(client=client).account
        with pytest.raises(ResponseTooLargeError):
            await account.post("/x", {}, context("m"), max_bytes=50)


async def test_azure_deployments_are_the_clients_affair() -> None:
    async with LoopbackServer() as server:
        path = "/openai/deployments/mine/embeddings"
        server.on("POST", path, answer_json({}))
        async with openai.AsyncAzureOpenAI(
            api_key=KEY, azure_endpoint=server.url, api_version="2024-10-21"
        ) as client:
            account = AzureOpenAIBackend(client=client).account
            await account.post("/embeddings", {"model": "mine"}, context("mine"))
            sent = server.requests[0]
            assert sent.headers["api-key"] == KEY
            assert sent.query == {"api-version": "2024-10-21"}
            assert account.name == "azure"


async def test_gets_work_too() -> None:
    async with LoopbackServer() as server, client_for(server) as client:
        server.on("GET", "/v1/models", answer_json({"data": []}))
        answer = await SDKWire(client, provider="openai").send(
            "GET", "/models", context("m"), query={"limit": "1"}, headers={"x-a": "b"}
        )
        assert answer.body == b'{"data": []}'
        assert server.requests[0].query == {"limit": "1"}
        assert server.requests[0].headers["x-a"] == "b"


# ------------------------------------------------------------------------------------------- keys
TOKEN = "entra-token-1234567890"


async def _cut_with_token(request: RecordedRequest, reply: Reply) -> None:
    token = request.headers["authorization"].removeprefix("Bearer ")
    await reply.raw(f"HTTP/1.1 200 OK\r\nbad header {token}\r\n\r\n".encode())
    reply.close()


async def _error_with_token(request: RecordedRequest, reply: Reply) -> None:
    token = request.headers["authorization"].removeprefix("Bearer ")
    await reply.json({"error": {"message": f"{token} is wrong"}}, 400, {"x-token": token})


@pytest.mark.parametrize("handler", [_cut_with_token, _error_with_token])
async def test_a_token_only_the_client_knows_is_masked(handler: Handler) -> None:
    async def token() -> str:
        return TOKEN

    async with LoopbackServer() as server:
        server.on("POST", "/openai/deployments/mine/chat/completions", handler)
        async with openai.AsyncAzureOpenAI(
            azure_ad_token_provider=token, azure_endpoint=server.url, api_version="2024-10-21"
        ) as client:
            source = AzureOpenAIBackend(client=client, protocol="chat")
            with pytest.raises(GenSDKError) as caught:
                await source.text(REQUEST, context("mine"))
        assert len(server.requests) == 1
    assert "[redacted]" in str(caught.value)
    assert caught.value.__cause__ is None
    assert TOKEN not in str(caught.value)


async def test_the_clients_own_log_does_not_show_its_key(caplog: pytest.LogCaptureFixture) -> None:
    async with LoopbackServer() as server, client_for(server) as client:
        server.on("POST", PATH, answer_json(body(message()), headers={"x-key": KEY}))
        with caplog.at_level("DEBUG"):
            await OpenAIBackend(client=client).text(REQUEST, context("gpt-5.4"))
    assert "openai._base_client" in {record.name for record in caplog.records}
    assert "[redacted]" in caplog.text
    assert KEY not in caplog.text


# ---------------------------------------------------------------------------------------- failures
async def test_nothing_listening_is_a_connection_error() -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url="http://127.0.0.1:9/v1") as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await OpenAIBackend(client=client).text(REQUEST, context("gpt-5.4"))
        assert caught.value.billed == "no"
        assert isinstance(caught.value.__cause__, openai.APIConnectionError)


async def test_a_silent_server_is_a_timeout() -> None:
    async with LoopbackServer() as server, client_for(server) as client:
        release = asyncio.Event()

        async def silent(_: RecordedRequest, reply: Reply) -> None:
            await release.wait()
            reply.close()

        server.on("POST", PATH, silent)
        with pytest.raises(TimedOutError) as caught:
            await OpenAIBackend(client=client).text(REQUEST, Context(model="m", read_s=0.05))
        assert (caught.value.phase, caught.value.billed) == ("idle", "maybe")
        release.set()


async def test_a_stream_that_breaks_is_a_connection_error() -> None:
    async def cut(_: RecordedRequest, reply: Reply) -> None:
        await reply.start(200, {"content-type": "text/event-stream"})
        for name, data in events(message("Hello"))[:4]:
            await reply.event(data, name)
        reply.abort()

    async with LoopbackServer() as server, client_for(server) as client:
        server.on("POST", PATH, cut)
        with pytest.raises(ConnectionFailedError) as caught:
            await collect(OpenAIBackend(client=client), REQUEST, context("gpt-5.4"))
        assert caught.value.billed == "maybe"


async def test_a_login_that_fails_inside_the_client_is_told() -> None:
    async def no_token() -> str:
        raise _exceptions.SubjectTokenProviderError("the identity provider is down")

    async with openai.AsyncOpenAI(api_key=no_token, base_url="http://127.0.0.1:9/v1") as client:
        with pytest.raises(AuthenticationError, match="identity provider"):
            await OpenAIBackend(client=client).text(REQUEST, context("gpt-5.4"))


# ---------------------------------------------------------------------------------------- coverage
def exception_classes() -> list[type[openai.OpenAIError]]:
    """Every exception of the package."""
    found = {
        item
        for module in (_exceptions, azure_module, openai)
        for _, item in inspect.getmembers(module, inspect.isclass)
        if issubclass(item, openai.OpenAIError) and not item.__name__.startswith("_")
    }
    return sorted(found, key=lambda item: item.__name__)


EXPECTED = {
    "APIConnectionError": ConnectionFailedError,
    "APIError": InvalidResponseError,
    "APIResponseValidationError": InvalidResponseError,
    "APITimeoutError": TimedOutError,
    "ContentFilterFinishReasonError": ContentBlockedError,
    "LengthFinishReasonError": InvalidResponseError,
    "MutuallyExclusiveAuthError": ConfigurationError,
    "OpenAIError": ConfigurationError,
    "SubjectTokenProviderError": AuthenticationError,
    "WebSocketConnectionClosedError": ConnectionFailedError,
    "WebSocketQueueFullError": ConnectionFailedError,
}


@pytest.mark.parametrize("kind", exception_classes(), ids=lambda kind: kind.__name__)
def test_every_exception_of_the_package_is_mapped(kind: type[openai.OpenAIError]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "it broke")
    client = openai.AsyncOpenAI(api_key=KEY, http_client=httpx2.AsyncClient())
    if issubclass(kind, openai.APIStatusError):
        return  # its answer is judged by status and code
    mapped: GenSDKError = SDKWire(client, provider="openai")._mapped(error, context("m"))
    assert type(mapped) is EXPECTED[kind.__name__]
    assert mapped.provider == "openai"
    assert {"APIStatusError", *EXPECTED} >= set(ERRORS)
