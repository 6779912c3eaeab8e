"""Delay scheduling: a pod lets nodes that are not near its data go by, for a while.

It takes a node that holds the most of its inputs that any node holds; after 5 s of waiting for such a one, a node in
the zone of one; after 5 s more, any. Each time from when it was first passed over on that level. Within a level, the
node that is offered first is taken, which is by chance. A pod without inputs takes any node.

Source: Zaharia et al., EuroSys 2010 (two levels: node, rack), with the waits of the Hadoop Fair Scheduler. The pods go
in the order of their arrival; there, in that of fairness between jobs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from scheduler.simulate.arms import base, seen

WAIT_S: Final = 5.0  # mapred.fairscheduler.locality.delay, as in the paper's section 5
_TICK_S: Final = 1e-6


class Delay:
    """See the module.

    Args:
        seed: Of the draws among nodes.
    """

    def __init__(self, seed: int) -> None:
        self._drawn = np.random.default_rng(seed)
        self._passed_s: dict[str, float] = {}  # by uid: when it was first passed over
        self._again_s: float | None = None

    def place(self, see: seen.Seen, waiting: Sequence[seen.Waiting]) -> Iterator[base.To]:
        here = {one.uid for one in waiting}
        self._passed_s = {uid: when_s for uid, when_s in self._passed_s.items() if uid in here}
        self._again_s = None
        for one in waiting:
            slots = see.feasible(one)
            if not len(slots):
                continue
            level = levels(see, one)[slots]
            waited_s = see.now_s - self._passed_s.get(one.uid, see.now_s)
            allowed = math.floor(waited_s / WAIT_S)
            if level.min() <= allowed:
                yield base.To(one, int(self._drawn.choice(slots[level == level.min()])))
                continue
            self._passed_s.setdefault(one.uid, see.now_s)
            again_s = (allowed + 1) * WAIT_S - waited_s + _TICK_S
            self._again_s = again_s if self._again_s is None else min(self._again_s, again_s)

    def again_s(self) -> float | None:
        return self._again_s


def levels(see: seen.Seen, one: seen.Waiting) -> seen.Ints:
    """[slots] how far a node is from a pod's data: 0 holds the most that any does, 1 is in the zone of such a one."""
    view, missing = see.view, see.missing_bytes(one)
    least = missing[view.alive].min()
    local = view.alive & (missing == least)
    level = np.where(local, 0, 2)
    zone_of, _ = seen.zones(view)
    level[~local & np.isin(zone_of, zone_of[local])] = 1
    return level
