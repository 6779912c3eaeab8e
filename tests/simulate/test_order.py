"""Who comes after whom: everybody in an order that keeps what can be kept."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from scheduler.simulate import order

PODS = [f"p{number}" for number in range(8)]
WAITS = st.dictionaries(st.sampled_from(PODS), st.lists(st.sampled_from(PODS), max_size=3))


def reaches(waits: dict[str, list[str]], pod: str) -> set[str]:
    """Whom a pod comes after, directly or not."""
    found: set[str] = set()
    left = list(waits.get(pod, ()))
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += waits.get(one, ())
    return found


@hypothesis.given(WAITS, WAITS)
def test_all_but_who_comes_after_itself_stand_after_whose_end_they_wait_for(
    after: dict[str, list[str]], reads: dict[str, list[str]]
) -> None:
    found = order.ordered({pod: after.get(pod, []) for pod in PODS}, reads)
    circles = {pod for pod in PODS if pod in reaches(after, pod)}
    assert set(found) == {pod for pod in PODS if pod not in circles and not circles & reaches(after, pod)}
    assert len(found) == len(set(found))
    both = {pod: [*after.get(pod, []), *(one for one in reads.get(pod, []) if one != pod)] for pod in PODS}
    for number, pod in enumerate(found):
        assert set(after.get(pod, ())) <= set(found[:number])
        if pod not in reaches(both, pod) and not any(one in reaches(both, one) for one in reaches(both, pod)):
            assert set(both[pod]) <= set(found[:number])


def test_who_waits_for_nobody_comes_first_and_reads_what_was_there_before() -> None:
    chain = {"a": [], "b": ["a"], "c": ["b"]}
    last_writes = {"a": ["c"], "b": ["c"], "c": ["c"]}
    assert order.ordered(chain, last_writes) == ["a", "b", "c"]
    assert order.ordered({"x": [], "y": []}, {"x": ["y"], "y": ["x"]}) == ["x", "y"]
    assert order.ordered({"x": [], "y": []}, {"x": ["y"]}) == ["y", "x"]
