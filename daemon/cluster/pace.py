"""When something may be done again: not more often than its gap, and after failures ever more seldom.

Kept by key, because one object that is refused must not slow the others down.
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import Final

MOST_S: Final = 300.0
_FIRST_S: Final = 2.0
_TIDY_AT: Final = 1024


class Pace:
    """Times are those of a monotonic clock, which the caller reads.

    Args:
        gap_s: The least time between two times of one key.
        first_s: The pause after the first failure; it doubles with each further one, up to ``most_s``.
    """

    def __init__(self, *, gap_s: float = 0.0, first_s: float = _FIRST_S, most_s: float = MOST_S) -> None:
        self._gap_s = gap_s
        self._first_s = first_s
        self._most_s = most_s
        self._free_s: dict[Hashable, float] = {}
        self._failures: dict[Hashable, int] = {}
        self._tidy_at = _TIDY_AT

    def free_s(self, key: Hashable) -> float:
        """From when on ``key`` may be done (again)."""
        return self._free_s.get(key, 0.0)

    def done(self, key: Hashable, now_s: float) -> None:
        """It was done, and went well."""
        self._failures.pop(key, None)
        self._free_s[key] = now_s + self._gap_s
        self._tidy(now_s)

    def failed(self, key: Hashable, now_s: float, *, at_least_s: float = 0.0) -> None:
        """It was tried in vain; the server may have said how long to wait at least."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause_s = min(self._first_s * 2.0 ** min(failures, 32), self._most_s)
        # Many daemons fail at once, when the API server does: they must not come back at once.
        self._free_s[key] = now_s + max(pause_s * random.uniform(0.75, 1.0), at_least_s)  # noqa: S311

    def forgive(self, key: Hashable, now_s: float) -> None:
        """What made it fail may have changed: it may be tried after the gap."""
        if key in self._failures:
            self._free_s[key] = min(self._free_s[key], now_s + self._gap_s)

    def forget(self, key: Hashable) -> None:
        self._failures.pop(key, None)
        self._free_s.pop(key, None)

    def _tidy(self, now_s: float) -> None:
        """What may be done now and has not failed needs no memory."""
        if len(self._free_s) < self._tidy_at:
            return
        self._free_s = {key: free_s for key, free_s in self._free_s.items() if free_s > now_s or key in self._failures}
        self._tidy_at = max(_TIDY_AT, 2 * len(self._free_s))
