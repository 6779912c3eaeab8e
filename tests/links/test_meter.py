"""The rate of one transfer: what settles, what is discarded, what is only rough."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.links import meter

CAP_BYTES = 8 * 2**20
TICK_S = 0.001
LIMIT_S = 5.0


def run(rate_at: Callable[[float], float]) -> tuple[meter.Rate | None, int, float]:
    """A transfer whose rate is a function of time: what was found, and the bytes and seconds it took."""
    gauge, total, at_s = meter.Meter(), 0.0, 0.0
    while total < CAP_BYTES and at_s < LIMIT_S:
        total += rate_at(at_s) * TICK_S
        at_s += TICK_S
        if gauge.add(at_s, int(total)):
            break
    return gauge.rate(), int(total), at_s


@given(rate=st.floats(1e5, 1.2e8))
def test_a_constant_rate_is_found_with_few_bytes(rate: float) -> None:
    found, size_bytes, seconds = run(lambda _: rate)
    assert found is not None
    assert found.steady
    assert found.bytes_per_s == pytest.approx(rate, rel=0.01)
    assert size_bytes <= max(1.5 * 5 * 256_000, 0.06 * rate + 200_000)
    assert seconds < 1.7


@given(rate=st.floats(3e5, 3e7), burst=st.integers(20_000, 400_000))
def test_a_burst_at_the_beginning_is_discarded(rate: float, burst: int) -> None:
    found, _, _ = run(lambda at_s: 1e8 if at_s * 1e8 < burst else rate)
    assert found is not None
    assert found.bytes_per_s == pytest.approx(rate, rel=0.05)


@given(rate=st.floats(3e5, 1e7), trip_s=st.floats(0.005, 0.1))
def test_a_slow_start_is_discarded(rate: float, trip_s: float) -> None:
    found, _, _ = run(lambda at_s: min(rate, 15_000 / trip_s * 2 ** min(at_s / trip_s, 60)))
    assert found is not None
    assert found.steady
    assert found.bytes_per_s == pytest.approx(rate, rel=0.05)


def test_a_rate_that_never_settles_is_only_rough() -> None:
    found, _, _ = run(lambda at_s: 1e6 if int(at_s / 0.1) % 2 else 4e6)
    assert found is not None
    assert not found.steady
    assert 1e6 < found.bytes_per_s < 4e6


def test_a_link_that_is_too_fast_for_the_clock_is_roughly_told() -> None:
    found, _, seconds = run(lambda _: 2e9)
    assert seconds < 0.01
    assert found is not None
    assert not found.steady
    assert found.bytes_per_s == pytest.approx(2e9, rel=0.05)


def test_too_little_tells_nothing() -> None:
    assert meter.Meter().rate() is None
    gauge = meter.Meter()
    gauge.add(0.0, 1000)
    gauge.add(0.001, 2000)
    assert gauge.rate() is None


def test_a_line_that_falls_silent_is_not_steady() -> None:
    found, _, seconds = run(lambda at_s: 1e6 if at_s < 0.1 else 0.0)
    assert seconds > LIMIT_S - 1
    assert found is None or not found.steady
