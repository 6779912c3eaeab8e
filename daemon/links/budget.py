"""How many bytes may be spent on probing: never more than so many in any hour, whatever happens. Pure.

What a probe may take at most is set aside before it starts, and what it did not take is given back after it. The hour
slides: there is no full hour at whose turn twice as much could pass.

A probe that is too small finds no rate, so one may be larger than what an hour allows. The bytes of several hours are
then one budget: of 600 kB an hour and probes of 4 MB, 4.2 MB may pass in any seven hours.
"""

from __future__ import annotations

import collections
from typing import Final

HOUR_S: Final = 3600.0


class Budget:
    """A number of bytes for any hour, or for any ``hours`` as many times as much."""

    def __init__(self, bytes_per_hour: int, hours: int = 1) -> None:
        self._window_s = hours * HOUR_S
        self._bytes = hours * bytes_per_hour
        self._spent: collections.deque[tuple[float, int]] = collections.deque()
        self._sum = 0
        self._aside = 0

    def reserve(self, size_bytes: int, now_s: float) -> bool:
        """Set bytes aside; False where they would be too many."""
        while self._spent and self._spent[0][0] <= now_s - self._window_s:
            self._sum -= self._spent.popleft()[1]
        if self._sum + self._aside + size_bytes > self._bytes:
            return False
        self._aside += size_bytes
        return True

    def free_s(self, size_bytes: int, now_s: float) -> float:
        """When so many bytes can be set aside again, if nothing else is spent until then; an hour from now if never."""
        left = self._sum + self._aside + size_bytes - self._bytes
        for at_s, each_bytes in self._spent:
            if left <= 0:
                break
            left -= each_bytes
            now_s = at_s + self._window_s
        return now_s if left <= 0 else now_s + HOUR_S

    def spend(self, reserved_bytes: int, spent_bytes: int, now_s: float) -> None:
        """Give back what was set aside and count what was taken of it."""
        self._aside -= reserved_bytes
        self._sum += spent_bytes
        self._spent.append((now_s, spent_bytes))
