"""Clients whose models answer from a script."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import gensdk
from gensdk.spec import Capabilities
from gensdk.testing import ScriptedBackend, Step
from gensdk.types import ABILITIES, Ability

QUICK = gensdk.Retry(base_s=0.0, max_backoff_s=0.0)
"""Three tries without a wait."""

ONCE = gensdk.Retry(attempts=1)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
JPEG = b"\xff\xd8\xff\xe0" + bytes(24)
MP3 = b"ID3\x04\x00" + bytes(24)


def facts(**changes: Any) -> Capabilities:
    """Everything a model can do, with some facts changed."""
    return Capabilities(
        **{"abilities": frozenset(ABILITIES), "streams": frozenset({"text", "image", "speech"})}
        | changes
    )


def scripted(
    *steps: Step, name: str = "a", repeat: bool = False, **changes: Any
) -> ScriptedBackend:
    """A backend with a script; ``local=True`` and other facts as keywords."""
    return ScriptedBackend(*steps, name=name, repeat=repeat, capabilities=facts(**changes))


def client_of(*backends: ScriptedBackend, **settings: Any) -> gensdk.Client:
    """A client of these backends; the first one's model ``m`` is the default of every verb."""
    defaults: dict[str, Any] = {
        "models": dict.fromkeys(ABILITIES, f"{backends[0].name}:m"),
        "backends": {backend.name: backend for backend in backends},
        "retry": QUICK,
    }
    return gensdk.Client(**(defaults | settings))


def ask(client: gensdk.Client, ability: Ability, **parameters: Any) -> Any:
    """The plain verb of an ability, with something to work on."""
    given: Any = MP3 if ability == "transcribe" else "hello"
    return getattr(client, ability)(given, **parameters)


async def until(done: Callable[[], object]) -> None:
    """Let the loop turn until something holds; gives up after many turns."""
    for _ in range(10_000):
        if done():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came about")


def nothing_left() -> None:
    """No task but this one, and nothing that complains when it is collected."""
    gc.collect()
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert rest == []


def partial_of(error: gensdk.GenSDKError) -> Any:
    """What had arrived when a stream broke; its type is the call's own."""
    return error.partial
