"""Reading a provider's count of tokens."""

from __future__ import annotations

from .answer import Answer
from .reading import json_in

__all__ = ["tokens_in"]

_MOST = 2**40


def tokens_in(answer: Answer, field: str) -> int | None:
    """The count under a field of an answer; None where there is none that can be one."""
    body = json_in(answer.body)
    value = body.get(field) if isinstance(body, dict) else None
    counts = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST
    return value if counts and isinstance(value, int) else None
