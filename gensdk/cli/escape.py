r"""Making foreign text harmless for a terminal.

A model's text may hold escape sequences that set the window's title, write the clipboard or hide
what is printed, and bidirectional controls that show it in another order than it has. They become
visible text (``\x1b``). The rule is that of ``gensdk.errors.printable``, but for three characters
without any power that honest text needs: the two joiners (emoji, Persian, Indic scripts) and the
soft hyphen. ``\r\n`` becomes ``\n``; a lone ``\r``, which would overwrite the line, is escaped.
"""

from __future__ import annotations

import json
import unicodedata

__all__ = ["Escaper", "json_text", "visible"]

_SHOWN = frozenset("\n\t\u200c\u200d\u00ad")
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


class Escaper:
    r"""Escapes a text that comes in pieces; a ``\r`` at an end waits for what follows it."""

    def __init__(self) -> None:
        """Start with nothing held back."""
        self._held = ""

    def feed(self, piece: str) -> str:
        """The next piece, harmless."""
        piece = self._held + piece
        self._held = ""
        if piece.endswith("\r"):
            piece, self._held = piece[:-1], "\r"
        return _harmless(piece)

    def end(self) -> str:
        """What was still held back."""
        held, self._held = self._held, ""
        return _harmless(held)


def visible(text: str) -> str:
    """A whole text, harmless."""
    return _harmless(text)


def json_text(value: object, *, ascii_only: bool = False, indent: int | None = 2) -> str:
    """JSON whose strings hold no character with power over a terminal.

    Such characters are written as JSON's own escapes, so a parser reads exactly the same value.
    """
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(json.dumps(char)[1:-1] if _dangerous(char) else char for char in text)


def _harmless(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii") if _dangerous(char) else char
        for char in text.replace("\r\n", "\n")
    )


def _dangerous(char: str) -> bool:
    return char not in _SHOWN and unicodedata.category(char) in _UNSAFE
