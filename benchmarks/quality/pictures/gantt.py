"""One run: what pods do when, by node, and what moves meanwhile.

Each node has as many lanes as it has pods at once. Of a pod, the wait for its inputs is pale, its work full, and the
writing of its outputs in between; a line through it is a transfer, in the colour of how far it goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from benchmarks.quality.pictures import drawing
from scheduler.simulate import outcome

_LEFT, _RIGHT, _TOP = 120.0, 880.0, 40.0
_LANE: Final = 9.0
_GAP: Final = 8.0
_WORDS: Final = {"fetches": 0.25, "works": 0.95, "writes": 0.55}


def picture(run: outcome.Outcome) -> str:
    """The run, from its first arrival on."""
    lanes = _lanes(one for one in run.pods if one.bound_s is not None and one.done_s is not None)
    height = sum(_GAP + _LANE * len(each) for each in lanes.values())
    bottom = _TOP + height
    canvas = drawing.Drawing(bottom + 40, f"what each node does in {run.scenario}")
    scale = drawing.linear(0, run.ended_s, _LEFT, _RIGHT)
    canvas.axis(drawing.ticks(run.ended_s, 8), scale, _TOP - 6, bottom, lambda tick: f"{tick:g} s")
    _legend(canvas)
    moves: dict[str, list[outcome.Moved]] = {}
    for one in run.moves:
        if one.distance is not outcome.Distance.LOCAL and one.ended_s is not None:
            moves.setdefault(one.pod, []).append(one)
    top = _TOP
    for node, rows in lanes.items():
        canvas.text(_LEFT - 8, top + _LANE * len(rows) / 2 + 4, node, anchor="end")
        for row in rows:
            for pod in row:
                _pod(canvas, scale, pod, top)
                _transfers(canvas, scale, moves.get(pod.pod, []), top)
            top += _LANE
        top += _GAP
        canvas.line((_LEFT, top - _GAP / 2), (_RIGHT, top - _GAP / 2))
    return canvas.svg()


def _legend(canvas: drawing.Drawing) -> None:
    x = _LEFT
    for words, opacity in _WORDS.items():
        canvas.bar(drawing.Box(x, 8, 14, 12), "work", opacity=opacity)
        canvas.text(x + 19, 18, words)
        x += 85
    for distance in list(outcome.Distance)[1:]:
        canvas.line((x, 14), (x + 16, 14), f"distance-{distance}", thick=3)
        canvas.text(x + 21, 18, str(distance))
        x += 44 + 7.4 * len(distance)


def _pod(canvas: drawing.Drawing, scale: drawing.Scale, pod: outcome.Ran, top: float) -> None:
    at = [pod.bound_s, pod.began_s, pod.worked_s, pod.done_s]
    times_s = [0.0 if each is None else each for each in at]
    told = f"{pod.pod}: bound {times_s[0]:.1f} s, works {times_s[1]:.1f} to {times_s[2]:.1f} s, done {times_s[3]:.1f} s"
    for opacity, begin_s, end_s in zip(_WORDS.values(), times_s[:-1], times_s[1:], strict=True):
        box = drawing.Box(scale(begin_s), top, scale(end_s) - scale(begin_s), _LANE - 1.5)
        canvas.bar(box, "work", told, opacity=opacity)


def _transfers(canvas: drawing.Drawing, scale: drawing.Scale, moves: Iterable[outcome.Moved], top: float) -> None:
    y = top + _LANE / 2 - 0.75
    for one in moves:
        if one.ended_s is not None:
            canvas.line((scale(one.begun_s), y), (scale(one.ended_s), y), f"distance-{one.distance}", thick=2)


def _lanes(pods: Iterable[outcome.Ran]) -> dict[str, list[list[outcome.Ran]]]:
    """By node, as few lanes as it takes for no two pods of one to overlap."""
    found: dict[str, list[list[outcome.Ran]]] = {}
    for pod in sorted(pods, key=lambda one: (one.node, one.bound_s)):
        rows = found.setdefault(pod.node, [])
        free = next((row for row in rows if (row[-1].done_s or 0.0) <= (pod.bound_s or 0.0)), None)
        if free is None:
            rows.append([pod])
        else:
            free.append(pod)
    return found
