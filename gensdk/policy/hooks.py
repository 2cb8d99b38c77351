"""Facts about calls, for logs, metrics and traces. Only ``CallContent`` holds content."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gensdk.errors import ConfigurationError
from gensdk.types import (
    Ability,
    Attempt,
    CancelOutcome,
    Cost,
    JobHandle,
    JobProgress,
    Request,
    Response,
    Timing,
    Usage,
)

__all__ = [
    "AttemptFinished", "CacheLookedUp", "CallContent", "CallFinished", "CallStarted",
    "CircuitChanged", "Emitter", "Fact", "Hook", "JobCancelled", "JobProgressed", "JobStarted",
    "LookUp", "numbers_of",
]  # fmt: skip

logger = logging.getLogger("gensdk")


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call has begun.

    Attributes:
        models: Its hops, in order.
        numbers: Numbers and switches of the request (``temperature``, ``max_tokens``, ``seed``).
    """

    call_id: str
    ability: Ability
    models: tuple[str, ...]
    streaming: bool
    tag: str | None
    numbers: Mapping[str, float | bool]


@dataclass(frozen=True, slots=True)
class CallContent:
    """What was asked and answered, just before ``CallFinished``.

    Only hooks that have an attribute ``takes_content = True`` are told.

    Attributes:
        response: None where the call failed.
    """

    call_id: str
    ability: Ability
    request: Request
    response: Response | None


LookUp = Literal["hit", "shared", "miss", "failed"]
"""What came of a look into the cache. ``shared``: the answer of an equal call that was under way;
``failed``: the store could not be asked."""


@dataclass(frozen=True, slots=True)
class CacheLookedUp:
    """The cache was asked for the answer of a model. After a hit there is no attempt."""

    call_id: str
    ability: Ability
    model: str
    found: LookUp


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """One attempt has ended, well or badly."""

    call_id: str
    ability: Ability
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A call has ended. ``error`` is the kind of the error it ended with, None for success.

    A ``cached`` one used nothing: ``usage`` is None and the cost 0.
    """

    call_id: str
    ability: Ability
    provider: str | None
    model: str | None
    error: str | None
    usage: Usage | None
    cost: Cost | None
    timing: Timing
    attempts: tuple[Attempt, ...]
    tag: str | None
    request_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    cached: bool = False


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A provider works on a job now. The handle takes it up, here or elsewhere."""

    call_id: str
    ability: Ability
    handle: JobHandle


@dataclass(frozen=True, slots=True)
class JobProgressed:
    """A job was looked at. Previews are content, and left out."""

    call_id: str
    ability: Ability
    job_id: str
    progress: JobProgress


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """A job was cancelled. ``outcome`` is None where the provider could not be told."""

    call_id: str
    ability: Ability
    job_id: str
    outcome: CancelOutcome | None


@dataclass(frozen=True, slots=True)
class CircuitChanged:
    """A ``Breaker`` thinks otherwise of a model; the call is the one that showed it.

    ``state`` is ``open``, ``half_open`` or ``closed``, ``error`` the kind of the last failure.
    """

    call_id: str
    ability: Ability
    provider: str
    model: str
    state: Literal["closed", "open", "half_open"]
    error: str | None


Fact = (
    CallStarted
    | CacheLookedUp
    | AttemptFinished
    | JobStarted
    | JobProgressed
    | JobCancelled
    | CallContent
    | CallFinished
    | CircuitChanged
)
Hook = Callable[[Fact], object]
"""A plain function that takes each fact: ``Client(hooks=[print])`` works."""


class Emitter:
    """Hooks joined into one function that never raises; a failing hook is logged.

    Attributes:
        listens: Whether anybody listens.
        takes_content: Whether anybody wants ``CallContent``.
    """

    __slots__ = ("_hooks", "_takers", "listens", "takes_content")

    def __init__(self, hooks: Sequence[Hook] = ()) -> None:
        """Check the hooks.

        Raises:
            ConfigurationError: A hook is not callable, or a coroutine function (hooks must not
                hold up a call; start a task of your own from a plain function).
        """
        for hook in hooks:
            if not callable(hook):
                raise ConfigurationError(
                    f"hook {hook!r:.80} is no function: give one that takes a fact: hooks=[my_hook]"
                )
            inner = getattr(type(hook), "__call__", None)  # noqa: B004  # of a callable object
            if any(map(inspect.iscoroutinefunction, (hook, inner))):
                raise ConfigurationError(f"hook {hook!r}: give a plain function, not a coroutine")
        self._hooks = tuple(hooks)
        self._takers = tuple(hook for hook in hooks if getattr(hook, "takes_content", False))
        self.listens = bool(self._hooks)
        self.takes_content = bool(self._takers)

    def __call__(self, fact: Fact) -> None:
        """Tell those whom it is for."""
        for hook in self._takers if type(fact) is CallContent else self._hooks:
            try:
                hook(fact)
            except Exception:  # a hook is the user's code; the call goes on
                logger.exception("a hook failed on %s", type(fact).__name__)


def numbers_of(request: Request) -> dict[str, float | bool]:
    """The numbers and switches a request sets; nothing a person has written."""
    return {
        name: value
        for name in type(request).model_fields
        if isinstance(value := getattr(request, name), int | float)
    }
