"""How urgent the pods of a pipeline are to each other: most those on the longest way to its end.

What reads of several pods starts when the last of them has ended, so that it helps nobody if the others are earlier.
A pod's slack is by how many seconds its way to the end is shorter than the longest one among those of its pipeline that
are to be placed with it. Its wishes count exp(-slack / patience) as much as they would for itself alone, where patience
is some times what the choice of a node may cost the pods of the pipeline; and pods of one pipeline have their turns in
the order of their ways, among themselves. Nobody else's turn or wishes change by that.

Source of the order: the upward rank of HEFT (Topcuoglu, Hariri, Wu, 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np

from scheduler.api import core
from scheduler.engine import joint
from scheduler.plugins import contract
from scheduler.state import pipelines

# Times what a node may cost more than the best one: links that are shared make it some times as much.
_PATIENCE: Final = 4.0
_LEAST: Final = 1e-3

T = TypeVar("T")


def in_order(known: pipelines.Pipelines, given: Sequence[tuple[core.Pod, T]]) -> list[T]:
    """What belongs to pods, so that those of one pipeline swap their places by urgency; the others stay."""
    of = known.pipelines_of([pod for pod, _ in given])
    places: dict[int, list[int]] = {}
    for place, number in enumerate(of):
        if number is not None:
            places.setdefault(number, []).append(place)
    found = [one for _, one in given]
    for together in places.values():
        by_rank = sorted(together, key=lambda place: -known.rank_s(given[place][0]))
        for place, other in zip(together, by_rank, strict=True):
            found[place] = given[other][1]
    return found


def weigh(known: pipelines.Pipelines, wishes: Sequence[joint.Wish]) -> list[joint.Wish]:
    """The wishes by how much they count."""
    pods = [wish.asked.pod for wish in wishes]
    of = known.pipelines_of(pods)
    weights = np.ones(len(wishes))
    for number in set(of) - {None}:
        its = [place for place, other in enumerate(of) if other == number]
        ranks_s = np.array([known.rank_s(pods[place]) for place in its])
        patience_s = _PATIENCE * float(np.mean([_at_stake_s(wishes[place]) for place in its]))
        if patience_s > 0:
            weights[its] = np.maximum(np.exp((ranks_s - ranks_s.max()) / patience_s), _LEAST)
    return [wish._replace(weight=weight) for wish, weight in zip(wishes, weights.tolist(), strict=True)]


def _at_stake_s(wish: joint.Wish) -> float:
    """By how many seconds of transfers the middling node is worse for a pod than the best."""
    costs: contract.Floats = wish.costs[np.isfinite(wish.costs)]
    if not len(costs) or wish.cost_of_a_second <= 0:
        return 0.0
    return float(np.median(costs) - costs.min()) / wish.cost_of_a_second
