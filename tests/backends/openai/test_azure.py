"""Azure OpenAI: address, version, key and token."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from gensdk.backends.openai import AzureOpenAIBackend, create_azure
from gensdk.backends.openai.azure import _DEPLOYMENT_PATHS
from gensdk.errors import (
    ConfigurationError,
    ContentBlockedError,
    MissingCredentialsError,
    ModelNotFoundError,
)
from gensdk.types import TextRequest
from tests.support.openai_responses import body, context, message
from tests.support.server import LoopbackServer, answer_error, answer_json

KEY = "azure-key-123456"
REQUEST = TextRequest(prompt="hi")
DATED = "2024-10-21"


async def test_the_v1_api_needs_no_version_and_no_deployment_path() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/openai/v1/responses", answer_json(body(message("Hello"))))
        for endpoint in (server.url, f"{server.url}/", f"{server.url}/openai/v1/"):
            source = AzureOpenAIBackend(endpoint, api_key=KEY)
            response = await source.text(REQUEST, context("mine"))
            await source.aclose()
            assert response.provider == "azure"
            assert server.requests[-1].headers["api-key"] == KEY
            assert "authorization" not in server.requests[-1].headers
            assert server.requests[-1].query == {}
            assert server.requests[-1].json() == {"model": "mine", "input": "hi", "store": False}


async def test_a_dated_version_puts_the_deployment_into_the_path() -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/openai/responses", answer_json(body(message())))
        server.on("POST", "/openai/deployments/my+model/embeddings", answer_json({}))
        source = AzureOpenAIBackend(server.url, api_version=DATED, api_key=KEY)
        await source.text(REQUEST, context("mine"))
        await source.account.post("/embeddings", {}, context("my+model"))
        await source.aclose()
        assert server.requests[1].target.startswith("/openai/deployments/my%2Bmodel/embeddings?")
        assert [request.query for request in server.requests] == [{"api-version": DATED}] * 2


async def test_the_wire_is_that_of_openais_own_package() -> None:
    async with LoopbackServer() as server:
        path = "/openai/deployments/mine/chat/completions"
        server.on("POST", path, answer_json({}))
        source = AzureOpenAIBackend(server.url, api_version=DATED, api_key=KEY)
        await source.account.post("/chat/completions", {"model": "mine"}, context("mine"))
        await source.aclose()
        async with openai.AsyncAzureOpenAI(
            azure_endpoint=server.url, api_version=DATED, api_key=KEY
        ) as client:
            await client.chat.completions.create(model="mine", messages=[])
        ours, theirs = server.requests
        assert ours.target == theirs.target
        assert ours.headers["api-key"] == theirs.headers["api-key"]


def test_the_deployment_paths_are_those_of_openais_own_package() -> None:
    from openai.lib import azure

    assert azure._deployments_endpoints == _DEPLOYMENT_PATHS


async def test_a_token_goes_out_as_bearer() -> None:
    async def token() -> str:
        return "entra-token-123456"

    async with LoopbackServer() as server:
        server.on("POST", "/openai/v1/responses", answer_json(body(message())))
        for given in ("entra-token-123456", token):
            source = AzureOpenAIBackend(server.url, azure_ad_token=given)
            await source.text(REQUEST, context("mine"))
            await source.aclose()
            assert server.requests[-1].headers["authorization"] == "Bearer entra-token-123456"
            assert "api-key" not in server.requests[-1].headers


async def test_everything_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/openai/responses", answer_json(body(message())))
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_API_VERSION", DATED)
        source = create_azure("azure")
        await source.text(REQUEST, context("mine"))
        await source.aclose()
        assert server.requests[0].headers["api-key"] == KEY
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "entra-token-123456")
        source = create_azure("azure")
        await source.text(REQUEST, context("mine"))
        await source.aclose()
        assert server.requests[1].headers["authorization"] == "Bearer entra-token-123456"


@pytest.mark.parametrize(
    ("version", "query"), [("v1", {}), ("preview", {"api-version": "preview"})]
)
async def test_named_versions_take_the_v1_path(version: str, query: dict[str, str]) -> None:
    async with LoopbackServer() as server:
        server.on("POST", "/openai/v1/responses", answer_json(body(message())))
        source = AzureOpenAIBackend(server.url, api_version=version, api_key=KEY)
        await source.text(REQUEST, context("mine"))
        await source.aclose()
        assert server.requests[0].query == query


async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
        AzureOpenAIBackend(api_key=KEY)
    with pytest.raises(MissingCredentialsError, match="AZURE_OPENAI_API_KEY"):
        await AzureOpenAIBackend("https://mine.openai.azure.com").text(REQUEST, context("mine"))
    with pytest.raises(ConfigurationError, match="not both"):
        AzureOpenAIBackend("https://x", api_key=KEY, azure_ad_token="t-123456")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://gpu")
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT"):
        AzureOpenAIBackend(api_key=KEY)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "DeploymentNotFound", "message": "No."}, ModelNotFoundError),
        ({"code": "content_filter", "message": "No."}, ContentBlockedError),
    ],
)
async def test_azures_own_codes_are_known(error: Any, kind: type[Exception]) -> None:
    status = 404 if kind is ModelNotFoundError else 400
    async with LoopbackServer() as server:
        server.on("POST", "/openai/v1/responses", answer_error(status, {"error": error}))
        source = AzureOpenAIBackend(server.url, api_key=KEY)
        with pytest.raises(kind):
            # A deployment may bear the name of a model that OpenAI itself has shut down.
            await source.text(REQUEST, context("gpt-4"))
        await source.aclose()


def test_capabilities_are_those_of_openai_at_azures_prices() -> None:
    source = AzureOpenAIBackend("https://mine.openai.azure.com", api_key=KEY)
    assert source.capabilities("mine").price_provider == "azure"
    assert source.name == "azure"
    assert AzureOpenAIBackend("https://x", name="east", api_key=KEY).name == "east"
