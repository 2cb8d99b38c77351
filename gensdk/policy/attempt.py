"""One attempt at one hop: the innermost step, the only one that touches a backend."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any, Literal, Self

from gensdk.errors import (
    Billed,
    GenSDKError,
    InvalidResponseError,
    Phase,
    StreamInterruptedError,
    TimedOutError,
    UnsupportedFeatureError,
)
from gensdk.types import Attempt, JobHandle, Response

from .call import Call, Outcome, Step
from .deadline import Clock, StruckError
from .hooks import AttemptFinished
from .job import OpenJob
from .paid import outcome_unknown
from .stream import OpenStream, close

__all__ = ["Attempter", "Invoke", "MakeReady", "refused"]

Invoke = Callable[[Call], Any]
"""Calls the backend's method for a call: gives an awaitable, or an async generator of events.

Where the ability runs as a job, what is awaited is the job's handle.
"""

MakeReady = Callable[[Call], AbstractAsyncContextManager[object] | None]
"""Keeps the model of a call ready while it is entered; None where there is nothing to be done."""


class Attempter:
    """The attempt layer: clocks, records and hooks of single attempts."""

    def __init__(self, invoke: Invoke, make_ready: MakeReady) -> None:
        """Take the functions that call the backend."""
        self._invoke = invoke
        self._make_ready = make_ready

    def step(self) -> Step:
        """The innermost step."""
        return self._run

    def _run(self, call: Call) -> Awaitable[Outcome]:
        if call.streaming:
            return self._open(call)
        return self._start(call) if call.starts_job else self._whole(call)

    async def _whole(self, call: Call) -> Outcome:
        with _Record(call) as record:
            async with self._ready(call):
                with _clock(call, call.phases.attempt, _ATTEMPT):
                    response: Response = await self._ask(call)
            if not isinstance(response, Response):
                raise InvalidResponseError(f"the backend answered with {type(response).__name__}")
            record.request_id = response.request_id
        return response

    async def _start(self, call: Call) -> Outcome:
        seconds, phase = min(
            (call.phases.first_output, _FIRST_OUTPUT), (call.phases.attempt, _ATTEMPT)
        )
        with _Record(call) as record:
            async with self._ready(call):
                with _clock(call, seconds, phase):
                    handle = await self._ask(call)
            if not isinstance(handle, JobHandle):
                raise InvalidResponseError(f"the backend answered with {type(handle).__name__}")
            record.request_id = handle.id
            record.job = True
        return OpenJob.started(call, handle)

    async def _open(self, call: Call) -> Outcome:
        with _Record(call) as record:
            events = None
            try:
                async with self._ready(call):
                    with _clock(call, call.phases.first_output, _FIRST_OUTPUT):
                        events = self._ask(call)
                        first = await anext(events, None)
                if first is None:
                    raise StreamInterruptedError("the stream ended before any output")
            except BaseException:
                if events is not None:
                    await close(events)
                raise
            stream: OpenStream[Any] = OpenStream(call, first, events)
            stream.settle = record.stream_ended
            record.streaming = True
        return stream

    def _ask(self, call: Call) -> Any:
        ending = call.here.facts.ending
        if ending is not None and call.lifecycle is not None:
            call.lifecycle.mind(call, ending)
        return self._invoke(call)

    def _ready(self, call: Call) -> AbstractAsyncContextManager[object]:
        """Keep the model in memory; around the attempt's clock, as loading has the total time.

        A model on this machine may take minutes to load and seconds to answer; one clock for both
        would have to be too long for the answer or too short for the load.
        """
        return self._make_ready(call) or _READY


_READY = nullcontext()
_ATTEMPT: Phase = "attempt"
_FIRST_OUTPUT: Phase = "first_output"


class _Record:
    """Builds the ``Attempt`` while it runs, and hands it out once."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.began = call.clock()
        self.streaming = False
        self.job = False
        self.request_id: str | None = None

    def __enter__(self) -> Self:
        call = self.call
        call.sending = True
        if call.hedge is not None and not call.hedge.begun.done():
            call.hedge.begun.set_result(None)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        self.call.sending = False
        if error is None:
            if not self.streaming:
                self.add("ok")
        elif isinstance(error, GenSDKError):
            final = outcome_unknown(self.call, self._judged(self.call.blame(error)))
            refused = isinstance(final, UnsupportedFeatureError) and final.status is None
            self.add("skipped" if refused else "error", final)
            if final is not error:
                raise final from error
        elif isinstance(error, asyncio.CancelledError):
            self.add("cancelled")
        elif isinstance(error, Exception):
            self.add("error", error)

    def _judged(self, error: GenSDKError) -> GenSDKError:
        watch = self.call.lifecycle
        return error if watch is None else watch.judged(self.call, error)

    def stream_ended(self, response: Response | None, error: BaseException | None) -> None:
        if response is not None:
            self.request_id = response.request_id
            self.add("ok")
        elif isinstance(error, Exception):
            self.add("error", error)
        else:
            self.add("cancelled")

    def add(
        self,
        outcome: Literal["ok", "error", "skipped", "cancelled"],
        error: BaseException | None = None,
    ) -> None:
        call, hop, ended = self.call, self.call.here, self.call.clock()
        known = error if isinstance(error, GenSDKError) else None
        free = hop.facts.local
        done = outcome == "ok" and not self.job  # a job that was started is not paid for yet
        default: Billed = "no" if free else "yes" if done else "maybe"
        attempt = Attempt(
            provider=hop.provider,
            model=hop.model,
            outcome=outcome,
            error=known.kind if known else type(error).__name__ if error else None,
            message=known.message if known else None,
            status=known.status if known else None,
            request_id=known.request_id if known else self.request_id,
            start_s=self.began - call.started,
            duration_s=ended - self.began,
            delay_s=call.delay_s,
            billed=known.billed if known else default,
        )
        call.attempts.append(attempt)
        if call.emit.listens:
            call.emit(AttemptFinished(call.id, call.ability, attempt))
        for watcher in call.watchers:
            watcher(attempt)


def refused(call: Call, error: GenSDKError) -> GenSDKError:
    """Record that a hop was passed over before its backend was asked; gives the error back."""
    _Record(call).add("skipped", call.blame(error))
    return error


def _clock(call: Call, seconds: float, phase: Phase) -> AbstractContextManager[None]:
    """The clock of one attempt. Where the whole call's strikes first, that one is left alone."""
    when = call.clock() + seconds
    return _AttemptClock(call, when, seconds, phase) if when < call.deadline else _READY


class _AttemptClock(Clock):
    __slots__ = ("_call", "_phase", "_seconds")

    def __init__(self, call: Call, when: float, seconds: float, phase: Phase) -> None:
        super().__init__(when)
        self._call = call
        self._seconds = seconds
        self._phase = phase

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            super().__exit__(kind, *rest)
        except StruckError:
            what = "first output" if self._call.streaming else "answer"
            raise TimedOutError(
                f"no {what} within {self._seconds:g} s",
                phase=self._phase,
                billed="no" if self._call.here.facts.local else "maybe",
            ) from None
