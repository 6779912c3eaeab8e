"""How fast and how late data moves between any two nodes: a prior from the topology, overridden by known links.

Nodes are grouped into sites (region, zone, edge or cloud); all nodes of a site look alike. The sites hang in a
tree (world, region, zone, site) held by networkx, and the prior of a pair is the class of their lowest common ancestor:
same zone, same region, otherwise edge-cloud where the types differ, otherwise cross-region. That is the order in which
the earlier implementation tested them. One row (a source site against all sites) is worked out when first asked for:
only sites with a store are ever sources, so nothing here grows with the square of the nodes.

Links that somebody measured or declared override the prior for their pair of nodes, in their direction only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from scheduler import config

Floats = NDArray[np.float64]


class Site(NamedTuple):
    """Where a node is, as far as the topology tells; "" is unknown. ``node_type`` is "edge", "cloud" or ""."""

    region: str
    zone: str
    node_type: str


@dataclass(frozen=True, slots=True)
class KnownLink:
    """What is known of a directed link; None leaves that half to the prior."""

    bandwidth_bytes_per_s: float | None = None
    latency_s: float | None = None


class Network:
    """Bandwidth (bytes/s) and latency (s) from and to a node, as vectors over all nodes."""

    def __init__(self, defaults: config.Network, capacity: int) -> None:
        self._defaults = defaults
        self._tree: nx.DiGraph[object] = nx.DiGraph()
        self._site_ids: dict[Site, int] = {}
        self.sites: list[Site] = []  # by site id
        self._rows: dict[int, tuple[Floats, Floats]] = {}
        self.site_of = np.zeros(capacity, np.int32)  # [capacity] site id of each node
        self._links: dict[str, dict[str, KnownLink]] = {}  # from node name -> to node name -> link
        self._reporters: dict[str, set[str]] = {}  # to node name -> the nodes that know a link to it

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        self.site_of = np.concatenate([self.site_of, np.zeros(capacity - len(self.site_of), np.int32)])

    def place(self, index: int, site: Site) -> None:
        """Say where node ``index`` is."""
        site_id = self._site_ids.get(site)
        if site_id is None:
            site_id = self._site_ids[site] = len(self.sites)
            self.sites.append(site)
            region, zone = ("region", site.region), ("zone", site.region, site.zone)
            # Marked as a site, for a Site equals a plain tuple: a region may be called "zone".
            nx.add_path(self._tree, ["world", region, zone, ("site", site)])
            self._rows.clear()
        self.site_of[index] = site_id

    def set_links(self, name: str, links: dict[str, KnownLink]) -> None:
        """Replace what is known of the links that start at node ``name``."""
        for peer in self._links.pop(name, {}):
            self._reporters[peer].discard(name)
        if links:
            self._links[name] = links
            for peer in links:
                self._reporters.setdefault(peer, set()).add(name)

    def reach(self, index: int, names: list[str], index_of: dict[str, int], *, outward: bool) -> tuple[Floats, Floats]:
        """Bandwidth and latency between one node and every node.

        Args:
            index: The node.
            names: Node names by index; its length is the length of the result.
            index_of: The reverse.
            outward: From the node to all others; otherwise from all others to it.

        Returns:
            Two vectors over nodes: bytes per second and seconds.
        """
        row_bandwidth, row_latency = self._row(int(self.site_of[index]))
        site_of = self.site_of[: len(names)]
        bandwidth, latency = row_bandwidth[site_of], row_latency[site_of]
        name = names[index]
        if outward:
            known = self._links.get(name, {})
        else:
            known = {peer: self._links[peer][name] for peer in self._reporters.get(name, ())}
        for peer, link in known.items():
            at = index_of.get(peer)
            if at is None:
                continue
            if link.bandwidth_bytes_per_s is not None:
                bandwidth[at] = link.bandwidth_bytes_per_s
            if link.latency_s is not None:
                latency[at] = link.latency_s
        bandwidth[index] = self._defaults.local.bandwidth_bytes_per_s
        latency[index] = self._defaults.local.latency_s
        return bandwidth, latency

    def _row(self, source: int) -> tuple[Floats, Floats]:
        row = self._rows.get(source)
        if row is None:
            links = self._classify(self.sites[source])
            row = self._rows[source] = (
                np.array([link.bandwidth_bytes_per_s for link in links], np.float64),
                np.array([link.latency_s for link in links], np.float64),
            )
        return row

    def _classify(self, source: Site) -> list[config.Link]:
        prior = self._defaults
        zone = ("zone", source.region, source.zone)
        in_zone = nx.descendants(self._tree, zone) if source.zone else set()
        in_region = nx.descendants(self._tree, ("region", source.region)) if source.region else set()

        def link(site: Site) -> config.Link:
            if ("site", site) in in_zone:
                return prior.same_zone
            if ("site", site) in in_region:
                return prior.same_region
            if source.node_type and site.node_type and source.node_type != site.node_type:
                return prior.edge_cloud
            return prior.cross_region

        return [link(site) for site in self.sites]
