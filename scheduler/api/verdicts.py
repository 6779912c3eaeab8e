"""What became of a Binding, in one word that those who send it and those who decide what follows both know."""

from __future__ import annotations

import enum


class Verdict(enum.Enum):
    """What became of a Binding; scheduler.kube.binding says what holds for each."""

    BOUND = "bound"
    CONFLICT = "conflict"
    GONE = "gone"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"
    # Only from reading the pod:
    UNBOUND = "unbound"  # the pod exists and has no node, so that it may be tried again
    FINISHED = "finished"  # it was bound there and has come to its end, so that it holds nothing
