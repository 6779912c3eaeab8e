"""What nodes that keep what pods fetch have got that way, or are getting, so that the next one waits for the rest only.

A fetch counts from when its pod is assumed there, and stays when it is done. It is forgotten when its pod goes before
that, when the node does, when the data is said to have changed, and where there is more of it than room: what was
fetched longest ago first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

MOST: Final = 65_536  # of what all nodes have
_NOTHING: Final[Mapping[int, float]] = {}


class Fetch(NamedTuple):
    """An input of a namespace's pods on its way to a node's slot, and when it is there, in seconds since 1970."""

    namespace: str
    urn: str
    slot: int
    ends_s: float


class Fetched:
    """All of them; one writer."""

    def __init__(self) -> None:
        self._ends: dict[str, dict[str, dict[int, float]]] = {}  # urn -> namespace -> slot -> when it is there
        self._of: dict[str, list[Fetch]] = {}  # by uid of the pod: those that were not done when last looked
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def at(self, namespace: str, urn: str) -> Mapping[int, float]:
        """When each node has, or had, an input of a namespace's pods, by slot."""
        return self._ends.get(urn, {}).get(namespace, _NOTHING)

    def each(self) -> Iterator[tuple[str, Fetch]]:
        """All that nodes have or get, each with the uid of the pod that is on it; "" where it is there."""
        whose = {fetch: uid for uid, fetches in self._of.items() for fetch in fetches}
        for urn, by_namespace in self._ends.items():
            for namespace, at in by_namespace.items():
                for slot, ends_s in at.items():
                    fetch = Fetch(namespace, urn, slot, ends_s)
                    yield whose.get(fetch, ""), fetch

    def begin(self, uid: str, fetch: Fetch) -> None:
        """A pod fetches something for itself and for all that come after it; nothing where somebody has done so."""
        at = self._ends.setdefault(fetch.urn, {}).setdefault(fetch.namespace, {})
        if fetch.slot in at:
            return
        at[fetch.slot] = fetch.ends_s
        self._of.setdefault(uid, []).append(fetch)
        self._count += 1
        while self._count > MOST:
            self.change(next(iter(self._ends)))

    def end(self, uid: str, now_s: float) -> None:
        """A pod is gone: what it had not fetched by then does not come."""
        for fetch in self._of.pop(uid, ()):
            if fetch.ends_s > now_s and self.at(fetch.namespace, fetch.urn).get(fetch.slot) == fetch.ends_s:
                self._forget(fetch.urn, fetch.namespace, fetch.slot)

    def leave(self, slot: int) -> None:
        """A node is gone."""
        there = [
            (urn, namespace)
            for urn, by_namespace in self._ends.items()
            for namespace, at in by_namespace.items()
            if slot in at
        ]
        for urn, namespace in there:
            self._forget(urn, namespace, slot)

    def change(self, urn: str) -> None:
        """The data is not what it was."""
        self._count -= sum([len(at) for at in self._ends.pop(urn, {}).values()])

    def sweep(self, now_s: float) -> None:
        """Let go of who fetched what is there by now."""
        over = [uid for uid, fetches in self._of.items() if all(one.ends_s <= now_s for one in fetches)]
        for uid in over:
            del self._of[uid]

    @property
    def first_end_s(self) -> float:
        """When the next one may be done; infinite where none is under way."""
        return min((one.ends_s for fetches in self._of.values() for one in fetches), default=math.inf)

    def _forget(self, urn: str, namespace: str, slot: int) -> None:
        by_namespace = self._ends[urn]
        del by_namespace[namespace][slot]
        self._count -= 1
        if not by_namespace[namespace]:
            del by_namespace[namespace]
        if not by_namespace:
            del self._ends[urn]
