"""Room over time: the first moment that is found is the first there is, told second by second."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.simulate.arms import timeline

FREE = (4, 10)
PIECES = st.tuples(st.integers(0, 30), st.integers(0, 4), st.integers(0, 10), st.integers(1, 8))


@given(pieces=st.lists(PIECES, max_size=12))
def test_each_begins_at_the_first_moment_with_room_for_as_long_as_it_lasts(
    pieces: list[tuple[int, int, int, int]],
) -> None:
    line = timeline.Timeline(np.array(FREE))
    taken = np.zeros((500, 2), int)
    for ready_s, cpu, memory, lasts_s in pieces:
        asked = np.array([cpu, memory])
        begin_s = line.earliest(float(ready_s), asked, float(lasts_s))
        first = next(
            second for second in range(ready_s, 400) if (taken[second : second + lasts_s] + asked <= FREE).all()
        )
        assert begin_s == first
        line.take(begin_s, asked, float(lasts_s))
        taken[first : first + lasts_s] += asked
