"""``SyncClient``: the same verbs without ``await``.

All work runs on one private event loop in a thread of its own, so it works inside Jupyter and
inside a running loop, and never patches or nests the caller's loop.
"""

from __future__ import annotations

import copy
import os
from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, Unpack, overload

from gensdk._jobs import Job
from gensdk._loop import LoopThread
from gensdk._map import in_order_outside
from gensdk._parameters import (
    ClientOptions,
    EmbedParameters,
    ImageParameters,
    MediaLike,
    ModerationParameters,
    MusicParameters,
    Prompt,
    RunParameters,
    RunStreamParameters,
    SpeechParameters,
    TextParameters,
    TranscriptionParameters,
    VideoParameters,
)
from gensdk._resolve import ModelLike
from gensdk._sync_inspection import SyncInspection
from gensdk._sync_jobs import SyncJob
from gensdk._sync_local import SyncLocalModels
from gensdk.client import Client
from gensdk.errors import ConfigurationError, GenSDKError
from gensdk.policy import Breaker, Budget, Cache, Hook, Lifecycle, Limit, Retry, Timeouts
from gensdk.spec import Backend
from gensdk.stream import Reader, Stream, TextStream
from gensdk.types import (
    EmbedResponse,
    ImageEvent,
    ImageResponse,
    Interrupted,
    JobHandle,
    ModerationResponse,
    MusicResponse,
    OnRetired,
    Request,
    RequestFor,
    Response,
    SpeechEvent,
    SpeechResponse,
    TextEvent,
    TextResponse,
    TranscriptionResponse,
    Unsupported,
    VideoResponse,
)

if TYPE_CHECKING:
    from gensdk.toolkit import MediaPolicy

__all__ = ["SyncClient", "SyncStream"]

OutputT = TypeVar("OutputT")
EventT = TypeVar("EventT")
ResponseT = TypeVar("ResponseT", bound=Response)


class SyncStream(Generic[EventT, ResponseT]):
    """A stream of events, to be used with ``with``; see ``gensdk.Stream``."""

    def __init__(self, stream: Stream[EventT, ResponseT], thread: LoopThread) -> None:
        """Wrap an asynchronous stream."""
        self._stream = stream
        self._thread = thread
        self._process = os.getpid()
        self._reader = Reader()

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
        if self._process == os.getpid():
            self._thread.let_go(self._stream.__aexit__(kind, error, traceback))
        self._stream.forget()

    def __iter__(self) -> Iterator[EventT]:
        """Iterate over the events."""
        return self

    def __next__(self) -> EventT:
        """The next event."""
        self._same_process()
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
            if text := self._reader.text(event):
                yield text

    @property
    def chunks(self) -> Iterator[bytes]:
        """The bytes of the sound as they come."""
        for event in self:
            if (data := self._reader.sound(event)) is not None:
                yield data

    @property
    def partials(self: SyncStream[EventT, TextResponse[OutputT]]) -> Iterator[OutputT]:
        """The answer to ``output=`` as it grows; see ``TextStream.partials``."""
        if not isinstance(self._stream, TextStream):
            raise ConfigurationError("partials are of streams of text, with output=Model")
        objects: AsyncIterator[OutputT] = self._stream.partials
        while True:
            self._same_process()
            found = self._thread.run(_next_of(objects))
            if not found:
                return
            yield found[0]

    def result(self) -> ResponseT:
        """Read to the end and return the whole response."""
        self._same_process()
        return self._thread.run(self._stream.result())

    def _same_process(self) -> None:
        if self._process != os.getpid():
            raise ConfigurationError("a stream stays in the process that opened it (os.fork)")


async def _next_of(objects: AsyncIterator[OutputT]) -> tuple[OutputT, ...]:
    try:
        return (await anext(objects),)
    except StopAsyncIteration:
        return ()


class SyncClient(SyncInspection):
    """The verbs of ``gensdk.Client`` without ``await``. Same arguments, same answers.

    Safe to share between threads, and to use on both sides of ``os.fork``. Close it, or use it
    with ``with``.

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
        cache: Cache | None = None,
        breaker: Breaker | None = None,
        budget: Budget | None = None,
        media: MediaPolicy | None = None,
        hooks: Iterable[Hook] = (),
        unsupported: Unsupported = "warn",
        interrupted: Interrupted = "raise",
        on_retired: OnRetired = "raise",
        lifecycle: Lifecycle | None = None,
    ) -> None:
        """Keep the settings; see ``gensdk.Client``."""
        self._client: Client = Client(
            models=models,
            backends=backends,
            timeouts=timeouts,
            retry=retry,
            limit=limit,
            cache=cache,
            breaker=breaker,
            budget=budget,
            media=media,
            hooks=hooks,
            unsupported=unsupported,
            interrupted=interrupted,
            on_retired=on_retired,
            lifecycle=lifecycle,
        )
        self._thread = LoopThread(self._client.aclose)

    def __enter__(self) -> Self:
        """Enter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close every connection and end the private thread. May be called twice."""
        self._thread.close()

    def with_options(self, **options: Unpack[ClientOptions]) -> SyncClient:
        """A cheap copy with other settings; see ``Client.with_options``."""
        other = copy.copy(self)
        vars(other).update(_client=self._client.with_options(**options))
        return other

    @overload
    def text(
        self,
        prompt: Prompt,
        *,
        output: type[OutputT],
        max_steps: int = 1,
        reask: int = 0,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[OutputT]: ...
    @overload
    def text(
        self,
        prompt: Prompt,
        *,
        output: Mapping[str, Any] | None = None,
        max_steps: int = 1,
        reask: int = 0,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[Any]: ...
    def text(
        self,
        prompt: Prompt,
        *,
        output: Any = None,
        max_steps: int = 1,
        reask: int = 0,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[Any]:
        """Answer with text; see ``Client.text``."""
        work = self._client.text(
            prompt, output=output, max_steps=max_steps, reask=reask, **parameters
        )
        return self._thread.run(work)

    @overload
    def stream_text(
        self, prompt: Prompt, *, output: type[OutputT], **parameters: Unpack[TextParameters]
    ) -> SyncStream[TextEvent, TextResponse[OutputT]]: ...
    @overload
    def stream_text(
        self,
        prompt: Prompt,
        *,
        output: Mapping[str, Any] | None = None,
        **parameters: Unpack[TextParameters],
    ) -> SyncStream[TextEvent, TextResponse[Any]]: ...
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

    def music(self, prompt: str = "", **parameters: Unpack[MusicParameters]) -> MusicResponse:
        """Make music; see ``Client.music``."""
        return self._thread.run(self._client.music(prompt, **parameters))

    def start_music(
        self, prompt: str = "", **parameters: Unpack[MusicParameters]
    ) -> SyncJob[MusicResponse]:
        """Start a job that makes music; see ``Client.start_music``."""
        work = self._client.start_music(prompt, **parameters)
        return SyncJob(self._thread.run(work), self._thread)

    def video(self, prompt: str = "", **parameters: Unpack[VideoParameters]) -> VideoResponse:
        """Make a video, and wait for it; see ``Client.video``. Ctrl-C cancels the job."""
        return self._thread.run(self._client.video(prompt, **parameters))

    def start_video(
        self, prompt: str = "", **parameters: Unpack[VideoParameters]
    ) -> SyncJob[VideoResponse]:
        """Start a job that makes a video; see ``Client.start_video``."""
        work = self._client.start_video(prompt, **parameters)
        return SyncJob(self._thread.run(work), self._thread)

    def job(
        self,
        handle: JobHandle | str,
        *,
        request: Request | None = None,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
        budget: Budget | None = None,
    ) -> SyncJob[Any]:
        """Take up a job that was started before; see ``Client.job``."""

        async def take_up() -> Job[Any]:
            return self._client.job(
                handle, request=request, timeouts=timeouts, retry=retry, budget=budget
            )

        return SyncJob(self._thread.run(take_up()), self._thread)

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

    def run(self, request: RequestFor[ResponseT], **settings: Unpack[RunParameters]) -> ResponseT:
        """Answer a request object; see ``Client.run``."""
        return self._thread.run(self._client.run(request, **settings))

    def stream(
        self, request: Request, **settings: Unpack[RunStreamParameters]
    ) -> SyncStream[Any, Any]:
        """Stream the answer to a request object; see ``Client.stream``."""
        return SyncStream(self._client.stream(request, **settings), self._thread)

    @overload
    def map(
        self,
        requests: Iterable[RequestFor[ResponseT]],
        *,
        concurrency: int = 16,
        return_errors: Literal[False] = False,
    ) -> Generator[ResponseT, None, None]: ...

    @overload
    def map(
        self,
        requests: Iterable[RequestFor[ResponseT]],
        *,
        concurrency: int = 16,
        return_errors: bool,
    ) -> Generator[ResponseT | GenSDKError, None, None]: ...

    def map(
        self, requests: Iterable[Any], *, concurrency: int = 16, return_errors: bool = False
    ) -> Generator[Any, None, None]:
        """Answer many requests; see ``Client.map``. ``requests`` is read in this thread."""
        return in_order_outside(
            self._thread, self._client.run, requests, concurrency, return_errors
        )

    @property
    def local(self) -> SyncLocalModels:
        """The models on this machine: prepare, pin, unload and estimate them."""
        return SyncLocalModels(self._client.local, self._thread)
