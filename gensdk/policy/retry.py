"""Trying again: when, how often, after how long. The only place in gensdk that does."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from gensdk.errors import (
    ConfigurationError,
    ConnectionFailedError,
    GenSDKError,
    InvalidResponseError,
    OutcomeUnknownError,
    OverloadedError,
    RateLimitError,
    ResponseTooLargeError,
    StreamInterruptedError,
    TimedOutError,
    TransientError,
    UnsafeURLError,
)

from .call import Call, Outcome, Step

if TYPE_CHECKING:
    import tenacity

__all__ = ["Retrier", "Retry", "Tokens", "passing", "repeat_download", "repeat_look"]

ValueT = TypeVar("ValueT")

CAPACITY = 500.0
COST = 14.0
THROTTLE_COST = 9.0
REWARD = 1.0

LOOKS = 5
"""How many times as often as a request a look at a job may fail in a row."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently to try again.

    Only retryable errors are; see ``docs/reliability.md`` for the table. Waits double from
    ``base_s`` up to ``max_backoff_s`` with full jitter; a provider's ``Retry-After`` is never
    undercut, and one longer than ``max_wait_s`` or than the time left ends the call (or moves a
    route on) at once.

    Attributes:
        attempts: Tries at one hop, the first included.
        base_s: Upper bound of the first wait.
        max_backoff_s: Upper bound of every wait the provider did not ask for.
        max_wait_s: Longest wait accepted when the provider asks for one.
        unknown_outcome: Repeat paid calls (images, speech, music, videos) although the first may
            have been done and billed.
    """

    attempts: int = 3
    base_s: float = 0.5
    max_backoff_s: float = 8.0
    max_wait_s: float = 60.0
    unknown_outcome: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise ConfigurationError("Retry(attempts=…) counts the first try: give 1 or more")
        for wait in (self.base_s, self.max_backoff_s, self.max_wait_s):
            if not isinstance(wait, int | float) or not wait >= 0:  # not NaN either
                raise ConfigurationError("Retry: waits are seconds, zero or more")

    def allows(self, error: GenSDKError, call: Call, tries: int, lost: int) -> bool:
        """Whether an error may be answered by another try.

        Args:
            error: What the last try ended with.
            call: The call, at its hop.
            tries: Tries made at this hop.
            lost: How often this call has lost an answer that may have been paid for, here and
                at earlier hops.
        """
        if tries >= self.attempts or call.last_try:
            return False
        if isinstance(error, OutcomeUnknownError):
            known_again = call.starts_job and call.here.facts.idempotent_start
            return self.unknown_outcome or known_again
        if error.billed == "yes" and call.paid_once:
            return False  # done and paid for; only what came after it failed
        if isinstance(error, InvalidResponseError):
            final = isinstance(error, ResponseTooLargeError | UnsafeURLError) or _moved(error)
            return tries == 1 and not final and not call.paid_once
        if isinstance(error, TimedOutError) and error.phase == "queue":
            return False  # the queue's own time is over; a second wait would double it
        cut = isinstance(error, StreamInterruptedError)  # before its first output, or not here
        if _lost(error) and call.paid_once and lost > 1 and not self.unknown_outcome:
            return False
        return error.retryable or cut

    def wait_s(self, error: GenSDKError, tries: int, jitter: Callable[[], float]) -> float:
        """Seconds to wait after the ``tries``-th try; ``jitter`` gives numbers from 0 to 1."""
        backoff = min(self.base_s * 2.0 ** min(tries - 1, 64), self.max_backoff_s)
        spread = backoff * (0.1 + 0.9 * jitter())
        if error.retry_after is None:
            return spread
        return error.retry_after + min(spread, 0.1 * error.retry_after + 0.05)


async def repeat_download(
    work: Callable[[], Awaitable[ValueT]], retry: Retry, tokens: Tokens, deadline: float = math.inf
) -> ValueT:
    """Do a download, and do it again after a transient failure: that costs nothing.

    The address of a picture that has been paid for is worth more than one try, as long as the
    allowance lasts, and the time up to a deadline on the loop's clock.
    """
    clock = asyncio.get_running_loop().time

    def again(error: GenSDKError, tries: int, wait_s: float) -> bool:
        transient = isinstance(error, TransientError)
        in_time = wait_s <= retry.max_wait_s and clock() + wait_s < deadline
        return transient and tries < retry.attempts and in_time

    return await _repeat(work, retry, again, tokens)


async def repeat_look(work: Callable[[], Awaitable[ValueT]], retry: Retry) -> ValueT:
    """Ask about a job, and ask again after a failure in passing: that costs nothing.

    The job goes on meanwhile, and is paid for; so a look may fail more often in a row than a
    request, and waits as long as the provider asks. The caller's deadline bounds it.
    ``Retry(attempts=1)`` asks once.
    """
    most = retry.attempts * LOOKS if retry.attempts > 1 else 1

    def again(error: GenSDKError, tries: int, _wait_s: float) -> bool:
        return passing(error) and tries < most

    return await _repeat(work, retry, again)


def passing(error: GenSDKError) -> bool:
    """Whether asking again may help where asking costs nothing: also after an unusable answer."""
    if isinstance(error, ResponseTooLargeError | UnsafeURLError):
        return False
    return error.retryable or isinstance(error, InvalidResponseError | StreamInterruptedError)


async def _repeat(
    work: Callable[[], Awaitable[ValueT]],
    retry: Retry,
    again: Callable[[GenSDKError, int, float], bool],
    tokens: Tokens | None = None,
) -> ValueT:
    tries, taken = 1, REWARD
    while True:
        try:
            value = await work()
        except GenSDKError as error:
            wait_s = retry.wait_s(error, tries, random.random)
            if not again(error, tries, wait_s):
                raise
            if tokens is not None and not (taken := tokens.take(error)):
                raise
        else:
            if tokens is not None:
                tokens.give(taken)
            return value
        try:
            await asyncio.sleep(wait_s)
        except BaseException:  # cancelled: the try was paid for and is not made
            if tokens is not None:
                tokens.give(taken)
            raise
        tries += 1


class Tokens:
    """The allowance for retries of one provider, or of downloads: an outage is not multiplied.

    500 tokens; a retry takes 14 (9 where the provider throttles) and gives them back when it
    succeeds, and so does a hedge; a first try that succeeds adds one. So 100 calls that all fail
    make at most 135 requests, or 155 where they are throttled.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        """Start full."""
        self.left = CAPACITY

    def take(self, error: GenSDKError) -> float:
        """Take the price of one retry and return it; 0 where there is not enough left."""
        throttled = isinstance(error, RateLimitError | OverloadedError)
        return self.spend(THROTTLE_COST if throttled else COST)

    def spend(self, price: float = COST) -> float:
        """Take a price, of a hedge too, and return it; 0 where there is not enough left."""
        if price > self.left:
            return 0.0
        self.left -= price
        return price

    def give(self, tokens: float) -> None:
        """Put tokens back, up to the capacity."""
        self.left = min(CAPACITY, self.left + tokens)


class Retrier:
    """The retry layer: a plain first try, and tenacity once it has failed."""

    def __init__(self, *, jitter: Callable[[], float] = random.random) -> None:
        """Start with a full allowance for every provider."""
        self._tokens: dict[str, Tokens] = {}
        self._jitter = jitter

    def tokens(self, provider: str) -> Tokens:
        """The allowance of a provider."""
        tokens = self._tokens.get(provider)
        if tokens is None:
            tokens = self._tokens[provider] = Tokens()
        return tokens

    def wrap(self, step: Step) -> Step:
        """Put the layer around a step."""

        async def retried(call: Call) -> Outcome:
            tokens = self.tokens(call.here.provider)
            try:
                outcome = await step(call)
            except GenSDKError as error:
                if not call.retry.allows(error, call, 1, call.lost + _lost(error)):
                    raise
                return await _Again(call, step, tokens, self._jitter, error).run()
            tokens.give(REWARD)
            return outcome

        return retried


class _Again:
    """The tries after a first failure, driven by tenacity."""

    def __init__(
        self,
        call: Call,
        step: Step,
        tokens: Tokens,
        jitter: Callable[[], float],
        first: GenSDKError,
    ) -> None:
        self._call = call
        self._step = step
        self._tokens = tokens
        self._jitter = jitter
        self._first: GenSDKError | None = first
        self._lost = call.lost
        self._taken = 0.0
        self._wait_s = 0.0

    async def run(self) -> Outcome:
        import tenacity

        engine = tenacity.AsyncRetrying(
            sleep=self._sleep,
            retry=self._again,
            wait=self._pause,
            stop=tenacity.stop_never,
            reraise=True,
        )
        outcome: Outcome = await engine(self._try)
        self._tokens.give(self._taken)
        return outcome

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except BaseException:  # cancelled: the try was paid for and is not made
            self._tokens.give(self._taken)
            raise

    async def _try(self) -> Outcome:
        if self._first is not None:
            first, self._first = self._first, None
            raise first
        self._call.delay_s = self._wait_s
        return await self._step(self._call)

    def _again(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, GenSDKError):
            return False
        call, tries = self._call, state.attempt_number
        self._lost += _lost(error)
        if not call.retry.allows(error, call, tries, self._lost):
            return False
        self._wait_s = call.retry.wait_s(error, tries, self._jitter)
        asked = error.retry_after or 0.0
        if asked > call.retry.max_wait_s or self._wait_s >= call.left_s:
            return False
        self._taken = self._tokens.take(error)
        return self._taken > 0

    def _pause(self, _state: tenacity.RetryCallState) -> float:
        return self._wait_s


def _moved(error: GenSDKError) -> bool:
    """Whether the server sent us elsewhere; it will again."""
    return error.status is not None and error.status // 100 == 3


def _lost(error: GenSDKError) -> int:
    """1 where the connection was cut after sending: the answer may have been paid for."""
    cut = isinstance(error, ConnectionFailedError | StreamInterruptedError)
    return int(cut and error.billed != "no")
