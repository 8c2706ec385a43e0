"""A roofline plot as inline SVG: the rates reached, below the card's limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 330
LEFT, RIGHT, TOP, FOOT = 52, 12, 12, 38
"""Margins around the plot."""


@dataclass(frozen=True)
class Point:
    """A design: multiplications per sample, samples per second, and where they come from."""

    label: str
    x: float
    y: float
    kind: str


@dataclass(frozen=True)
class Roof:
    """A limit: a line between two points (multiplications per sample, samples per second)."""

    label: str
    ends: tuple[tuple[float, float], tuple[float, float]]


class _Axes:
    """Logarithmic axes that cover all points and limits."""

    def __init__(self, points: Sequence[Point], roofs: Sequence[Roof]) -> None:
        places = [(point.x, point.y) for point in points]
        places += [end for roof in roofs for end in roof.ends]
        self.x = math.log10(min(x for x, _ in places)), math.log10(max(x for x, _ in places))
        self.y = (
            math.floor(math.log10(min(y for _, y in places))),
            math.ceil(math.log10(max(y for _, y in places))),
        )

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Position in the plot."""
        (left, right), (low, high) = self.x, self.y
        across = (math.log10(x) - left) / (right - left)
        down = (high - math.log10(y)) / (high - low)
        return LEFT + (WIDTH - LEFT - RIGHT) * across, TOP + (HEIGHT - TOP - FOOT) * down

    def drawn(self) -> list[str]:
        """Grid and axis labels."""
        parts = []
        for power in range(self.y[0], self.y[1] + 1):
            _, y = self.at(10 ** self.x[0], 10.0**power)
            parts.append(_line("grid", (LEFT, y), (WIDTH - RIGHT, y)))
            parts.append(_text(LEFT - 6, y + 4, _short(10.0**power), "end"))
        for power in range(math.ceil(self.x[0]), math.floor(self.x[1]) + 1):
            x, _ = self.at(10.0**power, 10.0 ** self.y[0])
            parts.append(_text(x, HEIGHT - FOOT + 18, _short(10.0**power)))
        parts.append(_text(WIDTH / 2, HEIGHT - 4, "multiplications a sample"))
        return parts


def roofline(points: Sequence[Point], roofs: Sequence[Roof]) -> str:
    """Plot of numbered points below their limits, with a legend."""
    axes = _Axes(points, roofs)
    parts = axes.drawn()
    parts += [_line("roof", *(axes.at(*end) for end in roof.ends)) for roof in roofs]
    for number, point in enumerate(points, 1):
        x, y = axes.at(point.x, point.y)
        parts.append(f'<circle class="{point.kind}" cx="{x:.1f}" cy="{y:.1f}" r="8"/>')
        parts.append(_text(x, y + 4, str(number), kind="dot"))
    names = [
        f"{point.label}: {point.x:,.0f} multiplications, {point.y:,.0f} samples/s"
        for point in points
    ]
    limits = "; ".join(roof.label for roof in roofs)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape("; ".join(names))}">'
        f"{''.join(parts)}</svg><ol>{''.join(f'<li>{escape(name)}</li>' for name in names)}</ol>"
        f'<p class="scale">samples a second, upwards; lines: {escape(limits)}</p>'
    )


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _short(value: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:g}"
