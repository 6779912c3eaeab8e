"""Capacity and use of every node: resources by row, pod counts, host ports.

One matrix says what nodes offer, one of the same shape what is taken of it, so that counting a pod in or out is one
vector addition. The first rows are fixed; each extended resource gets the next one when it is first seen.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import errors
from scheduler.api import core, units
from scheduler.state import demand

# Rows 3 and 4 are cpu and memory as scoring counts them (demand.Demand); nodes offer nothing there.
CPU, MEMORY, EPHEMERAL, NONZERO_CPU, NONZERO_MEMORY, PODS = range(6)
_ROWS: Final = {"cpu": CPU, "memory": MEMORY, "ephemeral-storage": EPHEMERAL, "pods": PODS}

Ints = NDArray[np.int64]
PortCounts = dict[tuple[str, int], dict[str, NDArray[np.int32]]]  # (protocol, port) -> ip -> pods per node


class Usage:
    """Matrices over nodes; one writer.

    Attributes:
        rows: Resource name to row of ``offered`` and ``taken``.
        offered, taken: [rows, capacity], milli-cores, bytes or units. int64 wraps around like Go's, so that counting a
            pod out undoes counting it in exactly, whatever it asked for.
        ports: Host ports in use.
    """

    def __init__(self, capacity: int) -> None:
        self.rows: dict[str, int] = dict(_ROWS)
        self.offered: Ints = np.zeros((demand.FIXED, capacity), np.int64)
        self.taken: Ints = np.zeros((demand.FIXED, capacity), np.int64)
        self.ports: PortCounts = {}

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        more = ((0, 0), (0, capacity - self.taken.shape[1]))
        self.offered, self.taken = np.pad(self.offered, more), np.pad(self.taken, more)
        for by_ip in self.ports.values():
            for ip, counts in by_ip.items():
                by_ip[ip] = np.concatenate([counts, np.zeros(capacity - len(counts), np.int32)])

    def set_node(self, index: int, offered: dict[str, int]) -> bool:
        """Replace what node ``index`` offers (see ``amounts``); returns whether it is something else."""
        before = self.offered[:, index].copy()
        self.offered[:, index] = 0
        for name, amount in offered.items():
            row = self._row(name)  # first: it may replace the matrices
            self.offered[row, index] = amount
        now = self.offered[:, index]
        return len(now) > len(before) or bool((now != before).any())

    def clear_node(self, index: int) -> None:
        """Forget node ``index`` and all use of it."""
        self.offered[:, index] = self.taken[:, index] = 0
        for by_ip in self.ports.values():
            for counts in by_ip.values():
                counts[index] = 0

    def add(self, index: int, asked: demand.Demand, ports: tuple[demand.Port, ...], sign: int) -> None:
        """Count a pod on node ``index`` in (sign 1) or out (sign -1)."""
        if sign > 0:
            self.taken[: demand.FIXED, index] += asked.vector
        else:
            self.taken[: demand.FIXED, index] -= asked.vector
        for name, amount in asked.scalars.items():
            row = self._row(name)  # first: it may replace the matrices
            self.taken[row, index : index + 1] += sign * amount
        for port in ports:
            by_ip = self.ports.setdefault((port.protocol, port.number), {})
            if port.ip not in by_ip:
                by_ip[port.ip] = np.zeros(self.taken.shape[1], np.int32)
            by_ip[port.ip][index] += sign

    def _row(self, name: str) -> int:
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = len(self.offered)
            self.offered, self.taken = (np.pad(matrix, ((0, 1), (0, 0))) for matrix in (self.offered, self.taken))
        return row


def amounts(resources: core.ResourceList) -> dict[str, int]:
    """Read what a node offers of the resources that scheduling counts: cpu in milli-cores, all else in whole units.

    Raises:
        InputError: a quantity cannot be read; names its field.
    """
    counted = {name: value for name, value in resources.items() if name in _ROWS or demand.is_scalar(name)}
    try:
        return {
            name: units.quantity_milli(value) if name == "cpu" else units.quantity(value)
            for name, value in counted.items()
        }
    except errors.InputError as error:
        raise units.refused(counted, "status.allocatable") or error from None
