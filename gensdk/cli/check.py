"""``gensdk models check``: names in a code base whose models end, or have ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gensdk.policy import Lifecycle

from .ends import Ending, Scan, scan
from .failures import MODEL_GONE
from .guard import guard
from .options import AsJson, DebugFlag
from .terminal import Flags, Terminal

__all__ = ["check"]

Places = Annotated[
    list[Path], typer.Argument(metavar="FILE|DIR...", exists=True, help="Where to look.")
]
Within = Annotated[
    int, typer.Option(min=0, help="Days; models that end later than that are left alone.")
]


def check(
    places: Places,
    within: Within = Lifecycle.warn_days,
    as_json: AsJson = False,
    debug: DebugFlag = False,
) -> None:
    """Find names of models that were shut down, or soon will be. Asks nobody.

    The exit code is 8 where there is one. A line with "gensdk: allow-model" is passed over.
    """

    def body(terminal: Terminal) -> int:
        found = scan(places, datetime.now(UTC).date(), within)
        if as_json:
            terminal.json(_values(found))
        else:
            for line in _lines(found, within):
                terminal.line(line)
        if found.unread:
            terminal.note(f"warning: {found.unread} files were too large, or no text")
        return MODEL_GONE if found.endings else 0

    guard(Flags(debug=debug), body)


def _values(found: Scan) -> dict[str, object]:
    endings = [asdict(one) | {"retired_on": one.retired_on.isoformat()} for one in found.endings]
    return {"findings": endings, "files": found.files, "unread": found.unread}


def _lines(found: Scan, within: int) -> Iterator[str]:
    yield from map(_line, found.endings)
    if not found.endings:
        yield f"{found.files} files name no model that ends within {within} days"


def _line(ending: Ending) -> str:
    word = "was" if ending.retired else "will be"
    advice = f"use {ending.successor}" if ending.successor else "no successor is named"
    return (
        f"{ending.path}:{ending.line}:{ending.column}: {ending.text} {word} shut down on "
        f"{ending.retired_on.isoformat()}; {advice}"
    )
