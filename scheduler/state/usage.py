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
PortCounts = dict[tuple[str, int], dict[str, dict[int, int]]]  # (protocol, port) -> ip -> slot -> pods, never 0


class Usage:
    """Matrices over nodes; one writer.

    Attributes:
        rows: Resource name to row of ``offered`` and ``taken``. A row whose resource no node offers and no pod asks for
            any more is empty, and the next new resource gets it.
        offered, taken: [rows, capacity], milli-cores, bytes or units. int64 wraps around like Go's, so that counting a
            pod out undoes counting it in exactly, whatever it asked for.
        ports: Host ports in use.
        offering: By slot, what is offered beside what is fixed, even where that is none of it.
    """

    def __init__(self, capacity: int) -> None:
        self.rows: dict[str, int] = dict(_ROWS)
        self.offered: Ints = np.zeros((demand.FIXED, capacity), np.int64)
        self.taken: Ints = np.zeros((demand.FIXED, capacity), np.int64)
        self.ports: PortCounts = {}
        self._users: dict[str, int] = {}  # of each resource that is not fixed: nodes and pods
        self.offering: dict[int, dict[str, int]] = {}
        self._unused: list[int] = []

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        more = ((0, 0), (0, capacity - self.taken.shape[1]))
        self.offered, self.taken = np.pad(self.offered, more), np.pad(self.taken, more)

    def set_node(self, index: int, offered: dict[str, int]) -> bool:
        """Replace what node ``index`` offers (see ``amounts``); returns whether it is something else."""
        before = self.offered[: demand.FIXED, index].tolist()
        self.offered[: demand.FIXED, index] = 0
        for name, row in _ROWS.items():
            self.offered[row, index] = offered.get(name, 0)
        changed = bool(before != self.offered[: demand.FIXED, index].tolist())
        more = {name: amount for name, amount in offered.items() if name not in _ROWS}
        old = self.offering.get(index, {})
        if more != old:
            changed = True
            for name, amount in more.items():
                row = self._use(name)  # first: it may replace the matrices
                self.offered[row, index] = amount
            for name in old:
                if name not in more:
                    self.offered[self.rows[name], index] = 0
                self._release(name)
            self.offering.pop(index, None)
            if more:
                self.offering[index] = more
        return changed

    def add(self, index: int, asked: demand.Demand, ports: tuple[demand.Port, ...], sign: int) -> None:
        """Count a pod on node ``index`` in (sign 1) or out (sign -1)."""
        column = self.taken[: demand.FIXED, index]
        if sign > 0:
            column += asked.vector
        else:
            column -= asked.vector
        for name, amount in asked.scalars.items():
            row = self._use(name) if sign > 0 else self.rows[name]  # first: it may replace the matrices
            self.taken[row, index : index + 1] += sign * amount
            if sign < 0:
                self._release(name)
        for port in ports:
            self._count_port(index, port, sign)

    def _count_port(self, index: int, port: demand.Port, sign: int) -> None:
        key = port.protocol, port.number
        at = self.ports.setdefault(key, {}).setdefault(port.ip, {})
        count = at.get(index, 0) + sign
        if count:
            at[index] = count
            return
        del at[index]
        if not at:
            del self.ports[key][port.ip]
            if not self.ports[key]:
                del self.ports[key]

    def _use(self, name: str) -> int:
        """The row of a resource that one more node or pod has."""
        self._users[name] = self._users.get(name, 0) + 1
        row = self.rows.get(name)
        if row is None:
            if not self._unused:
                height = len(self.offered)
                self._resize(height + max(height // 2, 1))
            row = self.rows[name] = self._unused.pop()
        return row

    def _release(self, name: str) -> None:
        """One node or pod has a resource no more."""
        self._users[name] -= 1
        if self._users[name]:
            return
        del self._users[name]
        self._unused.append(self.rows.pop(name))
        used = max(self.rows.values()) + 1
        if len(self.offered) > 2 * max(used, 2 * demand.FIXED):
            self._resize(max(used, demand.FIXED))

    def _resize(self, height: int) -> None:
        """Change the number of rows to one that is above all rows in use; the lowest are used first."""
        more = ((0, max(height - len(self.offered), 0)), (0, 0))
        self.offered, self.taken = (np.pad(matrix[:height], more) for matrix in (self.offered, self.taken))
        self._unused = sorted(set(range(demand.FIXED, height)).difference(self.rows.values()), reverse=True)


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
