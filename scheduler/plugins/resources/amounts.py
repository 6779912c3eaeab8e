"""What those on the nodes ask for of one resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from scheduler.plugins import contract
from scheduler.state import demand, snapshot, usage

# Where requests are counted as scores take them.
SCORED_ROWS: Final[Mapping[str, int]] = {"cpu": usage.NONZERO_CPU, "memory": usage.NONZERO_MEMORY}


def is_left_out(name: str, own: int) -> bool:
    """Whether scores leave out a resource, as the pod asks for none of it."""
    return own == 0 and demand.is_scalar(name)


class Column(NamedTuple):
    """[slots] what is taken of a resource, and what nodes offer of it; zeros for a resource that nobody offers."""

    in_use: contract.Ints
    offered: contract.Ints


def column(view: snapshot.Snapshot, name: str) -> Column:
    """A resource by true requests."""
    row = view.resource_row.get(name)
    if row is None:
        return Column(np.zeros(view.size, np.int64), np.zeros(view.size, np.int64))
    return Column(view.taken[row], view.offered[row])


def scored_column(view: snapshot.Snapshot, name: str) -> Column:
    """A resource with containers without a request counted at upstream's defaults."""
    found = column(view, name)
    row = SCORED_ROWS.get(name)
    return found if row is None else Column(view.taken[row], found.offered)
