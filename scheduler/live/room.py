"""How many DataObjects are made on demand, and who gives way when there are too many.

Each costs some kB in the API server and in everybody who lists them, so there is a limit. Within it nobody asks who
takes how many. At it, each namespace that has any, or wants one, may have an equal share of the limit: one below its
share gets its place from what nobody uses any more, else from the namespace that has most, which gives way with the
oldest of its own, as the pods that named it are likely placed. What another namespace's pods use as well never goes.

An object is charged to the namespace it is in, or, in the home namespace, to the one whose pod asked for it, as long as
that one uses it.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Final

from scheduler.live import mentions
from scheduler.live.places import Place

LIMIT: Final = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """Whether another object may be made, and which one has to go for it."""

    granted: bool
    goes: Place | None = None


class Room:
    """The objects that were made on demand.

    Args:
        home: The namespace whose DataObjects serve everybody's pods.
    """

    def __init__(self, home: str, named: mentions.Mentions) -> None:
        self._home = home
        self._mentions = named
        self._urns: dict[Place, str] = {}
        self._charged: dict[Place, str] = {}  # to which namespace
        self._of: dict[str, dict[Place, None]] = collections.defaultdict(dict)  # namespace -> what it has, oldest first
        self._idle: dict[Place, float] = {}  # what no pod names -> since when, longest first

    def __len__(self) -> int:
        return len(self._urns)

    def add(self, place: Place, urn: str, asker: str) -> None:
        """An object is there; one that is known already keeps its place in the order."""
        if place not in self._urns:
            self._charge(place, place[0] if place[0] != self._home else asker)
        self._urns[place] = urn

    def remove(self, place: Place) -> None:
        """It is gone; an unknown one is no error."""
        if self._urns.pop(place, None) is not None:
            self._idle.pop(place, None)
            self._discharge(place)

    def urn(self, place: Place) -> str | None:
        return self._urns.get(place)

    def count_of(self, namespace: str) -> int:
        """How many are charged to a namespace."""
        return len(self._of.get(namespace, ()))

    def share(self, asker: str) -> int:
        """How many a namespace may have whatever the others do."""
        return max(1, LIMIT // len(self._of.keys() | {asker}))

    def ask(self, namespace: str) -> Decision:
        """Whether a namespace's pod may have another one."""
        if len(self._urns) < LIMIT:
            return Decision(True)
        for place in self._idle:
            if not self._is_used(place):
                return Decision(True, place)
        share = self.share(namespace)
        if self.count_of(namespace) < share:
            for greedy in sorted(self._of, key=self.count_of, reverse=True):
                if self.count_of(greedy) <= share:
                    break
                for place in self._of[greedy]:
                    if place[0] != self._home or self._mentions.users(self._urns[place]) <= {greedy}:
                        return Decision(True, place)
        return Decision(False)

    def expire(self, now: float, after_s: float) -> list[Place]:
        """Look through all: what no pod has named for so long."""
        over = []
        for place, urn in self._urns.items():
            if self._is_used(place):
                self._idle.pop(place, None)
                users = self._mentions.users(urn)
                if place[0] == self._home and self._charged[place] not in users:
                    self._discharge(place)
                    self._charge(place, min(users))
            elif now - self._idle.setdefault(place, now) >= after_s:
                over.append(place)
        return over

    def _is_used(self, place: Place) -> bool:
        return self._mentions.is_used(place[0], self._urns[place])

    def _charge(self, place: Place, namespace: str) -> None:
        self._charged[place] = namespace
        self._of[namespace][place] = None

    def _discharge(self, place: Place) -> None:
        namespace = self._charged.pop(place)
        del self._of[namespace][place]
        if not self._of[namespace]:
            del self._of[namespace]
