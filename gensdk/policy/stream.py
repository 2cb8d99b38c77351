"""A stream under way: its clocks, its end, and what is left of it when it breaks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from gensdk.errors import GenSDKError, StreamInterruptedError, TimedOutError
from gensdk.types import (
    AudioChunk,
    Finished,
    ImageDone,
    ImagePreview,
    ImageResponse,
    Media,
    ReasoningDelta,
    RefusalDelta,
    Response,
    SpeechResponse,
    StreamEvent,
    TextAccumulator,
    TextDelta,
    TextResponse,
    ToolCallDelta,
)

from .call import Call

__all__ = ["OpenStream", "Watch", "close", "partial_response"]

EventT = TypeVar("EventT", bound=StreamEvent)
Ending = Callable[[Response | None, BaseException | None], None]


class Watch:
    """The clocks of a stream, with one timer for many outputs.

    Entering notes the time; a timer that goes off while the consumer waits looks whether the
    wait is really over its limit, and only then cancels it. So an output costs no timer.
    """

    __slots__ = ("_baseline", "_deadline", "_fired", "_handle", "_idle", "_loop", "_since", "_task")

    def __init__(self, idle_s: float, deadline: float) -> None:
        """Watch waits of at most ``idle_s`` seconds, and none beyond ``deadline`` (loop time)."""
        self._loop = asyncio.get_running_loop()
        self._idle = idle_s
        self._deadline = deadline
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._since = 0.0
        self._baseline = 0
        self._fired: TimedOutError | None = None

    def __enter__(self) -> Watch:
        """Begin a wait of the current task."""
        self._task = asyncio.current_task()
        self._since = self._loop.time()
        self._baseline = self._task.cancelling() if self._task else 0
        if self._handle is None:
            self._arm()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the wait; turns the cancellation by our own clock into ``TimedOutError``."""
        task, self._task = self._task, None
        fired, self._fired = self._fired, None
        if fired is None or task is None:
            return
        if task.uncancel() <= self._baseline and kind is asyncio.CancelledError:
            raise fired from None

    def stop(self) -> None:
        """Drop the timer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self) -> float:
        return min(self._since + self._idle, self._deadline)

    def _arm(self) -> None:
        due = self._due()
        self._handle = None if math.isinf(due) else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._handle = None
        if self._task is None or self._fired is not None:
            return
        if self._loop.time() < self._due():
            self._arm()
            return
        total = self._deadline <= self._since + self._idle
        self._fired = TimedOutError(
            "the time for the whole call ran out while the stream was open"
            if total
            else f"the stream gave no output for {self._idle:g} s",
            phase="total" if total else "idle",
            billed="maybe",
        )
        self._task.cancel()


class OpenStream(Generic[EventT]):
    """A stream whose first output has arrived. Iterate it, then ``close`` it.

    At the end ``settle`` closes the record of the attempt, then ``finish`` completes the
    response, then the ``on_end`` callbacks run: in that order, once.

    Raises from iteration: ``StreamInterruptedError`` where the stream ends without its final
    event, ``TimedOutError`` for the phases ``idle`` and ``total``, and the provider's own error;
    each with ``partial``.
    """

    def __init__(self, call: Call, first: EventT, events: AsyncIterator[EventT]) -> None:
        """Take over an opened generator of events."""
        self.call = call
        self.first_output_s = call.clock() - call.started
        self._first: EventT | None = first
        self._events = events
        self._seen: list[EventT] = []
        self._watch = Watch(call.phases.idle, call.deadline)
        self._endings: list[Ending] = []
        self._over = False
        self.settle: Ending = _nothing
        self.finish: Callable[[Response], Response] = _as_it_is

    def on_end(self, ending: Ending) -> None:
        """Call ``ending(response, error)`` once, when the stream ends in whatever way."""
        self._endings.append(ending)

    def __aiter__(self) -> OpenStream[EventT]:
        """Iterate over the events."""
        return self

    async def __anext__(self) -> EventT:
        """The next event; the last one is ``Finished``."""
        if self._over:
            raise StopAsyncIteration
        try:
            if self._first is not None:
                event, self._first = self._first, None
            else:
                with self._watch:
                    event = await anext(self._events)
        except StopAsyncIteration:
            raise await self._broken(
                StreamInterruptedError("the stream ended without its final event")
            ) from None
        except GenSDKError as error:
            raise await self._broken(error)  # noqa: B904  # the same error, completed
        except BaseException as error:
            await self.close(error)
            raise
        if isinstance(event, Finished):
            return await self._finished(event)
        if not isinstance(event, ImagePreview):
            self._seen.append(event)
        return event

    async def _finished(self, event: EventT) -> EventT:
        response: Response = event.response  # type: ignore[union-attr]  # it is Finished
        response = await self._close(response, None) or response
        return event.model_copy(update={"response": response})  # type: ignore[return-value]

    async def _broken(self, error: GenSDKError) -> GenSDKError:
        self.call.blame(error)
        if error.partial is None:
            error.partial = self.partial()
        await self.close(error)
        error.attempts = tuple(self.call.attempts)
        return error

    def partial(self) -> Response | None:
        """What has arrived so far."""
        return partial_response(self.call, self._seen)

    async def close(self, error: BaseException | None = None) -> None:
        """Close the connection, or stop the device. May be called twice.

        ``error`` is what broke the stream; None where its reader left early.
        """
        await self._close(None, error)

    async def _close(
        self, response: Response | None, error: BaseException | None
    ) -> Response | None:
        if self._over:
            return None
        self._over = True
        self._watch.stop()
        try:
            await close(self._events)
        finally:
            self.settle(response, error)
            complete = None if response is None else self.finish(response)
            for ending in self._endings:
                ending(complete, error)
        return complete


async def close(events: AsyncIterator[Any]) -> None:
    """Close a backend's generator; an iterator of another kind has nothing to close."""
    aclose = getattr(events, "aclose", None)
    if aclose is not None:
        await aclose()


def partial_response(call: Call, seen: list[EventT]) -> Response | None:
    """What had arrived, as a response of the call's own type; None where that is nothing."""
    facts = {"provider": call.here.provider, "model": call.here.model, "finish_reason": "error"}
    pictures = tuple(event.image for event in seen if isinstance(event, ImageDone))
    if pictures:
        return ImageResponse(images=pictures, **facts)
    sounds = [event for event in seen if isinstance(event, AudioChunk)]
    if sounds:
        sound = Media(
            data=b"".join(event.data for event in sounds), sample_rate=sounds[0].sample_rate
        )
        return SpeechResponse(audio=sound, **facts)
    pieces = TextAccumulator()
    for event in seen:
        if isinstance(event, TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta):
            pieces.add(event)
    return None if pieces.empty else TextResponse(candidates=pieces.candidates({}), **facts)


def _nothing(_response: Response | None, _error: BaseException | None) -> None:
    """Nobody keeps a record."""


def _as_it_is(response: Response) -> Response:
    return response
