"""Azure OpenAI: the same API at a customer's own endpoint, with deployments for models.

Wire facts from ``openai`` 3.52 ``lib/azure.py``: header ``api-key``, or ``Authorization: Bearer``
with a Microsoft Entra token; a dated ``api-version`` puts eight endpoints under
``/openai/deployments/{deployment}`` and the rest under ``/openai``; the v1 API needs neither.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gensdk.catalog.compatible import AZURE, TextProtocol
from gensdk.errors import ConfigurationError
from gensdk.toolkit import Credential, KeySource
from gensdk.toolkit.address import checked_base_url

from .account import Account
from .backend import OpenAIBackend

if TYPE_CHECKING:
    import openai

__all__ = ["AZURE", "AzureOpenAIBackend"]

_DEPLOYMENT_PATHS = frozenset({
    "/completions", "/chat/completions", "/embeddings", "/audio/transcriptions",
    "/audio/translations", "/audio/speech", "/images/generations", "/images/edits",
})  # fmt: skip
_NAMED_VERSIONS = frozenset({"v1", "preview", "latest"})


class AzureOpenAIBackend(OpenAIBackend):
    """Azure OpenAI. ``azure:my-deployment`` names a deployment, not a model.

    ::

        AzureOpenAIBackend(endpoint="https://mine.openai.azure.com", api_key=…)
        AzureOpenAIBackend(endpoint=…, azure_ad_token=get_bearer_token_provider(…))
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        name: str = "azure",
        api_version: str | None = None,
        api_key: KeySource | None = None,
        azure_ad_token: KeySource | None = None,
        protocol: TextProtocol | None = None,
        default_headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
        client: openai.AsyncAzureOpenAI | None = None,
    ) -> None:
        """Set up without I/O and without needing a key.

        Args:
            endpoint: ``https://{resource}.openai.azure.com``; None takes
                ``AZURE_OPENAI_ENDPOINT``.
            name: Provider name, as in ``"name:deployment"``.
            api_version: A dated version takes the older API with deployments in the path; None
                takes ``OPENAI_API_VERSION``, else the v1 API.
            api_key: Key of the resource; None takes ``AZURE_OPENAI_API_KEY``.
            azure_ad_token: A Microsoft Entra token, or a sync or async function that returns the
                current one; not together with ``api_key``. None takes
                ``AZURE_OPENAI_AD_TOKEN``, which comes before a key from the environment.
            protocol: As for ``OpenAIBackend``.
            default_headers: Further headers of every request.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.
            client: Your own ``openai.AsyncAzureOpenAI`` instead of all of the above but ``name``
                and ``protocol``; never closed here.

        Raises:
            ConfigurationError: No endpoint, an unsafe one, or both a key and a token.
        """
        if client is not None:
            account = Account(AZURE, name=name, client=client)
            super().__init__(protocol=protocol, account=account)
            return
        version = api_version or os.environ.get("OPENAI_API_VERSION") or ""
        dated = bool(version) and version not in _NAMED_VERSIONS
        account = Account(
            AZURE,
            name=name,
            base_url=_base_url(endpoint, dated=dated),
            credential=_credential(name, api_key, azure_ad_token),
            query={"api-version": version} if version and version != "v1" else {},
            deployments=_DEPLOYMENT_PATHS if dated else frozenset(),
            default_headers=default_headers,
            http_client=http_client,
        )
        super().__init__(protocol=protocol, account=account)


def _base_url(endpoint: str | None, *, dated: bool) -> str:
    variable = "AZURE_OPENAI_ENDPOINT"
    found = endpoint or os.environ.get(variable, "").strip()
    if not found:
        raise ConfigurationError(
            f"no Azure endpoint: set {variable}, or pass endpoint='https://….openai.azure.com'",
            provider="azure",
        )
    name = "endpoint" if endpoint else variable
    root = checked_base_url(found, name, trusted=endpoint is not None)
    for suffix in ("/openai/v1", "/openai"):
        root = root.removesuffix(suffix)
    return f"{root}/openai" if dated else f"{root}/openai/v1"


def _credential(
    name: str, api_key: KeySource | None, azure_ad_token: KeySource | None
) -> Credential:
    if api_key is not None and azure_ad_token is not None:
        raise ConfigurationError("give api_key or azure_ad_token, not both", provider=name)
    token_variable = "AZURE_OPENAI_AD_TOKEN"
    if azure_ad_token is not None or (api_key is None and os.environ.get(token_variable)):
        return Credential(azure_ad_token, provider=name, variables=(token_variable,))
    return Credential(
        api_key, provider=name, variables=("AZURE_OPENAI_API_KEY",), header="api-key", prefix=""
    )
