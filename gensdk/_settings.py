"""Which model answers when none is named: code, environment, TOML file, catalogue, demo."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gensdk.catalog.no_public_api import no_public_api
from gensdk.errors import ConfigurationError, NoPublicAPIError, UnknownModelError
from gensdk.types import ABILITIES, Ability

__all__ = [
    "DEMO_MODELS",
    "ENVIRONMENT",
    "default_model",
    "environment_model",
    "file_models",
    "read_file",
    "refuse_without_api",
    "user_folder",
]

ENVIRONMENT: dict[Ability, str] = {
    ability: f"GENSDK_{ability.upper()}_MODEL" for ability in ABILITIES
}
"""Environment variable with the default model of each ability."""

DEMO_MODELS: dict[Ability, str] = {"text": "local:storyteller", "image": "local:painter"}
"""Built-in models that answer when nothing at all is set up; they say that they are demos."""


def refuse_without_api(provider: str, model: str = "") -> None:
    """Refuse a product that cannot be called lawfully, with what does the same job.

    Raises:
        NoPublicAPIError: It is one of these.
    """
    row = no_public_api(provider, model)
    if row is None:
        return
    raise NoPublicAPIError(
        f"{row.product} cannot be called: {row.why}. The verb {row.ability!r} does the same with, "
        f"for example, {', '.join(map(repr, row.instead))}.",
        provider=provider,
        model=model or None,
    )


def environment_model(
    ability: Ability, environ: Mapping[str, str] = os.environ
) -> str | list[str] | None:
    """The model, or the models with commas between them, that the environment names."""
    named = environ.get(ENVIRONMENT[ability], "").split(",")
    names = [name.strip() for name in named if name.strip()]
    if not names:
        return None
    return names if len(names) > 1 else names[0]


def read_file(
    environ: Mapping[str, str] = os.environ,
) -> tuple[Path | None, dict[str, str | list[str]]]:
    """Models and aliases from the first TOML file that has any, and that file.

    Looked for: the path in ``GENSDK_CONFIG``, ``gensdk.toml`` and ``pyproject.toml`` in the
    current folder, ``gensdk/config.toml`` in the user's configuration folder. The table is
    ``[tool.gensdk.models]``, or ``[models]`` in gensdk's own files. Nothing but names of models
    is read: keys and addresses do not belong in a project's files.

    Raises:
        ConfigurationError: The file cannot be read, is no TOML, or has values of another kind.
    """
    named = environ.get("GENSDK_CONFIG")
    if named:
        return Path(named), _models_of(Path(named))
    for path in (Path("gensdk.toml"), Path("pyproject.toml"), *_home(environ)):
        models = _models_of(path) if path.is_file() else {}
        if models:
            return path, models
    return None, {}


def file_models(environ: Mapping[str, str] = os.environ) -> dict[str, str | list[str]]:
    """What ``read_file`` reads, without the file."""
    return read_file(environ)[1]


def user_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Gensdk's own folder among the user's settings; None where the user has no home."""
    folder = environ.get("XDG_CONFIG_HOME")
    try:
        home = Path(folder) if folder else Path.home() / ".config"
    except RuntimeError:
        return None
    return home / "gensdk"


def _home(environ: Mapping[str, str]) -> list[Path]:
    """The file in the user's configuration folder; none where the user has no home."""
    folder = user_folder(environ)
    return [folder / "config.toml"] if folder else []


def _models_of(path: Path) -> dict[str, str | list[str]]:
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except (OSError, ValueError) as error:  # no TOML, or no UTF-8
        raise ConfigurationError(f"{path}: {error}") from error
    table = _table(_table(data, "tool", path), "gensdk", path)
    if not table and path.name != "pyproject.toml":
        table = data
    models = _table(table, "models", path)
    for name, value in models.items():
        items = value if isinstance(value, list) and value else [value]
        if not all(isinstance(item, str) for item in items):
            raise ConfigurationError(
                f"{path}: {name} = {value!r}: give a model name or a list of them"
            )
        if ":" in name:
            raise ConfigurationError(f"{path}: alias {name!r}: an alias is a word without ':'")
    return dict(models)


def _table(data: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: {name} = {table!r}: this is a table of names")
    return table


def default_model(ability: Ability, environ: Mapping[str, str] = os.environ) -> str:
    """The catalogue's default of a provider whose key is set, else the built-in demo.

    Raises:
        UnknownModelError: Neither is there for this ability; the message says what to set.
    """
    from gensdk.catalog import DEFAULTS

    today = datetime.now(UTC).date()
    for row in DEFAULTS:
        serves = row.until is None or today < row.until
        if row.ability == ability and environ.get(row.key_env) and serves:
            return f"{row.provider}:{row.model}"
    if ability in DEMO_MODELS:
        return DEMO_MODELS[ability]
    keys = ", ".join(dict.fromkeys(row.key_env for row in DEFAULTS if row.ability == ability))
    here = '"local:espeak"' if ability == "speech" else '"local:org/name"'
    raise UnknownModelError(
        f'no model for {ability!r}: pass model="provider:model" (on this machine: {here}), or '
        f"Client(models={{{ability!r}: …}}), or set {ENVIRONMENT[ability]}"
        + (f", or a key ({keys})" if keys else "")
    )
