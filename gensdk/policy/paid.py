"""What a call may have cost already, and what may therefore not be sent again.

Rule of the room: pictures, speech, music and videos are bought once. A policy that is about to
send a paid request once more, here or elsewhere, asks this file.
"""

from __future__ import annotations

from collections.abc import Iterable

from gensdk.errors import (
    Billed,
    GenSDKError,
    InvalidResponseError,
    OutcomeUnknownError,
    StreamInterruptedError,
    TimedOutError,
    TransientError,
)
from gensdk.types import Attempt

from .call import PAID_ONCE, Call

__all__ = ["bought", "lost", "outcome_unknown", "worst"]

_ORDER: tuple[Billed, ...] = ("no", "maybe", "yes")
_NO_USE = frozenset({"connection", "stream_interrupted", "invalid_response", "response_too_large"})
"""Kinds of errors after which the answer may have been made, and paid for, without reaching us."""


def worst(error: GenSDKError, attempts: Iterable[Attempt]) -> Billed:
    """Whether any part of a call may be charged: its error's own word or an attempt's."""
    said = [error.billed, *(attempt.billed for attempt in attempts)]
    return max(said, key=_ORDER.index)


def lost(attempts: Iterable[Attempt]) -> int:
    """How many attempts may have been paid for although no usable answer came.

    A 5xx is not among them: the server answered, and said that it failed.
    """
    return sum(attempt.billed == "maybe" and attempt.error in _NO_USE for attempt in attempts)


def bought(call: Call, since: int) -> bool:
    """Whether a picture or a sound is, or is likely to be, paid for; then none is bought again.

    That is so after an attempt that was billed (a part of the request that was answered, a
    picture whose download failed), after one whose outcome is not known (our own timeout, a
    cancellation under way), and after two lost answers: one may be tried once more. Attempts on
    this machine cost nothing. ``Retry(unknown_outcome=True)`` switches the rule off.

    Args:
        call: The call.
        since: Number of first attempts that do not count.
    """
    if call.ability not in PAID_ONCE or call.retry.unknown_outcome:
        return False
    attempts = call.attempts[since:]
    return any(map(_paid, attempts)) or lost(attempts) > 1


def _paid(attempt: Attempt) -> bool:
    unknown = attempt.outcome == "cancelled" or attempt.error == OutcomeUnknownError.kind
    return attempt.billed == "yes" or (attempt.billed == "maybe" and unknown)


_AMBIGUOUS = (TransientError, StreamInterruptedError, InvalidResponseError)
"""Errors after which a job may have been created, unless they say that nothing is billed."""


def outcome_unknown(call: Call, error: GenSDKError) -> GenSDKError:
    """A paid request that was sent and timed out here is not known to have failed.

    Nor is the creation of a job whose answer did not come, was a 5xx, or cannot be read: the job
    may run. Gives any other error back as it is.
    """
    unclear = _AMBIGUOUS if call.starts_job else TimedOutError
    if not isinstance(error, unclear) or error.billed == "no" or not call.paid_once:
        return error
    may, sent = f"still finish, and bill, this {call.ability} request", "sent"
    if call.starts_job:
        may, sent = f"have started, and bill, this {call.ability} job", "started"
    return OutcomeUnknownError(
        f"{error.message}; {call.here} may {may}, so it is not {sent} again. "
        "Retry(unknown_outcome=True) repeats a request that has given nothing yet all the same",
        provider=error.provider,
        model=error.model,
        status=error.status,
        request_id=error.request_id,
        partial=error.partial,
    )
