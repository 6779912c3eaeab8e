"""How long a transfer takes beside those that are under way: scheduler.plugins.data.spread, on loaded passages.

    seconds = latency + the greatest of  b / bandwidth  and, over the passages x it goes over that others use,
                                         (b + sum of min(left, b) over these others) / rate(x)

Where nobody is under way that is latency + b / bandwidth to the bit. The rate of a link between two sites is the
bandwidth between these, or that of the two nodes where more is known of them.

All that concerns the end or the link is alike for the nodes of a site. Only a node's own way is not: the few nodes
whose way somebody uses are looked at apart, and told apart where that makes a difference.
"""

from __future__ import annotations

import collections
import operator
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler.plugins.data import spread
from scheduler.state import network, sites, snapshot, traffic

_seconds: Final = operator.itemgetter(1)
# Of a node at the other end of an input, and of an output; and of the end itself.
WAYS: Final = {False: (traffic.Kind.IN, traffic.Kind.OUT), True: (traffic.Kind.OUT, traffic.Kind.IN)}


class Due(NamedTuple):
    """The seconds of a transfer that are due to others, and what it shares with them; None where there are none."""

    seconds: float
    passage: traffic.Passage | None


class _Row(NamedTuple):
    """Ends of one site that are as busy: [sites] latency and seconds beside it, but for what nodes' own ways add."""

    latency: spread.Floats
    moving: spread.Floats
    ways: list[spread.Way]


class Met(NamedTuple):
    """What transfers of a size share passages with.

    Attributes:
        others: [passages] bytes.
        waits: [passages] seconds that each takes where others use it, else 0.
    """

    others: spread.Floats
    waits: spread.Floats


def met(moment: traffic.Moment, sizes: spread.Floats) -> Met:
    """The same for several sizes in bytes: [sizes, passages]."""
    others = moment.shared(sizes)
    waits = (sizes[:, np.newaxis] + others) / moment.rates
    waits[others <= 0.0] = 0.0
    return Met(others, waits)


class Load:
    """What transfers of one size and direction, to (or from) one node each, meet at a moment.

    Args:
        links: The network in which they take place.
        moment: What is under way.
        met: What they meet of that.
        is_output: Whether they go from the node to the end, not from the end to the node.
    """

    __slots__ = ("_best", "_links", "_moment", "_others", "_site_of", "_waits", "_ways", "size_bytes")

    def __init__(
        self,
        links: network.Network,
        moment: traffic.Moment,
        size_bytes: int,
        met: Met,
        *,
        is_output: bool,
    ) -> None:
        self.size_bytes = size_bytes
        self._links = links
        self._site_of = links.site_of
        self._moment = moment
        self._ways = WAYS[is_output]
        self._others, self._waits = met
        self._best: dict[int, tuple[spread.Way, float, traffic.Passage | None]] = {}  # by slot

    def nearest(self, ways: Sequence[spread.Way]) -> spread.Spread:
        """How long it takes from or to whichever of several ends is best for each node."""
        rows: dict[tuple[int, float], _Row] = {}
        for way in ways:
            wait = self._wait_at(way.end)
            row = rows.get((id(way.bandwidth), wait))
            if row is None:
                row = rows[id(way.bandwidth), wait] = _Row(way.latency, self._moving(way, wait), [])
            row.ways.append(way)
        each = [row.latency + row.moving for row in rows.values()]
        by_site = each[0] if len(each) == 1 else np.minimum.reduce(each)
        apart = self._apart([*rows.values()])
        own: dict[int, list[spread.Way]] = {}
        for way in ways:
            for slot in way.apart:
                own.setdefault(slot, []).append(way)
        for (slot, here), least in zip(own.items(), self._of_others([*rows.values()], own), strict=True):
            site = self._site_of.item(slot)
            apart[slot] = min(least, *[self.seconds(way, slot, site) for way in here])
        return spread.Spread(by_site, apart)

    def _of_others(self, rows: Sequence[_Row], own: Mapping[int, list[spread.Way]]) -> list[float]:
        """What some slots have from the best of those ends that reach them as they do the rest of their site."""
        at_node = self._ways[0]
        passages = [self._moment.number(traffic.Passage(at_node, slot)) for slot in own]
        site_of = self._site_of[np.array(list(own), np.intp)]
        latency = np.array([row.latency for row in rows]).take(site_of, axis=1)
        moving = np.array([row.moving for row in rows]).take(site_of, axis=1)
        seconds = latency + np.maximum(moving, self._waits[np.array(passages, np.intp)])
        row_of = {id(way): number for number, row in enumerate(rows) for way in row.ways}
        for column, here in enumerate(own.values()):
            for number, ends in collections.Counter([row_of[id(way)] for way in here]).items():
                if ends == len(rows[number].ways):
                    seconds[number, column] = np.inf
        least: list[float] = seconds.min(axis=0).tolist()
        return least

    def seconds(self, way: spread.Way, slot: int, site: int) -> float:
        """How long it takes to or from one node."""
        return self._parts(way, slot, site)[0]

    def best(self, ways: Sequence[spread.Way], slot: int, site: int) -> spread.Way:
        """The first of those ends that are best for one node; of the same ends whenever it is asked."""
        return self._found(ways, slot, site)[0]

    def due(self, ways: Sequence[spread.Way], slot: int, site: int) -> Due:
        """How much of what it takes from or to the best of some ends is due to others, and on what."""
        way, seconds, passage = self._found(ways, slot, site)
        alone = way.seconds(self.size_bytes, slot, site)
        return Due(seconds - alone, passage) if seconds > alone else Due(0.0, None)

    def _found(
        self, ways: Sequence[spread.Way], slot: int, site: int
    ) -> tuple[spread.Way, float, traffic.Passage | None]:
        found = self._best.get(slot)
        if found is None:
            each = [(way, *self._parts(way, slot, site)) for way in ways]
            found = self._best[slot] = min(each, key=_seconds)
        return found

    def _parts(self, way: spread.Way, slot: int, site: int) -> tuple[float, traffic.Passage | None]:
        bandwidth, latency = way.bandwidth.item(site), way.latency.item(site)
        known = way.apart.get(slot)
        rate = bandwidth
        if known is not None:
            rate, latency = known
            bandwidth = max(rate, bandwidth)
        moving, most = self.size_bytes / rate, None
        if way.end == slot:
            store = traffic.Passage(traffic.Kind.STORE, slot)
            others = self._others.item(self._moment.number(store))
            return (latency + (self.size_bytes + others) / rate, store) if others else (latency + moving, None)
        at_node, at_end = self._ways
        shared = [traffic.Passage(at_node, slot)]
        if isinstance(way.end, int):
            shared.append(traffic.Passage(at_end, way.end))
        for one in shared:
            wait = self._waits.item(self._moment.number(one))
            if wait > moving:
                moving, most = wait, one
        end_site, here = self._site(way.end), self._links.sites[site]
        between = traffic.link(here, end_site) if at_node is traffic.Kind.OUT else traffic.link(end_site, here)
        if between is not None and (others := self._others.item(self._moment.number(between))):
            wait = (self.size_bytes + others) / bandwidth
            if wait > moving:
                moving, most = wait, between
        return latency + moving, most

    def _moving(self, way: spread.Way, wait: float) -> spread.Floats:
        """[sites] seconds beside latency, but for what a node's own way adds."""
        outward = self._ways[0] is traffic.Kind.IN
        others = self._others[self._moment.links(self._site(way.end), self._links, outward=outward)]
        moving: spread.Floats = (self.size_bytes + others) / way.bandwidth
        return np.maximum(moving, wait) if wait else moving

    def _apart(self, rows: Sequence[_Row]) -> dict[int, float]:
        """Seconds by slot of the nodes whose own way makes a difference."""
        slots, numbers = self._moment.nodes(self._ways[0])
        if not len(slots):
            return {}
        site_of, waits = self._site_of.take(slots), self._waits.take(numbers)
        least = rows[0].moving if len(rows) == 1 else np.minimum.reduce([row.moving for row in rows])
        far = (waits > least.take(site_of)).nonzero()[0]
        if not len(far):
            return {}
        site_of, waits = site_of.take(far), waits.take(far)
        each = [row.latency.take(site_of) + np.maximum(row.moving.take(site_of), waits) for row in rows]
        found = each[0] if len(each) == 1 else np.minimum.reduce(each)
        return dict(zip(slots.take(far).tolist(), found.tolist(), strict=True))

    def _wait_at(self, end: spread.End) -> float:
        """What the end's own way takes where others use it, else 0."""
        if not isinstance(end, int):
            return 0.0
        return self._waits.item(self._moment.number(traffic.Passage(self._ways[1], end)))

    def _site(self, end: spread.End) -> sites.Site:
        return end if isinstance(end, sites.Site) else self._links.sites[self._site_of.item(end)]


def passage_name(view: snapshot.Snapshot, passage: traffic.Passage) -> str:
    """How people read of it."""
    at, to = passage.at, passage.to
    if isinstance(at, sites.Site) or to is not None:
        source, target = (f"{one.region}/{one.zone}" for one in (at, to) if isinstance(one, sites.Site))
        return f"the link from {source} to {target}"
    match passage.kind:
        case traffic.Kind.OUT:
            return f"the way out of {view.names[at]}"
        case traffic.Kind.IN:
            return f"the way into {view.names[at]}"
        case _:
            return f"the store of {view.names[at]}"
