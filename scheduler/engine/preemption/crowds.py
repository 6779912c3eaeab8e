"""Who would have to go from each of many nodes as far as room decides: all nodes at once, as vectors.

All pods of lower priority are thought to be gone; then each node's first one comes back, on all nodes at once, and
stays where the pod still fits; then the second, and so on: as many looks at all nodes as there are pods on the fullest
of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scheduler.engine import rows
from scheduler.engine.preemption import occupants
from scheduler.plugins import contract
from scheduler.state import snapshot


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
