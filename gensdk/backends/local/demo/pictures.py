"""A grammar of little pictures: what the built-in painter is taught, and the words for it.

`invent` makes up a `Picture` (a list of facts), `draw` draws it, and `describe` in
`painter_captions` says it in words; `painter_sight` reads the facts back from the pixels. Only
Pillow is needed; nothing is read from disk or the network. Whatever is made depends only on the
`random.Random` handed in.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]

SIZE = 64
"""Width and height of a picture in pixels."""

_FINE = 4
"""Pictures are drawn this many times larger and then reduced: that smooths their edges."""

COLOURS: dict[str, RGB] = {
    "red": (215, 38, 38),
    "orange": (247, 138, 28),
    "yellow": (250, 217, 52),
    "green": (46, 158, 66),
    "blue": (40, 90, 215),
    "purple": (128, 58, 178),
    "pink": (246, 142, 190),
    "brown": (122, 72, 38),
    "black": (24, 24, 28),
    "white": (246, 246, 246),
    "gray": (140, 140, 145),
}
"""The colours that objects and backgrounds may have."""

NATURAL: dict[str, tuple[str, ...]] = {
    "cat": ("orange", "white", "black", "gray"),
    "dog": ("brown", "white", "black"),
    "house": ("white", "red", "brown"),
    "tree": ("green",),
    "star": ("yellow",),
    "boat": ("white", "red", "blue"),
    "fish": ("orange", "blue"),
    "flower": ("red", "pink", "yellow"),
    "sun": ("yellow", "orange"),
    "car": ("red", "blue"),
    "robot": ("gray", "blue"),
    "moon": ("yellow", "white"),
}
"""The objects, each with the colours it has when nobody asks for one."""

OBJECTS = tuple(NATURAL)
COLUMNS = ("left", "center", "right")
ROWS = ("top", "middle", "bottom")
SIZES = {"small": 0.38, "medium": 0.64, "big": 0.86}
"""Sides of an object's box, as a part of the picture's."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The facts of one picture: one object on a background of one colour.

    Attributes:
        thing: One of `OBJECTS`.
        colour: The object's colour, a key of `COLOURS`.
        background: Another key of `COLOURS`.
        column: `"left"`, `"center"` or `"right"`.
        row: `"top"`, `"middle"` or `"bottom"`.
        size: A key of `SIZES`.
        siamese: Whether a cat has the dark ears, face, paws and tail of a Siamese.
    """

    thing: str
    colour: str
    background: str
    column: str = "center"
    row: str = "middle"
    size: str = "medium"
    siamese: bool = False


def invent(rng: random.Random) -> Picture:
    """Make up a picture. Most have their object in the middle and of medium size."""
    thing = rng.choice(OBJECTS)
    natural = rng.random() < 0.2
    colour = rng.choice(NATURAL[thing] if natural else tuple(COLOURS))
    pale = thing == "cat" and colour in {"white", "yellow", "gray", "orange"}
    return Picture(
        thing=thing,
        colour=colour,
        background=rng.choice([name for name in COLOURS if name != colour]),
        column=rng.choices(COLUMNS, (1, 3, 1))[0],
        row=rng.choices(ROWS, (1, 3, 1))[0],
        size=rng.choices(tuple(SIZES), (1, 3, 1))[0],
        siamese=pale and rng.random() < 0.3,
    )


# --- drawing --------------------------------------------------------------------------------------


def _mix(one: RGB, other: RGB, part: float) -> RGB:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue


_INK, _PAPER = (30, 28, 34), (250, 250, 248)
_DARK_BROWN = (66, 42, 32)


class _Pen:
    """Draws in a box whose corners are (0, 0) and (1, 1), with the colours of one object."""

    def __init__(
        self, canvas: ImageDraw, box: tuple[float, float, float], main: RGB, back: RGB
    ) -> None:
        self.canvas = canvas
        self.left, self.top, self.side = box
        self.main, self.back = main, back
        bright = sum(main) > 330
        self.ink: RGB = _INK if bright else _PAPER  # what is seen on the object
        self.shade = _mix(main, (0, 0, 0), 0.35) if bright else _mix(main, (255, 255, 255), 0.3)

    def place(self, points: Iterable[Point]) -> list[Point]:
        return [(self.left + x * self.side, self.top + y * self.side) for x, y in points]

    def oval(self, x0: float, y0: float, x1: float, y1: float, fill: RGB) -> None:
        self.canvas.ellipse(self.place([(x0, y0), (x1, y1)]), fill=fill)

    def dot(self, x: float, y: float, radius: float, fill: RGB) -> None:
        self.oval(x - radius, y - radius, x + radius, y + radius, fill)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, fill: RGB, round_by: float = 0
    ) -> None:
        corners = self.place([(x0, y0), (x1, y1)])
        self.canvas.rounded_rectangle(corners, radius=round_by * self.side, fill=fill)

    def shape(self, fill: RGB, *points: Point) -> None:
        self.canvas.polygon(self.place(points), fill=fill)

    def line(self, fill: RGB, width: float, *points: Point) -> None:
        pixels = max(1, round(width * self.side))
        self.canvas.line(self.place(points), fill=fill, width=pixels, joint="curve")

    def arc(
        self, box: tuple[float, float, float, float], start: int, end: int, fill: RGB, width: float
    ) -> None:
        corners = self.place([box[:2], box[2:]])
        self.canvas.arc(corners, start, end, fill=fill, width=max(1, round(width * self.side)))


def _cat(pen: _Pen, points: RGB | None = None) -> None:
    """A sitting cat that looks at us; `points` is the colour of a Siamese cat's ears and paws."""
    ears = points or pen.main
    pen.arc((0.55, 0.55, 1.0, 0.98), 250, 80, points or pen.main, 0.09)
    pen.oval(0.22, 0.42, 0.78, 1.0, pen.main)
    pen.shape(ears, (0.17, 0.36), (0.19, 0.0), (0.47, 0.16))
    pen.shape(ears, (0.83, 0.36), (0.81, 0.0), (0.53, 0.16))
    if points is None:
        pen.shape(pen.shade, (0.23, 0.25), (0.24, 0.09), (0.37, 0.17))
        pen.shape(pen.shade, (0.77, 0.25), (0.76, 0.09), (0.63, 0.17))
    pen.oval(0.15, 0.1, 0.85, 0.62, pen.main)
    if points:
        pen.oval(0.34, 0.32, 0.66, 0.6, points)
        pen.oval(0.3, 0.9, 0.47, 1.0, points)
        pen.oval(0.53, 0.9, 0.7, 1.0, points)
    pen.dot(0.34, 0.31, 0.06, pen.ink)
    pen.dot(0.66, 0.31, 0.06, pen.ink)
    nose = _PAPER if points else pen.ink
    pen.shape(nose, (0.45, 0.42), (0.55, 0.42), (0.5, 0.48))
    for y in (0.43, 0.5):
        pen.line(pen.shade, 0.018, (0.3, y), (0.08, y + (y - 0.465)))
        pen.line(pen.shade, 0.018, (0.7, y), (0.92, y + (y - 0.465)))


def _dog(pen: _Pen) -> None:
    """A dog from its left side, with a hanging ear and a raised tail."""
    pen.line(pen.main, 0.08, (0.82, 0.5), (0.93, 0.36), (0.95, 0.2))
    for x in (0.3, 0.43, 0.68, 0.79):
        pen.box(x, 0.6, x + 0.1, 1.0, pen.main, 0.04)
    pen.box(0.27, 0.42, 0.89, 0.74, pen.main, 0.14)
    pen.shape(pen.main, (0.2, 0.4), (0.42, 0.3), (0.52, 0.5), (0.34, 0.66))
    pen.oval(0.1, 0.08, 0.5, 0.46, pen.main)
    pen.box(0.0, 0.24, 0.32, 0.43, pen.main, 0.08)
    pen.oval(0.33, 0.12, 0.5, 0.5, pen.shade)
    pen.dot(0.045, 0.27, 0.05, _INK if pen.ink == _INK else _PAPER)
    pen.dot(0.25, 0.22, 0.035, pen.ink)


def _house(pen: _Pen) -> None:
    pen.box(0.68, 0.08, 0.8, 0.36, pen.shade)
    pen.box(0.1, 0.38, 0.9, 1.0, pen.main)
    pen.shape(pen.shade, (0.0, 0.41), (0.5, 0.04), (1.0, 0.41))
    pen.box(0.42, 0.66, 0.6, 1.0, pen.ink)
    for x in (0.2, 0.68):
        pen.box(x, 0.55, x + 0.14, 0.7, pen.ink)


def _tree(pen: _Pen) -> None:
    trunk = COLOURS["brown"]
    if COLOURS["brown"] in (pen.back, pen.main):
        trunk = _mix(trunk, (0, 0, 0), 0.5)
    pen.shape(trunk, (0.44, 0.55), (0.56, 0.55), (0.61, 1.0), (0.39, 1.0))
    for x, y, radius in ((0.26, 0.46, 0.22), (0.74, 0.46, 0.22), (0.5, 0.27, 0.27)):
        pen.dot(x, y, radius, pen.main)
    pen.dot(0.5, 0.5, 0.2, pen.main)
    for x, y in ((0.3, 0.42), (0.5, 0.2), (0.68, 0.45), (0.52, 0.44)):
        pen.dot(x, y, 0.04, pen.shade)


def _star(pen: _Pen) -> None:
    corners = []
    for number in range(10):
        radius, angle = (0.52, 0.21)[number % 2], math.pi * (number / 5 - 0.5)
        corners.append((0.5 + radius * math.cos(angle), 0.53 + radius * math.sin(angle)))
    pen.shape(pen.main, *corners)


def _boat(pen: _Pen) -> None:
    mast = _DARK_BROWN if sum(pen.back) > 300 else (205, 170, 120)
    pen.box(0.48, 0.0, 0.53, 0.72, mast)
    pen.shape(pen.main, (0.56, 0.04), (0.56, 0.6), (0.96, 0.6))
    pen.shape(pen.main, (0.45, 0.16), (0.45, 0.6), (0.12, 0.6))
    pen.shape(pen.main, (0.0, 0.68), (1.0, 0.68), (0.82, 0.96), (0.18, 0.96))
    pen.line(pen.shade, 0.05, (0.05, 0.74), (0.95, 0.74))


def _fish(pen: _Pen) -> None:
    pen.shape(pen.main, (0.66, 0.5), (1.0, 0.18), (0.92, 0.5), (1.0, 0.82))
    pen.shape(pen.shade, (0.28, 0.3), (0.44, 0.06), (0.62, 0.3))
    pen.shape(pen.shade, (0.34, 0.72), (0.5, 0.92), (0.56, 0.7))
    pen.oval(0.0, 0.22, 0.8, 0.78, pen.main)
    pen.arc((0.08, 0.25, 0.34, 0.75), 290, 70, pen.shade, 0.04)
    pen.dot(0.16, 0.43, 0.055, pen.ink)
    for x in (0.46, 0.58):
        pen.arc((x - 0.12, 0.36, x, 0.64), 290, 70, pen.shade, 0.03)


def _flower(pen: _Pen) -> None:
    stem = COLOURS["green"] if pen.back != COLOURS["green"] else (24, 82, 36)
    pen.line(stem, 0.06, (0.5, 0.4), (0.5, 1.0))
    pen.shape(stem, (0.5, 0.92), (0.24, 0.86), (0.2, 0.7), (0.4, 0.76))
    pen.shape(stem, (0.5, 0.88), (0.76, 0.8), (0.8, 0.64), (0.6, 0.7))
    for number in range(6):
        angle = math.pi * number / 3
        pen.dot(0.5 + 0.21 * math.cos(angle), 0.34 + 0.21 * math.sin(angle), 0.145, pen.main)
    yellow, orange = COLOURS["yellow"], COLOURS["orange"]
    pen.dot(0.5, 0.34, 0.11, orange if pen.main == yellow else yellow)


def _sun(pen: _Pen) -> None:
    for number in range(10):
        angle, half = math.pi * number / 5, 0.13
        sides = [(math.cos(angle + turn), math.sin(angle + turn)) for turn in (-half, half)]
        tip = (0.5 + 0.52 * math.cos(angle), 0.5 + 0.52 * math.sin(angle))
        pen.shape(pen.main, tip, *((0.5 + 0.34 * x, 0.5 + 0.34 * y) for x, y in sides))
    pen.dot(0.5, 0.5, 0.28, pen.main)
    pen.dot(0.41, 0.45, 0.035, pen.ink)
    pen.dot(0.59, 0.45, 0.035, pen.ink)
    pen.arc((0.38, 0.42, 0.62, 0.64), 20, 160, pen.ink, 0.035)


def _car(pen: _Pen) -> None:
    glass = (190, 222, 245) if sum(pen.main) < 600 else (70, 90, 120)
    pen.shape(pen.main, (0.16, 0.5), (0.3, 0.2), (0.7, 0.2), (0.86, 0.5))
    pen.shape(glass, (0.26, 0.47), (0.35, 0.27), (0.48, 0.27), (0.48, 0.47))
    pen.shape(glass, (0.53, 0.47), (0.53, 0.27), (0.66, 0.27), (0.76, 0.47))
    pen.box(0.0, 0.45, 1.0, 0.76, pen.main, 0.1)
    tyre = _INK if sum(pen.back) > 200 else (95, 95, 100)
    for x in (0.24, 0.76):
        pen.dot(x, 0.76, 0.14, tyre)
        pen.dot(x, 0.76, 0.055, (205, 205, 210))


def _robot(pen: _Pen) -> None:
    pen.line(pen.shade, 0.035, (0.5, 0.2), (0.5, 0.06))
    pen.dot(0.5, 0.05, 0.05, pen.main)
    pen.box(0.27, 0.14, 0.73, 0.42, pen.main, 0.04)
    pen.box(0.44, 0.4, 0.56, 0.48, pen.shade)
    pen.box(0.22, 0.46, 0.78, 0.82, pen.main, 0.04)
    for x in (0.04, 0.84):
        pen.box(x, 0.48, x + 0.12, 0.76, pen.main, 0.05)
    for x in (0.3, 0.56):
        pen.box(x, 0.85, x + 0.14, 1.0, pen.main)
    for x in (0.35, 0.55):
        pen.box(x, 0.21, x + 0.1, 0.29, pen.ink)
    pen.box(0.38, 0.34, 0.62, 0.37, pen.ink)
    pen.box(0.34, 0.55, 0.66, 0.72, pen.shade)


def _moon(pen: _Pen) -> None:
    """A crescent: a disc, and on it another one in the colour of the background."""
    pen.dot(0.5, 0.5, 0.5, pen.main)
    pen.dot(0.72, 0.42, 0.42, pen.back)


_DRAWERS: dict[str, Callable[[_Pen], None]] = {
    "cat": _cat, "dog": _dog, "house": _house, "tree": _tree, "star": _star, "boat": _boat,
    "fish": _fish, "flower": _flower, "sun": _sun, "car": _car, "robot": _robot, "moon": _moon,
}  # fmt: skip


def _box(picture: Picture, rng: random.Random) -> tuple[float, float, float]:
    """Left, top and side of the object's box, as parts of the picture's side."""
    side = SIZES[picture.size] * rng.uniform(0.95, 1.05)
    room = max(0.0, (0.97 - side) / 2)  # how far the middle of the box may leave the picture's

    def middle(names: tuple[str, ...], name: str) -> float:
        away = min(room, 0.24) * (names.index(name) - 1)
        return 0.5 + away + rng.uniform(-0.02, 0.02)

    x, y = middle(COLUMNS, picture.column), middle(ROWS, picture.row)
    return x - side / 2, y - side / 2, side


def draw(picture: Picture, rng: random.Random) -> Image:
    """Draw `picture`, RGB, `SIZE` x `SIZE`. `rng` moves it and its colours a little."""
    from PIL import Image, ImageDraw

    def near(name: str) -> RGB:
        red, green, blue = (max(0, min(255, part + rng.randint(-6, 6))) for part in COLOURS[name])
        return red, green, blue

    main, back = near(picture.colour), near(picture.background)
    fine = SIZE * _FINE
    image = Image.new("RGB", (fine, fine), back)
    left, top, side = (part * fine for part in _box(picture, rng))
    pen = _Pen(ImageDraw.Draw(image), (left, top, side), main, back)
    if picture.siamese:
        _cat(pen, _DARK_BROWN)
    else:
        _DRAWERS[picture.thing](pen)
    return image.reduce(_FINE)
