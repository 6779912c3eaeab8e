"""Devices on nodes and claims to them, as scheduler_perf's SchedulingWithResourceClaimTemplate has them.

Each pod has a claim of its own, made beforehand: the controller that makes claims of templates is not running.
"""

from __future__ import annotations

from typing import Any, Final

Json = dict[str, Any]

DRIVER: Final = "devices.benchmark.example"
DEVICES: Final = 8
_VERSION: Final = "resource.k8s.io/v1"
_CLASS: Final = "benchmark"
_REQUEST: Final = "device"


def named(number: int) -> list[Json]:
    """What a pod says that has the claim of a number."""
    return [{"name": "device", "resourceClaimName": claim_name(number)}]


def claim_name(number: int) -> str:
    return f"claim-{number:07}"


def claim(number: int, namespace: str) -> Json:
    """A claim to one device."""
    asked = {"name": _REQUEST, "exactly": {"deviceClassName": _CLASS, "allocationMode": "ExactCount", "count": 1}}
    name = claim_name(number)
    return {
        "apiVersion": _VERSION,
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": namespace, "uid": name},
        "spec": {"devices": {"requests": [asked]}},
    }


def allocated(number: int, namespace: str, node: str, pod: str, *, device: int) -> Json:
    """A claim of a pod that has its device."""
    result = {"request": _REQUEST, "driver": DRIVER, "pool": node, "device": f"device-{device}"}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    allocation = {"devices": {"results": [result]}, "nodeSelector": {"nodeSelectorTerms": [term]}}
    reserved = [{"resource": "pods", "name": pod, "uid": pod}]
    return claim(number, namespace) | {"status": {"allocation": allocation, "reservedFor": reserved}}


def device_class() -> Json:
    """The class of all devices."""
    selector = {"cel": {"expression": f'device.driver == "{DRIVER}"'}}
    return {
        "apiVersion": _VERSION,
        "kind": "DeviceClass",
        "metadata": {"name": _CLASS},
        "spec": {"selectors": [selector]},
    }


def resource_slice(node: str) -> Json:
    """The devices of a node."""
    return {
        "apiVersion": _VERSION,
        "kind": "ResourceSlice",
        "metadata": {"name": f"{node}-devices"},
        "spec": {
            "driver": DRIVER,
            "nodeName": node,
            "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": f"device-{number}"} for number in range(DEVICES)],
        },
    }
