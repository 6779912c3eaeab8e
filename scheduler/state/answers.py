"""Answers to where urns lie, kept for as long as nothing changes that they rest on.

An answer rests on what is said of its bucket (DataObjects, and who serves it), on the nodes and outside stores whose
copies it looked at, and on the time: a copy ceases to count when nobody has seen it for long. So it is forgotten with
its bucket or with one of those places, and is good for a span of time only.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Final, Generic, NamedTuple, TypeVar

# Answers, and places of buckets, of some 500 bytes each.
_KEPT: Final = 50_000

Entry = TypeVar("Entry")


class Span(NamedTuple):
    """From when until when something holds that depends on the time, both included."""

    since_s: float = -math.inf
    until_s: float = math.inf

    def __and__(self, other: Span) -> Span:
        return Span(max(self.since_s, other.since_s), min(self.until_s, other.until_s))

    def holds(self, now_s: float) -> bool:
        """Whether a time lies in it."""
        return self.since_s <= now_s <= self.until_s


ALWAYS: Final = Span()


class Basis:
    """What an answer rests on, noted down while it is looked for."""

    __slots__ = ("places", "span")

    def __init__(self) -> None:
        self.places: set[str] = set()
        self.span = ALWAYS


class Answers(Generic[Entry]):
    """The latest answers, by bucket and by what was asked of it."""

    def __init__(self) -> None:
        self._of_bucket: dict[str, dict[Hashable, tuple[Entry | None, Span]]] = {}
        self._buckets_at: dict[str, set[str]] = {}
        self._count = 0

    def get(self, bucket: str, asked: Hashable, now_s: float) -> tuple[Entry | None] | None:
        """The answer, which may be None, as a tuple; None where none is kept that holds at a time."""
        of_bucket = self._of_bucket.get(bucket)
        found = of_bucket.get(asked) if of_bucket is not None else None
        if found is None or not found[1].since_s <= now_s <= found[1].until_s:
            return None
        return (found[0],)

    def put(self, bucket: str, asked: Hashable, answer: Entry | None, basis: Basis) -> None:
        """Keep an answer; all of them are forgotten when there are too many."""
        if self._count >= _KEPT:
            self._of_bucket.clear()
            self._buckets_at.clear()
            self._count = 0
        self._of_bucket.setdefault(bucket, {})[asked] = answer, basis.span
        self._count += 1
        for place in basis.places:
            buckets = self._buckets_at.get(place)
            if buckets is None:
                buckets = self._buckets_at[place] = set()
            if bucket not in buckets:
                buckets.add(bucket)
                self._count += 1

    def forget_bucket(self, bucket: str) -> None:
        """Something else is said of a bucket."""
        self._of_bucket.pop(bucket, None)

    def forget_place(self, place: str) -> None:
        """Copies at a node, or outside the cluster, may count otherwise than before."""
        for bucket in self._buckets_at.pop(place, ()):
            self._of_bucket.pop(bucket, None)
