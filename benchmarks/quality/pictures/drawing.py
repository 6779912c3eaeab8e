"""Marks, axes and scales. Sizes are in pixels of a page 900 wide; colours are names of the page's (see `page`)."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

WIDTH: Final = 900
ROW: Final = 24
INK, MUTED, GRID = "ink", "muted", "grid"

Scale = Callable[[float], float]


class Box(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


class Drawing:
    """Marks on a white or black ground; ``svg`` gives them all."""

    def __init__(self, height: float, label: str) -> None:
        self._marks: list[str] = []
        self._height = height
        self._label = label

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK, bold: bool = False
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        self._marks.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:{_colour(colour)}"{weight}>'
            f"{html.escape(words)}</text>"
        )

    def bar(self, box: Box, colour: str, told: str = "", *, opacity: float = 1.0) -> None:
        self._marks.append(
            f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{max(box.width, 0):.2f}" height="{box.height:.1f}" '
            f'style="fill:{_colour(colour)};fill-opacity:{opacity:g}">{_told(told)}</rect>'
        )

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: str = GRID, *, thick: float = 1.0,
        dashed: bool = False,
    ) -> None:  # fmt: skip
        dashes = ";stroke-dasharray:4 3" if dashed else ""
        self._marks.append(
            f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
            f'style="stroke:{_colour(colour)};stroke-width:{thick:g}{dashes}"/>'
        )

    def dot(
        self, x: float, y: float, colour: str, told: str = "", *, radius: float = 4.0, opacity: float = 1.0
    ) -> None:
        self._marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" '
            f'style="fill:{_colour(colour)};fill-opacity:{opacity:g}">{_told(told)}</circle>'
        )

    def axis(
        self, ticks: Sequence[float], scale: Scale, top: float, bottom: float, words: Callable[[float], str]
    ) -> None:
        """Upright lines with what they stand for below."""
        for tick in ticks:
            self.line((scale(tick), top), (scale(tick), bottom))
            self.text(scale(tick), bottom + 16, words(tick), anchor="middle", colour=MUTED)

    def svg(self) -> str:
        return (
            f'<svg viewBox="0 0 {WIDTH} {self._height:.0f}" role="img" aria-label="{html.escape(self._label)}">'
            f"{''.join(self._marks)}</svg>"
        )


def linear(least: float, most: float, left: float, right: float) -> Scale:
    """From values to pixels."""
    span = (most - least) or 1.0
    return lambda value: left + (value - least) / span * (right - left)


def logarithmic(least: float, most: float, left: float, right: float) -> Scale:
    """The same where equal ratios lie equally far apart."""
    inner = linear(math.log(least), math.log(most), left, right)
    return lambda value: inner(math.log(value))


def ticks(most: float, count: int = 5) -> list[float]:
    """Round numbers from 0 up to about ``most``: steps of 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return [0.0]
    rough = most / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(math.floor(most / step + 1e-9) + 1)]


def size(size_bytes: float) -> str:
    """Bytes for people."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.3g} {unit}"
    return f"{size_bytes / 1e3:.3g} kB"


def _colour(name: str) -> str:
    """That of the page; whoever has none of its own there is a variant of ours."""
    return f"var(--{name},var(--arm-ours))"


def _told(words: str) -> str:
    return f"<title>{html.escape(words)}</title>" if words else ""
