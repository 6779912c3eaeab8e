"""One input or output of a pod: how much moves, between which ends, and how long that takes.

Sizes are those the pod declares. A key without one has that of the object which its urn names exactly, else 0, which
leaves the latency. How much is read of a bucket or prefix is not known where the pod does not say it: all that is known
to be there, but at most what the settings assume.

Data that is not there yet, but that a pod is about to write, counts where it is expected with that confidence, and for
the rest where its bucket lies: confidence * t(expected) + (1 - confidence) * t(bucket).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler.api import crd, urns
from scheduler.plugins.data import loaded, several, spread, wanted
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
        return self.load.due(self.ways, slot, site)

    def _way(self, size_bytes: int, slot: int, site: int) -> spread.Way:
        if self.load is not None:
            return self.load.best(self.ways, slot, site)
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


def ends(view: snapshot.Snapshot, moved: Sequence[Move], *, is_output: bool) -> several.Ends | None:
    """From or to where those of some transfers may go that are looked at together; None where there are none."""
    few = [one for one in moved if _is_beside(one, is_output=is_output) and len(one.nearest.ways) <= several.MOST_ENDS]
    if not few:
        return None
    return several.Ends(
        view.links, [one.nearest.ways for one in few], [one.size_bytes for one in few], is_output=is_output
    )


def beside(
    view: snapshot.Snapshot,
    moved: Sequence[Move],
    moment: traffic.Moment,
    among: several.Ends | None,
    *,
    is_output: bool,
) -> list[Move]:
    """Some transfers, those of one direction beside what is under way when they begin, the others as they are.

    Args:
        moment: What that is.
        among: Their ``ends``.
    """
    links, found = view.links, list(moved)
    places = [place for place, one in enumerate(moved) if _is_beside(one, is_output=is_output)]
    few: list[int] = []
    for place in places:
        one = moved[place]
        if len(one.nearest.ways) <= several.MOST_ENDS:
            few.append(place)
            continue
        others, waits = loaded.met(moment, np.array((one.size_bytes,), np.float64))
        load = loaded.Load(links, moment, one.size_bytes, loaded.Met(others[0], waits[0]), is_output=is_output)
        found[place] = _loaded(one, load, load.nearest(one.nearest.ways))
    if among is not None:
        met = loaded.met(moment, among.sizes)
        loads = [
            loaded.Load(links, moment, moved[place].size_bytes, loaded.Met(*meets), is_output=is_output)
            for place, *meets in zip(few, *met, strict=True)
        ]
        for place, load, seconds in zip(few, loads, among.nearest(links, moment, met, loads), strict=True):
            found[place] = _loaded(moved[place], load, seconds)
    return found


def _is_beside(one: Move, *, is_output: bool) -> bool:
    """Whether it is of a direction, and it is known when it can be had."""
    return one.is_output is is_output and not one.is_expected


def _loaded(one: Move, load: loaded.Load, seconds: spread.Spread) -> Move:
    return one._replace(seconds=seconds, nearest=Nearest(one.nearest.ways, seconds, load))


def kept(view: snapshot.Snapshot, one: Move, fetched: Mapping[int, float]) -> Move:
    """The same where some nodes have it, or will have: the rest of that, at least as long as it takes to read there.

    Args:
        fetched: When it is, or was, there on nodes that keep it, by slot; in seconds since 1970.
    """
    local, site_of, nearest = view.links.local, view.links.site_of, one.nearest
    read_s = local.latency_s + one.size_bytes / local.bandwidth_bytes_per_s
    sooner = {}
    for slot, there_s in fetched.items():
        rest_s = max(there_s - view.now_s, read_s)
        if rest_s < nearest.seconds.at(slot, site_of.item(slot)):
            sooner[slot] = rest_s
    if not sooner:
        return one
    by_site, apart = nearest.seconds
    seconds = spread.Spread(by_site, {**apart, **sooner})
    return one._replace(seconds=seconds, nearest=nearest._replace(seconds=seconds, kept=sooner))


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
