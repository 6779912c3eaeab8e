"""Better plans by way of such as cannot be: nodes hold more than fits while it is sought who should stand elsewhere.

A pod goes elsewhere, or changes places with another, whatever makes most of what is too much vanish and saves most,
even if that makes a node overfull. While any is, what is too much weighs more from look to look, and all the more where
nothing helps; when all fits it weighs less, so that the search goes to and fro over the edge of what fits, where the
cheapest plans are. Whoever left a node does not come back for a while (Glover's tabu search; weights as in Yagiura,
Ibaraki and Glover, An ejection chain approach for the generalized assignment problem, INFORMS Journal on Computing 16
(2004)). To be left out is to stand on one more node, which has room for so many pods and costs nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.engine.assign import budget, problem, standing

_LOOK: Final = 10  # steps that one look for a move takes, beside those for the numbers looked at
_HEAVIER: Final = 1.0  # what an excess weighs at first is added so often where nothing helps
_FOREVER: Final = 1 << 60  # until when a pod may not go where it stands, or may not stand
_AWAY: Final = (4, 12)  # moves before a pod may come back, from and below
_CHANCE: Final = 1e-3  # of what pods ask for and cost in the mean: who saves as much is chosen by chance
_LITTLE: Final = 0.01  # how much costs weigh while it is sought how more can be placed
_STRICTER: Final = 1.03  # how much more what is too much weighs after each look at which something is
_LAXER: Final = 0.9  # how much less after others
_ASKED: Final = 6  # pods that are looked at, at most


def fewest_missing(pods: standing.Standing) -> int:
    """No plan leaves fewer pods out: by each rule alone, were all nodes one and the smallest pods placed first."""
    rules = pods.table.rules
    fewest = int((~np.isfinite(pods.table.at.min(1))).sum())
    for ask, slots in zip(rules.asks.T, rules.slots, strict=True):
        room = rules.free[np.unique(slots)].sum()
        fewest = max(fewest, int((np.sort(ask).cumsum() > room).sum()))
    return fewest


def place_more(
    pods: standing.Standing, rng: np.random.Generator, fewest: int, *, until: int, work: budget.Budget
) -> None:
    """Place as many as can be until so few are left out, or only ``until`` of the budget is left."""
    if pods.missing <= fewest or work.left <= until:
        return
    best, nodes = pods.missing, pods.nodes.copy()
    search = _Search(pods, rng, _LITTLE)
    while best > fewest:
        search.allow(best - 1)
        while search.is_overfull and work.left > until:
            work.take(_LOOK)
            work.spend(search.look())
        if search.is_overfull:
            break
        pods.set(search.nodes)
        if pods.missing >= best:
            break
        best, nodes = pods.missing, pods.nodes.copy()
    pods.set(nodes)


def cheapen(
    pods: standing.Standing, rng: np.random.Generator, bound: float, *, until: int, work: budget.Budget
) -> None:
    """Place as many, for less, until only ``until`` of the budget is left, or all are placed at what is the least.

    What transfers share is not looked at.
    """
    if not pods.table.limits.asks.size:
        return
    cost, nodes = pods.cost, pods.nodes.copy()
    search = _Search(pods, rng, 1.0)
    search.allow(pods.missing)
    while work.left > until and (pods.missing or cost > bound + pods.table.least):
        work.take(_LOOK)
        work.spend(search.look())
        if search.cost < cost - pods.table.least and not search.is_overfull:
            cost, nodes = search.cost, search.nodes
    pods.set(nodes)


class _Search:
    """Pods on nodes, the last of which is for those that are left out; room may be below zero.

    Limits are those of the table and one more, of those that are left out.

    Attributes:
        cost: Of the pods where they stand.
    """

    __slots__ = (
        "_asks",
        "_away",
        "_costs",
        "_free",
        "_now",
        "_of_places",
        "_places",
        "_rng",
        "_slots",
        "_stay",
        "_strict",
        "_there",
        "_turn",
        "_unit",
        "_weights",
        "_worth",
        "cost",
    )

    def __init__(self, pods: standing.Standing, rng: np.random.Generator, care: float) -> None:
        """Begin where they stand; what the mean pod costs weighs ``care`` times as much as what it asks for."""
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
        self._weights, self._strict, self._turn = self._unit.copy(), 1.0, 0
        # A place is a node, or, numbered after these, that of a pod.
        now = np.where(np.array(pods.nodes) < 0, width, pods.nodes)
        self._places = np.concatenate((np.arange(width + 1), now))
        self._now = self._places[width + 1 :]  # a view
        self._there = self._slots[:, self._places]
        self._of_places = np.pad(self._asks, ((0, 0), (width + 1, 0)))
        finite = np.isfinite(pods.table.costs)
        self._costs = np.pad(np.where(finite, pods.table.costs, 0), ((0, 0), (0, 1)))
        self._stay = self._costs[np.arange(count), now]
        self._worth = care * max(count - pods.missing, 1) / max(abs(pods.cost), pods.table.least)
        self._away = np.pad(np.where(finite, 0, _FOREVER), ((0, 0), (0, 1)))
        self._away[np.arange(count), now] = _FOREVER
        self._free = np.concatenate((limits.free, (np.inf, 0.0)))
        for slots, asks in zip(self._slots, self._asks, strict=True):
            np.subtract.at(self._free, slots[now], asks)
        self.cost = pods.cost

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

    def look(self) -> int:
        """Move a pod, or have two change places; returns how many numbers were looked at.

        It is one of a node that is overfull, whatever it costs; else any, if that saves something.
        """
        self._turn += 1
        overfull = (self._free < 0).nonzero()[0]
        if len(overfull):
            crowded = overfull[self._rng.integers(len(overfull))]
            who = ((self._there == crowded) & (self._of_places > 0)).any(0).nonzero()[0] - self._slots.shape[1]
            if len(who) > _ASKED:
                who = self._rng.choice(who, _ASKED, replace=False)
        else:
            who = self._rng.integers(len(self._now), size=_ASKED)
        self._strict *= _STRICTER if len(overfull) else _LAXER
        saves = self._saves(who)
        saves += self._rng.random(saves.shape) * _CHANCE
        row, place = divmod(int(saves.argmax()), saves.shape[1])
        most = saves.item(row, place)
        if most < 10 * _CHANCE:
            self._weights[overfull] += _HEAVIER * self._unit[overfull]
        if most > (-np.inf if len(overfull) else 0):
            self._move_to(who.item(row), place)
        return saves.size * len(self._slots)

    def _saves(self, who: problem.Ints) -> problem.Floats:
        """[who, places] how much better it is if they go there; whose place it is comes here.

        To go to a node is to change places with nobody, who asks for nothing. Minus infinity where one of them may not
        go, stands or was a short while ago.
        """
        now, there = self._now[who], self._there[:, None]
        here, nodes = self._slots[:, now, None], self._slots.shape[1]
        more = self._asks[:, who, None] - self._of_places[:, None]
        lighter = self._lighter(here, more)
        lighter += self._lighter(there, -more)
        lighter[here == there] = 0
        dearer = self._costs[who][:, self._places]
        dearer[:, nodes:] += self._costs[:, now].T - self._stay
        saves: problem.Floats = self._strict * lighter.sum(0) + self._worth * (self._stay[who, None] - dearer)
        shut = (self._away[who] > self._turn)[:, self._places]
        shut[:, nodes:] |= (self._away[:, now] > self._turn).T
        saves[shut] = -np.inf
        return saves

    def _lighter(self, slots: problem.Ints, more: problem.Floats) -> problem.Floats:
        """What becomes less of what is too much if so much more is free."""
        lacks = -self._free[slots]
        less: problem.Floats = self._weights[slots] * (np.maximum(lacks, 0) - np.maximum(lacks - more, 0))
        return less

    def _move_to(self, pod: int, place: int) -> None:
        """To a node, or, numbered after these, into the place of a pod, which comes here."""
        other = place - self._slots.shape[1]
        if other >= 0:
            place = self._now.item(other)
            self._move(other, self._now.item(pod))
        self._move(pod, place)

    def _move(self, pod: int, node: int) -> None:
        left, asks = self._now.item(pod), self._asks[:, pod]
        self._away[pod, left] = self._turn + int(self._rng.integers(*_AWAY))
        self._away[pod, node] = _FOREVER
        self._free[self._slots[:, left]] += asks
        self._free[self._slots[:, node]] -= asks
        self._now[pod] = node
        self._there[:, self._slots.shape[1] + pod] = self._slots[:, node]
        self.cost += self._costs.item(pod, node) - self._stay.item(pod)
        self._stay[pod] = self._costs[pod, node]
