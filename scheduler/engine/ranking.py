"""What slots cost, and which of them tie for the least: kept from one change of a slot to the next.

Of 5,000 nodes that are alike a thousand may tie. When one of them is taken it leaves the rest as they are, so that
all need to be looked through only when the last one of the least cost is gone, or a lesser cost comes.
"""

from __future__ import annotations

import array
import bisect
from typing import Final, TypeAlias

from scheduler.plugins import contract

# Costs nearer than this are equal. The smallest step of a plugin score is 1/1200, the smallest transfer worth a
# difference is far above the 10 ns that this is in seconds; rounding of sums is far below.
TIE: Final = 1e-9

Slots: TypeAlias = "array.array[int]"  # grows and shrinks in place, and numpy reads it as it is


class Ranking:
    """The costs of all slots in one profile.

    Attributes:
        costs: [slots] infinite where the node is not feasible. Not to be written to.
    """

    __slots__ = ("_best", "_least", "_leasts", "costs")

    def __init__(self, costs: contract.Floats) -> None:
        self.costs = costs
        self._best: Slots | None = None  # None: not known
        self._least = 0.0
        self._leasts = 0  # slots that cost just that

    @property
    def best(self) -> Slots:
        """The slots that tie for the least cost, in their order; true until a cost is set. Not to be written to."""
        if self._best is None:
            costs = self.costs
            self._least = costs.item(costs.argmin())
            found = (costs <= self._least + TIE).nonzero()[0]
            self._leasts = int((costs[found] == self._least).sum())
            self._best = array.array("q", found.tobytes())
        return self._best

    def set(self, slot: int, cost: float) -> None:
        """Replace what a slot costs."""
        before = self.costs.item(slot)
        self.costs[slot] = cost
        best, least = self._best, self._least
        if best is None or cost == before:
            return
        limit = least + TIE
        if before <= limit:
            del best[bisect.bisect_left(best, slot)]
            self._leasts -= before == least
        if cost <= limit:
            bisect.insort(best, slot)
            self._leasts += cost == least
        if cost < least or not self._leasts:
            self._best = None
