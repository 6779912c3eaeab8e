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
        for domain in {column.ids.item(slot) for slot in slots}:
            held = column.holders_of(domain) if domain >= 0 else 0
            if held > _FEW:
                return None
            if held > 1:  # not the node's alone, as its name is
                found.update((column.ids[: view.size] == domain).nonzero()[0].tolist())
        if len(found) > _FEW:
            return None
    return found
