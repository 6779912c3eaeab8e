"""How many of some pods each topology domain holds: all nodes that have the same value of a label.

A tally is kept up to date pod by pod. It counts by the value's id of the label's column (scheduler.state.labels), so
that one table look-up gives every node its domain's count; ids are stable for as long as a node has the value.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.state import changes, labels

Ints = NDArray[np.int64]

BY_SLOT: Final = ""  # in place of a label, which is never empty: every slot is a domain of its own

# A vector is kept beside the counts of more domains than this, for it takes room for each domain there is.
_FEW: Final = 64


class Tally:
    """Pods by domain.

    Attributes:
        key: The label, or BY_SLOT.
        total: Pods on all nodes that have the label.
        moved_at: The state of the log when a pod was counted in or out last, of which the note follows; -1 before.
    """

    __slots__ = ("_counts", "_labels", "_log", "_vector", "key", "moved_at", "total")

    def __init__(self, key: str, node_labels: labels.LabelTable, log: changes.Log) -> None:
        self.key = key
        self.total = 0
        self.moved_at = -1
        self._log = log
        self._labels = node_labels
        self._counts: dict[int, int] = {}  # value id -> pods, never 0
        self._vector: Ints | None = None  # the same by id, the last entry always 0; None until asked for

    def __len__(self) -> int:
        return len(self._counts)

    def step(self, slot: int, pods: int) -> None:
        """Count pods on a node in or, where negative, out."""
        domain = self._domain(slot)
        if domain < 0:
            return
        self.moved_at = self._log.seq
        count = self._counts.get(domain, 0) + pods
        if count:
            self._counts[domain] = count
        else:
            del self._counts[domain]
        self.total += pods
        vector = self._vector
        if vector is not None:
            if domain < len(vector) - 1:
                vector[domain] = count
            else:
                self._vector = None

    def fill(self, slots: list[int], pods: list[int]) -> None:
        """Count many pods in at once, where none is counted yet."""
        at: NDArray[np.signedinteger] = np.array(slots, np.int64)
        weights = np.array(pods, np.int64)
        if self.key:
            column = self._labels.column(self.key)
            if column is None:
                return
            at = column.ids[at]
            weights = weights[at >= 0]
            at = at[at >= 0]
        sums = np.bincount(at, weights=weights).astype(np.int64)  # exact below 2**53
        domains = np.flatnonzero(sums)
        self._counts = dict(zip(domains.tolist(), sums[domains].tolist(), strict=True))
        self.total = int(sums.sum())

    def of(self, slot: int) -> int:
        """The pods in a node's domain; 0 where it has no label."""
        domain = self._domain(slot)
        return self._counts.get(domain, 0) if domain >= 0 else 0

    def row(self, size: int) -> Ints | None:
        """[nodes] the pods in each node's domain, 0 where the label is absent; None if no domain holds any.

        Not to be written to.
        """
        if not self._counts:
            return None
        if not self.key:
            return self._by_id(size)[:size]
        column = self._labels.column(self.key)
        if column is None:
            return None
        found: Ints = self._by_id(column.width)[column.ids[:size]]
        return found

    def _domain(self, slot: int) -> int:
        if not self.key:
            return slot
        column = self._labels.column(self.key)
        return column.ids.item(slot) if column is not None else -1

    def _by_id(self, width: int) -> Ints:
        vector = self._vector
        if vector is None or len(vector) <= width:
            # One entry more than there are values, for the index -1 of nodes without the label; and room to grow.
            vector = np.zeros(width + 1 + width // 4, np.int64)
            vector[list(self._counts)] = list(self._counts.values())
            self._vector = vector if len(self._counts) > _FEW else None
        return vector
