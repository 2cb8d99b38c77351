"""How long an engine has had nothing to do, and how long it stays all the same."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Rest"]

_HOLD_SECONDS = 5.0


class Rest:
    """The rest of one engine.

    Attributes:
        clock: Tells the seconds.
        keep_alive_s: Seconds after which an idle engine asks its owner whether to go; None never.
    """

    def __init__(self) -> None:
        """Begin at work, to stay for ever."""
        self.clock: Callable[[], float] = time.monotonic
        self.keep_alive_s: float | None = None
        self._since = self._held_until = 0.0

    def begin(self) -> None:
        """Take note that there is nothing to do from now on."""
        self._since = self.clock()

    def hold(self) -> None:
        """Stay a moment for a call that the model was made ready for."""
        self._held_until = self.clock() + _HOLD_SECONDS

    def let_go(self) -> None:
        """The call has come."""
        self._held_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether such a call may still come."""
        return self.clock() < self._held_until

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self.clock() - self._since

    def patience(self) -> float | None:
        """Seconds until it is time to ask; None where it never is."""
        if self.keep_alive_s is None:
            return None
        return max(self._since + self.keep_alive_s, self._held_until) - self.clock()
