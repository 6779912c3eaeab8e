"""How evenly some pods are spread over the domains of a label, as far as only some nodes count.

A spread is kept up to date pod by pod, and with it how few pods a domain has, so that what PodTopologySpread asks takes
no time that grows with pods or nodes. It holds for the nodes as they were when it was made: once a node comes, goes, or
gets other labels or taints, another one is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.state import changes, labels

Ints = NDArray[np.int64]

# What upstream takes as the least of no domain at all (math.MaxInt32).
_NO_DOMAIN: Final = 2**31 - 1


class Spread:
    """Pods by domain.

    Args:
        column: The label; None where no node has it.
        counted: [nodes] which nodes count.
        with_blank: Nodes without the label are one domain with those where it is empty.
        log: What it is up to date with.

    Attributes:
        least: How many pods the domain with the fewest has, of those of which a node counts.
        count: How many such domains there are.
        changed_seq, least_seq: The states of the log in which a domain, and in which the least, was another last.
    """

    __slots__ = ("_column", "_counted", "_held", "_layout_seq", "_log", "_pods", "changed_seq", "count", "least",
                 "least_seq")  # fmt: skip

    def __init__(
        self, column: labels.Column | None, counted: NDArray[np.bool_], log: changes.Log, *, with_blank: bool = False
    ) -> None:
        column = column or labels.Column(len(counted))
        ids = column.ids[: len(counted)]
        blank = column.values.get("")
        if with_blank and blank is not None:
            ids = np.where(ids < 0, np.int32(blank), ids)
        self._column = column
        self._counted: NDArray[np.int32] = np.where(counted, ids, np.int32(-1))
        self._pods = np.zeros(column.width + 1, np.int64)  # by id; the last for -1, nodes without the label, stays 0
        self.count = len(self._domains())
        self._held = {0: self.count} if self.count else {}  # pods -> how many domains have as many
        self._log = log
        self._layout_seq = log.layout_seq
        self.least = 0 if self.count else _NO_DOMAIN
        self.changed_seq = self.least_seq = log.seq

    def __len__(self) -> int:
        return len(self._pods)

    @property
    def holds(self) -> bool:
        """Whether the nodes are as they were when it was made."""
        return self._layout_seq == self._log.layout_seq

    def fill(self, slots: Sequence[int], pods: Sequence[int]) -> None:
        """Count many pods in at once, where none is counted yet."""
        at = self._counted[np.array(slots, np.int64)]
        weights = np.array(pods, np.int64)[at >= 0]
        self._pods[:-1] = np.bincount(at[at >= 0], weights=weights, minlength=len(self._pods) - 1)  # exact below 2**53
        self._held = dict(Counter(self._pods[self._domains()].tolist()))
        self.least = min(self._held, default=_NO_DOMAIN)

    def step(self, slot: int, pods: int) -> None:
        """Count pods on a node in or, where negative, out. What no longer holds is left as it is."""
        if not self.holds:
            return
        domain = self._counted.item(slot)
        if domain < 0:
            return
        held = self._held
        before = self._pods.item(domain)
        after = before + pods
        self._pods[domain] = after
        others = held[before] - 1
        if others:
            held[before] = others
        else:
            del held[before]
        held[after] = held.get(after, 0) + 1
        self.changed_seq = self._log.seq + 1  # that of the note which follows
        if after < self.least or (before == self.least and not others):
            self.least = min(held)
            self.least_seq = self.changed_seq

    def _domains(self) -> NDArray[np.int64]:
        """The domains of which a node counts. Not by numpy.unique, whose first call imports for 20 ms."""
        is_there = np.zeros(len(self._pods), np.bool_)
        is_there[self._counted] = True
        is_there[-1] = False
        return np.flatnonzero(is_there)

    def counts(self, slot: int) -> bool:
        """Whether a node counts."""
        return self._counted.item(slot) >= 0

    def of(self, slot: int) -> int:
        """The pods in a node's domain; 0 where it has no label, or no node of the domain counts."""
        return self._pods.item(self._column.ids.item(slot))

    def row(self, size: int) -> Ints:
        """[nodes] the same of each."""
        found: Ints = self._pods.take(self._column.ids[:size])  # half as long as to index
        return found

    def least_with(self, slot: int, pods: int) -> int:
        """What would be the least if there were so many more pods on a node that counts."""
        here = self.of(slot)
        if here > self.least or self._held[here] > 1:
            return min(self.least, here + pods)
        return min([other for other in self._held if other != here] + [here + pods])
