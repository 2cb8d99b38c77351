"""``gensdk models``: which providers, defaults, aliases and demos there are, and their ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import typer

from gensdk.catalog.no_public_api import NO_PUBLIC_API

from .check import check
from .guard import guard
from .inventory import Default, Provider, aliases, config_file, defaults, demos, providers
from .options import AsJson, DebugFlag
from .refresh import refresh
from .table import columns
from .terminal import Flags, Terminal

__all__ = ["group"]

group = typer.Typer(name="models", invoke_without_command=True)
group.command()(check)
group.command()(refresh)


@group.callback()
def models(
    invoked: typer.Context,
    as_json: AsJson = False,
    debug: DebugFlag = False,
) -> None:
    """Show providers, defaults, aliases, demos, and what has no API. Asks nobody."""
    if invoked.invoked_subcommand is not None:
        return

    def body(terminal: Terminal) -> int:
        known, file = aliases(), config_file()
        if as_json:
            terminal.json({
                "providers": [asdict(provider) for provider in providers()],
                "defaults": {row.ability: _without_ability(row) for row in defaults()},
                "aliases": known,
                "config_file": str(file) if file else None,
                "demos": demos(),
                "no_public_api": [
                    {"product": row.product, "ability": row.ability, "why": row.why,
                     "instead": row.instead}
                    for row in NO_PUBLIC_API
                ],
            })  # fmt: skip
            return 0
        for line in _lines(known, str(file) if file else ""):
            terminal.line(line)
        return 0

    guard(Flags(debug=debug), body)


def _without_ability(row: Default) -> dict[str, object]:
    return {"model": row.model, "source": row.source, "note": row.note}


def _lines(known: dict[str, object], file: str) -> Iterator[str]:
    yield "Providers (write PROVIDER:MODEL after -m)"
    yield from columns([(provider.name, _key(provider)) for provider in providers()])
    yield ""
    yield "Default models"
    yield from columns([
        (row.ability, _named(row.model), row.source, row.note) for row in defaults()
    ])  # fmt: skip
    yield ""
    yield f"Aliases ({file})" if file else "Aliases (no configuration file)"
    yield from columns([(name, _named(model)) for name, model in known.items()])
    yield ""
    yield "Built-in demonstration models"
    yield from columns(list(demos().items()))
    yield ""
    yield "Products without a public API, and what does the same"
    yield from columns([
        (row.product, row.ability, ", ".join(row.instead)) for row in NO_PUBLIC_API
    ])  # fmt: skip


def _named(model: object) -> str:
    if isinstance(model, list):
        return ", ".join(map(str, model))
    return "-" if model is None else str(model)


def _key(provider: Provider) -> str:
    if provider.key is None:
        return "-"
    if provider.key_set:
        return f"{provider.key} is set"
    return f"{provider.key} is not set" + ("" if provider.key_required else " (optional)")
