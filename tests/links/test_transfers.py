"""What real transfers change in what is known of a path: they support probes, and never overrule them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.links import meter, paths, prober, schedule
from scheduler.api import crd

NOW_S = 1_767_322_800.0
PERIOD_S = 1800.0
PROBED = 1e8


def probe(known: paths.Paths, now_s: float, bytes_per_s: float = PROBED) -> None:
    rate = meter.Rate(bytes_per_s, steady=True)
    known.measured("z", prober.Outcome(latency_s=0.01, onward=rate, back=rate), now_s)


def probed(times: int) -> paths.Paths:
    """Paths with so many probes, the latest of them now."""
    known = paths.Paths()
    for number in reversed(range(times)):
        probe(known, NOW_S - number * PERIOD_S)
    return known


def tell(known: paths.Paths, bytes_per_s: float, now_s: float, peer: str = "z") -> bool:
    return known.transferred(peer, outward=False, size_bytes=round(bytes_per_s * 10), seconds=10.0, now_s=now_s)


def back(known: paths.Paths, now_s: float) -> crd.Link:
    return next(link for link in known.entries(now_s) if link.direction == "From")


@pytest.mark.parametrize(
    ("bytes_per_s", "after_s", "counts"),
    [
        pytest.param(0.2 * PROBED, 1000.0, False, id="slower than the link, perhaps by the application"),
        pytest.param(0.2 * PROBED, schedule.STAND_IN_S + 1, True, id="slower, and nothing newer is known"),
        pytest.param(1.1 * PROBED, 1000.0, True, id="as fast"),
        pytest.param(1.1 * PROBED, 100.0, False, id="as fast, right after a probe"),
    ],
)
def test_which_transfers_count_where_probes_were_made(bytes_per_s: float, after_s: float, counts: bool) -> None:
    known = probed(4)
    before = back(known, NOW_S)
    assert tell(known, bytes_per_s, NOW_S + after_s) is counts
    after = back(known, NOW_S + after_s)
    assert after.samples == before.samples + counts
    assert (after.last_probe_time > before.last_probe_time) is counts
    assert after.latency_seconds == before.latency_seconds


@given(
    rates=st.lists(st.floats(1e5, 1e11), min_size=1, max_size=5),
    pauses=st.lists(st.floats(0.9, 1.1), min_size=9, max_size=30),
)
def test_no_flood_of_reports_moves_what_the_scheduler_counts_on_from_what_probes_find(
    rates: list[float], pauses: list[float]
) -> None:
    known, now_s = probed(4), NOW_S
    for pause in pauses:
        until_s = now_s + pause * PERIOD_S
        for second in range(0, int(until_s - now_s), 60):
            for rate in rates:
                tell(known, rate, now_s + second)
        now_s = until_s
        assert back(known, now_s).bandwidth_low_bytes_per_second == PROBED
        assert back(known, now_s).bandwidth_bytes_per_second < 3 * PROBED
        probe(known, now_s)
        assert back(known, now_s).bandwidth_low_bytes_per_second == PROBED


def test_a_slower_link_is_found_in_spite_of_reports() -> None:
    known = probed(8)
    for number in range(1, 4):
        tell(known, 1e11, NOW_S + number * PERIOD_S - 800)
        probe(known, NOW_S + number * PERIOD_S, 0.1 * PROBED)
    assert back(known, NOW_S + 3 * PERIOD_S).bandwidth_low_bytes_per_second == 0.1 * PROBED


def test_without_probes_the_fastest_stands_as_one_rough_sample_until_it_is_old() -> None:
    known = paths.Paths()
    counted = [tell(known, rate, NOW_S + second) for second, rate in enumerate((2e6, 9e6, 5e6, 9e6))]
    assert counted == [True, True, False, True]
    found = back(known, NOW_S + 9)
    assert (found.bandwidth_bytes_per_second, found.bandwidth_low_bytes_per_second) == (9_000_000, 9_000_000)
    assert (found.samples, found.confidence) == (1, 0.333)
    assert not known.is_probed("z")
    assert known.fastest_bytes_per_s() == 0, "no probe would rest for other work that is less than what somebody says"
    assert known.entries(NOW_S + schedule.STAND_IN_S + 10) == ()


def test_the_first_probe_takes_the_place_of_what_was_told() -> None:
    known = paths.Paths()
    tell(known, 2e6, NOW_S)
    probe(known, NOW_S + 1)
    found = back(known, NOW_S + 1)
    assert (found.bandwidth_bytes_per_second, found.bandwidth_low_bytes_per_second) == (PROBED, PROBED)
    assert known.is_probed("z")


def test_a_restart_still_knows_what_was_only_told() -> None:
    first, again = paths.Paths(), paths.Paths()
    tell(first, 2e6, NOW_S)
    again.restore(first.entries(NOW_S))
    assert again.entries(NOW_S) == first.entries(NOW_S)
    probe(again, NOW_S + 1)
    assert back(again, NOW_S + 1).bandwidth_low_bytes_per_second == PROBED


def test_what_was_only_told_leaves_room_for_what_was_probed() -> None:
    known = probed(1)
    for number in range(100):
        tell(known, 1e7, NOW_S + 10 + number, peer=f"n{number}")
    found = {link.peer for link in known.entries(NOW_S + 200)}
    assert found == {"z", *(f"n{number}" for number in range(38, 100))}
