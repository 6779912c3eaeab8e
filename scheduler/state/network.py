"""How fast and how late data moves between any two nodes: a prior from the topology, drawn towards what was measured.

All nodes of a site look alike (scheduler.state.sites). One row (a source site against all sites) is worked out when
first asked for: only sites with a store are ever sources, so nothing here grows with the square of the nodes.

Over the prior lies what is known of the pair of zones, and over that what is known of the pair of nodes, each by its
weight (scheduler.state.links) and in its direction only. Weights fade with age, and ages are reckoned to a time that
the caller gives, in steps of ``STEP_S``, so that rows can be kept and a decision stays a function of its snapshot.

So an end (a node or a place) reaches every node as it reaches the node's site, but for the few nodes of which more is
known: the end itself, and those to which the link was measured. Whoever compares many ends does so by site, looks at
those few, and gathers once.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.state import links, sites

STEP_S: Final = 10.0
# Rows of that many ends and directions are kept; a cluster has fewer sites with a store, and a few places outside.
_KEPT_ROWS: Final = 1024

Floats = NDArray[np.float64]
Site: TypeAlias = sites.Site


class Source(enum.IntEnum):
    """Where a bandwidth comes from."""

    PRIOR = 0
    MEASURED = 1
    DECLARED = 2
    LOCAL = 3


_SOURCES: Final = tuple(Source)  # by value, as the enum looks one up more slowly than all the rest is read


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

    def put(self, at: list[int], other: Row) -> None:
        """Replace the entries ``at`` by another row."""
        self.bandwidth[at], self.latency[at], self.source[at] = other.bandwidth, other.latency, other.source
        self.weight[at], self.age_s[at] = other.weight, other.age_s

    def used(self, at: int) -> Used:
        """One entry."""
        age_s = self.age_s.item(at)
        return Used(
            bandwidth_bytes_per_s=self.bandwidth.item(at),
            source=_SOURCES[self.source.item(at)],
            weight=self.weight.item(at),
            age_s=None if math.isnan(age_s) else age_s,
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
    """Bandwidth (bytes/s) and latency (s) from and to a node, as vectors over all sites or all nodes.

    Args:
        defaults: What is taken where nobody has measured.
        names: Node names by index.
        index_of: The reverse.
        capacity: Node indices to begin with.
    """

    def __init__(self, defaults: config.Network, names: list[str], index_of: Mapping[str, int], capacity: int) -> None:
        self._defaults = defaults
        self._names = names
        self._index_of = index_of
        self._table = sites.SiteTable(capacity)
        self._known = links.LinkTable()
        self._speed = np.zeros(capacity)  # bytes per second of each node's interfaces, 0 where it is not known
        self._reports_seq = 0  # grows with every report that changes something between zones
        self._rows: dict[tuple[Site, bool], Row] = {}  # by site and whether outward; made of _rows_made_of and reports
        self._rows_made_of: tuple[int, float] = (0, 0.0)

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        self._table.grow(capacity)
        self._speed = np.pad(self._speed, (0, capacity - len(self._speed)))

    def assume(self, defaults: config.Network) -> bool:
        """From now on take other links where nobody has measured; returns whether they are others."""
        if defaults == self._defaults:
            return False
        self._defaults = defaults
        self._rows.clear()
        self._reports_seq += 1  # whatever was made of rows is made of others now
        return True

    @property
    def local(self) -> config.Link:
        """What a node's own store is reached by from the node itself."""
        return self._defaults.local

    @property
    def sites(self) -> list[Site]:
        """By site id."""
        return self._table.sites

    @property
    def site_of(self) -> NDArray[np.int32]:
        """[capacity] the site id of each node."""
        return self._table.of

    @property
    def sites_version(self) -> int:
        """Grows whenever the site of an id changes."""
        return self._table.version

    def place(self, index: int, site: Site) -> bool:
        """Say where node ``index`` is, NOWHERE when it is gone; returns whether it was elsewhere."""
        return self._table.place(index, site)

    def set_links(self, name: str, zone: links.Zone, reports: tuple[links.KnownLink, ...]) -> links.Told:
        """Replace what node ``name``, which is in ``zone``, reports of its links; returns what changed."""
        told = self._known.report(name, zone, reports)
        if told.zones:
            self._reports_seq += 1
            for end in [end for end in self._rows if (end[0].region, end[0].zone) in told.zones]:
                del self._rows[end]
        return told

    def set_speed(self, index: int, bytes_per_s: float) -> None:
        """Say how fast a node's interfaces are; 0 where that is not known."""
        self._speed[index] = bytes_per_s

    def way_rate(self, index: int, *, now_s: float, outward: bool) -> float:
        """How many bytes per second a node sends, or takes in, all together.

        That is what its interfaces do, but at least what its best link does: where they are said to be slower, one of
        both is wrong, and transfers are reckoned by the link.
        """
        best = float(self.site_row(index, now_s=now_s, outward=outward).bandwidth.max())
        for other, (bandwidth, _) in self.exceptions(index, now_s=now_s, outward=outward).items():
            if other != index:
                best = max(best, bandwidth)
        return max(best, self._speed.item(index))

    def newest_s(self) -> float:
        """When the latest of all measurements was taken, in seconds since 1970; 0 without any."""
        return self._known.newest_s()

    def made_of(self, now_s: float) -> tuple[int, int, float]:
        """What site rows are made of at a time: as long as this is equal, so are they."""
        return self._table.version, self._reports_seq, self._moment_s(now_s)

    def site_row(self, end: int | Site, *, now_s: float, outward: bool) -> Row:
        """A node's site, or a place, against all sites. Shared: not to be written to.

        Args:
            end: A node's index, or a place.
            now_s: The time to which ages are reckoned, in seconds since 1970.
            outward: From the end to all others; otherwise from all others to it.
        """
        site = end if isinstance(end, sites.Site) else self.sites[self.site_of.item(end)]
        made_of = self._table.version, self._moment_s(now_s)
        if made_of != self._rows_made_of or len(self._rows) >= _KEPT_ROWS:
            self._rows.clear()
            self._rows_made_of = made_of
        row = self._rows.get((site, outward))
        if row is None:
            row = self._rows[site, outward] = self._make_site_row(site, made_of[1], outward=outward)
        return row

    def exceptions(self, end: int | Site, *, now_s: float, outward: bool) -> dict[int, tuple[float, float]]:
        """Bandwidth and latency of the nodes that an end reaches otherwise than it reaches their sites, by index.

        These are the node itself, at the local rate, and those to or from which the link was measured.
        """
        if isinstance(end, sites.Site):
            return {}
        found: dict[int, tuple[float, float]] = {}
        if self._known.nodes.has(self._names[end], outward=outward):
            indices, row = self._measured(end, now_s=now_s, outward=outward)
            found.update(zip(indices, zip(row.bandwidth.tolist(), row.latency.tolist(), strict=True), strict=True))
        found[end] = self._defaults.local.bandwidth_bytes_per_s, self._defaults.local.latency_s
        return found

    def used(self, end: int | Site, at: int, *, now_s: float, outward: bool) -> Used:
        """The link between an end and one node, and where what is known of it comes from."""
        if end == at:
            return Used(self._defaults.local.bandwidth_bytes_per_s, Source.LOCAL, 1.0, None)
        if not isinstance(end, sites.Site) and self._known.nodes.has(self._names[end], outward=outward):
            indices, measured = self._measured(end, now_s=now_s, outward=outward)
            if at in indices:
                return measured.used(indices.index(at))
        return self.site_row(end, now_s=now_s, outward=outward).used(self.site_of.item(at))

    def reach(self, index: int, *, now_s: float, outward: bool) -> tuple[Floats, Floats]:
        """Bandwidth and latency between one node and every node: bytes per second and seconds."""
        row = self.row(index, now_s=now_s, outward=outward)
        return row.bandwidth, row.latency

    def reach_place(self, place: Site, *, now_s: float, outward: bool) -> tuple[Floats, Floats]:
        """Bandwidth and latency between a place outside the cluster and every node."""
        row = self.site_row(place, now_s=now_s, outward=outward)
        site_of = self.site_of[: len(self._names)]
        return row.bandwidth[site_of], row.latency[site_of]

    def row(self, end: int | Site, *, now_s: float, outward: bool) -> Row:
        """What ``reach`` and ``reach_place`` give, and where it comes from."""
        row = self.site_row(end, now_s=now_s, outward=outward).of(self.site_of[: len(self._names)])
        if isinstance(end, sites.Site):
            return row
        if self._known.nodes.has(self._names[end], outward=outward):
            indices, measured = self._measured(end, now_s=now_s, outward=outward)
            row.put(indices, measured)
        local = self._defaults.local
        row.bandwidth[end], row.latency[end] = local.bandwidth_bytes_per_s, local.latency_s
        row.source[end], row.weight[end], row.age_s[end] = Source.LOCAL, 1.0, np.nan
        return row

    def _measured(self, index: int, *, now_s: float, outward: bool) -> tuple[list[int], Row]:
        """The nodes to (or from) which a node's link was measured, by index, and what is known of those links."""
        around = self._known.nodes.around(self._names[index], self._moment_s(now_s), outward=outward)
        known = [(self._index_of[peer], estimate) for peer, estimate in around if peer in self._index_of]
        indices = [peer for peer, _ in known]
        row = self.site_row(index, now_s=now_s, outward=outward).of(self.site_of[indices])
        for position, (_, estimate) in enumerate(known):
            row.draw(position, estimate)
        return indices, row

    def _moment_s(self, now_s: float) -> float:
        """The time to which ages are reckoned; always the same where nothing ages."""
        return now_s - now_s % STEP_S if self._known.dated else 0.0

    def _make_site_row(self, site: Site, moment_s: float, *, outward: bool) -> Row:
        classes = self._table.classify(site, self._defaults)
        count = len(classes)
        row = Row(
            np.array([link.bandwidth_bytes_per_s for link in classes], np.float64),
            np.array([link.latency_s for link in classes], np.float64),
            np.zeros(count, np.int8),
            np.zeros(count),
            np.full(count, np.nan),
        )
        if site.zone:
            for zone, estimate in self._known.zones.around((site.region, site.zone), moment_s, outward=outward):
                row.draw(self._table.in_zone(zone), estimate)
        return row
