"""``Cache``: what the user passes, and its dealings with a store that may fail."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from weakref import WeakKeyDictionary

from gensdk.errors import ConfigurationError

from .store import CacheStore, MemoryStore, check_bound

__all__ = ["Cache", "CacheLike", "CacheUse", "cache_of", "cache_use"]

logger = logging.getLogger("gensdk")

ValueT = TypeVar("ValueT")

PAUSE_S = 10.0
"""How long a store that failed is left alone."""

_METHODS = ("get", "put", "clear", "aclose")


class Cache:
    """Keeps answers, and gives them to equal requests at no cost.

    Kept are complete, successful answers that the same request should give again: embeddings,
    moderation, transcriptions, text with ``temperature=0`` or a ``seed``, pictures and sounds with
    a ``seed``, and what a backend calls ``reproducible``. Everything else needs ``random=True``
    here, or ``cache=True`` on the call.

    May be shared by clients, also of different threads. A client that used it closes its
    connections, not its entries.

    Args:
        store: Where; None makes a ``MemoryStore``.
        ttl_s: Seconds an answer is good for; None is for ever.
        random: Whether to keep answers, too, that would be different each time.
        namespace: Part of every key: who has another one shares nothing.
        timeout_s: Seconds the store may take; then the call goes on without it.
        max_entry_bytes: Larger answers are not kept.

    Raises:
        ConfigurationError: A setting has an impossible value.

    Example:
        >>> client = gensdk.Client(cache=gensdk.Cache(gensdk.DiskStore("~/.cache/my-app")))
    """

    def __init__(
        self,
        store: CacheStore | None = None,
        *,
        ttl_s: float | None = 86_400.0,
        random: bool = False,
        namespace: str = "",
        timeout_s: float = 1.0,
        max_entry_bytes: int = 64 * 2**20,
    ) -> None:
        """Keep the settings."""
        if store is not None and not all(callable(getattr(store, name, None)) for name in _METHODS):
            raise ConfigurationError(
                f"Cache({store!r:.60}): give gensdk.MemoryStore(), DiskStore(folder), "
                "RedisStore(url), or an object as in gensdk.CacheStore"
            )
        if isinstance(store, type):
            raise ConfigurationError(f"Cache({store.__name__}) is a class; make one")
        if not isinstance(namespace, str):
            raise ConfigurationError(f"namespace={namespace!r:.40}: give a text")
        self.store: CacheStore = MemoryStore() if store is None else store
        self.ttl_s = None if ttl_s is None or ttl_s == math.inf else _seconds("ttl_s", ttl_s)
        self.random = random
        self.namespace = namespace
        self.timeout_s = _seconds("timeout_s", timeout_s)
        self.max_entry_bytes = check_bound("max_entry_bytes", max_entry_bytes)
        # Requests under way that equal calls wait for; the layer's.
        self.flights: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Future[Any]] = {}
        self._users: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
        self._failing = False
        self._paused_until = 0.0

    def __repr__(self) -> str:
        """Show where it keeps what."""
        return f"Cache({self.store!r}, ttl_s={self.ttl_s})"

    async def __aenter__(self) -> Self:
        """Enter; nothing is opened."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the store's connections."""
        await self.aclose()

    async def clear(self) -> None:
        """Forget every answer in the store; its errors are raised."""
        await self.store.clear()

    async def aclose(self) -> None:
        """Let go of the store's connections; the answers stay."""
        await self.store.aclose()

    # --------------------------------------------------------------------- for the pipeline
    def join(self) -> None:
        """A client begins to use it on this event loop."""
        loop = asyncio.get_running_loop()
        self._users[loop] = self._users.get(loop, 0) + 1

    async def leave(self) -> None:
        """A client was closed; the last one on this event loop lets go of the connections."""
        loop = asyncio.get_running_loop()
        left = self._users[loop] = self._users.get(loop, 1) - 1
        if left <= 0:
            self._paused_until = 0.0
            await self._ask(self.store.aclose, math.inf)

    def fresh(self, made_at: float) -> bool:
        """Whether an answer kept at a time (seconds since 1970) is still good."""
        age = time.time() - made_at
        return age > -300.0 and (self.ttl_s is None or age < self.ttl_s)

    async def get(self, key: str, left_s: float) -> tuple[bytes | None, bool]:
        """What the store has, and whether it could be asked; a call has ``left_s`` seconds."""
        found, asked = await self._ask(lambda: self.store.get(key), left_s)
        return (found if isinstance(found, bytes) else None), asked

    async def put(self, key: str, entry: bytes, left_s: float) -> None:
        """Keep an entry, if the store can do it in time."""
        await self._ask(lambda: self.store.put(key, entry, self.ttl_s), left_s)

    async def _ask(
        self, work: Callable[[], Awaitable[ValueT]], left_s: float
    ) -> tuple[ValueT | None, bool]:
        """Do it in bounded time; a store that fails is left alone for a while, and told of once."""
        if time.monotonic() < self._paused_until:
            return None, False
        try:
            async with asyncio.timeout(min(self.timeout_s, left_s)):
                done = await work()
        except Exception as error:  # noqa: BLE001  # of any store, and none of the call's business
            if not (isinstance(error, TimeoutError) and left_s < self.timeout_s):
                self._failed(error)
            return None, False
        if self._failing:
            self._failing = False
            logger.info("the cache %r works again", self.store)
        return done, True

    def _failed(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + PAUSE_S
        if not self._failing:
            self._failing = True
            logger.warning(
                "the cache %r failed (%s: %.200s); calls go on without it",
                self.store, type(error).__name__, error,
            )  # fmt: skip


CacheLike = Cache | bool | Literal["refresh"]
"""On a call or a route: a cache of its own, ``True`` (keep this answer even if it is random),
``False`` (do without), ``"refresh"`` (ask anew, and keep that)."""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How one call uses a cache."""

    cache: Cache
    random: bool
    refresh: bool = False


def cache_of(value: object) -> CacheLike | None:
    """What a call or a route may say of caches.

    Raises:
        ConfigurationError: It is something else.
    """
    if value is None or isinstance(value, Cache | bool) or value == "refresh":
        return value
    raise ConfigurationError(
        f"cache={value!r:.60}: give gensdk.Cache(…), True (keep this answer even if it is random), "
        "False (do without) or 'refresh' (ask anew)"
    )


def cache_use(*said: CacheLike | None) -> CacheUse | None:
    """The cache of a call, from what is said on it, on its route and on its client.

    Raises:
        ConfigurationError: It asks for a cache, and there is none.
    """
    for word in said:
        if word is not None:
            break
    else:
        return None
    if word is False:
        return None
    if isinstance(word, Cache):
        return CacheUse(word, word.random)
    cache = next((value for value in said if isinstance(value, Cache)), None)
    if cache is None:
        raise ConfigurationError(
            f"cache={word!r}, but this client has no cache: gensdk.Client(cache=gensdk.Cache())"
        )
    return CacheUse(cache, random=True, refresh=word == "refresh")


def _seconds(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return value
    raise ConfigurationError(f"{name}={value!r:.40}: give seconds over zero")
