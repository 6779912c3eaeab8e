"""What `data-locality-scheduler tune` says: the trials that nothing beats, as a table and as a plot in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from scheduler.simulate import tuning

_WIDTH, _HEIGHT = 64, 16
_OTHER, _FRONT, _FIRST, _BEST = ".", "o", "A", "B"
_LEGEND: Final = f"{_FIRST} as it is, {_BEST} best score, {_FRONT} what nothing beats, {_OTHER} the others"


def lines(goals: Sequence[tuning.Goal], made: Sequence[tuning.Trial]) -> Iterator[str]:
    """Table and, of the first two goals, plot; the first trial is of the settings as they are."""
    best = min(made, key=lambda one: one.score)
    yield "".join([" " * 12, *(f"{goal.name:>20}" for goal in goals), f"{'score':>10}"])
    for label, one in (("as it is", made[0]), ("best score", best), *(("", one) for one in tuning.front(made))):
        yield "".join([f"{label:12}", *(f"{figure:>20,.6g}" for figure in one.figures), f"{one.score:>10.4f}"])
    if len(goals) > 1:
        yield ""
        yield from _plot(goals, made, best)


def _plot(goals: Sequence[tuning.Goal], made: Sequence[tuning.Trial], best: tuning.Trial) -> Iterator[str]:
    whole = [one for one in made if one.score < float("inf")]
    columns, rows = (_places([one.figures[axis] for one in whole], size) for axis, size in ((0, _WIDTH), (1, _HEIGHT)))
    front = tuning.front(whole)
    grid = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    shown = list(zip(whole, columns, rows, strict=True))
    for mark, among in ((_OTHER, whole), (_FRONT, front), (_FIRST, made[:1]), (_BEST, [best])):
        for one, column, row in shown:
            if one in among:
                grid[_HEIGHT - 1 - row][column] = mark
    most, least = max(one.figures[1] for one in whole), min(one.figures[1] for one in whole)
    yield f"{goals[1].name}"
    labels = [f"{most:,.4g}", *[""] * (_HEIGHT - 2), f"{least:,.4g}"]
    for label, marks in zip(labels, grid, strict=True):
        yield f"{label:>12} |{''.join(marks)}"
    left, right = min(one.figures[0] for one in whole), max(one.figures[0] for one in whole)
    yield f"{'':12} +{'-' * _WIDTH}"
    yield f"{'':14}{left:<{_WIDTH // 2},.4g}{right:>{_WIDTH // 2},.4g}"
    yield f"{'':14}{goals[0].name:^{_WIDTH}}"
    yield _LEGEND


def _places(values: Sequence[float], size: int) -> list[int]:
    least, span = min(values), max(values) - min(values)
    return [round((value - least) / span * (size - 1)) if span else 0 for value in values]
