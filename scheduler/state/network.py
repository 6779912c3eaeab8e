"""How fast and how late data moves between any two nodes: a prior from the topology, drawn towards what was measured.

Nodes are grouped into sites (region, zone, edge or cloud); all nodes of a site look alike. The sites hang in a
tree (world, region, zone, site) held by networkx, and the prior of a pair is the class of their lowest common ancestor:
same zone, same region, otherwise edge-cloud where the types differ, otherwise cross-region. That is the order in which
the earlier implementation tested them. One row (a source site against all sites) is worked out when first asked for:
only sites with a store are ever sources, so nothing here grows with the square of the nodes.

Over the prior lies what is known of the pair of zones, and over that what is known of the pair of nodes, each by its
weight (scheduler.state.links) and in its direction only. Weights fade with age, and ages are reckoned to a time that
the caller gives, in steps of ``STEP_S``, so that rows can be kept and a decision stays a function of its snapshot.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.state import links

STEP_S: Final = 10.0

Floats = NDArray[np.float64]


class Site(NamedTuple):
    """Where a node is, as far as the topology tells; "" is unknown. ``node_type`` is "edge", "cloud" or ""."""

    region: str
    zone: str
    node_type: str


class Source(enum.IntEnum):
    """Where a bandwidth comes from."""

    PRIOR = 0
    MEASURED = 1
    DECLARED = 2
    LOCAL = 3


class Used(NamedTuple):
    """A bandwidth as it was used: where it comes from, how far what is known was believed (0..1), and its age."""

    bandwidth_bytes_per_s: float
    source: Source
    weight: float
    age_s: float | None


class Row(NamedTuple):
    """One end against all sites or all nodes; ``source``, ``weight`` and ``age_s`` (NaN: none) are the bandwidth's."""

    bandwidth: Floats
    latency: Floats
    source: NDArray[np.int8]
    weight: Floats
    age_s: Floats

    def of(self, sites: NDArray[np.int32]) -> Row:
        """The entries of those sites, as a copy."""
        return Row(
            self.bandwidth[sites], self.latency[sites], self.source[sites], self.weight[sites], self.age_s[sites]
        )

    def used(self, at: int) -> Used:
        """One entry."""
        age_s = float(self.age_s[at])
        return Used(
            bandwidth_bytes_per_s=float(self.bandwidth[at]),
            source=Source(int(self.source[at])),
            weight=float(self.weight[at]),
            age_s=None if np.isnan(age_s) else age_s,
        )

    def draw(self, at: int | list[int], estimate: links.Estimate) -> None:
        """Draw the entries ``at`` towards what is known."""
        bandwidth, latency = estimate
        if bandwidth is not None:
            without = self.bandwidth[at]
            self.bandwidth[at] = without ** (1.0 - bandwidth.weight) * bandwidth.value**bandwidth.weight
            self.source[at] = Source.DECLARED if bandwidth.declared else Source.MEASURED
            self.weight[at] = bandwidth.weight
            self.age_s[at] = bandwidth.age_s
        if latency is not None:
            self.latency[at] = (1.0 - latency.weight) * self.latency[at] + latency.weight * latency.value


class Network:
    """Bandwidth (bytes/s) and latency (s) from and to a node, as vectors over all nodes."""

    def __init__(self, defaults: config.Network, capacity: int) -> None:
        self._defaults = defaults
        self._tree: nx.DiGraph[object] = nx.DiGraph()
        self._site_ids: dict[Site, int] = {}
        self.sites: list[Site] = []  # by site id
        self._sites_in: dict[links.Zone, list[int]] = {}
        self._priors: dict[Site, tuple[Floats, Floats]] = {}
        self._rows: dict[tuple[Site, bool], Row] = {}  # by site and whether outward, as of _rows_at_s
        self._rows_at_s = 0.0
        self.site_of = np.zeros(capacity, np.int32)  # [capacity] site id of each node
        self._known = links.LinkTable()

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        self.site_of = np.concatenate([self.site_of, np.zeros(capacity - len(self.site_of), np.int32)])

    def place(self, index: int, site: Site) -> bool:
        """Say where node ``index`` is; returns whether it was elsewhere."""
        site_id = self._site_ids.get(site)
        if site_id is None:
            site_id = self._site_ids[site] = len(self.sites)
            self.sites.append(site)
            region, zone = ("region", site.region), ("zone", site.region, site.zone)
            # Marked as a site, for a Site equals a plain tuple: a region may be called "zone".
            nx.add_path(self._tree, ["world", region, zone, ("site", site)])
            self._sites_in.setdefault((site.region, site.zone), []).append(site_id)
            self._priors.clear()
            self._rows.clear()
        moved = self.site_of.item(index) != site_id
        self.site_of[index] = site_id
        return moved

    def set_links(self, name: str, zone: links.Zone, reports: tuple[links.KnownLink, ...]) -> links.Told:
        """Replace what node ``name``, which is in ``zone``, reports of its links; returns what changed."""
        told = self._known.report(name, zone, reports)
        if told.between_zones:
            self._rows.clear()
        return told

    def newest_s(self) -> float:
        """When the latest of all measurements was taken, in seconds since 1970; 0 without any."""
        return self._known.newest_s()

    def reach(
        self, index: int, names: list[str], index_of: dict[str, int], *, now_s: float, outward: bool
    ) -> tuple[Floats, Floats]:
        """Bandwidth and latency between one node and every node.

        Args:
            index: The node.
            names: Node names by index; its length is the length of the result.
            index_of: The reverse.
            now_s: The time to which ages are reckoned, in seconds since 1970.
            outward: From the node to all others; otherwise from all others to it.

        Returns:
            Two vectors over nodes: bytes per second and seconds.
        """
        row = self._node_row(index, names, index_of, now_s=now_s, outward=outward)
        return row.bandwidth, row.latency

    def reach_place(self, place: Site, size: int, *, now_s: float, outward: bool) -> tuple[Floats, Floats]:
        """Bandwidth and latency between a place outside the cluster and the first ``size`` nodes."""
        row = self._site_row(place, now_s - now_s % STEP_S, outward=outward)
        site_of = self.site_of[:size]
        return row.bandwidth[site_of], row.latency[site_of]

    def row(self, end: int | Site, names: list[str], index_of: dict[str, int], *, now_s: float, outward: bool) -> Row:
        """What ``reach`` and ``reach_place`` give, and where it comes from."""
        if not isinstance(end, Site):
            return self._node_row(end, names, index_of, now_s=now_s, outward=outward)
        return self._site_row(end, now_s - now_s % STEP_S, outward=outward).of(self.site_of[: len(names)])

    def _node_row(self, index: int, names: list[str], index_of: dict[str, int], *, now_s: float, outward: bool) -> Row:
        now_s -= now_s % STEP_S
        whole = self._site_row(self.sites[self.site_of[index]], now_s, outward=outward)
        site_of = self.site_of[: len(names)]
        row = whole.of(site_of)
        for peer, estimate in self._known.nodes.around(names[index], now_s, outward=outward):
            at = index_of.get(peer)
            if at is not None:
                row.draw(at, estimate)
        local = self._defaults.local
        row.bandwidth[index], row.latency[index] = local.bandwidth_bytes_per_s, local.latency_s
        row.source[index], row.weight[index], row.age_s[index] = Source.LOCAL, 1.0, np.nan
        return row

    def _site_row(self, site: Site, now_s: float, *, outward: bool) -> Row:
        if now_s != self._rows_at_s:
            self._rows.clear()
            self._rows_at_s = now_s
        row = self._rows.get((site, outward))
        if row is None:
            bandwidth, latency = self._prior(site)
            count = len(bandwidth)
            row = self._rows[site, outward] = Row(
                bandwidth.copy(), latency.copy(), np.zeros(count, np.int8), np.zeros(count), np.full(count, np.nan)
            )
            if site.zone:
                around = self._known.zones.around((site.region, site.zone), now_s, outward=outward)
                for zone, estimate in around:
                    row.draw(self._sites_in.get(zone, []), estimate)
        return row

    def _prior(self, site: Site) -> tuple[Floats, Floats]:
        prior = self._priors.get(site)
        if prior is None:
            classes = self._classify(site)
            prior = self._priors[site] = (
                np.array([link.bandwidth_bytes_per_s for link in classes], np.float64),
                np.array([link.latency_s for link in classes], np.float64),
            )
        return prior

    def _classify(self, source: Site) -> list[config.Link]:
        prior = self._defaults
        zone = ("zone", source.region, source.zone)
        region = ("region", source.region)
        # A place outside the cluster may be where no node is.
        in_zone = nx.descendants(self._tree, zone) if source.zone and zone in self._tree else set()
        in_region = nx.descendants(self._tree, region) if source.region and region in self._tree else set()

        def link(site: Site) -> config.Link:
            if ("site", site) in in_zone:
                return prior.same_zone
            if ("site", site) in in_region:
                return prior.same_region
            if source.node_type and site.node_type and source.node_type != site.node_type:
                return prior.edge_cloud
            return prior.cross_region

        return [link(site) for site in self.sites]
