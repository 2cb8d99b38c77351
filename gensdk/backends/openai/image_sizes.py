"""Sizes of pictures: the nearest size that a model draws to the one that was asked for."""

from __future__ import annotations

from math import gcd, log, sqrt

from gensdk.catalog.openai_media import SizeRule

__all__ = ["Size", "nearest_size", "size_for_ratio"]

Size = tuple[int, int]

_USUAL_PIXELS = 1024 * 1024
_USUAL_STEP = 16


def nearest_size(wanted: Size, rule: SizeRule) -> Size:
    """The size itself where the rule allows it, else the nearest one that it allows.

    Of fixed sizes the one with the nearest shape is taken, and of those the nearest area.
    """
    if rule.fixed:
        return min(rule.fixed, key=lambda size: (_shape_gap(size, wanted), _area_gap(size, wanted)))
    width, height = _within_ratio(wanted, rule.max_ratio)
    shrink = min(1.0, rule.max_edge / max(width, height), sqrt(rule.max_pixels / (width * height)))
    return _inside(_steps(width * shrink, rule.step), _steps(height * shrink, rule.step), rule)


def size_for_ratio(ratio: str, rule: SizeRule) -> Size:
    """A size of about a million pixels for ``"16:9"``, exact in shape where that is possible."""
    first, _, second = ratio.partition(":")
    width, height = max(int(first), 1), max(int(second), 1)
    if rule.fixed:
        return min(rule.fixed, key=lambda size: _shape_gap(size, (width, height)))
    step = max(rule.step, _USUAL_STEP)
    common = gcd(width, height)
    unit = (width // common * step, height // common * step)
    scale = sqrt(_USUAL_PIXELS / (unit[0] * unit[1]))
    times = max(1, round(scale))
    extreme = max(unit) > rule.max_ratio * min(unit)
    if not extreme and 0.5 < (times / scale) ** 2 < 2:
        return nearest_size((unit[0] * times, unit[1] * times), rule)
    wide, high = _within_ratio(unit, rule.max_ratio)
    return nearest_size((_steps(wide * scale, step), _steps(high * scale, step)), rule)


def _within_ratio(size: Size, most: float) -> tuple[float, float]:
    """The same area in the most extreme shape there is, where the shape asked for is beyond it."""
    width, height = size
    if max(size) <= most * min(size):
        return width, height
    short = sqrt(width * height / most)
    return (short * most, short) if width > height else (short, short * most)


def _shape_gap(size: Size, wanted: Size) -> float:
    return round(abs(log(size[0] / size[1]) - log(wanted[0] / wanted[1])), 6)


def _area_gap(size: Size, wanted: Size) -> float:
    return abs(log(size[0] * size[1]) - log(wanted[0] * wanted[1]))


def _steps(length: float, step: int) -> int:
    return max(step, round(length / step) * step)


def _inside(width: int, height: int, rule: SizeRule) -> Size:
    """Rounding may have led out of the rule again; the longer side steps back in."""
    while (
        max(width, height) > rule.max_edge
        or width * height > rule.max_pixels
        or max(width, height) > rule.max_ratio * min(width, height)
    ):
        if width >= height:
            width -= rule.step
        else:
            height -= rule.step
    return width, height
