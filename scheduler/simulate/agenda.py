"""What is to happen and when: in the order of time, and at one time in the order in which it was put down."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

Act = Callable[[], None]


class Agenda:
    """Happenings to come.

    Attributes:
        now_s: How far time has come.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self._heap: list[tuple[float, int, Act]] = []
        self._noted = 0

    def at(self, when_s: float, act: Act) -> None:
        """Have something happen then."""
        self._noted += 1
        heapq.heappush(self._heap, (float(when_s), self._noted, act))

    def next_s(self) -> float:
        """When something is next to happen; infinite if nothing is."""
        return self._heap[0][0] if self._heap else math.inf

    def catch_up(self) -> bool:
        """Have all happen whose time has come, and what that puts down for now; returns whether anything has."""
        has_happened = False
        while self._heap and self._heap[0][0] <= self.now_s:
            has_happened = True
            heapq.heappop(self._heap)[2]()
        return has_happened
