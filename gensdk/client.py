"""The client: one verb for each ability.

A verb builds a frozen request, asks the resolver for the hops, and sends both through the
pipeline. Nothing here knows a vendor.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from gensdk._any_request import AnyRequest
from gensdk._calls import Calls
from gensdk._given import CallSettings
from gensdk._inspection import Inspection
from gensdk._jobs import Job
from gensdk._output import with_output
from gensdk._parameters import (
    ClientOptions,
    EmbedParameters,
    ImageParameters,
    MediaLike,
    ModerationParameters,
    MusicParameters,
    Prompt,
    SpeechParameters,
    TextParameters,
    TranscriptionParameters,
    VideoParameters,
)
from gensdk._reask import converse
from gensdk._resolve import ModelLike
from gensdk._tools import check_steps
from gensdk.policy import (
    Breaker,
    Budget,
    Cache,
    Hook,
    Lifecycle,
    Limit,
    OpenStream,
    Retry,
    Timeouts,
)
from gensdk.spec import Backend
from gensdk.stream import AudioStream, Stream, TextStream
from gensdk.types import (
    EmbedRequest,
    EmbedResponse,
    ImageEvent,
    ImageRequest,
    ImageResponse,
    Interrupted,
    JobHandle,
    ModerationRequest,
    ModerationResponse,
    MusicRequest,
    MusicResponse,
    OnRetired,
    Request,
    Response,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
    TextEvent,
    TextRequest,
    TextResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Unsupported,
    VideoRequest,
    VideoResponse,
)

if TYPE_CHECKING:
    from gensdk.backends.local import LocalModels
    from gensdk.toolkit import MediaPolicy

__all__ = ["Client"]

OutputT = TypeVar("OutputT")
ResponseT = TypeVar("ResponseT", bound=Response)


class Client(AnyRequest, Inspection):
    """The way to every model. Constructing it does no I/O and needs no key.

    Args:
        models: Default model of each ability, and aliases of your own. A value is
            ``"provider:model"``, another alias, a bound model, a ``Route``, or a list (= Route).
        backends: Accounts by provider name, where the vendor's environment variables do not do.
            They are yours: the client does not close them.
        timeouts: Seconds for each phase, or a number for the whole call.
        retry: When and how often to try again.
        limit: Concurrency and rate, for every provider or by provider name.
        cache: Keeps answers for equal requests; None keeps nothing.
        breaker: When to leave a model alone that is down; None never does.
        budget: How much money may be spent; None does not look.
        media: Bounds for downloads of ``URL`` inputs and of pictures answered as addresses.
        hooks: Functions that are told what happens; content is never part of it.
        unsupported: Of preferences a model cannot honour: ``warn``, ``error`` or ``drop``.
        interrupted: Of a stream that broke: ``raise``; next hop ``restart``s or ``continue``s it.
        on_retired: Of a model that was shut down: ``raise``, or ask its ``successor``, and warn.
        lifecycle: When to tell of models that soon will be, and which lists to believe.

    Example:
        >>> async with gensdk.Client() as client:
        ...     reply = await client.text("Once upon a time")
        ...     print(reply.text)
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
        """Keep the settings. Raises ``ConfigurationError`` for one of another kind."""
        self._calls = Calls(
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

    async def __aenter__(self) -> Self:
        """Enter; nothing is opened before the first call."""
        self._calls.check()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection and stop every local model this client started."""
        await self._calls.aclose()

    def with_options(self, **options: Unpack[ClientOptions]) -> Client:
        """A cheap copy with other settings; connections and models are shared.

        A ``budget`` holds beside those of the client; anything else takes the place of what the
        client has. Closing either closes both.
        """
        other = copy.copy(self)
        if wrong := sorted(options.keys() - ClientOptions.__annotations__.keys()):
            raise TypeError(f"Client.with_options() has no {', '.join(map(repr, wrong))}")
        vars(other).update(_calls=self._calls.changed(**options))
        return other

    # ------------------------------------------------------------------------------ text
    @overload
    async def text(
        self,
        prompt: Prompt,
        *,
        output: type[OutputT],
        max_steps: int = 1,
        reask: int = 0,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[OutputT]: ...
    @overload
    async def text(
        self,
        prompt: Prompt,
        *,
        output: Mapping[str, Any] | None = None,
        max_steps: int = 1,
        reask: int = 0,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[Any]: ...
    async def text(
        self,
        prompt: Prompt,
        *,
        output: Any = None,
        max_steps: int = 1,
        reask: int = 0,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[Any]:
        """Answer a prompt or a conversation with text.

        Args:
            prompt: Text, messages, or the parts of one message (text, ``Media``, ``Path``,
                ``bytes``, ``URL``).
            output: A pydantic model, another type, or a JSON schema the answer must fit; the
                parsed answer is ``response.output``.
            max_steps: Answers of the model, at most, with its tools run in between. With 1 no
                tool is run: the calls are on ``response.tool_calls``. The ``total`` of the
                timeouts covers all steps and tools; a plain function's thread runs on.
            reask: How often, at most, a model whose answer does not fit ``output`` is told so and
                asked again, as an attempt more, within the one call's deadline and budgets.
            **parameters: ``model``, ``temperature``, ``max_tokens`` and the other fields of
                ``gensdk.types.TextRequest``; ``timeouts``, ``retry``, ``cache``, ``breaker`` and
                ``budget`` of this call (see ``docs/reliability.md``).

        Raises:
            InvalidRequestError: The input is wrong; nothing was sent.
            OutputValidationError: The answer does not fit ``output``; its text is kept.
            GenSDKError: See ``gensdk.errors``.
        """
        request, settings = await self._calls.request(
            TextRequest, {"prompt": prompt, "output": output}, parameters
        )
        check_steps(request, max_steps)
        if max_steps == 1 and reask == 0:
            response = await self._calls.answer(request, settings, TextResponse)
            return with_output(request, response, self._calls.is_free)
        return await converse(self._calls, request, settings, max_steps, reask)

    @overload
    def stream_text(
        self, prompt: Prompt, *, output: type[OutputT], **parameters: Unpack[TextParameters]
    ) -> TextStream[TextEvent, TextResponse[OutputT]]: ...
    @overload
    def stream_text(
        self,
        prompt: Prompt,
        *,
        output: Mapping[str, Any] | None = None,
        **parameters: Unpack[TextParameters],
    ) -> TextStream[TextEvent, TextResponse[Any]]: ...
    def stream_text(
        self, prompt: Prompt, *, output: Any = None, **parameters: Unpack[TextParameters]
    ) -> TextStream[TextEvent, TextResponse[Any]]:
        """Answer with text as it is made; use it with ``async with``.

        ``async for piece in stream.text`` gives strings, ``async for event in stream`` typed
        events, ``async for recipe in stream.partials`` the growing ``output``, and
        ``await stream.result()`` the response of a plain call. Tools are not run.
        """

        async def start() -> OpenStream[Any]:
            values = {"prompt": prompt, "output": output}
            request, settings = await self._calls.request(TextRequest, values, parameters)
            requests.append(request)
            return await self._calls.open(request, settings)

        requests: list[TextRequest] = []
        return TextStream(
            start,
            lambda response: with_output(requests[0], response, self._calls.is_free),
            lambda: requests[0].output,
        )

    # ----------------------------------------------------------------------------- image
    async def image(self, prompt: str = "", **parameters: Unpack[ImageParameters]) -> ImageResponse:
        """Make pictures of a prompt; with ``images=[…]`` edit them, inside ``mask`` if given.

        See ``gensdk.types.ImageRequest`` for the parameters.
        """
        request, settings = await self._calls.request(ImageRequest, {"prompt": prompt}, parameters)
        return await self._calls.answer(request, settings, ImageResponse)

    def stream_image(
        self, prompt: str = "", **parameters: Unpack[ImageParameters]
    ) -> Stream[ImageEvent, ImageResponse]:
        """Make pictures and show unfinished ones on the way (``ImagePreview`` events)."""
        return Stream(self._calls.opening(ImageRequest, {"prompt": prompt}, parameters))

    # ---------------------------------------------------------------------------- speech
    async def speech(self, text: str, **parameters: Unpack[SpeechParameters]) -> SpeechResponse:
        """Speak a text of any length. See ``gensdk.types.SpeechRequest``."""
        request, settings = await self._calls.request(SpeechRequest, {"text": text}, parameters)
        return await self._calls.answer(request, settings, SpeechResponse)

    def stream_speech(
        self, text: str, **parameters: Unpack[SpeechParameters]
    ) -> AudioStream[SpeechEvent, SpeechResponse]:
        """Speak a text, sound by sound as it is made (``stream.chunks`` gives bytes)."""
        return AudioStream(self._calls.opening(SpeechRequest, {"text": text}, parameters))

    # -------------------------------------------------------------------- music, video, jobs
    async def music(self, prompt: str = "", **parameters: Unpack[MusicParameters]) -> MusicResponse:
        """Make music, or a sound. See ``gensdk.types.MusicRequest``.

        Where the provider makes it as a job, this starts the job and waits, as ``video`` does.
        """
        request, settings = await self._calls.request(MusicRequest, {"prompt": prompt}, parameters)
        return await self._calls.answer(request, settings, MusicResponse)

    async def start_music(
        self, prompt: str = "", **parameters: Unpack[MusicParameters]
    ) -> Job[MusicResponse]:
        """Start a job that makes music; returns as soon as the provider has taken it on."""
        request, settings = await self._calls.request(MusicRequest, {"prompt": prompt}, parameters)
        return await self._calls.start(request, settings, MusicResponse)

    async def video(self, prompt: str = "", **parameters: Unpack[VideoParameters]) -> VideoResponse:
        """Make a video, and wait for it. See ``gensdk.types.VideoRequest``.

        A job that was started for this call is cancelled with it, and when its time is over.

        Raises:
            OutcomeUnknownError: Whether the job was started is not known; it is not started again.
            JobFailedError: It failed, or made nothing.
            TimedOutError: It took longer than the ``total`` of the timeouts. ``error.job_handle``
                takes it up where it could not be cancelled.
            GenSDKError: See ``gensdk.errors``.
        """
        request, settings = await self._calls.request(VideoRequest, {"prompt": prompt}, parameters)
        return await self._calls.answer(request, settings, VideoResponse)

    async def start_video(
        self, prompt: str = "", **parameters: Unpack[VideoParameters]
    ) -> Job[VideoResponse]:
        """Start a job that makes a video; returns as soon as the provider has taken it on.

        It goes on whoever waits for it; only ``job.cancel()`` ends it.
        """
        request, settings = await self._calls.request(VideoRequest, {"prompt": prompt}, parameters)
        return await self._calls.start(request, settings, VideoResponse)

    def job(
        self,
        handle: JobHandle | str,
        *,
        request: Request | None = None,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
        budget: Budget | None = None,
    ) -> Job[Any]:
        """Take up a job that was started before, also by another process. Asks nobody yet.

        Args:
            handle: ``job.handle``, its JSON (``job.to_json()``), or ``error.job_handle``.
            request: The request it was started with, where it is at hand.
            timeouts: As for every verb.
            retry: As for every verb.
            budget: The one that it was started with, where that is not the client's: what was
                reserved there is settled.

        Raises:
            InvalidRequestError: This is no handle, or it belongs to another request.
            UnknownBackendError: No account of that name; register the one that started the job.
        """
        settings = CallSettings.of(timeouts=timeouts, retry=retry, budget=budget)
        return self._calls.job(handle, request, settings)

    # ------------------------------------------------------- transcription, vectors, verdicts
    async def transcribe(
        self, audio: MediaLike, **parameters: Unpack[TranscriptionParameters]
    ) -> TranscriptionResponse:
        """Write down the words of a sound. See ``gensdk.types.TranscriptionRequest``."""
        request, settings = await self._calls.request(
            TranscriptionRequest, {"audio": audio}, parameters
        )
        return await self._calls.answer(request, settings, TranscriptionResponse)

    async def embed(
        self, inputs: str | Sequence[str], **parameters: Unpack[EmbedParameters]
    ) -> EmbedResponse:
        """Turn texts into vectors, any number of them, in order."""
        request, settings = await self._calls.request(EmbedRequest, {"inputs": inputs}, parameters)
        return await self._calls.answer(request, settings, EmbedResponse)

    async def moderate(
        self, inputs: str | Sequence[str] = (), **parameters: Unpack[ModerationParameters]
    ) -> ModerationResponse:
        """Judge whether texts and pictures are harmful."""
        request, settings = await self._calls.request(
            ModerationRequest, {"inputs": inputs}, parameters
        )
        return await self._calls.answer(request, settings, ModerationResponse)

    @property
    def local(self) -> LocalModels:
        """The models on this machine: prepare, pin, unload and estimate them."""
        return self._calls.local()
