"""One key at one origin: sends a request once and answers with bytes or with an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from gensdk.catalog import ending_of
from gensdk.errors import GenSDKError
from gensdk.toolkit import (
    Answer,
    Credential,
    Failure,
    Form,
    HostedAccount,
    KeySource,
    Notes,
    StreamAnswer,
    json_in,
)
from gensdk.toolkit.http import MAX_BYTES, MAX_ERROR_BYTES

from .errors import error_of, failure_inside, failure_of
from .origin import choose_base_url, facts_of, fixed_headers
from .refusals import LearnedRefusals
from .sending import Sending

if TYPE_CHECKING:
    import openai

    from gensdk.catalog.compatible import Dialect
    from gensdk.spec import Context
    from gensdk.types import ModelEnding

    from .sdk_wire import SDKWire

__all__ = ["MAX_ANSWER_BYTES", "Account"]

MAX_ANSWER_BYTES = MAX_BYTES
"""Largest JSON answer that is read, unless the caller says otherwise."""
MAX_STREAM_BYTES = 256 * 2**20
"""Largest stream that is read, unless the caller says otherwise."""

_NO_HEADERS: Mapping[str, str] = {}


class Account(HostedAccount):
    """An account at OpenAI, or at a server that speaks its wire format.

    Makes one attempt per call. The one thing it sends again is a request that the server refused
    with a 400 over a preference it does not know: without that preference, and with a warning.

    Attributes:
        dialect: How the server departs from OpenAI's API.
        learned: Preferences this server refused so far, by model.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        name: str | None = None,
        api_key: KeySource | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        credential: Credential | None = None,
        deployments: frozenset[str] = frozenset(),
        idempotency_header: str | None = None,
        http_client: object | None = None,
        client: openai.AsyncOpenAI | None = None,
    ) -> None:
        """Set up without I/O and without needing a key.

        Args:
            dialect: The server's row in the catalogue.
            name: Provider name; None takes the dialect's.
            api_key: Key, or a sync or async function that returns the current one.
            base_url: None takes the environment's for OpenAI itself, else the dialect's.
            organization: Sent as ``OpenAI-Organization``; None takes ``OPENAI_ORG_ID``.
            project: Sent as ``OpenAI-Project``; None takes ``OPENAI_PROJECT_ID``.
            default_headers: Further headers of every request.
            query: Query parameters of every request.
            credential: A ready credential instead of ``api_key``.
            deployments: Paths that go under ``/deployments/{model}`` (Azure's dated API).
            idempotency_header: Header that carries the call's idempotency key, where a gateway
                honours one; OpenAI itself does not.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.
            client: Your own ``openai.AsyncOpenAI``, for logins only that package has; requests
                go through it, without its retries, and it is never closed.

        Raises:
            ConfigurationError: The base URL is unusable or unsafe.
        """
        own = name or dialect.name
        given = str(client.base_url) if client is not None else base_url
        vendor = dialect.name == "openai"
        super().__init__(
            own,
            choose_base_url(given, dialect),
            credential or _credential(api_key, dialect, own),
            headers=fixed_headers(organization, project, default_headers, vendor=vendor),
            http_client=http_client,
        )
        self.dialect = dialect
        self.learned = LearnedRefusals()
        self._query = dict(query or {})
        self._deployments = deployments
        self._idempotency_header = idempotency_header
        self._lent = None if client is None else _lent(client, own)

    @property
    def official(self) -> bool:
        """Whether this is OpenAI's own address, not a gateway's."""
        host = urlsplit(self.base_url).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")

    def identity(self) -> str | None:
        """Whose answers these are, without the key; None where a client of the user's decides."""
        if self._lent is not None:
            return None
        return self.digest(sorted(self._query.items()), facts_of(self.dialect))

    def ending(self, model: str) -> ModelEnding | None:
        """When a model ends, as far as the catalogue knows."""
        known = self.catalogue
        return ending_of(known, model, official=self.official) if known else None

    @property
    def catalogue(self) -> str:
        """Vendor under whose name the catalogue knows when models end; empty for none."""
        return "openai" if self.dialect.name == "openai" else ""

    @property
    def model_vendor(self) -> str:
        """Vendor whose model rows apply: Azure's deployments are OpenAI's models."""
        return "openai" if self.dialect.name in {"openai", "azure"} else ""

    # ------------------------------------------------------------------------------- requests
    async def post(
        self,
        path: str,
        payload: dict[str, object],
        context: Context,
        *,
        notes: Notes | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Send JSON and return the answer of a status 2xx; anything else raises its error."""
        sending = self._sending(payload, context, notes)
        while True:
            async with self.opened(path, context, None, body=sending.content()) as answer:
                if 200 <= answer.status < 300:
                    return Answer(answer.status, answer.headers, await answer.read(max_bytes))
                failure, error = await self.judged(answer, context)
            sending.lighten(failure, error)

    async def post_form(
        self,
        path: str,
        form: Form,
        context: Context,
        *,
        notes: Notes | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Send a multipart form and return the answer of a status 2xx."""
        async with self.stream_form(path, form, context, notes=notes, max_bytes=None) as answer:
            return Answer(answer.status, answer.headers, await answer.read(max_bytes))

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        payload: dict[str, object],
        context: Context,
        *,
        notes: Notes | None = None,
        max_bytes: int | None = MAX_STREAM_BYTES,
    ) -> AsyncIterator[StreamAnswer]:
        """Send JSON and open the answer; leaving the block closes the connection."""
        sending = self._sending(payload, context, notes)
        while True:
            async with self.opened(path, context, max_bytes, body=sending.content()) as answer:
                if 200 <= answer.status < 300:
                    yield answer
                    return
                failure, error = await self.judged(answer, context)
            sending.lighten(failure, error)

    @asynccontextmanager
    async def stream_form(
        self,
        path: str,
        form: Form,
        context: Context,
        *,
        notes: Notes | None = None,
        max_bytes: int | None = MAX_STREAM_BYTES,
    ) -> AsyncIterator[StreamAnswer]:
        """Send a multipart form and open the answer; leaving the block closes the connection."""
        async with self.opened(path, context, max_bytes, form=form) as answer:
            if 200 <= answer.status < 300:
                yield answer
                return
            _, error = await self.judged(answer, context)
        raise error

    # --------------------------------------------------------------------------------- errors
    def error(
        self, failure: Failure, context: Context, *, body: bytes | object = None
    ) -> GenSDKError:
        """The error of a failure's cause; ``body`` adds what only this vendor's body says."""
        return error_of(
            failure,
            json_in(body) if isinstance(body, bytes) else body,
            provider=self.name,
            model=context.model,
            redact=self.redact,
        )

    def error_inside(
        self, body: object, context: Context, headers: Mapping[str, str] | None = None
    ) -> GenSDKError:
        """The error for an error object that came inside a stream or inside a 200."""
        error = self.error(failure_inside(body, headers), context, body=body)
        error.billed = "maybe"
        return error

    def redact(self, text: str) -> str:
        """Mask this account's keys in a text: those known by now, wherever they came from."""
        text = super().redact(text)
        return text if self._lent is None else self._lent.redact(text)

    # ------------------------------------------------------------------------------ one request
    def opened(
        self,
        path: str,
        context: Context,
        max_bytes: int | None,
        *,
        method: str = "POST",
        body: bytes | None = None,
        form: Form | None = None,
    ) -> AbstractAsyncContextManager[StreamAnswer]:
        """Send once, whatever the answer will be."""
        self.refuse_closed(context)
        wire = self._lent or self.wire(context)
        return wire.stream(
            method,
            self._path(path, context),
            context,
            body=body,
            form=form,
            headers=self._call_headers(context),
            query=self._query,
            max_bytes=max_bytes,
        )

    async def judged(self, answer: StreamAnswer, context: Context) -> tuple[Failure, GenSDKError]:
        """What a failure says, without keys it may repeat, and the error it becomes."""
        body = await answer.read(MAX_ERROR_BYTES)
        failure = failure_of(answer.status, answer.headers, body)
        error = self.error(failure, context, body=body)
        code = None if failure.code is None else self.redact(failure.code)
        return replace(failure, message=self.redact(failure.message), code=code), error

    # ------------------------------------------------------------------------------ the inside
    def _call_headers(self, context: Context) -> Mapping[str, str]:
        if self._idempotency_header and context.idempotency_key:
            return {self._idempotency_header: context.idempotency_key}
        return _NO_HEADERS

    def _path(self, path: str, context: Context) -> str:
        if path not in self._deployments:
            return path
        return f"/deployments/{quote(context.model, safe='')}{path}"

    def _sending(
        self, payload: dict[str, object], context: Context, notes: Notes | None
    ) -> Sending:
        return Sending(payload, context, notes, learned=self.learned, provider=self.name)


def _credential(api_key: KeySource | None, dialect: Dialect, name: str) -> Credential:
    variables = (dialect.key_env,) if dialect.key_env else ()
    return Credential(api_key, provider=name, variables=variables, required=dialect.key_required)


def _lent(client: openai.AsyncOpenAI, name: str) -> SDKWire:
    from .sdk_wire import SDKWire

    return SDKWire(client, provider=name)
