"""How many of some pods share a node's topology domain: all nodes that have the same value of a label.

Pods are counted by node slot (state.neighbours) and added up by the value's id of the label's column, so that the work
grows with the nodes that those pods run on, and one table look-up gives every node its domain's sum.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.state import labels, neighbours, snapshot

Ints = NDArray[np.int64]

# More slots than this are asked again as one vector rather than one by one.
_FEW: int = 64


def present(view: snapshot.Snapshot, key: str) -> NDArray[np.bool_]:
    """Nodes that have a label, whatever its value."""
    column = view.node_labels.column(key) or labels.Column(view.size)
    return column.present(view.size)


def near(view: snapshot.Snapshot, key: str, groups: Sequence[neighbours.PodsAt]) -> Ints | None:
    """[nodes] pods of the groups in each node's domain, 0 where the label is absent; None if no domain holds any."""
    column = view.node_labels.column(key)
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
    found: Ints = sums[column.ids[: view.size]]
    return found


def near_one(view: snapshot.Snapshot, key: str, groups: Iterable[neighbours.PodsAt], slot: int) -> int:
    """The pods of the groups in one node's domain."""
    column = view.node_labels.column(key)
    if column is None or (domain := column.ids.item(slot)) < 0:
        return 0
    ids = column.ids.item
    return sum(pods for at in groups for other, pods in at.items() if ids(other) == domain)


def is_anywhere(view: snapshot.Snapshot, key: str, groups: Iterable[neighbours.PodsAt]) -> bool:
    """Whether a domain holds any of the groups."""
    column = view.node_labels.column(key)
    return column is not None and any(column.ids.item(slot) >= 0 for at in groups for slot in at)


def sharing(view: snapshot.Snapshot, keys: Iterable[str], slots: Collection[int]) -> Collection[int] | None:
    """The slots that share a domain of some label with one of the given ones, and these; None if they are many."""
    found = set(slots)
    for key in keys:
        column = view.node_labels.column(key)
        if column is None:
            continue
        domains = {column.ids.item(slot) for slot in slots} - {-1}
        for domain in domains:
            found.update(np.flatnonzero(column.ids[: view.size] == domain).tolist())
            if len(found) > _FEW:
                return None
    return found
