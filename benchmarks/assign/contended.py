"""The best plan where transfers take from each other: pairs of places made linear, by scipy's HiGHS.

x[p, n] says that pod p is on node n, y[p, n, q, m] that both p is on n and q on m. What both cost each other is y's
cost. y is held to x by: the sum over m of y[p, n, q, m] is x[p, n], and the same the other way round (Adams and
Johnson, 1994), which is far tighter than y >= x + x - 1.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy import optimize, sparse

from benchmarks.assign import optimum
from scheduler.engine.assign import problem


def found(given: problem.Problem, limit_s: float) -> optimum.Optimum:
    """The optimum of a problem in which all pods find room and nothing is fetched for several pods."""
    pods, nodes = given.costs.shape
    waits = pairs(given)
    couples = list(itertools.combinations(range(pods), 2))
    singles = pods * nodes
    count = singles + len(couples) * nodes * nodes
    costs = np.concatenate([given.costs.ravel(), *(waits[pod, :, other].ravel() for pod, other in couples)])
    rules = [_rule([[(p * nodes + n, 1.0) for n in range(nodes)] for p in range(pods)], 1, 1, count)]
    for ask, room in zip(given.asks.T, given.room.T, strict=True):
        taken = [[(p * nodes + n, float(ask[p])) for p in range(pods)] for n in range(nodes)]
        rules.append(_rule(taken, -np.inf, room, count))
    ties = []
    for index, (pod, other) in enumerate(couples):
        first = singles + index * nodes * nodes
        for node in range(nodes):
            ties.append([(first + node * nodes + m, 1.0) for m in range(nodes)] + [(pod * nodes + node, -1.0)])
            ties.append([(first + m * nodes + node, 1.0) for m in range(nodes)] + [(other * nodes + node, -1.0)])
    rules.append(_rule(ties, 0, 0, count))
    answer = optimize.milp(
        costs,
        integrality=np.concatenate([np.ones(singles), np.zeros(count - singles)]),
        bounds=optimize.Bounds(0, 1),
        constraints=rules,
        options={"mip_rel_gap": 0.0, "time_limit": limit_s},
    )
    if answer.x is None:
        return optimum.Optimum(0, math.inf, 0.0, 0)
    return optimum.Optimum(0, float(answer.fun), float(answer.mip_dual_bound), 0)


def pairs(given: problem.Problem) -> problem.Floats:
    """[pods, nodes, pods, nodes] what transfers of two pods cost each other there; nothing for a pod and itself."""
    flows = given.flows
    assert flows is not None
    pods, nodes = given.costs.shape
    waits = np.zeros((pods, nodes, pods, nodes))
    for one, other in itertools.combinations(range(len(flows.pods)), 2):
        pod, its = int(flows.pods[one]), int(flows.pods[other])
        if pod == its:
            continue
        smaller = 2 * flows.weight * min(flows.sizes_bytes[one], flows.sizes_bytes[other])
        here, there = flows.links[flows.routes[one]], flows.links[flows.routes[other]]
        for mine, yours in itertools.product(here.T, there.T):
            same = (mine[:, None] == yours) & (mine[:, None] >= 0)
            seconds = np.where(same, smaller / flows.rates_bytes_per_s[mine][:, None], 0)
            waits[pod, :, its] += seconds
            waits[its, :, pod] += seconds.T
    return waits


def _rule(
    rows: list[list[tuple[int, float]]], least: float, most: float | problem.Floats, width: int
) -> optimize.LinearConstraint:
    """Sums of variables with their factors, between these."""
    data = [factor for row in rows for _, factor in row]
    columns = [column for row in rows for column, _ in row]
    starts = np.cumsum([0, *map(len, rows)])
    return optimize.LinearConstraint(sparse.csr_array((data, columns, starts), shape=(len(rows), width)), least, most)
