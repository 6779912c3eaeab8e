"""What is known of the links between nodes and between zones, and how far to believe it.

A figure counts by its weight, which fades with the time since it was measured and is halved every ``HALF_LIFE_S``:

    w = confidence * 2^(-age / HALF_LIFE_S)

It does not replace what would be taken without it (the zones' figure, else the prior) but draws that towards itself:

    bandwidth = without^(1 - w) * measured^w          latency = (1 - w) * without + w * measured

Bandwidths span decades, hence the geometric mean; latencies are added to transfer times, hence the plain one. At w = 1
the measured figure holds, at w = 0 the other, between them nothing jumps. Several reports of one link (both of its ends
may measure it, and a zone has several nodes that do) are first drawn together with their weights in the same two ways;
the strongest of them is the weight of the whole. A label that an administrator has set is believed before all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

HALF_LIFE_S: Final = 6 * 3600.0
_ZONE_PEER: Final = "zone:"

Zone = tuple[str, str]
"""Region and zone; the region may be unknown (""), the zone may not."""


@dataclass(frozen=True, slots=True)
class KnownLink:
    """One report about a directed link, made at one of its ends.

    Attributes:
        peer: The other end: a node's name, or ``zone:REGION/ZONE`` for all nodes of that zone and of the reporter's.
        outward: From the reporter to the peer, not from the peer to it.
        bandwidth_bytes_per_s, latency_s: None where this report says nothing of it.
        confidence: 0..1, at the time of measuring.
        measured_at_s: Seconds since 1970; None does not age.
        declared: By an administrator's label.
    """

    peer: str
    outward: bool = True
    bandwidth_bytes_per_s: float | None = None
    latency_s: float | None = None
    confidence: float = 1.0
    measured_at_s: float | None = None
    declared: bool = False

    @property
    def zone(self) -> Zone | None:
        """The zone at the other end, if it is one."""
        region, slash, zone = self.peer.removeprefix(_ZONE_PEER).partition("/")
        return (region, zone) if self.peer.startswith(_ZONE_PEER) and slash and zone else None


class Figure(NamedTuple):
    """What all reports say together; ``age_s`` is that of the latest, NaN where it has no time."""

    value: float
    weight: float
    declared: bool
    age_s: float


class Estimate(NamedTuple):
    """A link as far as it is known."""

    bandwidth: Figure | None
    latency: Figure | None


def weight(link: KnownLink, now_s: float) -> float:
    """How far a report is believed now, 0..1; a time in the future is a clock's error and counts as now."""
    if link.measured_at_s is None:
        return link.confidence
    return float(link.confidence * 0.5 ** (max(now_s - link.measured_at_s, 0.0) / HALF_LIFE_S))


def combine(reports: Sequence[KnownLink], now_s: float) -> Estimate:
    """Draw the reports of one link together."""
    return Estimate(
        bandwidth=_figure(reports, now_s, lambda link: link.bandwidth_bytes_per_s, _geometric),
        latency=_figure(reports, now_s, lambda link: link.latency_s, _plain),
    )


def _figure(
    reports: Sequence[KnownLink],
    now_s: float,
    read: Callable[[KnownLink], float | None],
    mean: Callable[[Sequence[tuple[float, float]]], float],
) -> Figure | None:
    said = [(link, value) for link in reports if (value := read(link)) is not None]
    said = [(link, value) for link, value in said if link.declared] or said
    weighed = [(weight(link, now_s), value) for link, value in said]
    strongest = max((each for each, _ in weighed), default=0.0)
    if strongest <= 0:
        return None
    times = [link.measured_at_s for link, _ in said if link.measured_at_s is not None]
    return Figure(
        value=weighed[0][1] if len(weighed) == 1 else mean(weighed),  # one alone is taken to the bit
        weight=strongest,
        declared=said[0][0].declared,
        age_s=max(now_s - max(times), 0.0) if times else math.nan,
    )


def _geometric(weighed: Sequence[tuple[float, float]]) -> float:
    return math.exp(_plain([(each, math.log(value)) for each, value in weighed]))


def _plain(weighed: Sequence[tuple[float, float]]) -> float:
    return sum(each * value for each, value in weighed) / sum(each for each, _ in weighed)


End = TypeVar("End", str, Zone)


class Directed(Generic[End]):
    """Reports by the two ends of their link, readable from either."""

    def __init__(self) -> None:
        self._onward: dict[End, dict[End, list[KnownLink]]] = {}
        self._back: dict[End, dict[End, list[KnownLink]]] = {}

    def add(self, source: End, target: End, report: KnownLink) -> None:
        reports = self._onward.setdefault(source, {}).setdefault(target, [])
        reports.append(report)
        self._back.setdefault(target, {})[source] = reports

    def remove(self, source: End, target: End, report: KnownLink) -> None:
        reports = self._onward[source][target]
        reports.remove(report)
        if not reports:
            for table, one, other in ((self._onward, source, target), (self._back, target, source)):
                del table[one][other]
                if not table[one]:
                    del table[one]

    def has(self, end: End, *, outward: bool) -> bool:
        """Whether anything is known of links from ``end`` (or to it)."""
        return end in (self._onward if outward else self._back)

    def around(self, end: End, now_s: float, *, outward: bool) -> Iterator[tuple[End, Estimate]]:
        """What is known of the links from ``end`` (or to it), with their other end."""
        for other, reports in (self._onward if outward else self._back).get(end, {}).items():
            yield other, combine(reports, now_s)


class Told(NamedTuple):
    """What a report changed: links between the reporter and those peers, and links to or from those zones."""

    peers: frozenset[str]
    zones: frozenset[Zone]


NOTHING_TOLD: Final = Told(frozenset(), frozenset())


class LinkTable:
    """Everybody's reports: ``nodes`` by pair of nodes, ``zones`` by pair of zones; ``dated``: how many of them age."""

    def __init__(self) -> None:
        self.nodes: Directed[str] = Directed()
        self.zones: Directed[Zone] = Directed()
        self.dated = 0
        self._reported: dict[str, tuple[Zone, tuple[KnownLink, ...]]] = {}

    def report(self, reporter: str, zone: Zone, links: tuple[KnownLink, ...]) -> Told:
        """Replace what a node in ``zone`` reports; returns what changed."""
        before = self._reported.get(reporter, (zone, ()))
        if before == (zone, links):
            return NOTHING_TOLD
        self._reported.pop(reporter, None)
        zones = self._each(reporter, *before, add=False)
        if links:
            self._reported[reporter] = (zone, links)
            zones |= self._each(reporter, zone, links, add=True)
        apart = set(before[1]).symmetric_difference(links)
        return Told(frozenset(link.peer for link in apart if link.zone is None), frozenset(zones))

    def newest_s(self) -> float:
        """When the latest of all measurements was taken; 0 without any."""
        times = (link.measured_at_s for _, links in self._reported.values() for link in links)
        return max((each for each in times if each is not None), default=0.0)

    def _each(self, reporter: str, zone: Zone, links: tuple[KnownLink, ...], *, add: bool) -> set[Zone]:
        ends: set[Zone] = set()
        for link in links:
            if link.measured_at_s is not None:
                self.dated += 1 if add else -1
            peer = link.zone
            if peer is None:
                nodes = (reporter, link.peer) if link.outward else (link.peer, reporter)
                (self.nodes.add if add else self.nodes.remove)(*nodes, link)
            elif zone[1]:  # a node that is in no zone cannot speak for one
                zones = (zone, peer) if link.outward else (peer, zone)
                (self.zones.add if add else self.zones.remove)(*zones, link)
                ends.update(zones)
        return ends
