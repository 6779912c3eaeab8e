"""The data criterion: the seconds that all transfers of a pod take on each node.

    t(n) = sum over inputs  min over available replicas r of  latency(r, n) + size / bandwidth(r, n)
         + sum over outputs min over stores s of the bucket   latency(n, s) + size / bandwidth(n, s)

At a replica's own node the local rate counts. A urn with no known location adds nothing anywhere and is named. Sizes
are those the pod declares; an input without one has that of the object which its urn names exactly, else 0, which
leaves the latency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.api import annotations as intents
from scheduler.engine import request
from scheduler.state import network, replicas, snapshot

Ints = NDArray[np.int64]
# (node index, towards the node) -> bandwidth and latency over feasible nodes; transfers of one pod share rows.
Reach = dict[tuple[int, bool], tuple[network.Floats, network.Floats]]


@dataclass(frozen=True, slots=True)
class Move:
    """One input or output over the feasible nodes.

    Attributes:
        urn, size_bytes: What moves.
        is_output: From the node to the store, not from the store to the node.
        seconds: [feasible] how long it takes.
        partner: [feasible] index of the node whose store it comes from or goes to.
    """

    urn: str
    size_bytes: int
    is_output: bool
    seconds: network.Floats
    partner: Ints


@dataclass(frozen=True, slots=True)
class DataCost:
    """All transfers of a pod: ``seconds`` is their sum per feasible node, ``unknown`` the urns without a location."""

    moves: tuple[Move, ...]
    unknown: tuple[str, ...]
    seconds: network.Floats


def cost(snap: snapshot.Snapshot, asked: request.PodRequest, feasible: Ints) -> DataCost:
    """Work out every transfer of the pod on every feasible node."""
    intent, namespace = asked.intent, asked.pod.metadata.namespace
    reads = (*intent.inputs, *(intents.Transfer(urn=bucket, size_bytes=0) for bucket in intent.sources))
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
    partners = [snap.index_of[node] for node in entry.nodes]
    times = np.stack(
        [_seconds(snap, reach, partner, feasible, size_bytes=size_bytes, from_node=is_output) for partner in partners]
    )
    return Move(
        urn=transfer.urn,
        size_bytes=size_bytes,
        is_output=is_output,
        seconds=times.min(axis=0),
        partner=np.array(partners, np.int64)[times.argmin(axis=0)],
    )


def _seconds(
    snap: snapshot.Snapshot,
    reach: Reach,
    partner: int,
    feasible: Ints,
    *,
    size_bytes: int,
    from_node: bool,
) -> network.Floats:
    """Seconds between each feasible node and a partner."""
    row = reach.get((partner, from_node))
    if row is None:
        bandwidth, latency = snap.reach(partner, outward=not from_node)
        row = reach[partner, from_node] = bandwidth[feasible], latency[feasible]
    return row[1] + size_bytes / row[0]
