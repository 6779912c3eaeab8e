"""How many writes may be under way: as a table, and in a surge without end."""

from __future__ import annotations

import collections

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler.kube import lanes

MOST, CROWD = 16, 10_000


@pytest.mark.parametrize(
    ("is_urgent", "waiting", "wanted"),
    [
        pytest.param(False, 1, MOST, id="nothing urgent"),
        pytest.param(True, 1, 1, id="one at a time beside Bindings"),
        pytest.param(True, CROWD // 2, 8, id="more the more wait"),
        pytest.param(True, CROWD * 2, MOST, id="all for a crowd"),
    ],
)
def test_what_gives_way(is_urgent: bool, waiting: int, wanted: int) -> None:
    assert lanes.beside(is_urgent=is_urgent, waiting=waiting, most=MOST, crowd=CROWD) == wanted


@pytest.mark.parametrize(
    ("backlog", "waiting", "oldest_s", "wanted"),
    [
        pytest.param(lanes.BACKLOG - 1, 10, 0.0, None, id="no backlog"),
        pytest.param(lanes.BACKLOG, 10, 0.0, 0, id="rests"),
        pytest.param(lanes.BACKLOG, 10, lanes.REST_S, MOST, id="rested for long enough"),
        pytest.param(lanes.BACKLOG, CROWD // 2, 0.0, MOST, id="as many as may rest"),
    ],
)
def test_what_rests(backlog: int, waiting: int, oldest_s: float, wanted: int | None) -> None:
    found = lanes.after(backlog=backlog, waiting=waiting, oldest_s=oldest_s, most=MOST, crowd=CROWD)
    assert found == wanted


@hypothesis.given(said=st.lists(st.integers(0, 300), min_size=20, max_size=100), a_tick_writes=st.integers(1, 4))
def test_in_a_surge_without_end_nothing_rests_for_longer_than_it_may(said: list[int], a_tick_writes: int) -> None:
    tick_s = 0.25
    resting: collections.deque[float] = collections.deque()
    for tick, count in enumerate(said):
        now_s = tick * tick_s
        resting.extend([now_s] * count)
        capacity = MOST * a_tick_writes * 20  # so much the server takes in a tick
        while resting and capacity:
            room = lanes.after(backlog=10**6, waiting=len(resting), oldest_s=now_s - resting[0], most=MOST, crowd=CROWD)
            if not room:
                break
            resting.popleft()
            capacity -= 1
        # Whoever rests for too long does so because the server takes no more, and all lanes are open to him.
        assert not resting or not capacity or now_s - resting[0] < lanes.REST_S
        assert len(resting) <= CROWD // 2 or not capacity
