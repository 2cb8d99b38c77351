"""``gensdk doctor``: what is set up, what is missing, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import gensdk
from gensdk.errors import ConfigurationError

from . import inventory, machine
from .answerable import obstacles
from .guard import guard, in_loop
from .options import AsJson, DebugFlag
from .session import open_client
from .table import columns
from .terminal import Flags, Terminal

__all__ = ["doctor"]

UNUSABLE = 2


@dataclass
class Finding:
    """Everything there is to say.

    Attributes:
        transport: What opens the connections where no client of the user's is lent.
        problems: What keeps gensdk from working; empty where it is usable.
    """

    gensdk: str
    python: str
    packages: dict[str, str | None]
    keys: dict[str, bool]
    addresses: dict[str, str]
    extras: list[machine.Extra]
    devices: list[str]
    cache: machine.Cache
    models: list[machine.LocalModel]
    config_file: str | None
    defaults: list[inventory.Default]
    proxies: dict[str, str]
    transport: str
    problems: list[str] = field(default_factory=list)


def doctor(
    as_json: AsJson = False,
    debug: DebugFlag = False,
) -> None:
    """Show what is set up and what is missing. Asks nobody, changes nothing."""

    def body(terminal: Terminal) -> int:
        return in_loop(_show(terminal, as_json=as_json))

    guard(Flags(debug=debug), body)


async def _show(terminal: Terminal, *, as_json: bool) -> int:
    async with open_client(terminal) as client:
        with terminal.waiting("looking"):
            found = look(client)
    if as_json:
        terminal.json(as_values(found))
    else:
        for line in _lines(found):
            terminal.line(line)
    return UNUSABLE if found.problems else 0


def look(client: gensdk.Client) -> Finding:
    """Look at everything, without the network."""
    keys = inventory.key_variables()
    config, rows, aliases, problems = _configuration()
    found = Finding(
        gensdk=gensdk.__version__,
        python=machine.python_line(),
        packages=machine.core_versions(),
        keys={name: bool(os.environ.get(name, "").strip()) for name in keys},
        addresses=machine.addresses(),
        extras=machine.extras(),
        devices=machine.devices(),
        cache=machine.model_cache(),
        models=machine.local_models(),
        config_file=config,
        defaults=rows,
        proxies=machine.proxies(),
        transport=machine.transport(),
        problems=problems,
    )
    found.problems += [*_missing(found), *obstacles(client, rows, aliases, found.extras)]
    return found


def as_values(found: Finding) -> dict[str, Any]:
    """The findings as JSON."""
    return {"usable": not found.problems, **asdict(found)}


def _configuration() -> tuple[str | None, list[inventory.Default], dict[str, object], list[str]]:
    try:
        file = inventory.config_file()
        return (str(file) if file else None), inventory.defaults(), inventory.aliases(), []
    except ConfigurationError as error:
        return None, [], {}, [f"the configuration file is broken: {inventory.problem(error)}"]


def _missing(found: Finding) -> Iterator[str]:
    for name, version in found.packages.items():
        if version is None:
            yield f"the package {name} is missing: pip install gensdk"


def _lines(found: Finding) -> Iterator[str]:
    yield f"gensdk {found.gensdk}, {found.python}"
    yield from columns([(name, version or "missing") for name, version in found.packages.items()])
    yield ""
    yield from _keys(found)
    yield ""
    yield "Default models"
    yield from columns([
        (row.ability, _model(row), row.source, row.note) for row in found.defaults
    ])  # fmt: skip
    yield f"  configuration file: {found.config_file or 'none'}"
    yield ""
    yield "Extras"
    yield from columns([(extra.name, _extra(extra)) for extra in found.extras])
    yield ""
    yield "Local models"
    yield from (f"  {line}" for line in found.devices)
    yield f"  {_cache(found.cache)}"
    yield from columns([
        (model.name, model.kind, ", ".join(model.abilities) or "not run", _size(model.bytes))
        for model in found.models
    ])  # fmt: skip
    yield ""
    yield "Network"
    yield from columns(list(found.proxies.items()) or [("no proxy",)])
    yield f"  requests leave over {found.transport}"
    yield ""
    yield from _verdict(found)


def _keys(found: Finding) -> Iterator[str]:
    present = [name for name, there in found.keys.items() if there]
    yield "Keys (names only)"
    yield f"  set: {', '.join(present) or 'none'}"
    absent = [name for name, there in found.keys.items() if not there]
    yield f"  not set: {', '.join(absent) or 'none'}"
    yield from (f"  {name}: {address}" for name, address in found.addresses.items())


def _model(row: inventory.Default) -> str:
    return ", ".join(row.model) if isinstance(row.model, list) else row.model or "-"


def _extra(extra: machine.Extra) -> str:
    if not extra.missing:
        versions = ", ".join(f"{name} {version}" for name, version in extra.versions.items())
        return f"installed ({versions})"
    return f'missing {", ".join(extra.missing)}: pip install "gensdk[{extra.name}]"'


def _cache(cache: machine.Cache) -> str:
    if not cache.exists:
        return f"model cache: {cache.folder} (not there yet)"
    return f"model cache: {cache.folder} ({cache.models} models, {cache.bytes / 1e9:.2f} GB)"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _verdict(found: Finding) -> Iterator[str]:
    if not found.problems:
        yield "Usable."
    for problem in found.problems:
        yield f"Problem: {problem}"
