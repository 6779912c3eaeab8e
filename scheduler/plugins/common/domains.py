"""Topology domains: all nodes that have the same value of a label (scheduler.state.tallies counts their pods)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from scheduler.state import labels, snapshot

# More slots than this are asked again as one vector rather than one by one.
_FEW: int = 64


def present(view: snapshot.Snapshot, key: str) -> NDArray[np.bool_]:
    """Nodes that have a label, whatever its value."""
    column = view.node_labels.column(key) or labels.Column(view.size)
    return column.present(view.size)


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
