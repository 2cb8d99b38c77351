"""How a model gets into memory: found, given a place, loaded. Runs in an engine's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .loading import GLANCE_SECONDS, Check, Watch
from .placing import EngineOwner, Found, Seat
from .ticket import Ticket
from .worker import Worker

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Arrival", "wait_for"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """The stages of a load.

    Attributes:
        find: Brings the model's folder here and inspects it.
        load: Loads the model into its seat.
    """

    find: Callable[[Watch], Found]
    load: Callable[[Found, Seat, Watch], Worker[Ticket]]

    def bring(self, engine: Engine, owner: EngineOwner | None, watch: Watch) -> Worker[Ticket]:
        """Bring an engine's model into memory; errors are those of the stages."""
        found = self.find(watch)
        watch.tensors = found.tensors
        seat = _seated(engine, owner, found, watch)
        watch()
        watch.report("load", 0, found.tensors)
        worker = self.load(found, seat, watch)
        watch.loaded(found.tensors)
        return worker


def wait_for(threads: Iterable[threading.Thread], check: Check) -> None:
    """Wait until threads have ended, asking ``check`` whether to go on waiting."""
    for thread in threads:
        while thread.is_alive():
            check()
            thread.join(GLANCE_SECONDS)


def _seated(engine: Engine, owner: EngineOwner | None, found: Found, check: Check) -> Seat:
    if owner is None:
        return Seat(found.wishes[0], found.wishes[0].need.working)
    while isinstance(seat := owner.seat(engine, found.wishes), list):
        wait_for(seat, check)
    return seat
