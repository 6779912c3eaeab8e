"""Chance: any node that takes the pod. Whoever does no better knows nothing."""

from __future__ import annotations

import numpy as np

from scheduler.simulate.arms import base, seen


def strategy(seed: int) -> base.OneByOne:
    """One draw for each pod."""
    drawn = np.random.default_rng(seed)

    def choose(_see: seen.Seen, _one: seen.Waiting, slots: seen.Ints) -> int:
        return int(drawn.choice(slots))

    return base.OneByOne(choose)
