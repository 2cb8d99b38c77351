"""PixVerse's models: lengths, shapes and what else each takes.

Source: docs.platform.pixverse.ai, read 2026-11-21: the front page (v6), fusion-generation (v4.5 to
v5.6, c1), image-to-video-generation and extend; sound of v5.5 by resellers of the model.

Rule of the room: dated, cited facts and pure look-ups.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

__all__ = [
    "AS_OF", "LOOK_S", "MAX_MEDIA", "MAX_PICTURE", "MAX_SEED", "PICTURES", "QUALITIES",
    "VideoModel", "video_model",
]  # fmt: skip

AS_OF = date(2026, 11, 21)
"""Day on which the rows were last checked against their sources."""

LOOK_S = 5.0
"""Between two looks at a job; the vendor names three to five seconds."""

MAX_SEED = 2**31 - 1
MAX_PICTURE = 20 * 2**20
MAX_MEDIA = 50 * 2**20
PICTURES = ("image/jpeg", "image/png", "image/webp")

QUALITIES: dict[str, int] = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080}
"""Words of ``quality`` and the shorter side they stand for."""

_SHAPES = ("16:9", "4:3", "1:1", "3:4", "9:16")
_MORE_SHAPES = (*_SHAPES, "2:3", "3:2", "21:9")


@dataclass(frozen=True, slots=True)
class VideoModel:
    """One generation.

    Attributes:
        name: Model.
        durations: Lengths in seconds.
        longest_1080p: Longest at 1080p.
        shapes: Words of ``aspect_ratio``.
        references: Most pictures of who appears; 0 where it takes none.
        sound: Whether it makes sound.
        extends: Whether it makes a video longer.
        motion_mode: Whether it takes one.
        style: Whether it takes one.
    """

    name: str
    durations: tuple[int, ...]
    longest_1080p: int
    shapes: tuple[str, ...] = _SHAPES
    references: int = 0
    sound: bool = False
    extends: bool = True
    motion_mode: bool = False
    style: bool = False


_ANY_LENGTH = tuple(range(1, 16))

_MODELS: tuple[VideoModel, ...] = (
    VideoModel("v3.5", (5, 8), 5, motion_mode=True, style=True),
    VideoModel("v4", (5, 8), 5, motion_mode=True),
    VideoModel("v4.5", (5, 8), 5, references=3, motion_mode=True),
    VideoModel("v5", (5, 8), 5, references=3),
    VideoModel("v5.5", (5, 8, 10), 8, references=7, sound=True),
    VideoModel("v5.6", (5, 8, 10), 8, references=7, sound=True, extends=False),
    VideoModel("v6", _ANY_LENGTH, 15, _MORE_SHAPES, sound=True),
    VideoModel("c1", _ANY_LENGTH, 15, _MORE_SHAPES, references=7, sound=True, extends=False),
)


def video_model(name: str) -> VideoModel:
    """The row of a model; one that is not known may do everything, and its server decides."""
    unknown = VideoModel(
        name, _ANY_LENGTH, 15, _MORE_SHAPES, 7, sound=True, motion_mode=True, style=True
    )
    return next((row for row in _MODELS if row.name == name), unknown)
