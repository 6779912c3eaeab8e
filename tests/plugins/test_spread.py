"""The best of several ends, in short: the same as end by end and node by node, however many there are."""

from __future__ import annotations

import hypothesis
import numpy as np
from hypothesis import strategies as st

from scheduler.plugins.data import spread

SITES, SLOTS = 6, 12
PACES = st.tuples(st.sampled_from([1e6, 1e7, 3e8]), st.sampled_from([0.0, 0.001, 0.5]))


@st.composite
def ways(draw: st.DrawFn) -> tuple[list[spread.Way], spread.SiteIds]:
    site_of = np.array(draw(st.lists(st.integers(0, SITES - 1), min_size=SLOTS, max_size=SLOTS)), np.int32)
    rows = {
        site: (np.array([bandwidth for bandwidth, _ in row]), np.array([latency_s for _, latency_s in row]))
        for site, row in enumerate(
            draw(st.lists(st.lists(PACES, min_size=SITES, max_size=SITES), min_size=SITES, max_size=SITES))
        )
    }
    found = []
    for end in draw(st.lists(st.integers(0, SLOTS - 1), min_size=1, unique=True)):
        apart = draw(st.dictionaries(st.integers(0, SLOTS - 1), PACES, max_size=3))
        found.append(spread.Way(end, *rows[site_of.item(end)], apart | {end: (1e9, 0.0)}))
    return found, site_of


@hypothesis.given(ways(), st.sampled_from([0, 10**6, 10**9]))
def test_each_node_has_what_the_best_of_all_ends_gives_it(
    given: tuple[list[spread.Way], spread.SiteIds], size_bytes: int
) -> None:
    ends, site_of = given
    found = spread.nearest(ends, size_bytes, site_of)
    for slot in range(SLOTS):
        site = site_of.item(slot)
        assert found.at(slot, site) == min(way.seconds(size_bytes, slot, site) for way in ends)
