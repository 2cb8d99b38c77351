"""What the ending of a call says of the model it was made to: it answers, it failed, or neither."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gensdk.errors import (
    ContentBlockedError,
    GenSDKError,
    InvalidResponseError,
    OutcomeUnknownError,
    QuotaExceededError,
    ResponseTooLargeError,
    StreamInterruptedError,
    TimedOutError,
    TransientError,
    UnsafeURLError,
)

from .call import Call

__all__ = ["FINE", "Verdict", "judge"]

_OUTAGES = (
    TransientError,
    OutcomeUnknownError,
    StreamInterruptedError,
    InvalidResponseError,
    QuotaExceededError,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an ending says of a model: it answers, it failed, or neither.

    Attributes:
        failed: It looks like an outage; None where nothing can be told.
        error: Kind of the error.
        retry_after: Seconds the provider asked to wait.
    """

    failed: bool | None
    error: str | None = None
    retry_after: float = 0.0


FINE = Verdict(failed=False)
NOTHING = Verdict(failed=None)


def judge(call: Call, error: BaseException | None) -> Verdict:
    """The verdict on an ending; None as an error is a success."""
    if error is None:
        return FINE
    if isinstance(error, asyncio.CancelledError) and call.clock() >= call.deadline:
        return Verdict(failed=True, error=TimedOutError.kind) if _cut_off(call) else NOTHING
    if isinstance(error, asyncio.CancelledError):
        return _outrun(call)
    if not isinstance(error, GenSDKError):
        return NOTHING
    if _is_outage(error):
        return Verdict(failed=True, error=error.kind, retry_after=error.retry_after or 0.0)
    answered = error.status is not None or isinstance(error, ContentBlockedError)
    return FINE if answered else NOTHING


def _cut_off(call: Call) -> bool:
    """Whether an attempt at this very hop was under way; others may run beside it."""
    here = (call.here.provider, call.here.model)
    own = [one for one in call.attempts if (one.provider, one.model) == here]
    return bool(own) and own[-1].outcome == "cancelled"


def _outrun(call: Call) -> Verdict:
    """One that lost a hedge was slow, which tells nothing, or failing from try to try."""
    hedge, here = call.hedge, (call.here.provider, call.here.model)
    if hedge is None or not hedge.lost:
        return NOTHING
    failed = [
        one.error
        for one in hedge.attempts
        if one.outcome == "error" and (one.provider, one.model) == here
    ]
    return Verdict(failed=True, error=failed[-1]) if failed else NOTHING


def _is_outage(error: GenSDKError) -> bool:
    queued = isinstance(error, TimedOutError) and error.phase in {"queue", "total"}
    ours = isinstance(error, ResponseTooLargeError | UnsafeURLError)
    return isinstance(error, _OUTAGES) and not queued and not ours
