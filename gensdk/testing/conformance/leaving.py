"""Checks of how a hosted backend lets go: cancelled, too slow, closed; and that it stays put."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from gensdk.errors import (
    ClientClosedError,
    GenSDKError,
    InvalidResponseError,
    OutcomeUnknownError,
    StreamInterruptedError,
    TimedOutError,
)
from gensdk.spec import STREAM_METHODS, IdentifiedBackend
from gensdk.types import ABILITIES, Ability

from .server import Fault, faulty_server
from .wire import WAIT_S, WireStage, failure

__all__ = ["Leaving"]

_READ_S = 0.05
_TIMED_OUT = (TimedOutError, OutcomeUnknownError)


class Leaving(WireStage):
    """Connections and accounts."""

    def test_cancelling_closes_the_connection(self) -> None:
        """While the server thinks, or in the middle of its answer: it sees the client leave."""

        async def check() -> None:
            faults = Fault(ending="silent"), Fault(body=b'{"a": "', ending="stalled")
            for fault in faults:
                for index in range(len(await self._names())):
                    await self._leave(fault, index)

        self.alone(check)

    def test_leaving_a_stream_closes_the_connection(self) -> None:
        """After its first event, by closing the generator and by cancelling."""

        async def check() -> None:
            for ability, body in self.stream_bodies.items():
                half = b"\n\n".join(body.split(b"\n\n")[:-2]) + b"\n\n"
                fault = Fault(body=half, content_type="text/event-stream", ending="stalled")
                for cancelled in (False, True):
                    await self._leave_stream(fault, ability, cancelled=cancelled)

        self.alone(check)

    def test_silence_is_a_timeout(self) -> None:
        """A server that says nothing for ``read_s`` seconds; what it did by then may be billed."""

        async def check() -> None:
            async with self.at(Fault(ending="silent")) as (backend, _):
                for way in self.ways(backend):
                    error = await failure(way.ask, read_s=_READ_S)
                    assert isinstance(error, _TIMED_OUT), f"{way.what}: {error!r}"
                    free = way.pays and error.billed == "no"
                    assert not free, f"{way.what}: billed is 'no'"

        self.alone(check)

    def test_closing_ends_what_is_under_way(self) -> None:
        """With a typed error, and the server sees the client leave."""

        async def check() -> None:
            for index in range(len(await self._names())):
                async with self.at(Fault(ending="silent")) as (backend, server):
                    way = list(self.ways(backend))[index]
                    task = asyncio.ensure_future(failure(way.ask))
                    await asyncio.wait_for(server.arrived.wait(), WAIT_S)
                    await backend.aclose()
                    error = await asyncio.wait_for(task, WAIT_S)
                    assert isinstance(error, GenSDKError), f"{way.what}: {error!r}"
                    await asyncio.wait_for(server.left.wait(), WAIT_S)

        self.alone(check)

    def test_a_closed_account_asks_nobody(self) -> None:
        """After ``aclose()`` a call is ``ClientClosedError``, and nothing is sent."""

        async def check() -> None:
            async with self.at(Fault()) as (backend, server):
                await backend.aclose()
                for way in self.ways(backend):
                    error = await failure(way.ask)
                    assert isinstance(error, ClientClosedError), f"{way.what}: {error!r}"
                assert server.requests == 0, f"{server.requests} requests after aclose()"

        self.alone(check)

    def test_redirects_are_not_followed(self) -> None:
        """Not with a paid request, and not with the key."""

        async def check() -> None:
            async with faulty_server(Fault()) as elsewhere:
                headers = {"location": f"{elsewhere.url}{self.base_path}/other"}
                for status in (302, 307):
                    async with self.at(Fault(status, headers=headers)) as (backend, _):
                        for way in self.ways(backend):
                            if way.pays:
                                error = await failure(way.ask)
                                assert isinstance(error, InvalidResponseError), (
                                    f"{way.what}: {error!r}"
                                )
                assert elsewhere.requests == 0, "a redirect was followed"

        self.alone(check)

    def test_accounts_are_told_apart(self) -> None:
        """Equal ones have one identity, others another; None where it cannot be told."""

        async def check() -> None:
            one, same, other = (
                self.backend_at(f"http://127.0.0.1:{port}{self.base_path}") for port in (1, 1, 2)
            )
            if isinstance(one, IdentifiedBackend):
                for ability in ABILITIES:
                    model = self.model_of(ability)
                    mine = one.identity(model)
                    assert mine == same.identity(model), "equal accounts differ"
                    assert mine is None or mine != other.identity(model), "accounts are mixed up"
            for backend in (one, same, other):
                await backend.aclose()

        self.alone(check)

    # ------------------------------------------------------------------------------ the inside
    async def _names(self) -> list[str]:
        backend = self.backend_at("http://127.0.0.1:1")
        names = [way.what for way in self.ways(backend)]
        await backend.aclose()
        return names

    async def _leave(self, fault: Fault, index: int) -> None:
        async with self.at(fault) as (backend, server):
            way = list(self.ways(backend))[index]
            task = asyncio.ensure_future(way.ask())
            await asyncio.wait_for(server.arrived.wait(), WAIT_S)
            for _ in range(20):
                await asyncio.sleep(0)
            if task.done():
                return  # what came was enough to fail by
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError), f"{way.what}: {ended!r}"
            await asyncio.wait_for(server.left.wait(), WAIT_S)

    async def _leave_stream(self, fault: Fault, ability: Ability, *, cancelled: bool) -> None:
        async with self.at(fault) as (backend, server):
            seen = asyncio.Event()

            async def listen() -> None:
                method: Any = getattr(backend, STREAM_METHODS[ability])
                opened = method(self.requests()[ability], self.context(backend, ability))
                async with aclosing(opened) as events:
                    async for _ in events:
                        seen.set()
                        if not cancelled:
                            return
                raise StreamInterruptedError("it ended")

            task = asyncio.ensure_future(listen())
            await asyncio.wait_for(seen.wait(), WAIT_S)
            if cancelled:
                task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            wanted = asyncio.CancelledError if cancelled else type(None)
            assert isinstance(ended, wanted), f"stream of {ability}: {ended!r}"
            await asyncio.wait_for(server.left.wait(), WAIT_S)
