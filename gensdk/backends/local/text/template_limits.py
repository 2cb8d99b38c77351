"""How much a chat template may make: sizes are known before anything is built.

Python's own operations run inside one call that no clock can interrupt: ``9 ** (9 ** 9)``, a
string centred in a billion columns, the text of a list that holds itself twice over forty times.
So each operation that can grow is measured first and refused when it is too large.
"""

from __future__ import annotations

import time
from collections.abc import ItemsView, Iterable, KeysView, Mapping, ValuesView
from typing import Any

__all__ = ["Budget", "TemplateTooLargeError", "pieces_of"]

_NODE = 64  # what a place in a list or dictionary costs, in characters
_SCALAR = 16
_COLLECTIONS = (list, tuple, set, frozenset, KeysView, ValuesView, ItemsView)
_INTEGER_BITS = 4096
_EXPONENT = 64
_PER_FIELD = 1000  # no width of a format has more than three digits
_ESCAPED = 10  # repr writes one character as ten at most


class TemplateTooLargeError(Exception):
    """A template would make more than it may, or takes too long."""


class Budget:
    """What one rendering may still use.

    Attributes:
        single: Size a single value may have, in characters.
    """

    __slots__ = ("_deadline", "_left", "single")

    def __init__(self, single: int, total: int, seconds: float) -> None:
        """Allow ``total`` characters in values of at most ``single`` each, for some seconds."""
        self.single = single
        self._left = total
        self._deadline = time.monotonic() + seconds

    def tick(self) -> None:
        """Look at the clock.

        Raises:
            TimeoutError: The time is over.
        """
        if time.monotonic() > self._deadline:
            raise TimeoutError("the time for the template is over")

    def charge(self, size: int) -> None:
        """Count something that is about to be made.

        Raises:
            TemplateTooLargeError: It is too large, or all of it together is.
            TimeoutError: The time is over.
        """
        self.tick()
        self._left -= size
        if size > self.single or self._left < 0:
            raise TemplateTooLargeError(f"it makes a value of about {size} characters")

    def weigh(self, *values: object) -> int:
        """Size of values as they would be written out, shared parts as often as they occur.

        Raises:
            TemplateTooLargeError: They are larger than a single value may be.
        """
        total = 0
        stack: list[object] = [*values]
        while stack:
            value = stack.pop()
            if isinstance(value, str | bytes):
                total += len(value)
            elif isinstance(value, Mapping):
                total += _NODE * (1 + len(value))
                stack += value.keys()
                stack += value.values()
            elif isinstance(value, _COLLECTIONS):
                total += _NODE * (1 + len(value))
                stack += value
            else:
                total += _SCALAR
                _check_integer(value)
            if total > self.single:
                raise TemplateTooLargeError("it uses a value that is too large when written out")
        return total

    def settle(self, items: Iterable[Any]) -> list[Any]:
        """Items of an iterable as a list, counted while they come."""
        if isinstance(items, str):
            self.charge(len(items) * _NODE)
        settled = []
        for item in items:
            self.charge(_NODE)
            settled.append(item)
        self.weigh(settled)
        return settled

    def operate(self, operator: str, left: Any, right: Any) -> None:
        """Measure a binary operation before it is done."""
        if operator == "%" and isinstance(left, str):
            return self.percent(left, right)
        size = self.weigh(left, right)
        if operator == "*":
            self._times(left, right)
        elif operator == "**":
            _check_power(left, right)
        elif operator == "+" and not isinstance(left, int | float):
            self.charge(size)
        return None

    def _times(self, left: Any, right: Any) -> None:
        for value, count in ((left, right), (right, left)):
            if isinstance(value, str | bytes | list | tuple) and isinstance(count, int):
                unit = 1 if isinstance(value, str | bytes) else _NODE
                self.charge(len(value) * unit * max(0, count))

    def percent(self, text: str, values: object) -> None:
        """Measure ``text % values``; widths of four digits, or given as values, are refused."""
        self.plain_format(text)
        if "*" in text:
            raise TemplateTooLargeError("it formats with a width given as a value")
        fields = text.count("%")
        self.charge(len(text) + fields * (_ESCAPED * self.weigh(values) + _PER_FIELD))

    def plain_format(self, text: str) -> None:
        """Refuse a format that is very long or asks for very wide fields."""
        if len(text) > 100 * _PER_FIELD or _longest_number(text) > 3:
            raise TemplateTooLargeError("it formats with a very large width")

    def replace(self, text: str, old: object, new: object) -> None:
        """Measure ``text.replace(old, new)``."""
        new_size, old_size = len(str(new)), len(str(old))
        self.charge(len(text) + text.count(str(old)) * max(0, new_size - old_size))

    def join(self, separator: str, items: Iterable[Any]) -> list[Any]:
        """Measure a join and return its items."""
        settled = self.settle(items)
        self.charge(len(separator) * len(settled) + self.weigh(settled))
        return settled

    def width(self, value: object, limit: int) -> None:
        """Refuse a width, depth or count over ``limit``."""
        if isinstance(value, int) and abs(value) > limit:
            raise TemplateTooLargeError(f"it asks for a width of {value:.3g}")
        if isinstance(value, str) and len(value) > limit:
            raise TemplateTooLargeError("it fills with a very long text")


def _check_integer(value: object) -> None:
    if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        raise TemplateTooLargeError("it computes with a number of thousands of digits")


def _check_power(left: object, right: object) -> None:
    if isinstance(left, int) and isinstance(right, int) and abs(right) > _EXPONENT:
        raise TemplateTooLargeError("it raises a number to a large power")


def _longest_number(text: str) -> int:
    longest = run = 0
    for char in text:
        run = run + 1 if char.isdigit() else 0
        longest = max(longest, run)
    return longest


def pieces_of(text: str, separator: str | None) -> int:
    """Places that ``text.split(separator)`` takes at most, in characters."""
    if separator:
        return _NODE * (text.count(separator) + 1)
    return _NODE * (len(text) // 2 + 1)
