"""The taints of every node, as ids of sets: nodes with the same taints share one set, judged once for all of them.

A set that no node has any more gives its id to the next new one: a taint whose value is a time would fill the memory.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.api import core

Taints = tuple[core.Taint, ...]

_NONE: Final = 0  # the id of the empty set, which free slots have too


class TaintTable:
    """Sets of taints by id, and the id of each node.

    Attributes:
        ids: [capacity] each node's set.
        sets: The sets by id; an id that is not in use has the empty one.
    """

    def __init__(self, capacity: int) -> None:
        self.ids = np.zeros(capacity, np.int32)
        self.sets: list[Taints] = [()]
        self._id_of: dict[Taints, int] = {(): _NONE}
        self._holders = [0]  # by id; those without taints are not counted
        self._unused: list[int] = []

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        self.ids = np.concatenate([self.ids, np.full(capacity - len(self.ids), _NONE, np.int32)])

    def of(self, index: int) -> Taints:
        """The taints of node ``index``."""
        return self.sets[self.ids.item(index)]

    def set(self, index: int, taints: Taints) -> bool:
        """Replace the taints of node ``index``; returns whether they are others."""
        before = self.ids.item(index)
        if self.sets[before] == taints:
            return False
        self._release(before)
        found = self._id_of.get(taints)
        if found is None:
            found = self._id_of[taints] = self._take(taints)
        if found != _NONE:
            self._holders[found] += 1
        self.ids[index] = found
        return True

    def _take(self, taints: Taints) -> int:
        if self._unused:
            found = self._unused.pop()
            self.sets[found] = taints
            return found
        self.sets.append(taints)
        self._holders.append(0)
        return len(self.sets) - 1

    def _release(self, used: int) -> None:
        if used == _NONE:
            return
        self._holders[used] -= 1
        if not self._holders[used]:
            del self._id_of[self.sets[used]]
            self.sets[used] = ()
            self._unused.append(used)
