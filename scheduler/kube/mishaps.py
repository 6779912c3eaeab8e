"""What one item (a pod, an object, an event, a job) did to us that it should not have: it costs that item alone.

A task that serves all would otherwise end with the first item that trips over a defect, and the process with it, again
and again as long as the item is there. So whoever works through items of others catches what an item raises and tells
it here, where it is counted each time and logged now and then: a defect that a thousand pods meet is one line with its
traceback a minute for each part, not a thousand.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

SAID_EVERY_S: Final = 60.0


class Mishaps:
    """Counts and logs them.

    Args:
        count: Told the part at each, for a metric.
        clock: Monotonic seconds.
    """

    def __init__(self, count: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._said: dict[str, float] = {}  # part -> when it was last logged
        self._unsaid: dict[str, int] = {}  # part -> how many were not, since then

    def caught(self, part: str, bug: Exception, **of: object) -> None:
        """An item was given up; ``part`` is one of a few fixed names, ``of`` says which item it was."""
        if self._count is not None:
            self._count(part)
        now = self._clock()
        if now - self._said.get(part, now - SAID_EVERY_S) < SAID_EVERY_S:
            self._unsaid[part] = self._unsaid.get(part, 0) + 1
            return
        self._said[part] = now
        before = self._unsaid.pop(part, 0)
        log.error("internal error, all else goes on", part=part, **of, unsaid_before=before, exc_info=bug)

    def contained(self, part: str, **of: object) -> _Contained:
        """Whatever is raised inside ends here."""
        return _Contained(self, part, of)


class _Contained:
    """The context of one item. A generator would do, at ten times the cost, and every pod passes some of them."""

    __slots__ = ("_mishaps", "_of", "_part")

    def __init__(self, mishaps: Mishaps, part: str, of: dict[str, object]) -> None:
        self._mishaps = mishaps
        self._part = part
        self._of = of

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, bug: BaseException | None, _trace: object) -> bool:
        if not isinstance(bug, Exception):
            return False
        self._mishaps.caught(self._part, bug, **self._of)
        return True
