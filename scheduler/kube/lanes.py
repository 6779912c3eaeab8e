"""How much of what can wait is written while something urgent is.

Bindings come first: while any is under way, other writes have one lane, that is one request at a time, and more the
more of them wait, until none are left waiting for what never ends. Once no Binding is under way all lanes are open. How
fast a lane is, the API server says by how soon it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

LOOK_EVERY_S: Final = 0.02  # at whether it still is urgent, where nothing else happens; a Binding takes about that long


class Lanes:
    """Counts the writes under way, and says when one more may begin.

    Args:
        is_urgent: Whether something urgent is under way.
        most: Lanes where nothing is.
        crowd: Where so many wait, all lanes are open whatever is urgent.

    Attributes:
        taken: How many writes are under way.
    """

    def __init__(self, is_urgent: Callable[[], bool], *, most: int, crowd: int) -> None:
        self.taken = 0
        self._is_urgent = is_urgent
        self._most = most
        self._crowd = crowd
        self._left = asyncio.Event()

    async def enter(self, waiting: Callable[[], int]) -> None:
        """Return when one more write may begin, which is counted until ``leave``."""
        while self.taken >= self._open(waiting()):
            self._left.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if self.taken < self._most else None):
                    await self._left.wait()
        self.taken += 1

    def leave(self) -> None:
        """A write has ended."""
        self.taken -= 1
        self._left.set()

    def _open(self, waiting: int) -> int:
        if not self._is_urgent():
            return self._most
        return 1 + (self._most - 1) * min(waiting, self._crowd) // self._crowd
