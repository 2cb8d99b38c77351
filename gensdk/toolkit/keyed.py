"""An account that is one key at one origin: sends a request once, answers with bytes or an error.

What a vendor adds is said in arguments: where its key and address stand in the environment, the
header that carries the key, its table of errors, and how a failed answer of its kind is read.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    ContentBlockedError,
    GenSDKError,
    InvalidResponseError,
    MissingCredentialsError,
)
from gensdk.spec import Context

from .address import refuse_plain_http
from .answer import MAX_ERROR_BYTES, Answer, StreamAnswer
from .encoding import encode_json
from .failures import ErrorRow, Failure, error_for, failure_from, request_id_of
from .form import Form
from .http import MAX_BYTES, HTTPWire
from .secrets import Key, KeySource, KnownSecrets, Secret

__all__ = ["KeyedAccount", "Vendor"]

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Vendor:
    """What tells one vendor's accounts from another's.

    Attributes:
        name: Provider name unless the user chooses another.
        base_url: Where its API is.
        key_variable: Environment variable that holds the key.
        url_variable: Environment variable that moves the API elsewhere.
        key_header: Header that carries the key.
        key_prefix: What stands before the key in it.
        rows: Its table of errors.
        read: Reads a failed answer.
        blocked_at: What a block of its safety rules concerns, None where it does not say.
    """

    name: str
    base_url: str
    key_variable: str
    url_variable: str
    rows: Sequence[ErrorRow]
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    read: Callable[[Answer], Failure] = failure_from
    blocked_at: Literal["input", "output"] | None = None


class KeyedAccount:
    """An account at a vendor. Nothing is read or opened before the first request.

    Attributes:
        name: Provider name, as in ``"name:model"``.
        vendor: Whose account it is.
        base_url: Origin and path prefix, without a slash at the end.
    """

    def __init__(
        self,
        vendor: Vendor,
        *,
        name: str | None = None,
        api_key: KeySource | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up without I/O and without needing a key.

        Args:
            vendor: What is the same for all accounts at this vendor.
            name: Provider name; None takes the vendor's.
            api_key: None takes the vendor's environment variable.
            base_url: None takes the vendor's environment variable, else its own address.
            headers: Further headers of every request.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.

        Raises:
            ConfigurationError: The key or the address cannot be used.
        """
        self.vendor = vendor
        self.name = name or vendor.name
        self.base_url = _address(base_url, vendor)
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._http_client = http_client
        self._source = api_key if callable(api_key) else None
        self._known = KnownSecrets()
        self._key: Secret | None = None
        if api_key is not None and not callable(api_key):
            self._key = self._remembered(api_key)
        self._wire: HTTPWire | None = None
        self._closed = False

    def __repr__(self) -> str:
        """Show name and origin."""
        return f"{type(self).__name__}({self.name!r}, {self.base_url!r})"

    def identity(self) -> str | None:
        """Whose answers these are, without the key; None where a client of the user's decides."""
        if not isinstance(self._http_client, str | None):
            return None
        whole = (self.vendor.name, self.base_url, sorted(self._headers.items()))
        return hashlib.sha256(repr(whole).encode()).hexdigest()

    def redact(self, text: str) -> str:
        """Mask this account's keys in a text."""
        return self._known.redact(text)

    # -------------------------------------------------------------------------------- requests
    async def send(
        self,
        method: str,
        path: str,
        context: Context,
        *,
        payload: Mapping[str, object] | None = None,
        form: Form | None = None,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        max_bytes: int = MAX_BYTES,
    ) -> Answer:
        """Send once and return the whole answer of a status 2xx.

        Raises:
            GenSDKError: Any other status, by the vendor's table; or the wire failed.
        """
        opened = self.stream(
            method, path, context, payload=payload, form=form, query=query, headers=headers
        )
        async with opened as answer:
            return Answer(answer.status, answer.headers, await answer.read(max_bytes))

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        context: Context,
        *,
        payload: Mapping[str, object] | None = None,
        form: Form | None = None,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        max_bytes: int | None = None,
    ) -> AsyncIterator[StreamAnswer]:
        """Send once and open the answer of a status 2xx; leaving the block lets go of it."""
        body = None
        if payload is not None:
            body = encode_json(payload, provider=self.name, model=context.model)
        opened = self._open(context).stream(
            method,
            path,
            context,
            body=body,
            form=form,
            query=query,
            headers=headers,
            max_bytes=max_bytes,
        )
        async with opened as answer:
            if 200 <= answer.status < 300:
                yield answer
                return
            content = await answer.read(MAX_ERROR_BYTES)
        failed = self.vendor.read(Answer(answer.status, answer.headers, content))
        raise self.error(failed, context)

    async def aclose(self) -> None:
        """Close what was opened here, for good. May be called twice."""
        self._closed = True
        if self._wire is not None:
            await self._wire.aclose()

    # ---------------------------------------------------------------------------------- errors
    def error(self, failure: Failure, context: Context) -> GenSDKError:
        """The error of a failure's cause."""
        error = error_for(
            failure,
            self.vendor.rows,
            provider=self.name,
            model=context.model,
            redact=self.redact,
        )
        if isinstance(error, ContentBlockedError):
            error.stage = self.vendor.blocked_at
        return error

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

    # ------------------------------------------------------------------------------ the inside
    def _open(self, context: Context) -> HTTPWire:
        if self._closed:
            raise ClientClosedError(
                f"the account {self.name!r} was closed; make a new client or backend",
                provider=self.name,
                model=context.model,
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
        vendor = self.vendor
        secret = await self._current()
        return {vendor.key_header: f"{vendor.key_prefix}{secret.reveal()}", **self._headers}

    async def _current(self) -> Secret:
        if self._source is not None:
            key = self._source()
            return self._remembered(await key if inspect.isawaitable(key) else key)
        if self._key is None:
            self._key = self._from_environment()
        return self._key

    def _from_environment(self) -> Secret:
        variable = self.vendor.key_variable
        if value := os.environ.get(variable, "").strip():
            return self._remembered(Secret(value, variable))
        raise MissingCredentialsError(
            f"no key for {self.name}: set {variable}, or pass api_key=… to its backend",
            provider=self.name,
        )

    def _remembered(self, key: Key) -> Secret:
        secret = key if isinstance(key, Secret) else Secret(key)
        self._known.add(secret)
        return secret


def _address(given: str | None, vendor: Vendor) -> str:
    """The address to use. One from the environment must be https or on this machine."""
    if given is not None:
        return _checked(given, "base_url", trusted=True)
    if found := os.environ.get(vendor.url_variable, "").strip():
        return _checked(found, vendor.url_variable, trusted=False)
    return vendor.base_url


def _checked(url: str, name: str, *, trusted: bool) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0  # reading the port checks it
    except ValueError as error:
        raise ConfigurationError(f"{name} is no usable address: {error}") from error
    if not usable or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{name} must be an http(s) address such as https://host")
    if parts.username or parts.password:
        raise ConfigurationError(f"{name} must not hold a user name or password; use api_key=…")
    if not trusted:
        refuse_plain_http(name, parts.scheme, parts.hostname)
    return url.rstrip("/")
