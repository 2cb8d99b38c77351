"""What every account has, whoever the vendor: an origin, a key, a wire, and an end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gensdk.errors import ClientClosedError, InvalidResponseError
from gensdk.spec import Context

from .answer import Answer, StreamAnswer
from .credential import Credential
from .encoding import decode_base64
from .failures import request_id_of
from .form import Form
from .http import HTTPWire
from .reading import first_problem
from .secrets import Secret, redactor

__all__ = ["HostedAccount"]

_NOTHING: Mapping[str, str] = {}
_LOGINS = re.compile("authorization|cookie|key|token|secret|password")
_SHORTEST_LOGIN = 8

ModelT = TypeVar("ModelT", bound=BaseModel)


class HostedAccount:
    """An account at one origin. Nothing is read or opened before the first request.

    A vendor's account adds how requests are made, and what its failures mean.

    Attributes:
        name: Provider name, as in ``"name:model"``.
        base_url: Origin and path prefix, without a slash at the end.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        credential: Credential,
        *,
        headers: Mapping[str, str] | None = None,
        http_client: object | None = None,
    ) -> None:
        """Set up without I/O and without needing a key.

        Args:
            name: Provider name.
            base_url: A checked address.
            credential: Where the key comes from.
            headers: Further headers of every request.
            http_client: Your own ``httpx2.AsyncClient`` (or ``httpx.AsyncClient``), never closed
                here; or ``"httpx2"`` or ``"aiohttp"``, where None would choose.
        """
        self.name = name
        self.base_url = base_url
        self._credential = credential
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._mask = _masking(self._headers)
        self._http_client = http_client
        self._wire: HTTPWire | None = None
        self._closed = False

    def __repr__(self) -> str:
        """Show name and origin."""
        return f"{type(self).__name__}({self.name!r}, {self.base_url!r})"

    @property
    def borrowed(self) -> bool:
        """Whether requests go through a client of the user's, which may send them anywhere."""
        return not isinstance(self._http_client, str | None)

    def digest(self, *facts: object) -> str | None:
        """A digest of whose answers these are; None where a client of the user's decides.

        The key is no part of it: what a vendor answers depends on the model, not on who pays.
        """
        if self.borrowed:
            return None
        key = self._credential.header
        headers = sorted(pair for pair in self._headers.items() if pair[0] != key)
        whole = (self.base_url, headers, *facts)
        return hashlib.sha256(repr(whole).encode()).hexdigest()

    def identity(self) -> str | None:
        """Whose answers these are, without the key; None where a client of the user's decides."""
        return self.digest()

    def redact(self, text: str) -> str:
        """Mask this account's keys in a text: those known by now, wherever they came from."""
        text = self._credential.redact(text)
        return text if self._mask is None else self._mask(text)

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

    def parsed(self, kind: type[ModelT], answer: Answer, context: Context) -> ModelT:
        """Read a JSON answer.

        Raises:
            InvalidResponseError: It is no JSON, or lacks what a result must have.
        """
        try:
            return kind.model_validate_json(answer.body)
        except ValidationError as error:
            problem = first_problem(error, "the answer")
        # Outside the block, so that the cause is not kept: it quotes the answer.
        raise self.invalid(f"The answer cannot be read: {problem}.", answer, context)

    def decoded(self, text: str, answer: Answer | StreamAnswer, context: Context) -> bytes:
        """Decode base64 inside an answer.

        Raises:
            InvalidResponseError: It is not base64.
        """
        try:
            return decode_base64(text)
        except InvalidResponseError as error:
            raise self.invalid(error.message, answer, context) from error

    def exchange(
        self,
        method: str,
        path: str,
        context: Context,
        *,
        body: bytes | None = None,
        form: Form | None = None,
        headers: Mapping[str, str] = _NOTHING,
        query: Mapping[str, str] = _NOTHING,
        max_bytes: int | None = None,
    ) -> AbstractAsyncContextManager[StreamAnswer]:
        """Send once, whatever the answer will be; leaving the block lets go of it.

        Raises:
            ClientClosedError: The account was closed.
        """
        return self.wire(context).stream(
            method,
            path,
            context,
            body=body,
            form=form,
            headers=headers,
            query=query,
            max_bytes=max_bytes,
        )

    def wire(self, context: Context) -> HTTPWire:
        """The way out, opened at the first request.

        Raises:
            ClientClosedError: The account was closed.
        """
        self.refuse_closed(context)
        if self._wire is None:
            self._wire = HTTPWire(
                self.base_url,
                headers=self._all_headers,
                provider=self.name,
                http_client=self._http_client,
                redact=self.redact,
            )
        return self._wire

    def refuse_closed(self, context: Context) -> None:
        """Raise ``ClientClosedError`` once the account was closed."""
        if self._closed:
            raise ClientClosedError(
                f"the account {self.name!r} was closed; make a new client or backend",
                provider=self.name,
                model=context.model,
            )

    async def aclose(self) -> None:
        """Close what this account opened, for good. May be called twice.

        Calls under way end with ``ClientClosedError``, and so does every later one. There is no
        need to call this between event loops: each has its own connections.
        """
        self._closed = True
        if self._wire is not None:
            await self._wire.aclose()

    async def _all_headers(self) -> Mapping[str, str]:
        return {**await self._credential.headers(), **self._headers}


def _masking(headers: Mapping[str, str]) -> Callable[[str], str] | None:
    """What masks the logins among the user's own headers, told by their names."""
    words = [(name, value.rpartition(" ")[2]) for name, value in headers.items()]
    found = [
        Secret(word, name)
        for name, word in words
        if len(word) >= _SHORTEST_LOGIN and word.isascii() and word.isprintable()
        if _LOGINS.search(name)
    ]
    return redactor(*found) if found else None
