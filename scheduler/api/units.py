"""Numbers that people write, read once at the edge: quantities, sizes, durations; and the way back for display.

Everything inside counts in integers (bytes, milli-CPU, units) or in seconds as floats, so that sums are exact and no
unit is guessed. Kubernetes quantities are read exactly and rounded up, as the API server and kube-scheduler do: a
request is never counted as less than it is. What does not fit an int64 becomes 2**63-1 rather than an error, for a
quantity is valid however large it is.

Any text may arrive here: lengths are bounded before any arithmetic, and exponents before any power is taken, so that
``1e999999999`` costs as little as ``1``.
"""

from __future__ import annotations

import datetime
import functools
import math
import re
from typing import Final

from scheduler import errors
from scheduler.api import core, decoding

INT64_MAX: Final = 2**63 - 1

_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_QUANTITY: Final = re.compile(rf"([+-]?)({_NUMBER})(?:[eE]([+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]?))")
_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}

# Nobody writes a longer one; without a bound, reading digits is quadratic and the caches below could hold megabytes.
_MAX_TEXT: Final = 256
# Past this, a number of at most _MAX_TEXT digits is beyond int64 or below one milli-unit, whatever its digits are.
_MAX_EXPONENT: Final = 2 * _MAX_TEXT

_SIZE_LIKE: Final = re.compile(rf"({_NUMBER})(?:[eE]\+?([0-9]{{1,3}}))?\s*(?:([kmgtpe])(i?))?b?", re.IGNORECASE)
_DURATION_PART: Final = re.compile(rf"({_NUMBER})(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_DURATION: Final = re.compile(rf"(?:{_DURATION_PART.pattern})+")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


def quantity_milli(q: core.Quantity) -> int:
    """A quantity in thousandths, rounded up and at most 2**63-1: ``"100u"`` is 1, ``"1.5"`` is 1500.

    Raises:
        InputError: not a quantity, or negative.
    """
    return _milli_of_text(_quantity_text(q))


def quantity(q: core.Quantity) -> int:
    """A quantity in whole units, rounded up and at most 2**63-1: ``"0.5"`` is 1, ``"1Ki"`` is 1024.

    Raises:
        InputError: not a quantity, or negative.
    """
    return _units_of_text(_quantity_text(q))


def refused(amounts: core.ResourceList, where: str) -> errors.InputError | None:
    """The first quantity of some resources that cannot be read, with its place in ``where``; None if all can."""
    for name, amount in amounts.items():
        try:
            quantity(amount)
        except errors.InputError as error:
            return error.at(f"{where}[{decoding.shown_key(name)}]")
    return None


@functools.lru_cache(maxsize=65536)
def _milli_of_text(text: str) -> int:
    return _scaled(text, 3)


@functools.lru_cache(maxsize=65536)
def _units_of_text(text: str) -> int:
    return _scaled(text, 0)


def _quantity_text(q: object) -> str:
    if isinstance(q, str):
        return q
    # bool is an int to Python, but not a quantity to anybody.
    if isinstance(q, bool) or not isinstance(q, int | float) or (isinstance(q, float) and not math.isfinite(q)):
        raise errors.InputError("quantity", q, 'not a quantity; write a number such as "500m", "2" or "1Gi"')
    if isinstance(q, int):
        # str() of an int beyond 4300 digits is an error of its own.
        q = max(min(q, INT64_MAX), -1)
    return repr(q)


def _scaled(text: str, power: int) -> int:
    """The number in ``text`` times 10**power, rounded up to an integer and capped."""
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise errors.InputError("quantity", text, 'not a quantity; write a number such as "500m", "2" or "1Gi"')
    sign, number, exponent, suffix = match.groups()
    whole, _, fraction = number.partition(".")
    digits = int(whole + fraction)
    if digits == 0:
        return 0
    if sign == "-":
        raise errors.InputError("quantity", text, "a quantity cannot be negative here; write 0 or more")
    digits *= _BINARY.get(suffix or "", 1)
    written = _bounded(exponent) if exponent is not None else _DECIMAL.get(suffix, 0)
    scale = written + power - len(fraction)
    ten: int = 10 ** abs(scale)
    return min(digits * ten if scale >= 0 else -(-digits // ten), INT64_MAX)


def _bounded(exponent: str) -> int:
    return max(-_MAX_EXPONENT, min(_MAX_EXPONENT, int(exponent)))


def size_bytes(text: str) -> int:
    """A size in bytes as annotations carry it: decimal digits and nothing else, 0 to 2**63-1.

    Strict on purpose: "12MB" may mean two numbers, so it is not guessed; the error says what to write.

    Raises:
        InputError: anything else.
    """
    if text.isascii() and text.isdecimal():
        digits = text.lstrip("0") or "0"
        if len(digits) <= 19 and (size := int(digits)) <= INT64_MAX:
            return size
        raise errors.InputError("size", text, f"more bytes than anything has; write at most {INT64_MAX}")
    if not text:
        raise errors.InputError("size", text, "no size; write the number of bytes, such as 1048576")
    if text.startswith("-"):
        raise errors.InputError("size", text, "a size cannot be negative; write the number of bytes, such as 1048576")
    meant = _meant_bytes(text)
    write = str(meant) if meant is not None else "digits only, such as 1048576"
    raise errors.InputError("size", text, f"not a number of bytes; write {write}")


def _meant_bytes(text: str) -> int | None:
    """What a size that is not plain digits most likely means, for the remedy; None if that is anybody's guess."""
    if len(text) > _MAX_TEXT:
        return None
    # Digits of other scripts and separators, as in 1_000, are read as what they show.
    plain = "".join(str(int(c)) if c.isdecimal() else c for c in text.strip().lstrip("+").replace("_", ""))
    match = _SIZE_LIKE.fullmatch(plain)
    if match is None:
        return None
    number, exponent, prefix, binary = match.groups()
    power = " kmgtpe".index((prefix or " ").lower())
    whole, _, fraction = number.partition(".")
    meant: int = int(whole + fraction) * 10 ** int(exponent or 0) * (1024 if binary else 1000) ** power
    meant //= 10 ** len(fraction)
    return meant if meant <= INT64_MAX else None


def duration_s(value: str | float) -> float:
    """Seconds from a duration as Go writes it (``"1h30m"``, ``"100ms"``) or from a bare number of seconds.

    Raises:
        InputError: not a duration, negative, or not finite.
    """
    seconds = _seconds(value)
    if not math.isfinite(seconds):
        # An int beyond 4300 digits cannot even be shown.
        shown = math.inf if isinstance(value, int) and abs(value) > INT64_MAX else value
        raise errors.InputError("duration", shown, 'not a duration; write one such as "30s", "5m" or "1h30m"')
    return seconds


def time_s(text: str) -> float | None:
    """Seconds since 1970 of a time in RFC 3339; None where it is none."""
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return when.timestamp() if when.tzinfo is not None else None


def _seconds(value: object) -> float:
    """NaN for what is not a duration."""
    if isinstance(value, str):
        text = value.strip() if len(value) <= _MAX_TEXT else ""
        if re.fullmatch(_NUMBER, text):
            return float(text)
        if _DURATION.fullmatch(text):
            return math.fsum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= INT64_MAX:
        return float(value)
    return math.nan


def format_bytes(n: float) -> str:
    """A size for people: ``2.0 GiB``."""
    if n < 1024:
        return f"{n:.0f} B"
    value = float(n)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        value /= 1024
        # Not `value < 1024`: 1023.97 would be shown as 1024.0.
        if round(value, 1) < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} EiB"
