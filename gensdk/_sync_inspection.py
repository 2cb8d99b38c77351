"""The part of ``gensdk.SyncClient`` that generates nothing; see ``gensdk._inspection``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from gensdk._loop import LoopThread
from gensdk._resolve import DefaultModel, ModelLike
from gensdk.spec import Capabilities
from gensdk.types import Ability, ListedModel, TokenCount, WebhookEvent

if TYPE_CHECKING:
    from gensdk._inspection import Inspection
    from gensdk._parameters import Prompt, TextParameters
    from gensdk._refresh import ModelRefresh

__all__ = ["SyncInspection"]


class SyncInspection:
    """The same without ``await``."""

    _client: Inspection
    _thread: LoopThread

    def capabilities(self, model: str) -> Capabilities:
        """What a model can do; see ``Client.capabilities``."""
        return self._client.capabilities(model)

    def providers(self) -> list[str]:
        """Names that can stand before the colon of a model."""
        return self._client.providers()

    def aliases(self) -> dict[str, ModelLike]:
        """The aliases in force; see ``Client.aliases``."""
        return self._client.aliases()

    def defaults(self) -> dict[Ability, DefaultModel]:
        """The default models and where they are said; see ``Client.defaults``."""
        return self._client.defaults()

    def config_file(self) -> Path | None:
        """The file that aliases and defaults are read from."""
        return self._client.config_file()

    def read_webhook(
        self,
        provider: str,
        body: bytes | str,
        headers: Mapping[str, str],
        *,
        secret: str | Sequence[str] = (),
        tolerance_s: float = 300.0,
    ) -> WebhookEvent:
        """Check and read a provider's webhook; see ``Client.read_webhook``."""
        return self._client.read_webhook(
            provider, body, headers, secret=secret, tolerance_s=tolerance_s
        )

    def list_models(self, provider: str, *, timeout_s: float = 60.0) -> list[ListedModel]:
        """The models that a provider lists; see ``Client.list_models``."""
        return self._thread.run(self._client.list_models(provider, timeout_s=timeout_s))

    def refresh_models(
        self, *providers: str, path: Path | None = None, save: bool = True, timeout_s: float = 60.0
    ) -> ModelRefresh:
        """Ask providers for their lists of models; see ``Client.refresh_models``."""
        return self._thread.run(
            self._client.refresh_models(*providers, path=path, save=save, timeout_s=timeout_s)
        )

    def count_tokens(
        self, prompt: Prompt, *, output: Any = None, **parameters: Unpack[TextParameters]
    ) -> TokenCount:
        """How many tokens an input is; see ``Client.count_tokens``."""
        return self._thread.run(self._client.count_tokens(prompt, output=output, **parameters))
