"""When a store is asked again for what it was asked before, so that a re-check costs it, and us, a bounded amount.

A store that announces its changes is asked again seldom, each bucket and key at its own time, only lest a notice was
lost; one that does not, with every listing. A key that changes all the time is looked up once a second. Pure: times
come in.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import Final

CALM_S: Final = 300.0  # between two looks at the same thing, on average
HOT_S: Final = 1.0  # a key of which notices come one after the other is looked up so often

BUSY_S: Final = 5.0  # how long a store that asks for it is left alone, if it does not say
RECOUNT_S: Final = 0.1  # several changes, one count

_RECOUNT_SHARE: Final = 10.0  # a bucket is left alone for so many times as long as it took to count
_AT_ONCE: Final = 3  # a key that is made, changed and deleted is no hot one
_MAX_HOT: Final = 1000  # before those are forgotten that have cooled down
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


class Hot:
    """When keys of which notices come are looked up: at once a few times, then for all notices of a second together."""

    def __init__(self) -> None:
        # When a key was last looked up for a notice, or will be; and when it may be looked up at once as often as ever.
        self._keys: dict[str, tuple[float, float]] = {}

    def wait_s(self, key: str, now_s: float) -> float | None:
        """In how many seconds to look, None where that is going to happen anyway."""
        at_s, cool_s = self._keys.get(key, (now_s, now_s))
        if at_s > now_s:
            return None
        if len(self._keys) > _MAX_HOT:
            self._keys = {one: times for one, times in self._keys.items() if times[1] > now_s}
        cool_s = max(cool_s, now_s)
        wait_s = max(0.0, cool_s - (_AT_ONCE - 1) * HOT_S - now_s)
        self._keys[key] = (now_s + wait_s, cool_s + HOT_S)
        return wait_s


class Counts:
    """What has changed and is to be counted: a bucket or prefix that takes long to count is counted seldom."""

    def __init__(self) -> None:
        self._due_s: dict[str, float] = {}
        self._rests_s: dict[str, float] = {}  # until when it is left alone

    def __contains__(self, subject: str) -> bool:
        return subject in self._due_s

    def __iter__(self) -> Iterator[str]:
        return iter(self._due_s)

    def add(self, subject: str, now_s: float) -> None:
        self._due_s.setdefault(subject, max(now_s + RECOUNT_S, self._rests_s.get(subject, 0.0)))

    def next(self, now_s: float) -> tuple[str, float | None]:
        """What comes next and in how many seconds; "" and None where nothing does."""
        subject = min(self._due_s, key=self._due_s.__getitem__, default="")
        return subject, max(0.0, self._due_s[subject] - now_s) if subject else None

    def take(self, subject: str) -> None:
        del self._due_s[subject]

    def done(self, subject: str, began_s: float, now_s: float) -> None:
        self._rests_s = {name: until_s for name, until_s in self._rests_s.items() if until_s > now_s}
        self._rests_s[subject] = now_s + _RECOUNT_SHARE * (now_s - began_s)

    def clear(self) -> None:
        self._due_s.clear()


class Rest:
    """For how long a store that is busy is left alone."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def begin(self, asked_s: float, now_s: float) -> None:
        self._until_s = now_s + (asked_s or BUSY_S)

    def left_s(self, now_s: float) -> float:
        return max(0.0, self._until_s - now_s)
