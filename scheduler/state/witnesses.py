"""Which copies of data can be had now: their node must be ready, and somebody must have seen them of late.

A copy is as true as its witness. Who sees it is the daemon of its node, which writes when it last asked the store: with
the copy, and, oftener, with the store in its NodeCapability. The newer of the two counts. A store outside the cluster
has no node; whoever asks it for all is its witness. A copy that nobody ever dated was declared by hand and does not
age, nor do labels and declared locations: for them it is enough that the node is ready.

Nothing is walked through when time passes: the times are kept, and compared when somebody asks, so that what counts is
a function of the state and of the time that the caller gives.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scheduler.api import core, crd, names, units
from scheduler.state import answers, network

# The node lifecycle controller's, for what the condition Ready says (pkg/controller/nodelifecycle); an administrator
# may set them too.
_AWAY_TAINTS: Final = frozenset({"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"})


# Taken off both ends of a span, as sums of times are rounded and differences of near ones are not.
_EDGE_S: Final = 1e-3


class Doubt(enum.StrEnum):
    """Why a copy that is known does not count."""

    UNAVAILABLE = "Unavailable"  # whoever looks after the store says so
    STALE_COPY = "StaleCopy"  # another copy has newer content
    NODE_GONE = "NodeGone"
    NODE_NOT_READY = "NodeNotReady"
    WITNESS_SILENT = "WitnessSilent"

    @property
    def message(self) -> str:
        """The same in words."""
        return _MESSAGES[self]


_MESSAGES: Final = {
    Doubt.UNAVAILABLE: "its store cannot be read now",
    Doubt.STALE_COPY: "another copy has newer content",
    Doubt.NODE_GONE: "its node is not in the cluster",
    Doubt.NODE_NOT_READY: "its node is not ready or cannot be reached",
    Doubt.WITNESS_SILENT: "nobody has seen it for longer than maxWitnessAgeMinutes",
}


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy as reported: on a node or, where ``node`` is names.EXTERNAL, at a place outside the cluster.

    ``seen_s`` is when it was last seen, as the copy itself says, in seconds since 1970; None where it does not.
    ``doubt`` is what is known against it whatever the time.
    """

    node: str
    store: str = ""
    place: network.Site | None = None
    seen_s: float | None = None
    doubt: Doubt | None = None

    @property
    def where(self) -> str:
        """Its node, or the name of its place."""
        return self.node if self.place is None else crd.place_name(self.place.region, self.place.zone)


def is_ready(node: core.Node) -> bool:
    """Whether a node is ready and can be reached; one that says nothing of it, as in a what-if question, is."""
    if any(taint.key in _AWAY_TAINTS for taint in node.spec.taints):
        return False
    return all(condition.status == "True" for condition in node.status.conditions if condition.type == "Ready")


class Witnesses:
    """Readiness of nodes, and the times at which stores were last asked. Names, not indices.

    Args:
        max_age_s: How old a witness may be. One that is dated farther ahead than this is not believed either.
    """

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._ready: dict[str, bool] = {}  # of the nodes that there are
        self._asked: dict[str, tuple[crd.Store, ...]] = {}  # node name -> as its NodeCapability lists them
        self._seen: dict[tuple[str, str], dict[str, float]] = {}  # (node or EXTERNAL, store) -> who asked it -> when
        self._changed: Callable[[str], None] = _nobody

    def tell(self, changed: Callable[[str], None]) -> None:
        """Have a node's name told, or names.EXTERNAL, whenever copies there may count otherwise than before."""
        self._changed = changed

    def set_max_age(self, max_age_s: float) -> None:
        """From now on a witness may be so old."""
        if max_age_s != self._max_age_s:
            self._max_age_s = max_age_s
            for place in (*self._ready, names.EXTERNAL):
                self._changed(place)

    def set_node(self, node: core.Node) -> bool:
        """Take in a node; returns whether it became ready, or ceased to be."""
        name, ready = node.metadata.name, is_ready(node)
        before = self._ready.get(name)
        self._ready[name] = ready
        if ready != before:
            self._changed(name)
        return ready != before

    def remove_node(self, name: str) -> None:
        """Forget a node."""
        if self._ready.pop(name, None) is not None:
            self._changed(name)

    def set_stores(self, reporter: str, stores: tuple[crd.Store, ...]) -> bool:
        """Replace when the stores of a node's NodeCapability were asked.

        Returns:
            Whether one of them was silent for so long before that it may count again only now.
        """
        told = self._asked.get(reporter, ())
        if stores == told:
            return False
        for place in {_where(reporter, store) for store in (*told, *stores)}:
            self._changed(place)
        before: dict[tuple[str, str], float] = {}
        for store in self._asked.pop(reporter, ()):
            key = _where(reporter, store), store.name
            by_reporter = self._seen.get(key, {})
            if reporter in by_reporter:
                before[key] = by_reporter.pop(reporter)
            if not by_reporter:
                self._seen.pop(key, None)
        if stores:
            self._asked[reporter] = stores
        came_back = False
        for store in stores:
            asked_s = units.time_s(store.last_probe_time)
            if asked_s is not None:
                key = _where(reporter, store), store.name
                self._seen.setdefault(key, {})[reporter] = asked_s
                came_back |= not self._is_fresh(before.get(key, asked_s), asked_s)
        return came_back

    def newest_s(self) -> float:
        """When the latest of them was asked; 0 without any."""
        return max((asked_s for by_reporter in self._seen.values() for asked_s in by_reporter.values()), default=0.0)

    def is_ready(self, node: str) -> bool:
        """Whether a node is there and ready."""
        return self._ready.get(node, False)

    def doubt(self, copy: Copy, now_s: float) -> Doubt | None:
        """Why a copy does not count at a time; None where it does."""
        return self.judge(copy, now_s)[0]

    def judge(self, copy: Copy, now_s: float) -> tuple[Doubt | None, answers.Span]:
        """The same, and a span of time for which it holds if nothing else changes; it may not reach to ``now_s``."""
        if copy.doubt is not None:
            return copy.doubt, answers.ALWAYS
        if copy.place is None and not self._ready.get(copy.node, False):
            return Doubt.NODE_NOT_READY if copy.node in self._ready else Doubt.NODE_GONE, answers.ALWAYS
        asked = self._seen.get((copy.node, copy.store))
        if copy.seen_s is None and asked is None:
            return None, answers.ALWAYS
        times = [*(asked.values() if asked is not None else ()), *(() if copy.seen_s is None else (copy.seen_s,))]
        fresh = [seen_s for seen_s in times if self._is_fresh(seen_s, now_s)]
        reach_s = self._max_age_s
        if fresh:
            latest_s = max(fresh)
            return None, answers.Span(latest_s - reach_s + _EDGE_S, latest_s + reach_s - _EDGE_S)
        before_s = max((seen_s for seen_s in times if seen_s < now_s), default=-math.inf)
        after_s = min((seen_s for seen_s in times if seen_s > now_s), default=math.inf)
        return Doubt.WITNESS_SILENT, answers.Span(before_s + reach_s + _EDGE_S, after_s - reach_s - _EDGE_S)

    def last_seen_s(self, copy: Copy) -> float | None:
        """When anybody last saw a copy; None where nobody dated it."""
        asked = self._seen.get((copy.node, copy.store), {}).values()
        return max((*asked, *(() if copy.seen_s is None else (copy.seen_s,))), default=None)

    def _is_fresh(self, seen_s: float, now_s: float) -> bool:
        return abs(now_s - seen_s) <= self._max_age_s


def _nobody(_place: str) -> None:
    """Is told."""


def _where(reporter: str, store: crd.Store) -> str:
    """The node of copies that such a store holds, as DataObjects name it."""
    return reporter if store.is_served else names.EXTERNAL
