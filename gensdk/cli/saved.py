"""Making files: asked for, written, and named on stdout, or shown in the response as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import gensdk
from gensdk.types import (
    ImageResponse,
    JobHandle,
    Media,
    MusicResponse,
    SpeechResponse,
    VideoResponse,
)

from .files import STDOUT, save
from .guard import in_loop
from .session import open_client
from .summary import tell
from .terminal import Terminal

__all__ = ["make_files"]

Made = ImageResponse | MusicResponse | SpeechResponse | VideoResponse


def make_files(
    terminal: Terminal,
    doing: str,
    ask: Callable[[gensdk.Client], Awaitable[Made]],
    output: Path,
    as_json: bool,
    taken_up: JobHandle | None = None,
) -> int:
    """Ask for media, write them into files, and return the command's exit code.

    Args:
        terminal: Where names go.
        doing: Word that is shown while it is waited for.
        ask: Makes the call.
        output: What ``-o`` said.
        as_json: Print the response as JSON.
        taken_up: The job that is waited for, where another command started it.
    """

    async def work() -> int:
        async with open_client(terminal, taken_up) as client:
            with terminal.waiting(doing, bar=True):
                response = await ask(client)
        _report(terminal, response, output, as_json=as_json)
        tell(terminal, response)
        return 0

    return in_loop(work())


def _report(terminal: Terminal, response: Made, output: Path, *, as_json: bool) -> None:
    """Write the files of a response and name them; in JSON they stand in place of the bytes."""
    field, items = _media(response)
    paths = save(terminal, output, items)
    if output == STDOUT:
        return
    if not as_json:
        for path in paths:
            terminal.line(str(path))
        return
    shown = response.model_dump(mode="json", exclude={field})
    shown[field] = [
        {
            "path": str(path),
            "media_type": item.media_type,
            "bytes": len(item),
            "sha256": item.sha256,
        }
        for path, item in zip(paths, items, strict=True)
    ]
    terminal.json(shown)


def _media(response: Made) -> tuple[str, tuple[Media, ...]]:
    """The field of a response that holds its media, and those."""
    if isinstance(response, ImageResponse):
        return "images", response.images
    if isinstance(response, VideoResponse):
        return "videos", response.videos
    return "audio", (response.audio,)
