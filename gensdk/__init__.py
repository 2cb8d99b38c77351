"""gensdk: one async client for text, images, sound, video, embeddings and moderation.

The front door. Names are loaded when first used, so ``import gensdk`` stays cheap: no vendor
package, no torch, no I/O.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._jobs import Job
    from ._sync_jobs import SyncJob
    from .client import Client
    from .errors import GenSDKError
    from .policy import (
        AttemptFinished,
        Breaker,
        Budget,
        Cache,
        CacheLookedUp,
        CacheStore,
        CallContent,
        CallFinished,
        CallStarted,
        CircuitChanged,
        DiskStore,
        JobCancelled,
        JobProgressed,
        JobStarted,
        Lifecycle,
        Limit,
        MemoryStore,
        ModelRetiring,
        RedisStore,
        Retry,
        Route,
        Timeouts,
    )
    from .spec import BoundModel
    from .stream import AudioStream, Stream, TextStream
    from .sync import SyncClient, SyncStream
    from .toolkit import MediaPolicy
    from .types import URL, Media, Message, Tool

__version__ = "0.1.0"

_ROOMS: dict[str, str] = {
    "Client": "client",
    "Job": "_jobs",
    "SyncJob": "_sync_jobs",
    "SyncClient": "sync",
    "SyncStream": "sync",
    "Stream": "stream",
    "TextStream": "stream",
    "AudioStream": "stream",
    "GenSDKError": "errors",
    "AttemptFinished": "policy",
    "Breaker": "policy",
    "Budget": "policy",
    "Cache": "policy",
    "CacheLookedUp": "policy",
    "CacheStore": "policy",
    "DiskStore": "policy",
    "MemoryStore": "policy",
    "RedisStore": "policy",
    "CallContent": "policy",
    "CallFinished": "policy",
    "CallStarted": "policy",
    "CircuitChanged": "policy",
    "JobCancelled": "policy",
    "JobProgressed": "policy",
    "JobStarted": "policy",
    "Lifecycle": "policy",
    "Limit": "policy",
    "ModelRetiring": "policy",
    "Retry": "policy",
    "Route": "policy",
    "Timeouts": "policy",
    "MediaPolicy": "toolkit",
    "BoundModel": "spec",
    "URL": "types",
    "Media": "types",
    "Message": "types",
    "Tool": "types",
}

__all__ = [
    "URL",
    "AttemptFinished",
    "AudioStream",
    "BoundModel",
    "Breaker",
    "Budget",
    "Cache",
    "CacheLookedUp",
    "CacheStore",
    "CallContent",
    "CallFinished",
    "CallStarted",
    "CircuitChanged",
    "Client",
    "DiskStore",
    "GenSDKError",
    "Job",
    "JobCancelled",
    "JobProgressed",
    "JobStarted",
    "Lifecycle",
    "Limit",
    "Media",
    "MediaPolicy",
    "MemoryStore",
    "Message",
    "ModelRetiring",
    "RedisStore",
    "Retry",
    "Route",
    "Stream",
    "SyncClient",
    "SyncJob",
    "SyncStream",
    "TextStream",
    "Timeouts",
    "Tool",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Load a public name, or a public room (``gensdk.errors``), when it is first used."""
    room = _ROOMS.get(name)
    if room is not None:
        value: object = getattr(import_module(f"{__name__}.{room}"), name)
    elif name in {"errors", "types", "spec", "policy", "toolkit", "testing", "backends"}:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*__all__, "errors", "types", "spec", "toolkit", "testing"])
