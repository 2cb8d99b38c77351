"""Rows that share a batch where memory may run out: how many run together, and whose end it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from typing import TypeVar

from .failures import is_device_failure, is_out_of_memory
from .worker import Desk

__all__ = ["RowLimit", "attempt"]

CallT = TypeVar("CallT", bound=Hashable)

_ROWS = 256
_STEPS_TO_RECOVER = 64


class RowLimit:
    """How many rows may run together: half as many after memory was short, then slowly more.

    Attributes:
        most: The limit of now.
    """

    __slots__ = ("_steps", "_tried_again", "most")

    def __init__(self) -> None:
        """Begin with as many as a worker ever runs."""
        self.most = _ROWS
        self._steps = 0
        self._tried_again = False

    def step(self) -> None:
        """Take note of a step; one row more may run after many."""
        self._steps += 1
        if self.most < _ROWS and self._steps % _STEPS_TO_RECOVER == 0:
            self.most += 1

    def halve(self, running: int) -> None:
        """Let half of the rows run that were too many, one at least."""
        self.most = max(1, running // 2)

    def is_spent(self) -> bool:
        """Whether a row alone was given its second try; asked where that is all that is left.

        Before it, idle models have made room, and memory that was only held has come back.
        """
        before, self._tried_again = self._tried_again, True
        return before

    def went_well(self) -> None:
        """Take note of a step that came to its end."""
        self._tried_again = False

    def reset(self) -> None:
        """Forget what was: there are no calls any more."""
        self.most = _ROWS


def attempt(
    desk: Desk[CallT],
    work: Callable[[], None],
    *,
    active: Collection[CallT],
    served: Callable[[], Sequence[CallT]],
    drop: Callable[[CallT], None],
    hopeless: Callable[[], bool],
) -> None:
    """Do a part of a step, if anybody waits; what fails in it ends the calls it served.

    Args:
        desk: Where errors go.
        work: The part of the step.
        active: The calls in progress.
        served: The calls that it was for.
        drop: Forgets a call.
        hopeless: Whether lack of memory is final; else it is raised, to be tried again.
    """
    if not any(map(desk.wanted, active)):
        return
    try:
        work()
    except Exception as error:
        if is_device_failure(error) or (is_out_of_memory(error) and not hopeless()):
            raise
        for call in served():
            if call in active:
                drop(call)
                desk.fail(call, error)
