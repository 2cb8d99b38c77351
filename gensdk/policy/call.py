"""One logical call on its way through the policies, and what a step of the way is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from gensdk.errors import GenSDKError
from gensdk.types import (
    Ability,
    Attempt,
    Interrupted,
    ModelEnding,
    OnRetired,
    RateLimits,
    Request,
    Response,
    ResponseWarning,
    Unsupported,
)

from .hooks import Emitter
from .timeouts import Phases

if TYPE_CHECKING:
    from .breaker import Breaker
    from .budget import Budget
    from .cache import CacheUse
    from .lifecycle import LifecycleWatch
    from .retry import Retry
    from .route import Route
    from .stream import OpenStream

__all__ = ["PAID_ONCE", "Call", "Facts", "Hedge", "Hop", "Outcome", "Step"]

PAID_ONCE: frozenset[Ability] = frozenset({"image", "speech", "music", "video"})
"""Abilities whose single calls cost enough that a lost answer must not be bought again."""


class Facts(Protocol):
    """What the policies need to know of a model (``gensdk.spec.Capabilities`` has it)."""

    @property
    def jobs(self) -> frozenset[Ability]:
        """Abilities that run as a job."""
        ...

    @property
    def idempotent_start(self) -> bool:
        """Whether a job may be started again with the same key."""
        ...

    @property
    def local(self) -> bool:
        """Whether it runs on this machine."""
        ...

    @property
    def demo(self) -> bool:
        """Whether it is a built-in demonstration model."""
        ...

    @property
    def continues(self) -> bool:
        """Whether it takes up the assistant's last message exactly where that ends."""
        ...

    @property
    def max_candidates(self) -> int | None:
        """Candidates in one attempt."""
        ...

    @property
    def max_images(self) -> int | None:
        """Pictures in one attempt."""
        ...

    @property
    def max_videos(self) -> int | None:
        """Videos in one attempt, or in one job."""
        ...

    @property
    def max_inputs(self) -> int | None:
        """Embedding inputs in one attempt."""
        ...

    @property
    def max_input_bytes(self) -> int | None:
        """Bytes of embedding input in one attempt."""
        ...

    @property
    def max_characters(self) -> int | None:
        """Characters of speech input in one attempt."""
        ...

    @property
    def price_provider(self) -> str | None:
        """Name in the price table."""
        ...

    @property
    def ending(self) -> ModelEnding | None:
        """When it is, or was, shut down."""
        ...


@dataclass(frozen=True, slots=True)
class Hop:
    """A backend with one of its models: one place where a call can be answered."""

    backend: Any
    provider: str
    model: str
    facts: Facts

    def __str__(self) -> str:
        """Return ``provider:model``."""
        return f"{self.provider}:{self.model}"


@dataclass(slots=True, eq=False)
class Hedge:
    """One of several hops that are asked at the same time, and its tries.

    Attributes:
        begun: Done once its first try has begun; waiting for a place under a limit is over then.
        attempts: Its tries.
        lost: Whether it was given up because another has answered.
    """

    begun: asyncio.Future[None]
    attempts: list[Attempt] = field(default_factory=list)
    lost: bool = False


@dataclass  # without slots, so that a fork copies one dictionary
class Call:
    """The state of one logical call. Forks share its attempts, warnings, rescues and deadline.

    Attributes:
        clock: Seconds on the event loop's clock.
        deadline: Moment on that clock at which the whole call must be over.
        delay_s: Seconds waited before the attempt that comes next.
        lost: Answers that were lost at earlier hops, and may have been paid for.
        sending: Whether an attempt is under way.
        last_try: Whether the attempt under way is the last, because the whole has failed.
        rescued: What had been answered of a request in parts when a hop failed on the rest.
        asked: The request and the context for which the hop's model was made ready.
        cache: Where an equal call's answer may be, and this one's is kept; None for nowhere.
        from_cache: Whether the answer came from there.
        breaker: What leaves models alone that are down; None never does.
        hear: Takes what an answer's headers say of rate limits; set where a ``Limit`` listens.
        budgets: Whose money it spends; all of them hold.
        account: What it has spent of each; calls that are steps of one share it.
        unpriced: Whether a part of the answer was paid for and its price is not known.
        lifecycle: What minds the ends of models; None for the steps of a job.
        watchers: Policies that are told of each attempt of this fork as it ends.
        hedge: What this fork is where several hops are asked at once; forks of it share it.
    """

    ability: Ability
    request: Request
    streaming: bool
    hops: tuple[Hop, ...]
    route: Route
    retry: Retry
    phases: Phases
    clock: Callable[[], float]
    started: float
    started_at: datetime
    deadline: float
    emit: Emitter
    unsupported: Unsupported = "warn"
    interrupted: Interrupted = "raise"
    on_retired: OnRetired = "raise"
    hop: Hop | None = field(default=None, init=False)
    delay_s: float = field(default=0.0, init=False)
    id: str = field(init=False)
    idempotency_key: str = field(init=False)
    attempts: list[Attempt] = field(default_factory=list)
    warnings: list[ResponseWarning] = field(default_factory=list, init=False)
    lost: int = field(default=0, init=False)
    sending: bool = field(default=False, init=False)
    last_try: bool = field(default=False, init=False)
    rescued: list[Response] = field(default_factory=list, init=False)
    asked: tuple[Request, Any] | None = field(default=None, init=False)
    cache: CacheUse | None = None
    from_cache: bool = field(default=False, init=False)
    breaker: Breaker | None = None
    lifecycle: LifecycleWatch | None = None
    hear: Callable[[RateLimits], None] | None = field(default=None, init=False)
    budgets: tuple[Budget, ...] = ()
    account: dict[Budget, Decimal] = field(default_factory=dict)
    unpriced: bool = field(default=False, init=False)
    watchers: tuple[Callable[[Attempt], object], ...] = field(default=(), init=False)
    hedge: Hedge | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Mint the id of the call; it is the idempotency key of all its attempts too."""
        self.id = os.urandom(8).hex()
        self.idempotency_key = f"gensdk-{self.id}"

    def fork(self, *, hop: Hop | None = None, request: Request | None = None, mark: str) -> Call:
        """The same call at another hop or with a part of its request.

        ``mark`` goes into the idempotency key: to a provider it is another request.
        """
        child = object.__new__(Call)
        child.__dict__.update(self.__dict__)
        child.idempotency_key += mark
        if hop is not None:
            child.hop = hop
            child.delay_s = 0.0
        if request is not None:
            child.request = request
        return child

    @property
    def here(self) -> Hop:
        """The hop the call is at."""
        if self.hop is None:
            raise RuntimeError("the call has no hop yet")
        return self.hop

    @property
    def left_s(self) -> float:
        """Seconds left of the whole call's time."""
        return self.deadline - self.clock()

    @property
    def paid_once(self) -> bool:
        """Whether a lost answer would be paid for twice if the request were sent again."""
        return self.ability in PAID_ONCE and not self.here.facts.local

    @property
    def starts_job(self) -> bool:
        """Whether this ability runs as a job at this hop."""
        return not self.streaming and self.ability in self.here.facts.jobs

    def blame(self, error: GenSDKError) -> GenSDKError:
        """Fill in which provider and model an error comes from; here on this machine it is free."""
        if error.provider in {None, getattr(self.here.backend, "name", None)}:
            error.provider = self.here.provider  # the name the user knows it by
        if error.model is None:
            error.model = self.here.model
        if self.here.facts.local:
            error.billed = "no"
        return error


Outcome = Any
"""What a step gives: a whole answer, or a stream whose first output has arrived."""

if TYPE_CHECKING:
    Step = Callable[[Call], Awaitable[Response | OpenStream[Any]]]
else:
    Step = Callable
