"""The data criterion: the seconds that all transfers of a pod take on each node.

    t(n) = sum over inputs  min over available replicas r of  latency(r, n) + size / bandwidth(r, n)
         + sum over outputs min over stores s of the bucket   latency(n, s) + size / bandwidth(n, s)

At a replica's own node the local rate counts; a store outside the cluster is never local to any. A urn with no known
location adds nothing anywhere and is named, and so, apart from those, is one that can be had nowhere now. Sizes are
those the pod declares. A key without one has that of the object which its urn names exactly, else 0, which leaves the
latency. How much is read of a bucket or prefix is not known where the pod does not say it: all that is known to be
there, but at most what the settings assume.

Data that is not there yet, but that a pod is about to write, counts where it is expected with that confidence, and for
the rest where its bucket lies: confidence * t(expected) + (1 - confidence) * t(bucket).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.api import crd, urns
from scheduler.plugins import request, wanted
from scheduler.state import network, replicas, snapshot

Ints = NDArray[np.int64]
# A node's index, or a place outside the cluster.
End = int | network.Site
# (end, towards the nodes) -> bandwidth and latency over feasible nodes; transfers of one pod share rows.
Reach = dict[tuple[End, bool], tuple[network.Floats, network.Floats]]


@dataclass(frozen=True, slots=True)
class Nearest:
    """The best of several ends, over the feasible nodes: how long it takes, and which it is.

    Attributes:
        ends: The choice there was.
        seconds: [feasible] how long the transfer takes.
        choice: [feasible] position in ``ends``.
    """

    ends: tuple[End, ...]
    seconds: network.Floats
    choice: Ints

    def end(self, position: int) -> End:
        """The other end of the transfer for a feasible node."""
        return self.ends[int(self.choice[position])]


@dataclass(frozen=True, slots=True)
class Move:
    """One input or output over the feasible nodes.

    Attributes:
        urn, size_bytes: What moves.
        is_output: From the node to the store, not from the store to the node.
        seconds: [feasible] how long it takes, or is expected to take.
        nearest: From or to where.
        confidence: 1 for data that is there; else how sure it is that it will be at ``nearest``.
        otherwise: Where it is looked for if not; None where nothing is known of that.
        is_expected: Whether it is still to be written.
        is_assumed: Whether nobody said how much moves, so that ``size_bytes`` is an assumption.
    """

    urn: str
    size_bytes: int
    is_output: bool
    seconds: network.Floats
    nearest: Nearest
    confidence: float = 1.0
    otherwise: Nearest | None = None
    is_expected: bool = False
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class DataCost:
    """All transfers of a pod.

    Attributes:
        moves: Those from or to a known place.
        seconds: [feasible] their sum.
        unknown: The urns of which no copy is known.
        unavailable: The urns of which copies are known, none of which can be had now.
        absent: By urn, the copies that are known where it was looked for and that do not count.
        processing_s: What the pod declares for the data of ``moves``.
    """

    moves: tuple[Move, ...]
    seconds: network.Floats
    unknown: tuple[str, ...]
    unavailable: tuple[str, ...]
    absent: dict[str, tuple[replicas.Absent, ...]]
    processing_s: float


def end_name(snap: snapshot.Snapshot, end: End) -> str:
    """A node's name, or ``external:REGION/ZONE``."""
    return snap.names[end] if isinstance(end, int) else crd.place_name(end.region, end.zone)


def cost(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> DataCost:
    """Work out every transfer of the pod on every feasible node."""
    namespace = asked.pod.metadata.namespace
    found = [
        (one, snap.stores_for(namespace, one.urn) if one.is_output else snap.where_is(namespace, one.urn))
        for one in asked.transfers
    ]
    placed = [(one, entry) for one, entry in found if entry is not None and entry.has_place]
    reach: Reach = {}
    moves = tuple(
        _move(snap, reach, feasible, one=one, entry=entry, assumed_bytes=settings.assumed_read_bytes)
        for one, entry in placed
    )
    total = np.zeros(len(feasible))
    for move in moves:
        total += move.seconds
    absent: dict[str, tuple[replicas.Absent, ...]] = {}
    for one, entry in found:
        if entry is not None and entry.absent:
            absent[one.urn] = tuple(dict.fromkeys((*absent.get(one.urn, ()), *entry.absent)))
    return DataCost(
        moves=moves,
        seconds=total,
        unknown=tuple(one.urn for one, entry in found if entry is None),
        unavailable=tuple(one.urn for one, entry in found if entry is not None and not entry.has_place),
        absent=absent,
        processing_s=math.fsum(one.processing_s for one, _ in placed),
    )


def _amount(one: wanted.Wanted, entry: replicas.Entry, assumed_bytes: int) -> tuple[int, bool]:
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


def _move(
    snap: snapshot.Snapshot,
    reach: Reach,
    feasible: Ints,
    *,
    one: wanted.Wanted,
    entry: replicas.Entry,
    assumed_bytes: int,
) -> Move:
    size_bytes, is_assumed = _amount(one, entry, assumed_bytes)

    def nearest(nodes: tuple[str, ...], places: replicas.Places) -> Nearest:
        ends: tuple[End, ...] = (*(snap.index_of[node] for node in nodes), *places)
        times = np.stack([_seconds(snap, reach, end, feasible, size_bytes, from_node=one.is_output) for end in ends])
        return Nearest(ends, times.min(axis=0), times.argmin(axis=0))

    promise = entry.expected
    confidence, otherwise = 1.0, None
    if promise is None:
        there = nearest(entry.nodes, entry.places)
        seconds = there.seconds
    else:
        there, confidence = nearest(promise.nodes, promise.places), promise.confidence
        seconds = confidence * there.seconds
        if entry.is_there:
            otherwise = nearest(entry.nodes, entry.places)
            seconds = seconds + (1 - confidence) * otherwise.seconds
    return Move(
        urn=one.urn,
        size_bytes=size_bytes,
        is_output=one.is_output,
        seconds=seconds,
        nearest=there,
        confidence=confidence,
        otherwise=otherwise,
        is_expected=promise is not None,
        is_assumed=is_assumed,
    )


def _seconds(
    snap: snapshot.Snapshot, reach: Reach, end: End, feasible: Ints, size_bytes: int, *, from_node: bool
) -> network.Floats:
    """Seconds between each feasible node and an end."""
    row = reach.get((end, from_node))
    if row is None:
        bandwidth, latency = (
            snap.reach(end, outward=not from_node)
            if isinstance(end, int)
            else snap.reach_place(end, outward=not from_node)
        )
        row = reach[end, from_node] = bandwidth[feasible], latency[feasible]
    return row[1] + size_bytes / row[0]
