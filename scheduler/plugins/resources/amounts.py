"""What a pod, and those on a node with it, ask for of one resource."""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.plugins import contract
from scheduler.plugins.common import int64
from scheduler.state import demand, snapshot, usage

_NONZERO_ROWS: Final = {"cpu": usage.NONZERO_CPU, "memory": usage.NONZERO_MEMORY}


def true_amount(pod: demand.Demand, name: str) -> int:
    """What a pod requests of a resource, in its unit."""
    match name:
        case "cpu":
            return pod.cpu_milli
        case "memory":
            return pod.memory_bytes
        case "ephemeral-storage":
            return pod.ephemeral_bytes
        case _:
            return pod.scalars.get(name, 0)


def is_left_out(name: str, own: int) -> bool:
    """Whether scores leave out a resource, as the pod asks for none of it."""
    return own == 0 and demand.is_scalar(name)


def allocations(view: snapshot.Snapshot, name: str, own: int, *, nonzero: bool) -> tuple[contract.Ints, contract.Ints]:
    """[slots] what would be requested of a resource with the pod there, and what the node offers; 0 and 0 for nothing.

    Args:
        own: What the pod asks for.
        nonzero: Count containers without a request at upstream's defaults; otherwise true requests.
    """
    row = view.resource_row.get(name)
    if row is None:
        return np.zeros(view.size, np.int64), np.zeros(view.size, np.int64)
    in_use = view.taken[_NONZERO_ROWS.get(name, row) if nonzero else row]
    allocatable = view.offered[row]
    return np.where(allocatable == 0, 0, in_use + own), allocatable


def allocation(view: snapshot.Snapshot, slot: int, name: str, own: int, *, nonzero: bool) -> tuple[int, int]:
    """The same of one slot."""
    row = view.resource_row.get(name)
    if row is None:
        return 0, 0
    allocatable = view.offered.item(row, slot)
    if allocatable == 0:
        return 0, 0
    in_use = view.taken.item(_NONZERO_ROWS.get(name, row) if nonzero else row, slot)
    return int64.wrap(in_use + own), allocatable
