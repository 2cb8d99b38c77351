"""An account that is one key at one origin: sends a request once, answers with bytes or an error.

What a vendor adds is said in arguments: where its key and address stand in the environment, the
header that carries the key, its table of errors, and how a failed answer of its kind is read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Literal

from gensdk.errors import ContentBlockedError, GenSDKError
from gensdk.spec import Context

from .account import HostedAccount
from .address import chosen_base_url
from .answer import MAX_ERROR_BYTES, Answer, StreamAnswer
from .credential import Credential
from .encoding import encode_json
from .failures import ErrorRow, Failure, error_for, failure_from
from .form import Form
from .http import MAX_BYTES
from .secrets import KeySource

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
        as_of: The day its rows were read: other rows may make another request of the same call,
            so kept answers are told apart by it.
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
    as_of: date | None = None


class KeyedAccount(HostedAccount):
    """An account at a vendor. Nothing is read or opened before the first request.

    Attributes:
        vendor: Whose account it is.
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
        own = name or vendor.name
        super().__init__(
            own,
            chosen_base_url(base_url, vendor.url_variable, vendor.base_url),
            Credential(
                api_key,
                provider=own,
                variables=(vendor.key_variable,),
                header=vendor.key_header,
                prefix=vendor.key_prefix,
            ),
            headers=headers,
            http_client=http_client,
        )
        self.vendor = vendor

    def identity(self) -> str | None:
        """Whose answers these are, without the key; None where a client of the user's decides."""
        return self.digest(self.vendor.name, self.vendor.as_of)

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
        opened = self.exchange(
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
