"""How many pods may wait, and who makes way for another one where there is no room.

Gated pods have room of their own, so that they take none of the others'. Of these, who sleeps makes way before who does
not, whoever comes; else only the less urgent do, and of those equally urgent the last one first.
"""

from __future__ import annotations

import enum
from typing import Final

from scheduler.kernel import lines, places, waiters


class _Room(enum.Enum):
    GATED = "gated"
    IDLE = "idle"
    AWAKE = "awake"

    __hash__ = object.__hash__  # as a place's


_ROOM_OF: Final = {
    places.Place.GATED: _Room.GATED,
    places.Place.UNSCHEDULABLE: _Room.IDLE,
    **dict.fromkeys(places.AWAKE, _Room.AWAKE),
}


class Rooms:
    """Pods by the room that they take, who makes way first at the head; whom a binding is sought for takes none.

    Args:
        limit: How many there may be, gated ones and others each.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in: dict[_Room, lines.Line] = {room: lines.Line() for room in _Room}

    def come(self, entry: waiters.Entry) -> None:
        """A pod is in its place now."""
        room = _ROOM_OF.get(entry.place)
        if room is not None:
            self._in[room].add(entry.uid, (entry.pod.spec.priority, -entry.queued))

    def leave(self, entry: waiters.Entry) -> None:
        """It is not in that place any more."""
        room = _ROOM_OF.get(entry.place)
        if room is not None:
            self._in[room].discard(entry.uid)

    def is_full(self, *, gated: bool) -> bool:
        """Whether one more pod, gated or not, has room only if another one makes way."""
        taken = (_Room.GATED,) if gated else (_Room.IDLE, _Room.AWAKE)
        return sum(len(self._in[room]) for room in taken) >= self._limit

    def first_out(self, priority: int, *, gated: bool) -> str | None:
        """Who makes way for a pod of some priority, by uid; None if nobody does."""
        idle = None if gated else self._in[_Room.IDLE].head()
        if idle is not None:
            return idle[1]
        head = self._in[_Room.GATED if gated else _Room.AWAKE].head()
        return head[1] if head is not None and head[0][0] < priority else None
