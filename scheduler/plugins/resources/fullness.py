"""NodeResourcesFit's score: how full a node would be, by the configured strategy.

LeastAllocated prefers empty nodes, MostAllocated full ones, RequestedToCapacityRatio follows a piecewise linear shape.
The mean over resources is weighted and integer. Source: pkg/scheduler/framework/plugins/noderesources/
{least_allocated,most_allocated,requested_to_capacity_ratio,resource_allocation}.go.
"""

from __future__ import annotations

import itertools
import math
from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.plugins import contract, request
from scheduler.plugins.common import int64
from scheduler.plugins.resources import amounts, room
from scheduler.state import changes, snapshot

_SHAPE_SCALE: Final = 10  # shape scores are given as 0..10, node scores run to 100
_MOST: Final = "MostAllocated"
_RATIO: Final = "RequestedToCapacityRatio"

Shape = tuple[tuple[int, int], ...]


class Asked(NamedTuple):
    """The strategy, its shape, and of each resource that counts its name, weight and what the pod asks for."""

    strategy: str
    shape: Shape
    resources: tuple[tuple[str, int, int], ...]


def _compile(pod: request.PodRequest, settings: config.Settings) -> Asked:
    plugins = settings.plugins
    return Asked(
        strategy=plugins.fit_strategy,
        shape=tuple(plugins.fit_shape) if plugins.fit_strategy == _RATIO else (),
        resources=tuple(
            (name, weight, own)
            for name, weight in plugins.fit_resources
            if not amounts.is_left_out(name, own := pod.asked.scored.get(name, 0))
        ),
    )


def _raws(asked: Asked, view: snapshot.Snapshot) -> contract.Ints:
    total = np.zeros(view.size, np.int64)
    weights: contract.Ints | int = 0  # one number as long as every node offers all
    for name, weight, own in asked.resources:
        column = amounts.scored_column(view, name)
        counted = column.offered != 0
        capacity = np.maximum(column.offered, 1)
        score = _scored(asked, column.in_use + own, capacity)
        if asked.strategy == _RATIO:
            counted &= score > 0
        if weight != 1:
            score *= weight
        if counted.all():
            weights = weights + weight
        else:
            score *= counted
            weights = weights + weight * counted
        total += score
    if asked.strategy != _RATIO:
        total //= np.maximum(weights, 1)
        return total
    # Rounded as by math.Round: half away from zero; all values are positive.
    return np.floor(total / np.maximum(weights, 1) + 0.5).astype(np.int64)


def _scored(asked: Asked, requested: contract.Ints, capacity: contract.Ints) -> contract.Ints:
    """[slots] the score of one resource."""
    if asked.strategy == _MOST:
        return np.minimum(requested, capacity) * contract.MAX_SCORE // capacity
    if asked.strategy == _RATIO:
        return _shaped(asked.shape, requested, capacity)
    score = capacity - requested
    score *= contract.MAX_SCORE
    score //= capacity
    over = requested > capacity
    if over.any():
        score[over] = 0
    return score


def _raw(asked: Asked, view: snapshot.Snapshot, slot: int) -> int:
    total = weights = 0
    for name, weight, own in asked.resources:
        row = view.resource_row.get(name)
        if row is None or not (capacity := view.offered.item(row, slot)):
            continue
        requested = int64.wrap(view.taken.item(amounts.SCORED_ROWS.get(name, row), slot) + own)
        if asked.strategy == _MOST:
            score = int64.wrap(min(requested, capacity) * contract.MAX_SCORE) // capacity
        elif asked.strategy == _RATIO:
            score = _shaped_one(asked.shape, requested, capacity)
            if score <= 0:
                continue
        else:
            score = int64.wrap((capacity - requested) * contract.MAX_SCORE) // capacity if requested <= capacity else 0
        total += score * weight
        weights += weight
    if weights <= 0:
        return 0
    return math.floor(total / weights + 0.5) if asked.strategy == _RATIO else total // weights


def _shaped(shape: Shape, requested: contract.Ints, capacity: contract.Ints) -> contract.Ints:
    """Piecewise linear in utilisation per cent; integer arithmetic with Go's truncation towards zero."""
    x = np.where(requested > capacity, contract.MAX_SCORE, requested * contract.MAX_SCORE // capacity)
    y = np.full(len(x), shape[-1][1] * _SHAPE_SCALE, np.int64)
    for (x0, y0), (x1, y1) in reversed(list(itertools.pairwise(shape))):
        rise = (y1 - y0) * _SHAPE_SCALE * (x - x0)
        slope = np.sign(rise) * (np.abs(rise) // (x1 - x0))
        y = np.where(x <= x1, y0 * _SHAPE_SCALE + slope, y)
    return np.where(x <= shape[0][0], shape[0][1] * _SHAPE_SCALE, y)


def _shaped_one(shape: Shape, requested: int, capacity: int) -> int:
    x = contract.MAX_SCORE
    if requested <= capacity:
        x = int64.wrap(requested * contract.MAX_SCORE) // capacity
    if x <= shape[0][0]:
        return shape[0][1] * _SHAPE_SCALE
    for (x0, y0), (x1, y1) in itertools.pairwise(shape):
        if x <= x1:
            rise = (y1 - y0) * _SHAPE_SCALE * (x - x0)
            slope = abs(rise) // (x1 - x0)
            return y0 * _SHAPE_SCALE + (slope if rise >= 0 else -slope)
    return shape[-1][1] * _SHAPE_SCALE


SCORE: Final = contract.Score(
    name=room.NAME,
    compile=_compile,
    raws=_raws,
    raw=_raw,
    facets=changes.USE | changes.OFFER | changes.ALIVE,
)
