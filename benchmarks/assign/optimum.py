"""The best plan there is, by mixed-integer programming: scipy's HiGHS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, sparse

from scheduler.engine.assign import problem


class Optimum(NamedTuple):
    """What the exact solver found.

    Attributes:
        missing: Pods that find no room in any plan.
        cost: Of the best plan with so few.
        bound: What it proved that none is below; less than ``cost`` where it ran out of time.
    """

    missing: int
    cost: float
    bound: float


def found(given: problem.Problem, limit_s: float) -> Optimum:
    """The optimum of a problem without flows: the fewest pods left out, then the least cost with so few.

    Raises:
        RuntimeError: no plan was found in this time.
    """
    pods = len(given.costs)
    best = _solved(given, given.costs, range(1), limit_s)
    if best is None:
        most = _solved(given, np.where(np.isfinite(given.costs), -1.0, np.inf), range(pods + 1), limit_s)
        if most is None or (most.cost - most.bound) >= 1:
            raise RuntimeError("how many pods find room is not known after the time given")
        best = _solved(given, given.costs, range(most.missing, most.missing + 1), limit_s)
    if best is None:
        raise RuntimeError("no plan was found in the time given")
    return best


def _solved(given: problem.Problem, costs: problem.Floats, missing: range, limit_s: float) -> Optimum | None:
    """The best plan that leaves so many pods out; None if none is found."""
    pods, nodes = costs.shape
    pod, node = np.isfinite(costs).nonzero()
    places = np.arange(len(pod))
    of_pod = sparse.csr_array((np.ones(len(pod)), (pod, places)), shape=(pods, len(pod)))
    rules = [
        optimize.LinearConstraint(of_pod, 1 if missing.stop == 1 else 0, 1),
        optimize.LinearConstraint(np.ones((1, len(pod))), pods - missing.stop + 1, pods - missing.start),
    ]
    for ask, room in zip(given.asks.T, given.room.T, strict=True):
        taken = sparse.csr_array((ask[pod].astype(float), (node, places)), shape=(nodes, len(pod)))
        rules.append(optimize.LinearConstraint(taken, -np.inf, room))
    answer = optimize.milp(
        costs[pod, node],
        integrality=np.ones(len(pod)),
        bounds=optimize.Bounds(0, 1),
        constraints=rules,
        options={"mip_rel_gap": 0.0, "time_limit": limit_s},
    )
    if answer.x is None:
        return None
    chosen = np.round(answer.x)
    return Optimum(pods - int(chosen.sum()), float(costs[pod, node] @ chosen), float(answer.mip_dual_bound))
