"""Makespans of others beside ours: a row for each arm, a mark for each piece of work, and the mean of all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.quality import comparing
from benchmarks.quality.pictures import drawing

_LEFT, _RIGHT, _TOP = 150, 730, 36
_MOST: Final = 8.0  # times ours; what is further away stands at the edge
_TICKS: Final = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)


def picture(ratios: Mapping[str, Sequence[tuple[str, float]]]) -> str:
    """By arm, pieces of work with its makespan to ours."""
    bottom = _TOP + drawing.ROW * len(ratios)
    canvas = drawing.Drawing(bottom + 44, "makespans of others, to ours")
    lowest = min((ratio for row in ratios.values() for _, ratio in row), default=1.0)
    least = max(min(lowest * 0.95, 0.9), 0.25)
    scale = drawing.logarithmic(least, _MOST, _LEFT, _RIGHT)
    canvas.axis([tick for tick in _TICKS if tick >= least], scale, _TOP - 6, bottom, lambda tick: f"{tick:g}")
    canvas.line((scale(1), _TOP - 6), (scale(1), bottom), "arm-ours", thick=2)
    canvas.text(scale(1) - 6, 18, "◀ sooner than ours", anchor="end", colour=drawing.MUTED)
    canvas.text(scale(1) + 6, 18, "later than ours ▶", colour=drawing.MUTED)
    canvas.text((_LEFT + _RIGHT) / 2, bottom + 36, "makespan, times ours", anchor="middle", colour=drawing.MUTED)
    for number, (arm, row) in enumerate(ratios.items()):
        y = _TOP + number * drawing.ROW + drawing.ROW / 2
        canvas.text(_LEFT - 8, y + 4, arm, anchor="end")
        for work, ratio in row:
            x = scale(min(max(ratio, least), _MOST))
            canvas.dot(x, y, f"arm-{arm}", f"{work}: {ratio:.3f} times ours", opacity=0.55)
        mean = math.exp(math.fsum(math.log(ratio) for _, ratio in row) / len(row)) if row else 1.0
        x = scale(min(max(mean, least), _MOST))
        canvas.line((x, y - 10), (x, y + 10), drawing.INK, thick=2.5)
        canvas.text(_RIGHT + 12, y + 4, f"mean {mean:.2f} times ours", bold=mean < 1 - comparing.EVEN)
    return canvas.svg()
