"""NodeResourcesBalancedAllocation: prefers nodes whose resources the pod brings into balance.

1.37: 50 + (50 + with - without) / 2, each of the two (1 - standard deviation of the used fractions) * 100, from true
requests. Source: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

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
        if not amounts.is_left_out(name, own := pod.asked.amount(name))
    )
    return asked if any(own for _, own in asked) else None


def _raws(asked: Asked, view: snapshot.Snapshot) -> contract.Ints:
    columns = [amounts.column(view, name) for name, _ in asked]
    counted = [column.offered != 0 for column in columns]
    capacities = [np.maximum(column.offered, 1) for column in columns]
    with_pod = [column.in_use + own for column, (_, own) in zip(columns, asked, strict=True)]
    half = contract.MAX_SCORE // 2
    raws = _evenness(with_pod, capacities, counted)
    raws -= _evenness([column.in_use for column in columns], capacities, counted)
    raws += half
    raws >>= 1  # Go divides towards zero; none is negative here, as each evenness is 50..100.
    raws += half
    return raws


def _evenness(
    requested: list[contract.Ints], capacities: list[contract.Ints], counted: list[contract.Mask]
) -> contract.Ints:
    """[slots] (1 - deviation of the used fractions of the counted resources) * 100."""
    fractions = [used / capacity for used, capacity in zip(requested, capacities, strict=True)]
    for each in fractions:
        np.minimum(each, 1.0, out=each)
    if len(fractions) == 2:
        deviation = _half_distance_of(fractions[0], fractions[1], counted[0] & counted[1])
    else:
        deviation = _deviation(np.array(fractions), np.array(counted))
    evenness = np.subtract(1.0, deviation, out=deviation)
    evenness *= contract.MAX_SCORE
    return evenness.astype(np.int64)


def _half_distance_of(first: contract.Floats, second: contract.Floats, both: contract.Mask) -> contract.Floats:
    """The deviation of two resources, as is usual: upstream's short form. Takes the place of the first."""
    distance = np.subtract(first, second, out=first)
    np.abs(distance, out=distance)
    distance /= 2
    if not both.all():
        distance *= both
    return distance


def _deviation(fractions: contract.Floats, counted: contract.Mask) -> contract.Floats:
    """That of any number; [resources, slots] in, [slots] out."""
    fractions = np.where(counted, fractions, 0.0)
    number = counted.sum(axis=0)
    mean = _sum_rows(fractions) / np.maximum(number, 1)
    squares = np.where(counted, (fractions - mean) * (fractions - mean), 0.0)
    deviation = np.sqrt(_sum_rows(squares) / np.maximum(number, 1))
    deviation = np.where(number == 2, _half_distance(fractions, counted), deviation)
    return np.where(number < 2, 0.0, deviation)


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
        row = view.resource_row.get(name)
        if row is not None and (capacity := view.offered.item(row, slot)):
            in_use, offered = view.taken.item(row, slot), float(capacity)
            after.append(min(float(int64.wrap(in_use + own)) / offered, 1.0))
            before.append(min(float(in_use) / offered, 1.0))
    half = contract.MAX_SCORE // 2
    return half + (half + _evenness_of(after) - _evenness_of(before)) // 2


def _evenness_of(fractions: list[float]) -> int:
    number = len(fractions)
    if number == 2:
        deviation = abs(fractions[0] - fractions[1]) / 2
    elif number < 2:
        return contract.MAX_SCORE
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
