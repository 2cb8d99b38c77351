"""From what the user wrote in the model slot to the hops of a call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from gensdk._registry import Registry, near
from gensdk._settings import ENVIRONMENT, default_model, file_models
from gensdk.errors import ConfigurationError, UnknownModelError, UnsupportedFeatureError
from gensdk.policy import Hop, Route
from gensdk.spec import METHODS, STREAM_METHODS, BoundModel
from gensdk.types import ABILITIES, Ability

__all__ = ["ModelLike", "Resolved", "Resolver"]

ModelLike = str | Route | BoundModel | Sequence[str | BoundModel]
"""What fits into a model slot."""

Resolved = tuple[tuple[Hop, ...], Route]

_PLAIN = Route("-")
"""Stands for calls that name a single model."""


class Resolver:
    """Resolves names once; afterwards they are objects."""

    def __init__(self, models: Mapping[str, ModelLike], registry: Registry) -> None:
        """Take the client's defaults and aliases. Files and environment are read at first use."""
        for name in models:
            if ":" in name:
                raise ConfigurationError(f"alias {name!r}: an alias is a word without ':'")
        self._models: dict[str, ModelLike] = dict(models)
        self._registry = registry
        self._from_file: dict[str, str | list[str]] | None = None
        self._known: dict[tuple[object, ...], Resolved] = {}

    def resolve(self, model: ModelLike | None, ability: Ability, streaming: bool) -> Resolved:
        """The hops of a call, and the route they belong to.

        Raises:
            UnknownModelError: A bare word that is no alias, or no default for the ability.
            UnknownBackendError: A provider nobody registered.
            UnsupportedFeatureError: The model cannot do this ability at all.
            ConfigurationError: Aliases that lead in a circle.
        """
        if isinstance(model, str | None):
            key = (model, ability, streaming)
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = self._look_up(model, ability, streaming)
            return found
        return self._look_up(model, ability, streaming)

    def aliases(self) -> dict[str, ModelLike]:
        """Every alias and default in force, by name."""
        return {**self._file(), **self._models}

    def _look_up(self, model: ModelLike | None, ability: Ability, streaming: bool) -> Resolved:
        target = self._default(ability) if model is None else model
        route, targets = self._expand(target, ability, ())
        hops = [self._hop(item) for item in targets]
        able = [hop for hop in hops if _can(hop, ability, streaming)]
        if not able:
            verb = (STREAM_METHODS if streaming else METHODS).get(ability, ability)
            raise UnsupportedFeatureError(
                f"{' and '.join(map(str, hops))} cannot do {verb!r}",
                provider=hops[0].provider,
                model=hops[0].model,
            )
        if ability == "embed" and len({hop.model for hop in able}) > 1:
            _check_vectors(able, route)
        return tuple(able), route

    def _default(self, ability: Ability) -> ModelLike:
        if ability in self._models:
            return self._models[ability]
        named = os.environ.get(ENVIRONMENT[ability], "").split(",")
        names = [name.strip() for name in named if name.strip()]
        if names:
            return names if len(names) > 1 else names[0]
        if ability in self._file():
            return self._file()[ability]
        return default_model(ability)

    def _file(self) -> dict[str, str | list[str]]:
        if self._from_file is None:
            self._from_file = file_models()
        return self._from_file

    def _expand(
        self, target: ModelLike, ability: Ability, seen: tuple[str, ...]
    ) -> tuple[Route, list[str | BoundModel]]:
        """Follow aliases down to ``provider:model`` names and bound models."""
        if isinstance(target, BoundModel):
            return _PLAIN, [target]
        if isinstance(target, str):
            if ":" in target:
                return _PLAIN, [target]
            return self._expand(self._alias(target, ability, seen), ability, (*seen, target))
        if not isinstance(target, Route | list | tuple):
            raise ConfigurationError(
                f"{target!r:.80} is no model: give 'provider:model', an alias, a Route or a list"
            )
        route = target if isinstance(target, Route) else Route(*target)
        leaves: list[str | BoundModel] = []
        for hop in route.hops:
            if not isinstance(hop, str | BoundModel):
                raise ConfigurationError(f"{hop!r} is no model: give 'provider:model' or an alias")
            inner, found = self._expand(hop, ability, seen)
            if inner is not _PLAIN and not inner.bare:
                raise ConfigurationError(
                    f"the alias {hop!r} is a Route with settings of its own, which would be lost "
                    "inside another route; put the settings on the outer one"
                )
            leaves += found
        return route, leaves

    def _alias(self, word: str, ability: Ability, seen: tuple[str, ...]) -> ModelLike:
        if word in seen:
            raise ConfigurationError(f"aliases in a circle: {' -> '.join((*seen, word))}")
        if word == ability:
            return self._default(ability)
        known = self.aliases()
        if word in known:
            return known[word]
        providers = [f"{name}:…" for name in self._registry.names() if name == word]
        hint = f" Did you mean {providers[0]!r}?" if providers else near(word, list(known))
        listed = ", ".join(sorted(known)) or "none"
        raise UnknownModelError(
            f"{word!r} is no alias.{hint} Aliases: {listed}. "
            f"A model is written 'provider:model', for example 'openai:{word}'"
        )

    def _hop(self, target: str | BoundModel) -> Hop:
        if isinstance(target, BoundModel):
            backend, provider, model = target.backend, target.backend.name, target.model
        else:
            provider, _, model = target.partition(":")
            if not model:
                raise UnknownModelError(f"{target!r} names no model: write '{provider}:model'")
            backend = self._registry.backend(provider)
        return Hop(backend, provider, model, backend.capabilities(model))


def _check_vectors(hops: list[Hop], route: Route) -> None:
    if not route.interchangeable:
        raise ConfigurationError(
            f"{' and '.join(map(str, hops))} make vectors that cannot be compared with each other: "
            "a route of embeddings is one model at several providers, or says "
            "Route(..., interchangeable=True)"
        )


def _can(hop: Hop, ability: Ability, streaming: bool) -> bool:
    method = (STREAM_METHODS if streaming else METHODS).get(ability)
    facts = hop.backend.capabilities(hop.model)
    offered = facts.streams if streaming else facts.abilities
    return method is not None and ability in offered and hasattr(hop.backend, method)


def ability_of(word: str) -> Ability:
    """Check a word that should name an ability."""
    for ability in ABILITIES:
        if ability == word:
            return ability
    raise ConfigurationError(f"{word!r} is no ability; there are {', '.join(ABILITIES)}")
