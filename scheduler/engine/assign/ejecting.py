"""Room for pods that stand nowhere, made by turning others out, which then look for room in their turn.

Whoever finds no room goes where those who have to leave for it are the easiest to place, by how often each was in vain
looked for room for; so that the hard ones settle first and the others fill up between them. What pods cost decides only
among equals: the plan that comes of it is made cheaper afterwards. Nagata and Braysy, A powerful route minimization
heuristic for the vehicle routing problem with time windows, Operations Research Letters 37 (2009).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from scheduler.engine.assign import budget, problem, standing, table

_LOOK: Final = 6  # steps that one look for room takes
_OUT: Final = 4  # pods that are turned out of one node, at most


def fewest_missing(pods: standing.Standing) -> int:
    """No plan leaves fewer pods out: by each rule alone, were all nodes one and the smallest pods placed first."""
    rules = pods.table.rules
    fewest = int((~np.isfinite(pods.table.at.min(1))).sum())
    for ask, slots in zip(rules.asks.T, rules.slots, strict=True):
        room = rules.free[np.unique(slots)].sum()
        fewest = max(fewest, int((np.sort(ask).cumsum() > room).sum()))
    return fewest


def run(pods: standing.Standing, rng: np.random.Generator, fewest: int, *, until: int, work: budget.Budget) -> None:
    """Place as many as can be until so few are left out, or only ``until`` of the budget is left.

    While one has to be left out, it is the largest, and room is sought for all others.
    """
    best, nodes = pods.missing, pods.nodes.copy()
    search = _Search(pods, rng)
    largest: list[int] = np.argsort(-_sizes(pods.table), kind="stable").tolist()
    while best > fewest:
        search.leave_out(largest[: best - 1])
        while pods.missing >= best and work.left > until and search.place():
            work.take(_LOOK + pods.table.costs.shape[1] // 8)
        if pods.missing >= best:
            break
        best, nodes = pods.missing, pods.nodes.copy()
    pods.set(nodes)


def _sizes(prepared: table.Table) -> problem.Floats:
    """[pods] what part each asks for of all that is asked for; infinite of a pod that may go nowhere."""
    asks = prepared.limits.asks
    sizes: problem.Floats = (asks / np.maximum(asks.sum(0), 1e-12)).sum(1)
    return np.where(np.isfinite(prepared.at.min(1)), sizes, np.inf)


class _Search:
    """The pods without a node that can have one, and how hard each is to place."""

    __slots__ = ("_asks", "_failed", "_may", "_occupants", "_pods", "_pool", "_rng")

    def __init__(self, pods: standing.Standing, rng: np.random.Generator) -> None:
        self._pods = pods
        self._rng = rng
        self._failed = [1] * len(pods.nodes)
        self._asks: list[list[float]] = pods.table.limits.asks.tolist()
        self._may = [np.flatnonzero(np.isfinite(costs)) for costs in pods.table.costs]
        self._occupants: list[list[int]] = [[] for _ in range(pods.table.costs.shape[1])]
        self._pool: list[int] = []
        for pod, node in enumerate(pods.nodes):
            if node >= 0:
                self._occupants[node].append(pod)

    def leave_out(self, these: list[int]) -> None:
        """Look for room for all others."""
        for pod in these:
            if self._pods.nodes[pod] >= 0:
                self._take(pod)
        self._pool = [
            pod for pod, node in enumerate(self._pods.nodes) if node < 0 and len(self._may[pod]) and pod not in these
        ]

    def place(self) -> bool:
        """The last of the pool where there is room, else where others have to leave for it, who come into the pool.

        Returns:
            False if the pool is empty.
        """
        if not self._pool:
            return False
        pod = self._pool.pop()
        pods, may = self._pods, self._may[pod]
        fits = pods.fits(pod, may)
        costs = pods.costs(pod, may)
        if fits.any():
            self._put(pod, int(may[np.where(fits, costs, np.inf).argmin()]))
            return True
        self._failed[pod] += 1
        found = self._cheapest(pod, may, costs)
        if found is not None:
            node, out = found
            for other in out:
                self._take(other)
            self._pool += out
            self._put(pod, node)
            self._stir()
        return True

    def _cheapest(self, pod: int, may: problem.Ints, costs: problem.Floats) -> tuple[int, list[int]] | None:
        """The node with those who have to leave it; None where nobody's leaving would be enough."""
        limits = self._pods.table.limits
        short = np.array(self._asks[pod])[:, None] - self._pods.free[limits.slots[:, may]]
        chances: list[float] = self._rng.random(len(self._failed)).tolist()
        least: tuple[float, float] = math.inf, 0.0
        best = None
        for node, cost, lacks in zip(may.tolist(), costs.tolist(), short.T.tolist(), strict=True):
            out = self._out(node, lacks, chances)
            if out is not None:
                hardness = sum(self._failed[other] for other in out)
                if (hardness, cost) < least:
                    least, best = (hardness, cost), (node, out)
        return best

    def _out(self, node: int, lacks: list[float], chances: list[float]) -> list[int] | None:
        """Who has to leave a node that lacks so much: first who is easy to place, and nobody for nothing."""
        asks, failed = self._asks, self._failed
        there = sorted(self._occupants[node], key=lambda other: failed[other] + chances[other])
        out = []
        for other in there:
            if any(lack > 0 and ask > 0 for lack, ask in zip(lacks, asks[other], strict=True)):
                out.append(other)
                lacks = [lack - ask for lack, ask in zip(lacks, asks[other], strict=True)]
                if max(lacks) <= 0:
                    break
        else:
            return None
        for other in reversed(out[:-1]):
            without = [lack + ask for lack, ask in zip(lacks, asks[other], strict=True)]
            if max(without) <= 0:
                out.remove(other)
                lacks = without
        return out if len(out) <= _OUT else None

    def _stir(self) -> None:
        """Move some pod by chance to where there is room, so that it does not go in circles."""
        pods, pod = self._pods, int(self._rng.integers(len(self._may)))
        if pods.nodes[pod] >= 0:
            node = int(self._rng.choice(self._may[pod]))
            if node != pods.nodes[pod] and pods.fits_on(pod, node):
                self._take(pod)
                self._put(pod, node)

    def _put(self, pod: int, node: int) -> None:
        self._pods.put(pod, node)
        self._occupants[node].append(pod)

    def _take(self, pod: int) -> None:
        self._occupants[self._pods.nodes[pod]].remove(pod)
        self._pods.take(pod)
