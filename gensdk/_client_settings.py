"""What a client sets for all its calls, checked where it is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from gensdk._given import client_cache, hooks_of, retry_of, timeouts_of, unsupported_of
from gensdk.policy import (
    Breaker,
    BreakerLike,
    Budget,
    Cache,
    Emitter,
    Hook,
    Retry,
    Timeouts,
    breaker_of,
    budget_of,
    interrupted_of,
    on_retired_of,
)
from gensdk.types import Interrupted, OnRetired, Unsupported

__all__ = ["ClientSettings", "all_of", "first_of", "nearest"]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The settings that ``with_options`` can change."""

    timeouts: Timeouts
    retry: Retry
    unsupported: Unsupported
    interrupted: Interrupted
    on_retired: OnRetired
    emit: Emitter
    cache: Cache | None
    breaker: Breaker | None
    budgets: tuple[Budget, ...]

    @classmethod
    def of(
        cls,
        *,
        timeouts: Timeouts | float | None,
        retry: Retry | None,
        unsupported: Unsupported,
        hooks: Iterable[Hook],
        cache: Cache | None,
        breaker: BreakerLike | None,
        budget: Budget | None,
        interrupted: Interrupted,
        on_retired: OnRetired,
    ) -> Self:
        """Check what a client was given.

        Raises:
            ConfigurationError: A setting is of another kind.
        """
        return cls(
            timeouts=timeouts_of(timeouts),
            retry=first_of(retry_of(retry), Retry()),
            unsupported=unsupported_of(unsupported),
            interrupted=interrupted_of(interrupted) or "raise",
            on_retired=on_retired_of(on_retired),
            emit=Emitter(hooks_of(hooks)),
            cache=client_cache(cache),
            breaker=breaker_of(breaker) or None,
            budgets=all_of(budget_of(budget)),
        )

    def changed(
        self,
        *,
        timeouts: Timeouts | float | None = None,
        retry: Retry | None = None,
        unsupported: Unsupported | None = None,
        hooks: Iterable[Hook] | None = None,
        cache: Cache | Literal[False] | None = None,
        breaker: BreakerLike | None = None,
        budget: Budget | None = None,
        interrupted: Interrupted | None = None,
        on_retired: OnRetired | None = None,
    ) -> Self:
        """The same with some of them changed; None changes nothing.

        Raises:
            ConfigurationError: A setting is of another kind.
        """
        changes: dict[str, Any] = {}
        if timeouts is not None:
            changes["timeouts"] = timeouts_of(timeouts).over(self.timeouts)
        if retry is not None:
            changes["retry"] = retry_of(retry)
        if unsupported is not None:
            changes["unsupported"] = unsupported_of(unsupported)
        if hooks is not None:
            changes["emit"] = Emitter(hooks_of(hooks))
        if cache is not None:
            changes["cache"] = client_cache(cache)
        if breaker is not None:
            changes["breaker"] = breaker_of(breaker) or None
        if budget is not None:
            changes["budgets"] = all_of(*self.budgets, budget_of(budget))
        if interrupted is not None:
            changes["interrupted"] = interrupted_of(interrupted)
        if on_retired is not None:
            changes["on_retired"] = on_retired_of(on_retired)
        return replace(self, **changes)


def all_of(*budgets: Budget | None) -> tuple[Budget, ...]:
    """Those that are given, once each."""
    return tuple(dict.fromkeys(one for one in budgets if one is not None))


def first_of(*values: Retry | None) -> Retry:
    """The first that was given."""
    for value in values:
        if value is not None:
            return value
    raise ValueError("none was given")


def nearest(*breakers: BreakerLike | None) -> Breaker | None:
    """The first that was given; ``False`` is none."""
    for one in breakers:
        if one is not None:
            return one or None
    return None
