"""The cluster of docs/explain.md: two edge nodes beside their data, two clouds, and one node with a GPU for others."""

from __future__ import annotations

from typing import Any, Final

from scheduler.api import core, crd
from scheduler.kernel import events, kernel
from tests.kernel import running
from tests.kernel.running import capability, node, pod
from tests.locality import serving

BEGAN_S: Final = 1_780_000_000.0
TAINT: Final[dict[str, Any]] = {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}
ZONE: Final = "topology.kubernetes.io/zone"
REGION: Final = "topology.kubernetes.io/region"
THUMBS: Final[dict[str, Any]] = {
    "data.scheduler.thesis/input-1": "photos/2026.tar,600000000,30",
    "data.scheduler.thesis/input-2": "faces/known.bin,500000000",
    "data.scheduler.thesis/output-1": "photos/small.tar,20000000",
}


def documented() -> running.Bare:
    """With its pods decided: one with data, one without, one that fits nowhere."""
    bare = running.Bare(kernel.Kernel(running.SETTINGS, "home", 1), BEGAN_S)
    _node(bare, "edge-1", "edge", "west", "west-1", cpu="2")
    _node(bare, "edge-2", "edge", "west", "west-1", cpu="4")
    _node(bare, "cloud-1", "cloud", "west", "west-2", cpu="8")
    _node(bare, "cloud-2", "cloud", "east", "east-1", cpu="16")
    _node(bare, "gpu-1", "cloud", "east", "east-1", cpu="16", spec=TAINT)
    status = {"replicas": [{"node": "edge-1", "store": "minio", "available": True}]}
    photos = {"metadata": {"name": "photos", "namespace": "default"}, "spec": {"urn": "photos"}, "status": status}
    bare.kernel.handle(events.ObjectSeen(bare.now_s, core.convert(photos, crd.DataObject, "photos")))
    bare.seen(pod("camera", cpu="1", node="edge-1"))
    bare.pending(pod("thumbs", cpu="1500m", annotations=THUMBS), pod("web", cpu="500m"), pod("huge", cpu="99"))
    serving.decided(bare)
    return bare


def _node(bare: running.Bare, name: str, kind: str, region: str, zone: str, *, cpu: str, **changes: Any) -> None:
    bare.nodes(node(name, cpu=cpu, labels={REGION: region, ZONE: zone}, **changes))
    bare.kernel.handle(events.CapabilitySeen(bare.now_s, capability(name, nodeType=kind)))
