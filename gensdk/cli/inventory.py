"""What this installation knows: providers, keys, defaults, aliases and the file they come from.

Names of variables only; the value of a key is never read into anything that is shown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from gensdk._registry import Registry
from gensdk._settings import DEMO_MODELS, ENVIRONMENT, default_model, file_models
from gensdk.catalog import DEFAULTS, lifecycle
from gensdk.catalog.compatible import OPENAI, PRESETS
from gensdk.errors import GenSDKError, UnknownModelError
from gensdk.types import ABILITIES, Ability

__all__ = [
    "Default",
    "Provider",
    "config_file",
    "defaults",
    "demos",
    "ending",
    "first_key",
    "key_variables",
    "problem",
    "providers",
]


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that can stand before the colon of a model's name.

    Attributes:
        name: As in ``"name:model"``.
        key: Variable with its key, None where the catalogue knows of none.
        key_set: Whether that variable holds anything.
        key_required: Whether the server refuses to work without a key.
    """

    name: str
    key: str | None
    key_set: bool
    key_required: bool


@dataclass(frozen=True, slots=True)
class Default:
    """The model that answers an ability when none is named.

    Attributes:
        ability: What is asked.
        model: Model, or several in order; None where there is none.
        source: Where that is said.
        note: What to know about it, such as the day it ends.
    """

    ability: Ability
    model: str | list[str] | None
    source: str
    note: str = ""


def providers(environ: Mapping[str, str] = os.environ) -> list[Provider]:
    """Every provider there is, with what the catalogue knows of its key."""
    rows = {OPENAI.name: OPENAI, **PRESETS}
    found = []
    for name in Registry({}).names():
        row = rows.get(name)
        key = row.key_env if row else None
        required = bool(row and row.key_required)
        found.append(Provider(name, key, bool(key and environ.get(key, "").strip()), required))
    return found


def key_variables() -> list[str]:
    """Every variable that may hold a key, as the catalogue knows them."""
    rows = (OPENAI, *PRESETS.values())
    names = [row.key_env for row in DEFAULTS] + [row.key_env for row in rows if row.key_env]
    return sorted(set(names))


def first_key() -> str:
    """The variable whose key makes a default model of text eligible, for advice."""
    return next(row.key_env for row in DEFAULTS if row.ability == "text")


def defaults(environ: Mapping[str, str] = os.environ) -> list[Default]:
    """The default of each ability, in the order in which the client looks for it.

    Raises:
        ConfigurationError: The configuration file cannot be read.
    """
    named = file_models(environ)
    return [_default(ability, named, environ) for ability in ABILITIES]


def demos() -> dict[str, str]:
    """Built-in demonstration models by ability."""
    return {str(ability): model for ability, model in DEMO_MODELS.items()}


def config_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The TOML file that models and aliases come from.

    Raises:
        ConfigurationError: A file that would be read is broken.
    """
    named = environ.get("GENSDK_CONFIG")
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    usual = [Path("gensdk.toml"), Path("pyproject.toml"), home / "gensdk" / "config.toml"]
    for path in [Path(named)] if named else usual:
        if named or (path.is_file() and file_models({"GENSDK_CONFIG": str(path)})):
            file_models({"GENSDK_CONFIG": str(path)})
            return path
    return None


def _default(
    ability: Ability, named: Mapping[str, str | list[str]], environ: Mapping[str, str]
) -> Default:
    variable = ENVIRONMENT[ability]
    said = [name.strip() for name in environ.get(variable, "").split(",") if name.strip()]
    if said:
        return Default(ability, said if len(said) > 1 else said[0], variable)
    if ability in named:
        return Default(ability, named[ability], "configuration file")
    try:
        model = default_model(ability, environ)
    except UnknownModelError:
        keys = ", ".join(dict.fromkeys(row.key_env for row in DEFAULTS if row.ability == ability))
        return Default(ability, None, "none", f"set {variable}" + (f" or {keys}" if keys else ""))
    if model == DEMO_MODELS.get(ability):
        return Default(ability, model, "demo", "a demonstration; set a key or choose a model")
    return Default(ability, model, "catalogue", ending(model, datetime.now(UTC).date()))


def ending(model: str, today: date) -> str:
    """When a model is, or was, shut down; nothing where no end is announced."""
    provider, _, name = model.partition(":")
    row = lifecycle(provider, name)
    if row is None:
        return ""
    gone = row.retired(today)
    return f"{'was' if gone else 'will be'} shut down on {row.retired_on.isoformat()}"


def problem(error: GenSDKError) -> str:
    """An error's message in one line."""
    return " ".join(error.message.split())
