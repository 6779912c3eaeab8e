"""Several pods at once: who goes where so that all of them together cost least, where they are in each other's way.

    plan    what each pod would cost on each node, and what is free there -> a node for each, together
    Share   a pod's part in that, when its turn comes

Pods are in each other's way if more of them like a node best than have room there. If nobody is, there is no plan: one
after the other they all get what is best for each. Else the pods are assigned together (scheduler.engine.assign): as
many as can be, and then for the least sum of costs.

A plan reckons with costs as they are before any of its pods is placed, and of all rules it knows only what pods take up
of a node, and which of them shun each other. So each pod is then decided by itself, by all filters and costs as they
are then, among the nodes whose room nobody else needs who is still to come: it goes where the plan says, unless
something is cheaper by now or that node refuses it. What one pod does otherwise than planned leaves the rest of the
plan as it is.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler.engine import apart, ranking
from scheduler.engine.assign import problem, solver
from scheduler.plugins import contract, request
from scheduler.state import snapshot

# What a node has of something that does not limit it; whoever asks for more asks for that. Exact as a float.
_PLENTY: Final = 1 << 50
_SLOT: Final = "pods"

Amounts = contract.Ints


class Wish(NamedTuple):
    """A pod that is to be placed.

    Attributes:
        costs: [slots] what it costs on each node by itself; infinite where it may not go.
        cost_of_a_second: What a second of its transfers costs.
        weight: How much it counts beside the others, above 0 and up to 1.
    """

    asked: request.PodRequest
    costs: contract.Floats
    cost_of_a_second: float
    weight: float = 1.0

    @property
    def uid(self) -> str:
        return self.asked.pod.metadata.uid


class Share(NamedTuple):
    """A pod's part in a plan.

    Attributes:
        node: Where it is to go.
        alone: Where it would go if each took what is best for it when its turn comes; "" where that is nowhere.
        forgone_s: What it gives up for the others, as seconds of transfers: by so much it would have it better there.
        is_second_best: Whether it would cost less elsewhere if there were room for it.
    """

    of: Plan
    node: str
    alone: str
    forgone_s: float
    is_second_best: bool


class Plan:
    """What came of planning together.

    Attributes:
        shares: By pod uid; who fits nowhere has none.
        size: Pods that were planned for.
        cost, bound: What those with a node cost together, and what it would at least.
        saved_s: Seconds of transfers, or what is worth as much, less than if each took what is best for it.
        is_contested: Whether anybody was in anybody's way, so that there was something to plan.
    """

    def __init__(
        self,
        *,
        size: int,
        cost: float,
        bound: float,
        saved_s: float,
        resources: Sequence[str] = (_SLOT,),
        groups: Sequence[apart.Group] = (),
    ) -> None:
        self.shares: dict[str, Share] = {}
        self.size = size
        self.cost = cost
        self.bound = bound
        self.saved_s = saved_s
        self._resources = resources
        self._groups = groups
        self._column_of: dict[str, int] = {}  # node -> column of what is needed there
        self._needed: Amounts = np.zeros((len(resources), 0), np.int64)
        self._asks: dict[str, Amounts] = {}  # by uid: of those who are still to come

    @property
    def is_contested(self) -> bool:
        return bool(self.shares)

    @property
    def gap_ratio(self) -> float:
        """By what part of it the cost may be above the least there is."""
        return max(0.0, self.cost - max(0.0, self.bound)) / self.cost if self.cost > 0 else 0.0

    def put(self, share: Share, uid: str, asks: Amounts) -> None:
        """A pod's part; what it ``asks`` for, by resource, is kept for it until it is ``done``."""
        self.shares[uid] = share
        column = self._column_of.setdefault(share.node, len(self._column_of))
        if column == self._needed.shape[1]:
            self._needed = np.pad(self._needed, ((0, 0), (0, max(8, column))))
        self._needed[:, column] += asks
        self._asks[uid] = asks

    def done(self, uid: str) -> None:
        """Nothing is kept any more for a pod: it is decided about, is another one by now, or is gone."""
        asks = self._asks.pop(uid, None)
        if asks is not None:
            self._needed[:, self._column_of[self.shares[uid].node]] -= asks

    def kept(self, view: snapshot.Snapshot, asked: request.PodRequest) -> contract.Mask:
        """[slots] those whose room others need who are still to come, so that a pod that is ``done`` finds none."""
        slots = np.array([view.index_of.get(node, -1) for node in self._column_of], np.int64)
        needed = self._needed[:, : len(slots)]
        others = np.flatnonzero((slots >= 0) & (needed[self._resources.index(_SLOT)] > 0))
        slots = slots[others]
        asks = _asks(asked, self._resources)
        room = free(view, self._resources, slots) - needed[:, others]
        node_of = {uid: self.shares[uid].node for uid in self._asks} if self._groups else {}
        found = apart.shut(view, self._groups, asked.pod.metadata.uid, node_of)
        found[slots[((room < asks[:, np.newaxis]) & (asks[:, np.newaxis] > 0)).any(axis=0)]] = True
        return found


def best(share: Share, view: snapshot.Snapshot, asked: request.PodRequest, costs: contract.Floats) -> ranking.Slots:
    """The slots to choose among for a pod with a part in a plan, which is ``done`` there; empty where none is left.

    Args:
        costs: [slots] as they are now.
    """
    planned = view.index_of.get(share.node, -1)
    left = costs.copy()
    left[share.of.kept(view, asked)] = np.inf
    ranked = ranking.Ranking(left)
    least = left.item(left.argmin())
    if planned >= 0 and np.isfinite(costs.item(planned)) and costs.item(planned) <= least + ranking.TIE:
        return array.array("q", (planned,))
    return ranked.best if np.isfinite(least) else array.array("q")


class _Asked(NamedTuple):
    """What pods wish and what there is, by number: [pods, slots], the slots, [pods, resources], [slots, resources]."""

    costs: contract.Floats
    slots: contract.Ints
    asks: Amounts
    room: Amounts
    resources: tuple[str, ...]

    @classmethod
    def of(cls, view: snapshot.Snapshot, wishes: Sequence[Wish]) -> _Asked:
        resources = (_SLOT, *dict.fromkeys(name for wish in wishes for name in _names(wish.asked)))
        costs = np.stack([wish.costs for wish in wishes])
        slots = np.flatnonzero(np.isfinite(costs).any(axis=0))
        priority = wishes[0].asked.pod.spec.priority
        return cls(
            costs=costs[:, slots],
            slots=slots,
            asks=np.stack([_asks(wish.asked, resources) for wish in wishes]),
            room=np.maximum(free(view, resources, slots, kept_from=priority), 0).T,
            resources=resources,
        )

    def is_contested(self) -> bool:
        """Whether some node has not room for all who like it best, so that their order matters."""
        least = self.costs.min(axis=1, initial=np.inf)
        likes = (self.costs <= least[:, np.newaxis] + ranking.TIE) & np.isfinite(self.costs)
        wanted = likes.T.astype(np.float64) @ self.asks.astype(np.float64)
        return bool((wanted > self.room).any())

    def uncontested(self) -> Plan:
        least = self.costs.min(axis=1, initial=np.inf)
        whole = float(least[np.isfinite(least)].sum())
        return Plan(size=len(self.costs), cost=whole, bound=whole, saved_s=0.0)


def uncontested(view: snapshot.Snapshot, wishes: Sequence[Wish]) -> Plan | None:
    """What comes of pods that are in nobody's way; None where they may be."""
    if apart.groups(view, [wish.asked for wish in wishes]):
        return None
    asked = _Asked.of(view, wishes)
    return None if asked.is_contested() else asked.uncontested()


def plan(view: snapshot.Snapshot, wishes: Sequence[Wish], *, steps: int, seed: int) -> Plan:
    """Find a node for each of some pods of one priority, whose order is that in which they would have their turns.

    Args:
        steps: How much work may be done.
        seed: Of all chance.
    """
    asked = _Asked.of(view, wishes)
    groups = apart.groups(view, [wish.asked for wish in wishes])
    if not groups and not asked.is_contested():
        return asked.uncontested()
    costs, slots, asks = asked.costs, asked.slots, asked.asks
    domains = apart.limits(view, groups, [wish.uid for wish in wishes], slots)
    weights = np.array([wish.weight for wish in wishes])
    given = problem.Problem(costs * weights[:, np.newaxis], asks, asked.room, domains)
    found = solver.solve(given, steps=steps, seed=seed)
    if (found.nodes[found.in_turn >= 0] < 0).any():  # more fit if those of them wait who need most, but not for ever
        in_turn = [wish for wish, node in zip(wishes, found.in_turn.tolist(), strict=True) if node >= 0]
        return plan(view, in_turn, steps=steps, seed=seed)
    made = Plan(
        size=len(wishes), cost=found.cost, bound=found.bound, saved_s=0.0, resources=asked.resources, groups=groups
    )
    _tell(view, wishes, found, made, costs=costs, slots=slots, asks=asks)
    return made


def free(
    view: snapshot.Snapshot, resources: Sequence[str], slots: contract.Ints, *, kept_from: int | None = None
) -> Amounts:
    """[resources, slots] what is free; plenty of what a node does not count.

    Args:
        kept_from: Less what is kept for nominated pods of this priority and above.
    """
    room = np.full((len(resources), len(slots)), _PLENTY, np.int64)
    for number, name in enumerate(resources):
        row = view.resource_row.get(name)
        if row is not None:
            offered = view.offered[row, slots]
            # Where a filter passes a node that offers none of something, that is had in another way (by a claim, say).
            room[number] = np.where(offered > 0, offered - view.taken[row, slots], _PLENTY)
    if kept_from is not None and view.expected:
        column_of = {slot: column for column, slot in enumerate(slots.tolist())}
        for other in view.expected.values():
            column = column_of.get(view.index_of.get(other.node, -1))
            if column is not None and other.pod.spec.priority >= kept_from:
                room[:, column] -= [1 if name == _SLOT else other.asked.amount(name) for name in resources]
    return room


def _names(asked: request.PodRequest) -> list[str]:
    """The resources that a pod asks for."""
    return [name for name in ("cpu", "memory", "ephemeral-storage", *asked.asked.scalars) if asked.asked.amount(name)]


def _asks(asked: request.PodRequest, resources: Sequence[str]) -> Amounts:
    """[resources] how much of each."""
    return np.array([1 if name == _SLOT else min(asked.asked.amount(name), _PLENTY) for name in resources], np.int64)


def _tell(
    view: snapshot.Snapshot,
    wishes: Sequence[Wish],
    found: problem.Plan,
    made: Plan,
    *,
    costs: contract.Floats,
    slots: contract.Ints,
    asks: Amounts,
) -> None:
    """Put down what was found by pods and nodes, and what each gives up or gets for the sake of all."""
    for number, (wish, node, own) in enumerate(zip(wishes, found.nodes.tolist(), found.in_turn.tolist(), strict=True)):
        if node < 0:
            continue
        forgone_s = 0.0
        if own >= 0 and wish.cost_of_a_second > 0:
            forgone_s = float(costs[number, node] - costs[number, own]) / wish.cost_of_a_second
        made.saved_s -= forgone_s
        name = view.names[slots.item(node)]
        there = view.names[slots.item(own)] if own >= 0 else ""
        is_second_best = bool(costs[number, node] > costs[number].min() + ranking.TIE)
        made.put(Share(made, name, there, forgone_s, is_second_best), wish.uid, asks[number])
