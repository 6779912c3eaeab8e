"""One input or output of a pod: how much moves, between which ends, and how long that takes.

Sizes are those the pod declares. A key without one has that of the object which its urn names exactly, else 0, which
leaves the latency. How much is read of a bucket or prefix is not known where the pod does not say it: all that is known
to be there, but at most what the settings assume.

Data that is not there yet, but that a pod is about to write, counts where it is expected with that confidence, and for
the rest where its bucket lies: confidence * t(expected) + (1 - confidence) * t(bucket).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from scheduler.api import crd, urns
from scheduler.plugins.data import loaded, spread, wanted
from scheduler.state import replicas, snapshot, traffic

_NOWHERE: Final[Mapping[int, float]] = {}

Find = Callable[[spread.End, bool], spread.Way]
"""(end, outward) -> how it is reached."""


class Nearest(NamedTuple):
    """The best of several ends for each node.

    Attributes:
        ways: The choice there was.
        seconds: How long the transfer takes.
        load: What else is under way; None where nothing is.
        kept: The nodes, by slot, that have it or are getting it for others, and keep it, where that is sooner: how long
            it takes there.
    """

    ways: tuple[spread.Way, ...]
    seconds: spread.Spread
    load: loaded.Load | None = None
    kept: Mapping[int, float] = _NOWHERE

    def end(self, size_bytes: int, slot: int, site: int) -> spread.End:
        """The one that is taken for a node: the first of the best."""
        return slot if slot in self.kept else self._way(size_bytes, slot, site).end

    def due(self, slot: int, site: int) -> loaded.Due:
        """How many of the seconds are due to what else is under way."""
        if self.load is None or slot in self.kept:
            return loaded.Due(0.0, None)
        return self.load.due(self._way(self.load.size_bytes, slot, site), slot, site)

    def _way(self, size_bytes: int, slot: int, site: int) -> spread.Way:
        if (load := self.load) is not None:
            return min(self.ways, key=lambda way: load.seconds(way, slot, site))
        return min(self.ways, key=lambda way: way.seconds(size_bytes, slot, site))


class Move(NamedTuple):
    """One input or output.

    Attributes:
        urn, size_bytes: What moves.
        is_output: From the node to the store, not from the store to the node.
        seconds: How long it takes, or is expected to take.
        nearest: From or to where.
        confidence: 1 for data that is there; else how sure it is that it will be at ``nearest``.
        otherwise: Where it is looked for if not; None where nothing is known of that.
        is_expected: Whether it is still to be written.
        is_assumed: Whether nobody said how much moves, so that ``size_bytes`` is an assumption.
    """

    urn: str
    size_bytes: int
    is_output: bool
    seconds: spread.Spread
    nearest: Nearest
    confidence: float = 1.0
    otherwise: Nearest | None = None
    is_expected: bool = False
    is_assumed: bool = False


def end_name(view: snapshot.Snapshot, end: spread.End) -> str:
    """A node's name, or ``external:REGION/ZONE``."""
    return view.names[end] if isinstance(end, int) else crd.place_name(end.region, end.zone)


def move(view: snapshot.Snapshot, find: Find, *, one: wanted.Wanted, entry: replicas.Entry, assumed_bytes: int) -> Move:
    """Work out a transfer from or to an entry that has a place."""
    size_bytes, is_assumed = amount(one, entry, assumed_bytes)
    site_of = view.links.site_of

    def nearest(nodes: tuple[str, ...], places: replicas.Places) -> Nearest:
        ends: tuple[spread.End, ...] = (*(view.index_of[node] for node in nodes), *places)
        ways = tuple([find(end, not one.is_output) for end in ends])
        return Nearest(ways, spread.nearest(ways, size_bytes, site_of))

    promise = entry.expected
    if promise is None:
        there = nearest(entry.nodes, entry.places)
        return Move(one.urn, size_bytes, one.is_output, there.seconds, there, is_assumed=is_assumed)
    there = nearest(promise.nodes, promise.places)
    otherwise = nearest(entry.nodes, entry.places) if entry.is_there else None
    rest = otherwise.seconds if otherwise is not None else None
    return Move(
        urn=one.urn,
        size_bytes=size_bytes,
        is_output=one.is_output,
        seconds=spread.mixed(there.seconds, promise.confidence, rest, site_of),
        nearest=there,
        confidence=promise.confidence,
        otherwise=otherwise,
        is_expected=True,
        is_assumed=is_assumed,
    )


def beside(view: snapshot.Snapshot, one: Move, moment: traffic.Moment | None, fetched: Mapping[int, float]) -> Move:
    """The same transfer beside what is under way.

    Args:
        moment: What that is when it begins; None where nobody knows when that is.
        fetched: When it is, or was, there on nodes that keep it, by slot; in seconds since 1970.
    """
    if one.is_expected:  # nobody knows when it can be had
        return one
    nearest = one.nearest
    if moment is not None and not moment.is_calm:
        load = loaded.Load(view.links, moment, one.size_bytes, is_output=one.is_output)
        nearest = Nearest(nearest.ways, load.nearest(nearest.ways), load)
    if fetched:
        nearest = _kept(view, one.size_bytes, nearest, fetched)
    return one if nearest is one.nearest else one._replace(seconds=nearest.seconds, nearest=nearest)


def _kept(view: snapshot.Snapshot, size_bytes: int, nearest: Nearest, fetched: Mapping[int, float]) -> Nearest:
    """The same where some nodes have it, or will have: the rest of that, at least as long as it takes to read there."""
    local, site_of = view.links.local, view.links.site_of
    read_s = local.latency_s + size_bytes / local.bandwidth_bytes_per_s
    sooner = {}
    for slot, there_s in fetched.items():
        seconds = max(there_s - view.now_s, read_s)
        if seconds < nearest.seconds.at(slot, site_of.item(slot)):
            sooner[slot] = seconds
    if not sooner:
        return nearest
    by_site, apart = nearest.seconds
    return nearest._replace(seconds=spread.Spread(by_site, {**apart, **sooner}), kept=sooner)


def amount(one: wanted.Wanted, entry: replicas.Entry, assumed_bytes: int) -> tuple[int, bool]:
    """How many bytes move, and whether that is an assumption."""
    if one.is_output or (one.size_bytes and not (one.is_filled_in and _is_all(one.size_bytes, entry))):
        return one.size_bytes, False
    if urns.is_key(one.urn):
        return (entry.size_bytes or 0) if entry.urn == one.urn else 0, False
    if entry.size_bytes is None:
        return assumed_bytes, True
    return min(entry.size_bytes, assumed_bytes), True


def _is_all(size_bytes: int, entry: replicas.Entry) -> bool:
    """Whether a size is about that of the whole bucket, which may have grown or shrunk since it was written down."""
    return entry.size_bytes is None or entry.size_bytes / 2 <= size_bytes <= entry.size_bytes * 2
