"""Volumes of a CSI driver, and claims to them, as scheduler_perf's SchedulingCSIPVs has them."""

from __future__ import annotations

from typing import Any, Final

from scheduler.api import names

Json = dict[str, Any]

DRIVER: Final = "ebs.csi.aws.com"
PER_NODE: Final = 39
_CLASS: Final = "provisioned"
_SIZE: Final = "1Gi"
_BOUND: Final = {"pv.kubernetes.io/bind-completed": "true"}


def mounted(number: int) -> list[Json]:
    """The volumes of a pod with the claim of a number."""
    return [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name(number)}}]


def claim_name(number: int) -> str:
    return f"claim-{number:07}"


def volume_name(number: int) -> str:
    return f"volume-{number:07}"


def volume(number: int, namespace: str, *, zone: str = "") -> Json:
    """The volume that a claim is bound to; in a zone, it can be reached from there alone."""
    spec: Json = {
        "accessModes": ["ReadOnlyMany"],
        "capacity": {"storage": _SIZE},
        "csi": {"driver": DRIVER, "volumeHandle": volume_name(number)},
        "persistentVolumeReclaimPolicy": "Retain",
        "volumeMode": "Filesystem",
        "claimRef": {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim_name(number)},
    }
    if zone:
        term = {"matchExpressions": [{"key": names.ZONE_LABEL, "operator": "In", "values": [zone]}]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume_name(number)}, "spec": spec}


def bound_claim(number: int, namespace: str) -> Json:
    """A claim that is bound."""
    found = _claim(number, namespace)
    found["metadata"]["annotations"] = dict(_BOUND)
    found["spec"] |= {"volumeName": volume_name(number), "storageClassName": ""}
    return found


def waiting_claim(number: int, namespace: str) -> Json:
    """A claim for which a volume is made once its node is known."""
    found = _claim(number, namespace)
    found["spec"]["storageClassName"] = _CLASS
    return found


def _claim(number: int, namespace: str) -> Json:
    name = claim_name(number)
    spec: Json = {
        "accessModes": ["ReadOnlyMany"],
        "resources": {"requests": {"storage": _SIZE}},
        "volumeMode": "Filesystem",
    }
    metadata: Json = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def storage_class() -> Json:
    """The class of claims that wait."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": _CLASS},
        "provisioner": DRIVER,
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def driver() -> Json:
    """The driver, which says nothing of where there is room."""
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": DRIVER}, "spec": {}}


def csi_node(name: str) -> Json:
    """What the driver says of a node."""
    runs = {"name": DRIVER, "nodeID": name, "allocatable": {"count": PER_NODE}}
    metadata = {"name": name}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": metadata, "spec": {"drivers": [runs]}}
