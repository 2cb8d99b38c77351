"""Leaving a model alone that is down: calls fail at once until a trial call has succeeded."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from gensdk.errors import CircuitOpenError, ConfigurationError
from gensdk.types import Ability, Response

from .attempt import refused
from .call import Call, Hedge, Outcome, Step
from .hooks import CircuitChanged
from .stream import OpenStream
from .verdict import FINE, Verdict, judge

__all__ = ["Breaker", "BreakerLayer", "BreakerLike", "Circuit", "breaker_of"]

CircuitState = Literal["closed", "open", "half_open"]
Key = tuple[str, str, Ability]

LONGEST_ASKED_S = 3600.0
"""The longest pause a provider is granted; a longer one is probed after it."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a breaker sees one model.

    Attributes:
        provider: Provider name.
        model: Model, without the provider prefix.
        ability: What it was asked for.
        state: ``closed``: calls pass. ``open``: they fail at once. ``half_open``: one passes.
        failures: Failed calls in a row.
        retry_after: Seconds until a trial call may pass; 0 unless open.
    """

    provider: str
    model: str
    ability: Ability
    state: CircuitState
    failures: int
    retry_after: float


class Breaker:
    """Leaves a model alone while it is down, for each provider, model and ability by itself.

    A circuit opens after ``failures`` failed calls in a row, or when less than ``share`` of the
    last ``of_last`` calls succeeded. While it is open, calls raise ``CircuitOpenError`` without a
    request, or a route moves on. Afterwards one call at a time is let through; it closes the
    circuit or opens it for twice as long.

    What counts is a call at one hop after its own retries. Failures are what an outage looks
    like: overload, rate limit, server errors, lost connections, timeouts, unusable answers, spent
    quota, streams that broke. Bad requests, refused keys, blocked content and cancelled calls are
    none. A hop that lost a hedge was slow, which is none either, unless a try of it had failed.

    Keep the object to read it; clients that are given the same one share what it knows.

    Args:
        failures: Failed calls in a row that open a circuit.
        share: Share of successes below which a circuit opens, 0 to 1; 0 looks at runs alone.
        of_last: Calls that ``share`` is taken of.
        open_s: Seconds the first pause lasts at least; up to a quarter more by chance. A longer
            ``Retry-After`` is honoured, up to an hour.
        longest_s: Bound of the pauses, which double from one failed trial to the next.

    Raises:
        ConfigurationError: A number makes no sense.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        share: float = 0.5,
        of_last: int = 20,
        open_s: float = 5.0,
        longest_s: float = 300.0,
    ) -> None:
        """Check the numbers; every circuit is closed."""
        counts = (failures, of_last)
        if not all(isinstance(count, int) and count >= 1 for count in counts):
            raise ConfigurationError("Breaker: failures and of_last are whole numbers from 1")
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ConfigurationError("Breaker(share=…) is a number from 0 to 1")
        if not all(isinstance(pause, int | float) for pause in (open_s, longest_s)) or not (
            0 < open_s <= longest_s < float("inf")
        ):
            raise ConfigurationError("Breaker: 0 < open_s <= longest_s, in seconds")
        self.failures = failures
        self.share = share
        self.of_last = of_last
        self.open_s = open_s
        self.longest_s = longest_s
        self._lock = threading.Lock()
        self._lines: dict[Key, _Line] = {}

    def __repr__(self) -> str:
        """Show the numbers."""
        return (
            f"Breaker(failures={self.failures}, share={self.share}, of_last={self.of_last}, "
            f"open_s={self.open_s}, longest_s={self.longest_s})"
        )

    def state(self, model: str, ability: Ability = "text") -> CircuitState:
        """How a ``"provider:model"`` stands."""
        provider, _, name = model.partition(":")
        return next(
            (
                one.state
                for one in self.circuits()
                if (one.provider, one.model, one.ability) == (provider, name, ability)
            ),
            "closed",
        )

    def circuits(self) -> tuple[Circuit, ...]:
        """Every circuit that has seen a failure lately; all others are closed."""
        with self._lock:
            now = monotonic()
            return tuple(
                Circuit(*key, line.state(now), line.in_a_row, max(0.0, line.until - now))
                for key, line in self._lines.items()
            )

    # ---------------------------------------------------------------------------- inside
    def enter(self, call: Call) -> _Permit | None:
        """Let a call pass, or not.

        None stands for a circuit that nothing is known of: what comes of the call is told to
        ``ended`` all the same.

        Raises:
            CircuitOpenError: The circuit is open, or its trial call is under way.
        """
        key = _key(call)
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                return None
            permit = line.enter(call, monotonic())
        if permit.refusal is not None:
            raise refused(call, permit.refusal)
        if permit.changed:
            _tell(call, "half_open", None)
        if permit.trial:
            call.last_try = True  # a trial is one attempt
        return permit

    def ended(self, call: Call, permit: _Permit | None, verdict: Verdict) -> None:
        """Take note of how a call came out."""
        key = _key(call)
        with self._lock:
            line = self._lines.get(key)
            if line is None and verdict.failed:
                line = self._lines[key] = _Line(self)
            if line is None:
                return
            before = line.state_word
            line.ended(permit, verdict, monotonic())
            after, error = line.state_word, line.last
            if line.idle:
                del self._lines[key]
        if after != before:
            _tell(call, after, error)


@dataclass(slots=True)
class _Permit:
    """Leave to make a call, as long as the circuit has not changed since."""

    epoch: int
    trial: bool = False
    changed: bool = False
    refusal: CircuitOpenError | None = None


class _Line:
    """The circuit of one model. Its owner holds the lock."""

    def __init__(self, settings: Breaker) -> None:
        self._settings = settings
        self._seen: deque[bool] = deque(maxlen=settings.of_last)
        self._epoch = 0
        self._openings = 0
        self._asked_until = 0.0
        self._trial: tuple[str, Hedge | None] | None = None
        self._trials = 0
        self.state_word: CircuitState = "closed"
        self.in_a_row = 0
        self.until = 0.0
        self.last: str | None = None

    @property
    def idle(self) -> bool:
        """Whether it says no more than a circuit nobody has heard of."""
        return self.state_word == "closed" and all(self._seen)

    def state(self, now: float) -> CircuitState:
        """Its state; open ones let a trial call pass once their time is over."""
        return "half_open" if self.state_word == "open" and now >= self.until else self.state_word

    def enter(self, call: Call, now: float) -> _Permit:
        if self.state_word == "closed":
            return _Permit(self._epoch)
        changed = False
        if self.state_word == "open" and now >= self.until:
            self.state_word, changed = "half_open", True
        # Parts of one request are one trial: they carry the same id. Two that race are not.
        trial = (call.id, call.hedge)
        if self.state_word == "open" or self._trial not in {None, trial}:
            return _Permit(self._epoch, refusal=self._refusal(call, now))
        self._trial = trial
        self._trials += 1
        return _Permit(self._epoch, trial=True, changed=changed)

    def _refusal(self, call: Call, now: float) -> CircuitOpenError:
        left = max(0.0, self.until - now)
        when = f"the next trial is in {left:.1f} s" if left else "a trial call is under way"
        return CircuitOpenError(
            f"{call.here} is left alone after {self.in_a_row or 'too many'} failed calls "
            f"(the last one: {self.last}); {when}. Nothing was sent; name another model, or "
            "several in a Route",
            retry_after=left,
        )

    def ended(self, permit: _Permit | None, verdict: Verdict, now: float) -> None:
        if (permit.epoch if permit else 0) != self._epoch:
            return  # begun before the circuit changed; its ending is old news
        if permit is not None and permit.trial:
            self._trials -= 1
            if verdict.failed is None:
                self._trial = self._trial if self._trials else None
                return
        if verdict.failed is None:
            return
        if verdict.failed:
            self._failed(verdict, now)
        else:
            self._succeeded()

    def _failed(self, verdict: Verdict, now: float) -> None:
        self.in_a_row += 1
        self.last = verdict.error
        self._seen.append(False)
        asked = min(verdict.retry_after, LONGEST_ASKED_S)
        self._asked_until = max(self._asked_until, now + asked)
        settings = self._settings
        full = len(self._seen) == settings.of_last
        below = full and sum(self._seen) < settings.share * settings.of_last
        if self.state_word == "half_open" or self.in_a_row >= settings.failures or below:
            self._open(now)

    def _open(self, now: float) -> None:
        settings = self._settings
        pause = min(settings.open_s * 2.0 ** min(self._openings, 64), settings.longest_s)
        self.until = max(now + pause * random.uniform(1.0, 1.25), self._asked_until)
        self._openings += 1
        self._turn("open")

    def _succeeded(self) -> None:
        self.in_a_row = 0
        if self.state_word == "half_open":
            self._openings = 0
            self._asked_until = self.until = 0.0
            self._seen.clear()
            self._turn("closed")
        else:
            self._seen.append(True)

    def _turn(self, state: CircuitState) -> None:
        self.state_word = state
        self._epoch += 1
        self._trial, self._trials = None, 0


BreakerLike = Breaker | Literal[False]
"""On a copy of a client, a route or a call: a breaker in place of another, ``False`` for none."""


def breaker_of(value: object) -> BreakerLike | None:
    """A breaker, ``False`` for none, or None for not given.

    Raises:
        ConfigurationError: It is something else.
    """
    if value is None or value is False or isinstance(value, Breaker):
        return value
    raise ConfigurationError(
        f"breaker={value!r:.80}: give gensdk.Breaker(failures=5), or False for none"
    )


class BreakerLayer:
    """The breaker layer: outside the retries, inside the route."""

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        def guarded(call: Call) -> Awaitable[Outcome]:
            breaker = call.breaker
            return step(call) if breaker is None else judged(call, breaker)

        async def judged(call: Call, breaker: Breaker) -> Outcome:
            permit = breaker.enter(call)
            try:
                outcome = await step(call)
            except BaseException as error:
                breaker.ended(call, permit, judge(call, error))
                raise
            if not isinstance(outcome, OpenStream):
                breaker.ended(call, permit, FINE)
            elif permit is not None and permit.trial:
                breaker.ended(call, permit, FINE)  # it gives output: enough for a trial
                outcome.on_end(_watch(breaker, call, None, only_failures=True))
            else:
                outcome.on_end(_watch(breaker, call, permit, only_failures=False))
            return outcome

        return guarded


def _watch(
    breaker: Breaker, call: Call, permit: _Permit | None, *, only_failures: bool
) -> Callable[[Response | None, BaseException | None], None]:
    """What is to be done when a stream ends; one that its reader left had been well."""

    def ended(_response: Response | None, error: BaseException | None) -> None:
        verdict = judge(call, error)
        if verdict.failed or not only_failures:
            breaker.ended(call, permit, verdict)

    return ended


def _key(call: Call) -> Key:
    return (call.here.provider, call.here.model, call.ability)


def _tell(call: Call, state: CircuitState, error: str | None) -> None:
    hop = call.here
    call.emit(CircuitChanged(call.id, call.ability, hop.provider, hop.model, state, error))
