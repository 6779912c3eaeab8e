"""The best way to put a few pods back that were taken off their nodes, by branch and bound."""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.engine.assign import problem, standing

_LOOKED: Final = 500  # places tried at most


def put_back(pods: standing.Standing, group: list[int], among: list[int] | None = None) -> int:
    """Take pods off their nodes and put them back better than they stood, or as they stood; returns places tried.

    Args:
        pods: Where all stand.
        group: Those that are put back.
        among: Nodes that they may go to; None where any of their candidates will do.
    """
    before = [pods.nodes[pod] for pod in group]
    cost = pods.cost
    for pod, node in zip(group, before, strict=True):
        if node >= 0:
            pods.take(pod)
    search = _Search(pods, group, cost - pods.cost + pods.table.penalty * before.count(problem.NOWHERE), among)
    found = search.found
    for pod, node in zip(group, before, strict=True) if found is None else found.items():
        if node >= 0:
            pods.put(pod, node)
    if found is None:
        pods.cost = cost  # to the bit
    return search.looked


class _Search:
    """Pods in turn, those with the least choice first, each first where it costs least.

    Attributes:
        found: The nodes of all, if that costs less than before.
        looked: Places tried.
    """

    __slots__ = ("_best", "_options", "_order", "_pods", "_rest", "found", "looked")

    def __init__(self, pods: standing.Standing, group: list[int], upper: float, among: list[int] | None) -> None:
        self._pods = pods
        self._best = upper - pods.table.least
        self.looked = 0
        self.found: dict[int, int] | None = None
        nodes = None if among is None else np.array(among, np.int64)
        options = {pod: self._choices(pod, nodes) for pod in group}
        least = {pod: choices[0][0] for pod, choices in options.items()}
        slack = self._best - sum(least.values())
        if slack < 0:
            return
        self._options = {
            pod: [choice for choice in choices if choice[0] <= least[pod] + slack] for pod, choices in options.items()
        }
        sizes = pods.table.sizes.tolist()
        self._order = sorted(group, key=lambda pod: (0 if among else len(self._options[pod]), -sizes[pod], pod))
        self._rest = [0.0]  # what those from each on cost at least
        for pod in reversed(self._order):
            self._rest.append(self._rest[-1] + least[pod])
        self._rest.reverse()
        self._descend(0, 0.0, [])

    def _choices(self, pod: int, among: problem.Ints | None) -> list[tuple[float, int]]:
        """Costs and nodes, cheapest first; the last one is to stand nowhere."""
        pods = self._pods
        nodes = pods.table.candidates[pod] if among is None else among
        nodes = nodes[pods.fits(pod, nodes)]
        costs = pods.costs(pod, nodes)
        return [
            *sorted(zip(costs.tolist(), nodes.tolist(), strict=True)),
            (pods.table.penalty, problem.NOWHERE),
        ]

    def _descend(self, index: int, cost: float, nodes: list[int]) -> None:
        if index == len(self._order):
            if cost > self._best:  # they wait for each other, which what each costs alone does not tell
                return
            self._best = cost - self._pods.table.least
            self.found = dict(zip(self._order, nodes, strict=True))
            return
        pods, pod = self._pods, self._order[index]
        for alone, node in self._options[pod]:
            if alone > self._best - cost - self._rest[index + 1] or self.looked >= _LOOKED:
                return
            self.looked += 1
            if node < 0:
                self._descend(index + 1, cost + alone, [*nodes, node])
            elif pods.fits_on(pod, node):
                before = pods.cost
                pods.put(pod, node)
                self._descend(index + 1, cost + pods.cost - before, [*nodes, node])
                pods.take(pod)
                pods.cost = before
