"""Charts as SVG, written by hand: no package is needed to draw rectangles and lines."""

from __future__ import annotations

import math
from html import escape

__all__ = ["chart", "curves"]

COLOURS = (
    "#9aa0a6", "#1a73e8", "#0b9d58", "#c58af9", "#7fb2f5", "#7ed0a7", "#d7d9dc", "#b9bcc0",
    "#f29900", "#d93025", "#e8710a", "#a142f4", "#12b5cb",
)  # fmt: skip
LEFT, WIDTH, BAR, GAP, MOST = 300, 860, 11, 10, 2.0
"""Pixels, and the ratio at which a bar is cut."""


def chart(ratios: dict[str, dict[str, float]], clients: list[str], base: str) -> str:
    """Draw one group of bars for each work, one bar for each client; the base is a line at 1.

    Args:
        ratios: By work, then by client.
        clients: In order of drawing.
        base: The client everything is measured by; it gets the line instead of bars.
    """
    drawn = [client for client in clients if client != base]
    colour = dict(zip(drawn, COLOURS[1:], strict=False))
    parts: list[str] = []
    y = 24
    for place, client in enumerate(drawn):
        x = LEFT + place % 4 * 140
        parts.append(_box(x, y - 9, 10, 10, colour[client]) + _text(x + 14, y, client))
        y += 16 if place % 4 == 3 else 0
    top = y = y + 24
    scale = (WIDTH - LEFT - 60) / MOST
    for work, by_client in ratios.items():
        present = [client for client in drawn if client in by_client]
        middle = y + len(present) * BAR / 2 + 4
        parts.append(_text(LEFT - 8, middle, work, "end"))
        for client in present:
            ratio = by_client[client]
            width = min(ratio, MOST) * scale
            parts.append(_box(LEFT, y, width, BAR - 2, colour[client]))
            parts.append(_text(LEFT + width + 3, y + BAR - 3, f"{ratio:.2f}"))
            y += BAR
        y += GAP
    line = LEFT + scale
    parts.append(
        f'<line x1="{line:.0f}" y1="{top - 8}" x2="{line:.0f}" y2="{y}" stroke="{COLOURS[0]}"/>'
        + _text(line + 3, top - 10, f"{base} = 1")
    )
    return _svg(parts, WIDTH, y + 8)


SIDE, PLOT, MARGIN = 400, 240, 56
"""Pixels: width and height of one plot of curves, and what its numbers take."""


def curves(
    figures: dict[str, dict[str, dict[str, float]]], titles: dict[str, str], unit: str
) -> str:
    """Draw one plot for each kind, both axes logarithmic, one line for each client.

    Args:
        figures: By kind, then by client, then by place on the horizontal axis (a number as text).
        titles: What the horizontal axis of each kind counts.
        unit: What the vertical axis shows.
    """
    parts: list[str] = [_text(8, 14, unit)]
    for place, (kind, by_client) in enumerate(figures.items()):
        parts += _plot(MARGIN + place * (SIDE + MARGIN), by_client, titles[kind])
    clients = next(iter(figures.values()))
    for place, client in enumerate(clients):
        x = MARGIN + 220 + place * 150
        parts.append(_box(x, 5, 10, 10, COLOURS[place]) + _text(x + 14, 14, client))
    width = MARGIN + len(figures) * (SIDE + MARGIN)
    return _svg(parts, width, PLOT + 2 * MARGIN)


def _plot(left: float, by_client: dict[str, dict[str, float]], title: str) -> list[str]:
    """One plot: its axes and its lines."""
    points = [(float(x), y) for line in by_client.values() for x, y in line.items()]
    if not points:
        return []
    most_x = max(x for x, _ in points)
    low = 10 ** math.floor(math.log10(min(y for _, y in points)))
    high = 10 ** math.ceil(math.log10(max(y for _, y in points)))
    top = 32.0

    def at(x: float, y: float) -> tuple[float, float]:
        across = math.log(x) / math.log(most_x) if most_x > 1 else 0.0
        up = math.log(y / low) / math.log(high / low)
        return left + across * SIDE, top + (1 - up) * PLOT

    parts = [_text(left + SIDE / 2, top + PLOT + 34, title, "middle")]
    for y in (low * 10**step for step in range(round(math.log10(high / low)) + 1)):
        _, height = at(1, y)
        parts.append(_line([(left, height), (left + SIDE, height)], "#e0e0e0"))
        parts.append(_text(left - 4, height + 3, f"{y:g}", "end"))
    ticks = sorted({x for x, _ in points})
    parts += [_text(at(x, low)[0], top + PLOT + 14, f"{x:g}", "middle") for x in ticks]
    for place, line in enumerate(by_client.values()):
        parts.append(_line([at(float(x), y) for x, y in line.items()], COLOURS[place]))
    return parts


def _svg(parts: list[str], width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="sans-serif" font-size="10">\n<rect width="100%" height="100%" '
        f'fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _line(places: list[tuple[float, float]], colour: str) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _box(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.1f}" height="{height}" fill="{fill}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
