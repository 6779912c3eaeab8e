"""Capacity and use of every node: resources by column, pod counts, host ports."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.api import core, units
from scheduler.state import demand

CPU: Final = 0
MEMORY: Final = 1
EPHEMERAL: Final = 2
_FIXED: Final = {"cpu": CPU, "memory": MEMORY, "ephemeral-storage": EPHEMERAL}

Ints = NDArray[np.int64]
PortCounts = dict[tuple[str, int], dict[str, NDArray[np.int32]]]  # (protocol, port) -> ip -> pods per node


class Usage:
    """Arrays over nodes; one writer.

    Attributes:
        rows: Resource name to row index of ``allocatable`` and ``requested``.
        allocatable, requested: [resources, capacity], milli-cores, bytes or units.
        nonzero: [2, capacity], cpu and memory as scoring counts them.
        allowed_pods, pods: [capacity].
        ports: Host ports in use.
    """

    def __init__(self, capacity: int) -> None:
        self.rows: dict[str, int] = dict(_FIXED)
        self.allocatable: Ints = np.zeros((len(_FIXED), capacity), np.int64)
        self.requested: Ints = np.zeros((len(_FIXED), capacity), np.int64)
        self.nonzero: Ints = np.zeros((2, capacity), np.int64)
        self.allowed_pods: Ints = np.zeros(capacity, np.int64)
        self.pods: Ints = np.zeros(capacity, np.int64)
        self.ports: PortCounts = {}

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        for name in ("allocatable", "requested", "nonzero", "allowed_pods", "pods"):
            array = getattr(self, name)
            wider = np.zeros((*array.shape[:-1], capacity), array.dtype)
            wider[..., : array.shape[-1]] = array
            setattr(self, name, wider)
        for by_ip in self.ports.values():
            for ip, counts in by_ip.items():
                by_ip[ip] = np.concatenate([counts, np.zeros(capacity - len(counts), np.int32)])

    def set_node(self, index: int, offered: dict[str, int]) -> None:
        """Replace what node ``index`` offers (see ``amounts``)."""
        self.allocatable[:, index] = 0
        self.allowed_pods[index] = offered.get("pods", 0)
        for name, amount in offered.items():
            if name in _FIXED or demand.is_scalar(name):
                row = self._row(name)  # first: it may replace the arrays
                self.allocatable[row, index] = amount

    def clear_node(self, index: int) -> None:
        """Forget node ``index`` and all use of it."""
        self.allocatable[:, index] = self.requested[:, index] = self.nonzero[:, index] = 0
        self.allowed_pods[index] = self.pods[index] = 0
        for by_ip in self.ports.values():
            for counts in by_ip.values():
                counts[index] = 0

    def add(self, index: int, asked: demand.Demand, ports: tuple[demand.Port, ...], sign: int) -> None:
        """Count a pod on node ``index`` in (sign 1) or out (sign -1)."""
        # Added as arrays: those wrap around like Go's int64, so that counting a pod out undoes counting it in exactly.
        self.requested[: len(_FIXED), index] += sign * np.array(
            (asked.cpu_milli, asked.memory_bytes, asked.ephemeral_bytes), np.int64
        )
        for name, amount in asked.scalars.items():
            row = self._row(name)  # first: it may replace the arrays
            self.requested[row, index : index + 1] += sign * amount
        self.nonzero[:, index] += sign * np.array((asked.nonzero_cpu_milli, asked.nonzero_memory_bytes), np.int64)
        self.pods[index] += sign
        for port in ports:
            by_ip = self.ports.setdefault((port.protocol, port.number), {})
            if port.ip not in by_ip:
                by_ip[port.ip] = np.zeros(len(self.pods), np.int32)
            by_ip[port.ip][index] += sign

    def _row(self, name: str) -> int:
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = len(self.rows)
            more = np.zeros((1, self.pods.shape[0]), np.int64)
            self.allocatable = np.concatenate([self.allocatable, more])
            self.requested = np.concatenate([self.requested, more])
        return row


def amounts(resources: core.ResourceList) -> dict[str, int]:
    """Read a node's resources: cpu in milli-cores, all else in whole units.

    Raises:
        InputError: a quantity cannot be read.
    """
    return {
        name: units.quantity_milli(value) if name == "cpu" else units.quantity(value)
        for name, value in resources.items()
    }
