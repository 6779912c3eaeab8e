"""Makes a question for the offline door of what kubectl lists, for one of the pods in the list.

The pod may wait or run: one that runs is asked about as if it were still to be placed, and does not count where it is.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from scheduler import errors
from scheduler.api import decoding

_COLLECTIONS: Final = {
    "Node": "nodes",
    "Namespace": "namespaces",
    "Pod": "pods",
    "DeviceClass": "deviceClasses",
    "Service": "services",
    "ReplicationController": "replicationControllers",
    "ReplicaSet": "replicaSets",
    "StatefulSet": "statefulSets",
    "PodDisruptionBudget": "pdbs",
    "DataObject": "dataObjects",
    "NodeCapability": "nodeCapabilities",
    "PersistentVolumeClaim": "pvcs",
    "PersistentVolume": "pvs",
    "StorageClass": "storageClasses",
    "CSINode": "csiNodes",
    "CSIDriver": "csiDrivers",
    "CSIStorageCapacity": "csiStorageCapacities",
    "VolumeAttachment": "volumeAttachments",
    "ResourceClaim": "resourceClaims",
    "ResourceSlice": "resourceSlices",
    "DeviceTaintRule": "deviceTaintRules",
}


def question(listed: bytes, pod: str, now: str) -> bytes:
    """One line for ``decide``.

    Args:
        listed: What `kubectl get nodes,pods,... --all-namespaces --output json` prints.
        pod: The pod to place, as namespace/name; without a namespace, one of `default`.
        now: The time of the list, to which the ages of what was seen are reckoned.

    Raises:
        InputError: it is no such list, or the pod is not in it.
    """
    data = decoding.decode_any(listed, "standard input")
    items = data.get("items") if isinstance(data, dict) else None
    if not isinstance(items, list):
        raise errors.InputError("standard input", "", "no list of objects; give what kubectl prints with --output json")
    asked: dict[str, Any] = {"id": pod, "now": now, **{collection: [] for collection in _COLLECTIONS.values()}}
    for item in items:
        kind = item.get("kind") if isinstance(item, dict) else None
        if isinstance(kind, str) and kind in _COLLECTIONS:
            asked[_COLLECTIONS[kind]].append(item)
    wanted = pod if "/" in pod else f"default/{pod}"
    found = next((one for one in asked["pods"] if _key(one) == wanted), None)
    if found is None:
        raise errors.InputError("pod", pod, f"not among the {len(asked['pods'])} pods listed; write namespace/name")
    asked["pods"].remove(found)
    return msgspec.json.encode({**asked, "pod": _still_to_be_placed(found)})


def _key(pod: dict[str, Any]) -> str:
    meta = pod.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}"


def _still_to_be_placed(pod: dict[str, Any]) -> dict[str, Any]:
    spec = pod.get("spec")
    if not isinstance(spec, dict) or not spec.get("nodeName"):
        return pod
    return {**pod, "spec": {key: value for key, value in spec.items() if key != "nodeName"}, "status": {}}
