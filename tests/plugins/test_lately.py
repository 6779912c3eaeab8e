"""What is kept of late stays within its bytes, and what was used last stays longest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.plugins.common import lately

ROOM_BYTES = 100
KEYS = st.sampled_from("abcd")
USES = st.lists(st.one_of(KEYS, st.tuples(KEYS, st.integers(0, 60))), max_size=30)


@given(uses=USES)
def test_the_longest_unused_go_first_and_only_when_there_is_no_room(uses: list[str | tuple[str, int]]) -> None:
    kept: lately.Lately[int] = lately.Lately(ROOM_BYTES)
    expected: list[tuple[str, int]] = []  # the longest unused first
    for use in uses:
        key = use[0]
        before = [size for name, size in expected if name == key]
        expected = [one for one in expected if one[0] != key]
        if isinstance(use, tuple):
            kept.put(key, use[1], use[1])
            expected.append(use)
            while sum(size for _, size in expected) > ROOM_BYTES:
                del expected[0]
        else:
            assert kept.get(key) == (before[0] if before else None)
            expected += [(key, size) for size in before]
    for key, size in expected:
        assert kept.get(key) == size
    assert {key for key in "abcd" if kept.get(key) is not None} == {key for key, _ in expected}
