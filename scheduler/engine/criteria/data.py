"""The data criterion: the seconds that all transfers of a pod take on each node.

    t(n) = sum over inputs  min over available replicas r of  latency(r, n) + size / bandwidth(r, n)
         + sum over outputs min over stores s of the bucket   latency(n, s) + size / bandwidth(n, s)

At a replica's own node the local rate counts; a store outside the cluster is never local to any. A urn with no known
location adds nothing anywhere and is named. A bucket that the pod names as a source is read like an input, unless an
input lies in it, which says better what is read. Sizes are those the pod declares; an input without one has that of the
object which its urn names exactly, else 0, which leaves the latency.

Data that is not there yet, but that a pod is about to write, counts where it is expected with that confidence, and for
the rest where its bucket lies: confidence * t(expected) + (1 - confidence) * t(bucket).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.api import annotations as intents
from scheduler.api import crd
from scheduler.engine import request
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
    """

    urn: str
    size_bytes: int
    is_output: bool
    seconds: network.Floats
    nearest: Nearest
    confidence: float = 1.0
    otherwise: Nearest | None = None
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class DataCost:
    """All transfers of a pod: ``seconds`` is their sum per feasible node, ``unknown`` the urns without a location."""

    moves: tuple[Move, ...]
    unknown: tuple[str, ...]
    seconds: network.Floats


def end_name(snap: snapshot.Snapshot, end: End) -> str:
    """A node's name, or ``external:REGION/ZONE``."""
    return snap.names[end] if isinstance(end, int) else crd.place_name(end.region, end.zone)


def cost(snap: snapshot.Snapshot, asked: request.PodRequest, feasible: Ints) -> DataCost:
    """Work out every transfer of the pod on every feasible node."""
    intent, namespace = asked.intent, asked.pod.metadata.namespace
    told = {transfer.bucket for transfer in intent.inputs}
    sources = (intents.Transfer(urn=bucket, size_bytes=0) for bucket in intent.sources if bucket not in told)
    reads = (*intent.inputs, *sources)
    found = [(read, snap.locations.resolve(namespace, read.urn), False) for read in reads]
    found += [(write, snap.locations.stores(namespace, write.urn), True) for write in intent.outputs]
    reach: Reach = {}
    moves = tuple(
        _move(snap, reach, feasible, transfer=transfer, entry=entry, is_output=is_output)
        for transfer, entry, is_output in found
        if entry is not None
    )
    total = np.zeros(len(feasible))
    for move in moves:
        total += move.seconds
    unknown = tuple(transfer.urn for transfer, entry, _ in found if entry is None)
    return DataCost(moves=moves, unknown=unknown, seconds=total)


def _move(
    snap: snapshot.Snapshot,
    reach: Reach,
    feasible: Ints,
    *,
    transfer: intents.Transfer,
    entry: replicas.Entry,
    is_output: bool,
) -> Move:
    size_bytes = transfer.size_bytes
    if not size_bytes and not is_output and entry.urn == transfer.urn:
        size_bytes = entry.size_bytes or 0

    def nearest(nodes: tuple[str, ...], places: replicas.Places) -> Nearest:
        ends: tuple[End, ...] = (*(snap.index_of[node] for node in nodes), *places)
        times = np.stack([_seconds(snap, reach, end, feasible, size_bytes, from_node=is_output) for end in ends])
        return Nearest(ends, times.min(axis=0), times.argmin(axis=0))

    promise = entry.expected
    if promise is None:
        there = nearest(entry.nodes, entry.places)
        return Move(transfer.urn, size_bytes, is_output, there.seconds, there)
    coming = nearest(promise.nodes, promise.places)
    seconds, otherwise = promise.confidence * coming.seconds, None
    if entry.nodes or entry.places:
        otherwise = nearest(entry.nodes, entry.places)
        seconds = seconds + (1 - promise.confidence) * otherwise.seconds
    return Move(
        transfer.urn,
        size_bytes,
        is_output,
        seconds,
        coming,
        confidence=promise.confidence,
        otherwise=otherwise,
        is_expected=True,
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
