"""A priority queue whose members may leave from the middle."""

from __future__ import annotations

import heapq
import itertools


class Line:
    """Members by uid, least key first, and the earlier of equals; those that left are skipped when they surface.

    Those without a key stand in no order, and are never at the head.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[tuple[float, ...], int, str]] = []
        self._tickets: dict[str, int] = {}
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, uid: str, key: tuple[float, ...]) -> None:
        ticket = self._tickets[uid] = next(self._count)
        if key:
            heapq.heappush(self._heap, (key, ticket, uid))

    def discard(self, uid: str) -> None:
        del self._tickets[uid]
        if len(self._heap) > 2 * len(self._tickets) + 64:  # mostly leavers
            self._heap = [item for item in self._heap if self._tickets.get(item[2]) == item[1]]
            heapq.heapify(self._heap)

    def head(self) -> tuple[tuple[float, ...], str] | None:
        while self._heap:
            key, ticket, uid = self._heap[0]
            if self._tickets.get(uid) == ticket:
                return key, uid
            heapq.heappop(self._heap)
        return None

    def uids(self) -> list[str]:
        return list(self._tickets)

    def held(self) -> int:
        """How many places the heap takes, those of leavers included."""
        return len(self._heap)
