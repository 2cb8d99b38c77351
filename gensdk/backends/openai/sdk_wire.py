"""A wire through the caller's own ``openai`` client, for logins that only that package has.

Workload identity, custom ``httpx`` auth and Azure's token providers all live in the client; its
retries are switched off, its answers are taken as bytes, and it is never closed.

Rule of the room: ``openai`` is imported inside functions, and only once a caller handed us one of
its clients, so it is loaded already.
"""

from __future__ import annotations

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
from gensdk.toolkit import Answer, Form, Secret, StreamAnswer, redactor
from gensdk.toolkit.transport import RawAnswer
from gensdk.toolkit.wire_errors import wire_error

if TYPE_CHECKING:
    import httpx2
    import openai

    from gensdk.spec import Context

__all__ = ["ERRORS", "SDKWire", "redact_key"]

_MAX_ERROR_BYTES = 64 * 2**10
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
        self._provider = provider

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
        max_bytes: int = 32 * 2**20,
    ) -> Answer:
        """Send a request once and read the whole answer."""
        opened = self.stream(
            method, path, context, body=body, form=form, headers=headers, query=query
        )
        async with opened as answer:
            limit = max_bytes if answer.status < 400 else _MAX_ERROR_BYTES
            return Answer(answer.status, answer.headers, await answer.read(limit))

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
            "headers": dict(headers) | sent.pop("headers", {}),
            "params": dict(query),
            "timeout": httpx2.Timeout(context.read_s, connect=context.connect_s),
            "follow_redirects": False,
        }
        try:
            response: httpx2.Response = await call(
                path,
                cast_to=httpx2.Response,
                stream=True,
                stream_cls=openai.AsyncStream[object],
                **sent,
            )
        except openai.APIStatusError as error:
            return error.response
        except openai.OpenAIError as error:
            raise self._mapped(error, context) from error
        return response

    def _answer(
        self, response: httpx2.Response, context: Context, max_bytes: int | None
    ) -> StreamAnswer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        # The client undoes the coding itself.
        headers.pop("content-encoding", None)
        headers.pop("content-length", None)
        facts = {
            "provider": self._provider,
            "model": context.model,
            "status": response.status_code,
            "request_id": headers.get("x-request-id"),
        }
        return StreamAnswer(
            RawAnswer(response.status_code, [], _bytes_of(response), response.aclose),
            headers,
            max_bytes,
            _transport_errors(response),
            lambda error: self._wire_error(error, answered=True, facts=facts),
            facts,
        )

    def _mapped(self, error: openai.OpenAIError, context: Context) -> GenSDKError:
        facts = {"provider": self._provider, "model": context.model}
        cause = error.__cause__
        names = {kind.__name__ for kind in type(error).__mro__}
        if "APIConnectionError" in names and isinstance(cause, Exception):
            return self._wire_error(cause, answered=False, facts=facts)
        make = next(
            ERRORS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in ERRORS
        )
        return make(self._redact(f"the openai client failed: {error}"), **facts)

    def _wire_error(
        self, error: Exception, *, answered: bool, facts: dict[str, Any]
    ) -> GenSDKError:
        host = self._client.base_url.host
        return wire_error(
            error, origin=host, fresh=True, answered=answered, redact=self._redact, facts=facts
        )

    def _redact(self, text: str) -> str:
        return redact_key(self._client, text)


def redact_key(client: openai.AsyncOpenAI, text: str) -> str:
    """Mask a client's key, and bearer tokens, in a text."""
    return redactor(*([Secret(client.api_key)] if client.api_key else []))(text)


def _transport_errors(response: httpx2.Response) -> tuple[type[Exception], ...]:
    """What reading may raise: classes of the answer's own library, ``httpx2`` or ``httpx``."""
    library = import_module(type(response).__module__.partition(".")[0])
    return (library.HTTPError, library.StreamError)


async def _bytes_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    if response.is_closed:
        # A failure: the client has read it already.
        yield response.content
        return
    async for piece in response.aiter_bytes():
        yield piece


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
