"""The slots that tie for the least cost are those of a look through all of them, whatever was set one by one."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.engine import ranking

# Two that tie although they differ, one that ties with neither, and a node that is not feasible.
COSTS = st.sampled_from([0.25, 0.25 + 4e-10, 0.5, math.inf])


@given(
    costs=st.lists(COSTS, min_size=1, max_size=6),
    sets=st.lists(st.tuples(st.integers(0, 5), COSTS, st.booleans()), max_size=20),
)
def test_what_is_kept_is_what_a_look_through_all_finds(costs: list[float], sets: list[tuple[int, float, bool]]) -> None:
    kept = ranking.Ranking(np.array(costs))
    for slot, cost, is_asked in [(0, costs[0], True), *sets]:
        costs[slot % len(costs)] = cost
        kept.set(slot % len(costs), cost)
        if is_asked:
            assert kept.best.tolist() == ranking.Ranking(np.array(costs)).best.tolist()
            assert kept.best.tolist() == [at for at, one in enumerate(costs) if one <= min(costs) + 1e-9]
            assert kept.costs.tolist() == costs
