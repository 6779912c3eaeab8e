"""What one goal costs the other: the least that can be had of both, and where placements lie."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.quality.pictures import drawing

_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 860, 20, 330


class Point(NamedTuple):
    """A placement; ``label`` is empty for one of the curve."""

    x: float
    y: float
    label: str = ""
    colour: str = "arm-ours"


def picture(
    curve: Sequence[Point], points: Sequence[Point], tried: Sequence[Point] = (), *, across: str, up: str
) -> str:
    """``across`` and ``up`` say what is counted, with its unit; ``tried`` are many that nobody needs to tell apart."""
    every = [*curve, *points, *tried]
    lowest, highest = min(point.x for point in every), max(point.x for point in every)
    margin = (highest - lowest or highest or 1.0) / 4
    most_y = max(1.0, *(point.y for point in every)) * 1.1
    canvas = drawing.Drawing(_BOTTOM + 50, f"{up} against {across}")
    scale_x = drawing.linear(max(lowest - margin, 0), highest + margin, _LEFT, _RIGHT)
    scale_y = drawing.linear(0, most_y, _BOTTOM, _TOP)
    shown = [tick for tick in drawing.ticks(highest + margin, 30) if tick >= lowest - margin]
    canvas.axis(shown, scale_x, _TOP, _BOTTOM, lambda tick: f"{tick:g}")
    for tick in drawing.ticks(most_y):
        canvas.line((_LEFT, scale_y(tick)), (_RIGHT, scale_y(tick)))
        canvas.text(_LEFT - 8, scale_y(tick) + 4, f"{tick:g}", anchor="end", colour=drawing.MUTED)
    canvas.text((_LEFT + _RIGHT) / 2, _BOTTOM + 40, across, anchor="middle", colour=drawing.MUTED)
    canvas.text(8, _TOP - 6, up, colour=drawing.MUTED)
    for first, second in itertools.pairwise(curve):
        ends = [(scale_x(each.x), scale_y(each.y)) for each in (first, second)]
        canvas.line(ends[0], ends[1], drawing.MUTED, thick=2)
    for point in curve:
        canvas.dot(scale_x(point.x), scale_y(point.y), drawing.MUTED, f"{point.x:g}, {point.y:g}", radius=3)
    for point in tried:
        canvas.dot(scale_x(point.x), scale_y(point.y), "work", f"{point.x:g}, {point.y:g}", radius=4, opacity=0.5)
    for here, labels in _by_place(points).items():
        x, y = scale_x(here.x), scale_y(here.y)
        canvas.dot(x, y, labels[0].colour, f"{here.x:g}, {here.y:g}", radius=6)
        for number, point in enumerate(labels):  # those at the right a line higher, so as not to meet
            if x < (_LEFT + _RIGHT) / 2:
                canvas.text(x + 11, y - 7 - 16 * number, point.label)
            else:
                canvas.text(x + 6, y - 25 - 16 * number, point.label, anchor="end")
    return canvas.svg()


def _by_place(points: Sequence[Point]) -> dict[Point, list[Point]]:
    """Placements that lie on each other share a mark."""
    found: dict[Point, list[Point]] = {}
    for point in points:
        found.setdefault(Point(point.x, point.y), []).append(point)
    return found
