"""Plain integers that overflow as those of numpy and Go do, so that one cell equals its place in a row to the bit."""

from __future__ import annotations

from typing import Final

_LIMIT: Final = 1 << 63


def wrap(value: int) -> int:
    """The value as an int64 holds it."""
    return value if -_LIMIT <= value < _LIMIT else (value + _LIMIT) % (2 * _LIMIT) - _LIMIT
