"""What a backend's author says about the backend, and how one check is run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, ClassVar

from gensdk.spec import METHODS, STREAM_METHODS, Backend, Context
from gensdk.types import (
    ABILITIES,
    Ability,
    Finished,
    JobHandle,
    JobState,
    Request,
    Response,
    StreamEvent,
)

from .samples import PLAIN
from .watch import nothing_left, tasks_left

__all__ = ["Stage"]

_MOST_LOOKS = 6000
_LOOK_S = 0.01

Check = Callable[[Any], Awaitable[None]]


class Stage:
    """The part of the suite that a backend's author fills in.

    Attributes:
        model: Model that is asked.
        models: Models by ability, where one does not have them all.
        secret: The key that the backend under test was given; it must show nowhere.
        honours: Fields by ability that take effect here without being sent; for backends that
            send nothing at all, every field they honour. One that is refused fails the check.
        values: Values to try a field with, by ability and field, in place of the suite's own:
            ``{"image": {"size": {"size": "64x64"}}}``.
    """

    model: ClassVar[str] = "model"
    models: ClassVar[Mapping[Ability, str]] = {}
    secret: ClassVar[str | None] = None
    honours: ClassVar[Mapping[Ability, Collection[str]] | None] = None
    values: ClassVar[Mapping[Ability, Mapping[str, Mapping[str, Any]]]] = {}

    def backend(self) -> AbstractAsyncContextManager[Any]:
        """Give the backend under test, with the server it needs; entered once for each check.

        Written as a generator with ``@asynccontextmanager``. It runs on the loop of the check.
        """
        raise NotImplementedError(f"{type(self).__name__}.backend() has to give the backend")

    def sent(self) -> Sequence[object] | None:
        """Everything that the backend has sent since ``backend()`` was entered, oldest first.

        Values that can be compared: the bodies that the test's server received. None where
        nothing is sent that could be looked at; then say ``honours``.
        """
        return None

    def requests(self) -> Mapping[Ability, Request]:
        """Plain requests by ability; override some where these do not suit the backend."""
        return PLAIN

    # ------------------------------------------------------------------------ for the checks
    def run_check(self, check: Check) -> None:
        """Run a check on a loop of its own; nothing may be left of it afterwards."""

        async def whole() -> None:
            async with self.backend() as backend:
                await check(backend)
                await backend.aclose()
            left = await tasks_left()
            assert not left, f"tasks that go on after aclose(): {left}"

        with nothing_left():
            asyncio.run(whole())

    def model_of(self, ability: Ability) -> str:
        """The model that is asked for an ability."""
        return self.models.get(ability, self.model)

    def abilities(self, backend: Backend, *, jobs: bool = False) -> Iterator[Ability]:
        """What the backend says it answers: at once, or as jobs."""
        for ability in ABILITIES:
            facts = backend.capabilities(self.model_of(ability))
            if ability in facts.abilities and (ability in facts.jobs) is jobs:
                yield ability

    def streams(self, backend: Backend) -> Iterator[Ability]:
        """What the backend says it streams."""
        for ability in ABILITIES:
            if ability in backend.capabilities(self.model_of(ability)).streams:
                yield ability

    def context(self, backend: Backend, ability: Ability, **facts: Any) -> Context:
        """The pipeline's part of an attempt."""
        given: dict[str, Any] = {
            "connect_s": 5.0,
            "read_s": 30.0,
            "idempotency_key": "conformance-1",
        } | facts
        return Context(model=self.model_of(ability), provider=backend.name, **given)

    async def ask(
        self, backend: Backend, ability: Ability, request: Request | None = None, **facts: Any
    ) -> Response:
        """One whole answer, of a plain request if none is given."""
        given = request or self.requests()[ability]
        method = getattr(backend, METHODS[ability])
        answer: Response = await method(given, self.context(backend, ability, **facts))
        return answer

    async def hear(
        self,
        backend: Backend,
        ability: Ability,
        request: Request | None = None,
        *,
        most: int | None = None,
        **facts: Any,
    ) -> list[StreamEvent]:
        """The events of a stream; it is closed after ``most`` of them."""
        method = getattr(backend, STREAM_METHODS[ability])
        heard: list[StreamEvent] = []
        asked = request or self.requests()[ability]
        opened = method(asked, self.context(backend, ability, **facts))
        async with aclosing(opened) as events:
            async for event in events:
                heard.append(event)
                if len(heard) == most:
                    break
        return heard

    async def whole_stream(
        self, backend: Backend, ability: Ability, request: Request | None = None, **facts: Any
    ) -> list[StreamEvent]:
        """All events of a stream that must have its end."""
        heard = await self.hear(backend, ability, request, **facts)
        assert heard, f"stream of {ability}: nothing came"
        ends = [index for index, event in enumerate(heard) if isinstance(event, Finished)]
        assert ends == [len(heard) - 1], (
            f"stream of {ability}: Finished must come once, as the last event; "
            f"it came at {ends} of {len(heard)}"
        )
        return heard

    async def started(
        self, backend: Any, ability: Ability, request: Request | None = None, **facts: Any
    ) -> JobHandle:
        """A job's handle as another process would have it."""
        context = self.context(backend, ability, **facts)
        request = request or self.requests()[ability]
        handle: JobHandle = await backend.start(request, context)
        text = handle.model_dump_json()
        assert not self.secret or self.secret not in text, "the handle holds the key"
        json.loads(text)
        filled = {"provider": backend.name, "model": context.model, "ability": ability}
        return JobHandle.model_validate_json(text).model_copy(update=filled)

    async def ended(self, backend: Any, ability: Ability, handle: JobHandle) -> JobState:
        """Its final state."""
        for _ in range(_MOST_LOOKS):
            state: JobState = await backend.poll(handle, self.context(backend, ability))
            if state.ended:
                return state
            await asyncio.sleep(min(_LOOK_S, state.poll_after_s or _LOOK_S))
        raise AssertionError(f"{ability}: the job had not ended after {_MOST_LOOKS} looks")
