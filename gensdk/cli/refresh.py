"""``gensdk models refresh``: what the providers' own lists say, written down for later calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gensdk.errors import ConfigurationError, UnsupportedFeatureError

from .failures import exit_code
from .guard import guard, in_loop
from .inventory import problem, providers
from .options import AsJson, DebugFlag
from .session import open_client
from .table import columns
from .terminal import Flags, Terminal

if TYPE_CHECKING:
    from gensdk._refresh import ModelChange, ModelRefresh

__all__ = ["refresh"]

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PROVIDER]...", help="Whom to ask; else all whose key is set."),
]
Target = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Write there, and compare with it.")
]


def refresh(
    names: Names = None,
    to: Target = None,
    dry_run: Annotated[bool, typer.Option(help="Show what differs and write nothing.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Show models the catalogue knows nothing of one by one.")
    ] = False,
    as_json: AsJson = False,
    debug: DebugFlag = False,
) -> None:
    """Ask providers which models they have, show what differs, and write it down.

    What is written goes before gensdk's own catalogue from then on: dates of models that end.
    Nothing else ever asks for these lists.
    """

    def body(terminal: Terminal) -> int:
        asked = names or [one.name for one in providers() if one.key_set]
        if not asked:
            raise ConfigurationError("no key of a provider is set; name the providers to ask")

        async def work() -> int:
            async with open_client(terminal) as client:
                with terminal.waiting(f"asking {', '.join(asked)}"):
                    found = await client.refresh_models(*asked, path=to, save=not dry_run)
            return _show(terminal, found, bool(names), everything=everything, as_json=as_json)

        return in_loop(work())

    guard(Flags(debug=debug), body)


def _show(
    terminal: Terminal, found: ModelRefresh, named: bool, *, everything: bool, as_json: bool
) -> int:
    failures = {
        name: error
        for name, error in found.failures.items()
        if named or not isinstance(error, UnsupportedFeatureError)  # has no list, and was not meant
    }
    if as_json:
        terminal.json({
            "changes": [one.model_dump(mode="json") for one in found.changes],
            "listed": dict(found.listed),
            "failures": {name: error.kind for name, error in failures.items()},
            "path": str(found.path) if found.path else None,
        })  # fmt: skip
    else:
        for line in _lines(found, everything=everything):
            terminal.line(line)
    for name, error in failures.items():
        terminal.note(f"warning: {name} could not be asked: {problem(error)}")
    return exit_code(next(iter(failures.values()))) if failures else 0


def _lines(found: ModelRefresh, *, everything: bool) -> Iterator[str]:
    told = [one for one in found.changes if everything or one.change != "unknown"]
    yield from columns([_row(one) for one in told], indent="")
    if not told:
        yield "nothing differs from what is known"
    for name, count in found.listed.items():
        unknown = sum(one.provider == name and one.change == "unknown" for one in found.changes)
        rest = f", {unknown} of them unknown to the catalogue (--all shows them)"
        yield f"{name}: {count} models listed" + (rest if unknown and not everything else "")
    if found.path is not None:
        yield f"written to {found.path}"


def _row(change: ModelChange) -> tuple[str, ...]:
    day = change.retires_on.isoformat() if change.retires_on else "-"
    successor = f"use {change.provider}:{change.successor}" if change.successor else "-"
    return change.change, f"{change.provider}:{change.model}", day, successor, change.note
