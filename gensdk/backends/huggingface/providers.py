"""Who has a model: asked of the hub once for each model, and kept for an hour.

``GET /api/models/{id}?expand=inferenceProviderMapping`` answers with the providers in the order of
the account's settings, each with its own name of the model, its task and its state.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gensdk.catalog.huggingface import POLICIES, Service, Task, providers_of, service_of
from gensdk.errors import InvalidRequestError, ModelNotFoundError
from gensdk.spec import Context
from gensdk.toolkit import KeyedAccount, Notes, billed

__all__ = ["Entry", "Providers", "Target", "split_model"]

_KEPT_S = 3600.0
_MOST = 1024
_OWN = "hf-inference"
"""Hugging Face's own servers, which call every model as the hub does."""
_LIVE = "live"


class Entry(BaseModel):
    """What the hub says of one provider with a model."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    provider: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    model: Annotated[str, Field(alias="providerId", min_length=1)]
    task: str = ""
    status: str = _LIVE
    adapter: Annotated[str | None, Field(alias="adapterWeightsPath")] = None

    def does(self, task: Task) -> bool:
        """Whether it does a task, and gensdk knows how to ask for it."""
        told = self.task
        if self.provider == _OWN and told == "sentence-similarity":
            told = "feature-extraction"  # the same models under two names, there alone
        return told == task and service_of(self.provider, task) is not None


@dataclass(frozen=True)
class Target:
    """Who does the work, and what the model is called there.

    Attributes:
        service: The provider at the task.
        model: The provider's name of the model.
        hub_model: The hub's name of it.
        adapter: File of a LoRA in the hub's repository, where the model is one.
    """

    service: Service
    model: str
    hub_model: str
    adapter: str | None = None

    @property
    def provider(self) -> str:
        """Its name at the hub."""
        return self.service.provider

    @property
    def path(self) -> str:
        """Path of the request at the router."""
        path = self.service.path
        if self.service.envelope == "input" and ":" in self.model:
            path = "/v1/predictions"  # Replicate: a version, which the body names
        return f"/{self.provider}{path.format(model=quote(self.model, safe='/'))}"


def split_model(model: str, chosen: str | None) -> tuple[str, str | None]:
    """The hub's name of a model, and the provider that its end or the options name.

    Raises:
        InvalidRequestError: They name two.
    """
    name, _, suffix = model.partition(":")
    if suffix and chosen and suffix != chosen:
        raise InvalidRequestError(
            f"the model names the provider {suffix!r}, the options {chosen!r}; give one of the two",
            model=model,
            param="options",
        )
    found = suffix or chosen
    return name, None if found in {None, "auto"} else found


class Providers:
    """The hub's word on who has which model."""

    def __init__(self, hub: KeyedAccount, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is asked yet."""
        self._hub = hub
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, tuple[Entry, ...]]] = OrderedDict()
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )

    async def target(
        self,
        task: Task,
        chosen: str | None,
        context: Context,
        notes: Notes,
        *,
        queued: bool = False,
    ) -> Target:
        """Choose who does a task with the model of an attempt.

        Args:
            task: What is to be done.
            chosen: Provider that the options name.
            context: The attempt.
            notes: Gets a note where the hub's last check of the provider failed.
            queued: Whether only providers with a queue will do, where none is named.

        Raises:
            InvalidRequestError: The provider is not known, or does another task with the model.
            ModelNotFoundError: Nobody that is known does the task with the model.
        """
        name, provider = split_model(context.model, chosen)
        if provider in POLICIES:
            raise InvalidRequestError(
                f"{provider!r} is a choice for text alone; name a provider: "
                f"{', '.join(providers_of(task))}",
                provider=self._hub.name,
                model=context.model,
                param="model",
            )
        if provider is not None and service_of(provider, task) is None:
            raise InvalidRequestError(
                f"{provider} is not known for {task}; known are {', '.join(providers_of(task))}",
                provider=self._hub.name,
                model=context.model,
                param="model",
            )
        if provider == _OWN:
            return Target(_row(_OWN, task), name, name)
        entry = self._choice(await self._entries(name, context), task, provider, queued, context)
        if entry.status != _LIVE:
            notes.other(
                f"Hugging Face says of {entry.provider} with this model: {entry.status}; "
                "the call may fail.",
                "model",
            )
        return Target(_row(entry.provider, task), entry.model, name, entry.adapter)

    def _choice(
        self,
        entries: Iterable[Entry],
        task: Task,
        provider: str | None,
        queued: bool,
        context: Context,
    ) -> Entry:
        known = [one for one in entries if one.provider == provider or provider is None]
        fitting = [one for one in known if one.does(task)]
        if provider is None and queued:
            fitting = [one for one in fitting if _row(one.provider, task).queue]
        if fitting:
            # Those that the hub's last check found at work first, else in the account's order.
            return min(fitting, key=lambda one: one.status != _LIVE)
        others = sorted({f"{one.provider} ({one.task})" for one in known})
        said = f"the hub names {', '.join(others)}" if others else "the hub names nobody"
        where = f"at {provider}" if provider else "at a provider that is known"
        raise ModelNotFoundError(
            f"there is no {task} with {context.model} {where}; {said}. Name one with "
            "'model:provider', or choose a model at https://huggingface.co/models"
            "?inference_provider=all",
            provider=self._hub.name,
            model=context.model,
            billed="no",
        )

    async def _entries(self, model: str, context: Context) -> tuple[Entry, ...]:
        kept = self._known(model)
        if kept is not None:
            return kept
        lock = self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            kept = self._known(model)
            if kept is None:
                kept = await self._asked(model, context)
                self._kept[model] = self._clock() + _KEPT_S, kept
                while len(self._kept) > _MOST:
                    self._kept.popitem(last=False)
        return kept

    def _known(self, model: str) -> tuple[Entry, ...] | None:
        until, entries = self._kept.get(model, (0.0, ()))
        return entries if model in self._kept and self._clock() < until else None

    async def _asked(self, model: str, context: Context) -> tuple[Entry, ...]:
        """Ask the hub. Nothing is billed for that, whatever becomes of it."""
        with billed("no"):
            answer = await self._hub.send(
                "GET",
                f"/api/models/{quote(model, safe='/')}",
                context,
                query={"expand": "inferenceProviderMapping"},
            )
            try:
                return _mapping(_Model.model_validate_json(answer.body).mapping)
            except ValidationError:
                message = "The hub's answer about this model cannot be read."
            raise self._hub.invalid(message, answer, context)


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")

    mapping: Annotated[
        list[Any] | dict[str, Any] | None, Field(alias="inferenceProviderMapping")
    ] = None


def _mapping(told: list[Any] | dict[str, Any] | None) -> tuple[Entry, ...]:
    """Both forms of it; a provider that cannot be read is left out."""
    if isinstance(told, dict):
        told = [
            {**facts, "provider": name} for name, facts in told.items() if isinstance(facts, dict)
        ]
    found: list[Entry] = []
    for facts in told or ():
        try:
            found.append(Entry.model_validate(facts))
        except ValidationError:
            continue
    return tuple(found)


def _row(provider: str, task: Task) -> Service:
    row = service_of(provider, task)
    if row is None:
        raise LookupError(f"{provider} has no row for {task}")
    return row
