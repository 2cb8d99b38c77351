"""Many requests, a few at a time, answers in order: on an event loop, or from outside one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import Future

from gensdk._loop import LoopThread
from gensdk.errors import GenSDKError, InvalidRequestError
from gensdk.types import Request, Response

__all__ = ["in_order", "in_order_outside"]

Run = Callable[[Request], Awaitable[Response]]
Answer = Response | GenSDKError


class _Window:
    """The requests under way."""

    def __init__(self, run: Run, requests: object, concurrency: int, return_errors: bool) -> None:
        if not isinstance(concurrency, int) or concurrency < 1:
            raise InvalidRequestError(f"concurrency: 1 or more (given: {concurrency!r:.40})")
        if isinstance(requests, Request):  # a model of pydantic iterates over its fields
            raise InvalidRequestError(
                f"map takes many requests: give a list of them, or {type(requests).__name__} to run"
            )
        self.ahead = 2 * concurrency
        self._run = run
        self._places = asyncio.Semaphore(concurrency)
        self._return_errors = return_errors
        self._tasks: set[asyncio.Task[object]] = set()

    async def one(self, request: Request) -> Answer:
        """Answer one request, once there is a place."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        async with self._places:
            try:
                return await self._run(request)
            except GenSDKError as error:
                if self._return_errors:
                    return error
                raise

    async def leave(self) -> None:
        """Cancel what is under way, and wait for its end."""
        under_way = list(self._tasks)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def in_order(
    run: Run, requests: Iterable[Request], concurrency: int, return_errors: bool
) -> AsyncGenerator[Answer, None]:
    """Run requests side by side and yield their answers in the order of the requests.

    Leaving the loop early cancels what is under way.
    """
    window = _Window(run, requests, concurrency, return_errors)
    source = iter(requests)
    ahead: deque[asyncio.Task[Answer]] = deque()
    try:
        while True:
            while len(ahead) < window.ahead:
                try:
                    request = next(source)
                except StopIteration:
                    break
                ahead.append(asyncio.create_task(window.one(request)))
            if not ahead:
                return
            yield await ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
        await window.leave()


def in_order_outside(
    thread: LoopThread,
    run: Run,
    requests: Iterable[Request],
    concurrency: int,
    return_errors: bool,
) -> Generator[Answer, None, None]:
    """The same from another thread than the loop's.

    ``requests`` is read in the caller's thread, so it may block, and may use the client. An
    answer that is there is given before another request is read.
    """
    window = _Window(run, requests, concurrency, return_errors)
    source: Iterator[Request] | None = iter(requests)
    ahead: deque[Future[Answer]] = deque()
    try:
        while True:
            while source and len(ahead) < window.ahead and not (ahead and ahead[0].done()):
                try:
                    request = next(source)
                except StopIteration:
                    source = None
                    break
                ahead.append(thread.submit(window.one(request)))
            if not ahead:
                return
            yield thread.wait(ahead.popleft())
    finally:
        for future in ahead:
            future.cancel()
        thread.let_go(window.leave())
