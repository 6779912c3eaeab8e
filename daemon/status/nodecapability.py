"""What this node is and serves, as the NodeCapability of its name. Pure.

What the Node object tells comes from it, because it is right for emulated nodes too. The rest comes from the machine,
and only where the daemon truly runs on the machine of this Node: the kernel's boot id, which a kubelet reports and an
emulated node lacks, must be the one that we read ourselves.

Store by store, an entry that changed between available and not available also becomes one Event. What stands in the
object is the memory for that, so a restart of the daemon announces nothing twice.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from daemon.facts import machine
from daemon.status import capabilities, conditions, dataobject, room
from daemon.stores import contents, discovery, model
from scheduler.api import core, crd, names

_NODE_TYPES: Final = frozenset({"edge", "cloud"})
_CONDITIONS: Final = frozenset({"Ready", "StoresAvailable", "StoresComplete"})
_MAX_NAMED: Final = 3  # of what there may be thousands of
_UNSHOWN: Final = re.compile(r"[^A-Za-z0-9._/-]+")


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
            "labels": {names.MANAGED_BY_LABEL: names.DAEMON_FIELD_MANAGER},
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
    left_out: Sequence[model.Store] = (),
    unread: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """The body to apply to the NodeCapability's status, or None where nothing is to be written.

    Args:
        unread: What of the cluster cannot be read, and why: then nobody knows whether the rest is all.
        node: With the labels that others gave it, and not those that this daemon draws from the status.
        seen: The machine that this daemon runs on, which may be another one than the Node's.
        left_out: Stores that there is no room for.
    """
    before = capability.status
    entries = room.bounded(_stores(before, discovered, views))
    found = _status(node, seen, entries, capability)
    said = _conditions(node, discovered, views, left_out, unread or {})
    found |= {"conditions": conditions.merged(before.conditions, said, capability.metadata, now)}
    if found == _standing(before) and not _refreshes(before.stores, entries, now):
        return None
    found["stores"] = [{"available": False, **msgspec.to_builtins(entry)} for entry in entries]
    return {
        "apiVersion": names.API_VERSION,
        "kind": "NodeCapability",
        "metadata": {"name": capability.metadata.name},
        "status": found,
    }


def unread_to_apply(capability: crd.NodeCapability, unread: Mapping[str, str], now: str) -> dict[str, Any] | None:
    """The status as it stands, with conditions that say that it may not be true any more; None where they do.

    For a daemon that does not know its own Node, and so nothing of which it could be sure.
    """
    before = capability.status
    found = _standing(before)
    said = [_unread("Ready", unread), _unread("StoresAvailable", unread)]
    found |= {"conditions": conditions.merged(before.conditions, said, capability.metadata, now)}
    if found == _standing(before):
        return None
    found["stores"] = [{"available": False, **msgspec.to_builtins(entry)} for entry in before.stores]
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
            # A pod that has just been started is no outage.
            if was_available.get(store.name, view.outcome.reason != contents.POD_NOT_READY):
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
            entries.append(msgspec.structs.replace(old, namespace=store.speaks_for))
    return entries


def _store(view: dataobject.View, old: crd.Store | None) -> crd.Store:
    outcome = view.outcome
    if isinstance(outcome, contents.Failure):  # what it held is what it held when last listed
        old = old or crd.Store(name=view.store.name)
        return msgspec.structs.replace(
            old,
            namespace=view.store.speaks_for,
            role=_role(view.store),
            endpoint=view.store.endpoint,
            available=False,
            last_probe_time=view.probed_at,
            message=_message(view),
        )
    return crd.Store(
        name=view.store.name,
        namespace=view.store.speaks_for,
        role=_role(view.store),
        endpoint=view.store.endpoint,
        technology=outcome.technology,
        available=True,
        buckets=tuple(sorted(outcome.buckets)),
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
    unread = {bucket for bucket, content in outcome.buckets.items() if content is None} - outcome.uncounted
    closed = dict.fromkeys(unread, "may not be listed with these credentials") | outcome.closed
    notes += [
        f"{words}: {_shown(bucket for bucket, why in closed.items() if why == words)}"
        for words in sorted(set(closed.values()))
    ]
    if outcome.unnameable:
        shape = "3 to 63 lower-case letters, digits, hyphens and dots"
        notes.append(
            f"{len(outcome.unnameable)} with names that no urn can have ({shape}): {_shown(outcome.unnameable)}"
        )
    if outcome.note:
        notes.append(outcome.note)
    return conditions.cut("; ".join(notes))


def _shown(told: Iterable[str]) -> str:
    """The first of some names that somebody else chose, without what could not stand in a status."""
    names_of_some = sorted(_UNSHOWN.sub("?", name)[:63] for name in told)
    return ", ".join(names_of_some[:_MAX_NAMED]) + (", ..." if len(names_of_some) > _MAX_NAMED else "")


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
    return _standing(msgspec.structs.replace(status, capabilities=capabilities.of(status, seen)))


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


def _unread(kind: str, unread: Mapping[str, str]) -> crd.Condition:
    words = "; ".join(f"{what} ({why})" for what, why in sorted(unread.items()))
    return crd.Condition(kind, "Unknown", "ClusterUnread", conditions.cut(f"cannot be read: {words}"))


def _conditions(
    node: core.Node,
    discovered: Sequence[model.Store],
    views: Mapping[str, dataobject.View],
    left_out: Sequence[model.Store],
    unread: Mapping[str, str],
) -> list[crd.Condition]:
    stores_available = _available(discovered, views, unread)
    ready = {"True": ("True", "Inspected", "the node was inspected and its stores answer")}.get(
        stores_available.status, (stores_available.status, stores_available.reason, stores_available.message)
    )
    if not discovery.is_ready(node):
        ready = (
            "False",
            "NodeNotReady",
            "the node is not ready or cannot be reached, so what lies on it does not count",
        )
    found = [_unread("Ready", unread) if unread else crd.Condition("Ready", *ready), stores_available]
    if left_out:
        shown = _shown(store.name for store in left_out)
        words = f"no more than {len(discovered)} stores are looked after; {len(left_out)} are left out: {shown}"
        found.append(crd.Condition("StoresComplete", "False", "TooManyStores", words))
    return found


def _available(
    discovered: Sequence[model.Store], views: Mapping[str, dataobject.View], unread: Mapping[str, str]
) -> crd.Condition:
    waiting = [store.name for store in discovered if store.name not in views]
    failing = [view for view in (views.get(store.name) for store in discovered) if view and _failed(view)]
    if failing:
        words = "; ".join(f"{view.store.name}: {_message(view)}" for view in failing)
        return crd.Condition("StoresAvailable", "False", "StoreUnavailable", conditions.cut(words))
    if unread:
        return _unread("StoresAvailable", unread)
    if waiting:
        words = f"not asked yet: {', '.join(waiting)}"
        return crd.Condition("StoresAvailable", "Unknown", "Probing", conditions.cut(words))
    if discovered:
        count = len(discovered)
        words = "the store answers" if count == 1 else f"all {count} stores answer"
        return crd.Condition("StoresAvailable", "True", "AllAvailable", words)
    return crd.Condition("StoresAvailable", "True", "NoStores", "no store is served by this node")


def _failed(view: dataobject.View) -> bool:
    return isinstance(view.outcome, contents.Failure)


def _refreshes(before: Iterable[crd.Store], entries: Iterable[crd.Store], now: str) -> bool:
    """Whether a probe time that has become stale can be replaced by a newer one."""
    newer = {entry.name: entry.last_probe_time for entry in entries}
    return any(
        conditions.is_stale(old.last_probe_time, now) and newer.get(old.name) != old.last_probe_time for old in before
    )
