"""What this node is and serves, as the NodeCapability of its name. Pure.

What the Node object tells comes from it, because it is right for emulated nodes too. The rest comes from the machine,
and only where the daemon truly runs on the machine of this Node: the kernel's boot id, which a kubelet reports and an
emulated node lacks, must be the one that we read ourselves.

Store by store, an entry that changed between available and not available also becomes one Event. What stands in the
object is the memory for that, so a restart of the daemon announces nothing twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from daemon.facts import machine
from daemon.status import capabilities, conditions, dataobject
from daemon.stores import contents, model
from scheduler.api import core, crd, names

_MAX_BUCKETS: Final = 1000  # the schema's bound
_NODE_TYPES: Final = frozenset({"edge", "cloud"})
_CONDITIONS: Final = frozenset({"Ready", "StoresAvailable"})


@dataclasses.dataclass(frozen=True)
class Transition:
    """A store that began or ceased to be available; ``failure`` is None where it began."""

    store: model.Store
    failure: contents.Failure | None


def to_create(node: core.Node) -> dict[str, Any]:
    """The NodeCapability itself, as a body to apply; it goes when its Node goes."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": node.metadata.name, "uid": node.metadata.uid}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "NodeCapability",
        "metadata": {
            "name": node.metadata.name,
            "labels": {dataobject.MANAGED_BY_LABEL: names.DAEMON_FIELD_MANAGER},
            "ownerReferences": [owner],
        },
    }


def status_to_apply(
    capability: crd.NodeCapability,
    *,
    node: core.Node,
    seen: machine.Machine,
    discovered: Sequence[model.Store],
    views: Mapping[str, dataobject.View],
    now: str,
) -> dict[str, Any] | None:
    """The body to apply to the NodeCapability's status, or None where nothing is to be written.

    Args:
        node: With the labels that others gave it, and not those that this daemon draws from the status.
        seen: The machine that this daemon runs on, which may be another one than the Node's.
    """
    before = capability.status
    entries = _stores(before, discovered, views)
    found = _status(node, seen, entries, capability)
    found |= {
        "conditions": conditions.merged(before.conditions, _conditions(discovered, views), capability.metadata, now)
    }
    if found == _standing(before) and not _refreshes(before.stores, entries, now):
        return None
    found["stores"] = [{"available": False, **msgspec.to_builtins(entry)} for entry in entries]
    return {
        "apiVersion": names.API_VERSION,
        "kind": "NodeCapability",
        "metadata": {"name": capability.metadata.name},
        "status": found,
    }


def transitions(
    before: crd.NodeCapabilityStatus, discovered: Sequence[model.Store], views: Mapping[str, dataobject.View]
) -> list[Transition]:
    """What a person should be told about the stores, compared with what the object said before.

    One outage is told once, whatever its reasons become: a server that is being stopped is silent first and gone then.
    """
    was_available = {entry.name: entry.available for entry in before.stores}
    told: list[Transition] = []
    for store in discovered:
        view = views.get(store.name)
        if view is None:
            continue
        if isinstance(view.outcome, contents.Failure):
            if was_available.get(store.name, True):
                told.append(Transition(store, view.outcome))
        elif not was_available.get(store.name, True):
            told.append(Transition(store, None))
    return told


def _stores(
    before: crd.NodeCapabilityStatus, discovered: Sequence[model.Store], views: Mapping[str, dataobject.View]
) -> list[crd.Store]:
    """An entry for each store; one that has not been asked yet keeps the entry that it had."""
    known = {entry.name: entry for entry in before.stores}
    entries: list[crd.Store] = []
    for store in discovered:
        view, old = views.get(store.name), known.get(store.name)
        if view is not None:
            entries.append(_store(view, old))
        elif old is not None:
            entries.append(old)
    return entries


def _store(view: dataobject.View, old: crd.Store | None) -> crd.Store:
    outcome = view.outcome
    if isinstance(outcome, contents.Failure):  # what it held is what it held when last listed
        old = old or crd.Store(name=view.store.name)
        return msgspec.structs.replace(
            old,
            role=_role(view.store),
            endpoint=view.store.endpoint,
            available=False,
            last_probe_time=view.probed_at,
            message=_message(view),
        )
    return crd.Store(
        name=view.store.name,
        role=_role(view.store),
        endpoint=view.store.endpoint,
        technology=outcome.technology,
        available=True,
        buckets=tuple(sorted(outcome.buckets)[:_MAX_BUCKETS]),
        last_probe_time=view.probed_at,
        message=_message(view),
    )


def _role(store: model.Store) -> str:
    return "Probes" if store.place is not None else store.role


def _message(view: dataobject.View) -> str:
    outcome = view.outcome
    if isinstance(outcome, contents.Failure):
        return conditions.cut(outcome.message)
    notes = []
    if len(outcome.buckets) > _MAX_BUCKETS:
        notes.append(f"{len(outcome.buckets)} buckets, of which the first {_MAX_BUCKETS} are shown")
    closed = sorted(
        bucket for bucket, content in outcome.buckets.items() if content is None and bucket not in outcome.uncounted
    )
    if closed:
        notes.append(f"may not be listed with these credentials: {', '.join(closed)}")
    return conditions.cut("; ".join(notes))


def _status(
    node: core.Node, seen: machine.Machine, entries: Sequence[crd.Store], capability: crd.NodeCapability
) -> dict[str, Any]:
    labels = node.metadata.labels
    node_type = labels.get(names.NODE_TYPE_LABEL) or capability.spec.declared.get("node-type", "")
    accelerators = capabilities.accelerators(node)
    info = node.status.node_info
    if not info.boot_id or info.boot_id != seen.boot_id:
        seen = machine.NOTHING
    status = crd.NodeCapabilityStatus(
        observed_generation=capability.metadata.generation,
        node_type=node_type if node_type in _NODE_TYPES else "",
        region=labels.get(names.REGION_LABEL, ""),
        zone=labels.get(names.ZONE_LABEL, ""),
        cpu=msgspec.structs.replace(seen.cpu, threads=capabilities.amount(node, "cpu")),
        memory_bytes=capabilities.amount(node, "memory"),
        disks=seen.disks,
        interfaces=seen.network.interfaces,
        os=crd.OperatingSystem(
            type=info.operating_system or seen.os.type,
            distro=seen.os.distro,
            kernel_version=info.kernel_version or seen.os.kernel_version,
            container=seen.os.container,
        ),
        stores=tuple(entries),
        store_count=sum(entry.available and entry.is_served for entry in entries),
        stores_text=conditions.cut(",".join(entry.name for entry in entries if entry.is_served), 4096),
        accelerators=accelerators,
        accelerators_text=conditions.cut(",".join(f"{a.count}x {a.model or a.resource}" for a in accelerators)),
    )
    return _standing(msgspec.structs.replace(status, capabilities=capabilities.of(status, seen, capability.status)))


def _standing(status: crd.NodeCapabilityStatus) -> dict[str, Any]:
    """A status as JSON, in a form that can be compared: without probe times, without what is not written here."""
    plain = tuple(msgspec.structs.replace(entry, last_probe_time="") for entry in status.stores)
    built: dict[str, Any] = msgspec.to_builtins(
        msgspec.structs.replace(status, stores=plain, conditions=(), probe=None, links=())
    )
    # Written out, as the server does: msgspec omits a default that is the same object, not one that is equal.
    built["stores"] = [{"role": entry.role, **msgspec.to_builtins(entry)} for entry in plain]
    built["conditions"] = conditions.built(c for c in status.conditions if c.type in _CONDITIONS)
    return built


def _conditions(discovered: Sequence[model.Store], views: Mapping[str, dataobject.View]) -> list[crd.Condition]:
    waiting = [store.name for store in discovered if store.name not in views]
    failing = [view for view in (views.get(store.name) for store in discovered) if view and _failed(view)]
    if failing:
        words = "; ".join(f"{view.store.name}: {_message(view)}" for view in failing)
        stores_available = crd.Condition("StoresAvailable", "False", "StoreUnavailable", conditions.cut(words))
    elif waiting:
        words = f"not asked yet: {', '.join(waiting)}"
        stores_available = crd.Condition("StoresAvailable", "Unknown", "Probing", conditions.cut(words))
    elif discovered:
        count = len(discovered)
        words = "the store answers" if count == 1 else f"all {count} stores answer"
        stores_available = crd.Condition("StoresAvailable", "True", "AllAvailable", words)
    else:
        stores_available = crd.Condition("StoresAvailable", "True", "NoStores", "no store is served by this node")
    ready = {"True": ("True", "Inspected", "the node was inspected and its stores answer")}.get(
        stores_available.status, (stores_available.status, stores_available.reason, stores_available.message)
    )
    return [crd.Condition("Ready", *ready), stores_available]


def _failed(view: dataobject.View) -> bool:
    return isinstance(view.outcome, contents.Failure)


def _refreshes(before: Iterable[crd.Store], entries: Iterable[crd.Store], now: str) -> bool:
    """Whether a probe time that has become stale can be replaced by a newer one."""
    newer = {entry.name: entry.last_probe_time for entry in entries}
    return any(
        conditions.is_stale(old.last_probe_time, now) and newer.get(old.name) != old.last_probe_time for old in before
    )
