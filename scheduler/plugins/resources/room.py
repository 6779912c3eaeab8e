"""NodeResourcesFit: what the pod requests must be free on the node, resource by resource, and a pod slot too.

A request above the node's whole allocatable cannot be met by removing pods, so it makes the verdict unresolvable. All
lacks of a node are reported; nodes that lack the same share one list of reasons.
Source: pkg/scheduler/framework/plugins/noderesources/fit.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np

from scheduler import config, errors
from scheduler.api import core, devices
from scheduler.plugins import contract, events, request
from scheduler.plugins.common import int64
from scheduler.plugins.resources import amounts
from scheduler.state import changes, demand, snapshot, usage

NAME: Final = "NodeResourcesFit"
_TOO_MANY: Final = "Too many pods"

Wanted = tuple[tuple[str, int], ...]  # resource, amount


def _compile(pod: request.PodRequest, settings: config.Settings) -> Wanted:
    return tuple(_wanted(pod.asked, settings.plugins))


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


def _rows(wanted: Wanted, view: snapshot.Snapshot) -> contract.Verdict | None:
    labels, lacks = [], []
    hopeless = np.zeros(view.size, np.bool_)
    lack = view.taken[usage.PODS] >= view.offered[usage.PODS]
    if lack.any():
        labels.append(_TOO_MANY)
        lacks.append(lack)
    for name, amount in wanted:
        column = amounts.column(view, name)
        lack = column.offered - column.in_use < amount
        if view.claims.class_of(name) is not None:
            lack &= column.offered > 0  # elsewhere it is had by a claim
        if lack.any():
            labels.append(f"Insufficient {name}")
            lacks.append(lack)
            hopeless |= lack & (column.offered < amount)
    if not lacks:
        return None
    refused = np.logical_or.reduce(lacks)
    # One bit a lack, so that equal combinations of lacks get equal numbers; counted anew before the bits run out. Among
    # those that lack something, for to sort them takes long.
    hit = np.flatnonzero(refused)
    combination = np.zeros(len(hit), np.int64)
    for number, lack in enumerate(lacks, start=1):
        combination = 2 * combination + lack[hit]
        if number % 30 == 0:
            combination = np.unique(combination, return_inverse=True)[1]
    _, examples, kinds = np.unique(combination, return_index=True, return_inverse=True)
    reason = np.zeros(view.size, np.int32)
    reason[hit] = kinds
    code = np.where(hopeless, np.int8(contract.Code.UNRESOLVABLE), np.int8(contract.Code.UNSCHEDULABLE))
    return contract.Verdict(
        code=np.where(refused, code, np.int8(contract.Code.SUCCESS)),
        reason=reason,
        reasons=[
            tuple(label for label, lack in zip(labels, lacks, strict=True) if lack[example])
            for example in hit[examples].tolist()
        ],
    )


def _cell(wanted: Wanted, view: snapshot.Snapshot, slot: int, delta: contract.Delta) -> contract.Refusal | None:
    offered, taken = view.offered.item, view.taken.item
    lacks: list[str] = []
    hopeless = False
    pods = taken(usage.PODS, slot) + 1
    if delta is not contract.NOTHING:
        pods += len(delta.added) - len(delta.removed)
    if pods > offered(usage.PODS, slot):
        lacks.append(_TOO_MANY)
    for name, amount in wanted:
        row = view.resource_row.get(name)
        allocatable = offered(row, slot) if row is not None else 0
        if row is not None:
            free = allocatable - taken(row, slot)
            if delta is not contract.NOTHING:
                free -= delta.moved(name)
            if amount <= int64.wrap(free):
                continue
        if allocatable == 0 and view.claims.class_of(name) is not None:
            continue
        lacks.append(f"Insufficient {name}")
        hopeless = hopeless or amount > allocatable
    if not lacks:
        return None
    return contract.Refusal(contract.Code.UNRESOLVABLE if hopeless else contract.Code.UNSCHEDULABLE, tuple(lacks))


def _wakes(event: events.Event, wanted: Wanted) -> bool:
    match event:
        case events.NodeChanged(old, new):
            return _has_more(old, new, wanted)
        case events.AssignedPodChanged(old, new):
            return old is not None and (new is None or _asks_less(old, new, dict(wanted)))
        case events.OwnPodChanged(old, new):
            return _asks_less(old, new)
        case events.DevicesChanged(old, devices.DeviceClass() as new):
            return _stands_for(old, new, wanted)
        case _:
            return False


def _has_more(old: core.Node | None, new: core.Node, wanted: Wanted) -> bool:
    """Whether a node that could hold the pod alone is new or offers more of something that it asks for."""
    try:
        now = usage.amounts(new.status.allocatable)
        before = usage.amounts(old.status.allocatable) if old is not None else {}
    except errors.InputError:
        return True
    if any(now.get(name, 0) < amount for name, amount in wanted) or now.get("pods", 0) < 1:
        return False
    return old is None or any(now.get(name, 0) > before.get(name, 0) for name in ("pods", *dict(wanted)))


def _stands_for(old: devices.Object | None, new: devices.DeviceClass, wanted: Wanted) -> bool:
    """Whether a class stands for something that is asked for, as it did not before."""
    before = old.spec.extended_resource_name if isinstance(old, devices.DeviceClass) else None
    if old is not None and before == new.spec.extended_resource_name:
        return False
    names = dict(wanted)
    is_new = old is None and devices.CLASS_RESOURCE + new.metadata.name in names
    return is_new or new.spec.extended_resource_name in names


def _asks_less(old: core.Pod, new: core.Pod, of: Collection[str] | None = None) -> bool:
    """Whether a pod asks for less than it did, of these resources or of any."""
    try:
        before, now = demand.of(old), demand.of(new)
    except errors.InputError:
        return True
    names = of if of is not None else ("cpu", "memory", "ephemeral-storage", *before.scalars)
    return any(now.amount(name) < before.amount(name) for name in names)


FILTER: Final = contract.Filter(
    name=NAME,
    compile=_compile,
    rows=_rows,
    cell=_cell,
    facets=changes.USE | changes.OFFER | changes.ALIVE | changes.CLASSES,
    wakes=_wakes,
)
