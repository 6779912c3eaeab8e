"""A few pods that stand in each other's way, taken off their nodes and put back in the best way there is.

What exchanges cannot do, for two small pods to give way to a large one, say. Which pods: one that pays more than it has
to, by chance and by how much, then such as stand where it would rather be, and where these would. Where a pod stands
nowhere, in turn with that: all who stand on a few nodes, so that what is free there in pieces may become room for it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.engine.assign import budget, problem, putback, standing

_GROUP: Final = 7  # pods
_PACKED: Final = 12  # pods of nodes that are packed anew
_OCCUPANTS: Final = 3  # of one node, at most
_WISHES: Final = 0.4  # chance that it is the cheapest node that a pod wishes for; else the same of the next


class Rearranging:
    """Draws groups and puts them back."""

    __slots__ = ("_least", "_pods", "_priced", "_rng", "_wishes")

    def __init__(self, pods: standing.Standing, paid: problem.Floats, rng: np.random.Generator) -> None:
        """Prepare to.

        Args:
            pods: Where they stand.
            paid: [pods, candidates] prices of what is scarce, which say who pays more than it has to.
            rng: Draws the groups.
        """
        self._pods = pods
        self._rng = rng
        self._priced = pods.table.at + paid
        self._least = self._priced.min(1)
        self._wishes: list[list[int]] = np.take_along_axis(pods.table.candidates, self._priced.argsort(1), 1).tolist()

    def run(self, bound: float, work: budget.Budget) -> None:
        """Put groups back until costs are at the bound or the budget is used up."""
        pods = self._pods
        turn = 0
        while work.left > 0 and (pods.missing or pods.cost > bound + pods.table.least):
            occupants = self._occupants()
            turn += 1
            if pods.missing and turn % 2:
                looked = putback.put_back(pods, *self._crowd(occupants))
            else:
                looked = putback.put_back(pods, self._group(occupants))
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
        missing = [pod for pod, node in enumerate(self._pods.nodes) if node < 0]
        group = [missing[int(self._rng.integers(len(missing)))]]
        may = np.isfinite(self._pods.table.costs[group[0]]).nonzero()[0]
        if not len(may):
            return group, []
        nodes = [int(self._rng.choice(may))]
        group += occupants.get(nodes[0], ())
        for node in self._rng.permutation(len(self._pods.table.costs[0])).tolist():
            there = occupants.get(node, [])
            if node not in nodes and len(group) + len(there) <= _PACKED:
                nodes.append(node)
                group += there
            if len(nodes) == _OCCUPANTS:
                break
        return group[:_PACKED], nodes

    def _group(self, occupants: dict[int, list[int]]) -> list[int]:
        """Pods that stand in each other's way."""
        rng, wishes = self._rng, self._wishes
        excess = self._excess()
        group = [int(rng.choice(len(excess), p=excess / excess.sum()))]
        for _ in range(4 * _GROUP):
            wisher = wishes[group[int(rng.integers(len(group)))]]
            wish = wisher[min(int(rng.geometric(_WISHES)), len(wisher)) - 1]
            there = [pod for pod in occupants.get(wish, ()) if pod not in group]
            if len(there) > _OCCUPANTS:
                there = rng.permutation(there)[:_OCCUPANTS].tolist()
            group += there[: _GROUP - len(group)]
            if len(group) == _GROUP:
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
