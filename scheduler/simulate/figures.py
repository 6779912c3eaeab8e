"""An outcome in figures: what was moved how far, how long everything took, and whose wishes were met.

Data is what pods read and write; images are counted apart. Only transfers that came to their end count, each with its
whole size. A transfer over nothing, on one node, is a local one and counts as data that was used where it lies.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from scheduler.simulate import outcome

# Between these, data crosses from one region to another: an edge node and a cloud node of one region are near.
_FAR: Final = (outcome.Distance.CROSS_REGION, outcome.Distance.EDGE_CLOUD)


class Spread(msgspec.Struct, frozen=True):
    """Seconds of many pods: their mean, their 95th percentile (the nearest rank), the longest; zeros without pods."""

    mean_s: float = 0.0
    p95_s: float = 0.0
    max_s: float = 0.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One run in figures.

    Attributes:
        pods, done: How many there were, and how many came to their end.
        makespan_s: From the first arrival to the last pod's end.
        data_bytes: Of all inputs and outputs together, wherever they were used.
        bytes_by_distance: The same by how far it moved; every distance is there.
        moved_bytes: What of it did not stay on its node.
        cross_region_bytes: What of it went from one region to another.
        accesses, local_accesses: Inputs and outputs, and how many of them stayed on the node.
        mean_local_share: The share of a pod's bytes that stayed on its node (0..1), as a mean over pods that move any.
        transfer_s: Seconds of all inputs and outputs, one after another.
        image_bytes, image_s: Of images pulled.
        cut: Transfers that were broken off.
        waiting: From when a pod could have been placed until it was, for good.
        turnaround: From when a pod could have been placed until it was done.
        prefers, meets: Preferences that pods which were placed state, and how many are met.
        attempts: How often pods were bound.
    """

    scenario: str
    arm: str
    seed: int
    pods: int
    done: int
    makespan_s: float
    data_bytes: int
    bytes_by_distance: dict[outcome.Distance, int]
    moved_bytes: int
    cross_region_bytes: int
    accesses: int
    local_accesses: int
    mean_local_share: float
    transfer_s: float
    image_bytes: int
    image_s: float
    cut: int
    waiting: Spread
    turnaround: Spread
    prefers: int
    meets: int
    attempts: int


def of(run: outcome.Outcome) -> Figures:
    ended = [one for one in run.moves if one.ended_s is not None]
    data = [one for one in ended if one.kind is not outcome.Kind.IMAGE]
    images = [one for one in ended if one.kind is outcome.Kind.IMAGE]
    by_distance = dict.fromkeys(outcome.Distance, 0)
    for one in data:
        by_distance[one.distance] += one.size_bytes
    total = sum(by_distance.values())
    placed = [one for one in run.pods if one.bound_s is not None]
    return Figures(
        scenario=run.scenario,
        arm=run.arm,
        seed=run.seed,
        pods=len(run.pods),
        done=sum(one.done_s is not None for one in run.pods),
        makespan_s=run.makespan_s,
        data_bytes=total,
        bytes_by_distance=by_distance,
        moved_bytes=total - by_distance[outcome.Distance.LOCAL],
        cross_region_bytes=sum(by_distance[one] for one in _FAR),
        accesses=len(data),
        local_accesses=sum(one.distance is outcome.Distance.LOCAL for one in data),
        mean_local_share=_mean_local_share(data),
        transfer_s=_seconds(data),
        image_bytes=sum(one.size_bytes for one in images),
        image_s=_seconds(images),
        cut=len(run.moves) - len(ended),
        waiting=_spread([_since(one, one.bound_s) for one in placed if one.bound_s is not None]),
        turnaround=_spread([_since(one, one.done_s) for one in run.pods if one.done_s is not None]),
        prefers=sum(one.prefers for one in placed),
        meets=sum(one.meets for one in placed),
        attempts=sum(one.attempts for one in run.pods),
    )


def _mean_local_share(data: Iterable[outcome.Moved]) -> float:
    local: collections.Counter[str] = collections.Counter()
    whole: collections.Counter[str] = collections.Counter()
    for one in (one for one in data if not one.pod.endswith("/")):
        whole[one.pod] += one.size_bytes
        local[one.pod] += one.size_bytes if one.distance is outcome.Distance.LOCAL else 0
    shares = [local[pod] / size_bytes for pod, size_bytes in whole.items() if size_bytes]
    return math.fsum(shares) / len(shares) if shares else 0.0


def _seconds(moves: Iterable[outcome.Moved]) -> float:
    return math.fsum(one.ended_s - one.begun_s for one in moves if one.ended_s is not None)


def _since(pod: outcome.Ran, then_s: float) -> float:
    return then_s - (pod.arrived_s if pod.released_s is None else pod.released_s)


def _spread(seconds: Sequence[float]) -> Spread:
    if not seconds:
        return Spread()
    in_order = sorted(seconds)
    return Spread(
        mean_s=math.fsum(in_order) / len(in_order),
        p95_s=in_order[math.ceil(0.95 * len(in_order)) - 1],
        max_s=in_order[-1],
    )
