"""Chunks of a stream that differ from an earlier one in their text alone.

Most chunks of Chat Completions are half a kilobyte of the same JSON around a new word. Where the
bytes before and after that word are those of a chunk which was read and checked, and one JSON
string is all that stands between them, the chunk says what that one said, with another text. To
know this takes a fraction of the time of reading it whole. OpenAI pads its chunks with random
letters (``obfuscation``): these may differ, too. Servers whose chunks differ in more gain nothing
and lose nothing, for after a few chunks nothing is learned any more.
"""

from __future__ import annotations

import re

from pydantic_core import from_json

from .chat_wire import WireAnswer, WireMessage

__all__ = ["Repeats"]

_PATIENCE = 4
"""Chunks in a row that may be learned without one like them to follow."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_CONTENT = re.compile(rb'"content"\s*+:\s*+(%b)' % _STRING.pattern, re.DOTALL)
_LETTERS = re.compile(rb'"[A-Za-z0-9]*+"')
_PADDING = re.compile(rb'"obfuscation"\s*+:\s*+(%b)' % _LETTERS.pattern)


class Repeats:
    """Knows one chunk of a stream, and what else is like it.

    Attributes:
        index: The candidate whose text such chunks hold.
    """

    __slots__ = ("_after", "_before", "_between", "_in_vain", "index")

    def __init__(self) -> None:
        """Know none."""
        self.index = 0
        self._before = b""
        self._between = b""
        self._after = b""
        self._in_vain = 0

    def text_of(self, data: bytes) -> str | None:
        """The text of a chunk that is like the known one in all else; None for any other."""
        before = self._before
        if not before or not data.startswith(before):
            return None
        found = _STRING.match(data, len(before))
        if found is None or not self._ends_alike(data, found.end()):
            return None
        try:
            text: str = from_json(found[0])
        except ValueError:
            return None
        self._in_vain = 0
        return text

    def _ends_alike(self, data: bytes, end: int) -> bool:
        """Whether what follows the text is what followed it before, but for the padding."""
        if self._between:
            if not data.startswith(self._between, end):
                return False
            padding = _LETTERS.match(data, end + len(self._between))
            if padding is None:
                return False
            end = padding.end()
        return data[end:] == self._after

    def learn(self, wire: WireAnswer, data: bytes) -> None:
        """Remember a chunk that was read, if text is all it brings."""
        if self._in_vain >= _PATIENCE or not _brings_text_alone(wire):
            return
        self._in_vain += 1
        found = _CONTENT.search(data)
        if found is None or data.count(b'"content"') > 1 or not wire.choices:
            return
        self.index = wire.choices[0].index
        start, end = found.span(1)
        padding = _PADDING.search(data, end)
        self._before, self._between = data[:start], b""
        if padding is not None:
            self._between, end = data[end : padding.start(1)], padding.end(1)
        self._after = data[end:]


def _brings_text_alone(wire: WireAnswer) -> bool:
    """Whether a chunk has text for one candidate, and nothing else."""
    if wire.usage is not None or not wire.choices or len(wire.choices) > 1:
        return False
    choice = wire.choices[0]
    if choice.message or choice.text or choice.finish_reason or choice.logprobs:
        return False
    delta = choice.delta
    if delta is None or not isinstance(delta.content, str):
        return False
    return not any(getattr(delta, name) for name in _BESIDE)


_BESIDE = tuple(name for name in WireMessage.model_fields if name != "content")
