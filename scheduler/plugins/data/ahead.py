"""What the place of a pod's outputs costs those that will read them.

A pod's outputs go to the store of their bucket that is nearest to its node, and whoever reads them fetches them there.
For each output of which a reader is known (scheduler.state.pipelines)

    ahead(n) = lookahead * sum over readers of (V(s(n)) - least V over all stores)

with s(n) the store that the output goes to from node n, and V(s) what all transfers of the reader take at least, over
the nodes that may take it, when the output lies at s. So data of the reader's that lies elsewhere draws the pod there.
It is seconds like those of its own transfers, and counts with them; it is nothing where an output can go to one place
only, or where it makes no difference to the readers.

Only the reader's own place is thought of, not that of others that may want the same node, nor who reads what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler import config, errors
from scheduler.plugins import contract, request
from scheduler.plugins.common import lately
from scheduler.plugins.data import cost, moves, spread
from scheduler.state import pipelines, snapshot

# More readers of one output say the same over again, and each costs more than a decision's own transfers; with many
# stores to choose among each costs more, so that fewer are looked at, but one.
_READERS: Final = 4
_LOOKS: Final = 1000  # stores times readers, some 2 us each
# Readers made ready for decisions, of some 5 kB each.
_KEPT_BYTES: Final = 4 << 20
_REQUEST_BYTES: Final = 5000
# What makes less of a difference makes none.
_LEAST_S: Final = 1e-6

MayGo = Callable[[request.PodRequest], contract.Mask]
"""The nodes [slots] that may take a pod, now or when others have left."""


class Ahead(NamedTuple):
    """What a pod's place costs those that come after it.

    Attributes:
        total: Seconds.
        site_of: [slots] site ids.
        readers: Who reads what it writes, by the output's urn; pods by namespace and name.
    """

    total: spread.Spread
    site_of: spread.SiteIds
    readers: Mapping[str, tuple[str, ...]]

    @property
    def seconds(self) -> spread.Floats:
        """[slots] the same."""
        return spread.over(self.total, self.site_of)

    def seconds_at(self, slot: int) -> float:
        """Those of one node."""
        return self.total.at(slot, self.site_of.item(slot))

    def costs(self, weight: float, tau_s: float) -> spread.Floats:
        """[slots] weight * seconds / tau."""
        return weight / tau_s * self.seconds


class Lookahead:
    """Looks ahead for the pods of one profile.

    Args:
        data: What transfers take.
    """

    def __init__(self, settings: config.Settings, data: cost.Kept) -> None:
        self._share = settings.lookahead
        self._data = data
        self._requests: lately.Lately[request.PodRequest] = lately.Lately(_KEPT_BYTES)

    def of(self, view: snapshot.Snapshot, asked: request.PodRequest, own: cost.DataCost, may_go: MayGo) -> Ahead | None:
        """What each node costs a pod's readers; None where that makes no difference, or nobody is known to read.

        Args:
            own: The pod's own transfers.
        """
        choices = [move for move in own.moves if move.is_output and len(move.nearest.ways) > 1]
        if not choices or not self._share:
            return None
        most = max(1, min(_READERS, _LOOKS // max(len(move.nearest.ways) for move in choices)))
        readers: dict[str, list[pipelines.Reader]] = {}
        for reader in view.pipelines.readers_of(asked.pod):
            of_output = readers.setdefault(reader.output, [])
            if len(of_output) < most and reader.pod.metadata.uid != asked.pod.metadata.uid:
                of_output.append(reader)
        site_of = own.site_of
        parts = []
        for move in choices:
            by_end = np.zeros(len(move.nearest.ways))
            for reader in readers.get(move.urn, ()):
                found = self._least_s(view, reader, move.nearest.ways, may_go)
                if found is not None:
                    by_end += found
            by_end -= by_end.min()
            if by_end.max() > _LEAST_S:
                parts.append(_where_written(move, self._share * by_end, site_of))
        if not parts:
            return None
        told = {urn: tuple([reader.pod.key for reader in of_output]) for urn, of_output in readers.items()}
        return Ahead(spread.total(parts, site_of), site_of, told)

    def _least_s(
        self, view: snapshot.Snapshot, reader: pipelines.Reader, ends: Sequence[spread.Way], may_go: MayGo
    ) -> spread.Floats | None:
        """[ends] what the reader's transfers take at least when it finds the output there; None if none can be said."""
        asked = self._request(reader)
        if asked is None:
            return None
        mask = may_go(asked)
        if not mask.any():
            return None
        site_of = view.links.site_of[: view.size]
        # Beside nobody: what is under way now is over by the time that the reader begins.
        moved = self._data.cost(view, asked, is_rough=True).moves
        others = [self._seconds(view, asked, one) for one in moved if one.is_output or one.urn != reader.urn]
        rest = spread.total(others, site_of) if others else None
        sites = np.flatnonzero(np.bincount(site_of[mask]))
        apart = {slot: seconds for slot, seconds in rest.apart.items() if mask[slot]} if rest is not None else {}
        of_site: dict[int, float] = {}  # by the array that ends of one site share
        least_s = np.zeros(len(ends))
        ways = [self._data.way(view, one.end, outward=True) for one in ends]  # all at hand, as arrays are told by id
        for number, way in enumerate(ways):
            shared = id(way.bandwidth)
            if shared not in of_site:
                row = way.latency + reader.size_bytes / way.bandwidth
                whole = row if rest is None else row + rest.by_site
                near = [row.item(site_of.item(slot)) + seconds for slot, seconds in apart.items()]
                of_site[shared] = min([whole[sites].min().item(), *near])
            there = [
                latency + reader.size_bytes / bandwidth + (rest.at(slot, site_of.item(slot)) if rest is not None else 0)
                for slot, (bandwidth, latency) in way.apart.items()
                if mask[slot]
            ]
            least_s[number] = min([of_site[shared], *there])
        return least_s

    def _seconds(self, view: snapshot.Snapshot, asked: request.PodRequest, one: moves.Move) -> spread.Spread:
        """What a transfer takes, from where it will lie if it is to be written and nobody else has said so yet."""
        namespace = asked.pod.metadata.namespace
        node = None if one.is_output or one.is_expected else view.pipelines.coming(namespace, one.urn)
        if node is None or (slot := view.index_of.get(node)) is None:
            return one.seconds
        found = view.where_is(namespace, one.urn)
        if found is not None and found.urn == one.urn and found.is_there:
            return one.seconds
        return spread.nearest([self._data.way(view, slot, outward=True)], one.size_bytes, view.links.site_of)

    def _request(self, reader: pipelines.Reader) -> request.PodRequest | None:
        """A reader made ready for decisions; None where it cannot be read."""
        uid = reader.pod.metadata.uid
        found = self._requests.get(uid)
        if found is None or found.pod is not reader.pod:
            try:
                found = request.prepare(reader.pod)
            except errors.InputError:
                return None
            self._requests.put(uid, found, _REQUEST_BYTES)
        return found


def _where_written(move: moves.Move, by_end: spread.Floats, site_of: spread.SiteIds) -> spread.Spread:
    """By node, what is said of the end that an output goes to from there: of the first of the nearest."""
    ways, size_bytes = move.nearest.ways, move.size_bytes
    first: dict[int, int] = {}  # by the array that ends of one site share
    apart: dict[int, list[tuple[float, int]]] = {}  # slot -> seconds, and to which end
    for number, way in enumerate(ways):
        first.setdefault(id(way.bandwidth), number)
        for slot, (bandwidth, latency) in way.apart.items():
            apart.setdefault(slot, []).append((latency + size_bytes / bandwidth, number))
    numbers = list(first.values())
    rows = np.array([ways[number].latency + size_bytes / ways[number].bandwidth for number in numbers])
    nearest = np.asarray(numbers)[rows.argmin(axis=0)]
    least = rows.min(axis=0)
    few: dict[int, float] = {}
    for slot, said in apart.items():
        site = site_of.item(slot)
        usual = least.item(site), nearest.item(site)
        if slot not in ways[usual[1]].apart:
            said.append(usual)
        few[slot] = by_end.item(min(said)[1])
    return spread.Spread(by_end[nearest], few)
