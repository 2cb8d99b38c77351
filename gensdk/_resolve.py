"""From what the user wrote in the model slot to the hops of a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gensdk._registry import Registry, check_backend, near
from gensdk._settings import (
    DEMO_MODELS,
    ENVIRONMENT,
    default_model,
    environment_model,
    read_file,
    refuse_without_api,
)
from gensdk.errors import (
    ConfigurationError,
    InvalidRequestError,
    UnknownModelError,
    UnsupportedFeatureError,
)
from gensdk.policy import Hop, Lifecycle, Route
from gensdk.spec import (
    JOB_METHODS,
    METHODS,
    STREAM_METHODS,
    Backend,
    BoundModel,
    Capabilities,
)
from gensdk.types import ABILITIES, Ability, Attempt

if TYPE_CHECKING:
    from gensdk._listings import Listings

__all__ = ["DefaultModel", "ModelLike", "Resolved", "Resolver", "Way"]

ModelLike = str | Route | BoundModel | Sequence[str | BoundModel]
"""What fits into a model slot."""

Way = Literal["answer", "stream", "start"]
"""How an answer is wanted: whole, as it is made, or as a job that others may wait for."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a call may be answered.

    Attributes:
        hops: Models that can, in order of preference.
        route: The route they belong to.
        passed_over: Models of the route that cannot do this at all, as skipped attempts.
    """

    hops: tuple[Hop, ...]
    route: Route
    passed_over: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class DefaultModel:
    """The model that answers an ability where none is named, and where that is said.

    Attributes:
        model: What stands there: a name, an alias, several of them, a ``Route``.
        source: ``code`` (``Client(models=…)``), ``environment``, ``file``, ``catalogue`` (a
            provider whose key is set) or ``demo`` (a built-in demonstration model).
        place: The variable or the file, where it is one of these.
    """

    model: ModelLike
    source: Literal["code", "environment", "file", "catalogue", "demo"]
    place: str = ""


_PLAIN = Route("-")
"""Stands for calls that name a single model."""


class Resolver:
    """Resolves names once; afterwards they are objects."""

    def __init__(
        self, models: Mapping[str, ModelLike] | None, registry: Registry, lifecycle: Lifecycle
    ) -> None:
        """Take the client's defaults and aliases. Files and environment are read at first use.

        Raises:
            ConfigurationError: They are no mapping of words to models.
        """
        self._models = _checked(models)
        self._registry = registry
        self._from_file: tuple[Path | None, dict[str, str | list[str]]] | None = None
        self._known: dict[tuple[object, ...], Resolved] = {}
        self._lifecycle = lifecycle
        self._listings: Listings | None = None

    def resolve(self, model: ModelLike | None, ability: Ability, way: Way) -> Resolved:
        """The hops of a call, the route they belong to, and who of it was passed over.

        Raises:
            NoPublicAPIError: A product that cannot be called lawfully.
            UnknownModelError: A bare word that is no alias, or no default for the ability.
            UnknownBackendError: A provider nobody registered.
            UnsupportedFeatureError: The model cannot do this ability at all.
            ConfigurationError: Aliases that lead in a circle.
        """
        if isinstance(model, str | None):
            key = (model, ability, way)
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = self._look_up(model, ability, way)
            return found
        return self._look_up(model, ability, way)

    def names(self) -> dict[str, ModelLike]:
        """Every alias in force, by name; defaults of abilities that are set by name too."""
        return {**self._file()[1], **self._models}

    def default(self, ability: Ability) -> DefaultModel:
        """The model of an ability where none is named, and where that is said.

        Raises:
            UnknownModelError: There is none; the message says what to set.
            ConfigurationError: The file cannot be read.
        """
        if ability in self._models:
            return DefaultModel(self._models[ability], "code")
        named = environment_model(ability)
        if named is not None:
            return DefaultModel(named, "environment", ENVIRONMENT[ability])
        path, models = self._file()
        if ability in models:
            return DefaultModel(models[ability], "file", str(path))
        model = default_model(ability)
        return DefaultModel(model, "demo" if DEMO_MODELS.get(ability) == model else "catalogue")

    def defaults(self) -> dict[Ability, DefaultModel]:
        """The defaults of the abilities that have one."""
        found: dict[Ability, DefaultModel] = {}
        for ability in ABILITIES:
            try:
                found[ability] = self.default(ability)
            except UnknownModelError:
                continue
        return found

    def config_file(self) -> Path | None:
        """The file that names and defaults are read from."""
        return self._file()[0]

    def capabilities(self, model: str) -> Capabilities:
        """What ``provider:model``, or an alias of one, can do, as far as it is known unasked.

        Raises:
            UnknownModelError: No model is named, or an alias stands for several.
            UnknownBackendError: A provider nobody registered.
            NoPublicAPIError: A product that cannot be called lawfully.
        """
        names, left = self.names(), len(self.names())
        while model in names and left:
            named, left = names[model], left - 1
            if not isinstance(named, str):
                raise UnknownModelError(f"{model!r} stands for several models; ask for one of them")
            model = named
        provider, _, name = model.partition(":")
        self._mind_api(provider, name)
        if not name:
            raise UnknownModelError(f"{model!r}: write 'provider:model'")
        return self._facts(self._registry.backend(provider), provider, name)

    def forget(self) -> None:
        """Read the file of listings anew, before the next call."""
        self._known.clear()
        self._listings = None

    def check_options(self, names: Iterable[str], resolved: Resolved) -> None:
        """Refuse vendor options that no provider will ever read.

        Raises:
            InvalidRequestError: A name is neither a provider of this call nor any known one.
        """
        here = {name for hop in resolved.hops for name in (hop.provider, hop.backend.name)}
        here |= {attempt.provider for attempt in resolved.passed_over}
        for name in names:
            if name in here or self._registry.knows(name):
                continue
            known = sorted(here | set(self._registry.names()))
            raise InvalidRequestError(
                f"options: no provider is called {name!r:.40}.{near(name, known)} Options go by "
                f"provider name, here {' or '.join(map(repr, sorted(here)))}",
                param="options",
            )

    def _look_up(self, model: ModelLike | None, ability: Ability, way: Way) -> Resolved:
        target = self.default(ability).model if model is None else model
        route, targets = self._expand(target, ability, ())
        hops = [self._hop(item) for item in targets]
        able = [hop for hop in hops if _can(hop, ability, way)]
        if not able:
            raise UnsupportedFeatureError(
                f"{' and '.join(map(str, hops))} cannot do {_verb(ability, way)!r}"
                f"{_instead(hops, ability, way)}",
                provider=hops[0].provider,
                model=hops[0].model,
            )
        passed_over = [_passed_over(hop, ability, way) for hop in hops if hop not in able]
        if ability == "embed" and len({hop.model for hop in able}) > 1:
            _check_vectors(able, route)
        return Resolved(tuple(able), route, tuple(passed_over))

    def _file(self) -> tuple[Path | None, dict[str, str | list[str]]]:
        if self._from_file is None:
            self._from_file = read_file()
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
            return self.default(ability).model
        known = self.names()
        if word in known:
            return known[word]
        refuse_without_api(word.partition("/")[0])
        providers = [f"{name}:…" for name in self._registry.names() if name == word]
        demos = {model.partition(":")[2]: model for model in DEMO_MODELS.values()}
        meant = demos.get(word) or (providers[0] if providers else self._slashed(word))
        hint = f" Did you mean {meant!r}?" if meant else near(word, list(known))
        listed = ", ".join(sorted(known)) or "none"
        raise UnknownModelError(
            f"{word!r} is no alias.{hint} Aliases: {listed}. "
            f"A model is written 'provider:model', for example {_example(meant, word)!r}"
        )

    def _slashed(self, word: str) -> str | None:
        """``provider:model`` for the ``provider/model`` of other libraries."""
        provider, slash, model = word.partition("/")
        known = slash and model and self._registry.knows(provider)
        return f"{provider}:{model}" if known else None

    def _mind_api(self, provider: str, model: str) -> None:
        """Refuse a product without an API, unless the name is an account's of the user's own."""
        if provider == "openai" or not self._registry.knows(provider):
            refuse_without_api(provider, model)

    def _hop(self, target: str | BoundModel) -> Hop:
        if isinstance(target, BoundModel):
            check_backend(target.backend, "BoundModel.backend")
            backend, provider, model = target.backend, target.backend.name, target.model
        else:
            provider, _, model = target.partition(":")
            self._mind_api(provider, model)
            if not provider:
                raise UnknownModelError(
                    f"{target!r} names no provider: write it before the colon, for example "
                    f"{_example(None, model)!r}"
                )
            if not model:
                demos = [name for name in DEMO_MODELS.values() if name.startswith(target)]
                raise UnknownModelError(
                    f"{target!r} names no model: write it after the colon, for example "
                    f"{_example(demos[0] if demos else None, '')!r}"
                )
            backend = self._registry.backend(provider)
        if not _sendable(model):
            raise InvalidRequestError(f"model {model!r:.80}: it holds a lone surrogate")
        return Hop(backend, provider, model, self._facts(backend, provider, model))

    def _facts(self, backend: Backend, provider: str, model: str) -> Capabilities:
        """What a backend says of a model, and what the provider's own list says of its end."""
        if self._listings is None:
            from gensdk._listings import read

            self._listings = read(self._lifecycle)
        return self._listings.over(provider, model, backend.capabilities(model))


def _example(meant: str | None, word: str) -> str:
    """A model name that could have been meant, to show how one is written."""
    if meant and not meant.endswith("…"):
        return meant
    return "openai:gpt-6-luna" if meant or not word or "/" in word else f"openai:{word}"


def _check_vectors(hops: list[Hop], route: Route) -> None:
    if not route.interchangeable:
        raise ConfigurationError(
            f"{' and '.join(map(str, hops))} make vectors that cannot be compared with each other: "
            "a route of embeddings is one model at several providers, or says "
            "Route(..., interchangeable=True)"
        )


def _can(hop: Hop, ability: Ability, way: Way) -> bool:
    facts = hop.backend.capabilities(hop.model)
    if way == "stream":
        method = STREAM_METHODS.get(ability)
        return ability in facts.streams and method is not None and hasattr(hop.backend, method)
    as_job = ability in facts.jobs
    methods = JOB_METHODS if as_job else (METHODS[ability],)
    offered = ability in facts.abilities and (as_job or way == "answer")
    return offered and all(hasattr(hop.backend, method) for method in methods)


def _passed_over(hop: Hop, ability: Ability, way: Way) -> Attempt:
    return Attempt(
        provider=hop.provider,
        model=hop.model,
        outcome="skipped",
        error=UnsupportedFeatureError.kind,
        message=f"{hop} cannot do {_verb(ability, way)!r}",
    )


def _verb(ability: Ability, way: Way) -> str:
    if way == "start":
        return f"start_{ability}"
    return (STREAM_METHODS if way == "stream" else METHODS).get(ability, ability)


def _instead(hops: list[Hop], ability: Ability, way: Way) -> str:
    """A hint where only the way is wrong."""
    if way == "start" and any(_can(hop, ability, "answer") for hop in hops):
        return f": it answers at once, without a job; use {METHODS[ability]!r}"
    return ""


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked(models: object) -> dict[str, ModelLike]:
    if models is None:
        return {}
    if not isinstance(models, Mapping):
        raise ConfigurationError(
            f"models={models!r:.80}: give a mapping, for example models={{'text': 'openai:…'}}"
        )
    for name, value in models.items():
        if not isinstance(name, str) or ":" in name:
            raise ConfigurationError(f"alias {name!r:.80}: an alias is a word without ':'")
        items = value if isinstance(value, list | tuple) and value else [value]
        allowed = (str, BoundModel) if items is value else (str, BoundModel, Route)
        if not all(isinstance(item, allowed) for item in items):
            raise ConfigurationError(
                f"models[{name!r}] = {value!r:.80}: give 'provider:model', an alias, a bound "
                "model, a Route, or a list of names"
            )
    return dict(models)
