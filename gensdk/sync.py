"""``SyncClient``: the same verbs without ``await``.

All work runs on one private event loop in a thread of its own, so it works inside Jupyter and
inside a running loop, and never patches or nests the caller's loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, overload

from gensdk._parameters import (
    EmbedParameters,
    ImageParameters,
    MediaLike,
    ModerationParameters,
    SpeechParameters,
    TextParameters,
    TranscriptionParameters,
)
from gensdk._resolve import ModelLike
from gensdk.client import Client, Prompt
from gensdk.errors import ClientClosedError, ConfigurationError
from gensdk.policy import Hook, Limit, Retry, Timeouts
from gensdk.spec import Backend, Capabilities
from gensdk.stream import Stream
from gensdk.types import (
    AudioChunk,
    EmbedResponse,
    ImageEvent,
    ImageResponse,
    ModerationResponse,
    Request,
    Response,
    SpeechEvent,
    SpeechResponse,
    TextDelta,
    TextEvent,
    TextResponse,
    TranscriptionResponse,
    Unsupported,
)

if TYPE_CHECKING:
    from gensdk.toolkit import MediaPolicy

__all__ = ["SyncClient", "SyncStream"]

T = TypeVar("T")
OutputT = TypeVar("OutputT")
EventT = TypeVar("EventT")
ResponseT = TypeVar("ResponseT", bound=Response)


class _LoopThread:
    """An event loop in a thread, started when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it; Ctrl-C here cancels it there."""
        try:
            future = self._submit(work)
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            if self._closed:
                raise _closed() from None
            raise
        except BaseException:
            future.cancel()
            raise

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Hand work over under the lock, so that none comes behind the last of ``close``."""
        self._not_from_inside()
        with self._lock:
            if self._closed:
                raise _closed()
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="gensdk-sync", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _not_from_inside(self) -> None:
        if threading.current_thread() is self._thread:
            raise ConfigurationError(
                "SyncClient cannot be used from its own hooks or tools; use gensdk.Client there"
            )

    def let_go(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that closes something; a closed client has closed it already."""
        try:
            self.run(work)
        except ClientClosedError:
            return

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Run one last coroutine, then end the loop and the thread."""
        try:
            self._not_from_inside()
        except ConfigurationError:
            last.close()
            raise
        with self._lock:
            self._closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            last.close()
            return
        try:
            asyncio.run_coroutine_threadsafe(last, loop).result()
            asyncio.run_coroutine_threadsafe(_finish(), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def _closed() -> ClientClosedError:
    return ClientClosedError("this client is closed; make a new gensdk.SyncClient()")


async def _finish() -> None:
    """Cancel what is still under way, as ``asyncio.run`` does at its end."""
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()


class SyncStream(Generic[EventT, ResponseT]):
    """A stream of events, to be used with ``with``; see ``gensdk.Stream``."""

    def __init__(self, stream: Stream[EventT, ResponseT], thread: _LoopThread) -> None:
        """Wrap an asynchronous stream."""
        self._stream = stream
        self._thread = thread

    def __enter__(self) -> Self:
        """Send the request and wait for the first output."""
        self._thread.run(self._stream.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the stream."""
        self._thread.let_go(self._stream.__aexit__(kind, error, traceback))
        self._stream.forget()

    def __iter__(self) -> Iterator[EventT]:
        """Iterate over the events."""
        return self

    def __next__(self) -> EventT:
        """The next event."""
        found = self._thread.run(self._next())
        if not found:
            raise StopIteration
        return found[0]

    async def _next(self) -> tuple[EventT, ...]:
        try:
            return (await self._stream.__anext__(),)
        except StopAsyncIteration:
            return ()

    @property
    def text(self) -> Iterator[str]:
        """The text of the first candidate, piece by piece."""
        for event in self:
            if isinstance(event, TextDelta) and event.index == 0 and event.text:
                yield event.text

    @property
    def chunks(self) -> Iterator[bytes]:
        """The bytes of the sound as they come."""
        for event in self:
            if isinstance(event, AudioChunk):
                yield event.data

    def result(self) -> ResponseT:
        """Read to the end and return the whole response."""
        return self._thread.run(self._stream.result())


class SyncClient:
    """The verbs of ``gensdk.Client`` without ``await``. Same arguments, same answers.

    Safe to share between threads. Close it, or use it with ``with``.

    Example:
        >>> with gensdk.SyncClient() as client:
        ...     print(client.text("Once upon a time").text)
    """

    def __init__(
        self,
        *,
        models: Mapping[str, ModelLike] | None = None,
        backends: Mapping[str, Backend] | None = None,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
        limit: Limit | Mapping[str, Limit] | None = None,
        media: MediaPolicy | None = None,
        hooks: Iterable[Hook] = (),
        unsupported: Unsupported = "warn",
    ) -> None:
        """Keep the settings; see ``gensdk.Client``."""
        self._client = Client(
            models=models,
            backends=backends,
            timeouts=timeouts,
            retry=retry,
            limit=limit,
            media=media,
            hooks=hooks,
            unsupported=unsupported,
        )
        self._thread = _LoopThread()

    def __enter__(self) -> Self:
        """Enter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close every connection and end the private thread. May be called twice."""
        self._thread.close(self._client.aclose())

    @overload
    def text(
        self,
        prompt: Prompt,
        *,
        output: type[OutputT],
        max_steps: int = 1,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[OutputT]: ...
    @overload
    def text(
        self,
        prompt: Prompt,
        *,
        output: Mapping[str, Any] | None = None,
        max_steps: int = 1,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[Any]: ...
    def text(
        self,
        prompt: Prompt,
        *,
        output: Any = None,
        max_steps: int = 1,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[Any]:
        """Answer with text; see ``Client.text``."""
        work = self._client.text(prompt, output=output, max_steps=max_steps, **parameters)
        return self._thread.run(work)

    def stream_text(
        self, prompt: Prompt, *, output: Any = None, **parameters: Unpack[TextParameters]
    ) -> SyncStream[TextEvent, TextResponse[Any]]:
        """Stream text; see ``Client.stream_text``."""
        stream = self._client.stream_text(prompt, output=output, **parameters)
        return SyncStream(stream, self._thread)

    def image(self, prompt: str = "", **parameters: Unpack[ImageParameters]) -> ImageResponse:
        """Make or edit pictures; see ``Client.image``."""
        return self._thread.run(self._client.image(prompt, **parameters))

    def stream_image(
        self, prompt: str = "", **parameters: Unpack[ImageParameters]
    ) -> SyncStream[ImageEvent, ImageResponse]:
        """Stream pictures with previews; see ``Client.stream_image``."""
        return SyncStream(self._client.stream_image(prompt, **parameters), self._thread)

    def speech(self, text: str, **parameters: Unpack[SpeechParameters]) -> SpeechResponse:
        """Speak; see ``Client.speech``."""
        return self._thread.run(self._client.speech(text, **parameters))

    def stream_speech(
        self, text: str, **parameters: Unpack[SpeechParameters]
    ) -> SyncStream[SpeechEvent, SpeechResponse]:
        """Stream sound; see ``Client.stream_speech``."""
        return SyncStream(self._client.stream_speech(text, **parameters), self._thread)

    def transcribe(
        self, audio: MediaLike, **parameters: Unpack[TranscriptionParameters]
    ) -> TranscriptionResponse:
        """Write down words; see ``Client.transcribe``."""
        return self._thread.run(self._client.transcribe(audio, **parameters))

    def embed(
        self, inputs: str | Sequence[str], **parameters: Unpack[EmbedParameters]
    ) -> EmbedResponse:
        """Turn texts into vectors; see ``Client.embed``."""
        return self._thread.run(self._client.embed(inputs, **parameters))

    def moderate(
        self, inputs: str | Sequence[str] = (), **parameters: Unpack[ModerationParameters]
    ) -> ModerationResponse:
        """Judge texts and pictures; see ``Client.moderate``."""
        return self._thread.run(self._client.moderate(inputs, **parameters))

    def run(
        self,
        request: Request,
        *,
        model: ModelLike | None = None,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
    ) -> Response:
        """Answer a request object; see ``Client.run``."""
        work = self._client.run(request, model=model, timeouts=timeouts, retry=retry)
        return self._thread.run(work)

    def stream(
        self,
        request: Request,
        *,
        model: ModelLike | None = None,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
    ) -> SyncStream[Any, Any]:
        """Stream the answer to a request object; see ``Client.stream``."""
        stream = self._client.stream(request, model=model, timeouts=timeouts, retry=retry)
        return SyncStream(stream, self._thread)

    def map(
        self, requests: Iterable[Request], *, concurrency: int = 16, return_errors: bool = False
    ) -> Generator[Any, None, None]:
        """Answer many requests; see ``Client.map``."""
        answers = self._client.map(requests, concurrency=concurrency, return_errors=return_errors)
        try:
            while True:
                found = self._thread.run(_next_of(answers))
                if not found:
                    return
                yield found[0]
        finally:
            self._thread.let_go(answers.aclose())

    def capabilities(self, model: str) -> Capabilities:
        """What a model can do; see ``Client.capabilities``."""
        return self._client.capabilities(model)


async def _next_of(answers: Any) -> tuple[Any, ...]:
    try:
        return (await anext(answers),)
    except StopAsyncIteration:
        return ()
