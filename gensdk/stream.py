"""What the ``stream_…`` verbs return: async context managers over typed events."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from gensdk.errors import ConfigurationError, StreamInterruptedError
from gensdk.policy import OpenStream
from gensdk.types import (
    AudioChunk,
    Finished,
    OutputSchema,
    Response,
    Restarted,
    TextDelta,
    TextResponse,
)

if TYPE_CHECKING:
    from gensdk._partial import GrowingOutput

__all__ = ["AudioStream", "Reader", "Stream", "TextStream"]

EventT = TypeVar("EventT")
ResponseT = TypeVar("ResponseT", bound=Response)
OutputT = TypeVar("OutputT")


class Reader:
    """What the events of a stream add, for one who reads pieces and sees no events.

    Raises:
        StreamInterruptedError: Another model begins anew, and pieces were handed out already.
            They are to be discarded; reading may go on, with the new answer.
    """

    __slots__ = ("_given",)

    def __init__(self) -> None:
        """Nothing was handed out yet."""
        self._given = False

    def text(self, event: object) -> str:
        """More text of the first candidate; empty where there is none."""
        self._begun_anew(event)
        if not isinstance(event, TextDelta) or event.index:
            return ""
        self._given = self._given or event.text != ""
        return event.text

    def sound(self, event: object) -> bytes | None:
        """More bytes of the sound."""
        self._begun_anew(event)
        if not isinstance(event, AudioChunk):
            return None
        self._given = True
        return event.data

    def _begun_anew(self, event: object) -> None:
        if not isinstance(event, Restarted) or not self._given:
            return
        self._given = False
        raise StreamInterruptedError(
            f"the stream broke off ({event.reason}) and {event.provider}:{event.model} begins "
            "anew: discard what came before, and iterate again for the new answer",
            provider=event.provider,
            model=event.model,
            code="restarted",
        )


class Stream(Generic[EventT, ResponseT]):
    """A stream of events, to be used with ``async with``.

    Leaving the block closes the connection, or stops the device, wherever the stream stands.
    Errors raise from iteration and from ``result()``; what had arrived is on ``error.partial``.

    Example:
        >>> async with client.stream_text("Tell me a story") as stream:
        ...     async for event in stream:
        ...         print(event)
        ...     reply = await stream.result()
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[OpenStream[Any]]],
        complete: Callable[[Any], ResponseT] | None = None,
    ) -> None:
        """Take what opens the stream and what completes its response; nothing is sent yet."""
        self._start = start
        self._complete = complete or _as_it_is
        self._open: OpenStream[Any] | None = None
        self._response: ResponseT | None = None
        self._error: Exception | None = None
        self._closed = False
        self._reader = Reader()
        self._growing: GrowingOutput | None = None

    async def __aenter__(self) -> Self:
        """Send the request and wait for the first output, over retries and fallbacks."""
        if self._open is not None or self._closed:
            raise ConfigurationError("a stream is used once; call the verb again for another")
        self._open = await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the stream."""
        self._closed = True
        if self._open is not None:
            await self._open.close()

    def forget(self) -> None:
        """Take the stream for closed: the event loop it ran on has ended, and ended it."""
        self._closed = True

    def __aiter__(self) -> AsyncIterator[EventT]:
        """Iterate over the events; a second loop goes on where the first stopped."""
        return self

    async def __anext__(self) -> EventT:
        """The next event."""
        if self._error is not None:
            raise self._error
        if self._open is None:
            raise ConfigurationError(
                "a stream is opened by 'async with' (of a SyncClient by 'with'): use it inside the "
                "block"
            )
        if self._response is not None:
            raise StopAsyncIteration
        self._open.claim()
        try:
            event = await anext(self._open)
            if isinstance(event, Finished):
                self._response = self._complete(event.response)
                event = event.model_copy(update={"response": self._response})
        except StopAsyncIteration:
            self._error = self._open.left_early()
            raise self._error from None
        except Exception as error:
            self._error = error
            raise
        if self._growing is not None:
            self._growing.take(event)
        return event  # type: ignore[no-any-return]  # the open stream is untyped inside

    async def result(self) -> ResponseT:
        """Read to the end and return the whole response, the same a plain call returns.

        Raises:
            GenSDKError: What iteration raised, or would raise; ``StreamInterruptedError`` where
                the stream was closed before its end.
        """
        while self._response is None:
            await anext(self)
        return self._response

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        """Say so when a stream was opened and never closed."""
        if self._open is not None and not self._closed:
            _warn(f"{type(self).__name__} was not closed; use 'async with'", ResourceWarning, 2)


class TextStream(Stream[EventT, ResponseT]):
    """A stream of text; ``stream.text`` yields strings, ``stream.partials`` growing objects."""

    def __init__(
        self,
        start: Callable[[], Awaitable[OpenStream[Any]]],
        complete: Callable[[Any], ResponseT],
        output: Callable[[], OutputSchema | None],
    ) -> None:
        """Take also what tells the schema of the answer, once the stream is open."""
        super().__init__(start, complete)
        self._output = output

    @property
    def text(self) -> AsyncIterator[str]:
        """The text of the first candidate, piece by piece."""
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[str]:
        async for event in self:
            if text := self._reader.text(event):
                yield text

    @property
    def partials(self: TextStream[EventT, TextResponse[OutputT]]) -> AsyncIterator[OutputT]:
        """The answer to ``output=`` as it grows: objects of its type, the last one validated.

        A field that has not come is None whatever its type, and not in ``model_fields_set``; of a
        typed dict it is not there. What has come fits the type of its field. Only plain strings,
        lists, dicts and objects are shown before they are complete, and validators of a whole
        model have not run: they have for the last object, which is ``result()``'s ``output``. An
        answer that calls tools or declines has no last object.

        When another model begins anew (``interrupted="restart"``), so do the objects.

        Raises:
            ConfigurationError: The stream was asked for no ``output=``.
            OutputValidationError: The whole answer does not fit.
        """
        return self._growing_objects()

    async def _growing_objects(self) -> AsyncIterator[Any]:
        from gensdk._partial import MISSING, GrowingOutput

        if self._growing is None and self._open is not None:
            output = self._output()
            if output is None:
                raise ConfigurationError(
                    "stream.partials are of the type asked for: stream_text(…, output=Model)"
                )
            self._growing = GrowingOutput(output)
            for event in self._open.seen:
                self._growing.take(event)
        async for event in self:
            found = MISSING if self._growing is None else self._growing.look()
            if isinstance(event, Finished):
                found = MISSING if event.response.output is None else event.response.output
            if found is not MISSING:
                yield found


class AudioStream(Stream[EventT, ResponseT]):
    """A stream of sound; ``stream.chunks`` yields bytes."""

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the sound as they come."""
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        async for event in self:
            if (data := self._reader.sound(event)) is not None:
                yield data


def _as_it_is(response: Any) -> Any:
    return response
