"""What a pod needs that is not built yet: it then stays pending and is told so, never placed as if it had not asked."""

from __future__ import annotations

from typing import Final

from scheduler.plugins import request
from scheduler.state import snapshot

# Extended resources named so stand for devices of the class of that name (k8s.io/api/resource/v1).
_DEVICE_CLASS: Final = "deviceclass.resource.kubernetes.io/"


def may_lack(asked: request.PodRequest) -> bool:
    """Whether there may be such a feature, in some cluster."""
    spec = asked.pod.spec
    return bool(
        spec.scheduling_group is not None
        or spec.workload_ref is not None
        or spec.resource_claims
        or asked.asked.scalars
    )


def find(asked: request.PodRequest, snap: snapshot.Snapshot) -> str:
    """Name the first feature that the pod needs and this version lacks; "" when there is none."""
    spec = asked.pod.spec
    if spec.scheduling_group is not None:
        return _text("GangScheduling", "spec.schedulingGroup")
    if spec.workload_ref is not None:
        return _text("GangScheduling", "spec.workloadRef")
    if spec.resource_claims:
        return _text("DynamicResources", "spec.resourceClaims")
    for name, amount in sorted(asked.asked.scalars.items()):
        if amount > 0 and (name.startswith(_DEVICE_CLASS) or _is_of_devices(name, snap)):
            return _text("DynamicResources", f"the extended resource {name}, which stands for devices of a class")
    return ""


def _is_of_devices(name: str, snap: snapshot.Snapshot) -> bool:
    """Whether a class claims an extended resource that some node does not offer: there, claims decide who fits."""
    if snap.claims.class_of(name) is None:
        return False
    row = snap.resource_row.get(name)
    return row is None or bool((snap.alive & (snap.offered[row] == 0)).any())


def _text(plugin: str, what: str) -> str:
    return f"{plugin} is not supported yet: cannot honour {what}"
