"""Reads a JSON document as it grows; every character is looked at once.

What is complete is validated once for each object around it; an unfinished object is put together
anew for each look at it, and looks are so rationed that this work too grows with the length of
the document and not with its square.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json

from gensdk.types import OutputSchema, Restarted, StreamEvent, TextDelta

from .shapes import MISSING, Shape
from .typed import shape_of

__all__ = ["GrowingOutput"]

_MAX_DEPTH = 100
_LOOK = 64
"""Parts that may be copied for a look, for each character that came since the last one."""

_SPACE = re.compile(r"[ \t\r\n]*")
_IN_STRING = re.compile(r'[^"\\]*')
_WHOLE = re.compile(
    r"(?:[^\\]++|\\[^u]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4})*+"
)
"""What of a string can be decoded by itself: no half escape, no half pair of them."""
_IN_SCALAR = re.compile(r"[^\s,\]}\[{:\"]*")
_CLOSING = {"{": "}", "[": "]"}


class _NotJsonError(Exception):
    """The text is no JSON; the end of the stream will say so."""


class _Open:
    """An object or array that has begun and not ended."""

    __slots__ = ("bracket", "declared", "key", "name", "parts", "raw", "shape")

    def __init__(self, bracket: str, declared: Shape | None) -> None:
        self.bracket = bracket
        self.declared = declared
        self.shape = declared and declared.opened(bracket)
        self.raw: Any = {} if bracket == "{" else []
        self.parts: Any = {} if bracket == "{" else []
        self.key = ""
        self.name: Any = None

    def child(self) -> Shape | None:
        """The shape of the value that follows."""
        if self.shape is None:
            return None
        if self.bracket == "[":
            return self.shape.item()
        found = self.shape.place(self.key)
        self.name = found and found[0]
        return found and found[1]

    def add(self, value: Any, declared: Shape | None) -> bool:
        """Take a complete value; whether it can be seen."""
        shown = MISSING if declared is None else declared.whole(value)
        if self.bracket == "[":
            self.raw.append(value)
            if shown is not MISSING:
                self.parts.append(shown)
            return shown is not MISSING
        self.raw[self.key] = value
        if shown is not MISSING:
            self.parts[self.name] = shown
        return self._decide() or shown is not MISSING

    def _decide(self) -> bool:
        """See whether what came tells what the object is; then look at it all again."""
        decided = self.shape and self.shape.decided(self.raw)
        if decided is None or decided is self.shape:
            return False
        self.shape = decided
        for key, value in self.raw.items():
            place = decided.place(key)
            shown = MISSING if place is None else place[1].whole(value)
            if place is not None and shown is not MISSING:
                self.parts[place[0]] = shown
        return True


class GrowingOutput:
    """The answer to ``output=``, as far as it has come."""

    def __init__(self, output: OutputSchema) -> None:
        """Begin before the first character."""
        self._shape = shape_of(output)
        self._reset()

    def _reset(self) -> None:
        self._state = self._start
        self._open: list[_Open] = []
        self._last: Any = MISSING
        self._decoded = ""
        self._pieces: list[str] = []
        self._length = 0
        self._escaped = False
        self._pending = False
        self._is_key = False
        self._value_shape: Shape | None = None
        self._changed = False
        self._since = 0

    def take(self, event: StreamEvent) -> None:
        """Read what an event adds; another model that begins anew begins the document anew."""
        if isinstance(event, Restarted):
            self._reset()
        elif isinstance(event, TextDelta) and event.index == 0:
            self._since += len(event.text)
            self._feed(event.text)

    def look(self) -> Any:
        """The answer so far; ``MISSING`` where nothing new is to be seen, or not yet."""
        if not self._changed:
            return MISSING
        parts = sum(len(one.parts) for one in self._open if one.shape is not None)
        if self._since * _LOOK < parts + self._length // _LOOK:
            return MISSING
        self._changed = False
        self._since = 0
        try:
            return self._built()
        except _NotJsonError:
            self._state = self._ended
            return MISSING

    def _built(self) -> Any:
        if not self._open:
            return self._last
        tail = MISSING
        if self._state == self._string and not self._is_key and self._grows():
            tail = self._unfinished()
        for one in reversed(self._open):
            tail = MISSING if one.shape is None else one.shape.build(one.parts, one.name, tail)
        return tail

    # ------------------------------------------------------------------------- characters
    def _feed(self, text: str) -> None:
        at = 0
        try:
            while at < len(text):
                at = self._state(text, at)
        except _NotJsonError:
            self._state = self._ended

    def _start(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at == len(text):
            return at
        if text[at] == "`":
            self._state = self._fence
        elif text[at] == "{":
            self._begin("{")
            at += 1
        else:
            raise _NotJsonError
        return at

    def _fence(self, text: str, at: int) -> int:
        """The first line of the Markdown fence that some models put around JSON."""
        end = text.find("\n", at)
        if end < 0:
            return len(text)
        self._state = self._start
        return end + 1

    def _ended(self, text: str, at: int) -> int:
        return len(text)

    def _value(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at == len(text):
            return at
        mark, top = text[at], self._open[-1]
        if mark == "]" and top.bracket == "[" and not top.raw:
            self._end(mark)
            return at + 1
        self._value_shape = top.child()
        if mark in _CLOSING:
            self._begin(mark)
            return at + 1
        if mark == '"':
            self._begin_string(is_key=False)
            return at + 1
        self._pieces = []
        self._state = self._scalar
        return at

    def _key(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at == len(text):
            return at
        if text[at] == '"':
            self._begin_string(is_key=True)
        elif text[at] == "}" and not self._open[-1].raw:
            self._end("}")
        else:
            raise _NotJsonError
        return at + 1

    def _colon(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at == len(text):
            return at
        if text[at] != ":":
            raise _NotJsonError
        self._state = self._value
        return at + 1

    def _comma(self, text: str, at: int) -> int:
        at = _after_space(text, at)
        if at == len(text):
            return at
        if text[at] == ",":
            self._state = self._key if self._open[-1].bracket == "{" else self._value
        else:
            self._end(text[at])
        return at + 1

    def _scalar(self, text: str, at: int) -> int:
        """A number, ``true``, ``false`` or ``null``: complete when something else follows."""
        found = _IN_SCALAR.match(text, at)
        end = found.end() if found else at
        self._pieces.append(text[at:end])
        if end < len(text):
            word = "".join(self._pieces)
            try:
                value = from_json(word, allow_inf_nan=False)
            except ValueError:
                raise _NotJsonError from None
            self._complete(value, self._value_shape)
        return end

    # ---------------------------------------------------------------------------- strings
    def _begin_string(self, *, is_key: bool) -> None:
        self._decoded = ""
        self._pieces = []
        self._length = 0
        self._escaped = self._pending = False
        self._is_key = is_key
        self._state = self._string

    def _string(self, text: str, at: int) -> int:
        if self._pending:
            self._pending = False
            self._pieces.append(text[at])
            return at + 1
        found = _IN_STRING.match(text, at)
        end = found.end() if found else at
        self._pieces.append(text[at:end])
        self._length += end - at
        if end > at and not self._is_key and self._grows():
            self._changed = True
        if end == len(text):
            return end
        if text[end] == "\\":
            self._pieces.append("\\")
            self._escaped = self._pending = True
        else:
            self._end_string()
        return end + 1

    def _grows(self) -> bool:
        return self._value_shape is not None and self._value_shape.grows

    def _end_string(self) -> None:
        text = "".join(self._pieces)
        seen = self._length > 0 and not self._escaped and not self._is_key and self._grows()
        changed = self._changed
        if self._escaped:
            text = self._decoded + _decoded(text)
        self._pieces = []
        self._length = 0
        if self._is_key:
            self._open[-1].key = text
            self._state = self._colon
        else:
            self._complete(text, self._value_shape)
            if seen:  # as it was shown while it grew
                self._changed = changed

    def _unfinished(self) -> str:
        text = "".join(self._pieces)
        self._pieces = [text]  # so that the next look joins little
        if not self._escaped:
            return text
        whole = _WHOLE.match(text)
        end = whole.end() if whole else 0
        self._decoded += _decoded(text[:end])  # so that no look decodes it again
        self._pieces = [text[end:]]
        return self._decoded

    # --------------------------------------------------------------------------- brackets
    def _begin(self, bracket: str) -> None:
        if len(self._open) == _MAX_DEPTH:
            raise _NotJsonError
        one = _Open(bracket, self._value_shape if self._open else self._shape)
        self._open.append(one)
        self._changed = self._changed or (one.shape is not None and not one.shape.waits)
        self._state = self._key if bracket == "{" else self._value

    def _end(self, mark: str) -> None:
        one = self._open[-1]
        if mark != _CLOSING[one.bracket]:
            raise _NotJsonError
        if len(self._open) == 1:  # the end of the stream brings the whole, validated
            self._last = self._built()
        self._open.pop()
        if self._open:
            self._complete(one.raw, one.declared)
            self._changed = self._changed or one.shape is not None  # it may not fit, and vanish
        else:
            self._state = self._ended

    def _complete(self, value: Any, declared: Shape | None) -> None:
        if self._open[-1].add(value, declared):
            self._changed = True
        self._state = self._comma


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _decoded(text: str) -> str:
    """The text that the inside of a JSON string means."""
    try:
        return str(from_json(f'"{text}"'.encode(errors="replace")))
    except ValueError:
        raise _NotJsonError from None
