"""What is planned on a node over time, and where in it there is room for more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Timeline:
    """One node: of each resource, how much is taken from when on.

    Args:
        free: [resources] what there is.
    """

    def __init__(self, free: Ints) -> None:
        self._free = free
        self._from_s = np.zeros(1)  # ascending; each span lasts until the next one
        self._taken = np.zeros((1, len(free)), np.int64)

    def earliest(self, ready_s: float, asked: Ints, lasts_s: float) -> float:
        """The first moment from ``ready_s`` on, between others too, from which there is room for so long."""
        full = np.flatnonzero((self._taken + asked > self._free).any(axis=1))
        begin_s = ready_s
        for span in full.tolist():
            over_s = self._from_s.item(span + 1) if span + 1 < len(self._from_s) else np.inf
            if over_s > begin_s and self._from_s.item(span) < begin_s + lasts_s:
                begin_s = over_s
        return begin_s

    def take(self, begin_s: float, asked: Ints, lasts_s: float) -> None:
        """Plan it."""
        first, last = self._cut(begin_s), self._cut(begin_s + lasts_s)
        self._taken[first:last] += asked

    def _cut(self, at_s: float) -> int:
        """The number of the span that begins then."""
        span = int(self._from_s.searchsorted(at_s))
        if span == len(self._from_s) or self._from_s[span] != at_s:
            self._from_s = np.insert(self._from_s, span, at_s)
            self._taken = np.insert(self._taken, span, self._taken[span - 1], axis=0)
        return span
