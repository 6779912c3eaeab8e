"""NodeResourcesFit: what the pod requests must be free on the node, resource by resource, and a pod slot too.

A request above the node's whole allocatable cannot be met by removing pods, so it makes the verdict unresolvable. All
lacks of a node are reported; nodes that lack the same share one list of reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from scheduler import config
from scheduler.engine import request, verdict
from scheduler.state import demand, snapshot, usage

PLUGIN: Final = "NodeResourcesFit"


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse nodes without room."""
    labels = ["Too many pods"]
    lacks = [snap.taken[usage.PODS] + 1 > snap.offered[usage.PODS]]
    hopeless = np.zeros(snap.size, np.bool_)
    for name, amount in _wanted(asked.asked, settings.plugins):
        row = snap.resource_row.get(name)
        if row is None:
            lack = above = np.ones(snap.size, np.bool_)
        else:
            allocatable = snap.offered[row]
            lack = amount > allocatable - snap.taken[row]
            above = amount > allocatable
        if lack.any():
            labels.append(f"Insufficient {name}")
            lacks.append(lack)
            hopeless |= lack & above
    refused = np.logical_or.reduce(lacks)
    if not refused.any():
        return None
    # One bit a lack, so that equal combinations of lacks get equal numbers; counted anew before the bits run out.
    combination = np.zeros(snap.size, np.int64)
    for number, lack in enumerate(lacks, start=1):
        combination = 2 * combination + lack
        if number % 30 == 0:
            combination = np.unique(combination, return_inverse=True)[1]
    _, examples, reason = np.unique(combination, return_index=True, return_inverse=True)
    code = np.where(hopeless, np.int8(verdict.Code.UNRESOLVABLE), np.int8(verdict.Code.UNSCHEDULABLE))
    return verdict.Verdict(
        plugin=PLUGIN,
        code=np.where(refused, code, np.int8(verdict.Code.SUCCESS)),
        reason=reason.astype(np.int32),
        reasons=[
            tuple(label for label, lack in zip(labels, lacks, strict=True) if lack[example]) for example in examples
        ],
    )


def _wanted(asked: demand.Demand, plugins: config.Plugins) -> Iterator[tuple[str, int]]:
    """The resources to check with their amounts; a zero request always fits, even where a node is overcommitted."""
    fixed = (("cpu", asked.cpu_milli), ("memory", asked.memory_bytes), ("ephemeral-storage", asked.ephemeral_bytes))
    for name, amount in (*fixed, *sorted(asked.scalars.items())):
        if amount > 0 and not _is_ignored(name, plugins):
            yield name, amount


def _is_ignored(name: str, plugins: config.Plugins) -> bool:
    return demand.is_extended(name) and (
        name in plugins.ignored_resources or name.partition("/")[0] in plugins.ignored_resource_groups
    )
