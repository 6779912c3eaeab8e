"""Where nodes are: sites (region, zone, edge or cloud), all nodes of which look alike to the network.

The sites hang in a tree (world, region, zone, site) held by networkx, and the class of a pair of sites is that of their
lowest common ancestor: same zone, same region, otherwise edge-cloud where the types differ, otherwise cross-region.
That is the order in which the earlier implementation tested them. A site that no node is at any more is forgotten and
gives its id to the next new one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import networkx as nx
import numpy as np

from scheduler import config
from scheduler.state import links


class Site(NamedTuple):
    """Where a node is, as far as the topology tells; "" is unknown. ``node_type`` is "edge", "cloud" or ""."""

    region: str
    zone: str
    node_type: str


NOWHERE: Final = Site("", "", "")  # has the id 0, and stands at free slots and unused ids too


class SiteTable:
    """Sites by id, and the id of each node.

    Attributes:
        sites: By id; NOWHERE at an id that is not in use.
        of: [capacity] each node's site.
        version: Grows whenever the site of an id changes.
    """

    def __init__(self, capacity: int) -> None:
        self.sites: list[Site] = [NOWHERE]
        self.of = np.zeros(capacity, np.int32)
        self.version = 0
        self._ids: dict[Site, int] = {NOWHERE: 0}
        self._nodes = [0]  # by id; those that are nowhere are not counted
        self._unused: list[int] = []
        self._in_zone: dict[links.Zone, list[int]] = {}
        self._tree: nx.DiGraph[object] = nx.DiGraph()

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        self.of = np.concatenate([self.of, np.zeros(capacity - len(self.of), np.int32)])

    def place(self, index: int, site: Site) -> bool:
        """Say where node ``index`` is; returns whether it was elsewhere."""
        before = self.of.item(index)
        if self.sites[before] == site:
            return False
        found = self._ids.get(site)
        if found is None:
            found = self._ids[site] = self._take(site)
        if found:
            self._nodes[found] += 1
        self.of[index] = found
        if before:
            self._nodes[before] -= 1
            if not self._nodes[before]:
                self._release(before)
        return True

    def in_zone(self, zone: links.Zone) -> list[int]:
        """The ids of the sites of a zone."""
        return self._in_zone.get(zone, [])

    def classify(self, source: Site, prior: config.Network) -> list[config.Link]:
        """By site id, what is taken of a link to there as long as nobody has measured it."""
        zone, region = _zone(source), _region(source)
        # A place outside the cluster may be where no node is.
        in_zone = nx.descendants(self._tree, zone) if source.zone and zone in self._tree else set()
        in_region = nx.descendants(self._tree, region) if source.region and region in self._tree else set()

        def link(site: Site) -> config.Link:
            if _leaf(site) in in_zone:
                return prior.same_zone
            if _leaf(site) in in_region:
                return prior.same_region
            if source.node_type and site.node_type and source.node_type != site.node_type:
                return prior.edge_cloud
            return prior.cross_region

        return [link(site) for site in self.sites]

    def _take(self, site: Site) -> int:
        self.version += 1
        nx.add_path(self._tree, ["world", _region(site), _zone(site), _leaf(site)])
        if self._unused:
            found = self._unused.pop()
            self.sites[found] = site
        else:
            found = len(self.sites)
            self.sites.append(site)
            self._nodes.append(0)
        self._in_zone.setdefault((site.region, site.zone), []).append(found)
        return found

    def _release(self, used: int) -> None:
        self.version += 1
        site = self.sites[used]
        del self._ids[site]
        self.sites[used] = NOWHERE
        self._unused.append(used)
        zone = (site.region, site.zone)
        self._in_zone[zone].remove(used)
        if not self._in_zone[zone]:
            del self._in_zone[zone]
        self._tree.remove_node(_leaf(site))
        for above in (_zone(site), _region(site)):
            if not self._tree.out_degree(above):
                self._tree.remove_node(above)


# Marked as what they are, for a Site equals a plain tuple: a region may be called "zone".


def _region(site: Site) -> object:
    return ("region", site.region)


def _zone(site: Site) -> object:
    return ("zone", site.region, site.zone)


def _leaf(site: Site) -> object:
    return ("site", site)
