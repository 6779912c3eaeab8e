"""What changed, as a log of (sequence, slot, facets): what was worked out before is brought up to date in parts.

Whoever keeps something made of the state remembers the ``seq`` at which it was made, and asks later what came since:
which slots, and in which respect. A slot that a node took or left is noted with all facets. What concerns every slot
is noted at ``ALL``. Nothing is noted that leaves all that scheduling reads as it was.

Facets are plain integers with one bit each: the operators of enum.IntFlag cost a microsecond.
"""

from __future__ import annotations

from typing import Final

ALIVE: Final = 1 << 0  # the slot was taken or freed
CORDON: Final = 1 << 1
TAINTS: Final = 1 << 2
LABELS: Final = 1 << 3
OFFER: Final = 1 << 4  # what is allocatable
USE: Final = 1 << 5  # what is taken of it
PORTS: Final = 1 << 6
IMAGES: Final = 1 << 7  # at ALL: how many nodes there are, or how many hold some image
FEATURES: Final = 1 << 8
FACTS: Final = 1 << 9  # capabilities, hardware, type of the node
PLACE: Final = 1 << 10  # the site
STORES: Final = 1 << 11  # what the node serves, whether it is ready, when its stores were seen; at ALL: those outside
COMPANY: Final = 1 << 12  # a pod counted in or out, for all of the node's domains; at ALL: a node moved between domains
NAMESPACES: Final = 1 << 13  # the labels of one
LINKS: Final = 1 << 14  # reports on links with the node; at ALL: between zones
NOMINATED: Final = 1 << 15
DEVICES: Final = 1 << 16  # which devices the node sees, and which are taken; at ALL: those of many nodes
OBJECTS: Final = 1 << 17  # DataObjects
SELECTORS: Final = 1 << 18  # what Services and controllers select
MOUNTS: Final = 1 << 19  # the volumes in use on the node, and what CSI drivers say of it
STORAGE: Final = 1 << 20  # claims, volumes, classes and the like, which are looked up for each decision
CLAIMS: Final = 1 << 21  # claims of devices, which are looked up for each decision
CLASSES: Final = 1 << 22  # classes of devices, and which extended resources stand for them

EVERY: Final = (1 << 23) - 1
ALL: Final = -1

# What decides which nodes count, and by which domains.
_LAYOUT: Final = ALIVE | TAINTS | LABELS

# Notes kept for each slot that there is room for: reading that many costs about as much as working out one row.
_KEPT_PER_SLOT: Final = 4
_LEAST_KEPT: Final = 1024


class Log:
    """The latest changes; the oldest are dropped.

    Args:
        capacity: Slots that there are; more notes are kept where there are more.

    Attributes:
        seq: The number of the latest note; grows by one with each.
        layout_seq: That of the latest which says that a node came, went, or has other labels or taints.
    """

    __slots__ = ("_first", "_latest", "_notes", "_room", "layout_seq", "seq")

    def __init__(self, capacity: int) -> None:
        self.seq = self.layout_seq = 0
        self._first = 0  # the number of the note before the oldest one kept
        self._notes: list[tuple[int, int]] = []
        self._latest: dict[int, int] = {}  # facets, as they were noted together -> the number of the latest such note
        self.grow(capacity)

    def grow(self, capacity: int) -> None:
        """Keep as much as befits that many slots."""
        self._room = max(_KEPT_PER_SLOT * capacity, _LEAST_KEPT)

    def note(self, slot: int, facets: int) -> None:
        """Write down that a slot, or ALL, changed in these respects."""
        self.seq += 1
        if facets & _LAYOUT:
            self.layout_seq = self.seq
        self._latest[facets] = self.seq
        self._notes.append((slot, facets))
        if len(self._notes) > 2 * self._room:
            del self._notes[: -self._room]
            self._first = self.seq - self._room

    def concerns(self, facets: int, seq: int) -> bool:
        """Whether some slot changed in one of these respects after ``seq``; costs the same however far back that is."""
        return any(latest > seq and noted & facets for noted, latest in self._latest.items())

    def since(self, seq: int, at_most: int | None = None) -> dict[int, int] | None:
        """All facets by slot that were noted after ``seq``.

        Returns:
            None where that is further back than is kept, or more than ``at_most`` notes: what is made of 1,000 slots
            costs less to make anew than as many notes to read.
        """
        if seq < self._first or (at_most is not None and self.seq - seq > at_most):
            return None
        found: dict[int, int] = {}
        for slot, facets in self._notes[seq - self._first :]:
            found[slot] = found.get(slot, 0) | facets
        return found
