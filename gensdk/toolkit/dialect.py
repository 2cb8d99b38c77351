"""Where in a JSON schema a vendor's dialect has no words for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["NotExpressibleError", "inside"]


_SHOWN = 200
"""Characters of a path that are said; who nests deeper knows where."""


class NotExpressibleError(Exception):
    """A dialect has no words for this; the text says for what, and where in the answer.

    The place is the path of the field: names joined by dots, ``[]`` for the items of an array,
    ``$defs.Name`` for a definition; none for the root.
    """

    def __init__(self, what: str) -> None:
        """Say for what."""
        super().__init__(what)
        self.what = what
        self.path = ""

    def __str__(self) -> str:
        """What it is, and where."""
        return f"{self.what} (at {self.path[:_SHOWN]!r})" if self.path else self.what


@contextmanager
def inside(step: str) -> Iterator[None]:
    """Put a step before the path of what is not expressible inside of it."""
    try:
        yield
    except NotExpressibleError as error:
        rest = error.path
        error.path = f"{step}{rest}" if rest.startswith("[") or not rest else f"{step}.{rest}"
        raise
