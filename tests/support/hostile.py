"""A server that does what servers must not, and every verb of a client pointed at it.

``VERBS`` ask through the front door; ``ACCOUNTS`` are the ways a key and a wire come together;
the handlers below are the faults. A test puts one on a ``LoopbackServer``, asks, and looks at
what the error says and at what the server saw.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

import gensdk
from gensdk.backends.compatible import OpenAICompatibleBackend
from gensdk.backends.openai import AzureOpenAIBackend, OpenAIBackend
from gensdk.errors import GenSDKError
from gensdk.types import Media
from tests.support import openai_responses as responses
from tests.support.fake_openai import MP3, say
from tests.support.openai_media import PNG, b64
from tests.support.scripts import until
from tests.support.server import Handler, LoopbackServer, RecordedRequest, Reply

__all__ = [
    "ACCOUNTS",
    "BUY",
    "CANARY",
    "FREE",
    "PLAIN",
    "PROMPT",
    "QUICK",
    "STREAMS",
    "VERBS",
    "Verb",
    "asking",
    "drip",
    "everything_in",
    "failing",
    "good_answer",
    "nothing_open",
    "raw",
    "silent",
]

CANARY = "sk-canary-7Q2vXz91LmPw"
PROMPT = "tell-nobody-about-the-blue-heron"
QUICK = gensdk.Retry(base_s=0.0, max_backoff_s=0.0)

Verb = Callable[[gensdk.Client], Awaitable[Any]]


async def _read(stream: Any) -> Any:
    async with stream as opened:
        async for _ in opened:
            pass
        return await opened.result()


PLAIN: dict[str, Verb] = {
    "text": lambda client: client.text(PROMPT, model="a:m"),
    "image": lambda client: client.image(PROMPT, model="a:gpt-image-2.5-flare"),
    "edit": lambda client: client.image(
        PROMPT, images=[Media(data=PNG)], model="a:gpt-image-2.5-flare"
    ),
    "speech": lambda client: client.speech(PROMPT, model="a:tts-1"),
    "transcribe": lambda client: client.transcribe(MP3, prompt=PROMPT, model="a:whisper-1"),
    "embed": lambda client: client.embed([PROMPT], model="a:m"),
    "moderate": lambda client: client.moderate(PROMPT, model="a:m"),
}
STREAMS: dict[str, Verb] = {
    "stream_text": lambda client: _read(client.stream_text(PROMPT, model="a:m")),
    "stream_image": lambda client: _read(
        client.stream_image(PROMPT, model="a:gpt-image-2.5-flare")
    ),
    "stream_speech": lambda client: _read(client.stream_speech(PROMPT, model="a:tts-1")),
}
VERBS: dict[str, Verb] = PLAIN | STREAMS
"""Every verb a hosted account answers; each gives its response or raises."""

BUY = ("image", "edit", "speech", "stream_image", "stream_speech")
"""Verbs whose answer is paid for and never bought twice."""
FREE = tuple(name for name in VERBS if name not in BUY)
"""Verbs cheap enough to be asked again."""

ACCOUNTS: dict[str, Callable[[str], Any]] = {
    "openai": lambda url: OpenAIBackend(api_key=CANARY, base_url=f"{url}/v1"),
    "compatible": lambda url: OpenAICompatibleBackend(f"{url}/v1", api_key=CANARY),
    "azure": lambda url: AzureOpenAIBackend(endpoint=url, api_key=CANARY),
    "lent": lambda url: OpenAIBackend(
        client=openai.AsyncOpenAI(api_key=CANARY, base_url=f"{url}/v1")
    ),
}
"""Accounts by kind, at the origin of a server."""


@asynccontextmanager
async def asking(
    handler: Handler | None,
    account: str = "openai",
    *,
    patience_s: float = 20.0,
    **settings: Any,
) -> AsyncIterator[tuple[LoopbackServer, gensdk.Client]]:
    """A server with one handler for everything, and a client that calls it ``a``."""
    async with LoopbackServer(limit_s=patience_s) as server:
        if handler is not None:
            server.on("*", "*", handler)
        backend = ACCOUNTS[account](server.url)
        async with gensdk.Client(
            backends={"a": backend, **settings.pop("backends", {})}, **({"retry": QUICK} | settings)
        ) as client:
            yield server, client
        await backend.aclose()
        lent = getattr(getattr(backend, "account", None), "_lent", None)
        if lent is not None:
            await lent._client.close()
        await until(lambda: server.open_connections == 0)


async def failing(
    ask: Verb, handler: Handler, account: str = "openai", **settings: Any
) -> tuple[GenSDKError, int]:
    """The error of a call against a faulty server, and how many requests it took."""
    async with asking(handler, account, **settings) as (server, client):
        async with asyncio.timeout(
            settings.get("patience_s", 10)
        ):  # a call that hangs fails its test, not the whole run
            with pytest.raises(GenSDKError) as caught:
                await ask(client)
        asked = len(server.requests)
    nothing_open()
    error = caught.value
    assert error.attempts
    return error, asked


def nothing_open() -> None:
    """No task but this one is left."""
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert rest == []


# --------------------------------------------------------------------------------- good answers
def good_answer(request: RecordedRequest) -> tuple[str, bytes]:
    """What a healthy server would answer: media type and body."""
    import json

    text = "application/json"
    if request.path.endswith("/responses"):
        return text, json.dumps(responses.body(*say("Hello."))).encode()
    if request.path.endswith("/chat/completions"):
        from tests.support.openai_chat import completion

        return text, json.dumps(completion()).encode()
    if "/images/" in request.path:
        usage = {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105}
        return text, json.dumps(
            {"created": 1, "data": [{"b64_json": b64(PNG)}], "usage": usage}
        ).encode()
    if request.path.endswith("/speech"):
        return "audio/mpeg", MP3
    if request.path.endswith("/embeddings"):
        row = {"object": "embedding", "index": 0, "embedding": [1.0, 2.0]}
        return text, json.dumps(
            {"object": "list", "data": [row], "model": "m", "usage": {"prompt_tokens": 3}}
        ).encode()
    if request.path.endswith("/moderations"):
        result = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.1}}
        return text, json.dumps({"id": "1", "model": "m", "results": [result]}).encode()
    return text, json.dumps({"text": "Hello there.", "usage": {"type": "duration"}}).encode()


# ---------------------------------------------------------------------------------------- faults
async def silent(_: RecordedRequest, reply: Reply) -> None:
    """Take the request and say nothing."""
    await asyncio.get_running_loop().create_future()


def raw(data: bytes, *, reset: bool = False, hold: bool = False) -> Handler:
    """Send these bytes, then close, reset, or fall silent."""

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.raw(data)
        if hold:
            await asyncio.get_running_loop().create_future()
        reply.abort() if reset else reply.close()

    return handler


def drip(head: bytes, piece: bytes, every_s: float = 0.01) -> Handler:
    """Send the head, then a piece again and again, slowly and for ever."""

    async def handler(_: RecordedRequest, reply: Reply) -> None:
        await reply.raw(head)
        while True:
            await reply.raw(piece)
            await asyncio.sleep(every_s)

    return handler


# --------------------------------------------------------------------------------------- secrets
def everything_in(error: BaseException, *, frames: bool = True) -> str:
    """All that an error shows: texts, facts, notes, and the locals of every frame of its chain.

    Frames of the tests themselves are left out: they hold the key on purpose.
    """
    told: list[str] = []
    pending: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while pending:
        one = pending.pop()
        if one is None or any(one is known for known in seen):
            continue
        seen.append(one)
        told += [str(one), repr(one), repr(one.args), repr(vars(one))]
        shown = traceback.TracebackException.from_exception(one, capture_locals=True)
        told += [
            f"{frame.filename}:{frame.lineno} {frame.locals}"
            for frame in shown.stack
            if frames and "/tests/" not in frame.filename
        ]
        pending += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return "\n".join(told)
