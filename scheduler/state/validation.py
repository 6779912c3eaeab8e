"""What holds of the cluster state whatever came in before: it equals one made anew from the objects it holds.

For tests, and for who doubts a running one. It also finds what was not freed: an empty cluster has nothing left.
DataObjects are left out, as the state keeps only what it has read out of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from scheduler import config
from scheduler.api import core
from scheduler.state import carried, cluster, labels, snapshot, tallies, usage

_EPOCH_S = 0.0


def check(subject: cluster.Cluster) -> None:
    """Look through the whole of it.

    Raises:
        AssertionError: something does not hold; says what.
    """
    found = problems(subject)
    if found:
        raise AssertionError("; ".join(found))


def problems(subject: cluster.Cluster) -> list[str]:
    """All that differs from a state made anew, and what is counted where it cannot be."""
    here, anew = subject.freeze(_EPOCH_S), _made_anew(subject).freeze(_EPOCH_S)
    found = [f"{name} counts below zero" for name in ("offered", "taken") if (getattr(here, name) < 0).any()]
    if here.taken[:, ~here.alive].any() or here.offered[:, ~here.alive].any():
        found.append("a free slot is in use")
    if here.count != here.alive.sum():
        found.append("there are more slots in use than nodes, or fewer")
    found += [f"{uid} moves data and is nowhere" for uid in subject.traffic.movers() - here.placed.keys()]
    is_, should_be = dict(_describe(here, here)), dict(_describe(anew, here))
    wrong = (part for part in sorted(is_.keys() | should_be.keys()) if is_.get(part) != should_be.get(part))
    return found + [f"{part} is {is_.get(part)!r} and should be {should_be.get(part)!r}" for part in wrong]


def _made_anew(subject: cluster.Cluster) -> cluster.Cluster:
    anew = cluster.Cluster(config.Network(), "")
    held = subject.held()
    for node in held.nodes:
        anew.apply_node(node)
    for capability in held.capabilities:
        anew.apply_capability(capability)
    for name, its_labels in held.namespaces.items():
        anew.apply_namespace(core.Namespace(core.ObjectMeta(name=name, labels=dict(its_labels))))
    for obj in subject.storage.everything():
        anew.storage.apply(obj)
    for assumed in subject.storage.assumed():
        anew.storage.assume(assumed)
    for claimed in subject.claims.everything():
        anew.claims.apply(claimed)
    for uid, flights in subject.claims.flights().items():
        anew.claims.start(uid, flights)
    for placed in held.placed:
        status = msgspec.structs.replace(placed.pod.status, phase="")  # what is counted has not finished
        spec = msgspec.structs.replace(placed.pod.spec, node_name=placed.node)
        anew.apply_pod(msgspec.structs.replace(placed.pod, spec=spec, status=status))
    for of, selector in held.selectors.items():
        anew.apply_selector(of, selector)
    for pod in held.nominated:
        anew.apply_pod(pod)
    return anew


def _describe(snap: snapshot.Snapshot, asked: snapshot.Snapshot) -> Iterator[tuple[str, Any]]:
    """All that is kept, by name instead of slot; affinity is counted for whatever ``asked`` keeps counting."""
    yield "resources", set(snap.resource_row)
    yield "images", set(snap.images)
    yield "taints", set(snap.taint_sets) - {()}
    yield "sites", set(snap.links.sites)
    yield "ports", set(snap.ports)
    yield "nominated", set(snap.nominated_pods)
    by_priority, names = snap.priorities.by_slot().items(), snap.names
    yield (
        "priorities",
        {priority: {names[slot]: pods for slot, pods in at.items()} for priority, at in by_priority},
    )
    yield "namespaces", {name: dict(its_labels) for name, its_labels in snap.neighbours.namespaces.items()}
    yield "selectors", snap.selectors.held()
    for name, table in (("labels", snap.node_labels), ("capabilities", snap.capabilities), ("features", snap.features)):
        yield name, _columns(table)
    for name, terms in (("repelling", snap.neighbours.repelling), ("drawing", snap.neighbours.drawing)):
        yield name, _carried(snap, terms)
    yield "cohorts", snap.neighbours.cohorts.counts()
    for wanted, key in asked.neighbours.cohorts.kept():
        yield f"pods of {wanted} by {key or 'node'}", _tally(snap, snap.neighbours.near(wanted, key))
    use, names = snap.storage.use, snap.names
    for name, counts in (("disks", use.disks), ("claims", use.claims)):
        yield name, {key: {names[slot]: count for slot, count in at.items()} for key, at in counts.items()}
    for name, by_slot in (("mounted", use.mounted), ("untold", use.problems)):
        yield name, {names[slot]: held for slot, held in by_slot.items()}
    yield "holders", {volume: {names[slot] for slot in slots} for volume, slots in use.holders.items()}
    yield "volumes by class", snap.storage.by_class()
    drivers = snap.storage.drivers
    drivers.catch_up(snap.names, snap.alive)
    yield "drivers", {node: drivers.at(slot) for node, slot in snap.index_of.items()}
    yield "devices", snap.claims.pools.kept()
    yield (
        "devices taken",
        (set(snap.claims.use.taken), {device: set(at) for device, at in snap.claims.use.shares.items()}),
    )
    for name, index in snap.index_of.items():
        yield f"node {name}", _node(snap, index)


def _columns(table: labels.LabelTable) -> dict[str, set[str]]:
    return {key: set(column.values) for key, column in table.columns().items()}


def _carried(snap: snapshot.Snapshot, table: carried.CarriedTable) -> set[tuple[object, ...]]:
    return {(one.key, one.pods, *sorted(_tally(snap, one.tally).items())) for one in table.terms()}


def _tally(snap: snapshot.Snapshot, tally: tallies.Tally) -> dict[str, int]:
    counts = {name: tally.of(index) for name, index in snap.index_of.items()}
    return {name: count for name, count in counts.items() if count} | {"in total": tally.total}


def _node(snap: snapshot.Snapshot, index: int) -> dict[str, Any]:
    offered, taken = snap.offer_of(index), snap.use_of(index)
    amounts = {name: (offered[row], taken[row]) for name, row in snap.resource_row.items()}
    return {
        "amounts": {name: both for name, both in amounts.items() if any(both)},
        "scored": (taken[usage.NONZERO_CPU], taken[usage.NONZERO_MEMORY]),
        "ports": {(key, ip): at[index] for key, by_ip in snap.ports.items() for ip, at in by_ip.items() if index in at},
        "pods": {uid for uid, placed in snap.placed.items() if placed.index == index},
        "images": {name for name, image in snap.images.items() if image.held[index]},
        "taints": snap.taints_of(index),
        "labels": _in_columns(snap.node_labels, index),
        "capabilities": _in_columns(snap.capabilities, index),
        "features": _in_columns(snap.features, index),
        "site": snap.links.sites[snap.links.site_of.item(index)],
        "cordoned": snap.unschedulable.item(index),
        "facts": (snap.node_type.item(index), snap.has_gpu.item(index), snap.has_fast_storage.item(index)),
    }


def _in_columns(table: labels.LabelTable, index: int) -> dict[str, str]:
    """A node's labels as its columns have them, which must be as they were given."""
    found = {}
    for key, column in table.columns().items():
        held = column.ids.item(index)
        if held >= 0:
            found[key] = next(value for value, its_id in column.values.items() if its_id == held)
    return found if found == table.of(index) else {"differs from": str(table.of(index))} | found
