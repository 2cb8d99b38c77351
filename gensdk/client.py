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
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast, overload

from gensdk import _pipeline
from gensdk._downloads import Downloads
from gensdk._given import (
    CallSettings,
    hooks_of,
    media_of,
    retry_of,
    timeouts_of,
    unsupported_of,
)
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
from gensdk._resolve import DefaultModel, ModelLike, Resolved, Resolver
from gensdk._tools import answer_with_tools, check_steps
from gensdk.errors import (
    ClientClosedError,
    InvalidRequestError,
    InvalidResponseError,
    UnknownModelError,
)
from gensdk.policy import Call, Hook, Hop, Limit, OpenStream, Phases, Retry, Timeouts, emitter
from gensdk.spec import METHODS, STREAM_METHODS, Backend, Capabilities, Context
from gensdk.stream import AudioStream, Stream, TextStream
from gensdk.types import (
    Ability,
    EmbedRequest,
    EmbedResponse,
    ImageEvent,
    ImageRequest,
    ImageResponse,
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
    from gensdk.toolkit import MediaPolicy

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
        """Keep the settings. Raises ``ConfigurationError`` for one of another kind."""
        self._unsupported = unsupported_of(unsupported)
        self._registry = Registry(backends)
        self._resolver = Resolver(models, self._registry)
        self._timeouts = timeouts_of(timeouts)
        self._retry = _first(retry_of(retry), Retry())
        self._emit = emitter(hooks_of(hooks))
        self._downloads = Downloads(media_of(media))
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
            changes["_timeouts"] = timeouts_of(timeouts).over(self._timeouts)
        if retry is not None:
            changes["_retry"] = retry_of(retry)
        if unsupported is not None:
            changes["_unsupported"] = unsupported_of(unsupported)
        if hooks is not None:
            changes["_emit"] = emitter(hooks_of(hooks))
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
                tool is run: the calls are on ``response.tool_calls``. The ``total`` of the
                timeouts covers all steps and tools; a plain function's thread runs on.
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

        if max_steps == 1:
            return with_output(request, await self._answer(request, settings, TextResponse))

        async def ask(question: TextRequest, until: float) -> TextResponse[Any]:
            return await self._answer(question, settings.ending(until), TextResponse)

        resolved = self._resolve(request, settings, streaming=False)
        total_s = self._phases(resolved, settings, request).total
        response = await answer_with_tools(ask, request, max_steps, total_s)
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
        settings = CallSettings.of(model, timeouts, retry)
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
        settings = CallSettings.of(model, timeouts, retry)

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
        self._closing.check()
        provider, _, name = model.partition(":")
        if not name:
            raise UnknownModelError(f"{model!r}: write 'provider:model'")
        return self._registry.backend(provider).capabilities(name)

    def providers(self) -> list[str]:
        """Names that can stand before the colon of a model."""
        return self._registry.names()

    def aliases(self) -> dict[str, ModelLike]:
        """The aliases in force, by name, from code and file."""
        names = self._resolver.names()
        return {name: model for name, model in names.items() if name not in METHODS}

    def defaults(self) -> dict[Ability, DefaultModel]:
        """Which model answers each ability where none is named, and where that is said."""
        return self._resolver.defaults()

    def config_file(self) -> Path | None:
        """The file that aliases and defaults are read from, None where there is none."""
        return self._resolver.config_file()

    # ---------------------------------------------------------------------------- inside
    async def _request(
        self, kind: type[Any], values: dict[str, Any], parameters: Mapping[str, Any]
    ) -> tuple[Any, CallSettings]:
        self._closing.check()
        given = {**values, **parameters}
        model = given.pop("model", None)
        timeouts, retry = given.pop("timeouts", None), given.pop("retry", None)
        settings = CallSettings.of(model, timeouts, retry)
        if isinstance(model, str):
            given["model"] = model
        return build_request(kind, await read_media(given)), settings

    async def _answer(
        self, request: Request, settings: CallSettings, kind: type[OutputT]
    ) -> OutputT:
        outcome = await self._step(self._call(request, settings, streaming=False))
        if not isinstance(outcome, kind):
            raise InvalidResponseError(f"the backend answered with {type(outcome).__name__}")
        return outcome

    async def _open(self, request: Request, settings: CallSettings) -> OpenStream[Any]:
        outcome = await self._step(self._call(request, settings, streaming=True))
        return cast("OpenStream[Any]", outcome)

    def _resolve(self, request: Request, settings: CallSettings, *, streaming: bool) -> Resolved:
        self._closing.check()
        if not isinstance(request, Request):
            raise InvalidRequestError(f"{request!r:.80} is no request; see gensdk.types")
        model: Any = settings.model if settings.model is not None else request.model
        resolved = self._resolver.resolve(model, request.ability, streaming)
        if request.options:
            self._resolver.check_options(request.options, resolved)
        return resolved

    def _phases(self, resolved: Resolved, settings: CallSettings, request: Request) -> Phases:
        timeouts = settings.timeouts.over(resolved.route.timeouts).over(self._timeouts)
        return timeouts.phases(request.ability)

    def _call(self, request: Request, settings: CallSettings, *, streaming: bool) -> Call:
        resolved = self._resolve(request, settings, streaming=streaming)
        phases = self._phases(resolved, settings, request)
        clock = asyncio.get_running_loop().time
        now = clock()
        return Call(
            ability=request.ability,
            request=request,
            streaming=streaming,
            hops=resolved.hops,
            route=resolved.route,
            retry=_first(settings.retry, resolved.route.retry, self._retry),
            phases=phases,
            clock=clock,
            started=now,
            started_at=datetime.now(UTC),
            deadline=min(now + phases.total, settings.until),
            emit=self._emit,
            unsupported=request.unsupported or self._unsupported,
            attempts=list(resolved.passed_over),
        )

    def _invoke(self, call: Call) -> Any:
        """Call the backend's method: the one place where the pipeline meets a backend."""
        hop = call.here
        context = Context(
            model=hop.model,
            provider=hop.provider,
            connect_s=min(call.phases.connect, call.left_s),
            read_s=max(call.phases.attempt, call.phases.idle),
            unsupported=call.unsupported,
            idempotency_key=call.idempotency_key,
            fetch=partial(self._downloads.fetch, call.retry),
            collect=partial(self._downloads.collect, call.retry),
        )
        names = STREAM_METHODS if call.streaming else METHODS
        return getattr(hop.backend, names[call.ability])(_at(hop, call.request), context)


def _at(hop: Hop, request: Request) -> Request:
    """A request as a hop's backend reads it.

    Options under the name an account is registered by are put under the backend's own name.
    """
    name = hop.backend.name
    if not request.options or hop.provider == name or hop.provider not in request.options:
        return request
    options = {**request.options, name: request.options[hop.provider]}
    return request.model_copy(update={"options": options})


def _first(*values: Retry | None) -> Retry:
    """The first that was given."""
    return next(value for value in values if value is not None)


class _Closing:
    """Whether the client is closed; shared by the copies of ``with_options``."""

    __slots__ = ("closed",)

    def __init__(self) -> None:
        self.closed = False

    def check(self) -> None:
        if self.closed:
            raise ClientClosedError("this client is closed; make a new gensdk.Client()")


def _same(response: Any) -> Any:
    return response
