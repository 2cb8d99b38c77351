"""Reading JSON that a server sent: what may be wrong with it, and what may be left unread."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import from_json

__all__ = ["OR_NONE", "first_problem", "json_in"]


def _or_none(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        return None


OR_NONE = WrapValidator(_or_none)
"""For fields beside the result: an odd value counts as not given and spoils no paid answer."""


def json_in(body: bytes) -> Any:
    """The JSON of a body; None where it is none."""
    try:
        return from_json(body)
    except ValueError:
        return None


def first_problem(error: ValidationError, whole: str = "") -> str:
    """Where a document is wrong and why, without quoting it.

    Args:
        error: What pydantic says. It quotes, so it is to be no cause of what is raised.
        whole: What the document is called where all of it is wrong.
    """
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"])) or whole
    return f"{place}: {first['msg']}" if place else first["msg"]
