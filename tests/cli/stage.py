"""A provider of its own, found by entry point, whose models each play one part.

``create`` gives the ``ScriptedBackend`` a test has put on ``scripted``, or else a ``Stage``, whose
parts need no test in the same process.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gensdk.errors import StreamInterruptedError
from gensdk.spec import Capabilities, Context
from gensdk.testing import ScriptedBackend, say
from gensdk.types import (
    CancelOutcome,
    Finished,
    JobHandle,
    JobState,
    Media,
    Request,
    Response,
    TextDelta,
    TextRequest,
    TextResponse,
    VideoResponse,
)

scripted: list[ScriptedBackend] = []

EVIL = [
    "title \x1b]0;owned\x07 link \x1b]8;;https://evil.example\x1b",
    "\\here\x1b]8;;\x1b\\ clip \x1b]52;c;ZXZpbA==\x07",
    "\x1b[2J\x1b[31mred \x9b31m \x90q\x9c dcs \x1bPq#0\x1b\\ ",
    "order \u202egpj.exe\u202c over\rwritten\r",
    "\ndone [bold]not markup[/bold] \U0001f468\u200d\U0001f469",
]
"""Pieces of a stream, cut inside sequences and between ``\\r`` and ``\\n``."""

SHOWN = (
    r"title \x1b]0;owned\x07 link \x1b]8;;https://evil.example\x1b\here\x1b]8;;\x1b\ "
    r"clip \x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b[31mred \x9b31m \x90q\x9c dcs \x1bPq#0\x1b\ "
    r"order \u202egpj.exe\u202c over\rwritten"
    "\ndone [bold]not markup[/bold] \U0001f468\u200d\U0001f469"
)
"""What a terminal is given for them."""


def create(name: str) -> ScriptedBackend | Stage:
    """Entry point."""
    return scripted[0] if scripted else Stage(name)


class Stage:
    """Streams by the name of the model: echo, evil, slow, stuck, endless, cut, loading.

    ``film`` makes videos as jobs, ``endless-film`` goes on for ever, ``stubborn-film`` cannot be
    cancelled either, and ``heavy-film`` is made but never fetched.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._loads = False

    def capabilities(self, model: str) -> Capabilities:
        if model.endswith("film"):
            return Capabilities(abilities=frozenset({"video"}), jobs=frozenset({"video"}))
        return Capabilities(abilities=frozenset({"text"}), streams=frozenset({"text"}), local=True)

    async def aclose(self) -> None:
        if self._loads:
            await asyncio.Event().wait()
        _mark("backend closed")

    async def text(self, request: TextRequest, context: Context) -> TextResponse[Any]:
        return say(_heard(request), provider=self.name, model=context.model)

    async def stream_text(self, request: TextRequest, context: Context) -> AsyncIterator[Any]:
        if context.model == "loading":
            await self._load()
        pieces = [*EVIL] if context.model == "evil" else [_heard(request)]
        try:
            for piece in pieces:
                yield TextDelta(text=piece)
            await self._play(context.model)
            while context.model == "endless":
                yield TextDelta(text="again and again\n")
            yield Finished(response=say("".join(pieces), provider=self.name, model=context.model))
        except BaseException:
            _mark("stream closed")
            raise

    async def start(self, request: Request, context: Context) -> JobHandle:
        return JobHandle(id="job-1", data={"looks": 0})

    async def poll(self, handle: JobHandle, context: Context) -> JobState:
        self._looks = getattr(self, "_looks", 0) + 1
        if context.model in {"film", "heavy-film"} and self._looks > 2:
            return JobState(status="succeeded")
        return JobState(status="running", progress=0.25, poll_after_s=0.05)

    async def collect(
        self, handle: JobHandle, request: Request | None, context: Context
    ) -> Response:
        if context.model == "heavy-film":
            _mark("fetching")
            await asyncio.Event().wait()
        return VideoResponse(videos=(Media(data=b"\0\0\0\x18ftypisomfilm"),))

    async def cancel(self, handle: JobHandle, context: Context) -> CancelOutcome:
        if context.model == "stubborn-film":
            return "unsupported"
        _mark("job cancelled")
        return "stopped"

    async def _load(self) -> None:
        """Load for ever, in a thread that nothing can stop, as inside an engine's own code."""
        self._loads = True
        threading.Thread(target=threading.Event().wait, name="gensdk-loading").start()
        await asyncio.Event().wait()

    async def _play(self, part: str) -> None:
        if part == "slow":
            await asyncio.Event().wait()
        elif part == "stuck":
            await asyncio.to_thread(time.sleep, 60)  # noqa: TID251  # it must not be cancellable
        elif part == "cut":
            raise StreamInterruptedError("the wire was cut")


def _heard(request: TextRequest) -> str:
    return f"heard: {request.messages[-1].text}"


def _mark(what: str) -> None:
    place = os.environ.get("STAGE_MARKS")
    if place:
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")
