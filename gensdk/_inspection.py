"""What a client tells of models without asking them for anything: its names, facts and lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from gensdk._calls import Calls
from gensdk._parameters import Prompt, TextParameters
from gensdk._resolve import DefaultModel, ModelLike
from gensdk.spec import METHODS, Capabilities
from gensdk.types import Ability, ListedModel, TextRequest, TokenCount, WebhookEvent

if TYPE_CHECKING:
    from gensdk._refresh import ModelRefresh

__all__ = ["Inspection"]


class Inspection:
    """The part of ``gensdk.Client`` that generates nothing."""

    _calls: Calls

    def capabilities(self, model: str) -> Capabilities:
        """What a model can do, and when it ends, as far as it is known without asking it."""
        self._calls.check()
        return self._calls.resolver.capabilities(model)

    def providers(self) -> list[str]:
        """Names that can stand before the colon of a model."""
        return self._calls.registry.names()

    def aliases(self) -> dict[str, ModelLike]:
        """The aliases in force, by name, from code and file."""
        names = self._calls.resolver.names()
        return {name: model for name, model in names.items() if name not in METHODS}

    def defaults(self) -> dict[Ability, DefaultModel]:
        """Which model answers each ability where none is named, and where that is said."""
        return self._calls.resolver.defaults()

    def config_file(self) -> Path | None:
        """The file that aliases and defaults are read from, None where there is none."""
        return self._calls.resolver.config_file()

    async def count_tokens(
        self, prompt: Prompt, *, output: Any = None, **parameters: Unpack[TextParameters]
    ) -> TokenCount:
        """How many tokens the input of ``text`` with these arguments is; nothing is generated.

        The first model of a route is asked, once. Only providers that count themselves are: OpenAI
        (Responses), Anthropic and Google; a model on this machine has its tokenizer read, not its
        weights. Nothing is guessed for the others.

        Raises:
            UnsupportedFeatureError: The provider has no such count, or not for this request.
            GenSDKError: As for ``text``; never billed.
        """
        from gensdk._counting import count_tokens

        values = {"prompt": prompt, "output": output}
        request, settings = await self._calls.request(TextRequest, values, parameters)
        return await count_tokens(self._calls, request, settings)

    async def list_models(self, provider: str, *, timeout_s: float = 60.0) -> list[ListedModel]:
        """The models that a provider's own list has, asked once; nothing is kept.

        Raises:
            UnsupportedFeatureError: The provider has no such list.
            GenSDKError: It could not be asked.
        """
        from gensdk._refresh import ask

        self._calls.check()
        answer = await ask(self._calls.registry.backend(provider), provider, timeout_s)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    async def refresh_models(
        self, *providers: str, path: Path | None = None, save: bool = True, timeout_s: float = 60.0
    ) -> ModelRefresh:
        """Ask providers for their lists of models, write them down, and tell what differs.

        The one thing that changes what is known of models' ends; it never runs by itself. Each
        account is asked once, all at the same time. What is written goes before the catalogue's
        rows from then on, in this client and in every later one that reads the same file.

        Args:
            *providers: Names of accounts, as before the colon of a model.
            path: File to write and to compare with; None takes the one that is read
                (``gensdk.Lifecycle``).
            save: Whether to write; without it nothing changes.
            timeout_s: Seconds for each account.

        Raises:
            ConfigurationError: Nobody is named, or the file cannot be written.
            GenSDKError: None of them could be asked; otherwise see ``failures`` of the answer.
        """
        from gensdk._refresh import refresh

        self._calls.check()
        calls = self._calls
        found = await refresh(
            calls.registry.backend, providers, calls.lifecycle.settings,
            path=path, save=save, timeout_s=timeout_s,
        )  # fmt: skip
        if found.path is not None:
            calls.resolver.forget()
        return found

    def read_webhook(
        self,
        provider: str,
        body: bytes | str,
        headers: Mapping[str, str],
        *,
        secret: str | Sequence[str] = (),
        tolerance_s: float = 300.0,
    ) -> WebhookEvent:
        """Check the signature of a provider's webhook, and read which job it is about.

        No network. ``client.job(event.handle)`` takes the job up; the handle that was kept when it
        was started (with its model, and its request) is the better one where it is at hand.

        Args:
            provider: Name of the account.
            body: The body as it came, before anything parsed it.
            headers: The delivery's headers.
            secret: What the provider signs with, or several while it is changed; none takes the
                vendor's environment variable (``OPENAI_WEBHOOK_SECRET``).
            tolerance_s: Seconds that the signature may be older or newer than now.

        Raises:
            UnsupportedFeatureError: The provider delivers none, or none that gensdk can check.
            MissingCredentialsError: There is no secret to check it with.
            AuthenticationError: It is not signed with the secret, or not just now: answer 401.
            InvalidResponseError: It is signed, and says nothing that can be read.
        """
        from gensdk._webhooks import read_webhook

        self._calls.check()
        backend = self._calls.registry.backend(provider)
        return read_webhook(backend, provider, body, headers, secret, tolerance_s)
