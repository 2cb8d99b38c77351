"""Reading a provider's count of tokens."""

from __future__ import annotations

from pydantic_core import from_json

from .answer import Answer

__all__ = ["tokens_in"]

_MOST = 2**40


def tokens_in(answer: Answer, field: str) -> int | None:
    """The count under a field of an answer; None where there is none that can be one."""
    try:
        body = from_json(answer.body)
    except ValueError:
        return None
    value = body.get(field) if isinstance(body, dict) else None
    counts = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST
    return value if counts and isinstance(value, int) else None
