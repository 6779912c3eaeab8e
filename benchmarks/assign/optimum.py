"""The best plan there is, by mixed-integer programming: scipy's HiGHS; as far as it comes in its time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from scipy import optimize, sparse

from scheduler.engine.assign import problem

_INFEASIBLE: Final = 2  # status of scipy's milp
_ROUNDING: Final = 1e-6  # what is nearer than this to a whole number of pods is that


class Optimum(NamedTuple):
    """What the exact solver found.

    Attributes:
        missing: The fewest pods that a plan it found leaves out.
        cost: Of the best plan that it found with so few; infinite where it found none that places them all in time.
        bound: It proved that no plan with so few costs less; below ``cost`` where it ran out of time.
        fewest: It proved that no plan leaves fewer pods out.
    """

    missing: int
    cost: float
    bound: float
    fewest: int

    @property
    def is_proven(self) -> bool:
        """Whether there is no better plan."""
        is_best = self.cost < math.inf and self.cost - self.bound <= _ROUNDING * max(self.cost, 1)
        return is_best and self.fewest == self.missing


def found(given: problem.Problem, limit_s: float) -> Optimum:
    """The optimum of a problem without flows: the fewest pods left out, then the least cost with so few."""
    pods = len(given.costs)
    best = _solved(given, given.costs, range(1), limit_s)
    if best is not None and best.cost < math.inf:
        return best
    # None, or none found yet: how many can be placed?
    most = _solved(given, np.where(np.isfinite(given.costs), -1.0, np.inf), range(pods + 1), limit_s)
    assert most is not None, "a plan may place nobody"
    fewest = max(0 if best is not None else 1, math.ceil(pods + most.bound - _ROUNDING))
    missing = max(most.missing, fewest)
    best = _solved(given, given.costs, range(missing, missing + 1), limit_s)
    assert best is not None, "so many were placed"
    return best._replace(fewest=fewest)


def _solved(given: problem.Problem, costs: problem.Floats, missing: range, limit_s: float) -> Optimum | None:
    """The best plan that leaves so many pods out; None where there is none."""
    pods, nodes = costs.shape
    pod, node = np.isfinite(costs).nonzero()
    places = np.arange(len(pod))
    of_pod = sparse.csr_array((np.ones(len(pod)), (pod, places)), shape=(pods, len(pod)))
    rules = [
        optimize.LinearConstraint(of_pod, 1 if missing.stop == 1 else 0, 1),
        optimize.LinearConstraint(np.ones((1, len(pod))), pods - missing.stop + 1, pods - missing.start),
    ]
    for ask, room in _rows(given):
        taken = sparse.csr_array((ask[pod].astype(float), (node, places)), shape=(nodes, len(pod)))
        rules.append(optimize.LinearConstraint(taken, -np.inf, room))
    fits = np.all([ask[pod] <= room[node] for ask, room in _rows(given)], axis=0)
    asked = {"c": costs[pod, node], "bounds": optimize.Bounds(0, fits.astype(float)), "constraints": rules}
    answer = optimize.milp(**asked, integrality=np.ones(len(pod)), options={"mip_rel_gap": 0.0, "time_limit": limit_s})
    if answer.status == _INFEASIBLE:
        return None
    if answer.x is None:  # what was proven meanwhile is not told
        answer = optimize.milp(**asked)
        return None if answer.status == _INFEASIBLE else Optimum(missing.stop - 1, math.inf, float(answer.fun), 0)
    chosen = np.round(answer.x)
    missed = pods - int(chosen.sum())
    return Optimum(missed, float(costs[pod, node] @ chosen), float(answer.mip_dual_bound), missing.start)


def _rows(given: problem.Problem) -> Iterator[tuple[problem.Amounts, problem.Amounts]]:
    """Of each resource what pods ask for and what is free; and the same counted in whole units of what each pod asks.

    The latter follow from the former (Chvatal's and Gomory's cuts: who takes 2.5 units takes two, and of 7.9 there are
    seven), and spare the solver most of its search.
    """
    for ask, room in zip(given.asks.T, given.room.T, strict=True):
        yield ask, room
        for unit in np.unique(ask[ask > 0]):
            yield ask // unit, room // unit
