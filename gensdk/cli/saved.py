"""Telling what was written: the files' names, or the response with them in place of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gensdk.types import Media, Response

from .files import STDOUT, save
from .terminal import Terminal

__all__ = ["report"]


def report(
    terminal: Terminal,
    response: Response,
    output: Path,
    items: Sequence[Media],
    field: str,
    *,
    as_json: bool,
) -> None:
    """Write the files of a response and name them on stdout.

    Args:
        terminal: Where names go.
        response: The response they came in.
        output: What ``-o`` said.
        items: The pictures, or the sound.
        field: The response's field that holds them; in JSON it lists the files instead of bytes.
        as_json: Print the response as JSON.
    """
    paths = save(terminal, output, items)
    if output == STDOUT:
        return
    if not as_json:
        for path in paths:
            terminal.line(str(path))
        return
    shown = response.model_dump(mode="json", exclude={field})
    shown[field] = [
        {
            "path": str(path),
            "media_type": item.media_type,
            "bytes": len(item),
            "sha256": item.sha256,
        }
        for path, item in zip(paths, items, strict=True)
    ]
    terminal.json(shown)
