"""NodeResourcesFit's score: how full a node would be, by the configured strategy.

LeastAllocated prefers empty nodes, MostAllocated full ones, RequestedToCapacityRatio follows a piecewise linear shape.
The mean over resources is weighted and integer. Source: pkg/scheduler/framework/plugins/noderesources/
{least_allocated,most_allocated,requested_to_capacity_ratio,resource_allocation}.go.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.engine import request, scores
from scheduler.state import demand, snapshot, usage

PLUGIN: Final = "NodeResourcesFit"
_SHAPE_SCALE: Final = 10  # shape scores are given as 0..10, node scores run to 100

_NONZERO_ROWS: Final = {"cpu": usage.NONZERO_CPU, "memory": usage.NONZERO_MEMORY}

Ints = NDArray[np.int64]


def raw(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> Ints:
    """The score of each feasible node, 0..100."""
    plugins = settings.plugins
    total = np.zeros(len(feasible), np.int64)
    weights = np.zeros(len(feasible), np.int64)
    for name, weight in plugins.fit_resources:
        requested, allocatable = allocation(snap, asked, name, feasible, nonzero=True)
        counted = allocatable != 0
        capacity = np.where(counted, allocatable, 1)
        if plugins.fit_strategy == "MostAllocated":
            score = np.minimum(requested, capacity) * scores.MAX_SCORE // capacity
        elif plugins.fit_strategy == "RequestedToCapacityRatio":
            score = _shaped(plugins.fit_shape, requested, capacity)
            counted &= score > 0
        else:
            score = np.where(requested > capacity, 0, (capacity - requested) * scores.MAX_SCORE // capacity)
        total += np.where(counted, score * weight, 0)
        weights += np.where(counted, weight, 0)
    divisor = np.maximum(weights, 1)
    if plugins.fit_strategy == "RequestedToCapacityRatio":
        # math.Round: half away from zero; all values are positive.
        mean = np.floor(total / divisor + 0.5).astype(np.int64)
    else:
        mean = total // divisor
    return np.where(weights > 0, mean, 0)


def allocation(
    snap: snapshot.Snapshot, asked: request.PodRequest, name: str, feasible: Ints, *, nonzero: bool
) -> tuple[Ints, Ints]:
    """What would be requested of a resource with the pod on each node, and what the node offers; 0, 0 leaves it out.

    Args:
        nonzero: Count containers without a request at upstream's defaults; otherwise true requests.
    """
    left_out = np.zeros(len(feasible), np.int64), np.zeros(len(feasible), np.int64)
    row = snap.resource_row.get(name)
    own = asked.asked.scored.get(name, 0) if nonzero else true_amount(asked.asked, name)
    if row is None or (demand.is_scalar(name) and own == 0):
        return left_out
    in_use = snap.taken[_NONZERO_ROWS.get(name, row) if nonzero else row]
    allocatable = snap.offered[row][feasible]
    return np.where(allocatable == 0, 0, in_use[feasible] + own), allocatable


def true_amount(pod: demand.Demand, name: str) -> int:
    """What a pod requests of a resource, in its unit."""
    fixed = {"cpu": pod.cpu_milli, "memory": pod.memory_bytes, "ephemeral-storage": pod.ephemeral_bytes}
    return fixed[name] if name in fixed else pod.scalars.get(name, 0)


def _shaped(shape: tuple[tuple[int, int], ...], requested: Ints, capacity: Ints) -> Ints:
    """Piecewise linear in utilisation per cent; integer arithmetic with Go's truncation towards zero."""
    x = np.where(requested > capacity, scores.MAX_SCORE, requested * scores.MAX_SCORE // capacity)
    y = np.full(len(x), shape[-1][1] * _SHAPE_SCALE, np.int64)
    for (x0, y0), (x1, y1) in reversed(list(itertools.pairwise(shape))):
        rise = (y1 - y0) * _SHAPE_SCALE * (x - x0)
        slope = np.sign(rise) * (np.abs(rise) // (x1 - x0))
        y = np.where(x <= x1, y0 * _SHAPE_SCALE + slope, y)
    return np.where(x <= shape[0][0], shape[0][1] * _SHAPE_SCALE, y)
