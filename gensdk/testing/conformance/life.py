"""Checks of how a backend lives: cancelling, closing, the event loop, identity, jobs."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, get_args

from gensdk.errors import GenSDKError, JobExpiredError
from gensdk.spec import Backend, IdentifiedBackend
from gensdk.types import ABILITIES, Ability, CancelOutcome

from .answers import check_answer
from .stage import Stage
from .watch import Turns, watch_loop

__all__ = ["Life"]

_TURNS = (0, 1, 2, 3, 5, 8, 13, 21)
"""Turns of the loop after which a call is cancelled."""


class Life(Stage):
    """Lifetimes."""

    longest_turn_s = 0.5
    """Processor seconds that one turn of the loop may take, once the backend is warm."""

    def test_cancelling_passes_through(self) -> None:
        """``CancelledError`` comes out as it is, whenever it comes, and the backend goes on."""

        async def check(backend: Backend) -> None:
            for ability in self.abilities(backend):
                for turns in _TURNS:
                    await _cancelled(asyncio.create_task(self.ask(backend, ability)), turns)
                check_answer(ability, self.requests()[ability], await self.ask(backend, ability))
            for ability in self.streams(backend):
                for turns in _TURNS:
                    await _cancelled(asyncio.create_task(self.hear(backend, ability)), turns)
                await self.whole_stream(backend, ability)

        self.run_check(check)

    def test_it_can_be_closed_twice(self) -> None:
        """Before anything was asked, and after it."""

        async def check(backend: Backend) -> None:
            for ability in self.abilities(backend):
                await self.ask(backend, ability)
                break
            await backend.aclose()
            await backend.aclose()

        async def unused(backend: Backend) -> None:
            await backend.aclose()

        self.run_check(check)
        self.run_check(unused)

    def test_the_event_loop_is_not_blocked(self) -> None:
        """No sleep, look-up or connection on the loop's thread, and no long work."""

        async def check(backend: Backend) -> None:
            for ability in self.abilities(backend):
                await self.ask(backend, ability)
                async with watch_loop() as turns:
                    await self.ask(backend, ability)
                    if ability in backend.capabilities(self.model_of(ability)).streams:
                        await self.hear(backend, ability)
                self._mind_turns(ability, turns)
            for ability in self.abilities(backend, jobs=True):
                await self._whole_job(backend, ability)
                async with watch_loop() as turns:
                    await self._whole_job(backend, ability)
                self._mind_turns(ability, turns)

        self.run_check(check)

    def _mind_turns(self, ability: Ability, turns: Turns) -> None:
        assert not turns.blocking, f"{ability} blocks the event loop: {turns.blocking}"
        assert turns.longest_s < self.longest_turn_s, (
            f"{ability} held the event loop for {turns.longest_s:.2f} s of processor time"
        )

    async def _whole_job(self, backend: Any, ability: Ability) -> None:
        handle = await self.started(backend, ability)
        await self.ended(backend, ability, handle)
        await backend.collect(handle, None, self.context(backend, ability))

    def test_its_identity_is_stable_and_shows_no_key(self) -> None:
        """What names the backend stays the same, and nothing of it is the key."""

        async def check(backend: Backend) -> None:
            shown = [repr(backend), str(backend)]
            if isinstance(backend, IdentifiedBackend):
                for ability in self.abilities(backend):
                    await self.ask(backend, ability)  # before, a model that is loaded has none
                before = [backend.identity(self.model_of(ability)) for ability in ABILITIES]
                for ability in self.abilities(backend):
                    await self.ask(backend, ability)
                after = [backend.identity(self.model_of(ability)) for ability in ABILITIES]
                assert before == after, "identity() is not the same after calls"
                assert all(one is None or isinstance(one, str) for one in after)
                shown += [one for one in after if one]
            assert not self.secret or not any(self.secret in one for one in shown), shown

        self.run_check(check)

    # ---------------------------------------------------------------------------------- jobs
    def test_jobs_run_and_can_be_collected_twice(self) -> None:
        """From the start over the looks to the result, by the handle's JSON alone."""

        async def check(backend: Any) -> None:
            for ability in self.abilities(backend, jobs=True):
                handle = await self.started(backend, ability)
                state = await self.ended(backend, ability, handle)
                assert state.status == "succeeded", f"{ability}: the job ended as {state!r}"
                context, request = self.context(backend, ability), self.requests()[ability]
                first = await backend.collect(handle, request, context)
                check_answer(ability, request, first)
                again = await backend.collect(handle, None, context)
                check_answer(ability, request, again)
                outcome = await backend.cancel(handle, context)
                assert outcome in get_args(CancelOutcome), f"cancel gave {outcome!r}"

        self.run_check(check)

    def test_jobs_can_be_cancelled(self) -> None:
        """Twice, with an outcome that can be told; afterwards the job ends, or is gone."""

        async def check(backend: Any) -> None:
            for ability in self.abilities(backend, jobs=True):
                handle = await self.started(backend, ability)
                outcome = await backend.cancel(handle, self.context(backend, ability))
                assert outcome in get_args(CancelOutcome), f"cancel gave {outcome!r}"
                try:
                    again = await backend.cancel(handle, self.context(backend, ability))
                    assert again in get_args(CancelOutcome), f"cancel gave {again!r}"
                    await self.ended(backend, ability, handle)
                except JobExpiredError:
                    assert outcome != "unsupported", "a job that goes on is told to be gone"

        self.run_check(check)

    def test_unknown_jobs_are_expired(self) -> None:
        """A handle of nobody's job is ``JobExpiredError``, whatever is done with it."""

        async def check(backend: Any) -> None:
            for ability in self.abilities(backend, jobs=True):
                started = await self.started(backend, ability)
                stranger = started.model_copy(update={"id": "job-of-nobody"})
                context = self.context(backend, ability)
                await _expired(backend.poll(stranger, context))
                await _expired(backend.collect(stranger, None, context))
                await backend.cancel(started, context)
                with suppress(JobExpiredError):  # what was cancelled may be forgotten
                    await self.ended(backend, ability, started)

        self.run_check(check)


async def _expired(look: Awaitable[object]) -> None:
    try:
        given = await look
    except JobExpiredError:
        return
    raise AssertionError(f"a job of nobody gave {given!r}")


async def _cancelled(task: asyncio.Task[Any], turns: int) -> None:
    """Cancel a call after a few turns of the loop; it may have been done by then."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    except GenSDKError as error:
        pickle.loads(pickle.dumps(error))
        raise AssertionError(f"a cancelled call failed with {error!r}") from error
