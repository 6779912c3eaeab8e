"""A question to the offline door: read, checked, and whatever cannot be used named by object and field.

It is read in one go; only where that fails is it read object by object, to find out which of them it was. A null counts
as absent. What would be answered for another cluster than the one that was meant is refused: a key that nobody knows,
two objects of one name, and the pod to place among those that run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from scheduler import errors
from scheduler.api import core, crd, decoding, devices, policy, underway, volumes
from scheduler.api import services as selects

Named = (
    core.Node
    | core.Namespace
    | core.Pod
    | selects.Service
    | selects.Controller
    | crd.DataObject
    | crd.NodeCapability
    | volumes.Object
    | devices.Object
    | policy.PodDisruptionBudget
)


class Cluster(msgspec.Struct, rename="camel", frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a question is asked in."""

    id: Any = None
    now: str = ""
    nodes: tuple[core.Node, ...] = ()
    namespaces: tuple[core.Namespace, ...] = ()
    pods: tuple[core.Pod, ...] = ()
    services: tuple[selects.Service, ...] = ()
    replication_controllers: tuple[selects.Service, ...] = ()
    replica_sets: tuple[selects.Controller, ...] = ()
    stateful_sets: tuple[selects.Controller, ...] = ()
    data_objects: tuple[crd.DataObject, ...] = ()
    node_capabilities: tuple[crd.NodeCapability, ...] = ()
    pvcs: tuple[volumes.PersistentVolumeClaim, ...] = ()
    pvs: tuple[volumes.PersistentVolume, ...] = ()
    storage_classes: tuple[volumes.StorageClass, ...] = ()
    csi_nodes: tuple[volumes.CSINode, ...] = ()
    csi_drivers: tuple[volumes.CSIDriver, ...] = ()
    csi_storage_capacities: tuple[volumes.CSIStorageCapacity, ...] = ()
    volume_attachments: tuple[volumes.VolumeAttachment, ...] = ()
    device_classes: tuple[devices.DeviceClass, ...] = ()
    resource_claims: tuple[devices.ResourceClaim, ...] = ()
    resource_slices: tuple[devices.ResourceSlice, ...] = ()
    device_taint_rules: tuple[devices.DeviceTaintRule, ...] = ()
    resource_claim_templates: msgspec.Raw = msgspec.Raw()
    pdbs: tuple[policy.PodDisruptionBudget, ...] = ()
    transfers: tuple[underway.Transfer, ...] = ()
    fetched: tuple[underway.Fetched, ...] = ()
    config: dict[str, Any] | None = None


class Question(Cluster, frozen=True, kw_only=True):
    """One question."""

    pod: core.Pod


_KINDS: Final[Mapping[str, tuple[str, type[Named]]]] = {
    "nodes": ("nodes", core.Node),
    "namespaces": ("namespaces", core.Namespace),
    "pods": ("pods", core.Pod),
    "services": ("services", selects.Service),
    "replicationControllers": ("replication_controllers", selects.Service),
    "replicaSets": ("replica_sets", selects.Controller),
    "statefulSets": ("stateful_sets", selects.Controller),
    "pdbs": ("pdbs", policy.PodDisruptionBudget),
    "dataObjects": ("data_objects", crd.DataObject),
    "nodeCapabilities": ("node_capabilities", crd.NodeCapability),
    "pvcs": ("pvcs", volumes.PersistentVolumeClaim),
    "pvs": ("pvs", volumes.PersistentVolume),
    "storageClasses": ("storage_classes", volumes.StorageClass),
    "csiNodes": ("csi_nodes", volumes.CSINode),
    "csiDrivers": ("csi_drivers", volumes.CSIDriver),
    "csiStorageCapacities": ("csi_storage_capacities", volumes.CSIStorageCapacity),
    "volumeAttachments": ("volume_attachments", volumes.VolumeAttachment),
    "deviceClasses": ("device_classes", devices.DeviceClass),
    "resourceClaims": ("resource_claims", devices.ResourceClaim),
    "resourceSlices": ("resource_slices", devices.ResourceSlice),
    "deviceTaintRules": ("device_taint_rules", devices.DeviceTaintRule),
}
FINISHED: Final = ("Succeeded", "Failed")


def read(line: bytes) -> Question:
    """Read one line of JSON.

    Raises:
        InputError: it is no question; names the object and the field that cannot be used.
    """
    try:
        asked = msgspec.json.decode(line, type=Question)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        asked = _read_one_by_one(line)
    check(asked)
    _refuse_itself(asked)
    return asked


def check(asked: Cluster) -> None:
    """Refuse what no cluster can hold.

    Raises:
        InputError: names the object.
    """
    for collection, (attribute, _) in _KINDS.items():
        _refuse_doubles(collection, getattr(asked, attribute))


def storage(asked: Cluster) -> dict[str, Sequence[volumes.Object]]:
    """What is asked of claims, volumes and the like, by collection."""
    return _of_kinds(asked, volumes.KINDS)


def claims(asked: Cluster) -> dict[str, Sequence[devices.Object]]:
    """What is asked of claims of devices, the devices and their classes, by collection."""
    return _of_kinds(asked, devices.KINDS)


def _of_kinds(asked: Cluster, kinds: Sequence[type[Named]]) -> dict[str, Sequence[Any]]:
    return {name: getattr(asked, attribute) for name, (attribute, kind) in _KINDS.items() if kind in kinds}


def place(collection: str, index: int, obj: Named) -> str:
    """How messages name an object: ``nodes[3] worker-7``."""
    return _place(collection, index, _name(obj.metadata.namespace, obj.metadata.name))


def place_of_pod(pod: core.Pod) -> str:
    """How messages name the pod to place."""
    return f"pod {_name(pod.metadata.namespace, pod.metadata.name)}".rstrip()


def _read_one_by_one(line: bytes) -> Question:
    data = decoding.decode_any(line, "question")
    if not isinstance(data, dict):
        raise errors.InputError("question", "", "write an object with the pod to place, as docs/decide.md describes it")
    given = {key: value for key, value in data.items() if value is not None}
    known = {field.encode_name for field in msgspec.structs.fields(Question)}
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key[:100], sorted(known), n=1)
            hint = f"did you mean {near[0]}?" if near else f"write one of {', '.join(sorted(known))}"
            raise errors.InputError("question", key, f"unknown key; {hint}")
    if "pod" not in given:
        raise errors.InputError("pod", "", "missing; write the pod to place")
    read: dict[str, Any] = {
        attribute: tuple(
            decoding.convert(item, kind, _place(collection, index, _name_of(item)))
            for index, item in enumerate(_list(given, collection))
            if item is not None
        )
        for collection, (attribute, kind) in _KINDS.items()
    }
    where = f"pod {_name_of(given['pod'])}".rstrip()
    return Question(
        pod=decoding.convert(given["pod"], core.Pod, where),
        id=given.get("id"),
        now=decoding.convert(given.get("now", ""), str, "now"),
        transfers=decoding.convert(given.get("transfers", []), tuple[underway.Transfer, ...], "transfers"),
        fetched=decoding.convert(given.get("fetched", []), tuple[underway.Fetched, ...], "fetched"),
        config=decoding.convert(given.get("config", {}), dict[str, Any], "config"),
        **read,
    )


def _list(given: Mapping[str, Any], collection: str) -> list[Any]:
    found = given.get(collection, [])
    if isinstance(found, list):
        return found
    raise errors.InputError(collection, "", "write a list of objects, as in the items of what kubectl prints")


def _refuse_doubles(collection: str, objects: Sequence[Named]) -> None:
    """Refuse objects that one cluster cannot hold side by side, and such without a name, by which they are kept."""
    seen: dict[tuple[str, ...], int] = {}
    for index, obj in enumerate(objects):
        keys = list(_identities(obj))
        if not keys:
            raise errors.InputError(f"{place(collection, index, obj)}: metadata.name", "", "missing; write one")
        for key in keys:
            if key in seen:
                first = place(collection, seen[key], objects[seen[key]])
                where = f"{place(collection, index, obj)}: metadata.{key[0]}"
                raise errors.InputError(where, key[-1], f"duplicate: {first} has the same; keep one")
            seen[key] = index


def _refuse_itself(asked: Question) -> None:
    """Refuse the pod to place where it runs already: it would count against itself."""
    own = set(_identities(asked.pod))
    for index, pod in enumerate(asked.pods):
        if pod.spec.node_name and pod.status.phase not in FINISHED and not own.isdisjoint(_identities(pod)):
            where = f"{place('pods', index, pod)}: spec.nodeName"
            raise errors.InputError(where, pod.spec.node_name, "the pod to place runs there; leave it out of pods")


def _identities(obj: Named) -> Iterable[tuple[str, ...]]:
    """By what an object is known; no two of a cluster share any."""
    meta = obj.metadata
    if meta.name:
        yield ("name", meta.namespace, meta.name)
    if isinstance(obj, core.Pod) and meta.uid:
        yield ("uid", meta.uid)


def _place(collection: str, index: int, name: str) -> str:
    return f"{collection}[{index}] {name}".rstrip()


def _name_of(item: object) -> str:
    meta = item.get("metadata") if isinstance(item, dict) else None
    found = [meta.get(key) for key in ("namespace", "name")] if isinstance(meta, dict) else []
    return _name(*(text if isinstance(text, str) else "" for text in found)) if found else ""


def _name(namespace: str, name: str) -> str:
    return decoding.shown_key(f"{namespace}/{name}" if namespace and name else name)
