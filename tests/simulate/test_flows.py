"""Shares of links: fair to everybody, whatever came and went before, and every byte is moved."""

from __future__ import annotations

import math

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler.simulate import flows

CAPACITIES = (10.0, 10.0, 30.0, 7.0, 100.0, 1.5)


class Oracle:
    """The plain way: raise all rates together, and stop at each link that is full whoever goes over it."""

    def __init__(self, ways: dict[int, tuple[int, ...]], caps: dict[int, float], capacity: dict[int, float]) -> None:
        self.rates = dict.fromkeys(ways, 0.0)
        growing = set(ways)
        while growing:
            steps = [caps[one] - self.rates[one] for one in growing]
            for link, most in capacity.items():
                on = [one for one in growing if link in ways[one]]
                if on:
                    load = sum(rate for one, rate in self.rates.items() if link in ways[one])
                    steps.append((most - load) / len(on))
            step = max(min(steps), 0.0)
            for one in growing:
                self.rates[one] += step
            full = {
                link
                for link, most in capacity.items()
                if sum(rate for one, rate in self.rates.items() if link in ways[one]) >= most * (1 - 1e-12)
            }
            growing -= {one for one in growing if self.rates[one] >= caps[one] * (1 - 1e-12) or full & set(ways[one])}


WAYS = st.lists(st.integers(0, len(CAPACITIES) - 1), min_size=1, max_size=flows.WAY, unique=True).map(tuple)
COMES = st.tuples(WAYS, st.sampled_from([1.0, 3.0, 5.0, 20.0, 1000.0]), st.sampled_from([5.0, 40.0, 1000.0]))
WIDENS = st.tuples(st.just("widen"), st.integers(0, len(CAPACITIES) - 1), st.sampled_from([2.0, 12.0, 50.0]))
ACTS = st.one_of(COMES, COMES, st.integers(0, 30), WIDENS, st.sampled_from(["settle", "pass"]))


@hypothesis.given(st.lists(ACTS, max_size=40))
def test_rates_are_those_of_filling_all_of_them_anew(acts: list[object]) -> None:
    table = flows.Flows()
    links = [table.link(capacity) for capacity in CAPACITIES]
    capacity = dict(enumerate(CAPACITIES))
    ways: dict[int, tuple[int, ...]] = {}
    caps: dict[int, float] = {}
    now_s = 0.0
    for act in [*acts, "settle"]:
        if isinstance(act, tuple) and act[0] == "widen":
            _, link, most = act
            table.widen(links[link], most)
            capacity[link] = max(capacity[link], most)
        elif isinstance(act, tuple):
            way, cap, size_bytes = act
            flow = table.add([links[one] for one in way], cap, size_bytes, now_s)
            ways[flow], caps[flow] = way, cap
        elif isinstance(act, int) and ways:
            gone = sorted(ways)[act % len(ways)]
            table.remove(gone)
            del ways[gone], caps[gone]
        else:
            table.settle(now_s)
            expected = Oracle(ways, caps, capacity).rates
            assert {one: table.rate(one) for one in ways} == pytest.approx(expected, rel=1e-6)
            for link, most in capacity.items():
                assert sum(table.rate(one) for one in ways if link in ways[one]) <= most * (1 + 1e-6)
            if act == "pass" and ways:
                now_s = table.next_s()
                for ended in table.ended(now_s):
                    table.remove(ended)
                    del ways[ended], caps[ended]


@hypothesis.given(st.lists(st.tuples(COMES, st.floats(0, 20)), min_size=1, max_size=20))
def test_every_flow_moves_all_its_bytes_and_no_more(
    coming: list[tuple[tuple[tuple[int, ...], float, float], float]],
) -> None:
    table = flows.Flows()
    links = [table.link(capacity) for capacity in CAPACITIES]
    waiting = sorted(((begin_s, *one) for one, begin_s in coming), reverse=True)
    under_way: dict[int, tuple[float, float]] = {}  # bytes to move, and moved
    now_s = 0.0
    while waiting or under_way:
        then_s = min(table.next_s(), waiting[-1][0] if waiting else math.inf)
        for one, (size_bytes, moved) in under_way.items():
            under_way[one] = size_bytes, moved + table.rate(one) * (then_s - now_s)
        now_s = then_s
        for one in table.ended(now_s):
            size_bytes, moved = under_way.pop(one)
            assert moved == pytest.approx(size_bytes, rel=1e-6)
            table.remove(one)
        while waiting and waiting[-1][0] <= now_s:
            _, way, cap, size_bytes = waiting.pop()
            under_way[table.add([links[each] for each in way], cap, size_bytes, now_s)] = size_bytes, 0.0
        table.settle(now_s)


def test_a_flow_alone_is_as_fast_as_it_can_be() -> None:
    table = flows.Flows()
    link = table.link(10.0)
    flow = table.add([link], 4.0, 20.0, 1.0)
    table.settle(1.0)
    assert (table.rate(flow), table.next_s()) == (4.0, 6.0)


def test_who_cannot_use_its_share_leaves_the_rest_to_the_others() -> None:
    table = flows.Flows()
    wide, narrow = table.link(10.0), table.link(2.0)
    slow = table.add([wide, narrow], 100.0, 1.0, 0.0)
    fast = table.add([wide], 100.0, 1.0, 0.0)
    table.settle(0.0)
    assert (table.rate(slow), table.rate(fast)) == (2.0, 8.0)
    table.remove(fast)
    table.settle(0.0)
    assert table.rate(slow) == 2.0


def test_thousands_of_flows_have_room() -> None:
    table = flows.Flows()
    link = table.link(1000.0)
    many = [table.add([link], 10.0, 1.0, 0.0) for _ in range(1000)]
    table.settle(0.0)
    assert {table.rate(one) for one in many} == {1.0}
    for one in many[:990]:
        table.remove(one)
    table.settle(0.0)
    assert {table.rate(one) for one in many[990:]} == {10.0}
