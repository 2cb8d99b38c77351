"""Stop strings for a protocol that has none: the text is cut here.

The model does not know of them, so what it writes after one is billed all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["StopCutter", "cut"]


def cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the stop string that is complete first, and whether there was one.

    Going by where a match *ends* gives the same cut however the text was split into pieces.
    """
    found = [(place + len(stop), place) for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(found)[1]], True) if found else (text, False)


class StopCutter:
    """Cuts a text that arrives in pieces, and never lets out a part of a stop string.

    An end of the text that may be the beginning of a stop string is held back until the next
    piece decides. One cutter for each text.
    """

    __slots__ = ("_held", "_stops", "stopped")

    def __init__(self, stops: Sequence[str]) -> None:
        """Start with nothing held back."""
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def add(self, piece: str) -> str:
        """Take a piece and return what may be shown now."""
        if self.stopped or not self._stops:
            return "" if self.stopped else piece
        text, self.stopped = cut(self._held + piece, self._stops)
        if self.stopped:
            self._held = ""
            return text
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back and turned out to be plain text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of the text that a stop string begins with."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
