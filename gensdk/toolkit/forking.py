"""What starts afresh in a child made by ``os.fork``: threads, and who holds a lock, stay behind."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["LockAnew", "begins_anew"]

LockT = TypeVar("LockT")


class Owner(Protocol):
    """What owns threads, or locks that threads hold."""

    def begin_anew(self) -> None:
        """Forget, in the child, what only the parent's threads could have finished."""
        ...


_OWNERS: weakref.WeakSet[Owner] = weakref.WeakSet()


def begins_anew(owner: Owner) -> None:
    """Call ``owner.begin_anew`` in every child made by ``os.fork`` as long as the owner lives."""
    _OWNERS.add(owner)


class LockAnew(Generic[LockT]):
    """A lock that is free in a child made by ``os.fork``, whichever thread held it.

    Attributes:
        lock: The lock of this process.
    """

    def __init__(self, make: Callable[[], LockT]) -> None:
        """Make a lock: ``threading.Lock`` or ``threading.RLock``."""
        self._make = make
        self.begin_anew()
        begins_anew(self)

    def begin_anew(self) -> None:
        """Have a lock that nobody holds."""
        self.lock = self._make()


def _after_fork() -> None:
    for owner in list(_OWNERS):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
