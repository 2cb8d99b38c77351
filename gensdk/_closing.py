"""Whether a client is closed."""

from __future__ import annotations

from gensdk.errors import ClientClosedError

__all__ = ["Closing"]


class Closing:
    """Whether the client is closed; shared by the copies of ``with_options``."""

    __slots__ = ("closed",)

    def __init__(self) -> None:
        """Begin open."""
        self.closed = False

    def check(self) -> None:
        """Raise ``ClientClosedError`` once it is closed."""
        if self.closed:
            raise ClientClosedError("this client is closed; make a new gensdk.Client()")
