"""Many requests, a few at a time, answers in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from gensdk.errors import GenSDKError, InvalidRequestError
from gensdk.types import Request, Response

__all__ = ["in_order"]


async def in_order(
    run: Callable[[Request], Awaitable[Response]],
    requests: Iterable[Request],
    concurrency: int,
    return_errors: bool,
) -> AsyncGenerator[Response | GenSDKError, None]:
    """Run requests side by side and yield their answers in the order of the requests.

    Leaving the loop early cancels what is under way.
    """
    if concurrency < 1:
        raise InvalidRequestError(f"concurrency: 1 or more (given: {concurrency})")
    places = asyncio.Semaphore(concurrency)

    async def one(request: Request) -> Response | GenSDKError:
        async with places:
            try:
                return await run(request)
            except GenSDKError as error:
                if return_errors:
                    return error
                raise

    source = iter(requests)
    ahead: deque[asyncio.Task[Response | GenSDKError]] = deque()
    try:
        while True:
            while len(ahead) < 2 * concurrency:
                try:
                    request = next(source)
                except StopIteration:
                    break
                ahead.append(asyncio.create_task(one(request)))
            if not ahead:
                return
            yield await ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
