"""What the checks against a faulty server share: the server, and every way to ask a backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from gensdk.types import Ability, JobHandle

from .server import Fault, FaultyServer, faulty_server
from .stage import Stage
from .watch import nothing_left, tasks_left

__all__ = ["WAIT_S", "Ask", "Way", "WireStage", "failure"]

WAIT_S = 10.0

Ask = Callable[..., Awaitable[object]]


@dataclass(frozen=True)
class Way:
    """One way to ask.

    Attributes:
        what: In words.
        ask: Asks; takes facts of the context as keywords.
        pays: Whether it asks for work; looking at a job does not.
        by_status: Whether the status of the answer may be all that is looked at.
        fetches: Whether it fetches what a job made: a refusal may then say that the job failed.
    """

    what: str
    ask: Ask
    pays: bool = True
    by_status: bool = False
    fetches: bool = False


class WireStage(Stage):
    """What the author of an HTTP backend says beside the rest.

    Attributes:
        base_path: Path of the API at the server's address, such as ``"/v1"``.
        raw: Abilities whose answer may be any bytes, such as a sound.
        stream_bodies: A whole event stream of the provider, by ability, as it comes over the
            wire; it is cut at every event.
    """

    base_path: ClassVar[str] = ""
    raw: ClassVar[frozenset[Ability]] = frozenset({"speech", "music", "video"})
    stream_bodies: ClassVar[Mapping[Ability, bytes]] = {}

    def backend_at(self, base_url: str) -> Any:
        """Give a backend whose account is at this address, with ``secret`` for its key."""
        raise NotImplementedError(f"{type(self).__name__}.backend_at() has to give a backend")

    # ------------------------------------------------------------------------ for the checks
    def alone(self, check: Callable[[], Awaitable[None]]) -> None:
        """Run a check that makes its own backends; nothing may be left of it afterwards."""

        async def whole() -> None:
            self.handles = await self._started()
            await check()
            left = await tasks_left()
            assert not left, f"tasks that go on after aclose(): {left}"

        with nothing_left():
            asyncio.run(whole())

    async def _started(self) -> dict[Ability, JobHandle]:
        """Jobs that were started at the author's server, to be looked at elsewhere."""
        probe = self.backend_at("http://127.0.0.1:1")
        abilities = list(self.abilities(probe, jobs=True))
        await probe.aclose()
        if not abilities:
            return {}
        async with self.backend() as backend:
            handles = {one: await self.started(backend, one) for one in abilities}
            await backend.aclose()
        return handles

    @asynccontextmanager
    async def at(self, fault: Fault) -> AsyncIterator[tuple[Any, FaultyServer]]:
        """A backend at a server that fails so."""
        async with faulty_server(fault) as server:
            backend = self.backend_at(server.url + self.base_path)
            try:
                yield backend, server
            finally:
                await backend.aclose()

    def ways(self, backend: Any, *, any_bytes: bool = True) -> Iterator[Way]:
        """Every way to ask: plain calls, streams, jobs that are started, looked at and fetched."""
        for ability in self.abilities(backend):
            if any_bytes or ability not in self.raw:
                yield Way(ability, _bound(self.ask, backend, ability))
        for ability in self.streams(backend):
            if any_bytes or ability not in self.raw:
                yield Way(f"stream of {ability}", _bound(self.whole_stream, backend, ability))
        for ability in self.abilities(backend, jobs=True):
            yield Way(f"job of {ability}", _bound(self.start, backend, ability))
            look, fetch = (_bound(one, backend, ability) for one in (self.look, self.fetch))
            raw = ability in self.raw
            yield Way(f"look at a job of {ability}", look, pays=False, by_status=raw)
            if any_bytes or not raw:
                yield Way(f"result of {ability}", fetch, pays=False, fetches=True)

    async def start(self, backend: Any, ability: Ability, **facts: Any) -> object:
        """Start a job."""
        context = self.context(backend, ability, **facts)
        return await backend.start(self.requests()[ability], context)

    async def look(self, backend: Any, ability: Ability, **facts: Any) -> object:
        """Look at a job that was started elsewhere."""
        context = self.context(backend, ability, **facts)
        return await backend.poll(self.handles[ability], context)

    async def fetch(self, backend: Any, ability: Ability, **facts: Any) -> object:
        """Fetch the result of a job that was started elsewhere."""
        context = self.context(backend, ability, **facts)
        return await backend.collect(self.handles[ability], self.requests()[ability], context)


def _bound(method: Callable[..., Awaitable[object]], backend: Any, ability: Ability) -> Ask:
    return lambda **facts: method(backend, ability, **facts)


async def failure(ask: Ask, **facts: Any) -> BaseException | None:
    """What a call fails with; None where it is answered."""
    try:
        await asyncio.wait_for(ask(**facts), WAIT_S)
    except Exception as error:  # noqa: BLE001  # the check says which class it had to be
        return error
    return None
