"""The benchmark in words and tables: ours beside what was published, what was to be had, and what keeps bytes away."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from benchmarks.simulated import figures, measures, optimum, placing, published
from scheduler.plugins import criteria

_HEAD = (
    "placed by",
    "data locality score",
    "weighted score",
    "size-weighted score",
    "local data %",
    "cross-region %",
    "network transfer (MB)",
    "cross-region (MB)",
    "transfers (s)",
    "local accesses",
    "preferences met",
)
_WORDS = {
    criteria.DATA: "its transfers",
    criteria.NODE_TYPE: "its preferences",
    criteria.RESOURCES: "the nodes' load",
    criteria.AFFINITY: "affinity",
    criteria.CAPABILITY: "capabilities",
}


def side_by_side(ours: Mapping[str, figures.Figures]) -> Iterator[str]:
    """A row for each way to place, the published ones first."""
    yield _row(_HEAD)
    yield _row(["---", *["---:"] * (len(_HEAD) - 1)])
    yield _row(_published("kube-scheduler, as published", published.KUBE_SCHEDULER, published.Whole()))
    yield _row(_published("the earlier implementation, as published", published.EARLIER, published.EARLIER_WHOLE))
    for name, found in ours.items():
        yield _row([
            name,
            f"{found.data_locality_score:.4f}",
            f"{found.weighted_score:.4f}",
            f"{found.size_weighted_score:.4f}",
            f"{100 * found.local_data_share:.2f}",
            f"{100 * found.cross_region_share:.2f}",
            f"{found.network_mb:.0f} of {found.total_mb:.0f}",
            f"{found.cross_region_mb:.0f}",
            f"{found.earlier_transfer_s:.1f}",
            f"{found.local} of {found.accesses}",
            f"{found.met} of {found.preferences}",
        ])  # fmt: skip


def front(given: measures.Measures) -> Iterator[str]:
    """How little can be moved for how many preferences."""
    yield _row(["preferences unmet", "least moved (MB)", "local accesses", "transfers as we reckon them (s)"])
    yield _row(["---:"] * 4)
    for nodes in optimum.front(given):
        found = figures.of(given, nodes)
        unmet = str(found.preferences - found.met)
        yield _row([unmet, f"{found.network_mb:.0f}", str(found.local), f"{found.transfer_s:.1f}"])


def excess(given: measures.Measures, placed: Sequence[placing.Placed]) -> tuple[float, float]:
    """The stated objective over all pods, and by what share (0..1) that is above the least possible."""
    cost = np.array([pod.cost for pod in given.pods])
    best = optimum.least(given, cost)
    if best is None:
        raise ValueError("not all pods fit at once, so that there is no placement to compare with")
    ours = math.fsum(pod.cost.item(one.node) for pod, one in zip(given.pods, placed, strict=True))
    least = math.fsum(pod.cost.item(node) for pod, node in zip(given.pods, best, strict=True))
    return ours, ours / least - 1


def kept_away(given: measures.Measures, placed: Sequence[placing.Placed]) -> Iterator[str]:
    """For each pod that moves more than it would elsewhere, what speaks against the node where it moves least."""
    yield _row(["pod", "moved (MB)", "there least (MB)", "what outweighs it", *_WORDS.values()])
    yield _row(["---", "---:", "---:", "---", *["---:"] * len(_WORDS)])
    for pod, one in zip(given.pods, placed, strict=True):
        moved = np.where(np.isfinite(pod.cost), pod.moved_bytes, np.inf)
        best = int(moved.argmin())
        if moved[one.node] <= moved[best]:
            continue
        against = {name: (row[best] - row[one.node]).item() for name, row in one.parts.items()}
        reason = max(against, key=lambda name: against[name])
        yield _row([
            f"{pod.key} on {given.nodes[one.node]}",
            f"{moved[one.node] / measures.MB:.0f}",
            f"{moved[best] / measures.MB:.0f} on {given.nodes[best]}",
            _WORDS.get(reason, reason),
            *(f"{against.get(name, 0.0):+.3f}" for name in _WORDS),
        ])  # fmt: skip


def _published(name: str, runs: Mapping[str, published.Run], whole: published.Whole) -> Iterator[str]:
    count = len(runs)
    yield name
    for digits, factor, values in (
        (4, 1, [run.data_locality_score for run in runs.values()]),
        (4, 1, [run.weighted_score for run in runs.values()]),
        (4, 1, [run.size_weighted_score for run in runs.values()]),
        (2, 100, [run.local_data_share for run in runs.values()]),
        (2, 100, [run.cross_region_share for run in runs.values()]),
    ):
        yield f"{factor * math.fsum(values) / count:.{digits}f}"
    yield f"{sum(run.network_mb for run in runs.values()):.0f} of 3536"
    yield whole.cross_region_mb
    yield whole.transfer_s
    yield ""
    yield whole.preferences


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
