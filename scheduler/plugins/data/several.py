"""The transfers of a pod beside those that are under way, all at once: what scheduler.plugins.data.loaded says of each.

    ways    of all transfers one below the other, each against all sites
    few     the nodes that differ from their site for any of them, against all of which each way is looked at, too

To call numpy for one transfer costs about as much as for ten of them. A transfer with many ends is looked at by itself,
where ends of one site are taken together.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np

from scheduler.plugins.data import loaded, spread
from scheduler.state import network, sites, traffic

MOST_ENDS: Final = 8  # of one transfer
FEW: Final = 8  # nodes that are looked at one by one in less time than together


class Ends:
    """Of some transfers of one direction, from or to where each may go: what does not change with what is under way.

    Args:
        links: The network in which they take place.
        ways: Of each transfer, at least one.
        sizes: [transfers] bytes.
        is_output: Whether they go from the node to the end, not from the end to the node.
    """

    def __init__(
        self,
        links: network.Network,
        ways: Sequence[tuple[spread.Way, ...]],
        sizes: Sequence[int],
        *,
        is_output: bool,
    ) -> None:
        each = [way for of_one in ways for way in of_one]
        counts = [len(of_one) for of_one in ways]
        of = [number for number, count in enumerate(counts) for _ in range(count)]
        self._at_node, self._at_end = loaded.WAYS[is_output]
        self._is_outward = not is_output
        self.sizes = np.array(sizes, np.float64)
        self._starts = np.array([0, *itertools.accumulate(counts[:-1])])  # the first way of each transfer
        self._of = np.array(of)  # [ways] the transfer's number
        self._size = np.array([[sizes[number]] for number in of], np.float64)  # [ways, 1]
        self._bandwidth = np.array([way.bandwidth for way in each])  # [ways, sites]
        self._latency = np.array([way.latency for way in each])
        self._ends = np.array([way.end if isinstance(way.end, int) else traffic.NO_SLOT for way in each], np.intp)
        self._sites = [_site(links, way.end) for way in each]
        self._ways = each
        # Where a way is another than to the rest of the site: whose, and where.
        self._own = [(number, slot) for number, way in enumerate(each) for slot in way.apart]
        self._slots = np.array([slot for _, slot in self._own], np.intp)

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        return 2 * self._bandwidth.nbytes + 72 * len(self._own) + 40 * len(self._of) + 1500

    def nearest(
        self, links: network.Network, moment: traffic.Moment, met: loaded.Met, loads: Sequence[loaded.Load]
    ) -> list[spread.Spread]:
        """How long each transfer takes from or to whichever of its ends is best for each node.

        Args:
            links: The network, as it was.
            moment: What is under way.
            met: What the transfers meet of it.
            loads: The same of each.
        """
        others, waits = met
        of, starts, site_of = self._of, self._starts, links.site_of
        numbers = np.array([moment.links(site, links, outward=self._is_outward) for site in self._sites])
        at_end = waits[of, moment.at_nodes(self._at_end, self._ends)]
        moving = (self._size + others[of[:, np.newaxis], numbers]) / self._bandwidth
        np.maximum(moving, at_end[:, np.newaxis], out=moving)
        by_site = np.minimum.reduceat(self._latency + moving, starts)
        slots = self._apart(moment, waits, np.minimum.reduceat(moving, starts), site_of)
        here = site_of.take(slots)
        own_way = waits.take(moment.at_nodes(self._at_node, slots), axis=1).take(of, axis=0)
        seconds = self._latency.take(here, axis=1) + np.maximum(moving.take(here, axis=1), own_way)
        columns = slots.searchsorted(self._slots)
        if len(self._own) > FEW:
            own = np.array([number for number, _ in self._own])
            seconds[own, columns] = self._of_own(moment, met, own, numbers=numbers, at_end=at_end, site_of=site_of)
        else:
            for (number, slot), column in zip(self._own, columns.tolist(), strict=True):
                load = loads[of.item(number)]
                seconds[number, column] = load.seconds(self._ways[number], slot, site_of.item(slot))
        apart = np.minimum.reduceat(seconds, starts)
        return [spread.Spread(row, spread.Few(slots, few)) for row, few in zip(by_site, apart, strict=True)]

    def _apart(
        self, moment: traffic.Moment, waits: spread.Floats, least: spread.Floats, site_of: spread.SiteIds
    ) -> spread.Slots:
        """The nodes that differ from their site for any of the transfers, in the order of their slots."""
        used, numbers = moment.nodes(self._at_node)
        there = np.zeros(len(site_of), np.bool_)
        there[self._slots] = True
        if len(used):
            waited = waits.take(numbers, axis=1) > least.take(site_of.take(used), axis=1)
            there[used[np.logical_or.reduce(waited)]] = True
        return there.nonzero()[0]

    def _of_own(
        self,
        moment: traffic.Moment,
        met: loaded.Met,
        own: traffic.Numbers,
        *,
        numbers: traffic.Numbers,
        at_end: spread.Floats,
        site_of: spread.SiteIds,
    ) -> spread.Floats:
        """Seconds where ways are others than to the rest of the site.

        Args:
            own: Whose these are.
            numbers: [ways, sites] of the links that each way goes over.
            at_end: [ways] what the way of the end itself takes.
        """
        slots, of = self._slots, self._of[own]
        known = [self._ways[number].apart[slot] for number, slot in self._own]
        rate, latency = np.array([rate for rate, _ in known]), np.array([latency for _, latency in known])
        at, size = site_of.take(slots), self.sizes[of]
        moving = np.maximum(size / rate, met.waits[of, moment.at_nodes(self._at_node, slots)])
        np.maximum(moving, at_end[own], out=moving)
        between = met.others[of, numbers[own, at]]
        served = np.maximum(rate, self._bandwidth[own, at])
        np.maximum(moving, (size + between) / served, out=moving, where=between > 0.0)
        stored = met.others[of, moment.at_nodes(traffic.Kind.STORE, slots)]
        is_self = self._ends[own] == slots
        seconds: spread.Floats = latency + np.where(is_self, (size + stored) / rate, moving)
        return seconds


def _site(links: network.Network, end: spread.End) -> sites.Site:
    return end if isinstance(end, sites.Site) else links.sites[links.site_of.item(end)]
