"""Room for pods that stand nowhere: nodes may hold more than fits while it is sought who had better stand elsewhere.

All pods are placed, but for so many as may be left out. What is too much is then moved off the nodes that are overfull:
a pod of one of them goes elsewhere, or changes places with another, whatever makes most of the excess vanish, even if
that makes another node overfull. Where nothing helps, what is too much there counts for more from then on; and whoever
left a node does not come back for a while (Glover's tabu search; weights as in Yagiura, Ibaraki and Glover, An ejection
chain approach for the generalized assignment problem, INFORMS Journal on Computing 16 (2004)). To be left out is to
stand on one more node, which has room for so many pods. What pods cost is not looked at: the plan that comes of it is
made cheaper afterwards.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.engine.assign import budget, problem, standing

_LOOK: Final = 8  # steps that one look for a move takes, and those that it takes for each number looked at
_HEAVIER: Final = 0.3  # of what an excess weighs at first, added where nothing helps
_AWAY: Final = (4, 12)  # moves before a pod may come back, from and below
_CHANCE: Final = 1e-3  # of the mean of what pods ask for: who saves as much is chosen by chance


def fewest_missing(pods: standing.Standing) -> int:
    """No plan leaves fewer pods out: by each rule alone, were all nodes one and the smallest pods placed first."""
    rules = pods.table.rules
    fewest = int((~np.isfinite(pods.table.at.min(1))).sum())
    for ask, slots in zip(rules.asks.T, rules.slots, strict=True):
        room = rules.free[np.unique(slots)].sum()
        fewest = max(fewest, int((np.sort(ask).cumsum() > room).sum()))
    return fewest


def run(pods: standing.Standing, rng: np.random.Generator, fewest: int, *, until: int, work: budget.Budget) -> None:
    """Place as many as can be until so few are left out, or only ``until`` of the budget is left."""
    if pods.missing <= fewest or work.left <= until:
        return
    best, nodes = pods.missing, pods.nodes.copy()
    search = _Search(pods, rng)
    while best > fewest:
        search.allow(best - 1)
        while search.is_overfull and work.left > until:
            work.take(_LOOK)
            work.spend(search.relieve())
        if search.is_overfull:
            break
        pods.set(search.nodes)
        if pods.missing >= best:
            break
        best, nodes = pods.missing, pods.nodes.copy()
    pods.set(nodes)


class _Search:
    """Pods on nodes, the last of which is for those that are left out; room may be below zero.

    Limits are those of the table and one more, of those that are left out.
    """

    __slots__ = ("_asks", "_away", "_banned", "_free", "_now", "_rng", "_slots", "_turn", "_unit", "_weights")

    def __init__(self, pods: standing.Standing, rng: np.random.Generator) -> None:
        limits, (count, width) = pods.table.limits, pods.table.costs.shape
        plenty = len(limits.free)  # slot of those who draw on nothing; the next one is of those that are left out
        rows = len(limits.slots)
        self._rng = rng
        self._asks = np.vstack((limits.asks.T, np.ones(count)))
        self._slots = np.full((rows + 1, width + 1), plenty)
        self._slots[:rows, :width] = limits.slots
        self._slots[rows, width] = plenty + 1
        self._unit = np.ones(plenty + 2)
        for slots, asks in zip(limits.slots, limits.asks.T, strict=True):
            self._unit[slots] = 1 / max(float(asks.mean()), 1e-12)
        self._weights = self._unit.copy()
        self._banned = np.zeros((count, width + 1), bool)
        self._banned[:, :width] = ~np.isfinite(pods.table.costs)
        self._away = np.zeros((count, width + 1), np.int64)
        self._turn = 0
        self._now = np.array(pods.nodes)
        self._now[self._now < 0] = width
        self._free = np.concatenate((limits.free, (np.inf, 0.0)))
        for slots, asks in zip(self._slots, self._asks, strict=True):
            np.subtract.at(self._free, slots[self._now], asks)

    def allow(self, left_out: int) -> None:
        """Leave so many pods out, and no more."""
        width = self._slots.shape[1] - 1
        self._free[-1] = left_out - int((self._now == width).sum())

    @property
    def is_overfull(self) -> bool:
        return bool((self._free < 0).any())

    @property
    def nodes(self) -> list[int]:
        """[pods] where they stand, whether there is room or not."""
        width = self._slots.shape[1] - 1
        return [node if node < width else problem.NOWHERE for node in self._now.tolist()]

    def relieve(self) -> int:
        """Move a pod off a node that is overfull, or have it change places; returns how many numbers were looked at."""
        self._turn += 1
        overfull = (self._free < 0).nonzero()[0]
        crowded = overfull[self._rng.integers(len(overfull))]
        who = ((self._slots[:, self._now] == crowded) & (self._asks > 0)).any(0).nonzero()[0]
        saves = self._saves(who)
        saves += self._rng.random(saves.shape) * _CHANCE
        row, place = divmod(int(saves.argmax()), saves.shape[1])
        most = saves.item(row, place)
        if most < 10 * _CHANCE:
            self._weights[overfull] += _HEAVIER * self._unit[overfull]
        if most > -np.inf:
            width, pod = self._slots.shape[1], who.item(row)
            if place < width:
                self._move(pod, place)
            else:
                other = place - width
                node = self._now.item(pod)
                self._move(pod, self._now.item(other))
                self._move(other, node)
        return 2 * saves.size * len(self._slots)

    def _saves(self, who: problem.Ints) -> problem.Floats:
        """[who, nodes + pods] by how much all that is too much becomes less if they go there, or into a pod's place.

        To go to a node is to change places with nobody, who asks for nothing. Minus infinity where one of them may not
        go or was a short while ago.
        """
        nodes, now = np.arange(self._slots.shape[1]), self._now
        here, there = self._slots[:, now[who], None], self._slots[:, None, np.concatenate((nodes, now))]
        more = (
            self._asks[:, who, None]
            - np.concatenate((np.zeros((len(self._slots), len(nodes))), self._asks), 1)[:, None]
        )
        saves: problem.Floats = np.where(here == there, 0, self._saved(here, more) + self._saved(there, -more)).sum(0)
        shut = self._banned[who] | (self._away[who] > self._turn) | (nodes == now[who, None])
        back = self._banned[:, now[who]] | (self._away[:, now[who]] > self._turn)
        saves[np.concatenate((shut, shut[:, now] | back.T), 1)] = -np.inf
        return saves

    def _saved(self, slots: problem.Ints, more: problem.Floats) -> problem.Floats:
        """What becomes less of what is too much if so much more is free."""
        lacks = -self._free[slots]
        saved: problem.Floats = self._weights[slots] * (np.maximum(lacks, 0) - np.maximum(lacks - more, 0))
        return saved

    def _move(self, pod: int, node: int) -> None:
        left = self._now.item(pod)
        self._away[pod, left] = self._turn + int(self._rng.integers(*_AWAY))
        self._free[self._slots[:, left]] += self._asks[:, pod]
        self._free[self._slots[:, node]] -= self._asks[:, pod]
        self._now[pod] = node
