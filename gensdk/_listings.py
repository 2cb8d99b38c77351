"""The file of what providers listed: written by a refresh, read at the first call, no network.

What a list says goes before the catalogue's rows, for the account that was asked and no other: a
date that moved, an end that was taken back, a model that is not listed any more.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from gensdk._settings import user_folder
from gensdk.errors import ConfigurationError
from gensdk.policy import Lifecycle
from gensdk.spec import Capabilities
from gensdk.types import ListedModel, ModelEnding, Value

__all__ = ["VARIABLE", "Listings", "ProviderListing", "place", "read", "write"]

VARIABLE = "GENSDK_LISTINGS"
"""Names the file, where it is not the one in the user's configuration folder."""

MAX_FILE_BYTES = 64 * 2**20
_NAME = "models.json"
_LOG = logging.getLogger("gensdk")


class ProviderListing(Value):
    """What one account listed.

    Attributes:
        read_at: When.
        models: Every model, by id.
        gone: Models that an earlier list had and this one has not, with the day of the last list
            that had them.
    """

    model_config = ConfigDict(extra="ignore")

    read_at: datetime
    models: dict[str, ListedModel] = Field(default_factory=dict)
    gone: dict[str, date] = Field(default_factory=dict)


class Listings(Value):
    """The file: what each account listed when it was last asked.

    Attributes:
        version: Of this format.
        providers: By the name of the account.
    """

    model_config = ConfigDict(extra="ignore")

    version: Literal[1] = 1
    providers: dict[str, ProviderListing] = Field(default_factory=dict)

    def over(self, provider: str, model: str, facts: Capabilities) -> Capabilities:
        """The facts of a model with what the account's own list says of its end."""
        listing = self.providers.get(provider)
        if listing is None:
            return facts
        source = f"its list of {listing.read_at.date().isoformat()}"
        listed, known = listing.models.get(model), facts.ending
        if listed is None:
            if model not in listing.gone:
                return facts
            gone = replace(known or ModelEnding(None), gone=True, source=source)
            return replace(facts, ending=gone)
        if listed.status is None and listed.retires_on is None:
            return facts
        if listed.status == "active" and listed.retires_on is None:
            return replace(facts, ending=None)
        ending = ModelEnding(
            listed.retires_on or (known.on if known else None),
            listed.successor or (known.successor if known else None),
            source,
            certain=listed.retires_on is not None,
            gone=listed.status == "retired",
        )
        return replace(facts, ending=ending)


def place(settings: Lifecycle, environ: Mapping[str, str] = os.environ) -> tuple[Path | None, bool]:
    """The file to read, and whether somebody named it; None for no file at all."""
    if settings.listings is False:
        return None, False
    if settings.listings is not None:
        return settings.listings, True
    if named := environ.get(VARIABLE, "").strip():
        return Path(named), True
    folder = user_folder(environ)
    return (folder / _NAME if folder else None), False


def read(settings: Lifecycle) -> Listings:
    """What the file says; nothing where there is none, with a warning in the log if it was named.

    Raises:
        ConfigurationError: A file that was named cannot be used. The one in the user's folder is
            passed over then, with a warning in the log.
    """
    path, named = place(settings)
    if path is None or not path.exists():
        if named:
            _LOG.warning("%s is not there: nothing was listed yet (gensdk models refresh)", path)
        return Listings()
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"it has over {MAX_FILE_BYTES} bytes")
        return Listings.model_validate_json(content)
    except (OSError, ValueError) as error:
        why = str(error)
        if isinstance(error, ValidationError):
            why = f"{error.error_count()} values do not fit"
        advice = (
            f"{path} holds no lists of models ({why:.200}); write it anew: gensdk models refresh"
        )
        if named:
            raise ConfigurationError(advice) from error
        _LOG.warning("%s", advice)
        return Listings()


def write(path: Path, listings: Listings) -> None:
    """Write the file whole or not at all.

    Raises:
        ConfigurationError: It cannot be written.
    """
    import tempfile

    content = listings.model_dump_json(indent=1, exclude_none=True).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}") from error
