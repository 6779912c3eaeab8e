"""Arms side by side: how ours stands to each, and for each piece of work where an arm wins, why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from benchmarks.quality import chain, results
from scheduler.simulate import figures

OURS: Final = "ours"
_VARIANT: Final = "ours-"
EVEN: Final = 0.001  # a makespan that differs by less is the same: rounding, and draws among what ties

Place = tuple[str, str, int]
"""Work, topology, seed: what arms are compared on."""
Table = Mapping[Place, Mapping[str, results.Result]]


class Standing(NamedTuple):
    """How an arm stands to ours over all that both have done.

    Attributes:
        compared: How many pieces of work.
        ratio: Its makespan to ours, as a geometric mean: above 1, ours is sooner.
        plain: Likewise the sum of its makespans to that of ours, in which the longest count most.
        turnaround: Likewise how long its pods take from when they are created until they are done, in the mean.
        moved, crossed: Its bytes over the network, and across regions, to ours, in all.
        wins, losses: Where it is sooner than ours by more than rounding, and where it is later.
    """

    arm: str
    compared: int
    ratio: float
    plain: float
    turnaround: float
    moved: float
    crossed: float
    wins: int
    losses: int


class Win(NamedTuple):
    """A piece of work that an arm has done sooner than ours, by what share (0..1), and why."""

    place: Place
    arm: str
    sooner: float
    why: str


def table(found: Sequence[results.Result]) -> Table:
    """Results by what is compared, and arm."""
    rows: dict[Place, dict[str, results.Result]] = {}
    for one in found:
        rows.setdefault((one.case.work, one.case.topology, one.case.seed), {})[one.case.arm] = one
    return rows


def rivals(rows: Table) -> Table:
    """Ours and those who place otherwise."""
    return {
        place: {arm: one for arm, one in row.items() if not arm.startswith(_VARIANT)} for place, row in rows.items()
    }


def variants(rows: Table) -> Table:
    """Ours, as it is and with one thing set otherwise."""
    return {
        place: {arm: one for arm, one in row.items() if arm == OURS or arm.startswith(_VARIANT)}
        for place, row in rows.items()
    }


def standings(rows: Table) -> list[Standing]:
    """Of each arm but ours, the one that comes nearest first."""
    names = dict.fromkeys(arm for row in rows.values() for arm in row if arm != OURS)
    found = [_standing(name, list(_pairs(rows, name))) for name in names]
    return sorted((one for one in found if one.compared), key=lambda one: one.ratio)


def wins(rows: Table) -> list[Win]:
    """Each piece of work that an arm has done sooner than ours, by the greatest gain first."""
    found = []
    for place, row in rows.items():
        took_s = makespans(row)
        for name in took_s:
            sooner = 1 - took_s[name] / took_s[OURS] if took_s.get(OURS) else 0.0
            if sooner > EVEN:
                found.append(Win(place, name, sooner, why(row[name], row[OURS])))
    return sorted(found, key=lambda win: -win.sooner)


def why(one: results.Result, ours: results.Result) -> str:
    """What along the chain of pods that decides the makespan takes ours longer, in words."""
    if one.parts is None or ours.parts is None or one.figures is None or ours.figures is None:
        return ""
    gaps = {name: getattr(ours.parts, name) - getattr(one.parts, name) for name in chain.WORDS}
    name = max(gaps, key=lambda each: gaps[each])
    said = f"along the chain that ends last, ours {chain.WORDS[name]} {gaps[name]:.1f} s longer"
    if name == "fetching_s":
        more = (ours.figures.moved_bytes - one.figures.moved_bytes) / 1e9
        said += f" ({abs(more):.2f} GB {'more' if more > 0 else 'less'} over the network in all)"
    if name == "working_s":
        said += " (another chain, of which the work is longer, ends last)"
    return said


def makespans(row: Mapping[str, results.Result]) -> dict[str, float]:
    """By arm, those of one piece of work that were done in full."""
    return {
        arm: one.figures.makespan_s for arm, one in row.items() if one.figures is not None and is_whole(one.figures)
    }


def is_whole(found: figures.Figures) -> bool:
    """Whether all pods were done."""
    return found.done == found.pods


def _pairs(rows: Table, name: str) -> Iterator[tuple[figures.Figures, figures.Figures]]:
    for row in rows.values():
        one, ours = row.get(name), row.get(OURS)
        if one is None or ours is None or one.figures is None or ours.figures is None:
            continue
        if is_whole(one.figures) and is_whole(ours.figures) and ours.figures.makespan_s > 0:
            yield one.figures, ours.figures


def _standing(name: str, pairs: Sequence[tuple[figures.Figures, figures.Figures]]) -> Standing:
    ratios = [one.makespan_s / ours.makespan_s for one, ours in pairs]
    return Standing(
        arm=name,
        compared=len(pairs),
        ratio=_mean(ratios),
        plain=_share(pairs, lambda one: one.makespan_s),
        turnaround=_mean([one.turnaround.mean_s / ours.turnaround.mean_s for one, ours in pairs]),
        moved=_share(pairs, lambda one: one.moved_bytes),
        crossed=_share(pairs, lambda one: one.cross_region_bytes),
        wins=sum(ratio < 1 - EVEN for ratio in ratios),
        losses=sum(ratio > 1 + EVEN for ratio in ratios),
    )


def _mean(ratios: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def _share(pairs: Sequence[tuple[figures.Figures, figures.Figures]], of: Callable[[figures.Figures], float]) -> float:
    ours = math.fsum(of(each) for _, each in pairs)
    return math.fsum(of(each) for each, _ in pairs) / ours if ours else math.nan
