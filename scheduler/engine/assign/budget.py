"""Work by count instead of by the clock, so that the same input gives the same plan on any machine at any time."""

from __future__ import annotations

from typing import Final

_CELLS: Final = 1024  # numbers that numpy looks through in the time of one step, once it has been called


class Budget:
    """How much work may still be done.

    Attributes:
        left: Steps, negative where the last piece of work took more than was left.
    """

    __slots__ = ("_each", "left")

    def __init__(self, steps: int, each: int) -> None:
        """So many steps, of which every piece of work takes ``each`` times what is counted for it."""
        self.left = steps
        self._each = each

    def spend(self, cells: int) -> None:
        """Count work on so many numbers at once."""
        self.take(1 + cells // _CELLS)

    def take(self, pieces: int) -> None:
        """Count work on one number each."""
        self.left -= pieces * self._each
