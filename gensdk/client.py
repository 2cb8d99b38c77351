"""The client: one verb for each ability.

A verb builds a frozen request, asks the resolver for the hops, and sends both through the
pipeline. Nothing here knows a vendor.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast, overload

from gensdk import _pipeline
from gensdk._inputs import build_request, read_media
from gensdk._output import with_output
from gensdk._parameters import (
    EmbedParameters,
    ImageParameters,
    MediaLike,
    ModerationParameters,
    SpeechParameters,
    TextParameters,
    TranscriptionParameters,
)
from gensdk._registry import Registry
from gensdk._resolve import ModelLike, Resolver
from gensdk._tools import answer_with_tools, check_steps
from gensdk.errors import (
    ClientClosedError,
    ConfigurationError,
    InvalidRequestError,
    InvalidResponseError,
    UnknownModelError,
)
from gensdk.policy import (
    NOTHING,
    Call,
    Hook,
    Limit,
    OpenStream,
    Retry,
    Timeouts,
    emitter,
    repeat_download,
)
from gensdk.spec import METHODS, STREAM_METHODS, Backend, Capabilities, Context
from gensdk.stream import AudioStream, Stream, TextStream
from gensdk.types import (
    URL,
    EmbedRequest,
    EmbedResponse,
    ImageEvent,
    ImageRequest,
    ImageResponse,
    Media,
    Message,
    ModerationRequest,
    ModerationResponse,
    Part,
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
)

if TYPE_CHECKING:
    from gensdk.toolkit import Downloader, MediaPolicy

__all__ = ["Client"]

OutputT = TypeVar("OutputT")
Prompt = str | Message | Sequence[Message | str | Part | MediaLike]
"""Text, a conversation, or the parts of one message."""


class Client:
    """The way to every model. Constructing it does no I/O and needs no key.

    Args:
        models: Default model of each ability, and aliases of your own. A value is
            ``"provider:model"``, another alias, a bound model, a ``Route``, or a list (= Route).
        backends: Accounts by provider name, where the vendor's environment variables do not do.
            They are yours: the client does not close them.
        timeouts: Seconds for each phase, or a number for the whole call.
        retry: When and how often to try again.
        limit: Concurrency and rate, for every provider or by provider name.
        media: Bounds for downloads of ``URL`` inputs and of pictures answered as addresses.
        hooks: Functions that are told what happens; content is never part of it.
        unsupported: What happens to preferences a model cannot honour: ``warn`` (a typed
            warning on the response), ``error``, or ``drop``.

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
        media: MediaPolicy | None = None,
        hooks: Iterable[Hook] = (),
        unsupported: Unsupported = "warn",
    ) -> None:
        """Keep the settings."""
        if unsupported not in {"warn", "error", "drop"}:
            raise ConfigurationError(f"unsupported={unsupported!r}: 'warn', 'error' or 'drop'")
        self._registry = Registry(backends or {})
        self._resolver = Resolver(models or {}, self._registry)
        self._timeouts = _timeouts(timeouts)
        self._retry = retry or Retry()
        self._unsupported: Unsupported = unsupported
        self._emit = emitter(tuple(hooks))
        self._downloads = _Downloads(media)
        self._step = _pipeline.build(self._invoke, limit=limit)
        self._closing = _Closing()

    async def __aenter__(self) -> Self:
        """Enter; nothing is opened before the first call."""
        self._closing.check()
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
        if self._closing.closed:
            return
        self._closing.closed = True
        try:
            await self._registry.aclose()
        finally:
            await self._downloads.aclose()

    def with_options(
        self,
        *,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
        unsupported: Unsupported | None = None,
        hooks: Iterable[Hook] | None = None,
    ) -> Client:
        """A cheap copy with other settings; connections and models are shared.

        Closing either closes both.
        """
        changes: dict[str, Any] = {}
        if timeouts is not None:
            changes["_timeouts"] = _timeouts(timeouts).over(self._timeouts)
        if retry is not None:
            changes["_retry"] = retry
        if unsupported is not None:
            changes["_unsupported"] = unsupported
        if hooks is not None:
            changes["_emit"] = emitter(tuple(hooks))
        other = copy.copy(self)
        vars(other).update(changes)
        return other

    # ------------------------------------------------------------------------------ text
    @overload
    async def text(
        self,
        prompt: Prompt,
        *,
        output: type[OutputT],
        max_steps: int = 1,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[OutputT]: ...
    @overload
    async def text(
        self,
        prompt: Prompt,
        *,
        output: Mapping[str, Any] | None = None,
        max_steps: int = 1,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[Any]: ...
    async def text(
        self,
        prompt: Prompt,
        *,
        output: Any = None,
        max_steps: int = 1,
        **parameters: Unpack[TextParameters],
    ) -> TextResponse[Any]:
        """Answer a prompt or a conversation with text.

        Args:
            prompt: Text, messages, or the parts of one message (text, ``Media``, ``Path``,
                ``bytes``, ``URL``).
            output: A pydantic model, another type, or a JSON schema the answer must fit; the
                parsed answer is ``response.output``.
            max_steps: Answers of the model, at most, with its tools run in between. With 1 no
                tool is run: the calls are on ``response.tool_calls``.
            **parameters: See ``gensdk.types.TextRequest`` and ``CallParameters``.

        Raises:
            InvalidRequestError: The input is wrong; nothing was sent.
            OutputValidationError: The answer does not fit ``output``; its text is kept.
            GenSDKError: See ``gensdk.errors``.
        """
        request, settings = await self._request(
            TextRequest, {"prompt": prompt, "output": output}, parameters
        )
        check_steps(request, max_steps)

        async def ask(question: TextRequest) -> TextResponse[Any]:
            return await self._answer(question, settings, TextResponse)

        response = await answer_with_tools(ask, request, max_steps)
        return with_output(request, response)

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
        events, ``await stream.result()`` the response of a plain call. Tools are not run.
        """

        async def start() -> OpenStream[Any]:
            values = {"prompt": prompt, "output": output}
            request, settings = await self._request(TextRequest, values, parameters)
            requests.append(request)
            return await self._open(request, settings)

        requests: list[TextRequest] = []
        return TextStream(start, lambda response: with_output(requests[0], response))

    # ----------------------------------------------------------------------------- image
    async def image(self, prompt: str = "", **parameters: Unpack[ImageParameters]) -> ImageResponse:
        """Make pictures of a prompt; with ``images=[…]`` edit them, inside ``mask`` if given.

        See ``gensdk.types.ImageRequest`` for the parameters.
        """
        request, settings = await self._request(ImageRequest, {"prompt": prompt}, parameters)
        return await self._answer(request, settings, ImageResponse)

    def stream_image(
        self, prompt: str = "", **parameters: Unpack[ImageParameters]
    ) -> Stream[ImageEvent, ImageResponse]:
        """Make pictures and show unfinished ones on the way (``ImagePreview`` events)."""

        async def start() -> OpenStream[Any]:
            return await self._open(
                *await self._request(ImageRequest, {"prompt": prompt}, parameters)
            )

        return Stream(start, _same)

    # ---------------------------------------------------------------------------- speech
    async def speech(self, text: str, **parameters: Unpack[SpeechParameters]) -> SpeechResponse:
        """Speak a text of any length. See ``gensdk.types.SpeechRequest``."""
        request, settings = await self._request(SpeechRequest, {"text": text}, parameters)
        return await self._answer(request, settings, SpeechResponse)

    def stream_speech(
        self, text: str, **parameters: Unpack[SpeechParameters]
    ) -> AudioStream[SpeechEvent, SpeechResponse]:
        """Speak a text, sound by sound as it is made (``stream.chunks`` gives bytes)."""

        async def start() -> OpenStream[Any]:
            return await self._open(*await self._request(SpeechRequest, {"text": text}, parameters))

        return AudioStream(start, _same)

    # ------------------------------------------------------- transcription, vectors, verdicts
    async def transcribe(
        self, audio: MediaLike, **parameters: Unpack[TranscriptionParameters]
    ) -> TranscriptionResponse:
        """Write down the words of a sound. See ``gensdk.types.TranscriptionRequest``."""
        request, settings = await self._request(TranscriptionRequest, {"audio": audio}, parameters)
        return await self._answer(request, settings, TranscriptionResponse)

    async def embed(
        self, inputs: str | Sequence[str], **parameters: Unpack[EmbedParameters]
    ) -> EmbedResponse:
        """Turn texts into vectors, any number of them, in order."""
        request, settings = await self._request(EmbedRequest, {"inputs": inputs}, parameters)
        return await self._answer(request, settings, EmbedResponse)

    async def moderate(
        self, inputs: str | Sequence[str] = (), **parameters: Unpack[ModerationParameters]
    ) -> ModerationResponse:
        """Judge whether texts and pictures are harmful."""
        request, settings = await self._request(ModerationRequest, {"inputs": inputs}, parameters)
        return await self._answer(request, settings, ModerationResponse)

    # ------------------------------------------------------------------------ any request
    async def run(
        self,
        request: Request,
        *,
        model: ModelLike | None = None,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
    ) -> Response:
        """Answer a request object, such as one loaded from JSON.

        ``model`` overrides the request's own; a ``Route`` fits here.
        """
        settings = _CallSettings(model, _timeouts(timeouts), retry)
        response = await self._answer(request, settings, Response)
        if isinstance(request, TextRequest) and isinstance(response, TextResponse):
            return with_output(request, response)
        return response

    def stream(
        self,
        request: Request,
        *,
        model: ModelLike | None = None,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
    ) -> Stream[Any, Any]:
        """Stream the answer to a request object."""
        settings = _CallSettings(model, _timeouts(timeouts), retry)

        async def start() -> OpenStream[Any]:
            return await self._open(request, settings)

        if isinstance(request, TextRequest):
            return TextStream(start, lambda response: with_output(request, response))
        return (
            AudioStream(start, _same)
            if isinstance(request, SpeechRequest)
            else Stream(start, _same)
        )

    def map(
        self, requests: Iterable[Request], *, concurrency: int = 16, return_errors: bool = False
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

    def capabilities(self, model: str) -> Capabilities:
        """What a model can do, as far as it is known without asking it."""
        provider, _, name = model.partition(":")
        if not name:
            raise UnknownModelError(f"{model!r}: write 'provider:model'")
        return self._registry.backend(provider).capabilities(name)

    # ---------------------------------------------------------------------------- inside
    async def _request(
        self, kind: type[Any], values: dict[str, Any], parameters: Mapping[str, Any]
    ) -> tuple[Any, _CallSettings]:
        self._closing.check()
        given = {**values, **parameters}
        model = given.pop("model", None)
        timeouts = _timeouts(given.pop("timeouts", None))
        settings = _CallSettings(model, timeouts, given.pop("retry", None))
        if isinstance(model, str):
            given["model"] = model
        return build_request(kind, await read_media(given)), settings

    async def _answer(
        self, request: Request, settings: _CallSettings, kind: type[OutputT]
    ) -> OutputT:
        outcome = await self._step(self._call(request, settings, streaming=False))
        if not isinstance(outcome, kind):
            raise InvalidResponseError(f"the backend answered with {type(outcome).__name__}")
        return outcome

    async def _open(self, request: Request, settings: _CallSettings) -> OpenStream[Any]:
        outcome = await self._step(self._call(request, settings, streaming=True))
        return cast("OpenStream[Any]", outcome)

    def _call(self, request: Request, settings: _CallSettings, *, streaming: bool) -> Call:
        self._closing.check()
        if not isinstance(request, Request):
            raise InvalidRequestError(f"{request!r:.80} is no request; see gensdk.types")
        model: Any = settings.model if settings.model is not None else request.model
        hops, route = self._resolver.resolve(model, request.ability, streaming)
        timeouts = settings.timeouts.over(route.timeouts).over(self._timeouts)
        phases = timeouts.phases(request.ability)
        clock = asyncio.get_running_loop().time
        now = clock()
        return Call(
            ability=request.ability,
            request=request,
            streaming=streaming,
            hops=hops,
            route=route,
            retry=settings.retry or route.retry or self._retry,
            phases=phases,
            clock=clock,
            started=now,
            started_at=datetime.now(UTC),
            deadline=now + phases.total,
            emit=self._emit,
            unsupported=request.unsupported or self._unsupported,
        )

    def _invoke(self, call: Call) -> Any:
        """Call the backend's method: the one place where the pipeline meets a backend."""
        hop = call.here
        context = Context(
            model=hop.model,
            connect_s=min(call.phases.connect, call.left_s),
            read_s=max(call.phases.attempt, call.phases.idle),
            unsupported=call.unsupported,
            idempotency_key=call.idempotency_key,
            fetch=partial(self._downloads.fetch, call.retry),
        )
        names = STREAM_METHODS if call.streaming else METHODS
        return getattr(hop.backend, names[call.ability])(call.request, context)


class _CallSettings:
    """What a single call sets apart from its request."""

    __slots__ = ("model", "retry", "timeouts")

    def __init__(self, model: ModelLike | None, timeouts: Timeouts, retry: Retry | None) -> None:
        self.model = model
        self.timeouts = timeouts
        self.retry = retry


class _Downloads:
    """The guarded downloader, loaded when something has to be fetched."""

    __slots__ = ("_downloader", "_policy")

    def __init__(self, policy: MediaPolicy | None) -> None:
        self._policy = policy
        self._downloader: Downloader | None = None

    async def fetch(self, retry: Retry, url: URL) -> Media:
        """Download under the client's policy, again after a transient failure."""
        if self._downloader is None:
            from gensdk.toolkit import Downloader, MediaPolicy

            self._downloader = Downloader(self._policy or MediaPolicy())
        return await repeat_download(partial(self._downloader.fetch, url), retry)

    async def aclose(self) -> None:
        if self._downloader is not None:
            await self._downloader.aclose()


class _Closing:
    """Whether the client is closed; shared by the copies of ``with_options``."""

    __slots__ = ("closed",)

    def __init__(self) -> None:
        self.closed = False

    def check(self) -> None:
        if self.closed:
            raise ClientClosedError("this client is closed; make a new gensdk.Client()")


def _timeouts(value: Timeouts | float | None) -> Timeouts:
    if value is None:
        return NOTHING
    return value if isinstance(value, Timeouts) else Timeouts(total=value)


def _same(response: Any) -> Any:
    return response
