"""WOW: pods start only where all their inputs lie, and data is copied ahead to where they can start next.

Each round has three steps:

1   Pods with a free node on which all their inputs lie (prepared) are started: the highest rank (pods on the longest
    way to the end) first, then the most bytes.
2   Of the others, those that some node has room for are prepared there: the fewest prepared nodes first; the inputs
    that are missing are copied to the node that misses the fewest bytes.
3   Then those that no node has room for just now, by rank, in the same way.

On a node, one pod is prepared for at a time; for a pod, two nodes at a time, and in step 3 two in all. This is about
what pods of the workflow write; what was there before is read from every node, as it is there from the file system.

Source: Lehmann et al., arXiv 2503.13072. It differs in that step 1 is done greedily and not by a constraint solver of
ten seconds: each pod on the node that holds the most of what was there before, then the one that is prepared for the
fewest others, then the freest. And in that copies of step 3 share links like all others (there they have 70 of 100
parts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.plugins.data import cost, moves
from scheduler.simulate import scenario, scheduling
from scheduler.simulate.arms import base, graph, seen
from scheduler.state import snapshot, usage

_COPIED_TO: Final = 2  # its default


class Wow:
    """See the module."""

    def __init__(self, given: scenario.Scenario) -> None:
        of = graph.of(given)
        longest = of.upward(lambda _: 1.0, lambda _, __: 0.0)
        self._rank = {key: longest[number] for key, number in of.numbers.items()}
        self._written = of.writer
        self._prepared: dict[str, tuple[cost.DataCost, seen.Mask]] = {}  # by uid, and what it was found of
        self._copied: dict[str, set[str]] = {}  # by uid: the nodes to which anything was copied for it
        self._busy: dict[str, str] = {}  # by node: for whom it is being prepared

    def place(self, see: seen.Seen, waiting: Sequence[seen.Waiting]) -> Iterator[base.To | scheduling.Copy]:
        self._prepared = {one.uid: self._is_prepared(see, one) for one in waiting}
        prepared = {uid: mask for uid, (_, mask) in self._prepared.items()}
        self._forget(see.view, prepared)
        wanted = np.sum([*prepared.values()], axis=0)  # [slots] by how many
        left: list[seen.Waiting] = []
        for one in sorted(waiting, key=lambda one: (-self._rank.get(one.key, 0.0), -_bytes(see, one))):
            slots = see.feasible(one)
            ready = slots[prepared[one.uid][slots]]
            if len(ready):
                wanted = wanted - prepared[one.uid]
                free = see.view.offered[usage.CPU, ready] - see.view.taken[usage.CPU, ready]
                order = np.lexsort((-free, wanted[ready], see.missing_bytes(one)[ready]))
                yield base.To(one, int(ready[order[0]]))
            else:
                left.append(one)
        for one in sorted(left, key=lambda one: int(prepared[one.uid].sum())):
            slots = see.feasible(one)
            if len(slots) and len([uid for uid in self._busy.values() if uid == one.uid]) < _COPIED_TO:
                yield from self._prepare(see, one, slots)
        for one in left:
            if len(self._busy) == see.view.count:
                return
            if not len(see.feasible(one)) and len(self._copied.get(one.uid, ())) < _COPIED_TO:
                yield from self._prepare(see, one, np.flatnonzero(_big_enough(see.view, one) & ~prepared[one.uid]))

    def again_s(self) -> None:
        """Time changes nothing."""

    def _forget(self, view: snapshot.Snapshot, prepared: Mapping[str, seen.Mask]) -> None:
        """Who has started, what has come, and what will not, as its node is gone."""
        self._copied = {uid: nodes for uid, nodes in self._copied.items() if uid in prepared}
        self._busy = {
            node: uid
            for node, uid in self._busy.items()
            if uid in prepared and view.witnesses.is_ready(node) and not prepared[uid][view.index_of[node]]
        }

    def _is_prepared(self, see: seen.Seen, one: seen.Waiting) -> tuple[cost.DataCost, seen.Mask]:
        """[slots] whether all that a pod needs there lies there; and what that was found of."""
        found = see.cost(one)
        kept = self._prepared.get(one.uid)
        if kept is not None and kept[0] is found and len(kept[1]) == see.view.size:
            return kept
        prepared = np.ones(see.view.size, np.bool_)
        for move in self._needed(see, one):
            here = np.zeros(see.view.size, np.bool_)
            here[seen.holders(move)] = True
            prepared &= here
        return found, prepared

    def _needed(self, see: seen.Seen, one: seen.Waiting) -> list[moves.Move]:
        """The inputs of a pod that others of the workflow have written to nodes."""
        namespace = one.asked.pod.metadata.namespace
        return [
            move
            for move in see.cost(one).moves
            if not move.is_output and (namespace, move.urn) in self._written and seen.holders(move)
        ]

    def _prepare(self, see: seen.Seen, one: seen.Waiting, slots: seen.Ints) -> Iterator[scheduling.Copy]:
        """Have all that a pod lacks copied to that one of some nodes which lacks the fewest bytes of it."""
        view = see.view
        free = [slot for slot in slots.tolist() if view.names[slot] not in self._busy]
        if not free:
            return
        needed, missing = self._needed(see, one), np.zeros(view.size)
        for move in needed:
            missing += move.size_bytes
            missing[seen.holders(move)] -= move.size_bytes
        slot = min(free, key=missing.item)
        node = view.names[slot]
        self._busy[node] = one.uid
        self._copied.setdefault(one.uid, set()).add(node)
        for move in needed:
            if slot not in seen.holders(move):
                yield scheduling.Copy(one.asked.pod.metadata.namespace, move.urn, node)


def _big_enough(view: snapshot.Snapshot, one: seen.Waiting) -> seen.Mask:
    """[slots] those that would take a pod if nothing were there; what keeps others off by a taint is not looked at."""
    asked = one.asked.asked.vector[seen.ROWS]
    fits = (view.offered[seen.ROWS] >= asked[:, None]).all(axis=0)
    mask: seen.Mask = view.alive & ~view.unschedulable & (view.taint_set == 0) & fits
    return mask


def _bytes(see: seen.Seen, one: seen.Waiting) -> int:
    return sum([move.size_bytes for move in see.cost(one).moves if not move.is_output])
