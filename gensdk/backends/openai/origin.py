"""Where requests go: the base URL and the headers that never change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from gensdk.errors import ConfigurationError
from gensdk.toolkit.address import refuse_plain_http

if TYPE_CHECKING:
    from gensdk.catalog.compatible import Dialect

__all__ = ["address_parts", "checked_base_url", "choose_base_url", "fixed_headers", "identity_of"]


def choose_base_url(given: str | None, dialect: Dialect) -> str:
    """The address to use: the argument, for OpenAI itself the environment, else the dialect's."""
    if given is not None:
        return checked_base_url(given, "base_url", trusted=True)
    variable = "OPENAI_BASE_URL"
    if dialect.name == "openai" and (found := os.environ.get(variable, "").strip()):
        return checked_base_url(found, variable, trusted=False)
    return checked_base_url(dialect.base_url, "base_url", trusted=True)


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


def identity_of(
    dialect: Dialect, base_url: str, headers: Mapping[str, str], query: Mapping[str, str]
) -> str:
    """A digest of where requests go, and how; a gateway may choose by headers, so they count."""
    told = ((field.name, getattr(dialect, field.name)) for field in fields(dialect))
    row = [
        (name, sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value))
        for name, value in told
    ]
    whole = (base_url, sorted(headers.items()), sorted(query.items()), row)
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def address_parts(url: str, name: str) -> SplitResult:
    """Take an address apart; ``name`` is what to call it in an error.

    Raises:
        ConfigurationError: It is malformed.
    """
    try:
        parts = urlsplit(url)
        usable = parts.port != 0  # reading the port checks it
    except ValueError as error:
        raise ConfigurationError(f"{name} is no usable address: {error}") from error
    if not usable:
        raise ConfigurationError(f"{name} is no usable address: port 0 is none")
    return parts


def checked_base_url(url: str, name: str, *, trusted: bool) -> str:
    """Check a base URL and take the slash off its end.

    Args:
        url: The address.
        name: What to call it in an error: the argument or the environment variable.
        trusted: Whether code chose it. One from the environment must be https or loopback, so
            that a stray variable cannot send the key over the network in the clear.

    Raises:
        ConfigurationError: It is no http(s) address, holds a password, or is not safe.
    """
    parts = address_parts(url, name)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{name} must be an http(s) address such as https://host/v1")
    if parts.username or parts.password:
        raise ConfigurationError(f"{name} must not hold a user name or password; use api_key=…")
    if not trusted:
        refuse_plain_http(name, parts.scheme, parts.hostname)
    return url.rstrip("/")
