"""What the fake server holds: objects, the history of their changes, and one resourceVersion that counts them all."""

from __future__ import annotations

import bisect
import copy
import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Place = tuple[str, str]  # (namespace, name)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A resource that is served."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    status: bool = False  # has the status subresource: the two halves are written apart

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS = {
    kind.plural: kind
    for kind in (
        Kind("", "v1", "namespaces", "Namespace", namespaced=False, status=True),
        Kind("", "v1", "nodes", "Node", namespaced=False, status=True),
        Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, status=True),
        Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True, status=True),
        Kind("", "v1", "pods", "Pod", namespaced=True, status=True),
        Kind("", "v1", "configmaps", "ConfigMap", namespaced=True),
        Kind("", "v1", "secrets", "Secret", namespaced=True),
        Kind("", "v1", "services", "Service", namespaced=True, status=True),
        Kind("", "v1", "replicationcontrollers", "ReplicationController", namespaced=True, status=True),
        Kind("apps", "v1", "replicasets", "ReplicaSet", namespaced=True, status=True),
        Kind("apps", "v1", "statefulsets", "StatefulSet", namespaced=True, status=True),
        Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True, status=True),
        Kind("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True),
        Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False),
        Kind("storage.k8s.io", "v1", "csinodes", "CSINode", namespaced=False),
        Kind("storage.k8s.io", "v1", "csidrivers", "CSIDriver", namespaced=False),
        Kind("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", namespaced=True),
        Kind("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", namespaced=False, status=True),
        Kind("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", namespaced=False),
        Kind("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", namespaced=False),
        Kind("resource.k8s.io", "v1", "devicetaintrules", "DeviceTaintRule", namespaced=False, status=True),
        Kind("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", namespaced=True, status=True),
        Kind("events.k8s.io", "v1", "events", "Event", namespaced=True),
        Kind("scheduler.thesis", "v1alpha1", "dataobjects", "DataObject", namespaced=True, status=True),
        Kind("scheduler.thesis", "v1alpha1", "nodecapabilities", "NodeCapability", namespaced=False, status=True),
    )
}


class Refused(Exception):  # noqa: N818 - an answer, not a fault of the test
    """The server answers with a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code = code
        self.reason = reason
        self.message = message
        super().__init__(message)


@dataclasses.dataclass(frozen=True)
class Change:
    """An object before and after; None where it did not exist."""

    version: int
    plural: str
    before: Json | None
    after: Json | None


class Store:
    """Objects are values: a write puts a new dict in place, so that whatever was handed out stays as it was."""

    def __init__(self) -> None:
        self.version = 100
        self.floor = 100  # watches from before this get a 410
        self.history: list[Change] = []
        self.on_change: list[Callable[[], None]] = []
        self._objects: dict[str, dict[Place, Json]] = {plural: {} for plural in KINDS}
        self._uids = 0
        self.create("namespaces", {"metadata": {"name": "default"}})

    def get(self, plural: str, name: str, namespace: str = "") -> Json:
        try:
            return self._objects[plural][namespace, name]
        except KeyError:
            raise Refused(404, "NotFound", f'{plural} "{name}" not found') from None

    def all(self, plural: str, namespace: str = "") -> list[Json]:
        """List in the server's order, by namespace and name."""
        held = self._objects[plural]
        return [held[place] for place in sorted(held) if namespace in {"", place[0]}]

    def create(self, plural: str, obj: Json) -> Json:
        obj = copy.deepcopy(obj)
        meta = obj.setdefault("metadata", {})
        if KINDS[plural].namespaced:
            meta.setdefault("namespace", "default")
        if "name" not in meta:
            meta["name"] = f"{meta['generateName']}{self._uids + 1:05x}"
        place = (meta.get("namespace", ""), meta["name"])
        if place in self._objects[plural]:
            raise Refused(409, "AlreadyExists", f'{plural} "{meta["name"]}" already exists')
        self._uids += 1
        meta["uid"] = f"00000000-0000-4000-8000-{self._uids:012x}"
        meta["creationTimestamp"] = self._now()
        meta["generation"] = 1
        if plural == "pods":
            obj.setdefault("spec", {}).setdefault("schedulerName", "default-scheduler")
            obj.setdefault("status", {}).setdefault("phase", "Pending")
        return self._write(plural, place, obj)

    def replace(self, plural: str, obj: Json) -> Json:
        """Put an object in place of the one with its name; a resourceVersion in it must be the current one."""
        obj = copy.deepcopy(obj)
        meta = obj["metadata"]
        if KINDS[plural].namespaced:
            meta.setdefault("namespace", "default")
        before = self.get(plural, meta["name"], meta.get("namespace", ""))
        if meta.get("resourceVersion", before["metadata"]["resourceVersion"]) != before["metadata"]["resourceVersion"]:
            raise Refused(
                409, "Conflict", "the object has been modified; please apply your changes to the latest version"
            )
        for field in ("uid", "creationTimestamp", "generation"):
            meta[field] = before["metadata"][field]
        if obj.get("spec") != before.get("spec"):
            meta["generation"] += 1
        return self._write(plural, (meta.get("namespace", ""), meta["name"]), obj)

    def patch(self, plural: str, name: str, patch: Json, namespace: str = "", *, strategic: bool = False) -> Json:
        """Apply a merge patch, or a strategic one, which here means that conditions are merged by type."""
        before = self.get(plural, name, namespace)
        after = merge(copy.deepcopy(before), patch, strategic=strategic)
        return before if after == before else self.replace(plural, after)

    def delete(self, plural: str, name: str, namespace: str = "", *, uid: str = "") -> Json:
        """Take an object away at once; with a ``uid`` only the one that has it."""
        before = self.get(plural, name, namespace)
        _precondition(uid, before)
        del self._objects[plural][namespace, name]
        self.version += 1
        last = before | {"metadata": before["metadata"] | {"resourceVersion": str(self.version)}}
        self._note(Change(self.version, plural, before=last, after=None))
        return last

    def bind(self, namespace: str, name: str, binding: Json) -> None:
        """Give a pod its node, or refuse as the real server does."""
        pod = self.get("pods", name, namespace)
        meta, spec = pod["metadata"], pod["spec"]
        _precondition(binding["metadata"].get("uid", ""), pod)
        if meta.get("deletionTimestamp"):
            raise Refused(409, "Conflict", f"pod {name} is being deleted, cannot be assigned to a host")
        if spec.get("nodeName"):
            raise Refused(409, "Conflict", f'pod {name} is already assigned to node "{spec["nodeName"]}"')
        if not binding.get("target", {}).get("name"):
            raise Refused(500, "", "target.name: Required value")  # sic: kubernetes#139488
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self._now()}
        patch = {"spec": {"nodeName": binding["target"]["name"]}, "status": {"conditions": [condition]}}
        self.patch("pods", name, patch, namespace, strategic=True)

    def compact(self) -> None:
        """Forget the history: watches and continued lists from earlier versions get a 410."""
        self.floor = self.version
        self.history.clear()

    def since(self, version: int) -> list[Change]:
        """Give the changes after a version; the caller has checked it against ``floor``."""
        return self.history[bisect.bisect_right(self.history, version, key=lambda change: change.version) :]

    def _write(self, plural: str, place: Place, obj: Json) -> Json:
        kind = KINDS[plural]
        self.version += 1
        named: Json = {"apiVersion": kind.api_version, "kind": kind.kind}
        obj = named | obj
        obj["metadata"]["resourceVersion"] = str(self.version)
        before = self._objects[plural].get(place)
        self._objects[plural][place] = obj
        self._note(Change(self.version, plural, before=before, after=obj))
        return obj

    def _note(self, change: Change) -> None:
        self.history.append(change)
        for notice in self.on_change:
            notice()

    def _now(self) -> str:
        """A clock that moves with the writes: the same test sees the same times."""
        start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        return (start + dt.timedelta(seconds=self.version)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _precondition(uid: str, obj: Json) -> None:
    is_uid = obj["metadata"]["uid"]
    if uid and uid != is_uid:
        message = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {is_uid}"
        raise Refused(409, "Conflict", message)


def merge(target: Any, patch: Json, *, strategic: bool = False) -> Any:
    """RFC 7386, in place; ``strategic`` merges lists of conditions, finalizers and users of claims by what they are."""
    if not isinstance(target, dict):
        target = {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = merge(target.get(key), value, strategic=strategic)
        elif strategic and key == "conditions":
            held = {condition["type"]: condition for condition in target.get(key, [])}
            for condition in value:
                held[condition["type"]] = held.get(condition["type"], {}) | condition
            target[key] = list(held.values())
        elif strategic and key == "finalizers":
            target[key] = [*target.get(key, []), *(one for one in value if one not in target.get(key, []))]
        elif strategic and key == "reservedFor":
            named = {one["uid"] for one in value}
            kept = [one for one in target.get(key, []) if one["uid"] not in named]
            target[key] = kept + [one for one in value if one.get("$patch") != "delete"]
        elif strategic and key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            target[field] = [one for one in target.get(field, []) if one not in value]
        else:
            target[key] = value
    return target
