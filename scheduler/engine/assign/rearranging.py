"""A few pods that stand in each other's way, taken off their nodes and put back in the best way there is.

What exchanges cannot do, for two small pods to give way to a large one, say. Which pods: one that pays more than it has
to, by chance and by how much, then such as stand where it would rather be, and where these would. Where a pod stands
nowhere, in turn with that: all who stand on a few nodes, so that what is free there in pieces may become room for it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from scheduler.engine.assign import budget, prices, problem, putback, standing

_GROUP: Final = 8  # pods
_LARGEST: Final = 10  # pods, after many groups of which none could be put back better
_PACKED: Final = 12  # pods of nodes that are packed anew
_NODES: Final = 3  # that are packed anew
_HOPELESS: Final = 30  # crowds packed anew in vain after which they have one turn fewer
_FEW: Final = 16  # pods that are all put back at once, at first
_EVERYWHERE: Final = 4000  # places tried then, at most
_OCCUPANTS: Final = 3  # of one node, at most
_WISHES: Final = 1 / math.log(0.6)  # how often it is the cheapest node that a pod wishes for: 0.4; else the next, ...


class Rearranging:
    """Draws groups and puts them back."""

    __slots__ = ("_least", "_pods", "_priced", "_rng", "_scarce", "_wishes")

    def __init__(self, pods: standing.Standing, priced: prices.Priced, rng: np.random.Generator) -> None:
        """Prepare to.

        Args:
            pods: Where they stand.
            priced: Of what is scarce: who pays more than it has to, and what need not be tried.
            rng: Draws the groups.
        """
        self._pods = pods
        self._rng = rng
        self._scarce = putback.Scarce(pods.table, priced)
        self._priced = pods.table.at + pods.table.at_candidates(self._scarce.paid)
        self._least = self._priced.min(1)
        self._wishes: list[list[int]] = np.take_along_axis(pods.table.candidates, self._priced.argsort(1), 1).tolist()

    def whole(self, work: budget.Budget) -> bool:
        """Put all pods back at once, if they are few; whether there is surely no better plan now."""
        pods = self._pods
        if len(pods.nodes) > _FEW:
            return False
        most = min(_EVERYWHERE, work.left)
        looked = putback.put_back(pods, self._scarce, list(range(len(pods.nodes))), most=most)
        work.take(2 * _GROUP + looked // 2)
        return looked < most

    def run(self, bound: float, work: budget.Budget) -> None:
        """Put groups back until costs are at the bound or the budget is used up.

        Groups grow while none is found that can be put back better, and the smallest are tried first again after one.
        """
        pods = self._pods
        turn, failed, crowded = 0, 0, 0
        excess, occupants = self._excess(), self._occupants()
        while work.left > 0 and (pods.missing or pods.cost > bound + pods.table.least):
            turn += 1
            missing, cost = pods.missing, pods.cost
            if missing and turn % (2 + crowded // _HOPELESS) == 0:
                crowded += 1
                looked = putback.put_back(pods, self._scarce, *self._crowd(occupants))
            else:
                size = min(_GROUP + failed // len(pods.nodes), _LARGEST)
                looked = putback.put_back(pods, self._scarce, self._group(occupants, excess, size))
            failed += 1
            if (missing, cost) != (pods.missing, pods.cost):
                failed, excess, occupants = 0, self._excess(), self._occupants()
                work.spend(self._priced.size)
            work.take(2 * _GROUP + looked // 2)

    def _occupants(self) -> dict[int, list[int]]:
        occupants: dict[int, list[int]] = {}
        for pod, node in enumerate(self._pods.nodes):
            if node >= 0:
                occupants.setdefault(node, []).append(pod)
        return occupants

    def _crowd(self, occupants: dict[int, list[int]]) -> tuple[list[int], list[int]]:
        """A pod that stands nowhere with all who stand on some nodes, and these nodes: first one that it may go to."""
        pods, rng = self._pods, self._rng
        group = self._some_missing(_OCCUPANTS)
        slack = self._slack()
        may = slack * np.isfinite(pods.table.costs[group[0]])
        if not may.any():
            return group, []
        nodes = [int(rng.choice(len(may), p=may / may.sum()))]
        group += occupants.get(nodes[0], ())
        # Efraimidis and Spirakis: the largest of powers of chance are a weighted sample.
        for node in np.argsort(-(rng.random(len(slack)) ** (1 / slack)))[: 4 * _NODES].tolist():
            there = occupants.get(node, [])
            if node not in nodes and len(group) + len(there) <= _PACKED:
                nodes.append(node)
                group += there
            if len(nodes) == _NODES:
                break
        return group[:_PACKED], nodes

    def _some_missing(self, most: int) -> list[int]:
        """One and perhaps more of the pods that stand nowhere, in an order drawn by chance."""
        missing = [pod for pod, node in enumerate(self._pods.nodes) if node < 0]
        if len(missing) > 1:
            missing = self._rng.permutation(missing)[: 1 + int(self._rng.integers(most))].tolist()
        return missing

    def _slack(self) -> problem.Floats:
        """[nodes] how much is free there, of all limits, each by the most that any pod asks for."""
        limits = self._pods.table.limits
        free = np.minimum(self._pods.free / np.maximum(limits.units, 1e-12), 2)
        slack: problem.Floats = free[limits.slots].sum(0) + 0.01
        return slack

    def _group(self, occupants: dict[int, list[int]], excess: problem.Floats, size: int) -> list[int]:
        """Pods that stand in each other's way."""
        chances = self._rng.random((4 * _LARGEST, 2)).tolist()
        group = [int(np.searchsorted(excess.cumsum(), self._rng.random() * excess.sum()))]
        group += [pod for pod in self._some_missing(_OCCUPANTS - 1) if pod not in group]
        for who, what in chances:
            wishes = self._wishes[group[int(who * len(group))]]
            wish = wishes[min(int(math.log1p(-what) * _WISHES), len(wishes) - 1)]
            there = [pod for pod in occupants.get(wish, ()) if pod not in group]
            if len(there) > _OCCUPANTS:
                there = self._rng.permutation(there)[:_OCCUPANTS].tolist()
            group += there[: size - len(group)]
            if len(group) == size:
                break
        return group

    def _excess(self) -> problem.Floats:
        """[pods] how much each pays beyond the least, and a little, so that everybody has its turn."""
        now = np.array(self._pods.nodes)
        pays = np.where(self._pods.table.candidates == now[:, None], self._priced, np.inf).min(1)
        known = np.isfinite(pays)
        excess = np.where(known, pays, 0) - np.where(known, self._least, 0)
        excess[~known] = 4 * excess.max(initial=0) + 1
        excess[~np.isfinite(self._least)] = 0
        found: problem.Floats = excess + max(float(excess.mean()) * 0.1, 1e-12)
        return found
