"""Where a worker leaves what came of its calls, until it is handed over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gensdk.errors import GenSDKError

from .delivery import Outbox
from .failures import call_failure, detached, is_device_failure
from .job import Event, Failed, Final
from .lease import DeviceLease
from .memory import return_memory
from .ticket import Ticket

__all__ = ["EngineDesk"]


class EngineDesk:
    """The desk of one engine; used in its thread alone.

    Attributes:
        answered: Calls completed.
        lease: The device's, None where nobody takes turns.
    """

    def __init__(
        self,
        model: str,
        calls: Callable[[], Iterable[Ticket]],
        is_ending: Callable[[], bool],
    ) -> None:
        """Begin empty.

        Args:
            model: Name for errors.
            calls: Gives every call of the engine.
            is_ending: Tells whether the engine is to end at once.
        """
        self._model = model
        self._calls = calls
        self._is_ending = is_ending
        self._outbox = Outbox()
        self.answered = 0
        self.lease: DeviceLease | None = None

    def post(self, call: Ticket, events: Sequence[Event]) -> None:
        """Leave events of a call; they are handed over after the step."""
        for event in events:
            self.answered += isinstance(event, Final)
            self._outbox.add(call.sink, event)

    def tell(self, call: Ticket, event: Event) -> None:
        """Leave an event that is no answer."""
        self._outbox.add(call.sink, event)

    def fail(self, call: Ticket, error: Exception) -> None:
        """End one call with an error; raises it where it is the device that failed."""
        if is_device_failure(error):
            raise error
        self.give_up([call], call_failure(error, self._model, "the call failed"))
        return_memory()

    def give_up(self, calls: Iterable[Ticket], failure: GenSDKError) -> None:
        """End calls with an error, a copy for each."""
        for call in calls:
            self._outbox.add(call.sink, Failed(detached(failure)))

    def wanted(self, call: Ticket) -> bool:
        """Whether somebody still waits for a call, and the engine is to go on."""
        if self.lease is not None:
            self.lease.share()  # a long step asks again and again: other models get in between
        return not call.cancelled and not self._is_ending()

    def deliver(self) -> None:
        """Hand over what was posted."""
        for loop in self._outbox.flush():
            for call in self._calls():
                call.cancelled = call.cancelled or call.sink.loop is loop
