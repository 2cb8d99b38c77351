"""Facts about calls, for logs, metrics and traces. Content is never part of a fact."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gensdk.errors import ConfigurationError
from gensdk.types import (
    Ability,
    Attempt,
    CancelOutcome,
    Cost,
    JobHandle,
    JobProgress,
    Timing,
    Usage,
)

__all__ = [
    "AttemptFinished", "CallFinished", "CallStarted", "Fact", "Hook", "JobCancelled",
    "JobProgressed", "JobStarted", "emitter",
]  # fmt: skip

logger = logging.getLogger("gensdk")


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call has begun. ``models`` are its hops, in order."""

    call_id: str
    ability: Ability
    models: tuple[str, ...]
    streaming: bool
    tag: str | None


@dataclass(frozen=True, slots=True)
class AttemptFinished:
    """One attempt has ended, well or badly."""

    call_id: str
    ability: Ability
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A call has ended. ``error`` is the kind of the error it ended with, None for success."""

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


Fact = CallStarted | AttemptFinished | JobStarted | JobProgressed | JobCancelled | CallFinished
Hook = Callable[[Fact], object]
"""A plain function that takes each fact: ``Client(hooks=[print])`` works."""


def emitter(hooks: Sequence[Hook]) -> Callable[[Fact], None]:
    """Join hooks into one function that never raises; a failing hook is logged.

    Raises:
        ConfigurationError: A hook is not callable, or a coroutine function (hooks must not hold
            up a call; start a task of your own from a plain function).
    """
    for hook in hooks:
        inner = getattr(type(hook), "__call__", None)  # noqa: B004  # of a callable object
        if not callable(hook) or any(map(inspect.iscoroutinefunction, (hook, inner))):
            raise ConfigurationError(f"hook {hook!r}: give a plain function, not a coroutine")
    if not hooks:
        return _nobody

    def emit(fact: Fact) -> None:
        for hook in hooks:
            try:
                hook(fact)
            except Exception:  # a hook is the user's code; the call goes on
                logger.exception("a hook failed on %s", type(fact).__name__)

    return emit


def _nobody(_fact: Fact) -> None:
    """Nobody listens."""
