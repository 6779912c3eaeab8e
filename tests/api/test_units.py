"""Quantities, sizes and durations: exact values, laws against an independent reading, and what is refused."""

import decimal
import fractions
import math
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import errors
from scheduler.api import units

INT64_MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("text", "milli", "whole"),
    [
        pytest.param("0", 0, 0, id="zero"),
        pytest.param("100u", 1, 1, id="micro-rounds-up"),
        pytest.param("1n", 1, 1, id="nano-rounds-up"),
        pytest.param("1000001n", 2, 1, id="just-above-a-milli"),
        pytest.param("100m", 100, 1, id="milli"),
        pytest.param("1.5", 1500, 2, id="fraction"),
        pytest.param("0.5", 500, 1, id="half"),
        pytest.param(".5", 500, 1, id="no-leading-zero"),
        pytest.param("5.", 5000, 5, id="no-fraction-digits"),
        pytest.param("+5", 5000, 5, id="plus"),
        pytest.param("-0", 0, 0, id="minus-zero"),
        pytest.param("007", 7000, 7, id="leading-zeros"),
        pytest.param("2e3", 2_000_000, 2000, id="exponent"),
        pytest.param("2E3", 2_000_000, 2000, id="capital-exponent"),
        pytest.param("25e-1", 2500, 3, id="negative-exponent"),
        pytest.param("1E", INT64_MAX, 10**18, id="exa-is-not-an-exponent"),
        pytest.param("1k", 1_000_000, 1000, id="kilo"),
        pytest.param("1Ki", 1_024_000, 1024, id="kibi"),
        pytest.param("128Mi", 134_217_728_000, 134_217_728, id="mebi"),
        pytest.param("1.5Gi", 1_610_612_736_000, 1_610_612_736, id="fraction-of-a-gibi"),
        pytest.param("0.3Ki", 307_200, 308, id="fraction-of-a-kibi-rounds-up"),
        pytest.param("9223372036854775807", INT64_MAX, INT64_MAX, id="largest"),
        pytest.param("9223372036854775808", INT64_MAX, INT64_MAX, id="one-more-is-capped"),
        pytest.param("16Ei", INT64_MAX, INT64_MAX, id="capped-at-2-to-the-63"),
        pytest.param("1e999999999", INT64_MAX, INT64_MAX, id="exponent-bomb"),
        pytest.param("1e-999999999", 1, 1, id="negative-exponent-bomb"),
        pytest.param("0e999999999", 0, 0, id="zero-with-an-exponent-bomb"),
        pytest.param("1e" + "9" * 250, INT64_MAX, INT64_MAX, id="long-exponent"),
        pytest.param("0." + "0" * 250 + "1", 1, 1, id="long-fraction"),
        pytest.param(2, 2000, 2, id="int"),
        pytest.param(0.1, 100, 1, id="float"),
        pytest.param(1e30, INT64_MAX, INT64_MAX, id="huge-float"),
        pytest.param(1e-7, 1, 1, id="tiny-float"),
        pytest.param(10**5000, INT64_MAX, INT64_MAX, id="int-that-cannot-be-printed"),
    ],
)
def test_quantities_are_exact_rounded_up_and_capped(text: str | float, milli: int, whole: int) -> None:
    assert units.quantity_milli(text) == milli
    assert units.quantity(text) == whole


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" 1", id="space"),
        pytest.param("1 Gi", id="inner-space"),
        pytest.param("1\n", id="line-break"),
        pytest.param("abc", id="word"),
        pytest.param("1g", id="unknown-suffix"),
        pytest.param("1K", id="capital-kilo"),
        pytest.param("1mi", id="lower-case-mebi"),
        pytest.param("1GB", id="byte-suffix"),
        pytest.param("1e", id="exponent-without-digits"),
        pytest.param("1e3Mi", id="exponent-and-suffix"),
        pytest.param("1e1.5", id="fractional-exponent"),
        pytest.param("0x10", id="hexadecimal"),
        pytest.param("1_000", id="underscore"),
        pytest.param("1,5", id="comma"),
        pytest.param(".", id="dot"),
        pytest.param("nan", id="nan-text"),
        pytest.param("inf", id="inf-text"),
        pytest.param("١٢", id="digits-of-another-script"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param("1" * 10_000, id="ten-kilobytes"),
        pytest.param(math.nan, id="nan"),
        pytest.param(math.inf, id="inf"),
        pytest.param(True, id="bool"),
    ],
)
def test_what_is_not_a_quantity_is_refused_with_a_remedy(text: str | float) -> None:
    for read in (units.quantity, units.quantity_milli):
        with pytest.raises(errors.InputError) as caught:
            read(text)
        assert caught.value.remedy == 'not a quantity; write a number such as "500m", "2" or "1Gi"'
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["-1", "-1Gi", "-1n", "-1e999999999", -1, -0.5, pytest.param(-(10**5000), id="huge")])
def test_negative_quantities_are_refused(text: str | float) -> None:
    with pytest.raises(errors.InputError, match="a quantity cannot be negative here; write 0 or more"):
        units.quantity(text)


def test_a_refused_bool_does_not_depend_on_what_was_read_before() -> None:
    assert units.quantity(1) == 1  # True == 1, so a cache could take one for the other
    with pytest.raises(errors.InputError):
        units.quantity(True)


def expected(text: str, per_unit: int) -> int:
    """An independent reading by exact decimals: number, then suffix, then the ceiling."""
    multipliers = {suffix: 1024**n for n, suffix in enumerate(["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])}
    multipliers |= dict(zip("kMGTPE", (1000**n for n in range(1, 7)), strict=True))
    small = {"n": 10**9, "u": 10**6, "m": 10**3}
    number = text.rstrip("KMGTPEinumk")
    suffix = text[len(number) :]
    value = fractions.Fraction(decimal.Decimal(number)) * per_unit
    value = value / small[suffix] if suffix in small else value * multipliers[suffix]
    return min(math.ceil(value), INT64_MAX)


NUMBERS = st.from_regex(r"[+]?([0-9]{1,25}(\.[0-9]{0,25})?|\.[0-9]{1,25})", fullmatch=True)
SUFFIXES = st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
EXPONENTS = st.integers(-60, 60).flatmap(lambda e: st.sampled_from([f"e{e}", f"E{e}", f"e{e:+d}"]))


@given(NUMBERS, SUFFIXES | EXPONENTS)
def test_quantities_equal_an_exact_decimal_reading(number: str, suffix: str) -> None:
    assert units.quantity(number + suffix) == expected(number + suffix, 1)
    assert units.quantity_milli(number + suffix) == expected(number + suffix, 1000)


@given(st.integers(0, INT64_MAX))
def test_a_plain_number_is_itself_however_written(n: int) -> None:
    assert units.quantity(n) == units.quantity(str(n)) == units.size_bytes(str(n)) == n
    assert units.quantity_milli(f"{n}m") == n


@given(st.text() | st.text("0123456789.eE+-KMGTPEinumk", max_size=40) | st.floats() | st.integers())
def test_any_quantity_is_read_or_refused_and_never_less_in_milli(value: str | float) -> None:
    try:
        whole, milli = units.quantity(value), units.quantity_milli(value)
    except errors.InputError as error:
        assert error.remedy  # noqa: PT017 (both outcomes are right)
        return
    assert 0 <= whole <= milli <= INT64_MAX
    assert whole == min(-(-milli // 1000), INT64_MAX) or milli == INT64_MAX


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("1048576", 1_048_576, id="plain"),
        pytest.param("007", 7, id="leading-zeros"),
        pytest.param("0" * 10_000 + "5", 5, id="ten-kilobytes-of-zeros"),
        pytest.param("9223372036854775807", INT64_MAX, id="largest"),
    ],
)
def test_sizes_are_decimal_digits(text: str, size: int) -> None:
    assert units.size_bytes(text) == size


DIGITS_ONLY = "not a number of bytes; write digits only, such as 1048576"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        pytest.param("12MB", "not a number of bytes; write 12000000", id="megabytes"),
        pytest.param("12 MiB", "not a number of bytes; write 12582912", id="mebibytes"),
        pytest.param("12Mi", "not a number of bytes; write 12582912", id="quantity"),
        pytest.param("1.5GB", "not a number of bytes; write 1500000000", id="fraction"),
        pytest.param("10kb", "not a number of bytes; write 10000", id="lower-case"),
        pytest.param("1e6", "not a number of bytes; write 1000000", id="exponent"),
        pytest.param("12.0", "not a number of bytes; write 12", id="point"),
        pytest.param("1_000", "not a number of bytes; write 1000", id="underscore"),
        pytest.param("+5", "not a number of bytes; write 5", id="plus"),
        pytest.param("١٢", "not a number of bytes; write 12", id="digits-of-another-script"),
        pytest.param("²", DIGITS_ONLY, id="superscript"),
        pytest.param("", "no size; write the number of bytes, such as 1048576", id="missing"),
        pytest.param("-5", "a size cannot be negative; write the number of bytes, such as 1048576", id="negative"),
        pytest.param("big", DIGITS_ONLY, id="word"),
        pytest.param("nan", DIGITS_ONLY, id="nan"),
        pytest.param("inf", DIGITS_ONLY, id="inf"),
        pytest.param("0x10", DIGITS_ONLY, id="hexadecimal"),
        pytest.param("1e999", DIGITS_ONLY, id="exponent-bomb"),
        pytest.param("1e999999999", DIGITS_ONLY, id="large-exponent-bomb"),
        pytest.param("\ud800", DIGITS_ONLY, id="surrogate"),
        pytest.param("x" * 10_000, DIGITS_ONLY, id="ten-kilobytes"),
        pytest.param(str(2**63), f"more bytes than anything has; write at most {INT64_MAX}", id="above-int64"),
        pytest.param("9" * 10_000, f"more bytes than anything has; write at most {INT64_MAX}", id="many-digits"),
    ],
)
def test_a_bad_size_is_refused_with_what_to_write(text: str, remedy: str) -> None:
    with pytest.raises(errors.InputError) as caught:
        units.size_bytes(text)
    assert caught.value.remedy == remedy


@given(st.text() | st.from_regex(r"[0-9.]{0,20} ?[kmgtpeKMGTPE]?i?[bB]?", fullmatch=True))
def test_a_refused_size_that_names_a_number_is_accepted_with_that_number(text: str) -> None:
    try:
        units.size_bytes(text)
    except errors.InputError as error:
        if match := re.search(r"; write ([0-9]+)$", error.remedy):
            units.size_bytes(match[1])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("5m", 300.0, id="minutes"),
        pytest.param("30s", 30.0, id="seconds"),
        pytest.param("1h30m", 5400.0, id="hours-and-minutes"),
        pytest.param("1.5h", 5400.0, id="fraction"),
        pytest.param("100ms", 0.1, id="milliseconds"),
        pytest.param("250us", 0.00025, id="microseconds"),
        pytest.param("250\u00b5s", 0.00025, id="micro-sign"),
        pytest.param("1m0.5s", 60.5, id="minutes-and-a-fraction"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("30", 30.0, id="bare-text"),
        pytest.param(30, 30.0, id="int"),
        pytest.param(1.5, 1.5, id="float"),
    ],
)
def test_durations_are_read_as_go_writes_them(value: str | float, seconds: float) -> None:
    assert units.duration_s(value) == pytest.approx(seconds, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("5 m", id="space"),
        pytest.param("-5m", id="negative"),
        pytest.param("5d", id="days"),
        pytest.param("m5", id="unit-first"),
        pytest.param("5m3", id="number-without-unit"),
        pytest.param("1e3", id="exponent"),
        pytest.param("٥m", id="digits-of-another-script"),
        pytest.param("9" * 400 + "h", id="too-long"),
        pytest.param(-1, id="negative-number"),
        pytest.param(math.nan, id="nan"),
        pytest.param(math.inf, id="inf"),
        pytest.param(10**5000, id="int-that-cannot-be-printed"),
        pytest.param(True, id="bool"),
    ],
)
def test_what_is_not_a_duration_is_refused(value: str | float) -> None:
    with pytest.raises(errors.InputError, match='not a duration; write one such as "30s", "5m" or "1h30m"'):
        units.duration_s(value)


@given(st.text() | st.text("0123456789.hmsnuµ", max_size=30) | st.floats() | st.integers())
def test_any_duration_is_finite_or_refused(value: str | float) -> None:
    try:
        seconds = units.duration_s(value)
    except errors.InputError:
        return
    assert 0 <= seconds <= sys.float_info.max


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        pytest.param(units.format_bytes(0), "0 B", id="no-bytes"),
        pytest.param(units.format_bytes(1023), "1023 B", id="bytes"),
        pytest.param(units.format_bytes(1024), "1.0 KiB", id="kibibyte"),
        pytest.param(units.format_bytes(2**20 - 1), "1.0 MiB", id="never-1024.0-KiB"),
        pytest.param(units.format_bytes(2**31), "2.0 GiB", id="gibibytes"),
        pytest.param(units.format_bytes(INT64_MAX), "8.0 EiB", id="largest-size"),
    ],
)
def test_figures_are_short(shown: str, text: str) -> None:
    assert shown == text


@given(st.integers(0, INT64_MAX))
def test_a_shown_size_is_within_its_last_digit(n: int) -> None:
    number, unit = units.format_bytes(n).split()
    scale = 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].index(unit)
    assert float(number) < 1024
    assert abs(float(number) * scale - n) <= 0.0501 * scale
