"""The time of day in a simulation: it begins at a fixed one, so that runs are the same whenever they are made."""

from __future__ import annotations

import datetime
from typing import Final

_BEGINS_S: Final = 1_767_225_600.0  # 2026-01-01T00:00:00Z
_LAST_S: Final = 253_402_300_799.0  # 9999-12-31T23:59:59Z: later ones cannot be written


def wall_s(now_s: float) -> float:
    """Seconds since 1970."""
    return _BEGINS_S + now_s


def text(now_s: float) -> str:
    """The same as RFC 3339 has it, to the second."""
    return datetime.datetime.fromtimestamp(int(min(wall_s(now_s), _LAST_S)), datetime.UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
