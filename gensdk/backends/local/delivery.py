"""Events from a worker thread to the tasks that wait for them, one wake-up per loop and step."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from .job import Event

__all__ = ["Mailbox", "Outbox", "Sink"]


class Sink(Protocol):
    """Where the events of one call go."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Loop on which ``receive`` is called."""
        ...

    def receive(self, event: Event) -> None:
        """Take the next event."""
        ...


class Mailbox:
    """The events of one call, for one task on one event loop."""

    __slots__ = ("_events", "_waiter", "loop")

    def __init__(self) -> None:
        """Begin empty, on the running loop."""
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def receive(self, event: Event) -> None:
        """Take an event and wake the reader."""
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> Event:
        """The next event, waiting for it if need be."""
        while not self._events:
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._events.popleft()


class Outbox:
    """Collects the events of one step and hands them over in one call for each loop."""

    def __init__(self) -> None:
        """Begin empty."""
        self._parcels: dict[asyncio.AbstractEventLoop, list[tuple[Sink, Event]]] = {}

    def add(self, sink: Sink, event: Event) -> None:
        """Put an event in."""
        self._parcels.setdefault(sink.loop, []).append((sink, event))

    def flush(self) -> list[asyncio.AbstractEventLoop]:
        """Hand everything over; returns the loops that are closed and take nothing any more."""
        parcels, self._parcels = self._parcels, {}
        closed = []
        for loop, parcel in parcels.items():
            try:
                loop.call_soon_threadsafe(_hand_over, parcel)
            except RuntimeError:  # what asyncio raises for a closed loop
                closed.append(loop)
        return closed


def _hand_over(parcel: list[tuple[Sink, Event]]) -> None:
    for sink, event in parcel:
        sink.receive(event)
