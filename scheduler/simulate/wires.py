"""What a transfer goes over: from node to node, or between a node and a place outside the cluster.

    the source's way out - the pair of sites, in this direction - the target's way in

A transfer is never faster than what the scheduler's own state says of the link between its ends, and just as fast where
it is alone. Nodes of one zone share nothing but their own ways: a switch between them carries all of them at once. Two
zones share the link between them, which carries what one transfer between them gets. A node's way carries what its
fastest interface does, where its NodeCapability says so, else what it gets from the node that it reaches best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scheduler import config
from scheduler.plugins.data import spread
from scheduler.simulate import flows, outcome
from scheduler.state import network, snapshot


class Route(NamedTuple):
    """What lies between two ends: ``links`` and the rest as `scheduler.simulate.flows` takes it."""

    links: tuple[int, ...]
    bandwidth_bytes_per_s: float
    latency_s: float
    distance: outcome.Distance


class Wires:
    """The links of a cluster whose nodes are all there, and stay where they are.

    Args:
        view: The cluster.
        interface: What the fastest interface of a node carries, in bytes per second, by its slot.
        carried: Where the links are.
    """

    def __init__(
        self, view: snapshot.Snapshot, prior: config.Network, interface: Mapping[int, float], carried: flows.Flows
    ) -> None:
        self._view = view
        self._local = prior.local
        self._interface = interface
        self._flows = carried
        self._routes: dict[tuple[spread.End, spread.End], Route] = {}
        self._ways: dict[tuple[spread.End, bool], spread.Way] = {}
        self._links: dict[object, int] = {}

    def route(self, source: spread.End, target: spread.End) -> Route:
        """Between two ends, at least one of which is a node."""
        found = self._routes.get((source, target))
        if found is None:
            found = self._routes[source, target] = self._make(source, target)
        return found

    def nearest(self, ends: Sequence[spread.End], slot: int, size_bytes: int, *, outward: bool) -> spread.End:
        """From which of some ends a node can have so much soonest or, if not ``outward``, can bring it there."""
        site = self._view.links.site_of.item(slot)
        best, best_s = ends[0], math.inf
        for end in ends:
            bandwidth, latency_s = _pace(self._way(end, outward), slot, site)
            seconds = latency_s + size_bytes / bandwidth
            if seconds < best_s:
                best, best_s = end, seconds
        return best

    def site(self, end: spread.End) -> network.Site:
        return end if isinstance(end, network.Site) else self._view.links.sites[self._view.links.site_of.item(end)]

    def _make(self, source: spread.End, target: spread.End) -> Route:
        if source == target and isinstance(source, int):
            local = self._local
            link = self._link(("local", source), float(local.bandwidth_bytes_per_s))
            return Route((link,), float(local.bandwidth_bytes_per_s), local.latency_s, outcome.Distance.LOCAL)
        outward = isinstance(target, int)
        end, at = (source, target) if isinstance(target, int) else (target, source)
        if not isinstance(at, int):
            raise TypeError("one end at least is a node")
        way, site = self._way(end, outward), self._view.links.site_of.item(at)
        bandwidth, latency_s = _pace(way, at, site)
        links = []
        if isinstance(source, int):
            links.append(self._link(("out", source), bandwidth, source, outward=True))
        here, there = self.site(source), self.site(target)
        if (here.region, here.zone) != (there.region, there.zone):
            links.append(self._link((here, there), max(bandwidth, way.bandwidth.item(site))))
        if isinstance(target, int):
            links.append(self._link(("in", target), bandwidth, target, outward=False))
        return Route(tuple(links), bandwidth, latency_s, distance(here, there))

    def _link(self, of: object, least: float, slot: int | None = None, *, outward: bool = True) -> int:
        """The number of a link, which carries at least so much, unless interfaces say what a node's way carries."""
        link = self._links.get(of)
        known = self._interface.get(slot) if slot is not None else None
        if link is None:
            most = known
            if most is None and slot is not None:
                rates, _ = self._view.reach(slot, outward=outward)
                rates[slot] = 0.0
                most = max(least, float(rates[self._view.alive].max()))
            link = self._links[of] = self._flows.link(least if most is None else most)
        elif known is None:
            self._flows.widen(link, least)
        return link

    def _way(self, end: spread.End, outward: bool) -> spread.Way:
        way = self._ways.get((end, outward))
        if way is None:
            way = self._ways[end, outward] = spread.way(self._view, end, outward=outward)
        return way


def _pace(way: spread.Way, slot: int, site: int) -> tuple[float, float]:
    """Bandwidth and latency between an end and a node, which is at that site."""
    return way.apart.get(slot) or (way.bandwidth.item(site), way.latency.item(site))


def distance(here: network.Site, there: network.Site) -> outcome.Distance:
    """How far apart two places are that are not one node, in the order in which the state tells links apart."""
    if here.zone and (here.region, here.zone) == (there.region, there.zone):
        return outcome.Distance.SAME_ZONE
    if here.region and here.region == there.region:
        return outcome.Distance.SAME_REGION
    if here.node_type and there.node_type and here.node_type != there.node_type:
        return outcome.Distance.EDGE_CLOUD
    return outcome.Distance.CROSS_REGION
