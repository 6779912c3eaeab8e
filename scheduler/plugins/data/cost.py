"""All transfers of a pod, and what is kept of them between decisions.

Kept are how ends are reached, single transfers by what is wanted, and whole pods' transfers, for pods often come in
numbers that read the same. What is resolved of a urn is asked anew for each decision, and what was made of something
else is not used. What the rest is made of is told by the log of changes: a node that came, went or moved, a link that
was measured; and by the network's own sign for sites, links of zones and the passing of time.

What is under way is not kept with it: where anything is, its seconds are worked out for each decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.plugins import request
from scheduler.plugins.common import lately
from scheduler.plugins.data import moves, pulls, several, spread, wanted
from scheduler.state import changes, replicas, snapshot, traffic

# Enough for some 10,000 transfers, and as many pods' and ends, of a cluster with a hundred sites.
_KEPT_BYTES: Final = 16 << 20
# Of what is kept beside arrays: objects, keys, and the entry in a dictionary.
_OBJECT_BYTES: Final = 1000
_CELL_BYTES: Final = 200
_NOWHERE: Final[Mapping[int, float]] = {}


class DataCost(NamedTuple):
    """All transfers of a pod.

    Attributes:
        moves: Those from or to a known place.
        total: The seconds that they take together; None without any.
        site_of: [slots] site ids.
        unknown: The urns of which no copy is known.
        unavailable: The urns of which copies are known, none of which can be had now.
        absent: By urn, the copies that are known where it was looked for and that do not count.
        processing_s: What the pod declares for the data of ``moves``.
        all_keep: Whether every node keeps what is fetched to it.
        pulls: The pod's images, whose seconds are beside those of ``total``.
    """

    moves: tuple[moves.Move, ...]
    total: spread.Spread | None
    site_of: spread.SiteIds
    unknown: tuple[str, ...]
    unavailable: tuple[str, ...]
    absent: dict[str, tuple[replicas.Absent, ...]]
    processing_s: float
    all_keep: bool = False
    pulls: tuple[pulls.Pull, ...] = ()

    @property
    def seconds(self) -> spread.Floats:
        """[slots] how long all transfers take."""
        found = spread.over(self.total, self.site_of) if self.total is not None else np.zeros(len(self.site_of))
        for pull in self.pulls:
            found += pull.seconds(self.site_of)
        return found

    def seconds_at(self, slot: int) -> float:
        """Those of one node."""
        site = self.site_of.item(slot)
        found = self.total.at(slot, site) if self.total is not None else 0.0
        for pull in self.pulls:
            found += pull.seconds_at(slot, site)
        return found

    def costs(self, weight: float, tau_s: float) -> spread.Floats:
        """[slots] weight * seconds / tau; zeros without transfers."""
        if self.pulls:
            return weight * self.seconds / tau_s
        if self.total is None:
            return np.zeros(len(self.site_of))
        return spread.over(spread.scaled(self.total, weight, tau_s), self.site_of)


Entries = tuple[replicas.Entry | None, ...]


class _Known(NamedTuple):
    """A pod's transfers as if nobody else moved anything; by direction what is known of their ends, once it was used.

    Those are added up once that was used.
    """

    entries: Entries
    found: DataCost
    ends: dict[bool, several.Ends | None]

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        return _size_bytes(self.found.total) + sum([one.size_bytes for one in self.ends.values() if one is not None])


class Kept:
    """What transfers take in a cluster, as far as it was worked out before. Decisions are the same without it."""

    def __init__(self, settings: config.Settings) -> None:
        self._assumed_bytes = settings.assumed_read_bytes
        self._all_keep = settings.nodes_keep_inputs
        self._pulls = settings.image_pull_as_data
        self._settings = settings
        self._a_byte = settings.network.cross_region.bandwidth_bytes_per_s if settings.counts_bytes else None
        self._made_of: object = None  # the log, and what site rows are made of
        self._seq = 0  # of the log, up to which what is kept is true
        self._ways: lately.Lately[spread.Way] = lately.Lately(_KEPT_BYTES)
        self._moves: lately.Lately[tuple[replicas.Entry, moves.Move]] = lately.Lately(_KEPT_BYTES)
        self._costs: lately.Lately[_Known] = lately.Lately(_KEPT_BYTES)
        self._without: tuple[snapshot.Snapshot | None, DataCost] = None, _nothing(np.zeros(0, np.int32))

    def cost(self, view: snapshot.Snapshot, pod: request.PodRequest, *, is_rough: bool = False) -> DataCost:
        """Every transfer of a pod, on every node; if ``is_rough``, as if nobody else moved anything."""
        if not pod.transfers:
            if self._without[0] is not view:
                self._without = view, _nothing(view.links.site_of[: view.size])
            return self._without[1]
        self._catch_up(view)
        namespace = pod.pod.metadata.namespace
        entries = tuple(
            [
                view.stores_for(namespace, one.urn) if one.is_output else view.where_is(namespace, one.urn)
                for one in pod.transfers
            ]
        )
        key = namespace, pod.transfers
        known, size_bytes = self._costs.get(key), 0
        if known is None or known.entries != entries:
            known = _Known(entries, self._cost(view, namespace, pod.transfers, entries), {})
        else:
            size_bytes = known.size_bytes
        found = known.found
        moved = found.moves if is_rough or view.traffic.is_calm else self._beside(view, pod, known)
        if moved is found.moves and moved and found.total is None:
            found = _added_up(found)
            known = known._replace(found=found)
        if known.size_bytes != size_bytes:
            self._costs.put(key, known, known.size_bytes)
        if moved is not found.moves:
            found = _added_up(found._replace(moves=moved))
        if not (self._pulls and view.images):
            return found
        pulled = pulls.of(view, pod.pod, lambda end, outward: self.way(view, end, outward=outward), self._settings)
        return found._replace(pulls=pulled) if pulled else found

    def _cost(
        self, view: snapshot.Snapshot, namespace: str, transfers: tuple[wanted.Wanted, ...], entries: Entries
    ) -> DataCost:
        """The transfers of a pod, not added up."""
        found = list(zip(transfers, entries, strict=True))
        placed = [(one, entry) for one, entry in found if entry is not None and entry.has_place]
        missing = [(one, entry) for one, entry in found if entry is None or not entry.has_place]
        moved = tuple([self._move(view, namespace, one, entry) for one, entry in placed])
        site_of = view.links.site_of[: view.size]
        absent: dict[str, tuple[replicas.Absent, ...]] = {}
        for one, entry in found:
            if entry is not None and entry.absent:
                absent[one.urn] = tuple(dict.fromkeys((*absent.get(one.urn, ()), *entry.absent)))
        return DataCost(
            moves=moved,
            total=None,
            site_of=site_of,
            unknown=tuple([one.urn for one, entry in missing if entry is None]),
            unavailable=tuple([one.urn for one, entry in missing if entry is not None]),
            absent=absent,
            processing_s=math.fsum([one.processing_s for one, _ in placed]),
            all_keep=self._all_keep,
        )

    def _move(self, view: snapshot.Snapshot, namespace: str, one: wanted.Wanted, entry: replicas.Entry) -> moves.Move:
        before = self._moves.get((namespace, one))
        if before is not None and before[0] == entry:
            return before[1]

        def find(end: spread.End, outward: bool) -> spread.Way:
            return self.way(view, end, outward=outward)

        made = moves.move(view, find, one=one, entry=entry, assumed_bytes=self._assumed_bytes)
        self._moves.put((namespace, one), (entry, made), _size_bytes(made.seconds))
        return made

    def way(self, view: snapshot.Snapshot, end: spread.End, *, outward: bool) -> spread.Way:
        """How an end reaches all nodes, or they reach it; of a view that a cost was worked out for."""
        way = self._ways.get((end, outward))
        if way is None:
            way = spread.way(view, end, outward=outward)
            if self._a_byte is not None:
                way = spread.by_the_byte(way, self._a_byte)
            self._ways.put((end, outward), way, _OBJECT_BYTES + _CELL_BYTES * len(way.apart))
        return way

    def _beside(self, view: snapshot.Snapshot, pod: request.PodRequest, known: _Known) -> tuple[moves.Move, ...]:
        """The same transfers beside those that are under way when each begins: inputs now, outputs after processing."""
        found, namespace, fetched = known.found, pod.pod.metadata.namespace, view.traffic.fetched
        moved: Sequence[moves.Move] = found.moves
        for is_output in {one.is_output for one in moved if not one.is_expected}:
            moment = self._begins(view, pod, found) if is_output else view.traffic.at(view.now_s)
            if moment is None or moment.is_calm:
                continue
            if is_output not in known.ends:
                known.ends[is_output] = moves.ends(view, moved, is_output=is_output)
            moved = moves.beside(view, moved, moment, known.ends[is_output], is_output=is_output)
        if fetched:
            there = [_NOWHERE if one.is_output or one.is_expected else fetched.at(namespace, one.urn) for one in moved]
            if any(there):
                pairs = zip(moved, there, strict=True)
                moved = [moves.kept(view, one, at_nodes) if at_nodes else one for one, at_nodes in pairs]
        return tuple(moved)

    def _begins(self, view: snapshot.Snapshot, pod: request.PodRequest, found: DataCost) -> traffic.Moment | None:
        """What is under way when the outputs begin; None where nobody knows when that is."""
        works_s = found.processing_s or view.durations.learned_s(pod.pod) or 0.0
        return view.traffic.at(view.now_s + works_s) if works_s else None

    def _catch_up(self, view: snapshot.Snapshot) -> None:
        """Forget what is not true any more."""
        made_of = view.changes, view.links.made_of(view.now_s)
        if made_of == self._made_of and view.changes.seq == self._seq:
            return
        found = view.changes.since(self._seq) if made_of == self._made_of else None
        self._made_of, self._seq = made_of, view.changes.seq
        if found is None or any(facets & (changes.ALIVE | changes.PLACE) for facets in found.values()):
            self._ways.clear()
        else:
            measured = [slot for slot, facets in found.items() if facets & changes.LINKS]
            if not measured:
                return
            for slot in measured:  # both ends of a link are noted
                self._ways.drop((slot, True))
                self._ways.drop((slot, False))
        self._moves.clear()
        self._costs.clear()


def _added_up(found: DataCost) -> DataCost:
    return found._replace(total=spread.total([one.seconds for one in found.moves], found.site_of))


def _nothing(site_of: spread.SiteIds) -> DataCost:
    return DataCost((), None, site_of, (), (), {}, 0.0)


def _size_bytes(found: spread.Spread | None) -> int:
    return _OBJECT_BYTES + (found.by_site.nbytes + _CELL_BYTES * len(found.apart) if found is not None else 0)
