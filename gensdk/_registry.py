"""From ``"provider:model"`` to a backend.

Backends come from the client's own ``backends=``, else from entry points of the group
``gensdk.backends``, gensdk's own included. Nothing is imported before a provider is named.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points

from gensdk.errors import ConfigurationError, UnknownBackendError
from gensdk.spec import Backend, BackendFactory

__all__ = ["GROUP", "Registry", "check_backend", "near"]

GROUP = "gensdk.backends"


def near(word: str, known: list[str]) -> str:
    """`` Did you mean …?`` with the nearest names, whatever their case, or nothing."""
    folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.strip().casefold(), folded, n=3, cutoff=0.6)
    found = [folded[name] for name in found]
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""


def check_backend(backend: object, place: str) -> None:
    """Refuse what is no backend, with what to give instead.

    Raises:
        ConfigurationError: It has not what every backend has.
    """
    if isinstance(backend, type):
        raise ConfigurationError(f"{place} is a class; make one: {backend.__name__}(…)")
    methods = (getattr(backend, name, None) for name in ("capabilities", "aclose"))
    if not isinstance(getattr(backend, "name", None), str) or not all(map(callable, methods)):
        kind = type(backend).__name__
        raise ConfigurationError(
            f"{place} is of type {kind}, which is no backend: give one of gensdk.backends, or an "
            "object as in gensdk.spec.Backend"
        )


class Registry:
    """The backends of one client, made when first asked for and closed together."""

    def __init__(self, given: Mapping[str, Backend] | None) -> None:
        """Take the user's backends; those are never closed here.

        Raises:
            ConfigurationError: They are no mapping of names to backends.
        """
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise ConfigurationError(
                f"backends={type(given).__name__}: give a mapping of provider name to backend, "
                "for example backends={'openai': OpenAIBackend()}"
            )
        for name, backend in given.items():
            if not isinstance(name, str) or not name or ":" in name:
                raise ConfigurationError(f"backend name {name!r}: a word without ':'")
            check_backend(backend, f"backends[{name!r}]")
        self._given = dict(given)
        self._made: dict[str, Backend] = {}

    def names(self) -> list[str]:
        """Every provider name that can be used."""
        return sorted({*self._given, *_own_points(), *_known_servers(), *_all_points()})

    def knows(self, name: str) -> bool:
        """Whether a provider of that name can be used."""
        return name in self._given or _point(name) is not None

    def backend(self, name: str) -> Backend:
        """The backend of a provider; one for each name.

        Raises:
            UnknownBackendError: No backend has that name.
        """
        for known in (self._given, self._made):
            if name in known:
                return known[name]
        point = _point(name)
        if point is None:
            raise UnknownBackendError(
                f"no backend is called {name!r}.{near(name, self.names())} "
                f"Known: {', '.join(self.names())}"
            )
        try:
            factory: BackendFactory = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"the backend {name!r} ({point.value}) cannot be loaded: {error}"
            ) from error
        made = self._made[name] = factory(name)
        return made

    async def aclose(self) -> None:
        """Close the backends made here, all of them, even where one fails to."""
        made, self._made = self._made, {}
        async with AsyncExitStack() as closing:
            for backend in made.values():
                closing.push_async_callback(backend.aclose)


def _own_points() -> dict[str, EntryPoint]:
    """Gensdk's own entry points, read without a walk over every installed package."""
    try:
        points = distribution("gensdk").entry_points
    except PackageNotFoundError:
        return {}
    return {point.name: point for point in points if point.group == GROUP}


def _known_servers() -> dict[str, EntryPoint]:
    """Servers that speak OpenAI's wire format: a row of the catalogue is all that they need."""
    from gensdk.catalog.compatible import PRESETS

    value = "gensdk.backends.compatible:create"
    return {name: EntryPoint(name, value, GROUP) for name in PRESETS}


def _point(name: str) -> EntryPoint | None:
    """Where the backend of a provider is made: gensdk's own name goes before another package's."""
    for points in (_own_points, _known_servers, _all_points):
        if (point := points().get(name)) is not None:
            return point
    return None


def _all_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
