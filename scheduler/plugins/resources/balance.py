"""NodeResourcesBalancedAllocation: prefers nodes whose resources the pod brings into balance.

1.37: 50 + (50 + with - without) / 2, each of the two (1 - standard deviation of the used fractions) * 100, from true
requests. Source: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.plugins import contract, request
from scheduler.plugins.common import int64
from scheduler.plugins.resources import amounts
from scheduler.state import changes, snapshot

Asked = tuple[tuple[str, int], ...]  # resource, what the pod asks for


def _compile(pod: request.PodRequest, settings: config.Settings) -> Asked | None:
    """None for a pod that requests none of the resources."""
    asked = tuple(
        (name, own)
        for name in settings.plugins.balanced_resources
        if not amounts.is_left_out(name, own := amounts.true_amount(pod.asked, name))
    )
    return asked if any(own for _, own in asked) else None


def _raws(asked: Asked, view: snapshot.Snapshot) -> contract.Ints:
    with_pod, allocatable = [], []
    for name, own in asked:
        requested, offered = amounts.allocations(view, name, own, nonzero=False)
        with_pod.append(requested)
        allocatable.append(offered)
    after, capacity = np.stack(with_pod), np.stack(allocatable)
    before = np.where(capacity == 0, 0, after - np.array([own for _, own in asked], np.int64)[:, None])
    half = contract.MAX_SCORE // 2
    change = half + _evenness(after, capacity) - _evenness(before, capacity)
    # Go divides towards zero; change is never negative here, as each evenness is 50..100.
    return half + change // 2


def _evenness(requested: contract.Ints, allocatable: contract.Ints) -> contract.Ints:
    """(1 - deviation of the used fractions) * 100; [resources, nodes] in, [nodes] out."""
    counted = allocatable != 0
    if len(counted) == 2:
        return _evenness_of_two(requested, allocatable, counted)
    fractions = np.minimum(requested / np.where(counted, allocatable, 1), 1.0)
    fractions = np.where(counted, fractions, 0.0)
    number = counted.sum(axis=0)
    mean = _sum_rows(fractions) / np.maximum(number, 1)
    squares = np.where(counted, (fractions - mean) * (fractions - mean), 0.0)
    deviation = np.sqrt(_sum_rows(squares) / np.maximum(number, 1))
    deviation = np.where(number == 2, _half_distance(fractions, counted), deviation)
    return ((1.0 - np.where(number < 2, 0.0, deviation)) * contract.MAX_SCORE).astype(np.int64)


def _evenness_of_two(requested: contract.Ints, allocatable: contract.Ints, counted: NDArray[np.bool_]) -> contract.Ints:
    """The same of two resources, as is usual: in a tenth of the time."""
    first, second = np.minimum(requested / np.where(counted, allocatable, 1), 1.0)
    half = np.abs(first - second) / 2
    half[~(counted[0] & counted[1])] = 0.0
    evenness: contract.Ints = ((1.0 - half) * contract.MAX_SCORE).astype(np.int64)
    return evenness


def _half_distance(fractions: contract.Floats, counted: contract.Mask) -> contract.Floats:
    """Half the distance of the two counted fractions, where there are two: upstream's short form, bit for bit."""
    low = np.where(counted, fractions, np.inf).min(axis=0)
    high = np.where(counted, fractions, -np.inf).max(axis=0)
    distance: contract.Floats = np.abs(high - low) / 2
    return np.where(np.isfinite(distance), distance, 0.0)


def _sum_rows(rows: contract.Floats) -> contract.Floats:
    """Add rows in their order, as upstream's loop does: numpy's own sum may pair them otherwise."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total = total + row
    return total


def _raw(asked: Asked, view: snapshot.Snapshot, slot: int) -> int:
    after, before = [], []
    for name, own in asked:
        requested, capacity = amounts.allocation(view, slot, name, own, nonzero=False)
        if capacity:
            after.append(min(float(requested) / float(capacity), 1.0))
            before.append(min(float(int64.wrap(requested - own)) / float(capacity), 1.0))
    half = contract.MAX_SCORE // 2
    return half + (half + _evenness_of(after) - _evenness_of(before)) // 2


def _evenness_of(fractions: list[float]) -> int:
    number = len(fractions)
    if number < 2:
        return contract.MAX_SCORE
    if number == 2:
        deviation = abs(fractions[0] - fractions[1]) / 2
    else:
        mean = _sum(fractions) / number
        deviation = math.sqrt(_sum([(one - mean) * (one - mean) for one in fractions]) / number)
    return int((1.0 - deviation) * contract.MAX_SCORE)


def _sum(values: list[float]) -> float:
    """Add in order; Python's own sum keeps what rounding loses."""
    total = 0.0
    for value in values:
        total = total + value
    return total


SCORE: Final = contract.Score(
    name="NodeResourcesBalancedAllocation",
    compile=_compile,
    raws=_raws,
    raw=_raw,
    facets=changes.USE | changes.OFFER | changes.ALIVE,
)
