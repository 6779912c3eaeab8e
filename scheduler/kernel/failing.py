"""What follows where something else than the fit goes wrong: the pod is told why, waits for no node, and tries again.

Source: schedule_one.go, where every failure but that nothing fits ends a nomination (clearNominatedNode).
"""

from __future__ import annotations

from typing import Final

from scheduler.api import core
from scheduler.kernel import commands, journal, queue, world

DISPLACED: Final = "preempted by DefaultPreemption"


class Failing:
    """Says what failed.

    Args:
        known: The cluster.
        waiting: Whose pods they are.
        out: Where commands go.
    """

    def __init__(self, *, known: world.World, waiting: queue.Queue, out: list[commands.Command]) -> None:
        self._world = known
        self._queue = waiting
        self._out = out

    def fail(self, pod: core.Pod, record: journal.Record, message: str) -> None:
        """An attempt failed; nothing is assumed of the pod any more."""
        record.outcome, record.message = "error", message
        is_news = self.again(pod.metadata.uid)
        self._out.append(commands.Unplaced(pod, record, "" if is_news else None))

    def again(self, uid: str) -> bool:
        """Try a pod again, if it still waits; returns whether that it waits for no node is to be written."""
        entry = self._queue.get(uid)
        if entry is None:
            return False
        self._queue.fail(entry)
        return self._world.nominations.renominate(entry, "")
