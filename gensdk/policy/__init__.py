"""What may happen between a request and a backend; one file each.

Rule of the room: a policy knows requests, responses and errors, never a vendor. Each is a small
frozen class the user passes, and a layer that wraps the next step. The order of the layers is in
``gensdk._pipeline`` and nowhere else.
"""

from .attempt import Attempter, Invoke, MakeReady
from .breaker import Breaker, BreakerLayer, BreakerLike, Circuit, breaker_of
from .budget import Budget, BudgetReport, budget_of
from .cache import (
    Cache,
    CacheLike,
    Cacher,
    CacheStore,
    CacheUse,
    DiskStore,
    MemoryStore,
    RedisStore,
    cache_of,
    cache_use,
)
from .call import Call, Hop, Outcome, Step
from .deadline import Deadline
from .hooks import (
    AttemptFinished,
    CacheLookedUp,
    CallContent,
    CallFinished,
    CallStarted,
    CircuitChanged,
    Emitter,
    Fact,
    Hook,
    JobCancelled,
    JobProgressed,
    JobStarted,
)
from .job import OpenJob
from .job_ends import JobDoor
from .lifecycle import Lifecycle, LifecycleWatch, ModelRetiring, lifecycle_of
from .limit import Limit, Limiter
from .observe import Observer, observe_job, tell_started
from .price import price
from .retry import Retrier, Retry, Tokens, repeat_download, repeat_look
from .route import Route, cannot_continue, interrupted_of
from .router import Router
from .spending import Spending, collecting
from .split import Splitter
from .stream import OpenStream
from .successor import Successors, on_retired_of
from .timeouts import NOTHING, Phases, Timeouts

__all__ = [
    "NOTHING", "AttemptFinished", "Attempter", "Breaker", "BreakerLayer", "BreakerLike",
    "Budget", "BudgetReport", "Cache", "CacheLike", "CacheLookedUp", "CacheStore", "CacheUse",
    "Cacher", "Call", "CallContent", "CallFinished", "CallStarted", "Circuit", "CircuitChanged",
    "Deadline", "DiskStore", "Emitter", "Fact", "Hook", "Hop", "Invoke", "JobCancelled",
    "JobDoor", "JobProgressed", "JobStarted", "Lifecycle", "LifecycleWatch", "Limit", "Limiter",
    "MakeReady", "MemoryStore", "ModelRetiring", "Observer", "OpenJob", "OpenStream", "Outcome",
    "Phases", "RedisStore", "Retrier", "Retry", "Route", "Router", "Spending", "Splitter",
    "Step", "Successors", "Timeouts", "Tokens", "breaker_of", "budget_of", "cache_of",
    "cache_use", "cannot_continue", "collecting", "interrupted_of", "lifecycle_of",
    "observe_job", "on_retired_of", "price", "repeat_download", "repeat_look", "tell_started",
]  # fmt: skip
