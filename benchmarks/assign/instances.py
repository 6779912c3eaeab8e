"""Problems over edge and cloud: pods with one to three inputs, each on one to three nodes of four regions.

What a pod costs on a node is the sum over its inputs of latency and bytes by bandwidth from the best copy. ``shared``
adds the links that transfers go over: ways out of and into nodes, and pairs of zones.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.engine.assign import problem

_REGIONS: Final = 4
_INPUT_BYTES: Final = 300e6  # median; lognormal with a sigma of 1
# By how far: the same node, zone, region, between clouds, and where an edge of another region is at either end.
_RATES_BYTES_PER_S: Final = np.array([1e9, 125e6, 50e6, 25e6, 12.5e6])
_LATENCIES_S: Final = np.array([0.0, 0.0005, 0.005, 0.04, 0.06])
_CPU_MILLI: Final = np.array([250, 500, 1000, 2000])
_MEMORY_MIB: Final = np.array([128, 512, 1024, 4096])
_CLOUD: Final = 4  # how much larger a node of a cloud is than one of the edge


class Sizes(NamedTuple):
    """How large a problem is.

    Attributes:
        room: What is free in all, by what is asked for in all. From 1 on all pods find room in some plan.
    """

    pods: int
    nodes: int
    room: float


def made(sizes: Sizes, seed: int, *, shared: bool = False) -> problem.Problem:
    """The problem of this size and seed; the same for the same numbers."""
    rng = np.random.default_rng([seed, sizes.pods, sizes.nodes])
    edge = rng.random(sizes.nodes) < 0.5
    region = rng.integers(0, _REGIONS, sizes.nodes)
    apart = _apart(region, edge)
    zones = region * 2 + edge
    costs = np.zeros((sizes.pods, sizes.nodes))
    transfers: list[tuple[int, float, problem.Ints]] = []
    for pod in range(sizes.pods):
        for _ in range(rng.integers(1, 4)):
            size_bytes = float(_INPUT_BYTES * rng.lognormal())
            copies = rng.choice(sizes.nodes, min(int(rng.integers(1, 4)), sizes.nodes), replace=False)
            seconds = _LATENCIES_S[apart[copies]] + size_bytes / _RATES_BYTES_PER_S[apart[copies]]
            costs[pod] += seconds.min(0)
            transfers.append((pod, size_bytes, copies[seconds.argmin(0)]))
    cpu, memory = (rng.choice(kinds, sizes.pods) for kinds in (_CPU_MILLI, _MEMORY_MIB))
    asks = np.stack([cpu, memory], 1)
    return problem.Problem(
        costs=costs,
        asks=asks,
        room=_room(rng, asks, np.where(edge, 1, _CLOUD), sizes.room),
        flows=_flows(transfers, zones, apart) if shared else None,
    )


def _room(rng: np.random.Generator, asks: problem.Ints, weights: problem.Ints, room: float) -> problem.Ints:
    """[nodes, resources] what some plan needs, so that there is one, and the rest of all room by the nodes' weights."""
    shares = weights / weights.sum()
    free = np.zeros((len(weights), asks.shape[1]))
    np.add.at(free, rng.choice(len(weights), len(asks), p=shares), asks)
    if room < 1:
        return (free * room).astype(np.int64)
    drawn = rng.exponential(shares[:, None], free.shape)
    found: problem.Ints = (free + drawn / drawn.sum(0) * (room - 1) * asks.sum(0)).astype(np.int64)
    return found


def _apart(region: problem.Ints, edge: NDArray[np.bool_]) -> problem.Ints:
    """[from, to] row of the rates."""
    same_region, same_kind = region[:, None] == region, edge[:, None] == edge
    apart: problem.Ints = np.where(edge[:, None] | edge, 4, 3)
    apart = np.where(same_region, np.where(same_kind, 1, 2), apart)
    np.fill_diagonal(apart, 0)
    return apart


def _flows(transfers: list[tuple[int, float, problem.Ints]], zones: problem.Ints, apart: problem.Ints) -> problem.Flows:
    """Each transfer from its best copy: out of that node, over the pair of zones, into the pod's node; none at home."""
    nodes, kinds = len(zones), int(zones.max()) + 1
    targets = np.arange(nodes)
    links = np.empty((len(transfers), nodes, 3), np.int64)
    for row, (_, _, sources) in enumerate(transfers):
        over = np.stack([sources, nodes + targets, 2 * nodes + zones[sources] * kinds + zones[targets]], 1)
        links[row] = np.where((sources == targets)[:, None], problem.NOWHERE, over)
    pairs = np.full(kinds * kinds, _RATES_BYTES_PER_S[4])
    pairs[zones[:, None] * kinds + zones] = _RATES_BYTES_PER_S[np.maximum(apart, 1)]
    return problem.Flows(
        pods=np.array([pod for pod, _, _ in transfers]),
        sizes_bytes=np.array([size for _, size, _ in transfers]),
        routes=np.arange(len(transfers)),
        fetches=np.full(len(transfers), problem.NOWHERE),
        links=links,
        rates_bytes_per_s=np.concatenate([np.full(2 * nodes, _RATES_BYTES_PER_S[1]), pairs]),
        weight=1.0,
    )
