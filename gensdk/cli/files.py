"""Files on the way out: checked before anything is paid for, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gensdk.errors import ConfigurationError
from gensdk.types import Media

from .terminal import Terminal

__all__ = [
    "AUDIO_FORMATS", "IMAGE_FORMATS", "STDOUT", "VIDEO_FORMATS", "check_target", "format_of",
    "save",
]  # fmt: skip

STDOUT = Path("-")

IMAGE_FORMATS: Mapping[str, str] = {
    "png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp", "gif": "gif", "svg": "svg",
}  # fmt: skip
AUDIO_FORMATS: Mapping[str, str] = {
    "mp3": "mp3", "wav": "wav", "flac": "flac", "opus": "opus", "ogg": "opus", "aac": "aac",
    "pcm": "pcm",
}  # fmt: skip

VIDEO_FORMATS: Mapping[str, str] = {"mp4": "mp4", "webm": "webm", "mov": "mov", "gif": "gif"}

_ONE_TO_STDOUT = "-o -: only a single file can go to stdout"
_EXTENSIONS = {"jpeg": "jpg", "ogg": "opus"}


def check_target(path: Path, *, count: int = 1, as_json: bool = False) -> None:
    """Make sure that what comes can be written, before a call is paid for.

    Args:
        path: What ``-o`` said.
        count: Files that were asked for.
        as_json: Whether the response is to be printed as JSON.

    Raises:
        ConfigurationError: The folder is not there or not writable, something that is no file is
            in the way, or stdout would have to take several things.
    """
    if path == STDOUT:
        if count > 1:
            raise ConfigurationError(_ONE_TO_STDOUT)
        if as_json:
            raise ConfigurationError("-o - and --json both write to stdout; give -o a file")
        return
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        raise ConfigurationError(f"-o {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"-o {path}: the folder {folder} is not writable")
    if path.is_dir():
        return
    for target in _targets(path, count):
        if target.exists() and not target.is_file():
            raise ConfigurationError(
                f"-o {target}: this is not a regular file; '-o -' writes to stdout"
            )


def format_of(path: Path, given: str | None, known: Mapping[str, str]) -> str | None:
    """The format to ask for: the one given, else the suffix's; None where neither says one.

    Raises:
        ConfigurationError: A suffix that stands for no format.
    """
    suffix = path.suffix.lower().lstrip(".")
    if given is not None or not suffix or path.is_dir():
        return given
    if suffix not in known:
        names = ", ".join(f".{name}" for name in known)
        raise ConfigurationError(f"-o {path}: no format is called .{suffix}; known: {names}")
    return known[suffix]


def save(terminal: Terminal, path: Path, items: Sequence[Media]) -> list[Path]:
    """Write one file, or numbered ones (``cat-1.png``), and name them on stdout.

    Raises:
        ConfigurationError: Several files were to go to stdout.
    """
    if path == STDOUT:
        if len(items) != 1:
            raise ConfigurationError(_ONE_TO_STDOUT)
        terminal.data(items[0].data)
        return []
    targets = [path] * len(items) if path.is_dir() else _targets(path, len(items))
    saved = []
    for target, item in zip(targets, items, strict=True):
        saved.append(item.save(target))
        _compare(terminal, saved[-1], item)
    return saved


def _targets(path: Path, count: int) -> list[Path]:
    """The file, or numbered neighbours of it where there are several."""
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, count + 1)]


def _compare(terminal: Terminal, path: Path, item: Media) -> None:
    """Say so where a file holds something else than its name says; it is never re-encoded."""
    suffix = path.suffix.lower().lstrip(".")
    known = suffix in IMAGE_FORMATS or suffix in AUDIO_FORMATS or suffix in VIDEO_FORMATS
    if known and item.extension not in {"bin", _EXTENSIONS.get(suffix, suffix)}:
        terminal.note(f"warning: {path} holds {item.media_type}")
