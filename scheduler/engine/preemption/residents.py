"""Who would have to go from each of many nodes as far as room decides: all nodes at once, as vectors.

The pods of every node are kept in order of importance, as arrays, and looked up anew where a node's pods changed. All
of lower priority are thought to be gone; then each node's first one comes back, on all nodes at once, and stays where
the pod still fits; then the second, and so on: as many looks at all nodes as there are pods on the fullest of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler.engine import rows
from scheduler.engine.preemption import occupants
from scheduler.plugins import contract
from scheduler.state import changes, demand, snapshot

_FACETS: Final = changes.ALIVE | changes.USE | changes.COMPANY
_EVERY_PRIORITY: Final = 2**31


class _Node(NamedTuple):
    """The pods on a node, the most important first: who they are, and [pods] or [pods, rows] what they ask for."""

    who: Sequence[occupants.Occupant]
    priority: contract.Ints
    started_s: contract.Floats
    asked: contract.Ints
    scalars: Mapping[int, Mapping[str, int]]  # of those that ask for more than the fixed resources
    namespaces: frozenset[str]


class Crowd(NamedTuple):
    """The pods of lower priority on some nodes, node by node, in the order in which they may come back.

    Attributes:
        slots: The nodes, each with a pod or more.
        first: [nodes] the number of its first pod.
        owner: [pods] the number of its node.
        priority, started_s: [pods] as of occupants.Occupant.
        asked: [rows, pods] what they ask for, by the first rows of the view; none asks for more.
        who: [pods] the pods' numbers among those of the node.
        violating: [pods] whether a budget would not let it go.
    """

    slots: contract.Ints
    first: contract.Ints
    owner: contract.Ints
    priority: contract.Ints
    started_s: contract.Floats
    asked: contract.Ints
    who: contract.Ints
    violating: contract.Mask


class Residents:
    """The pods of every node by importance. Whoever uses it calls ``catch_up`` first."""

    def __init__(self) -> None:
        self._nodes: dict[int, _Node] = {}
        self._log: changes.Log | None = None
        self._seq = 0

    def catch_up(self, view: snapshot.Snapshot) -> None:
        """Forget what is another by now."""
        log = view.changes
        noted = log.since(self._seq) if log is self._log else None
        if noted is None:
            self._nodes.clear()
        else:
            for slot, facets in noted.items():
                if facets & _FACETS:
                    self._nodes.pop(slot, None)
        self._log, self._seq = log, log.seq

    def namespaces(self, view: snapshot.Snapshot, slot: int) -> frozenset[str]:
        """Those of the pods on a node."""
        return self._of(view, slot).namespaces

    def below(
        self, view: snapshot.Snapshot, slots: contract.Ints, priority: int, *, heeds_budgets: bool = False
    ) -> Crowd:
        """The pods of lower priority on nodes that all have some.

        Args:
            heeds_budgets: Whether to look which of them may not go; they are the first to come back.
        """
        nodes = [self._of(view, slot) for slot in slots.tolist()]
        sizes = np.array([len(node.who) for node in nodes])
        priorities = np.concatenate([node.priority for node in nodes])
        kept = np.flatnonzero(priorities < priority)
        starts = np.cumsum(sizes) - sizes
        owner = np.repeat(np.arange(len(nodes)), sizes)[kept]
        asked = _asked(view, nodes, starts)
        violating = np.zeros(len(kept), np.bool_)
        who = kept - starts[owner]
        if heeds_budgets:
            flags = [_violating(view, node, priority) for node in nodes]
            violating = np.array([flag for each in flags for flag in each], np.bool_)
            order = np.lexsort((who, ~violating, owner))
            kept, who, violating = kept[order], who[order], violating[order]
        return Crowd(
            slots=slots,
            first=np.searchsorted(owner, np.arange(len(nodes))),
            owner=owner,
            priority=priorities[kept],
            started_s=np.concatenate([node.started_s for node in nodes])[kept],
            asked=asked if len(kept) == len(priorities) and not heeds_budgets else asked[:, kept],
            who=who,
            violating=violating,
        )

    def victims(
        self, view: snapshot.Snapshot, crowd: Crowd, gone: contract.Mask, node: int
    ) -> tuple[occupants.Occupant, ...]:
        """Those of a crowd that go from one of its nodes, the most important first."""
        here = self._of(view, crowd.slots.item(node))
        numbers = crowd.who[(crowd.owner == node) & gone].tolist()
        return occupants.chosen(here.who, numbers)

    def _of(self, view: snapshot.Snapshot, slot: int) -> _Node:
        found = self._nodes.get(slot)
        if found is None:
            who = occupants.below(view, slot, _EVERY_PRIORITY)
            found = self._nodes[slot] = _Node(
                who=who,
                priority=np.array([one.priority for one in who], np.int64),
                started_s=np.array([one.started_s for one in who], np.float64),
                asked=np.array([one.placed.asked.vector for one in who], np.int64).reshape(-1, demand.FIXED),
                scalars={
                    number: one.placed.asked.scalars for number, one in enumerate(who) if one.placed.asked.scalars
                },
                namespaces=frozenset([one.placed.pod.metadata.namespace for one in who]),
            )
        return found


def _asked(view: snapshot.Snapshot, nodes: Sequence[_Node], starts: contract.Ints) -> contract.Ints:
    """[rows, pods] what the pods of some nodes ask for."""
    asked = np.ascontiguousarray(np.concatenate([node.asked for node in nodes]).T)
    more = [(start, node.scalars) for start, node in zip(starts.tolist(), nodes, strict=True) if node.scalars]
    if more:
        asked = np.pad(asked, ((0, len(view.taken) - len(asked)), (0, 0)))
    for start, of_node in more:
        for number, scalars in of_node.items():
            for name, amount in scalars.items():
                asked[view.resource_row[name], start + number] = amount
    return asked


def _violating(view: snapshot.Snapshot, node: _Node, priority: int) -> Iterator[bool]:
    return view.budgets.violating([one.placed.pod for one in node.who if one.priority < priority])


def taking(view: snapshot.Snapshot, taken: contract.Ints) -> snapshot.Snapshot:
    """The view as if so much were taken, as far as room is concerned."""
    return dataclasses.replace(view, taken=taken)


def emptied(crowd: Crowd, taken: contract.Ints) -> contract.Ints:
    """[rows, slots] what is taken without a crowd."""
    found = taken.copy()
    last = np.append(crowd.first[1:], len(crowd.owner)) - 1
    for row, amounts in zip(found, crowd.asked, strict=False):
        total = np.cumsum(amounts)
        row[crowd.slots] -= total[last] - total[crowd.first] + amounts[crowd.first]
    return found


def gone(
    view: snapshot.Snapshot, crowd: Crowd, taken: contract.Ints, filters: Sequence[rows.FilterRow]
) -> contract.Mask:
    """[pods] who of a crowd goes.

    Args:
        taken: [rows, slots] what is taken without them; written to.
        filters: Those that read of pods only what is taken; without the crowd, they let the pod pass on all its nodes.
    """
    found = np.zeros(len(crowd.owner), np.bool_)
    last = np.append(crowd.first[1:], len(crowd.owner))
    trial = taking(view, taken)
    for step in range(int((last - crowd.first).max())):
        back = crowd.first + step
        back = back[back < last]
        slots = crowd.slots[crowd.owner[back]]
        _add(taken, slots, crowd.asked, back)
        refused = np.zeros(len(slots), np.bool_)
        for row in filters:
            said = row.plugin.rows(row.asked, trial)
            if said is not None:
                refused |= said.code[slots] != contract.Code.SUCCESS
        found[back[refused]] = True
        _add(taken, slots[refused], crowd.asked, back[refused], sign=-1)
    return found


def _add(taken: contract.Ints, slots: contract.Ints, asked: contract.Ints, pods: contract.Ints, sign: int = 1) -> None:
    """Count in (sign 1) or out (sign -1) a pod on each of some nodes."""
    for row, amounts in zip(taken, asked, strict=False):
        row[slots] += sign * amounts[pods]


class Ranks(NamedTuple):
    """How nodes that lose pods rank, as occupants.Rank: [nodes] each."""

    nodes: contract.Ints
    violations: contract.Ints
    top: contract.Ints
    total: contract.Ints
    victims: contract.Ints
    age: contract.Floats

    def among(self, some: contract.Mask) -> Ranks:
        """Those of some of the nodes."""
        return Ranks(
            self.nodes[some],
            self.violations[some],
            self.top[some],
            self.total[some],
            self.victims[some],
            self.age[some],
        )

    def best(self) -> contract.Mask:
        """[nodes] those that tie for the best."""
        found = np.ones(len(self.nodes), np.bool_)
        for one in (self.violations, self.top, self.total, self.victims, self.age):
            found &= one == one[found].min()
        return found

    def at(self, number: int) -> occupants.Rank:
        """One of them."""
        return occupants.Rank(
            self.violations.item(number),
            self.top.item(number),
            self.total.item(number),
            self.victims.item(number),
            self.age.item(number),
        )


def ranks(crowd: Crowd, gone: contract.Mask) -> Ranks:
    """How the nodes rank from which some of a crowd go."""
    owner, priority = crowd.owner[gone], crowd.priority[gone]
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    count = np.diff(first, append=len(owner))
    top = np.maximum.reduceat(priority, first)
    oldest = np.where(priority == np.repeat(top, count), crowd.started_s[gone], np.inf)
    return Ranks(
        nodes=owner[first],
        violations=np.add.reduceat(crowd.violating[gone].astype(np.int64), first),
        top=top,
        total=np.add.reduceat(priority + occupants.ABOVE_PRIORITIES, first),
        victims=count,
        age=-np.minimum.reduceat(oldest, first),
    )
