"""The rate of one transfer, from how many bytes had arrived when. Pure: times and byte counts go in, a rate comes out.

A transfer begins untypically: TCP feels its way up, and shapers let a burst pass before they hold back. So the stream
is cut into windows, and it counts as steady once ``STEADY_WINDOWS`` of them in a row agree within ``SPREAD``; their
bytes over their time are the rate, and whatever came before is discarded. A window is closed when it is long enough for
the clock and holds enough packets for their number not to matter, so that fast links take little time and slow ones few
bytes. A transfer that has to end before it is steady is worth the rate of its later half, and says that it was not.
"""

from __future__ import annotations

import dataclasses
from typing import Final

STEADY_WINDOWS: Final = 5
SPREAD: Final = 0.15  # between the fastest and the slowest of them, against their mean

_LONG_S: Final = 0.5  # a window is closed at the latest then,
_USUAL_S, _USUAL_BYTES = 0.05, 24_000  # or then, with this many bytes (16 packets),
_SHORT_S, _SHORT_BYTES = 0.01, 256_000  # or then, on fast links


@dataclasses.dataclass(frozen=True)
class Rate:
    """What a transfer was found to do; ``steady`` where its rate had settled."""

    bytes_per_s: float
    steady: bool


@dataclasses.dataclass(frozen=True)
class _Window:
    seconds: float
    size_bytes: int

    @property
    def bytes_per_s(self) -> float:
        return self.size_bytes / self.seconds


class Meter:
    """One transfer under way."""

    def __init__(self) -> None:
        self._windows: list[_Window] = []
        self._from_s: float | None = None
        self._from_bytes = 0
        self._rest = _Window(0.0, 0)  # what arrived since the last window was closed

    def add(self, at_s: float, total_bytes: int) -> bool:
        """Take in how many bytes had arrived by then; returns whether the rate has settled."""
        if self._from_s is None:  # the clock starts with the first bytes, not with the question for them
            self._from_s, self._from_bytes = at_s, total_bytes
            return False
        window = _Window(at_s - self._from_s, total_bytes - self._from_bytes)
        self._rest = window
        if _is_full(window):
            self._windows.append(window)
            self._from_s, self._from_bytes, self._rest = at_s, total_bytes, _Window(0.0, 0)
        return self._is_steady()

    def rate(self) -> Rate | None:
        """The rate so far; None where too little arrived to tell."""
        if self._is_steady():
            return Rate(_rate_of(self._windows[-STEADY_WINDOWS:]), steady=True)
        # Over a very fast link all bytes may have come before the first window was long enough.
        is_enough = self._rest.size_bytes >= _SHORT_BYTES and self._rest.seconds > 0
        windows = [*self._windows, self._rest] if is_enough else self._windows
        later = windows[len(windows) // 2 :]
        return Rate(_rate_of(later), steady=False) if any(window.size_bytes for window in later) else None

    def _is_steady(self) -> bool:
        last = [window.bytes_per_s for window in self._windows[-STEADY_WINDOWS:]]
        return len(last) == STEADY_WINDOWS and max(last) - min(last) <= SPREAD * sum(last) / len(last) and min(last) > 0


def _is_full(window: _Window) -> bool:
    return (
        window.seconds >= _LONG_S
        or (window.seconds >= _USUAL_S and window.size_bytes >= _USUAL_BYTES)
        or (window.seconds >= _SHORT_S and window.size_bytes >= _SHORT_BYTES)
    )


def _rate_of(windows: list[_Window]) -> float:
    return sum(window.size_bytes for window in windows) / sum(window.seconds for window in windows)
