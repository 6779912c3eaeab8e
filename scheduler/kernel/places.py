"""Where a pod that waits may be (scheduler.kernel.queue)."""

from __future__ import annotations

import enum


class Place(enum.Enum):
    """Where a pod is. GONE is the place of an entry that the queue no longer holds."""

    GATED = "gated"
    ACTIVE = "active"
    BACKOFF = "backoff"
    ERROR_BACKOFF = "error-backoff"
    UNSCHEDULABLE = "unschedulable"
    HELD = "held"
    CROWDED = "crowded"
    ASKED = "asked"
    GATHERED = "gathered"
    IN_CYCLE = "in-cycle"
    BINDING = "binding"
    GONE = "gone"

    __hash__ = object.__hash__  # enum's own is Python, and is asked for thirty times a pod


AWAKE = (
    Place.ACTIVE,
    Place.BACKOFF,
    Place.ERROR_BACKOFF,
    Place.HELD,
    Place.CROWDED,
    Place.ASKED,
    Place.GATHERED,
)
