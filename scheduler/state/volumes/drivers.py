"""What CSI drivers say of the nodes, and how many volumes each still takes: by driver, over all slots.

Kept up to date from the log of changes, slot by slot, when somebody asks: what a pod's volumes need of all nodes is
then looked up in a few vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.api import volumes
from scheduler.state import changes
from scheduler.state.volumes import use

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

NO_LIMIT: Final = 2**62
_FACETS: Final = changes.MOUNTS | changes.ALIVE
_NOTES: Final = 1000  # of the log that are read; beyond, all slots are looked at


class Driver(NamedTuple):
    """One driver.

    Attributes:
        runs: [slots] whether it is there.
        left: [slots] how many volumes it takes beside those that it has; NO_LIMIT where it does not say.
    """

    runs: Mask
    left: Ints


class Drivers:
    """See the module.

    Args:
        csi_node: What drivers say of a node.
        using: The volumes on the nodes.

    Attributes:
        speak: [slots] whether drivers have said anything of the node.
        limit: [slots] whether one of them has a limit.
    """

    def __init__(self, csi_node: Callable[[str], volumes.CSINode | None], using: use.Use, log: changes.Log) -> None:
        self.speak = self.limit = np.zeros(0, np.bool_)
        self._csi_node = csi_node
        self._use = using
        self._log = log
        self._seq = -1
        self._drivers: dict[str, Driver] = {}

    def catch_up(self, names: list[str], alive: Mask) -> None:
        """Bring all up to date with the nodes as they are, by slot."""
        log, size = self._log, len(alive)
        if self._seq == log.seq and len(self.speak) == size:
            return
        changed = log.since(self._seq, _NOTES) if len(self.speak) == size and self._seq >= 0 else None
        slots = None if changed is None else [slot for slot, facets in changed.items() if facets & _FACETS]
        if slots is None or changes.ALL in slots:
            slots = np.flatnonzero(alive).tolist()
            self.speak, self.limit = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
            self._drivers = {}
        for slot in slots:
            self._look_at(slot, names[slot] if alive.item(slot) else "")
        self._seq = log.seq

    def of(self, name: str) -> Driver | None:
        """A driver; None where it runs on no node."""
        return self._drivers.get(name)

    def at(self, slot: int) -> tuple[bool, bool, dict[str, int]]:
        """What is kept of a node: whether drivers speak of it, whether with a limit, and what each that runs takes."""
        runs = {name: one.left.item(slot) for name, one in self._drivers.items() if one.runs.item(slot)}
        return self.speak.item(slot), self.limit.item(slot), runs

    def _look_at(self, slot: int, node: str) -> None:
        for known in self._drivers.values():
            known.runs[slot], known.left[slot] = False, NO_LIMIT
        csi_node = self._csi_node(node) if node else None
        self.speak[slot] = csi_node is not None
        self.limit[slot] = False
        if csi_node is None:
            return
        attached = None
        for said in csi_node.spec.drivers:
            driver = self._drivers.get(said.name)
            if driver is None:
                size = len(self.speak)
                driver = self._drivers[said.name] = Driver(np.zeros(size, np.bool_), np.full(size, NO_LIMIT, np.int64))
            driver.runs[slot] = True
            count = said.allocatable.count
            if count is not None:
                if attached is None:
                    attached = self._use.attached(self._use.mounted.get(slot, {}), node)
                driver.left[slot] = count - attached[said.name]
                self.limit[slot] = True
