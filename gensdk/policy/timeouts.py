"""How long each phase of a call may take. Finite by default, in every modality."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

from gensdk.errors import ConfigurationError
from gensdk.types import Ability

__all__ = ["DEFAULTS", "NOTHING", "Phases", "Timeouts"]


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds allowed for each phase, all known."""

    total: float
    attempt: float
    connect: float = 10.0
    queue: float = 60.0
    first_output: float = 60.0
    idle: float = 30.0
    poll: float = 30.0


DEFAULTS: dict[Ability, Phases] = {
    "text": Phases(total=600, attempt=300, first_output=120, idle=60),
    "image": Phases(total=900, attempt=600, first_output=300, idle=300),
    "speech": Phases(total=600, attempt=300),
    "music": Phases(total=600, attempt=300, first_output=120),
    "transcribe": Phases(total=900, attempt=600),
    "video": Phases(total=1200, attempt=900, first_output=120),
    "embed": Phases(total=300, attempt=120),
    "moderate": Phases(total=120, attempt=60),
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds allowed for each phase of a call; None keeps the default of the ability.

    Attributes:
        total: The whole call by the wall clock: attempts, waits, downloads and fallbacks; of a
            job the waiting too.
        attempt: One attempt of a plain call; fetching what a job made.
        connect: Opening a connection.
        queue: Waiting for a free place under a ``Limit``.
        first_output: From the start of a stream's attempt to its first output; creating a job.
        idle: Between two outputs of a stream; comments and heartbeats are no output.
        poll: One look at a job, and the longest wait for the next one, unless the provider asks
            for a longer one.

    ``math.inf`` switches a clock off. Raises ``ConfigurationError`` for numbers that are not
    over zero.
    """

    total: float | None = None
    attempt: float | None = None
    connect: float | None = None
    queue: float | None = None
    first_output: float | None = None
    idle: float | None = None
    poll: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise ConfigurationError(
                    f"Timeouts({item.name}={value!r}): give seconds over zero, or math.inf"
                )

    def over(self, other: Timeouts | None) -> Timeouts:
        """These timeouts, and the other's where these say nothing."""
        if other is None or other is NOTHING:
            return self
        if self is NOTHING:
            return other
        return Timeouts(
            **{
                item.name: _first(getattr(self, item.name), getattr(other, item.name))
                for item in fields(self)
            }
        )

    def phases(self, ability: Ability) -> Phases:
        """Fill in the defaults of an ability."""
        return _phases(self, ability)


NOTHING = Timeouts()
"""Says nothing about any phase."""


@lru_cache(maxsize=256)
def _phases(timeouts: Timeouts, ability: Ability) -> Phases:
    base = DEFAULTS[ability]
    return Phases(
        **{
            item.name: _first(getattr(timeouts, item.name), getattr(base, item.name))
            for item in fields(timeouts)
        }
    )


def _first(mine: float | None, other: float | None) -> float:
    return mine if mine is not None else other  # type: ignore[return-value]  # one is set
