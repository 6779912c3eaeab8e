"""How many of some pods share a node's topology domain: all nodes that have the same value of a label.

Pods are counted by node slot (state.neighbours) and added up by the value's id of the label's column, so that the work
grows with the nodes that those pods run on, and one table look-up gives every node its domain's sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.state import labels, neighbours, snapshot

Ints = NDArray[np.int64]


def present(snap: snapshot.Snapshot, key: str) -> NDArray[np.bool_]:
    """Nodes that have a label, whatever its value."""
    column = snap.node_labels.column(key) or labels.Column(snap.size)
    return column.present(snap.size)


def near(snap: snapshot.Snapshot, key: str, groups: Sequence[neighbours.PodsAt]) -> Ints | None:
    """[nodes] pods of the groups in each node's domain, 0 where the label is absent; None if no domain holds any."""
    column = snap.node_labels.column(key)
    if column is None or not groups:
        return None
    slots = np.concatenate([np.fromiter(at, np.int64, len(at)) for at in groups])
    pods = np.concatenate([np.fromiter(at.values(), np.int64, len(at)) for at in groups])
    domains = column.ids[slots]
    inside = domains >= 0
    if not inside.any():
        return None
    # One entry more than there are values, for the index -1 of nodes without the label. Sums are exact below 2**53.
    sums = np.bincount(domains[inside], weights=pods[inside], minlength=len(column.values) + 1).astype(np.int64)
    found: Ints = sums[column.ids[: snap.size]]
    return found
