"""One key at one origin: sends a request once and answers with bytes or with an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

from gensdk.errors import ConfigurationError, GenSDKError
from gensdk.toolkit import (
    MAX_MEDIA_BYTES,
    Answer,
    Credential,
    Failure,
    HostedAccount,
    KeySource,
    StreamAnswer,
    encode_json,
)
from gensdk.toolkit.address import chosen_base_url
from gensdk.toolkit.http import MAX_BYTES, MAX_ERROR_BYTES

from .errors import error_of, failure_of

if TYPE_CHECKING:
    from gensdk.spec import Context

__all__ = [
    "MAX_EVENT_BYTES",
    "MAX_STREAM_BYTES",
    "Account",
    "model_path",
]

HOST = "generativelanguage.googleapis.com"
MAX_STREAM_BYTES = 256 * 2**20
MAX_EVENT_BYTES = 64 * 2**20
"""Largest event of a stream: a picture may come in one."""

_VARIABLES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
"""In this order, as google-genai reads them."""
_NO_HEADERS: Mapping[str, str] = {}
_REDIRECTION = 3


def model_path(model: str) -> str:
    """A model as part of a path: ``models/x``, or a tuned model's own collection."""
    name = model if "/" in model else f"models/{model}"
    return quote(name, safe="/")


class Account(HostedAccount):
    """An account at the Gemini API. Makes one attempt per call, and sends nothing twice.

    Attributes:
        base_url: Origin and path prefix, without a slash at the end and without a version.
        api_version: Version of the API in every path.
    """

    def __init__(
        self,
        *,
        name: str = "google",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        api_version: str = "v1",
        default_headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up without I/O and without needing a key.

        Args:
            name: Provider name.
            api_key: Key, or a sync or async function that returns the current one; None takes
                ``GOOGLE_API_KEY`` or ``GEMINI_API_KEY``.
            base_url: None takes ``GOOGLE_GEMINI_BASE_URL`` or Google's own.
            api_version: ``v1``, or ``v1beta`` for what is not in it yet.
            default_headers: Further headers of every request.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``); never closed.

        Raises:
            ConfigurationError: The base URL is unusable or unsafe.
        """
        super().__init__(
            name,
            _base_url(base_url),
            Credential(
                api_key, provider=name, variables=_VARIABLES, header="x-goog-api-key", prefix=""
            ),
            headers=default_headers,
            http_client=http_client,
        )
        self.api_version = api_version

    @property
    def official(self) -> bool:
        """Whether this is Google's own address, not a gateway's."""
        return urlsplit(self.base_url).hostname == HOST

    def identity(self) -> str | None:
        """Whose answers these are, without the key; None where a client of the user's decides."""
        return self.digest(self.api_version)

    # ------------------------------------------------------------------------------- requests
    async def post(
        self,
        path: str,
        payload: object,
        context: Context,
        *,
        max_bytes: int = MAX_BYTES,
        version: str | None = None,
    ) -> Answer:
        """Send JSON and return the answer of a status 2xx; anything else raises its error."""
        async with self.stream(path, payload, context, version=version) as answer:
            return Answer(answer.status, answer.headers, await answer.read(max_bytes))

    async def get(
        self,
        path: str,
        context: Context,
        *,
        max_bytes: int = MAX_BYTES,
        version: str | None = None,
        query: Mapping[str, str] = _NO_HEADERS,
    ) -> Answer:
        """Read something of the account's; a status other than 2xx raises its error."""
        async with self._opened("GET", path, context, version=version, query=query) as answer:
            return Answer(answer.status, answer.headers, await answer.read(max_bytes))

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        payload: object,
        context: Context,
        *,
        query: Mapping[str, str] = _NO_HEADERS,
        max_bytes: int | None = None,
        version: str | None = None,
    ) -> AsyncIterator[StreamAnswer]:
        """Send JSON and open the answer; leaving the block closes the connection."""
        body = None
        if payload is not None:
            body = encode_json(payload, provider=self.name, model=context.model)
        async with self._opened(
            "POST", path, context, body=body, query=query, max_bytes=max_bytes, version=version
        ) as answer:
            yield answer

    async def download(self, address: str, context: Context) -> bytes | str:
        """Fetch a file of the account's own from its address, with the key.

        Returns:
            The bytes; or the address that the server points to instead, which is to be fetched
            without the key.
        """
        parts = urlsplit(address)
        opened = self.wire(context).stream(
            "GET",
            parts.path.removeprefix(urlsplit(self.base_url).path),
            context,
            query=dict(parse_qsl(parts.query)),
            max_bytes=MAX_MEDIA_BYTES,
            redirects="hand_back",
        )
        async with opened as answer:
            if answer.status // 100 == _REDIRECTION and (target := answer.headers.get("location")):
                return target
            if 200 <= answer.status < 300:
                return await answer.read(MAX_MEDIA_BYTES)
            raise await self._judged(answer, context)

    def owns(self, address: str) -> bool:
        """Whether an address is below this account's own, so that the key may go there."""
        mine, theirs = urlsplit(self.base_url), urlsplit(address)
        same = (mine.scheme, mine.netloc) == (theirs.scheme, theirs.netloc)
        return same and theirs.path.startswith(f"{mine.path}/")

    # --------------------------------------------------------------------------------- errors
    def error_inside(
        self, body: object, context: Context, answer: Answer | StreamAnswer | None = None
    ) -> GenSDKError:
        """The error for an error object that came inside a stream or inside a 200."""
        failure = failure_of(body, 0, answer.headers if answer else _NO_HEADERS)
        error = self._error(failure, context)
        error.billed = "maybe"
        return error

    # ------------------------------------------------------------------------------ the inside
    @asynccontextmanager
    async def _opened(
        self,
        method: str,
        path: str,
        context: Context,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] = _NO_HEADERS,
        max_bytes: int | None = None,
        version: str | None = None,
    ) -> AsyncIterator[StreamAnswer]:
        async with self.exchange(
            method,
            f"/{version or self.api_version}/{path}",
            context,
            body=body,
            query=query,
            max_bytes=max_bytes,
        ) as answer:
            if 200 <= answer.status < 300:
                yield answer
                return
            error = await self._judged(answer, context)
        raise error

    async def _judged(self, answer: StreamAnswer, context: Context) -> GenSDKError:
        body = await answer.read(MAX_ERROR_BYTES)
        return self._error(failure_of(body, answer.status, answer.headers), context)

    def _error(self, failure: Failure, context: Context) -> GenSDKError:
        return error_of(
            failure,
            provider=self.name,
            model=context.model,
            redact=self.redact,
        )


def _base_url(given: str | None) -> str:
    """The address to use: the argument, the environment's, or Google's own.

    Raises:
        ConfigurationError: It is no http(s) address, holds a password or a query, or is not safe.
    """
    url = chosen_base_url(given, "GOOGLE_GEMINI_BASE_URL", f"https://{HOST}")
    if urlsplit(url).query:
        raise ConfigurationError("Google's base_url must not hold a query; use api_key=…")
    return url
