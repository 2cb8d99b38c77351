"""One key at one origin: sends a request once and answers with bytes or with an error."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gensdk.catalog import lifecycle, lifecycle_warning
from gensdk.errors import (
    ClientClosedError,
    GenSDKError,
    InvalidResponseError,
)
from gensdk.toolkit import Answer, HTTPWire, Notes, StreamAnswer, encode_json
from gensdk.toolkit.address import BaseAddress, refuse_plain_http
from gensdk.toolkit.http import MAX_BYTES, MAX_ERROR_BYTES

from .credentials import Credential, KeySource
from .errors import error_inside, error_of_answer, model_retired, request_id_of

if TYPE_CHECKING:
    from gensdk.spec import Context

__all__ = ["API_VERSION", "SAMPLING_VERSION", "Account", "today_utc"]

API_VERSION = "2026-10-21"
"""Version of the API these requests are written for (``anthropic`` 2.11 ``_constants.py``)."""

SAMPLING_VERSION = "2023-06-01"
"""The version before, still served: the last one that takes temperature, top_p and top_k."""

MAX_STREAM_BYTES = 256 * 2**20
VARIABLE = "ANTHROPIC_BASE_URL"
_ORIGIN = "https://api.anthropic.com"


def today_utc() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


class Account:
    """An account at Anthropic, or at a server that speaks its wire format.

    Attributes:
        name: Provider name, as in ``"name:model"``.
        base_url: Origin and path prefix, without ``/v1`` and without a slash at the end.
        api_version: What was asked for; None lets each request choose.
    """

    def __init__(
        self,
        *,
        name: str = "anthropic",
        api_key: KeySource | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        betas: tuple[str, ...] = (),
        default_headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
        today: Callable[[], date] = today_utc,
    ) -> None:
        """Set up without I/O and without needing a key; arguments as for ``AnthropicBackend``.

        Raises:
            ConfigurationError: The base URL is unusable or unsafe.
        """
        self.name = name
        self.base_url = _base_url(base_url)
        self.api_version = api_version
        self._betas = betas
        self._credential = Credential(api_key, provider=name)
        self._headers = {key.lower(): value for key, value in (default_headers or {}).items()}
        self._http_client = http_client
        self._today = today
        self._wire: HTTPWire | None = None
        self._closed = False

    def __repr__(self) -> str:
        """Show name and origin."""
        return f"Account({self.name!r}, {self.base_url!r})"

    @property
    def official(self) -> bool:
        """Whether this is Anthropic's own address, not a gateway's."""
        return urlsplit(self.base_url).hostname == "api.anthropic.com"

    def identity(self) -> str | None:
        """Whose answers these are, without the key; None where a client of the user's decides."""
        if self._http_client is not None:
            return None
        whole = (self.base_url, self.api_version, self._betas, sorted(self._headers.items()))
        return hashlib.sha256(repr(whole).encode()).hexdigest()

    def headers_for(self, betas: tuple[str, ...], version: str) -> dict[str, str]:
        """The headers of one request; ``version`` is its choice, the account's own goes first."""
        headers = {"anthropic-version": self.api_version or version}
        wanted = dict.fromkeys((*self._betas, *betas))
        if wanted:
            headers["anthropic-beta"] = ",".join(wanted)
        return headers

    async def post(
        self,
        path: str,
        payload: dict[str, object],
        headers: Mapping[str, str],
        context: Context,
        notes: Notes,
    ) -> Answer:
        """Send JSON and return the answer of a status 2xx; anything else raises its error."""
        opened = self.stream(path, payload, headers, context, notes, max_bytes=None)
        async with opened as answer:
            return Answer(answer.status, answer.headers, await answer.read(MAX_BYTES))

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        payload: dict[str, object],
        headers: Mapping[str, str],
        context: Context,
        notes: Notes,
        *,
        max_bytes: int | None = MAX_STREAM_BYTES,
    ) -> AsyncIterator[StreamAnswer]:
        """Send JSON and open the answer; leaving the block closes the connection."""
        self._mind_lifecycle(context, notes)
        if self._closed:
            raise ClientClosedError(
                f"the account {self.name!r} was closed; make a new client or backend",
                provider=self.name,
                model=context.model,
            )
        body = encode_json(payload, provider=self.name, model=context.model)
        async with self._get_wire().stream(
            "POST", path, context, body=body, headers=headers, max_bytes=max_bytes
        ) as answer:
            if 200 <= answer.status < 300:
                yield answer
                return
            failed = Answer(answer.status, answer.headers, await answer.read(MAX_ERROR_BYTES))
        raise error_of_answer(
            failed,
            provider=self.name,
            model=context.model,
            redact=self.redact,
            today=self._today(),
        )

    def error_inside(
        self, body: object, context: Context, headers: Mapping[str, str]
    ) -> GenSDKError:
        """The error for an error object that came inside a stream or inside a 200."""
        return error_inside(
            body, headers, provider=self.name, model=context.model, redact=self.redact
        )

    def invalid(
        self, message: str, answer: Answer | StreamAnswer, context: Context
    ) -> InvalidResponseError:
        """The error for an answer that cannot be used."""
        return InvalidResponseError(
            self.redact(message),
            provider=self.name,
            model=context.model,
            status=answer.status,
            request_id=request_id_of(answer.headers),
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
    def _get_wire(self) -> HTTPWire:
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

    def _mind_lifecycle(self, context: Context, notes: Notes) -> None:
        row = lifecycle("anthropic", context.model)
        if row is None:
            return
        today = self._today()
        # On the day itself the server decides: the hour of a shutdown is not announced.
        if self.official and today > row.retired_on:
            raise model_retired(row, provider=self.name, model=context.model)
        warning = lifecycle_warning(row, context.model, today)
        if warning is not None:
            notes.other(warning.message, warning.parameter, kind="retiring")


def _base_url(given: str | None) -> str:
    """The address to use: the argument, the environment's, or Anthropic's own."""
    found = os.environ.get(VARIABLE, "").strip() if given is None else ""
    address = BaseAddress(given or found or _ORIGIN)
    if found:
        refuse_plain_http(VARIABLE, address.scheme, address.host)
    return (given or found or _ORIGIN).strip().rstrip("/")
