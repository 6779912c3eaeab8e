"""Flows: what is left of them, what passages serve beside them, and that nothing stays of those that are over."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.state import fetched, sites, traffic

NEAR, FAR = sites.Site("eu", "a", ""), sites.Site("us", "b", "edge")
LINK = traffic.link(NEAR, FAR)
PASSAGES = [traffic.Passage(kind, slot) for kind in (traffic.Kind.OUT, traffic.Kind.IN) for slot in range(4)]
UIDS = ["p", "q", "r"]

Act = Callable[[traffic.Traffic], None]


def flow(
    *via: traffic.Passage | None, size: int = 100, begins: float = 0.0, ends: float = 10.0, rate: float = 10.0
) -> traffic.Flow:
    return traffic.Flow(tuple((one, rate) for one in via if one is not None), size, begins, ends)


def moving(*flows: traffic.Flow) -> traffic.Expected:
    return traffic.Expected(flows)


def shared(of: traffic.Traffic, passage: traffic.Passage | None, now_s: float, size: int = 10**9) -> float:
    moment = of.at(now_s)
    assert passage is not None
    return moment.shared_bytes(size).item(moment.number(passage))


@pytest.mark.parametrize(
    ("now_s", "left"),
    [
        pytest.param(-1.0, 0, id="not begun"),
        pytest.param(0.0, 100, id="just begun"),
        pytest.param(2.5, 75, id="a quarter moved"),
        pytest.param(10.0, 0, id="over"),
        pytest.param(99.0, 0, id="long over"),
    ],
)
def test_what_is_left_is_moved_at_an_even_rate(now_s: float, left: float) -> None:
    made = traffic.Traffic()
    made.begin("p", moving(flow(PASSAGES[0], LINK)))
    assert shared(made, PASSAGES[0], now_s) == left
    assert shared(made, LINK, now_s) == left
    assert shared(made, PASSAGES[1], now_s) == 0


def test_a_small_transfer_waits_for_nobodys_whole_rest() -> None:
    made = traffic.Traffic()
    made.begin("p", moving(flow(LINK, size=30), flow(LINK, size=500)))
    assert shared(made, LINK, 0.0, size=50) == 30 + 50


def test_a_flow_without_bytes_or_time_is_none() -> None:
    made = traffic.Traffic()
    made.begin("p", moving(flow(LINK, size=0), flow(LINK, ends=0.0)))
    assert len(made) == 0


def test_a_passage_serves_at_the_rate_that_was_told_last() -> None:
    made = traffic.Traffic()
    made.begin("p", moving(flow(LINK, rate=5.0)))
    made.begin("q", moving(flow(LINK, rate=7.0)))
    moment = made.at(1.0)
    assert LINK is not None
    assert moment.rates.item(moment.number(LINK)) == 7.0


def test_who_leaves_takes_all_that_went_there_or_came_from_there() -> None:
    made = traffic.Traffic()
    out, into = traffic.Passage(traffic.Kind.OUT, 0), traffic.Passage(traffic.Kind.IN, 1)
    made.begin("p", moving(flow(out, LINK, into), flow(traffic.Passage(traffic.Kind.STORE, 2))))
    made.begin("q", moving(flow(traffic.Passage(traffic.Kind.OUT, 1), LINK)))
    made.leave(1)
    assert made.flows_of("p") == [flow(traffic.Passage(traffic.Kind.STORE, 2))]
    assert made.movers() == {"p"}
    assert shared(made, LINK, 1.0) == 0


def begins(uid: str, which: int, other: int, size: int, ends: float) -> Act:
    return lambda made: made.begin(uid, moving(flow(PASSAGES[which], LINK, PASSAGES[other], size=size, ends=ends)))


ACTS: st.SearchStrategy[Act] = st.one_of(
    st.builds(
        begins,
        st.sampled_from(UIDS),
        st.integers(0, 3),
        st.integers(4, 7),
        st.integers(1, 10**13),
        st.floats(0.001, 100),
    ),
    st.sampled_from(UIDS).map(lambda uid: lambda made: made.end(uid)),
    st.integers(0, 3).map(lambda slot: lambda made: made.leave(slot)),
    st.floats(0, 120).map(lambda now_s: lambda made: made.sweep(now_s)),
)


@given(acts=st.lists(ACTS, max_size=60), now_s=st.floats(0, 110), size=st.integers(1, 10**13))
def test_what_is_shared_is_the_sum_over_the_flows_and_nothing_stays(acts: list[Act], now_s: float, size: int) -> None:
    made = traffic.Traffic()
    for act in acts:
        act(made)
    there = [one for uid in UIDS for one in made.flows_of(uid)]
    assert len(made) == len(there)
    used = {passage for one in there for passage, _ in one.via}
    assert made.numbers.keys() == used
    for passage in used:
        left = [
            one.size_bytes * (one.ends_s - now_s) / one.ends_s
            for one in there
            if now_s < one.ends_s and any(passage == each for each, _ in one.via)
        ]
        expected = math.fsum(min(each, size) for each in left)
        assert shared(made, passage, now_s, size) == pytest.approx(expected, rel=1e-9)
    moment = made.at(now_s)
    for kind in (traffic.Kind.OUT, traffic.Kind.IN):
        slots, numbers = moment.nodes(kind)
        assert [moment.number(traffic.Passage(kind, slot)) for slot in slots.tolist()] == numbers.tolist()
    for uid in UIDS:
        made.end(uid)
    assert len(made) == 0
    assert not made.numbers
    assert len(made.rates) == 1


def test_room_is_given_back() -> None:
    made = traffic.Traffic()
    for number in range(1000):
        made.begin(f"p{number}", moving(flow(traffic.Passage(traffic.Kind.OUT, number), ends=1.0 + number)))
    assert len(made.at(0.0).rates) >= 1000
    made.sweep(991.0)
    assert len(made) == 9
    assert len(made.spans.base if made.spans.base is not None else []) == 3
    assert made.via.base is not None
    assert made.via.base.size <= 3 * 64


def test_what_is_fetched_is_known_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched, "MOST", 100)
    made = fetched.Fetched()
    for number in range(1000):
        made.begin(f"p{number % 7}", fetched.Fetch("default", f"logs/{number // 10}", number, float(number)))
    assert 90 <= len(made) <= 100
    assert set(made.at("default", "logs/99")) == set(range(990, 1000))
    assert not made.at("default", "logs/0")
    assert not made.at("other", "logs/99")
    made.change("logs/99")
    assert not made.at("default", "logs/99")
    for number in range(7):
        made.end(f"p{number}", 0.0)
    assert len(made) == 0
