"""Reading a picture's facts from its pixels, to judge what the painter painted.

Nothing is learned here: every pixel gets the name of the nearest colour, the edges are the
background, and what has another colour is the object.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .pictures import COLOURS, COLUMNS, ROWS, Point

if TYPE_CHECKING:
    from PIL.Image import Image


def name_colours(image: Image) -> list[str]:
    """The nearest key of `COLOURS` for every pixel, row by row."""
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in COLOURS.values() for part in colour])
    named = image.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    names = tuple(COLOURS)
    return [names[number] for number in named.tobytes()]


def read_background(image: Image) -> str:
    """The most frequent colour along the edges."""
    width, height = image.size
    names = name_colours(image)
    rows = [names[row * width : (row + 1) * width] for row in range(height)]
    edge = [*rows[0], *rows[1], *rows[-1], *rows[-2]]
    for row in rows:
        edge += [row[0], row[1], row[-1], row[-2]]
    return Counter(edge).most_common(1)[0][0]


def _object_pixels(image: Image) -> tuple[list[tuple[int, int]], list[str]]:
    background = read_background(image)
    found = [(n, name) for n, name in enumerate(name_colours(image)) if name != background]
    width = image.size[0]
    return [(n % width, n // width) for n, _ in found], [name for _, name in found]


def read_colour(image: Image) -> str | None:
    """The most frequent colour that is not the background's; `None` on an empty picture."""
    names = _object_pixels(image)[1]
    return Counter(names).most_common(1)[0][0] if names else None


def _extent(values: list[int], side: int) -> Point:
    """Where the object begins and ends along one side, in parts of it; strays do not count."""
    values.sort()
    strays = min(4, len(values) // 10)
    return values[strays] / side, (values[-1 - strays] + 1) / side


def read_place(image: Image) -> tuple[str, str] | None:
    """Column and row of the middle of the object; `None` on an empty picture."""
    places = _object_pixels(image)[0]
    if not places:
        return None

    def third(names: tuple[str, ...], values: list[int], side: int) -> str:
        middle = sum(_extent(values, side)) / 2
        return names[0 if middle < 0.42 else 2 if middle > 0.58 else 1]

    width, height = image.size
    column = third(COLUMNS, [x for x, _ in places], width)
    return column, third(ROWS, [y for _, y in places], height)


def read_size(image: Image) -> str | None:
    """The size of the object by its longer side; `None` on an empty picture."""
    places = _object_pixels(image)[0]
    if not places:
        return None
    width, height = image.size
    extents = [_extent([x for x, _ in places], width), _extent([y for _, y in places], height)]
    longer = max(end - begin for begin, end in extents)
    return "small" if longer < 0.48 else "medium" if longer < 0.72 else "big"
