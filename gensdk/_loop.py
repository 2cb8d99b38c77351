"""An event loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from gensdk.errors import ClientClosedError, ConfigurationError

__all__ = ["LoopThread"]

T = TypeVar("T")
Closing = Callable[[], Awaitable[None]]


class LoopThread:
    """The loop and its thread, started when first needed.

    Ends with ``close``, or when nobody has it any more; a child made by ``os.fork`` starts its
    own, for threads stay behind in the parent.
    """

    def __init__(self, closing: Closing) -> None:
        """Take what has to be awaited there at the end. Nothing is started."""
        self._closing = closing
        self._closed = False
        self._begin()
        _living.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._finalizer: weakref.finalize[..., LoopThread] | None = None

    def begin_anew(self) -> None:
        """Forget a loop whose thread is in another process."""
        if self._finalizer is not None:
            self._finalizer.detach()
        if self._loop is not None:
            _left_behind.append(self._loop)
        self._begin()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it; Ctrl-C here cancels it there."""
        return self.wait(self.submit(work))

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine there.

        Raises:
            ClientClosedError: The end has come.
            ConfigurationError: This is the loop's own thread, which cannot wait for itself.
        """
        try:
            self._not_from_inside()
            with self._lock:  # so that nothing comes behind the last of ``close``
                return asyncio.run_coroutine_threadsafe(work, self._started())
        except BaseException:
            work.close()
            raise

    def wait(self, future: concurrent.futures.Future[T]) -> T:
        """Wait for what ``submit`` gave; Ctrl-C here cancels it there."""
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            if self._closed:
                raise _closed() from None
            raise
        except BaseException:
            future.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise _closed()
        if self._loop is None:
            loop = self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_serve, args=(loop,), name="gensdk-sync", daemon=True
            )
            self._thread.start()
            self._finalizer = weakref.finalize(self, _abandoned, loop, self._closing)
        return self._loop

    def _not_from_inside(self) -> None:
        if threading.current_thread() is self._thread:
            raise ConfigurationError(
                "SyncClient cannot be used from its own hooks or tools; use gensdk.Client there"
            )

    def let_go(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that closes something; a closed client has closed it already."""
        loop = self._loop
        if loop is not None and threading.current_thread() is self._thread:
            asyncio.run_coroutine_threadsafe(work, loop)  # collected in there: cannot wait
            return
        try:
            self.run(work)
        except ClientClosedError:
            return

    def close(self) -> None:
        """Run the last coroutine, then end the loop and the thread. May be called twice."""
        self._not_from_inside()
        with self._lock:
            self._closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        if self._finalizer is not None:
            self._finalizer.detach()
        try:
            asyncio.run_coroutine_threadsafe(_finished(self._closing), loop).result()
        finally:
            asyncio.run_coroutine_threadsafe(_end(loop), loop)
            thread.join()


_living: weakref.WeakSet[LoopThread] = weakref.WeakSet()
_left_behind: list[asyncio.AbstractEventLoop] = []
"""Loops of a parent process: never run, and never closed, for that would touch the parent's."""


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _finished(closing: Closing) -> None:
    """Close what the loop served, and cancel what is still under way as ``asyncio.run`` does."""
    try:
        await closing()
    finally:
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()
        await asyncio.get_running_loop().shutdown_default_executor()


async def _end(loop: asyncio.AbstractEventLoop, closing: Closing | None = None) -> None:
    try:
        if closing is not None:
            await _finished(closing)
    finally:
        loop.stop()


def _abandoned(loop: asyncio.AbstractEventLoop, closing: Closing) -> None:
    try:
        warnings.warn("SyncClient was not closed; use 'with'", ResourceWarning, stacklevel=2)
    finally:
        asyncio.run_coroutine_threadsafe(_end(loop, closing), loop)


def _closed() -> ClientClosedError:
    return ClientClosedError("this client is closed; make a new gensdk.SyncClient()")


def _after_fork() -> None:
    for thread in list(_living):
        thread.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
