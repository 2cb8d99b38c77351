"""A wire through the caller's own ``openai`` client, for logins that only that package has.

Workload identity, custom ``httpx`` auth and Azure's token providers all live in the client; its
retries are switched off, its answers are taken where they arrive, before it reads them, and it is
never closed.

Rule of the room: ``openai`` is imported inside functions, and only once a caller handed us one of
its clients, so it is loaded already.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from gensdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    ContentBlockedError,
    GenSDKError,
    InvalidResponseError,
    TimedOutError,
)
from gensdk.toolkit import Answer, Form, KnownSecrets, Secret, StreamAnswer, tell_limits
from gensdk.toolkit.answer import whole
from gensdk.toolkit.content import ACCEPTED
from gensdk.toolkit.exchange import ReceivedHeaders, masked, mind_redirect
from gensdk.toolkit.http import MAX_BYTES
from gensdk.toolkit.log_masks import mask_in_logs
from gensdk.toolkit.transport import RawAnswer
from gensdk.toolkit.wire_errors import linked, wire_error

if TYPE_CHECKING:
    import httpx2
    import openai

    from gensdk.spec import Context

__all__ = ["ERRORS", "SDKWire"]

_KEY_HEADERS = ("authorization", "api-key")
_NOTHING: Mapping[str, str] = {}


def _timed_out(message: str, **facts: Any) -> GenSDKError:
    return TimedOutError(message, phase="idle", billed="maybe", **facts)


def _broken(message: str, **facts: Any) -> GenSDKError:
    return ConnectionFailedError(message, billed="maybe", **facts)


ERRORS: dict[str, Callable[..., GenSDKError]] = {
    "APITimeoutError": _timed_out,
    "APIConnectionError": _broken,
    "APIResponseValidationError": InvalidResponseError,
    "SubjectTokenProviderError": AuthenticationError,
    "LengthFinishReasonError": InvalidResponseError,
    "ContentFilterFinishReasonError": ContentBlockedError,
    "WebSocketConnectionClosedError": _broken,
    "WebSocketQueueFullError": _broken,
    "APIError": InvalidResponseError,
    "OpenAIError": ConfigurationError,
}
"""What the package's exceptions become, by class name; others count as their nearest ancestor.
``APIStatusError`` and its kind are no errors here: their answer is judged like any other."""


class SDKWire:
    """``Wire`` over an ``AsyncOpenAI`` or ``AsyncAzureOpenAI`` client that somebody else owns."""

    def __init__(self, client: openai.AsyncOpenAI, *, provider: str) -> None:
        """Take a copy of the client that shares its connections and does not retry."""
        self._client = client.with_options(max_retries=0)
        _leave_unread(self._client)
        self._provider = provider
        self._used = KnownSecrets()
        mask_in_logs(self, "openai", "openai._base_client")

    def __repr__(self) -> str:
        """Show the provider; the client's own repr is not trusted with its key."""
        return f"SDKWire({self._provider!r})"

    async def send(
        self,
        method: str,
        path: str,
        context: Context,
        *,
        body: bytes | None = None,
        form: Form | None = None,
        headers: Mapping[str, str] = _NOTHING,
        query: Mapping[str, str] = _NOTHING,
        max_bytes: int = MAX_BYTES,
    ) -> Answer:
        """Send a request once and read the whole answer."""
        opened = self.stream(
            method, path, context, body=body, form=form, headers=headers, query=query
        )
        return await whole(opened, max_bytes)

    @asynccontextmanager
    async def stream(
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
    ) -> AsyncIterator[StreamAnswer]:
        """Send a request once; the body is read inside the ``async with`` block."""
        response = await self._open(method, path, context, body, form, headers, query)
        try:
            yield self._answer(response, context, max_bytes)
        finally:
            await response.aclose()

    async def aclose(self) -> None:
        """Nothing here was opened by us."""

    async def _open(
        self,
        method: str,
        path: str,
        context: Context,
        body: bytes | None,
        form: Form | None,
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> httpx2.Response:
        import httpx2
        import openai

        call = getattr(self._client, method.lower())
        sent = _sent(body, form)
        sent["options"] = {
            "headers": {"accept-encoding": ACCEPTED, **headers, **sent.pop("headers", {})},
            "params": dict(query),
            "timeout": httpx2.Timeout(context.read_s, connect=context.connect_s),
            "follow_redirects": False,
        }
        outcome: httpx2.Response | GenSDKError
        try:
            outcome = await call(path, cast_to=httpx2.Response, **sent)
        except _FailedError as failed:
            outcome = failed.response
        except openai.OpenAIError as error:
            self._remember(getattr(error, "request", None))
            outcome = linked(self._mapped(error, context), error, self.redact)
        except _http_errors() as error:
            facts = {"provider": self._provider, "model": context.model}
            outcome = linked(self._wire_error(error, facts), error, self.redact)
        if isinstance(outcome, GenSDKError):
            raise outcome
        self._remember(outcome.request)
        return outcome

    def _answer(
        self, response: httpx2.Response, context: Context, max_bytes: int | None
    ) -> StreamAnswer:
        received = ReceivedHeaders((n.lower(), value) for n, value in response.headers.items())
        headers = masked(received, self.redact)
        tell_limits(context.limits, headers)
        if response.is_closed:  # read, and undone, by the client
            headers.pop("content-encoding", None)
            headers.pop("content-length", None)
        facts = {
            "provider": self._provider,
            "model": context.model,
            "status": response.status_code,
            "request_id": headers.get("x-request-id"),
        }
        mind_redirect(response.status_code, self._client.base_url.host, facts)
        return StreamAnswer(
            RawAnswer(response.status_code, [], _bytes_of(response), response.aclose),
            headers,
            max_bytes,
            _transport_errors(response),
            lambda error: linked(self._wire_error(error, facts), error, self.redact),
            facts,
        )

    def _mapped(self, error: openai.OpenAIError, context: Context) -> GenSDKError:
        facts = {"provider": self._provider, "model": context.model}
        cause = error.__cause__
        names = {kind.__name__ for kind in type(error).__mro__}
        if "APIConnectionError" in names and isinstance(cause, Exception):
            return self._wire_error(cause, facts)
        make = next(
            ERRORS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in ERRORS
        )
        return make(self.redact(f"the openai client failed: {error}"), **facts)

    def _wire_error(self, error: Exception, facts: dict[str, Any]) -> GenSDKError:
        # What the client does with its connections is not ours to know: it may have been seen.
        host = self._client.base_url.host
        return wire_error(error, origin=host, unseen=False, redact=self.redact, facts=facts)

    def redact(self, text: str) -> str:
        """Mask the client's key, the keys and tokens it sent, and bearer tokens in a text."""
        if self._client.api_key:
            self._used.add(Secret(self._client.api_key))
        return self._used.redact(text)

    def _remember(self, request: httpx2.Request | None) -> None:
        """Keep what the client logged in with: it may come from a function only the client has."""
        headers: Mapping[str, str] = {} if request is None else request.headers
        for name in _KEY_HEADERS:
            if value := headers.get(name, "").rpartition(" ")[2]:
                self._used.add(Secret(value, name))


def _transport_errors(response: httpx2.Response) -> tuple[type[Exception], ...]:
    """What reading may raise: classes of the answer's own library, ``httpx2`` or ``httpx``."""
    library = import_module(type(response).__module__.partition(".")[0])
    return (library.HTTPError, library.StreamError)


def _http_errors() -> tuple[type[Exception], ...]:
    """What the HTTP libraries raise: ``httpx2``, and ``httpx`` where it is in use."""
    libraries = [sys.modules[name] for name in ("httpx2", "httpx") if name in sys.modules]
    return tuple(kind for library in libraries for kind in (library.HTTPError, library.StreamError))


async def _bytes_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    if response.is_closed:
        yield response.content
        return
    async for piece in response.aiter_raw():
        yield piece


class _FailedError(Exception):
    """An answer with a failure status, on its way past the client, which would read it whole."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__("the server answered with a failure")
        self.response = response


def _leave_unread(client: openai.AsyncOpenAI) -> None:
    """Have every answer of this client come unread; failures as ``_FailedError``.

    The package reads a failure to its end, however long that is, and undoes any coding on the way.
    """
    send = client._send_request  # noqa: SLF001  # where its logins have been dealt with

    async def send_unread(request: httpx2.Request, *, stream: bool, **how: Any) -> httpx2.Response:
        response = await send(request, stream=True, **how)
        if not response.is_success:
            raise _FailedError(response)
        return response

    client._send_request = send_unread  # type: ignore[method-assign]  # noqa: SLF001  # a copy


def _sent(body: bytes | None, form: Form | None) -> dict[str, Any]:
    """Body and files as the client takes them; nothing where nothing is sent."""
    if form is not None:
        files = [(f.field, (f.filename, f.content, f.media_type)) for f in form.files]
        headers = {"Content-Type": "multipart/form-data"}
        return {"body": _form_fields(form), "files": files, "headers": headers}
    # A dict, not bytes: the Azure client reads the model from it to build the path.
    return {} if body is None else {"body": from_json(body)}


def _form_fields(form: Form) -> dict[str, Any]:
    """Fields as the client wants them: a list stands for a name that ends in ``[]``."""
    fields: dict[str, Any] = {}
    for name, value in form.fields:
        if name.endswith("[]"):
            fields.setdefault(name.removesuffix("[]"), []).append(value)
        else:
            fields[name] = value
    return fields
