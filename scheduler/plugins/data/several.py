"""The transfers of a pod beside those that are under way, all at once: what scheduler.plugins.data.loaded says of each.

    ways    of all transfers one below the other, each against all sites
    few     the nodes that differ from their site for any of them, against all of which each way is looked at, too

To call numpy for one transfer costs about as much as for ten of them. A transfer with many ends is looked at by itself,
where ends of one site are taken together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from scheduler.plugins.data import loaded, spread
from scheduler.state import network, sites, traffic

MOST_ENDS: Final = 8  # of one transfer


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
        own = [(number, slot, *known) for number, way in enumerate(each) for slot, known in way.apart.items()]
        self._at_node, self._at_end = loaded.WAYS[is_output]
        self._is_outward = not is_output
        self.sizes = np.array(sizes, np.float64)
        self._starts = np.cumsum([0, *[len(of_one) for of_one in ways[:-1]]])  # the first way of each transfer
        self._of = np.repeat(np.arange(len(ways)), [len(of_one) for of_one in ways])  # [ways] the transfer's number
        self._size = self.sizes[self._of][:, np.newaxis]  # [ways, 1]
        self._bandwidth = np.array([way.bandwidth for way in each])  # [ways, sites]
        self._latency = np.array([way.latency for way in each])
        self._ends = np.array([way.end if isinstance(way.end, int) else traffic.NO_SLOT for way in each], np.intp)
        self._sites = [_site(links, way.end) for way in each]
        # Where a way is another than to the rest of the site: whose, where, bytes per second, seconds.
        self._own = np.array([number for number, _, _, _ in own], np.intp)
        self._slots = np.array([slot for _, slot, _, _ in own], np.intp)
        self._rate = np.array([rate for _, _, rate, _ in own])
        self._delay = np.array([latency for _, _, _, latency in own])
        self._at = links.site_of[self._slots]
        self._is_self = self._ends[self._own] == self._slots
        self._own_of = self._of[self._own]
        self._own_moving = self.sizes[self._own_of] / self._rate
        self._served = np.maximum(self._rate, self._bandwidth[self._own, self._at])

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        return 2 * self._bandwidth.nbytes + 72 * len(self._own) + 40 * len(self._of) + 1500

    def nearest(self, links: network.Network, moment: traffic.Moment, met: loaded.Met) -> list[spread.Spread]:
        """How long each transfer takes from or to whichever of its ends is best for each node.

        Args:
            links: The network, as it was.
            moment: What is under way.
            met: What each transfer meets of it.
        """
        others, waits = met
        of, starts, site_of = self._of, self._starts, links.site_of
        numbers = np.array([moment.links(site, links, outward=self._is_outward) for site in self._sites])
        at_end = waits[of, moment.at_nodes(self._at_end, self._ends)]
        moving = (self._size + others[of[:, np.newaxis], numbers]) / self._bandwidth
        np.maximum(moving, at_end[:, np.newaxis], out=moving)
        by_site = np.minimum.reduceat(self._latency + moving, starts, axis=0)
        slots = self._apart(moment, waits, np.minimum.reduceat(moving, starts, axis=0), site_of)
        here = site_of.take(slots)
        own_way = waits[:, moment.at_nodes(self._at_node, slots)]
        seconds = self._latency[:, here] + np.maximum(moving[:, here], own_way[of])
        if len(self._own):
            seconds[self._own, slots.searchsorted(self._slots)] = self._of_own(moment, others, waits, numbers, at_end)
        apart = np.minimum.reduceat(seconds, starts, axis=0)
        return [spread.Spread(row, spread.Few(slots, few)) for row, few in zip(by_site, apart, strict=True)]

    def _apart(
        self, moment: traffic.Moment, waits: spread.Floats, least: spread.Floats, site_of: spread.SiteIds
    ) -> spread.Slots:
        """The nodes that differ from their site for any of the transfers, in the order of their slots."""
        used, numbers = moment.nodes(self._at_node)
        there = np.zeros(len(site_of), np.bool_)
        there[self._slots] = True
        if len(used):
            there[used[(waits[:, numbers] > least[:, site_of.take(used)]).any(axis=0)]] = True
        return there.nonzero()[0]

    def _of_own(
        self,
        moment: traffic.Moment,
        others: spread.Floats,
        waits: spread.Floats,
        numbers: traffic.Numbers,
        at_end: spread.Floats,
    ) -> spread.Floats:
        """Seconds where ways are others than to the rest of the site."""
        of, own = self._own_of, self._own
        size = self.sizes[of]
        moving = np.maximum(self._own_moving, waits[of, moment.at_nodes(self._at_node, self._slots)])
        np.maximum(moving, at_end[own], out=moving)
        between = others[of, numbers[own, self._at]]
        np.maximum(moving, (size + between) / self._served, out=moving, where=between > 0.0)
        stored = others[of, moment.at_nodes(traffic.Kind.STORE, self._slots)]
        seconds: spread.Floats = self._delay + np.where(self._is_self, (size + stored) / self._rate, moving)
        return seconds


def _site(links: network.Network, end: spread.End) -> sites.Site:
    return end if isinstance(end, sites.Site) else links.sites[links.site_of.item(end)]
