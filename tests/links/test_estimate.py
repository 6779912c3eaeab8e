"""Series of measurements: averages, lower quantiles, trust, changes of rate; and what of it is published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.links import estimate, meter, paths, prober
from scheduler.api import crd, units

HOUR_S = 3600.0
VALUES = st.floats(1.0, 1e12)


def series(*values: float, every_s: float = 60.0) -> estimate.Series:
    found = None
    for number, value in enumerate(values):
        found = estimate.observe(found, estimate.Sample(number * every_s, value))
    assert found is not None
    return found


@given(values=st.lists(VALUES, min_size=1, max_size=30))
def test_figures_lie_between_the_least_and_the_greatest(values: list[float]) -> None:
    found = series(*values)
    least, greatest = min(values), max(values)
    assert least <= found.low <= greatest
    assert least * (1 - 1e-9) <= found.average <= greatest * (1 + 1e-9)
    assert 0 < found.confidence < 1
    assert found.count == len(values)
    assert found.latest_s == (len(values) - 1) * 60


@given(values=st.lists(st.floats(80.0, 100.0), min_size=1, max_size=30))
def test_three_of_four_samples_reach_the_lower_quantile(values: list[float]) -> None:
    found = series(*values)
    last = values[-estimate.WINDOW :]
    assert sum(value >= found.low for value in last) >= 0.75 * len(last)
    assert found.low <= sorted(last)[len(last) // 2]


@pytest.mark.parametrize(("before", "after"), [(100.0, 20.0), (20.0, 100.0), (100.0, 150.0), (1e6, 1e9), (1e9, 1e6)])
@pytest.mark.parametrize("history", [1, 3, 8, 40])
def test_a_changed_rate_is_followed_within_three_samples(before: float, after: float, history: int) -> None:
    found = series(*[before] * history, *[after] * 3)
    assert found.average == pytest.approx(after, rel=0.15)
    assert found.low == pytest.approx(after, rel=0.15)


def test_one_odd_sample_changes_little() -> None:
    found = series(*[100.0] * 8, 10.0, 100.0, 100.0)
    assert found.low == 100
    assert found.average > 80


def test_trust_grows_with_samples_and_fades_with_their_age() -> None:
    grown = [series(*[5.0] * count).confidence for count in range(1, 9)]
    assert grown == sorted(grown)
    assert (grown[0], grown[2]) == pytest.approx((0.5, 0.75), abs=0.01)
    assert series(*[5.0] * 8, every_s=12 * HOUR_S).confidence < grown[1]
    rough = estimate.observe(None, estimate.Sample(0, 5.0, estimate.quality(steady=False)))
    assert rough.confidence < grown[0]


def test_an_older_sample_is_not_taken() -> None:
    found = series(1.0, 2.0)
    assert estimate.observe(found, estimate.Sample(-1.0, 9.0)) is found


@given(value=VALUES, low=VALUES, confidence=st.floats(0.01, 0.88), count=st.integers(1, 1000))
def test_what_was_published_comes_back(value: float, low: float, confidence: float, count: int) -> None:
    found = estimate.restored(value=value, low=low, confidence=confidence, count=count, at_s=7.0)
    assert (found.average, found.low, found.count, found.latest_s) == (value, low, count, 7.0)
    assert found.confidence == pytest.approx(confidence)


def rate(bytes_per_s: float, *, steady: bool = True) -> meter.Rate:
    return meter.Rate(bytes_per_s, steady)


def outcome(onward: float | None, back: float | None, latency_s: float | None = 0.01) -> prober.Outcome:
    return prober.Outcome(
        latency_s=latency_s, onward=rate(onward) if onward else None, back=rate(back) if back else None
    )


NOW_S = 1_767_322_800.0


def test_both_directions_are_published_apart() -> None:
    known = paths.Paths()
    known.measured("zone:r/a", outcome(5e6, 1e6), NOW_S)
    known.measured("n2", outcome(None, 7e6), NOW_S + 5)
    onward, back = (
        crd.Link("zone:r/a", direction, rate, rate, 0.01, 1, 0.5, "2026-01-02T03:00:00Z")
        for direction, rate in (("To", 5_000_000), ("From", 1_000_000))
    )
    node = crd.Link("n2", "From", 7_000_000, 7_000_000, 0.01, 1, 0.5, "2026-01-02T03:00:05Z")
    assert known.entries(NOW_S + 5) == (node, back, onward)
    assert known.fastest_bytes_per_s() == 7e6


def test_a_restart_forgets_what_nobody_probed() -> None:
    known = paths.Paths()
    told = crd.Link("n2", "To", 5_000_000, 5_000_000, 0.0, 1, 0.333, "2026-01-02T03:00:00Z")  # as workloads once could
    known.restore([told])
    assert known.entries(NOW_S) == ()


def test_old_paths_are_forgotten_and_only_so_many_are_published() -> None:
    known = paths.Paths()
    for number in range(50):
        known.measured(f"n{number}", outcome(1e6, 1e6), NOW_S + number)
    entries = known.entries(NOW_S + 50)
    assert len(entries) == 64
    assert {entry.peer for entry in entries} == {f"n{number}" for number in range(18, 50)}
    assert known.entries(NOW_S + 72 * HOUR_S) == ()


def test_a_restart_goes_on_where_it_was() -> None:
    first = paths.Paths()
    for minute in range(4):
        first.measured("n2", outcome(5e6, 1e6), NOW_S + 60 * minute)
    published = first.entries(NOW_S + 300)
    again = paths.Paths()
    vouched = crd.Link("n3", bandwidth_bytes_per_second=5)  # by somebody else: not to be published as measured
    again.restore((*published, vouched))
    assert again.entries(NOW_S + 300) == published
    again.measured("n2", outcome(5e6, 1e6), NOW_S + 400)
    assert [entry.samples for entry in again.entries(NOW_S + 400)] == [5, 5]
    assert units.time_s(again.entries(NOW_S + 400)[0].last_probe_time) == NOW_S + 400


def test_a_path_is_settled_when_both_directions_are_known_and_calm() -> None:
    known = paths.Paths()
    assert not known.is_settled("n2")
    for minute in range(3):
        known.measured("n2", outcome(5e6, 1e6), NOW_S + 60 * minute)
    assert known.is_settled("n2")
    known.measured("n2", outcome(5e6, 9e6), NOW_S + 240)
    assert not known.is_settled("n2")
