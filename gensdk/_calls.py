"""Between the verbs and the pipeline: settings, names, contexts. Nothing here knows a vendor."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast
from weakref import WeakSet

from gensdk import _pipeline
from gensdk._client_settings import ClientSettings, all_of, first_of, nearest
from gensdk._closing import Closing
from gensdk._downloads import Downloads
from gensdk._given import CALL_SETTINGS, CallSettings, media_of
from gensdk._inputs import build_request, read_media
from gensdk._jobs import Door, Job, check_job_backend, read_handle
from gensdk._output import fits
from gensdk._parameters import ClientOptions
from gensdk._registry import Registry
from gensdk._resolve import ModelLike, Resolved, Resolver, Way
from gensdk.errors import (
    ConfigurationError,
    InvalidRequestError,
    InvalidResponseError,
    UnsupportedFeatureError,
)
from gensdk.policy import (
    Breaker,
    Budget,
    Cache,
    Cacher,
    CacheUse,
    Call,
    Hook,
    Hop,
    Lifecycle,
    LifecycleWatch,
    Limit,
    OpenJob,
    OpenStream,
    Phases,
    Retry,
    Route,
    Timeouts,
    cache_use,
    cannot_continue,
    collecting,
    lifecycle_of,
    observe_job,
    tell_started,
)
from gensdk.spec import METHODS, STREAM_METHODS, Backend, Context, PreparedBackend
from gensdk.types import Attempt, Interrupted, JobHandle, OnRetired, Request, Response, Unsupported

if TYPE_CHECKING:
    from gensdk.backends.local import LocalModels
    from gensdk.toolkit import MediaPolicy

__all__ = ["Calls"]

OutputT = TypeVar("OutputT")
ResponseT = TypeVar("ResponseT", bound=Response)


_NEW_JOB = (
    "a job that is started by itself is always a new one; client.video(…, cache=…) and "
    "client.music(…, cache=…) wait for the answer, and keep it"
)


class Calls:
    """What the verbs of one client share: its settings, its backends and its pipeline."""

    def __init__(
        self,
        *,
        models: Mapping[str, ModelLike] | None,
        backends: Mapping[str, Backend] | None,
        timeouts: Timeouts | float | None,
        retry: Retry | None,
        limit: Limit | Mapping[str, Limit] | None,
        cache: Cache | None,
        breaker: Breaker | None,
        budget: Budget | None,
        media: MediaPolicy | None,
        hooks: Iterable[Hook],
        unsupported: Unsupported,
        interrupted: Interrupted,
        on_retired: OnRetired,
        lifecycle: Lifecycle | None,
    ) -> None:
        """Keep the settings; see ``gensdk.Client``."""
        self.settings = ClientSettings.of(
            timeouts=timeouts,
            retry=retry,
            unsupported=unsupported,
            hooks=hooks,
            cache=cache,
            breaker=breaker,
            budget=budget,
            interrupted=interrupted,
            on_retired=on_retired,
        )
        self.lifecycle = LifecycleWatch(lifecycle_of(lifecycle))
        self.registry = Registry(backends)
        self.resolver = Resolver(models, self.registry, self.lifecycle.settings)
        self._downloads = Downloads(media_of(media))
        self._caches: WeakSet[Cache] = WeakSet()
        cacher = Cacher(fits, lambda job: self._opened(job, job.call.request))
        self._step = _pipeline.build(self._invoke, self._make_ready, limit=limit, cacher=cacher)
        self._closing = Closing()

    def check(self) -> None:
        """Raise ``ClientClosedError`` once it is closed."""
        self._closing.check()

    def local(self) -> LocalModels:
        """The models of the backend ``local``.

        Raises:
            ConfigurationError: A backend of another kind goes by that name.
        """
        self.check()
        models = getattr(self.registry.backend("local"), "models", None)
        if models is None:
            raise ConfigurationError("the backend 'local' of this client is no LocalBackend")
        return cast("LocalModels", models)

    async def aclose(self) -> None:
        """Close the backends, the downloader and the connections of caches, once."""
        if self._closing.closed:
            return
        self._closing.closed = True
        async with AsyncExitStack() as closing:
            for cache in self._caches:
                closing.push_async_callback(cache.leave)
            closing.push_async_callback(self._downloads.aclose)
            closing.push_async_callback(self.registry.aclose)

    def changed(self, **options: Unpack[ClientOptions]) -> Self:
        """A copy with other settings; all the rest is shared."""
        other = copy.copy(self)
        other.settings = self.settings.changed(**options)
        return other

    # --------------------------------------------------------------------------- the ways
    async def request(
        self, kind: type[Any], values: dict[str, Any], parameters: Mapping[str, Any]
    ) -> tuple[Any, CallSettings]:
        """The request and the settings of a verb's arguments; files are read."""
        self.check()
        given = {**values, **parameters}
        model = given.pop("model", None)
        own = {name: given.pop(name) for name in CALL_SETTINGS if name in given}
        settings = CallSettings.of(model, **own)
        if isinstance(model, str):
            given["model"] = model
        return build_request(kind, await read_media(given)), settings

    async def answer(
        self, request: Request, settings: CallSettings, kind: type[OutputT]
    ) -> OutputT:
        """The whole answer; what runs as a job is waited for."""
        outcome = await self._step(self.call_of(request, settings, "answer"))
        if isinstance(outcome, OpenJob):
            outcome = await self._opened(outcome, request).answer()
        if not isinstance(outcome, kind):
            raise InvalidResponseError(f"the backend answered with {type(outcome).__name__}")
        return outcome

    async def open(self, request: Request, settings: CallSettings) -> OpenStream[Any]:
        """A stream whose first output has arrived."""
        call = self.call_of(request, settings, "stream")
        reason = cannot_continue(request) if settings.interrupted == "continue" else None
        if reason is not None:
            raise UnsupportedFeatureError(
                f"interrupted='continue': {reason}; 'restart' begins anew", param="interrupted"
            )
        outcome = await self._step(call)
        return cast("OpenStream[Any]", outcome)

    def opening(
        self, kind: type[Any], values: dict[str, Any], parameters: Mapping[str, Any]
    ) -> Callable[[], Awaitable[OpenStream[Any]]]:
        """What builds a verb's request and opens its stream, when that is entered."""

        async def start() -> OpenStream[Any]:
            return await self.open(*await self.request(kind, values, parameters))

        return start

    async def start(
        self, request: Request, settings: CallSettings, kind: type[ResponseT]
    ) -> Job[ResponseT]:
        """A job that the provider has taken on."""
        outcome = await self._step(self.call_of(request, settings, "start"))
        return Job(self._opened(cast("OpenJob", outcome), request), kind, self.check)

    def job(self, given: object, request: Request | None, settings: CallSettings) -> Job[Any]:
        """A job that was started before, here or elsewhere; asks nobody."""
        self.check()
        handle = read_handle(given)
        if request is not None and not handle.is_of(request):
            raise InvalidRequestError(f"job {handle.id!r:.80} was started with another request")
        backend = self.registry.backend(handle.provider)
        check_job_backend(backend, handle)
        hop = Hop(backend, handle.provider, handle.model, backend.capabilities(handle.model))
        call = self._taken_up(hop, handle, request, settings)
        opened = observe_job(call, OpenJob(call, handle))
        collecting(call, opened)
        opened.begin = lambda: tell_started(call)
        return Job(self._opened(opened, request), Response, self.check)

    def is_free(self, response: Response) -> bool:
        """Whether an answer was kept, or made by a model on this machine."""
        made = [(one.provider, one.model) for one in response.attempts if one.outcome == "ok"]
        return (bool(made) or response.cached) and all(
            self.registry.knows(name) and self.registry.backend(name).capabilities(model).local
            for name, model in made
        )

    # ---------------------------------------------------------------------------- inside
    def resolve(self, request: Request, settings: CallSettings, way: Way) -> Resolved:
        """The hops of a request."""
        self.check()
        if not isinstance(request, Request):
            raise InvalidRequestError(
                f"{request!r:.80} is no request: give one of gensdk.types, such as "
                "TextRequest(prompt='…')"
            )
        model: Any = settings.model if settings.model is not None else request.model
        resolved = self.resolver.resolve(model, request.ability, way)
        if request.options:
            self.resolver.check_options(request.options, resolved)
        return resolved

    def phases(self, resolved: Resolved, settings: CallSettings, request: Request) -> Phases:
        """The clocks of a call."""
        timeouts = settings.timeouts.over(resolved.route.timeouts).over(self.settings.timeouts)
        return timeouts.phases(request.ability)

    def call_of(self, request: Request, settings: CallSettings, way: Way) -> Call:
        """The call of a request, before its first step."""
        if settings.interrupted is not None and way != "stream":
            raise ConfigurationError("interrupted= is for streams; plain calls have no half answer")
        resolved = self.resolve(request, settings, way)
        phases = self.phases(resolved, settings, request)
        clock = asyncio.get_running_loop().time
        now = clock()
        return Call(
            ability=request.ability,
            request=request,
            streaming=way == "stream",
            hops=resolved.hops,
            route=resolved.route,
            retry=first_of(settings.retry, resolved.route.retry, self.settings.retry),
            phases=phases,
            clock=clock,
            started=now,
            started_at=datetime.now(UTC),
            deadline=min(now + phases.total, settings.until),
            emit=self.settings.emit,
            unsupported=request.unsupported or self.settings.unsupported,
            interrupted=settings.interrupted
            or resolved.route.interrupted
            or self.settings.interrupted,
            on_retired=self.settings.on_retired,
            attempts=list(resolved.passed_over),
            budgets=self._budgets_of(settings, resolved.route),
            account=settings.account,
            cache=self._cache_use(settings, resolved, way),
            breaker=nearest(settings.breaker, resolved.route.breaker, self.settings.breaker),
            lifecycle=self.lifecycle,
        )

    def _cache_use(self, settings: CallSettings, resolved: Resolved, way: Way) -> CacheUse | None:
        """Where the call's answer may be kept; a job that is started by itself is always new."""
        if way == "start":
            if settings.cache:
                raise ConfigurationError(_NEW_JOB)
            return None
        use = cache_use(settings.cache, resolved.route.cache, self.settings.cache)
        if use is not None and use.cache not in self._caches:
            self._caches.add(use.cache)
            use.cache.join()
        return use

    def _budgets_of(self, settings: CallSettings, route: Route) -> tuple[Budget, ...]:
        """Every budget that a call is under, once."""
        if route.budget is None and settings.budget is None:
            return self.settings.budgets
        return all_of(*self.settings.budgets, route.budget, settings.budget)

    def _taken_up(
        self, hop: Hop, handle: JobHandle, request: Request | None, settings: CallSettings
    ) -> Call:
        """The call of a job that was started before: it began when the job did."""
        now = datetime.now(UTC)
        began = min(handle.created_at or now, now)
        clock = asyncio.get_running_loop().time
        start = Attempt(
            provider=hop.provider,
            model=hop.model,
            outcome="ok",
            request_id=handle.id,
            billed="no" if hop.facts.local else "maybe",
        )
        call = Call(
            ability=handle.ability,
            request=request or Request(),
            streaming=False,
            hops=(hop,),
            route=Route(str(hop)),
            retry=first_of(settings.retry, self.settings.retry),
            phases=settings.timeouts.over(self.settings.timeouts).phases(handle.ability),
            clock=clock,
            started=clock() - (now - began).total_seconds(),
            started_at=began,
            deadline=math.inf,
            emit=self.settings.emit,
            unsupported=(request and request.unsupported) or self.settings.unsupported,
            attempts=[start],
            budgets=all_of(*self.settings.budgets, settings.budget),
        )
        call.hop = hop
        call.idempotency_key = handle.idempotency_key
        return call

    def _opened(self, job: OpenJob, request: Request | None) -> OpenJob:
        """Give a job its way to the backend."""
        hop = job.call.here
        context = partial(self._context, job.call, job.call.phases.connect)
        job.door = Door(hop.backend, job.handle, request and _at(hop, request), context)
        return job

    def _invoke(self, call: Call) -> Any:
        """Call the backend's method: the one place where the pipeline meets a backend."""
        names = STREAM_METHODS if call.streaming else METHODS
        name = "start" if call.starts_job else names[call.ability]
        return getattr(call.here.backend, name)(*(call.asked or self.asked_of(call)))

    def asked_of(self, call: Call) -> tuple[Request, Context]:
        """What the backend of the call's hop is given."""
        # A little before the deadline, so that a call which only ever connected says so: of one
        # that the deadline itself cuts off nobody knows whether it was sent.
        context = self._context(call, min(call.phases.connect, 0.99 * call.left_s))
        return _at(call.here, call.request), context

    def _make_ready(self, call: Call) -> AbstractAsyncContextManager[object] | None:
        hop = call.here
        ours = hop.facts.local and hasattr(hop.backend, "make_ready")
        return self._readied(call, hop.backend) if ours else None

    @asynccontextmanager
    async def _readied(self, call: Call, backend: PreparedBackend) -> AsyncIterator[None]:
        """Have the backend ready for the very request and context that it is called with."""
        request, context = self.asked_of(call)
        async with backend.make_ready(request, context, streaming=call.streaming) as ready:
            call.asked = request, replace(context, ready=ready)
            try:
                yield
            finally:
                call.asked = None

    def _context(self, call: Call, connect_s: float) -> Context:
        hop = call.here
        return Context(
            model=hop.model,
            provider=hop.provider,
            connect_s=connect_s,
            read_s=max(call.phases.attempt, call.phases.idle),
            unsupported=call.unsupported,
            idempotency_key=call.idempotency_key,
            fetch=partial(self._downloads.fetch, call.retry, call.deadline),
            collect=partial(self._downloads.collect, call.retry, call.deadline),
            limits=call.hear,
        )


def _at(hop: Hop, request: Request) -> Request:
    """A request as a hop's backend reads it.

    Options under the name an account is registered by are put under the backend's own name.
    """
    name = hop.backend.name
    if not request.options or hop.provider == name or hop.provider not in request.options:
        return request
    options = {**request.options, name: request.options[hop.provider]}
    return request.model_copy(update={"options": options})
