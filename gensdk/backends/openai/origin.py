"""Where requests go: the base URL and the headers that never change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from gensdk.toolkit.address import chosen_base_url

if TYPE_CHECKING:
    from gensdk.catalog.compatible import Dialect

__all__ = ["choose_base_url", "facts_of", "fixed_headers"]


def choose_base_url(given: str | None, dialect: Dialect) -> str:
    """The address to use: the argument, for OpenAI itself the environment, else the dialect's."""
    variable = "OPENAI_BASE_URL" if dialect.name == "openai" else ""
    return chosen_base_url(given, variable, dialect.base_url)


def fixed_headers(
    organization: str | None,
    project: str | None,
    default_headers: Mapping[str, str] | None,
    *,
    vendor: bool,
) -> dict[str, str]:
    """Headers that never change; OpenAI's own account also reads its environment variables."""
    headers: dict[str, str] = {}
    if vendor:
        organization = organization or os.environ.get("OPENAI_ORG_ID")
        project = project or os.environ.get("OPENAI_PROJECT_ID")
    if organization:
        headers["openai-organization"] = organization
    if project:
        headers["openai-project"] = project
    for name, value in (default_headers or {}).items():
        headers[name.lower()] = value
    return headers


def facts_of(dialect: Dialect) -> list[tuple[str, object]]:
    """A dialect as facts with one order, for a digest of whose answers an account gets."""
    told = ((field.name, getattr(dialect, field.name)) for field in fields(dialect))
    return [
        (name, sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value))
        for name, value in told
    ]
