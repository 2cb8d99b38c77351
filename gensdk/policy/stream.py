"""A stream under way: its clocks, its end, and what is left of it when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from gensdk._alarms import Alarm
from gensdk.errors import ConfigurationError, GenSDKError, StreamInterruptedError, TimedOutError
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
from .paid import outcome_unknown, worst

__all__ = ["OpenStream", "Watch", "close", "partial_response"]

EventT = TypeVar("EventT", bound=StreamEvent)
ErrorT = TypeVar("ErrorT", bound=GenSDKError)
Ending = Callable[[Response | None, BaseException | None], None]


class Watch:
    """The clocks of a stream, with one timer for many outputs.

    Entering notes the time; a timer that goes off while the consumer waits looks whether the
    wait is really over its limit, and only then cancels it. So an output costs no timer.
    """

    __slots__ = ("_alarm", "_baseline", "_deadline", "_fired", "_idle", "_loop", "_since", "_task")

    def __init__(self, idle_s: float, deadline: float) -> None:
        """Watch waits of at most ``idle_s`` seconds, and none beyond ``deadline`` (loop time)."""
        self._loop = asyncio.get_running_loop()
        self._idle = idle_s
        self._deadline = deadline
        self._alarm: Alarm | None = None
        self._task: asyncio.Task[object] | None = None
        self._fired: TimedOutError | None = None

    def __enter__(self) -> None:
        """Begin a wait of the current task."""
        self._task = task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._since = self._loop.time()
        self._baseline = task.cancelling()
        if self._alarm is None:
            self._arm()

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
        if self._alarm is not None:
            self._alarm.off()
            self._alarm = None

    def _due(self) -> float:
        return min(self._since + self._idle, self._deadline)

    def _arm(self) -> None:
        due = self._due()
        self._alarm = None if math.isinf(due) else Alarm(due, self._tick)

    def _tick(self) -> None:
        self._alarm = None
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
    """A stream whose first output has arrived. Take events by ``anext``, then ``close`` it.

    At the end ``settle`` closes the record of the attempt, then ``finish`` completes the
    response, then the ``on_end`` callbacks run: in that order, once. They run too, on the loop,
    when a stream that was never closed is collected.

    One task reads. Another may ``close`` the stream meanwhile, which ends the reader's wait.

    Raises from ``anext``: ``StreamInterruptedError`` where the stream ends without its final
    event, ``TimedOutError`` for the phases ``idle`` and ``total`` (``OutcomeUnknownError`` where
    the call is paid for once), and the provider's own error; each with ``partial``.
    """

    def __init__(self, call: Call, first: EventT | None, events: AsyncIterator[EventT]) -> None:
        """Take over an opened generator of events."""
        self.call = call
        self.first_output_s = call.clock() - call.started
        self._first: EventT | None = first
        self._events = events
        self._seen: list[EventT] = []
        self._watch = Watch(call.phases.idle, call.deadline)
        self._endings: list[Ending] = []
        self._loop = asyncio.get_running_loop()
        self._reader: asyncio.Task[Any] | None = None
        self._stopped: asyncio.Event | None = None
        self._closed = asyncio.Event()
        self._over = False
        self.settle: Ending = _nothing
        self.finish: Callable[[Response], Response] = _as_it_is
        self.keep: Callable[[Response], Awaitable[None]] | None = None

    def on_end(self, ending: Ending) -> None:
        """Call ``ending(response, error)`` once, when the stream ends in whatever way."""
        self._endings.append(ending)

    async def __anext__(self) -> EventT:
        """The next event; the last one is ``Finished``."""
        if self._over:
            raise StopAsyncIteration
        try:
            if self._first is not None:
                event, self._first = self._first, None
            else:
                event = await self._read()
        except StopAsyncIteration:
            if self._over:  # closed by another task
                await self._closed.wait()
                raise
            raise await self._broken(
                StreamInterruptedError("the stream ended without its final event")
            ) from None
        except GenSDKError as error:
            final = await self._broken(error)
            if final is error:
                raise
            raise final from error
        except BaseException as error:
            await self.close(error)
            raise
        if isinstance(event, Finished):
            return await self._finished(event)
        if not isinstance(event, ImagePreview):
            self._seen.append(event)
        return event

    def claim(self) -> None:
        """Raise ``ConfigurationError`` while another task waits for the next event."""
        if self._reader is not None:
            raise ConfigurationError(
                "two tasks read this stream at once; read it in one and hand the events on"
            )

    async def _read(self) -> EventT:
        """Wait for the next event, as the one reader."""
        reader = self._reader = cast("asyncio.Task[Any]", asyncio.current_task())
        before = reader.cancelling()
        try:
            with self._watch:
                event = await anext(self._events)
        except asyncio.CancelledError:
            if self._stopped is None or reader.cancelling() > before + 1:
                raise  # the reader itself was cancelled
            raise StopAsyncIteration from None
        finally:
            self._reader = None
            if self._stopped is not None:
                reader.uncancel()
                self._stopped.set()
        if self._over:  # the backend did not mind being cancelled
            raise StopAsyncIteration
        return event

    async def _stop_reader(self) -> None:
        """End the wait of a task that reads: a generator cannot be closed while it runs."""
        if self._reader is not None:
            self._stopped = asyncio.Event()
            self._reader.cancel()
            await self._stopped.wait()

    async def _finished(self, event: EventT) -> EventT:
        response: Response = event.response  # type: ignore[union-attr]  # it is Finished
        response = await self._close(response, None) or response
        if self.keep is not None:
            await self.keep(response)
        return event.model_copy(update={"response": response})  # type: ignore[return-value]

    async def _broken(self, error: GenSDKError) -> GenSDKError:
        self.call.blame(error)
        if error.partial is None:
            error.partial = self.partial()
        final = outcome_unknown(self.call, error)
        await self.close(final)
        return self._account(final)

    def _account(self, error: ErrorT) -> ErrorT:
        error.attempts = tuple(self.call.attempts)
        error.billed = worst(error, self.call.attempts)
        return error

    def left_early(self) -> StreamInterruptedError:
        """The error for one who reads on after the stream was closed."""
        error = StreamInterruptedError(
            "the stream was closed before its end", partial=self.partial(), billed="no"
        )
        self.call.blame(error)
        return self._account(error)

    @property
    def seen(self) -> Sequence[EventT]:
        """The events that were read and still hold; previews of pictures are not kept."""
        return self._seen

    def partial(self) -> Response | None:
        """What has arrived so far."""
        return partial_response(self.call, self._seen)

    async def close(self, error: BaseException | None = None) -> None:
        """Close the connection, or stop the device.

        May be called twice, and by another task than the one that reads; that one's wait ends
        with ``StopAsyncIteration``.

        ``error`` is what broke the stream; None where its reader left early.
        """
        await self._close(None, error)

    async def _close(
        self, response: Response | None, error: BaseException | None
    ) -> Response | None:
        if self._over:
            await self._closed.wait()
            return None
        self._over = True
        self._watch.stop()
        try:
            await self._stop_reader()
            await close(self._events)
        finally:
            complete = self._end(response, error)
        return complete

    def _end(
        self, response: Response | None = None, error: BaseException | None = None
    ) -> Response | None:
        self._closed.set()
        self.settle(response, error)
        complete = None if response is None else self.finish(response)
        for ending in self._endings:
            ending(complete, error)
        return complete

    def __del__(self) -> None:
        """Settle the record and give places back where nobody closed the stream.

        The collector may run in any thread, so the work goes to the loop; one that has ended has
        no places left to give back. The loop closes the generator itself.
        """
        if self._over:
            return
        self._over = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)


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
