"""What the pipeline adds to a call: CPU time beside the backend's own method, policy by policy.

    python benchmarks/policies.py [--calls 2000] [--rounds 9] [--json FILE] [--profile NAME]

A backend in this process answers after one turn of the event loop (without it cancelled timers
would pile up, as they do in no real program) with a response it builds anew. Each way answers the
same request object: the backend's method called directly, ``client.run`` with the default policies,
and with one more policy at a time. Rounds are interleaved; a figure is the median over rounds of a
way's ``process_time`` for one call less that of the direct call in the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import importlib.util
import json
import platform
import pstats
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import tenacity

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import gensdk
from gensdk.spec import Capabilities, Context
from gensdk.types import (
    Candidate,
    Finished,
    TextDelta,
    TextPart,
    TextRequest,
    TextResponse,
    Usage,
)

Ask = Callable[[], Awaitable[object]]
GOAL_US = 40.0
NOTHING = 0.002  # dollars that a call may cost, where a budget asks


class Instant:
    """Answers at once."""

    name = "instant"

    def __init__(self) -> None:
        self._facts = Capabilities(abilities=frozenset({"text"}), streams=frozenset({"text"}))

    def capabilities(self, model: str) -> Capabilities:
        return self._facts

    def _answer(self, model: str) -> TextResponse[Any]:
        candidate = Candidate(parts=(TextPart(text="Hello."),), finish_reason="stop")
        return TextResponse(
            candidates=(candidate,), finish_reason="stop", provider="instant", model=model,
            usage=Usage(input_tokens=20, output_tokens=60),
        )  # fmt: skip

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        await asyncio.sleep(0)
        return self._answer(context.model)

    async def stream_text(
        self, request: TextRequest, context: Context
    ) -> AsyncIterator[TextDelta | Finished]:
        await asyncio.sleep(0)
        yield TextDelta(text="Hello.")
        yield Finished(response=self._answer(context.model))

    async def aclose(self) -> None:
        """Hold nothing."""


REQUEST = TextRequest(prompt="Hello", model="instant:m", temperature=0.7, max_tokens=100)


def by_run(request: TextRequest = REQUEST, **settings: Any) -> Ask:
    """The request through a client with these settings."""
    backends = {"instant": Instant(), "other": Instant()}
    client = gensdk.Client(backends=backends, **settings)
    return lambda: client.run(request)


def cache_miss() -> Ask:
    """A new request each time: looked up, asked, kept."""
    store = gensdk.MemoryStore()
    client = gensdk.Client(backends={"instant": Instant()}, cache=gensdk.Cache(store, random=True))
    number = 0

    def ask() -> Awaitable[object]:
        nonlocal number
        number += 1
        return client.run(REQUEST.model_copy(update={"seed": number}))

    return ask


def route_of_two() -> Ask:
    """Two models, of which the first answers."""
    client = gensdk.Client(backends={"instant": Instant(), "other": Instant()})
    route = gensdk.Route("instant:m", "other:m")
    return lambda: client.run(REQUEST, model=route)


def by_verb() -> Ask:
    """The verb instead of a request object: building and checking the request comes on top."""
    client = gensdk.Client(backends={"instant": Instant()})
    return lambda: client.text("Hello", model="instant:m", temperature=0.7, max_tokens=100)


def by_stream() -> Ask:
    """A stream of one piece, beside the backend's own stream."""
    client = gensdk.Client(backends={"instant": Instant()})

    async def ask() -> None:
        async with client.stream(REQUEST) as events:
            async for _ in events:
                continue
            await events.result()

    return ask


def direct() -> Ask:
    """The backend's own method."""
    backend, context = Instant(), Context(model="m", provider="instant")
    return lambda: backend.text(REQUEST, context)


def by_tenacity() -> Ask:
    """The backend's own method inside tenacity: a yardstick for machines."""
    backend, context = Instant(), Context(model="m", provider="instant")
    engine = tenacity.AsyncRetrying(stop=tenacity.stop_after_attempt(3))
    return lambda: engine(backend.text, REQUEST, context)


def direct_stream() -> Ask:
    """The backend's own stream."""
    backend, context = Instant(), Context(model="m", provider="instant")

    async def ask() -> None:
        async for _ in backend.stream_text(REQUEST, context):
            continue

    return ask


def telemetry() -> Ask:
    """A hook that makes a span and three metrics; a real SDK takes them and throws them away."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    from gensdk.telemetry import OpenTelemetry

    hook = OpenTelemetry(tracer_provider=TracerProvider(), meter_provider=MeterProvider())
    return by_run(hooks=[hook])


def heard(_fact: object) -> None:
    """A hook that does nothing."""


WAYS: dict[str, Callable[[], Ask]] = {
    "the backend's method": direct,
    "tenacity around the method": by_tenacity,
    "default policies": by_run,
    "+ Cache, miss": cache_miss,
    "+ Cache, hit": lambda: by_run(cache=gensdk.Cache(random=True)),
    "+ Budget": lambda: by_run(budget=gensdk.Budget(10**9, prices={"instant": NOTHING})),
    "+ Breaker": lambda: by_run(breaker=gensdk.Breaker()),
    "+ Limit(concurrency=8)": lambda: by_run(limit=gensdk.Limit(concurrency=8)),
    "+ Limit of tokens and requests": lambda: by_run(
        limit=gensdk.Limit(requests_per_minute=10**9, tokens_per_minute=10**12)
    ),
    "+ Route of two": route_of_two,
    "+ a hook": lambda: by_run(hooks=[heard]),
    "+ OpenTelemetry": telemetry,
    "client.text(…) instead of run": by_verb,
    "the backend's stream": direct_stream,
    "default policies, a stream": by_stream,
}
BESIDE = {"default policies, a stream": "the backend's stream"}


async def measure(calls: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of CPU for one call, by way and round."""
    ways = dict(WAYS)
    if importlib.util.find_spec("opentelemetry") is None:
        del ways["+ OpenTelemetry"]
    asks = {name: make() for name, make in ways.items()}
    taken: dict[str, list[float]] = {name: [] for name in asks}
    for ask in asks.values():
        for _ in range(calls // 10):
            await ask()
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for name, ask in asks.items():
            began = time.process_time()
            for _ in range(calls):
                await ask()
            taken[name].append((time.process_time() - began) / calls * 1e6)
    return taken


def added(taken: dict[str, list[float]]) -> dict[str, float]:
    """What each way takes beyond the direct call, in microseconds."""
    return {
        name: statistics.median(
            mine - theirs
            for mine, theirs in zip(
                values, taken[BESIDE.get(name, "the backend's method")], strict=True
            )
        )
        for name, values in taken.items()
    }


async def profiled(name: str, calls: int) -> None:
    """Where the time of one way goes."""
    ask = WAYS[name]()
    await ask()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(calls):
        await ask()
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(30)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", choices=WAYS, help="print where the time of one way goes")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.profile:
        asyncio.run(profiled(given.profile, given.calls))
        return
    taken = asyncio.run(measure(given.calls, given.rounds))
    more = added(taken)
    print(f"Python {platform.python_version()}, {platform.processor() or platform.machine()}")
    plain = more["default policies"]
    for name, values in taken.items():
        beside = "" if name.startswith("the backend's") else f"added {more[name]:7.1f} us"
        if name.startswith("+ "):
            beside += f"  ({more[name] - plain:+.1f} to the defaults)"
        print(f"{name:34} {statistics.median(values):7.1f} us  {beside}")
    verdict = "keep" if plain <= GOAL_US else "miss"
    print(f"the default policies {verdict} the goal of {GOAL_US:g} us on this machine:")
    print(f"{plain / more['tenacity around the method']:.1f} times what tenacity alone would add")
    if given.json:
        given.json.write_text(json.dumps({"taken_us": taken, "added_us": more}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
