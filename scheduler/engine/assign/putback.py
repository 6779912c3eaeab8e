"""The best way to put a few pods back that were taken off their nodes, by branch and bound.

What is cut off is told by prices of what is scarce: whatever these are, the group cannot cost less than what each pays
with the price where that is least, less what all that is free then is worth at these prices.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from scheduler.engine.assign import prices, problem, standing, table

LOOKED: Final = 500  # places tried at most, where nothing else is said


class Scarce:
    """What is scarce, at its price.

    Attributes:
        paid: [kinds, nodes] what a pod pays for what it takes there.
    """

    __slots__ = ("_kind", "_worth", "paid")

    def __init__(self, prepared: table.Table, priced: prices.Priced) -> None:
        self.paid = priced.paid(prepared)
        self._worth = priced.worth(prepared)
        self._kind = prepared.kind

    def left(self, nodes: list[int]) -> float:
        """What is worth that which pods leave free that stand there."""
        stand = np.array(nodes)
        placed = (stand >= 0).nonzero()[0]
        return self._worth - float(self.paid[self._kind[placed], stand[placed]].sum())

    def prices(self, pods: problem.Ints, nodes: problem.Ints) -> problem.Floats:
        """[pods, nodes] what pods pay on nodes that are given for each."""
        found: problem.Floats = self.paid[self._kind[pods][:, None], nodes]
        return found


def put_back(
    pods: standing.Standing, scarce: Scarce, group: list[int], among: list[int] | None = None, *, most: int = LOOKED
) -> int:
    """Take pods off their nodes and put them back better than they stood, or as they stood; returns places tried.

    If these are fewer than ``most``, there is no better way to put them back.

    Args:
        pods: Where all stand.
        scarce: Tells what need not be tried.
        group: Those that are put back.
        among: Nodes that they may go to; None where any of their candidates will do.
        most: Places that may be tried.
    """
    before = [pods.nodes[pod] for pod in group]
    cost = pods.cost
    for pod, node in zip(group, before, strict=True):
        if node >= 0:
            pods.take(pod)
    upper = cost - pods.cost + pods.table.penalty * before.count(problem.NOWHERE)
    search = _Search(pods, scarce, group, upper, among=among, most=most)
    found = search.found
    for pod, node in zip(group, before, strict=True) if found is None else found.items():
        if node >= 0:
            pods.put(pod, node)
    if found is None:
        pods.cost = cost  # to the bit
    return search.looked


class _Place(NamedTuple):
    """Where a pod may go.

    Attributes:
        pays: What it costs there, with the price.
        cost: The same without the price.
        needs: What it takes there, by slot of ``table.Limits.free``.
    """

    pays: float
    cost: float
    node: int
    needs: list[tuple[int, float]]


class _Search:
    """Pods in turn, those with the least choice first, each first where it costs least with the price.

    Attributes:
        found: The nodes of all, if that costs less than before.
        looked: Places tried.
    """

    __slots__ = ("_best", "_free", "_most", "_order", "_places", "_pods", "_rest", "_worth", "found", "looked")

    def __init__(
        self,
        pods: standing.Standing,
        scarce: Scarce,
        group: list[int],
        upper: float,
        *,
        among: list[int] | None,
        most: int,
    ) -> None:
        self._pods = pods
        self._most = most
        self._best = upper - pods.table.least
        self._worth = scarce.left(pods.nodes)
        self._free: dict[int, float] = {}
        self.looked = 0
        self.found: dict[int, int] | None = None
        places, least = self._prepared(scarce, np.array(group), among)
        if not places:
            return
        sizes = pods.table.sizes.tolist()
        order = sorted(range(len(group)), key=lambda one: (0 if among else len(places[one]), -sizes[group[one]], one))
        self._order = [group[one] for one in order]
        self._places = [places[one] for one in order]
        self._rest = [0.0]  # what those from each on pay at least
        for one in reversed(order):
            self._rest.append(self._rest[-1] + least[one])
        self._rest.reverse()
        self._descend(0, 0.0, 0.0, [])

    def _prepared(
        self, scarce: Scarce, group: problem.Ints, among: list[int] | None
    ) -> tuple[list[list[_Place]], list[float]]:
        """The places of each pod that may be part of something better, and what it pays at least; none if none may."""
        pods, prepared = self._pods, self._pods.table
        nodes = prepared.candidates[group] if among is None else np.tile(np.array(among, np.int64), (len(group), 1))
        costs = prepared.costs[group[:, None], nodes]
        fits = np.isfinite(costs)
        for ask, slots in zip(prepared.limits.asks[group].T[:, :, None], prepared.limits.slots, strict=True):
            fits &= (ask <= pods.free[slots[nodes]]) | (ask == 0)
        if pods.shared is not None:
            costs = costs + np.stack([pods.shared.adds(pod, at) for pod, at in zip(group.tolist(), nodes, strict=True)])
        pays = np.where(fits, costs + scarce.prices(group, nodes), np.inf)
        least = pays.min(1, initial=prepared.penalty)
        slack = self._best + self._worth - float(least.sum())
        if slack < 0:
            return [], []
        pays[pays > least[:, None] + slack] = np.inf
        order, counts = pays.argsort(1, kind="stable").tolist(), np.isfinite(pays).sum(1).tolist()
        nowhere = _Place(prepared.penalty, prepared.penalty, problem.NOWHERE, [])
        found = []
        for row, pod in enumerate(group.tolist()):
            asks = [(number, ask) for number, ask in enumerate(prepared.limits.asks[pod].tolist()) if ask]
            at = order[row][: counts[row]]
            there = nodes[row, at]
            slots = prepared.limits.slots[:, there]
            self._free.update(zip(slots.ravel().tolist(), pods.free[slots].ravel().tolist(), strict=True))
            found.append(
                [
                    _Place(pay, cost, node, [(draws[number], ask) for number, ask in asks])
                    for pay, cost, node, draws in zip(
                        pays[row, at].tolist(), costs[row, at].tolist(), there.tolist(), slots.T.tolist(), strict=True
                    )
                ]
            )
            if prepared.penalty <= least[row] + slack:
                found[-1].append(nowhere)
        return found, least.tolist()

    def _descend(self, index: int, cost: float, pays: float, nodes: list[int]) -> None:
        """Place the pods from one on, where those before cost and pay so much."""
        if index == len(self._order):
            if cost <= self._best:  # not so if they wait for each other, or if something worth a price stays free
                self._best = cost - self._pods.table.least
                self.found = dict(zip(self._order, nodes, strict=True))
            return
        free, shared, pod = self._free, self._pods.shared, self._order[index]
        rest = self._rest[index + 1] - self._worth
        for place in self._places[index]:
            if pays + place.pays + rest > self._best or self.looked >= self._most:
                return
            self.looked += 1
            if any(free[slot] < ask for slot, ask in place.needs):
                continue
            for slot, ask in place.needs:
                free[slot] -= ask
            own = place.cost
            if shared is not None and place.node >= 0:
                own = self._pods.table.costs.item(pod, place.node) + shared.add(pod, place.node)
            self._descend(index + 1, cost + own, pays + place.pays + own - place.cost, [*nodes, place.node])
            if shared is not None and place.node >= 0:
                shared.remove(pod, place.node)
            for slot, ask in place.needs:
                free[slot] += ask
