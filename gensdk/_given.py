"""What a client, or one call, is given beside a request: checked where it is given.

Rule of the room: ``None`` means "not given", everything else that does not fit is refused with
what to write instead. Nothing falsy is taken for "not given".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from gensdk._resolve import ModelLike
from gensdk.errors import ConfigurationError
from gensdk.policy import (
    NOTHING,
    BreakerLike,
    Budget,
    Cache,
    CacheLike,
    Hook,
    Retry,
    Timeouts,
    breaker_of,
    budget_of,
    cache_of,
    interrupted_of,
)
from gensdk.types import Interrupted, Unsupported

if TYPE_CHECKING:
    from gensdk.toolkit import MediaPolicy

__all__ = ["CALL_SETTINGS",
    "CallSettings", "client_cache", "hooks_of", "media_of", "retry_of", "timeouts_of",
    "unsupported_of",
]  # fmt: skip

CALL_SETTINGS = ("timeouts", "retry", "cache", "breaker", "budget", "interrupted")
"""Keywords of the verbs that are no part of the request."""

_WORDS = ("warn", "error", "drop")


@dataclass(slots=True)  # not frozen: each call makes one, and that would take three times as long
class CallSettings:
    """What a single call sets apart from its request. Not changed once it is made.

    Attributes:
        until: Moment on the loop's clock at which it must be over, whatever ``timeouts`` say.
        budget: Money for this call, beside other budgets.
        account: What the steps of the call have spent together.
    """

    model: ModelLike | None
    timeouts: Timeouts = NOTHING
    retry: Retry | None = None
    cache: CacheLike | None = None
    breaker: BreakerLike | None = None
    interrupted: Interrupted | None = None
    until: float = math.inf
    budget: Budget | None = None
    account: dict[Budget, Decimal] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: Any = None,
        *,
        timeouts: Any = None,
        retry: Any = None,
        cache: Any = None,
        breaker: Any = None,
        budget: Any = None,
        interrupted: Any = None,
    ) -> CallSettings:
        """Check what a verb was given.

        Raises:
            ConfigurationError: A setting is of another kind.
        """
        if timeouts is retry is cache is breaker is budget is interrupted is None:
            return cls(model)  # most calls set nothing
        return cls(
            model=model,
            timeouts=timeouts_of(timeouts),
            retry=retry_of(retry),
            cache=cache_of(cache),
            breaker=breaker_of(breaker),
            budget=budget_of(budget),
            interrupted=interrupted_of(interrupted),
        )

    def ending(self, until: float) -> CallSettings:
        """The same, to be over by a moment."""
        return replace(self, until=until)


def timeouts_of(value: object) -> Timeouts:
    """A ``Timeouts``, from one or from seconds in total."""
    if value is None:
        return NOTHING
    if isinstance(value, Timeouts):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Timeouts(total=value)
    raise ConfigurationError(
        f"timeouts={value!r:.80}: give seconds for the whole call (timeouts=30), or "
        "gensdk.Timeouts(total=30, attempt=10)"
    )


def retry_of(value: object) -> Retry | None:
    """A ``Retry``, or None."""
    if value is None or isinstance(value, Retry):
        return value
    raise ConfigurationError(
        f"retry={value!r:.80}: give gensdk.Retry(attempts=3); Retry(attempts=1) tries once"
    )


def client_cache(value: object) -> Cache | None:
    """A client's own cache; ``False`` is none."""
    if value is None or value is False:
        return None
    if isinstance(value, Cache):
        return value
    raise ConfigurationError(
        f"cache={value!r:.60}: give a client gensdk.Cache(), for example "
        "gensdk.Cache(gensdk.DiskStore('~/.cache/my-app'))"
    )


def media_of(value: object) -> MediaPolicy | None:
    """A ``MediaPolicy``, or None."""
    if value is None:
        return None
    from gensdk.toolkit import MediaPolicy

    if isinstance(value, MediaPolicy):
        return value
    raise ConfigurationError(f"media={value!r:.80}: give gensdk.MediaPolicy(max_bytes=…)")


def hooks_of(value: object) -> tuple[Hook, ...]:
    """Hooks in a tuple; what each of them must be is checked where they are joined."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return tuple(value)
    raise ConfigurationError(f"hooks={value!r:.80}: give a list of functions: hooks=[my_hook]")


def unsupported_of(value: object) -> Unsupported:
    """One of the three words."""
    if value in _WORDS:
        return cast("Unsupported", value)
    raise ConfigurationError(f"unsupported={value!r:.80}: 'warn', 'error' or 'drop'")
