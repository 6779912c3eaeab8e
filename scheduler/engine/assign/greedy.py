"""Pods placed one at a time: in their order, or first those that lose most where somebody else is served first."""

from __future__ import annotations

import heapq

import numpy as np

from scheduler.engine.assign import problem, standing


def in_turn(pods: standing.Standing) -> None:
    """Each pod that stands nowhere to its cheapest node that has room, in their order, as schedulers do."""
    for pod, node in enumerate(pods.nodes):
        if node < 0:
            best, _, _ = choice(pods, pod)
            if best >= 0:
                pods.put(pod, best)


def by_regret(pods: standing.Standing, prices: problem.Floats, ranks: problem.Floats) -> None:
    """Each pod that stands nowhere to its cheapest node at these prices; first who loses most by its second choice.

    Args:
        pods: Those that stand nowhere are placed if there is room.
        prices: [pods, candidates] what is added to the candidates' costs.
        ranks: [pods] who is of a lower rank goes first, whatever it loses.
    """
    waiting = []
    for pod, node in enumerate(pods.nodes):
        if node < 0:
            best, regret, _ = choice(pods, pod, prices[pod])
            waiting.append((ranks.item(pod), -regret, pod, best))
    heapq.heapify(waiting)
    while waiting:
        _, _, pod, best = heapq.heappop(waiting)
        if best < 0:
            continue
        if pods.fits_on(pod, best):
            pods.put(pod, best)
            continue
        best, regret, _ = choice(pods, pod, prices[pod])
        heapq.heappush(waiting, (ranks.item(pod), -regret, pod, best))


def choice(pods: standing.Standing, pod: int, prices: problem.Floats | None = None) -> tuple[int, float, float]:
    """The cheapest node with room (``problem.NOWHERE`` if none has), what the second costs more, and what it costs."""
    candidates = pods.table.candidates[pod]
    costs = pods.costs(pod, candidates)
    if prices is not None:
        costs = costs + prices
    costs = np.where(pods.fits(pod, candidates), costs, np.inf)
    best = int(costs.argmin())
    cost = costs.item(best)
    if cost == np.inf:
        return _anywhere(pods, pod)
    costs[best] = np.inf
    second = costs.min()
    return int(candidates[best]), float(min(second - cost, pods.table.penalty)), cost


def _anywhere(pods: standing.Standing, pod: int) -> tuple[int, float, float]:
    """The same among all nodes, for a pod whose candidates are full."""
    nodes = np.arange(pods.table.costs.shape[1])
    costs = np.where(pods.fits(pod, nodes), pods.costs(pod, nodes), np.inf)
    best = int(costs.argmin())
    cost = costs.item(best)
    return (best if cost < np.inf else problem.NOWHERE), pods.table.penalty, cost
