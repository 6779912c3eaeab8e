"""Quantities are exact to the billionth, as apimachinery keeps them, and are written as it writes them."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler import errors
from scheduler.api import quantities


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("1", 10**9),
        ("500m", 5 * 10**8),
        ("-1500u", -1_500_000),
        ("1Ki", 1024 * 10**9),
        ("1e3", 10**12),
        ("0.1n", 1),
        ("9e99", quantities.MAX_NANO),
        (2, 2 * 10**9),
    ],
)
def test_a_quantity_is_read_exactly(text: str | int, nano: int) -> None:
    assert quantities.nano(text) == nano


@pytest.mark.parametrize("text", ["", "x", "1 ", "1KB", "--1", True])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(errors.InputError):
        quantities.nano(text)


@pytest.mark.parametrize(
    ("nano", "is_binary", "text"),
    [
        (2500 * 2**20 * 10**9, True, "2500Mi"),
        (2500 * 2**20 * 10**9, False, "2621440k"),
        (2**30 * 10**9, False, "1073741824"),
        (5 * 10**8, True, "500m"),
        (0, True, "0"),
    ],
)
def test_a_quantity_is_written_by_the_largest_unit_that_it_is_whole_in(nano: int, is_binary: bool, text: str) -> None:
    assert quantities.text(nano, is_binary=is_binary) == text


@hypothesis.given(st.integers(0, quantities.MAX_NANO), st.booleans())
def test_what_is_written_is_read_again(nano: int, is_binary: bool) -> None:
    assert quantities.nano(quantities.text(nano, is_binary=is_binary)) == nano
