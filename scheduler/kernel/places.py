"""Where a pod that waits may be (scheduler.kernel.queue), and what it counts as there."""

from __future__ import annotations

import enum
from typing import Final


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


class Room(enum.Enum):
    """What a pod that waits counts as where there is too little room."""

    GATED = "gated"
    IDLE = "idle"
    AWAKE = "awake"

    __hash__ = object.__hash__  # likewise


ROOM_OF: Final = {
    Place.GATED: Room.GATED,
    Place.UNSCHEDULABLE: Room.IDLE,
    **dict.fromkeys(AWAKE, Room.AWAKE),
}
