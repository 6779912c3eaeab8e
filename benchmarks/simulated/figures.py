"""Figures of one placement: the earlier implementation's metrics by their names, and ours beside them.

Its scores weigh an input or output by how near it is: 1 on the node itself, 0.8 in its zone, 0.5 in its region, 0
elsewhere (benchmark_runner.py); by count in the weighted score, by bytes in the size-weighted one. Over several
workloads its reports take the mean of each workload's figure, and so do these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from benchmarks.simulated import measures

_WORTH: Final = {
    measures.Near.LOCAL: 1.0,
    measures.Near.SAME_ZONE: 0.8,
    measures.Near.SAME_REGION: 0.5,
    measures.Near.CROSS_REGION: 0.0,
}


class Figures(NamedTuple):
    """Of all pods; shares are 0..1, and means over workloads.

    Attributes:
        data_locality_score: Share of inputs and outputs that are local.
        weighted_score, size_weighted_score: The same by nearness, and by nearness and bytes.
        local_data_share, cross_region_share: Of the bytes.
        network_mb, cross_region_mb: What leaves its node, its region.
        total_mb: What is read and written.
        transfer_s, earlier_transfer_s: All transfers one after the other, as we and as the earlier implementation
            reckon them.
        local, accesses: Inputs and outputs that are local, and all.
        met, preferences: Preferences that are met, and all.
        cost: The stated objective.
    """

    data_locality_score: float
    weighted_score: float
    size_weighted_score: float
    local_data_share: float
    cross_region_share: float
    network_mb: float
    cross_region_mb: float
    total_mb: float
    transfer_s: float
    earlier_transfer_s: float
    local: int
    accesses: int
    met: int
    preferences: int
    cost: float


class _Placed(NamedTuple):
    workload: str
    size_bytes: int
    near: measures.Near
    seconds: float
    earlier_s: float


def of(given: measures.Measures, nodes: Sequence[int]) -> Figures:
    """Those of a placement: by pod, the node's index."""
    placed = [
        _Placed(
            workload=pod.workload,
            size_bytes=one.size_bytes,
            near=measures.Near(one.near.item(node)),
            seconds=one.seconds.item(node),
            earlier_s=one.earlier_s.item(node),
        )
        for pod, node in zip(given.pods, nodes, strict=True)
        for one in pod.accesses
    ]
    by_workload: dict[str, list[_Placed]] = {}
    for one in placed:
        by_workload.setdefault(one.workload, []).append(one)
    chosen = list(zip(given.pods, nodes, strict=True))
    return Figures(
        data_locality_score=_mean(by_workload, lambda one: one.near == measures.Near.LOCAL, lambda _: 1),
        weighted_score=_mean(by_workload, lambda one: _WORTH[one.near], lambda _: 1),
        size_weighted_score=_mean(by_workload, lambda one: _WORTH[one.near], _size),
        local_data_share=_mean(by_workload, lambda one: one.near == measures.Near.LOCAL, _size),
        cross_region_share=_mean(by_workload, lambda one: one.near == measures.Near.CROSS_REGION, _size),
        network_mb=sum(one.size_bytes for one in placed if one.near > measures.Near.LOCAL) / measures.MB,
        cross_region_mb=sum(one.size_bytes for one in placed if one.near == measures.Near.CROSS_REGION) / measures.MB,
        total_mb=sum(one.size_bytes for one in placed) / measures.MB,
        transfer_s=math.fsum(one.seconds for one in placed),
        earlier_transfer_s=math.fsum(one.earlier_s for one in placed),
        local=sum(one.near == measures.Near.LOCAL for one in placed),
        accesses=len(placed),
        met=sum(pod.meets.item(node) for pod, node in chosen),
        preferences=sum(pod.prefers for pod in given.pods),
        cost=math.fsum(pod.cost.item(node) for pod, node in chosen),
    )


def _size(one: _Placed) -> int:
    return one.size_bytes


def _mean(
    by_workload: Mapping[str, Sequence[_Placed]],
    worth: Callable[[_Placed], float],
    weight: Callable[[_Placed], int],
) -> float:
    """Over workloads, the mean of what each access is worth by its weight in the workload."""
    shares = [
        math.fsum(worth(one) * weight(one) for one in each) / total
        for each in by_workload.values()
        if (total := sum(map(weight, each)))
    ]
    return math.fsum(shares) / len(shares) if shares else 0.0
