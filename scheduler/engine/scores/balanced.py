"""NodeResourcesBalancedAllocation: prefers nodes whose resources the pod brings into balance.

1.36: 50 + (50 + with - without) / 2, each of the two (1 - standard deviation of the used fractions) * 100, from true
requests. Source: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.engine import request, scores
from scheduler.engine.scores import fit
from scheduler.state import snapshot

PLUGIN: Final = "NodeResourcesBalancedAllocation"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def raw(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> Ints | None:
    """The score of each feasible node, 50..100; None for a pod that requests none of the resources."""
    with_pod, allocatable = [], []
    own = []
    for name in settings.plugins.balanced_resources:
        requested, capacity = fit.allocation(snap, asked, name, feasible, nonzero=False)
        own.append(fit.true_amount(asked.asked, name))
        with_pod.append(requested)
        allocatable.append(capacity)
    if not any(own):
        return None
    after, capacity = np.stack(with_pod), np.stack(allocatable)
    before = np.where(capacity == 0, 0, after - np.array(own, np.int64)[:, None])
    half = scores.MAX_SCORE // 2
    change = half + _evenness(after, capacity) - _evenness(before, capacity)
    # Go divides towards zero; change is never negative here, as each evenness is 50..100.
    return half + change // 2


def _evenness(requested: Ints, allocatable: Ints) -> Ints:
    """(1 - deviation of the used fractions) * 100; [resources, nodes] in, [nodes] out."""
    counted = allocatable != 0
    fractions = np.minimum(requested / np.where(counted, allocatable, 1), 1.0)
    fractions = np.where(counted, fractions, 0.0)
    number = counted.sum(axis=0)
    mean = _sum_rows(fractions) / np.maximum(number, 1)
    squares = np.where(counted, (fractions - mean) ** 2, 0.0)
    deviation = np.sqrt(_sum_rows(squares) / np.maximum(number, 1))
    if len(fractions) >= 2:
        deviation = np.where(number == 2, _half_distance(fractions, counted), deviation)
    return ((1.0 - np.where(number < 2, 0.0, deviation)) * scores.MAX_SCORE).astype(np.int64)


def _half_distance(fractions: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Half the distance of the two counted fractions, where there are two: upstream's short form, bit for bit."""
    low = np.where(counted, fractions, np.inf).min(axis=0)
    high = np.where(counted, fractions, -np.inf).max(axis=0)
    distance: Floats = np.abs(high - low) / 2
    return np.where(np.isfinite(distance), distance, 0.0)


def _sum_rows(rows: Floats) -> Floats:
    """Add rows in their order, as upstream's loop does: numpy's own sum may pair them otherwise."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total = total + row
    return total
