"""Medians, spreads and quantiles are what they are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scheduling import figures

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


def test_summary_of_a_single_turn_has_no_deviation() -> None:
    assert figures.summary([3.0]) == figures.Summary(median=3.0, least=3.0, most=3.0, deviation=0.0, runs=1)


def test_summary_shows_the_spread() -> None:
    found = figures.summary([4.0, 1.0, 2.0])
    assert (found.median, found.least, found.most, found.runs) == (2.0, 1.0, 4.0, 3)
    assert found.deviation == pytest.approx(1.5275, abs=1e-4)


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        pytest.param(0.5, 50, id="half of a hundred do not exceed the fiftieth"),
        pytest.param(0.99, 99, id="all but one"),
        pytest.param(1.0, 100, id="all"),
        pytest.param(0.0, 1, id="none: the least"),
    ],
)
def test_quantile_of_a_hundred(share: float, wanted: float) -> None:
    assert figures.quantile([float(number) for number in range(100, 0, -1)], share) == wanted


@given(VALUES, st.sampled_from([0.5, 0.9, 0.99]))
def test_quantile_is_a_value_that_the_share_does_not_exceed(values: list[float], share: float) -> None:
    found = figures.quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)
