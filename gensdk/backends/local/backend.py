"""``LocalBackend``: the engine on this machine as a backend.

Fields with the same meaning as everywhere keep it. What is this backend's own:

* ``max_tokens`` defaults to 512, or to what the context leaves; a larger value than the context
  leaves is lowered, with a note.
* Without ``temperature`` the model's ``generation_config.json`` decides; where it says nothing the
  answer is greedy, unless ``seed``, ``top_k``, ``top_p``, ``min_p`` or ``n > 1`` ask for sampling.
* With the same ``seed``, device and number format a call gives the same text, whatever else runs.
* ``logprobs`` are those of the model's own distribution, before penalties and temperature.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import cached_property

from gensdk.errors import UnsupportedFeatureError
from gensdk.spec import Capabilities, Context
from gensdk.types import (
    CancelOutcome,
    EmbedRequest,
    EmbedResponse,
    Finished,
    ImageEvent,
    ImageRequest,
    ImageResponse,
    JobHandle,
    JobState,
    ModerationRequest,
    ModerationResponse,
    MusicRequest,
    MusicResponse,
    Request,
    Response,
    SpeechEvent,
    SpeechRequest,
    SpeechResponse,
    TextEvent,
    TextRequest,
    TextResponse,
    TokenCount,
    TranscriptionRequest,
    TranscriptionResponse,
)

from .auto import chosen, chosen_here, chosen_stream
from .host import ModelHost
from .job import Final
from .job_rooms import responder
from .kinds import ANY, MASKED, VISION, Kind
from .local_jobs import LocalJobs
from .names import locate, parse_model
from .prepared import PreparedCall, prepared
from .vision.request import holds_media

__all__ = ["LocalBackend"]


class LocalBackend(ModelHost):
    """Models on this machine. One object serves any number of tasks, threads and event loops.

    A model is loaded by the first call that names it, off the event loop and once, however many
    calls ask for it together. ``aclose`` ends all work, frees the memory and joins the threads.
    Settings: see ``ModelHost``.
    """

    @cached_property
    def _jobs(self) -> LocalJobs:
        return LocalJobs(self._name)

    def capabilities(self, model: str) -> Capabilities:
        """What a model can do, from its configuration; all there is for one not yet here."""
        kind = self._kind(model)
        return Capabilities(
            abilities=kind.abilities,
            streams=kind.streams,
            jobs=kind.jobs,
            local=True,
            continues="text" in kind.streams,
            demo=parse_model(model).kind == "builtin",
        )

    @chosen("text")
    async def text(self, request: TextRequest, context: Context) -> TextResponse[object]:
        """Answer a text request.

        Raises:
            UnsupportedFeatureError: It asks for what this model or engine does not have.
            ContextLengthError: The prompt does not fit the model.
            ModelNotDownloadedError: The model is not on this machine.
            ModelLoadError: Its folder is damaged or unsafe.
            OverloadedError: Too many calls wait for it already.
        """
        from .text import respond

        call = await self._prepare(request, context)
        return respond(await self._answer(call), call.notes, context.model, self._name)

    @chosen_stream("text")
    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[TextEvent]:
        """Stream the answer to a text request; closing the generator ends the work."""
        from .text import respond, shown

        call = await self._prepare(request, context, streams=True)
        async with aclosing(self._events(call.job, call.model, call.hold)) as events:
            async for event in events:
                if isinstance(event, Final):
                    response = respond(event, call.notes, context.model, self._name)
                    yield Finished(response=response)
                elif (delta := shown(event)) is not None:
                    yield delta

    @chosen("image")
    async def image(self, request: ImageRequest, context: Context) -> ImageResponse:
        """Paint pictures, or edit them; errors as in ``text``."""
        from .images import respond

        call = await self._prepare(request, context)
        return respond(await self._answer(call), call.notes, context.model, self._name)

    @chosen_stream("image")
    async def stream_image(
        self, request: ImageRequest, context: Context
    ) -> AsyncIterator[ImageEvent]:
        """Stream previews and pictures; closing the generator ends the work within a step."""
        from .images import respond, shown

        call = await self._prepare(request, context, streams=True)
        async with aclosing(self._events(call.job, call.model, call.hold)) as events:
            async for event in events:
                if isinstance(event, Final):
                    response = respond(event, call.notes, context.model, self._name)
                    yield Finished(response=response)
                elif (seen := shown(event)) is not None:
                    yield seen

    @chosen("transcribe")
    async def transcribe(
        self, request: TranscriptionRequest, context: Context
    ) -> TranscriptionResponse:
        """Write down what is said in a sound; errors as in ``text``."""
        from .transcription import respond

        call = await self._prepare(request, context)
        return respond(await self._answer(call), call.notes, context.model, self._name)

    @chosen("speech")
    async def speech(self, request: SpeechRequest, context: Context) -> SpeechResponse:
        """Speak a text; errors as in ``text``."""
        from .speech import rendered, respond

        call = await self._prepare(request, context)
        spoken = await self._answer(call)
        audio = await rendered(spoken, call.job)
        return respond(spoken, audio, call.job, call.notes, context.model, self._name)

    @chosen_stream("speech")
    async def stream_speech(
        self, request: SpeechRequest, context: Context
    ) -> AsyncIterator[SpeechEvent]:
        """Stream the sound sentence by sentence; closing the generator ends the work."""
        from .speech import respond, streamed

        call = await self._prepare(request, context, streams=True)
        events = self._events(call.job, call.model, call.hold)
        names = (call.notes, context.model, self._name)
        answer = streamed(
            events, call.job, lambda end, audio: respond(end, audio, call.job, *names)
        )
        async with aclosing(answer) as pieces:
            async for piece in pieces:
                yield piece

    @chosen("embed")
    async def embed(self, request: EmbedRequest, context: Context) -> EmbedResponse:
        """Turn texts into vectors; errors as in ``text``."""
        from .embedding import respond

        call = await self._prepare(request, context)
        ended = await self._answer(call)
        return respond(ended, call.notes, context.model, self._name, call.job)

    @chosen("moderate")
    async def moderate(self, request: ModerationRequest, context: Context) -> ModerationResponse:
        """Judge texts with a classifier; errors as in ``text``."""
        from .moderation import respond

        call = await self._prepare(request, context)
        ended = await self._answer(call)
        return respond(ended, call.job, call.notes, context.model, self._name)

    @chosen("music")
    async def music(self, request: MusicRequest, context: Context) -> MusicResponse:
        """Make music while the caller waits; errors as in ``text``."""
        from .music import respond

        call = await self._prepare(request, context)
        return respond(await self._answer(call), call.notes, context.model, self._name)

    async def start(self, request: Request, context: Context) -> JobHandle:
        """Start a job: a video, or music. It lives in this process, on the loop it began on.

        Raises:
            GenSDKError: As ``text``: what is wrong at once is raised here, not by the job.
        """
        context, told = await chosen_here(self, request, context)
        respond = responder(request, context, self._name)
        call = await self._prepare(request, context)
        started = await self._jobs.start(
            lambda sink: self._submit(call.job, call.model, sink, call.hold),
            lambda final: told(respond(final)),
        )
        return JobHandle(id=started, warnings=call.notes.warnings)

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        """Look at a job of this process."""
        return self._jobs.job(handle).look()

    async def watch(self, handle: JobHandle, context: Context) -> AsyncIterator[JobState]:
        """Every state of a job of this process as it comes, step by step."""
        async with aclosing(self._jobs.job(handle).watch()) as states:
            async for state in states:
                yield state

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        """What a job of this process made."""
        return self._jobs.job(handle).response()

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        """Stop a job of this process within one step."""
        return self._jobs.cancel(handle)

    async def count_tokens(self, request: TextRequest, context: Context) -> TokenCount:
        """How many tokens ``text`` would have its model read: what ``usage.input_tokens`` says.

        The tokenizer is read, the weights are not, and nothing is downloaded. What is too long for
        the model is counted all the same.

        Raises:
            UnsupportedFeatureError: It asks for what this model or engine does not have.
            InvalidRequestError: The model would refuse it.
            ModelNotDownloadedError: The model is not on this machine.
            ModelLoadError: Its folder is damaged or unsafe.
        """
        context, _ = await chosen_here(self, request, context)
        kind = self._able(request, context.model)
        reference = parse_model(context.model).base
        folder = await asyncio.to_thread(locate, reference, offline=True, cache_dir=self._cache_dir)
        sees = holds_media(request) and kind in {ANY, VISION}
        job, _ = await prepared(request, context, self._name, streams=False, sees=sees)
        counted = await self._counters.count(str(reference), folder, job)
        return TokenCount(
            input_tokens=counted,
            exact=True,
            source="local",
            provider=self._name,
            model=context.model,
        )

    # ---------------------------------------------------------------------- before the answer
    @asynccontextmanager
    async def make_ready(
        self, request: Request, context: Context, *, streaming: bool = False
    ) -> AsyncIterator[PreparedCall]:
        """Refuse a request, or have its model in memory until the call is under way.

        A model that is not in memory is loaded for a request that its room takes; ``auto`` is the
        model for this request. Nothing takes its place before the call has come, or the block is
        left.

        Raises:
            GenSDKError: As ``text``.
        """
        context, _ = await chosen_here(self, request, context)
        reference = parse_model(context.model).base
        known = self._pool.seat_of(reference) is not None
        kind = ANY if known else self._able(request, context.model)
        call = await self._prepare(request, context, streams=streaming)
        if kind is MASKED:
            from .masked.plan import check

            check(call.job)
        try:
            if not self._pool.hold(reference, call.hold):
                await self._run(None, context.model, call.hold)
            yield call
        finally:
            call.hold.end()

    def _able(self, request: Request, model: str) -> Kind:
        """What a model is for; ``UnsupportedFeatureError`` where it is not for this request."""
        kind = self._kind(model)
        if request.ability not in kind.abilities:
            raise UnsupportedFeatureError(
                f"{model} is a {kind.name}, which cannot do {request.ability!r}",
                provider=self._name,
                model=model,
            )
        return kind

    async def _prepare(
        self, request: Request, context: Context, *, streams: bool = False
    ) -> PreparedCall:
        """The call of a request; pictures only for a model that may look at them."""
        ready, model = context.ready, context.model
        if isinstance(ready, PreparedCall) and ready.is_for(request, model, streams=streams):
            return ready
        shows = isinstance(request, TextRequest) and holds_media(request)
        sees = shows and self._kind(model) in {ANY, VISION}
        job, notes = await prepared(request, context, self._name, streams=streams, sees=sees)
        return PreparedCall(request, model, streams, await self._adapted(job, model), notes)

    async def _answer(self, call: PreparedCall) -> Final:
        return await self._run(call.job, call.model, call.hold)
