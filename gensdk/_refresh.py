"""Asking providers for their lists of models, and what differs from what was known.

Nothing here runs by itself: only ``client.refresh_models`` and ``gensdk models refresh`` ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from gensdk._listings import Listings, ProviderListing, place, read, write
from gensdk.catalog import lifecycle
from gensdk.catalog.known import known, still_served
from gensdk.errors import (
    ConfigurationError,
    GenSDKError,
    InvalidResponseError,
    TimedOutError,
    UnsupportedFeatureError,
)
from gensdk.policy import Lifecycle
from gensdk.spec import Backend, Context, ListingBackend
from gensdk.types import ListedModel, Value

__all__ = ["ModelChange", "ModelRefresh", "ask", "refresh"]

_Answer = Sequence[ListedModel] | GenSDKError
Change = Literal["new", "retiring", "retired", "gone", "kept", "unknown"]


class ModelChange(Value):
    """What a list says of one model that was not known before, or not so.

    Attributes:
        provider: Name of the account.
        model: Model, without the provider prefix.
        change: ``new`` (not in the list before), ``retiring`` (an end is announced), ``retired``
            (its day has come, and it is listed still), ``gone`` (not listed any more), ``kept``
            (the catalogue knows of an end, the list does not), ``unknown`` (the catalogue has no
            row that speaks of it).
        retires_on: Day from which calls fail.
        successor: Model that takes its place, by the list or by the catalogue.
        note: What else there is to say.
    """

    provider: str
    model: str
    change: Change
    retires_on: date | None = None
    successor: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelRefresh:
    """What came of asking.

    Attributes:
        changes: By provider in the order given, then by kind of change.
        listed: Number of models that each account listed.
        failures: Accounts that could not be asked, and why.
        path: File that was written; None where none was.
    """

    changes: tuple[ModelChange, ...]
    listed: Mapping[str, int]
    failures: Mapping[str, GenSDKError]
    path: Path | None


async def refresh(
    backend_of: Callable[[str], Backend],
    providers: Sequence[str],
    settings: Lifecycle,
    *,
    path: Path | None,
    save: bool,
    timeout_s: float,
) -> ModelRefresh:
    """Ask each account once, and write down what they list.

    Raises:
        ConfigurationError: There is nobody to ask, or nowhere to write.
        GenSDKError: No account could be asked: the first one's error.
    """
    if not providers:
        raise ConfigurationError("name the providers to ask: refresh_models('openai', …)")
    target = path or place(settings)[0]
    if save and target is None:
        raise ConfigurationError("there is no file to write to: give path=…, or save=False")
    before = _before(settings, path)
    names = tuple(dict.fromkeys(providers))
    asked = await _all_of([ask(backend_of(name), name, timeout_s) for name in names])
    failures = {
        name: answer
        for name, answer in zip(names, asked, strict=True)
        if isinstance(answer, GenSDKError)
    }
    if len(failures) == len(names):
        raise next(iter(failures.values()))
    now = datetime.now(UTC)
    found: dict[str, ProviderListing] = {}
    changes: list[ModelChange] = []
    for name, answer in zip(names, asked, strict=True):
        if isinstance(answer, GenSDKError):
            continue
        old = before.providers.get(name)
        found[name] = _listing(answer, old, now)
        differing = _changes(name, backend_of(name), found[name], old, settings.today())
        changes += sorted(differing, key=lambda one: (_ORDER.index(one.change), one.model))
    if save and target is not None:
        latest = _before(settings, path)  # others may have written while we asked
        write(target, Listings(providers={**latest.providers, **found}))
    return ModelRefresh(
        changes=tuple(changes),
        listed={name: len(listing.models) for name, listing in found.items()},
        failures=failures,
        path=target if save else None,
    )


async def _all_of(
    questions: Sequence[Coroutine[None, None, _Answer]],
) -> list[_Answer]:
    """Ask side by side; where one ends with an error that is nobody's list, the others end too."""
    tasks = [asyncio.create_task(question) for question in questions]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_ORDER: tuple[Change, ...] = ("retired", "retiring", "gone", "kept", "new", "unknown")


def _before(settings: Lifecycle, path: Path | None) -> Listings:
    """What was listed before; a file that is broken is written anew."""
    chosen = settings if path is None else Lifecycle(listings=path)
    where, _ = place(chosen)
    if where is None or not where.is_file():
        return Listings()
    try:
        return read(chosen)
    except ConfigurationError:
        return Listings()


async def ask(backend: Backend, name: str, timeout_s: float) -> Sequence[ListedModel] | GenSDKError:
    """One account's list, or why it could not be had."""
    if not isinstance(backend, ListingBackend):
        return UnsupportedFeatureError(f"{name} has no list of models to ask for", provider=name)
    context = Context(model="", provider=name, connect_s=min(10.0, timeout_s), read_s=timeout_s)
    scope = asyncio.timeout(timeout_s)
    try:
        async with scope:
            models = await backend.list_models(context)
    except TimeoutError:
        if not scope.expired():
            raise  # of the user's own function for keys
        return TimedOutError(f"no list within {timeout_s:g} s", phase="total", provider=name)
    except GenSDKError as error:
        error.provider, error.model = name, None
        return error
    if not all(isinstance(model, ListedModel) for model in models):
        return InvalidResponseError("the backend lists what is no ListedModel", provider=name)
    return models


def _listing(
    models: Sequence[ListedModel], old: ProviderListing | None, now: datetime
) -> ProviderListing:
    listed = {model.id: model for model in models}
    gone = dict(old.gone) if old else {}
    if old is not None:
        gone |= dict.fromkeys(old.models, old.read_at.date())
    gone = {name: day for name, day in gone.items() if name not in listed}
    return ProviderListing(read_at=now, models=listed, gone=gone)


def _changes(
    provider: str, backend: Backend, listing: ProviderListing, old: ProviderListing | None,
    today: date,
) -> Iterator[ModelChange]:  # fmt: skip
    vendor = backend.name
    for model in listing.models.values():
        change = _change(provider, vendor, model, old, today)
        if change is not None:
            yield change
    earlier = old.models if old else {}
    for name in listing.gone:
        if name in earlier:
            yield _gone(provider, vendor, name, "in the list before, and not in this one")
    for name, end in still_served(vendor, today).items():
        ending = backend.capabilities(name).ending
        official = ending is not None and ending.certain  # elsewhere they were never promised
        if official and name not in listing.models and name not in earlier:
            note = f"served until {end.isoformat()} by the catalogue, and not listed"
            yield _gone(provider, vendor, name, note)


def _change(
    provider: str, vendor: str, model: ListedModel, old: ProviderListing | None, today: date
) -> ModelChange | None:
    row = lifecycle(vendor, model.id)
    end = model.retires_on
    facts = ModelChange(
        provider=provider,
        model=model.id,
        change="unknown",
        retires_on=end,
        successor=model.successor or (row.successor if row else None),
    )
    if end is not None or model.status in {"deprecated", "retired"}:
        over = model.status == "retired" or (end is not None and end <= today)
        note = ""
        if end is not None and (row is None or row.retired_on != end):
            known_end = row.retired_on.isoformat() if row else "no end"
            note = f"the catalogue has {known_end}"
        return facts.model_copy(update={"change": "retired" if over else "retiring", "note": note})
    if row is not None and model.status == "active":
        note = f"the catalogue has {row.retired_on.isoformat()}, the list names no end"
        return facts.model_copy(update={"change": "kept", "note": note})
    if old is not None and model.id not in old.models:
        return facts.model_copy(update={"change": "new"})
    return None if known(vendor, model.id) else facts


def _gone(provider: str, vendor: str, model: str, note: str) -> ModelChange:
    row = lifecycle(vendor, model)
    return ModelChange(
        provider=provider,
        model=model,
        change="gone",
        retires_on=row.retired_on if row else None,
        successor=row.successor if row else None,
        note=note,
    )
