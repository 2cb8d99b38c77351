"""The order of the policies, written once. No other file knows it.

``observe > cache > deadline > route > successor > split > breaker > retry > limit > budget > one
attempt``

Split stands inside the route, so one hop answers all parts of a large request, and outside retry,
so only a failed part is repeated. The breaker judges what is left after the retries. Retry stands
outside limit, so waiting for another try holds no place. The budget stands innermost, because
every attempt may be charged for by itself, and because money that waiting calls keep reserved
would be missing for those that could go. The cache stands before them all, so what it has costs
nothing. Streams pass the same way: their step ends with the first output.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from gensdk.policy import (
    Attempter,
    BreakerLayer,
    Cacher,
    Call,
    Deadline,
    Invoke,
    Limit,
    Limiter,
    MakeReady,
    Observer,
    Retrier,
    Router,
    Spending,
    Splitter,
    Step,
    Successors,
)

__all__ = ["build"]


def build(
    invoke: Invoke,
    make_ready: MakeReady,
    *,
    limit: Limit | Mapping[str, Limit] | None,
    cacher: Cacher,
) -> Step:
    """Wrap one attempt into the policies, innermost first.

    Calls without a budget go another way, with one layer less, through the same policies.
    """
    retrier = Retrier()
    layers = (
        Limiter(limit), retrier, BreakerLayer(), Splitter(), Successors(),
        Router(make_ready, retrier.tokens), Deadline(), cacher, Observer(),
    )  # fmt: skip
    free = Attempter(invoke, make_ready).step()
    bounded = Spending().wrap(free)
    for layer in layers:
        free, bounded = layer.wrap(free), layer.wrap(bounded)

    def run(call: Call) -> Awaitable[Any]:
        return (bounded if call.budgets else free)(call)

    return run
