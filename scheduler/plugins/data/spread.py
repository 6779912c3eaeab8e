"""Seconds over all nodes in short: what the nodes of each site have, and the few nodes that have something else.

All nodes of a site are alike to a replica, but for its own node and those to which the link was measured
(scheduler.state.network). So the best of several replicas is sought by site, and apart from that at those few nodes,
and the transfers of a pod add up in this form. The nodes are looked at one by one only at the end, in one gather. Each
entry is worked out by the same additions in the same order as it would be for its node alone.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.state import network, snapshot

Floats = NDArray[np.float64]
SiteIds = NDArray[np.int32]
Slots = NDArray[np.intp]
_FEW: Final = 3
# A node's slot, or a place outside the cluster.
End = int | network.Site


class Way(NamedTuple):
    """An end of transfers, in one direction: how it is reached.

    Attributes:
        bandwidth, latency: [sites] bytes per second and seconds; ends of the same site share them.
        apart: By slot, the same of the nodes that differ from their site.
    """

    end: End
    bandwidth: Floats
    latency: Floats
    apart: Mapping[int, tuple[float, float]]

    def seconds(self, size_bytes: int, slot: int, site: int) -> float:
        """How long a transfer takes to or from one node."""
        bandwidth, latency = self.apart.get(slot) or (self.bandwidth.item(site), self.latency.item(site))
        return latency + size_bytes / bandwidth


class Few(Mapping[int, float]):
    """Seconds by slot, where there are so many that arrays take less; both not to be written to.

    Attributes:
        slots, seconds: In ascending order of slots.
    """

    __slots__ = ("seconds", "slots")

    def __init__(self, slots: Slots, seconds: Floats) -> None:
        self.slots = slots
        self.seconds = seconds

    def __len__(self) -> int:
        return len(self.slots)

    def __iter__(self) -> Iterator[int]:
        return iter(self.slots.tolist())

    def __getitem__(self, slot: int) -> float:
        found = self.at(slot)
        if found is None:
            raise KeyError(slot)
        return found

    def at(self, slot: int) -> float | None:
        """Those of one slot, if it is among them."""
        place = int(self.slots.searchsorted(slot))
        is_there = place < len(self.slots) and self.slots.item(place) == slot
        return self.seconds.item(place) if is_there else None


class Spread(NamedTuple):
    """Seconds: ``by_site`` [sites], and by slot where a node has something else. Not to be written to."""

    by_site: Floats
    apart: Mapping[int, float]

    def at(self, slot: int, site: int) -> float:
        """Those of one node."""
        apart = self.apart
        found = apart.at(slot) if isinstance(apart, Few) else apart.get(slot)
        return self.by_site.item(site) if found is None else found


def way(view: snapshot.Snapshot, end: End, *, outward: bool) -> Way:
    """How an end reaches all nodes or, if not ``outward``, how they reach it."""
    return Way(end, *view.site_row(end, outward=outward), view.exceptions(end, outward=outward))


def by_the_byte(found: Way, bandwidth: float) -> Way:
    """The same end where all bytes over the network cost alike; those within its own node cost what they do."""
    own = {found.end: found.apart[found.end]} if isinstance(found.end, int) else {}
    return Way(found.end, np.full_like(found.bandwidth, bandwidth), np.zeros_like(found.latency), own)


def nearest(ways: Sequence[Way], size_bytes: int, site_of: SiteIds) -> Spread:
    """How long a transfer takes from or to whichever of several ends is best for each node."""
    if len(ways) == 1:
        only = ways[0]
        times = {slot: latency + size_bytes / bandwidth for slot, (bandwidth, latency) in only.apart.items()}
        return Spread(only.latency + size_bytes / only.bandwidth, times)
    rows: dict[int, Floats] = {}  # by the array that ends of one site share
    ends: dict[int, int] = {}  # how many share it
    apart: dict[int, list[tuple[int, float]]] = {}  # slot -> the same key, and seconds
    for one in ways:
        shared = id(one.bandwidth)
        if shared in rows:
            ends[shared] += 1
        else:
            rows[shared] = one.latency + size_bytes / one.bandwidth
            ends[shared] = 1
        for slot, (bandwidth, latency) in one.apart.items():
            apart.setdefault(slot, []).append((shared, latency + size_bytes / bandwidth))
    if len(rows) > _FEW:
        return _least_of_many(rows, ends, apart, site_of)
    by_site, *others = rows.values()
    for row in others:
        by_site = np.minimum(by_site, row)
    least: dict[int, float] = {}
    for slot, said in apart.items():
        found = min(said, key=_seconds)[1]
        site = site_of.item(slot)
        for shared, row in rows.items():
            if ends[shared] > _count(said, shared):  # another end of that site has no more
                found = min(found, row.item(site))
        least[slot] = found
    return Spread(by_site, least)


def _least_of_many(
    rows: dict[int, Floats], ends: dict[int, int], apart: dict[int, list[tuple[int, float]]], site_of: SiteIds
) -> Spread:
    """The same for ends at many sites: what each slot has from each of them stands in a table, less what it has not."""
    stacked = np.array(list(rows.values()))
    number = {shared: row for row, shared in enumerate(rows)}
    beside = stacked.take(site_of.take(list(apart)), axis=1)
    own = []
    for column, said in enumerate(apart.values()):
        own.append(min(said, key=_seconds)[1])
        for shared, _ in said:
            if ends[shared] == _count(said, shared):
                beside[number[shared], column] = np.inf
    least = np.minimum(beside.min(axis=0), own).tolist()
    return Spread(stacked.min(axis=0), dict(zip(apart, least, strict=True)))


def _count(said: list[tuple[int, float]], shared: int) -> int:
    return len([key for key, _ in said if key == shared])


_seconds: Final = operator.itemgetter(1)


def mixed(first: Spread, share: float, second: Spread | None, site_of: SiteIds) -> Spread:
    """What is to be expected: the first with a share (0..1), the second, if it is known, for the rest."""
    if second is None:
        return Spread(share * first.by_site, {slot: share * seconds for slot, seconds in first.apart.items()})
    rest = 1 - share
    apart = {}
    for slot in first.apart.keys() | second.apart.keys():
        site = site_of.item(slot)
        apart[slot] = share * first.at(slot, site) + rest * second.at(slot, site)
    return Spread(share * first.by_site + rest * second.by_site, apart)


def total(spreads: Sequence[Spread], site_of: SiteIds) -> Spread:
    """The sum of several, at least one, in their order."""
    if len(spreads) == 1:
        return spreads[0]
    if any(isinstance(each.apart, Few) for each in spreads):
        return _sum_of_arrays(spreads, site_of)
    if len(spreads) <= _FEW:
        return _sum_of_few(spreads, site_of)
    stacked = np.array([each.by_site for each in spreads])
    slots = list(dict.fromkeys([slot for each in spreads for slot in each.apart]))
    few = stacked.take(site_of[slots], axis=1)
    column = {slot: number for number, slot in enumerate(slots)}
    for row, each in zip(few, spreads, strict=True):
        for slot, seconds in each.apart.items():
            row[column[slot]] = seconds
    return Spread(np.add.reduce(stacked, axis=0), dict(zip(slots, np.add.reduce(few, axis=0).tolist(), strict=True)))


def _sum_of_few(spreads: Sequence[Spread], site_of: SiteIds) -> Spread:
    """The same in plain numbers: arrays of a few cost more than what is to be done with them."""
    by_site = spreads[0].by_site
    for each in spreads[1:]:
        by_site = by_site + each.by_site
    apart: dict[int, float] = {}
    for one in spreads:
        for slot in one.apart:
            if slot not in apart:
                site = site_of.item(slot)
                seconds = 0.0
                for each in spreads:
                    seconds += each.at(slot, site)
                apart[slot] = seconds
    return Spread(by_site, apart)


def _sum_of_arrays(spreads: Sequence[Spread], site_of: SiteIds) -> Spread:
    """The same in arrays."""
    known = [each.apart if isinstance(each.apart, Few) else _as_arrays(each.apart) for each in spreads]
    by_site, slots, seconds = spreads[0].by_site, known[0].slots, [each.seconds for each in known]
    if any(each.slots is not slots for each in known):
        slots = np.unique(np.concatenate([each.slots for each in known]))
        seconds = [each.by_site.take(site_of.take(slots)) for each in spreads]
        for row, each in zip(seconds, known, strict=True):
            row[slots.searchsorted(each.slots)] = each.seconds
    few = seconds[0]
    for whole, row in zip(spreads[1:], seconds[1:], strict=True):
        by_site, few = by_site + whole.by_site, few + row
    return Spread(by_site, Few(slots, few))


def _as_arrays(apart: Mapping[int, float]) -> Few:
    ordered = sorted(apart.items())
    return Few(np.array([slot for slot, _ in ordered], np.intp), np.array([seconds for _, seconds in ordered]))


def scaled(found: Spread, weight: float, unit_s: float) -> Spread:
    """What the seconds cost: weight * seconds / unit."""
    by_site, apart = found
    if isinstance(apart, Few):
        return Spread(weight * by_site / unit_s, Few(apart.slots, weight * apart.seconds / unit_s))
    return Spread(weight * by_site / unit_s, {slot: weight * seconds / unit_s for slot, seconds in apart.items()})


def over(found: Spread, site_of: SiteIds) -> Floats:
    """[slots] the same for each node."""
    row: Floats = found.by_site.take(site_of)
    if isinstance(found.apart, Few):
        row[found.apart.slots] = found.apart.seconds
        return row
    for slot, seconds in found.apart.items():
        row[slot] = seconds
    return row
