"""What the user gives: words, stdin, files and models."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from gensdk.errors import ConfigurationError

__all__ = ["model_of", "schema_of", "stdin_bytes", "stdin_text", "text_lines", "whole_text"]

STDIN = "-"


def whole_text(words: Sequence[str] | None, *, what: str = "prompt") -> str:
    """One text from words; ``-`` stands for stdin, and so do no words where stdin is no terminal.

    Raises:
        ConfigurationError: There is no text, or it is not UTF-8.
    """
    if not words:
        _need_stdin(what)
        return _something(stdin_text(), what)
    checked = [_utf8(word, what) for word in words]
    if STDIN not in checked:
        return " ".join(checked)
    place = checked.index(STDIN)
    before, after = " ".join(checked[:place]), " ".join(checked[place + 1 :])
    return "\n\n".join(part for part in (before, _something(stdin_text(), what), after) if part)


def text_lines(texts: Sequence[str] | None, *, what: str = "text") -> list[str]:
    """Several texts: the arguments, with the lines of stdin that are not blank in place of ``-``.

    No arguments stand for stdin too, where it is no terminal.

    Raises:
        ConfigurationError: There is no text, or it is not UTF-8.
    """
    if not texts:
        _need_stdin(what)
    found: list[str] = []
    for text in texts or [STDIN]:
        found += _stdin_lines(what) if text == STDIN else [_utf8(text, what)]
    return found


def _stdin_lines(what: str) -> list[str]:
    text = _something(stdin_text(), what)
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def stdin_text() -> str:
    """Everything on stdin, without a byte order mark and without line breaks at the end.

    Raises:
        ConfigurationError: It is not UTF-8.
    """
    try:
        return stdin_bytes().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"stdin is not UTF-8 text ({error.reason})") from error


def stdin_bytes() -> bytes:
    """Everything on stdin."""
    return sys.stdin.buffer.read() if sys.stdin is not None else b""


def schema_of(path: Path | None) -> dict[str, object] | None:
    """A JSON schema from a file.

    Raises:
        ConfigurationError: The file is no JSON object.
    """
    if path is None:
        return None
    try:
        schema = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--schema {path}: {error}") from error
    if not isinstance(schema, dict):
        raise ConfigurationError(f"--schema {path}: a JSON schema is an object")
    return schema


def model_of(models: Sequence[str] | None) -> str | list[str] | None:
    """What goes into the client's model slot: one name, several in order, or the default."""
    if not models:
        return None
    return models[0] if len(models) == 1 else list(models)


def _need_stdin(what: str) -> None:
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigurationError(f"no {what}: give it as an argument, or pipe it in")


def _something(text: str, what: str) -> str:
    if not text.strip():
        raise ConfigurationError(f"no {what}: stdin is empty")
    return text


def _utf8(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"the {what} is not UTF-8 text") from error
    return text
