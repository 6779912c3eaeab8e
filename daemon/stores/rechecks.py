"""When a store is asked again for what it was asked before, so that a re-check costs it, and us, a bounded amount.

A store that announces its changes is asked again seldom, each bucket and key at its own time, only lest a notice was
lost; one that does not, with every listing. Pure: times come in.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Final

CALM_S: Final = 300.0  # between two looks at the same thing, on average
_SPREAD: Final = (0.75, 1.25)  # of that, so that what was asked together is not asked together again


class Rechecks:
    """The things of one kind, keys or buckets, that a store is asked for."""

    def __init__(self) -> None:
        self._due_s: dict[str, float] = {}

    def asked(self, subjects: Collection[str], now_s: float) -> None:
        for subject in subjects:
            self._due_s[subject] = now_s + CALM_S * random.uniform(*_SPREAD)  # noqa: S311 - spreads, hides nothing

    def keep(self, subjects: Collection[str]) -> None:
        """Forget all but ``subjects``."""
        if len(self._due_s) > len(subjects):
            self._due_s = {subject: due_s for subject, due_s in self._due_s.items() if subject in subjects}

    def is_due(self, subject: str, now_s: float) -> bool:
        return self._due_s.get(subject, now_s) <= now_s

    def choose(self, subjects: Collection[str], now_s: float, *, is_calm: bool, limit: int) -> list[str]:
        """Which to ask now: the longest waiting first, those that are not due only where it is not calm."""
        chosen = [one for one in subjects if not is_calm or self.is_due(one, now_s)]
        chosen.sort(key=lambda one: self._due_s.get(one, 0.0))
        return chosen[:limit]
