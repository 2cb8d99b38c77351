"""One key at one origin: sends a request once and answers with bytes or with an error."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

from gensdk.catalog import lifecycle, lifecycle_warning
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    GenSDKError,
    InvalidResponseError,
)
from gensdk.toolkit import Answer, Failure, HTTPWire, Notes, StreamAnswer, encode_json
from gensdk.toolkit.address import refuse_plain_http
from gensdk.toolkit.http import MAX_BYTES, MAX_ERROR_BYTES

from .credentials import HEADER, Credential, KeySource
from .errors import error_of, failure_of, model_retired

if TYPE_CHECKING:
    from gensdk.spec import Context

__all__ = [
    "MAX_EVENT_BYTES",
    "MAX_MEDIA_BYTES",
    "MAX_STREAM_BYTES",
    "Account",
    "model_path",
    "today_utc",
]

HOST = "generativelanguage.googleapis.com"
MAX_STREAM_BYTES = 256 * 2**20
MAX_EVENT_BYTES = 64 * 2**20
"""Largest event of a stream: a picture may come in one."""
MAX_MEDIA_BYTES = 256 * 2**20
"""Largest answer that carries pictures, sound, videos or vectors."""

_VARIABLE = "GOOGLE_GEMINI_BASE_URL"
_NO_HEADERS: Mapping[str, str] = {}
_REDIRECTION = 3


def today_utc() -> date:
    """The day in UTC: shutdown dates are counted in it."""
    return datetime.now(UTC).date()


def model_path(model: str) -> str:
    """A model as part of a path: ``models/x``, or a tuned model's own collection."""
    name = model if "/" in model else f"models/{model}"
    return quote(name, safe="/")


class Account:
    """An account at the Gemini API. Makes one attempt per call, and sends nothing twice.

    Attributes:
        name: Provider name, as in ``"name:model"``.
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
        today: Callable[[], date] = today_utc,
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
            today: Says what day it is.

        Raises:
            ConfigurationError: The base URL is unusable or unsafe.
        """
        self.name = name
        self.api_version = api_version
        self.base_url = _base_url(base_url)
        self._credential = Credential(api_key, name)
        self._headers = {key.lower(): text for key, text in (default_headers or {}).items()}
        self._http_client = http_client
        self._today = today
        self._wire: HTTPWire | None = None
        self._closed = False

    def __repr__(self) -> str:
        """Show name and origin."""
        return f"Account({self.name!r}, {self.base_url!r})"

    @property
    def official(self) -> bool:
        """Whether this is Google's own address, not a gateway's."""
        return urlsplit(self.base_url).hostname == HOST

    def identity(self) -> str | None:
        """Whose answers these are, without the key; None where a client of the user's decides."""
        if self._http_client is not None:
            return None
        headers = sorted((key, text) for key, text in self._headers.items() if key != HEADER)
        whole = (self.base_url, self.api_version, headers)
        return hashlib.sha256(repr(whole).encode()).hexdigest()

    # ------------------------------------------------------------------------------- requests
    async def post(
        self,
        path: str,
        payload: object,
        context: Context,
        *,
        notes: Notes | None = None,
        max_bytes: int = MAX_BYTES,
        version: str | None = None,
    ) -> Answer:
        """Send JSON and return the answer of a status 2xx; anything else raises its error."""
        async with self.stream(path, payload, context, notes=notes, version=version) as answer:
            return Answer(answer.status, answer.headers, await answer.read(max_bytes))

    async def get(
        self, path: str, context: Context, *, max_bytes: int = MAX_BYTES, version: str | None = None
    ) -> Answer:
        """Read something of the account's; a status other than 2xx raises its error."""
        async with self._opened("GET", path, context, version=version) as answer:
            return Answer(answer.status, answer.headers, await answer.read(max_bytes))

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        payload: object,
        context: Context,
        *,
        notes: Notes | None = None,
        query: Mapping[str, str] = _NO_HEADERS,
        max_bytes: int | None = None,
        version: str | None = None,
    ) -> AsyncIterator[StreamAnswer]:
        """Send JSON and open the answer; leaving the block closes the connection."""
        self._mind_lifecycle(context, notes)
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
        opened = self._get_wire(context).stream(
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

    def invalid(
        self, message: str, answer: Answer | StreamAnswer, context: Context
    ) -> InvalidResponseError:
        """The error for an answer that cannot be used."""
        return InvalidResponseError(
            self.redact(message), provider=self.name, model=context.model, status=answer.status
        )

    def redact(self, text: str) -> str:
        """Remove this account's keys from a text."""
        return self._credential.redact(text)

    async def aclose(self) -> None:
        """Close what this account opened, for good. May be called twice."""
        self._closed = True
        if self._wire is not None:
            await self._wire.aclose()

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
        async with self._get_wire(context).stream(
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
            today=self._today(),
        )

    def _get_wire(self, context: Context | None = None) -> HTTPWire:
        if self._closed:
            raise ClientClosedError(
                f"the account {self.name!r} was closed; make a new client or backend",
                provider=self.name,
                model=context.model if context else None,
            )
        if self._wire is None:
            self._wire = HTTPWire(
                self.base_url,
                headers=self._all_headers,
                provider=self.name,
                http_client=self._http_client,
                redact=self.redact,
            )
        return self._wire

    async def _all_headers(self) -> Mapping[str, str]:
        return {**await self._credential.headers(), **self._headers}

    def _mind_lifecycle(self, context: Context, notes: Notes | None) -> None:
        row = lifecycle("google", context.model)
        if row is None:
            return
        today = self._today()
        # On the day itself the server decides: the hour of a shutdown is not announced.
        if self.official and today > row.retired_on:
            raise model_retired(row, provider=self.name, model=context.model)
        warning = lifecycle_warning(row, context.model, today)
        if warning is not None and notes is not None:
            notes.other(warning.message, warning.parameter, kind="retiring")


def _base_url(given: str | None) -> str:
    """The address to use: the argument, the environment's, or Google's own.

    Raises:
        ConfigurationError: It is no http(s) address, holds a password, or is not safe.
    """
    found = os.environ.get(_VARIABLE, "").strip()
    url, name = (given, "base_url") if given is not None else (found, _VARIABLE)
    if not url:
        return f"https://{HOST}"
    try:
        parts = urlsplit(url)
        usable = parts.port != 0  # reading the port checks it
    except ValueError as error:
        raise ConfigurationError(f"{name} is no usable address: {error}") from error
    if not usable or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{name} must be an http(s) address such as https://{HOST}")
    if parts.username or parts.password or parts.query:
        raise ConfigurationError(f"{name} must not hold a password or a query; use api_key=…")
    if given is None:
        refuse_plain_http(name, parts.scheme, parts.hostname)
    return url.rstrip("/")
