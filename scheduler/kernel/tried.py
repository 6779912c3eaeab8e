"""What came of a decision about a pod, before anything follows of it."""

from __future__ import annotations

from typing import NamedTuple

from scheduler.engine import decision
from scheduler.kernel import journal, reservations, waiters
from scheduler.plugins import request


class Tried(NamedTuple):
    """A pod that was decided about.

    Attributes:
        asked: As it was read.
        waiting: What is to be bound before it is; None for nothing.
    """

    entry: waiters.Entry
    asked: request.PodRequest
    record: journal.Record
    found: decision.Decision
    waiting: reservations.Needed | None
