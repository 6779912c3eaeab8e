"""Which pods might make room for which: how many of each priority run on every slot.

What is asked is how many have a lower priority than some pod that fits nowhere. The answer is a vector over slots, made
when a priority is first asked about, and kept up to date pod by pod from then on, for the few priorities that were
asked about of late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# Vectors kept; a cluster has a handful of priority classes.
_KEPT: Final = 16


class PriorityTable:
    """Placed pods on known nodes, by priority and slot."""

    def __init__(self) -> None:
        self._counts: dict[int, dict[int, int]] = {}  # priority -> slot -> pods, never 0
        self._below: dict[int, Ints] = {}  # priority -> [slots and more] pods of lower ones; the longest unasked first

    def step(self, slot: int, priority: int, pods: int) -> None:
        """Count pods of a priority in or, where negative, out."""
        at = self._counts.setdefault(priority, {})
        count = at.get(slot, 0) + pods
        if count:
            at[slot] = count
        else:
            del at[slot]
            if not at:
                del self._counts[priority]
        for bound, below in self._below.items():
            if priority < bound and slot < len(below):
                below[slot] += pods

    def below(self, bound: int, size: int) -> Ints:
        """[size] the pods on each slot that have a lower priority; not to be written to."""
        found = self._below.pop(bound, None)
        if found is None or len(found) < size:
            found = np.zeros(size + size // 4, np.int64)
            for priority, at in self._counts.items():
                if priority < bound:
                    found[list(at)] += list(at.values())
        self._below[bound] = found
        if len(self._below) > _KEPT:
            del self._below[next(iter(self._below))]
        return found[:size]

    def by_slot(self) -> Mapping[int, Mapping[int, int]]:
        """All that is counted: priority to slot to pods."""
        return self._counts
