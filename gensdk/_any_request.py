"""Any request object, whichever ability it asks for: what the client has beside its verbs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any, Literal, TypeVar, Unpack, cast, overload

from gensdk._calls import Calls
from gensdk._given import CallSettings
from gensdk._output import with_output
from gensdk._parameters import RunParameters, RunStreamParameters
from gensdk.errors import GenSDKError
from gensdk.policy import OpenStream
from gensdk.stream import AudioStream, Stream, TextStream
from gensdk.types import (
    Request,
    RequestFor,
    Response,
    SpeechRequest,
    TextRequest,
    TextResponse,
)

__all__ = ["AnyRequest"]

ResponseT = TypeVar("ResponseT", bound=Response)


class AnyRequest:
    """Answers request objects. A part of ``gensdk.Client``."""

    _calls: Calls

    async def run(
        self, request: RequestFor[ResponseT], **settings: Unpack[RunParameters]
    ) -> ResponseT:
        """Answer a request object; ``model`` overrides its own, and a ``Route`` fits here."""
        asked: Any = request
        response: Any = await self._calls.answer(asked, CallSettings.of(**settings), Response)
        if isinstance(asked, TextRequest) and isinstance(response, TextResponse):
            response = with_output(asked, response, self._calls.is_free)
        return cast("ResponseT", response)

    def stream(self, request: Request, **settings: Unpack[RunStreamParameters]) -> Stream[Any, Any]:
        """Stream the answer to a request object."""
        given = CallSettings.of(**settings)

        async def start() -> OpenStream[Any]:
            return await self._calls.open(request, given)

        if isinstance(request, TextRequest):
            return TextStream(
                start,
                lambda response: with_output(request, response, self._calls.is_free),
                lambda: request.output,
            )
        kind = AudioStream if isinstance(request, SpeechRequest) else Stream
        return kind(start)

    @overload
    def map(
        self,
        requests: Iterable[RequestFor[ResponseT]],
        *,
        concurrency: int = 16,
        return_errors: Literal[False] = False,
    ) -> AsyncGenerator[ResponseT, None]: ...
    @overload
    def map(
        self,
        requests: Iterable[RequestFor[ResponseT]],
        *,
        concurrency: int = 16,
        return_errors: bool,
    ) -> AsyncGenerator[ResponseT | GenSDKError, None]: ...
    def map(
        self, requests: Iterable[Any], *, concurrency: int = 16, return_errors: bool = False
    ) -> AsyncGenerator[Any, None]:
        """Answer many requests, a bounded number at a time; yields answers in order.

        At most ``2 * concurrency`` requests are taken from ``requests`` ahead of the answer that
        is yielded next, so an endless iterable is fine.

        Args:
            requests: Request objects.
            concurrency: Requests under way at once.
            return_errors: Yield a failed request's error in its place instead of raising it.

        Leaving the loop early cancels what is under way, at once inside
        ``async with contextlib.aclosing(client.map(...)) as answers``.
        """
        from gensdk._map import in_order

        return in_order(self.run, requests, concurrency, return_errors)
