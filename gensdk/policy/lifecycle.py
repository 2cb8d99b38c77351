"""Models that end: told before, refused after, and by the vendor's own answer.

Rule of the file: what ends when is a fact of the hop (``Capabilities.ending``); here is only what
follows from it on a given day.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from gensdk.errors import ConfigurationError, GenSDKError, ModelNotFoundError, ModelRetiredError
from gensdk.types import ModelEnding, ResponseWarning

from .call import Call, Hop

__all__ = ["Lifecycle", "LifecycleWatch", "ModelRetiring", "lifecycle_of", "today_utc"]

_MISSING = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class ModelRetiring(FutureWarning):
    """A model that a call went to will be shut down soon.

    Given by ``warnings.warn`` once per model and client, at the line that made the call where that
    is known; ``response.warnings`` of every such call says the same (kind ``retiring``).
    """


def today_utc() -> date:
    """The day in UTC: shutdown dates are counted in it."""
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class Lifecycle:
    """What a client does about models that end.

    Attributes:
        warn_days: A call to a model with at most this many days left is told so; 0 tells nothing.
        listings: File that ``gensdk models refresh`` wrote. None takes the one that the variable
            ``GENSDK_LISTINGS`` names, else the one in the user's configuration folder where there
            is one; False reads none.
        today: Says what day it is.
    """

    warn_days: int = 60
    listings: Path | Literal[False] | None = None
    today: Callable[[], date] = field(default=today_utc, repr=False)

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ConfigurationError: A value is of another kind.
        """
        if isinstance(self.warn_days, bool) or not isinstance(self.warn_days, int):
            raise ConfigurationError(f"warn_days={self.warn_days!r:.40}: give whole days")
        if self.warn_days < 0:
            raise ConfigurationError(f"warn_days={self.warn_days}: give 0 or more days")
        if not (self.listings is None or self.listings is False) and not isinstance(
            self.listings, Path
        ):
            raise ConfigurationError(f"listings={self.listings!r:.80}: give a Path, or False")


def lifecycle_of(value: object) -> Lifecycle:
    """A ``Lifecycle``; None is the usual one.

    Raises:
        ConfigurationError: It is of another kind.
    """
    if value is None:
        return Lifecycle()
    if isinstance(value, Lifecycle):
        return value
    raise ConfigurationError(
        f"lifecycle={value!r:.80}: give gensdk.Lifecycle(warn_days=30), for example"
    )


class LifecycleWatch:
    """One client's eye on the ends of models: what it has told already."""

    __slots__ = ("_told", "settings")

    def __init__(self, settings: Lifecycle) -> None:
        """Take the settings."""
        self.settings = settings
        self._told: set[str] = set()

    def mind(self, call: Call, ending: ModelEnding) -> None:
        """Refuse a model that is gone, and tell of one that soon will be.

        Raises:
            ModelRetiredError: The day is past, and the address is the vendor's own. On the day
                itself the server decides: the hour of a shutdown is not announced.
            ModelRetiring: Where the user's filters make errors of warnings.
        """
        today = self.settings.today()
        if ending.on is not None and ending.certain and today > ending.on:
            raise retired(call.here, ending)
        message = _told(call.here, ending, today, self.settings.warn_days)
        if message is not None and str(call.here) not in self._told:
            self._told.add(str(call.here))
            warnings.warn(message, ModelRetiring, stacklevel=_outside())

    def note(self, hop: Hop) -> ResponseWarning | None:
        """What the answer of a model says of its end."""
        ending: ModelEnding | None = hop.facts.ending
        if ending is None:
            return None
        message = _told(hop, ending, self.settings.today(), self.settings.warn_days)
        if message is None:
            return None
        return ResponseWarning(kind="retiring", parameter="model", message=message)

    def judged(self, call: Call, error: GenSDKError) -> GenSDKError:
        """The error that it becomes: "not found" of a model that has ended says that it has."""
        ending: ModelEnding | None = call.here.facts.ending
        if ending is None or isinstance(error, ModelRetiredError):
            return error
        if not isinstance(error, ModelNotFoundError) and error.status not in _MISSING:
            return error
        over = ending.on is not None and self.settings.today() >= ending.on
        return retired(call.here, ending, like=error) if over or ending.gone else error


def retired(hop: Hop, ending: ModelEnding, like: GenSDKError | None = None) -> ModelRetiredError:
    """The error for a model that is gone, with date and successor."""
    successor = f"{hop.provider}:{ending.successor}" if ending.successor else None
    advice = (
        f"use {successor!r} instead" if successor else "the vendor names no successor; choose one"
    )
    gone = "is not served any more"
    if ending.on is not None:
        gone = f"was shut down on {ending.on.isoformat()}"
    return ModelRetiredError(
        f"{hop.model} {gone}; {advice}",
        successor=successor,
        retired_on=ending.on,
        provider=hop.provider,
        model=hop.model,
        status=like.status if like else None,
        code=like.code if like else None,
        request_id=like.request_id if like else None,
    )


def _told(hop: Hop, ending: ModelEnding, today: date, warn_days: int) -> str | None:
    """What a call to the model is told today, if anything."""
    advice = "there is no successor yet"
    if ending.successor:
        advice = f"move to {hop.provider}:{ending.successor}"
    if ending.on is None:
        what = "does not list" if ending.gone else "has announced the end of"
        return f"{hop.provider} {what} {hop.model} ({ending.source}); {advice}"
    days = (ending.on - today).days
    if not 0 < days <= warn_days:
        return None
    return (
        f"{hop.provider} shuts {hop.model} down on {ending.on.isoformat()}, in {days} "
        f"day{'' if days == 1 else 's'}; {advice}"
    )


def _outside() -> int:
    """How many frames up the caller of gensdk stands, for ``warnings.warn`` in the caller here."""
    frame, level = sys._getframe(1), 1  # noqa: SLF001  # what ``inspect`` itself does
    while frame.f_globals.get("__name__", "").partition(".")[0] == "gensdk":
        if frame.f_back is None:
            break
        frame, level = frame.f_back, level + 1
    return level
