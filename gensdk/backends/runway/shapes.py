"""Sizes, shapes and height classes as the API's words.

``ratio`` is a size in pixels for most models (``1280:720``), a shape for some (``16:9``), or leaves
the shape to the model (``auto_720p``). Some models have ``resolution`` in its place or beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gensdk.catalog.runway import TaskRow
from gensdk.toolkit import Notes

__all__ = ["Wish", "add_shape", "height_of"]

_SIZE = re.compile(r"([0-9]+):([0-9]+)")
_CLASS = re.compile(r"(?:auto_)?([0-9]+)(p|k)")
_SHAPE_ONLY = 100
"""Sides below are those of a shape, not of a size."""
_CLOSE = 0.03
"""Shapes that differ by less count as the same: sizes are rounded to what models can draw."""
_THOUSANDS: Mapping[int, int] = {1: 1024, 2: 1440, 4: 2160}


@dataclass(frozen=True)
class Wish:
    """What the caller said of the shape.

    Attributes:
        size: Pixels across and down.
        shape: The ratio asked for, such as ``16:9``.
        height: Pixels of the shorter side.
        auto: Whether it is left to the model.
        natural: Shape of the picture that is started from.
        usual: Pixels of the shorter side where nothing is said.
        usual_shape: Width and height where nothing is said.
    """

    size: tuple[int, int] | None = None
    shape: str | None = None
    height: int | None = None
    auto: bool = False
    natural: tuple[int, int] | None = None
    usual: int = 720
    usual_shape: tuple[int, int] = (16, 9)

    @property
    def ratio(self) -> float | None:
        """Width by height, as asked for."""
        if self.size is not None:
            return self.size[0] / self.size[1]
        return _value(self.shape) if self.shape else None

    @property
    def short(self) -> int | None:
        """The shorter side, as asked for."""
        return min(self.size) if self.size is not None else self.height

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the fields that the caller set."""
        named = {"size": self.size, "aspect_ratio": self.shape, "resolution": self.height}
        return tuple(name for name, value in named.items() if value is not None)


def height_of(word: str) -> int | None:
    """The shorter side that a word such as ``720p``, ``4k`` or ``auto_2k`` stands for."""
    found = _CLASS.fullmatch(word.lower())
    if found is None:
        return None
    number = int(found[1])
    return number if found[2] == "p" else _THOUSANDS.get(number, number * 512)


def add_shape(body: dict[str, Any], row: TaskRow, wish: Wish, notes: Notes) -> None:
    """Put ``ratio`` and ``resolution`` into a body, and note what is not as it was asked."""
    if not row.known:
        _add_unknown(body, wish)
        return
    height = _add_resolution(body, row, wish)
    ratio = _ratio_word(row, wish)
    if ratio is not None:
        body["ratio"] = ratio
    for name in wish.given:
        sent = _sent_for(name, body, wish, height)
        if sent is None and not (name == "size" and _shown(body)):
            notes.drop(name, "the model has no field for it here; the shape follows from the input")
        elif sent != getattr(wish, _ATTRIBUTES[name]):
            notes.adapt(name, "The model has fixed sizes.", _shown(body))


_ATTRIBUTES = {"size": "size", "aspect_ratio": "shape", "resolution": "height"}


def _sent_for(name: str, body: Mapping[str, Any], wish: Wish, height: int | None) -> object:
    """What the body says of one field, as that field would say it; None where nothing."""
    size = _sides(body.get("ratio", ""))
    pixels = size if size is not None and min(size) >= _SHAPE_ONLY else None
    if name == "resolution":
        told = height_of(body.get("ratio", ""))
        return height or told or (min(pixels) if pixels else None)
    if size is None:
        return None
    if name == "size":
        return pixels or size
    close = abs(math.log(size[0] / size[1] / (wish.ratio or 1.0))) < _CLOSE
    return wish.shape if close else "another"


def _shown(body: Mapping[str, Any]) -> str:
    return " ".join(str(body[name]) for name in ("ratio", "resolution") if name in body)


def _add_resolution(body: dict[str, Any], row: TaskRow, wish: Wish) -> int | None:
    """Choose a height class; None where the model has none, or none was asked for."""
    if not row.resolutions or wish.short is None:
        return None
    wanted = wish.short
    heights = {word: height_of(word) or 0 for word in row.resolutions}
    body["resolution"] = min(heights, key=lambda word: abs(heights[word] - wanted))
    return heights[body["resolution"]]


def _ratio_word(row: TaskRow, wish: Wish) -> str | None:
    if not row.ratios:
        return None
    if wish.auto and "auto" in row.ratios:
        return "auto"
    sized = {word: size for word in row.ratios if (size := _sides(word)) is not None}
    if wish.ratio is None or not sized:
        height_asked = wish.short is not None and not row.resolutions
        if not height_asked and wish.natural is None and not row.ratio_needed:
            return None
        free = _free_word(row.ratios, wish)
        if free is not None or not sized:
            return free
    if wish.size in sized.values():
        return next(word for word, size in sized.items() if size == wish.size)
    ratio = wish.ratio
    if ratio is None:
        across, down = wish.natural or wish.usual_shape
        ratio = across / down
    short = wish.short or wish.usual
    return min(sized, key=lambda word: _distance(sized[word], ratio, short))


def _free_word(words: Sequence[str], wish: Wish) -> str | None:
    """The word that leaves the shape to the model; None where there is none."""
    classes = [word for word in words if height_of(word) is not None]
    if classes:
        wanted = wish.short or wish.usual
        return min(classes, key=lambda word: abs((height_of(word) or 0) - wanted))
    return next((word for word in ("auto", "adaptive") if word in words), None)


def _distance(size: tuple[int, int], ratio: float, short: int) -> tuple[float, float]:
    """How far a size is from a shape, then from a height; shapes count in steps."""
    off = abs(math.log(size[0] / size[1] / ratio))
    pixels = min(size)
    height = abs(math.log(pixels / short)) if pixels >= _SHAPE_ONLY else 0.0
    return round(off / _CLOSE), height


def _add_unknown(body: dict[str, Any], wish: Wish) -> None:
    """Of a model that is not known, say what was asked for as most would understand it."""
    if wish.size is not None:
        body["ratio"] = "{}:{}".format(*wish.size)
    elif wish.ratio is not None or wish.height is not None:
        ratio, short = wish.ratio or 16 / 9, wish.height or wish.usual
        long = round(short * max(ratio, 1 / ratio) / 2) * 2
        body["ratio"] = f"{long}:{short}" if ratio >= 1 else f"{short}:{long}"


def _sides(word: str) -> tuple[int, int] | None:
    found = _SIZE.fullmatch(word)
    return (int(found[1]), int(found[2])) if found else None


def _value(shape: str) -> float:
    across, down = map(int, shape.split(":"))
    return across / down
