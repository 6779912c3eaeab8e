"""How many placed pods have a lower priority than some other, by slot, whenever that is asked for first."""

from __future__ import annotations

import collections

from hypothesis import given
from hypothesis import strategies as st

from scheduler.state import priorities

SLOTS = 40  # more than a vector has room for that was made when there were few
STEPS = st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(-2, 2), st.sampled_from([1, 1, -1])), max_size=40)


@given(steps=STEPS, asked=st.lists(st.integers(-3, 3), max_size=5), first=st.integers(1, SLOTS))
def test_pods_of_lower_priority_are_counted_by_slot(
    steps: list[tuple[int, int, int]], asked: list[int], first: int
) -> None:
    table = priorities.PriorityTable()
    pods: collections.Counter[tuple[int, int]] = collections.Counter()
    size = first
    for number, (slot, priority, sign) in enumerate(steps):
        if sign < 0 and not pods[slot, priority]:
            continue
        pods[slot, priority] += sign
        table.step(slot, priority, sign)
        size = max(size, slot + 1)
        for bound in asked[: number + 1]:
            wanted = [sum(pods[at, one] for one in range(-2, bound)) for at in range(size)]
            assert table.below(bound, size).tolist() == wanted
    assert {(slot, one) for one, at in table.by_slot().items() for slot in at} == set(+pods)
