"""What a pod needs that is not built yet: it then stays pending and is told so, never placed as if it had not asked."""

from __future__ import annotations

from typing import Final

from scheduler.api import core

# Volume sources that bind a pod to places, or count against a node's limits.
_PLACED_VOLUMES: Final = {
    "persistent_volume_claim": "persistentVolumeClaim",
    "ephemeral": "ephemeral",
    "gce_persistent_disk": "gcePersistentDisk",
    "aws_elastic_block_store": "awsElasticBlockStore",
    "azure_disk": "azureDisk",
    "cinder": "cinder",
    "vsphere_volume": "vsphereVolume",
    "portworx_volume": "portworxVolume",
    "iscsi": "iscsi",
    "rbd": "rbd",
}


def find(pod: core.Pod) -> str:
    """Name the first feature that the pod needs and this version lacks; "" when there is none."""
    spec = pod.spec
    if spec.topology_spread_constraints:
        return _text("PodTopologySpread", "spec.topologySpreadConstraints")
    for volume in spec.volumes:
        for field, source in _PLACED_VOLUMES.items():
            if getattr(volume, field) is not None:
                return _text("VolumeBinding", f"volume {volume.name!r} ({source})")
    if spec.resource_claims:
        return _text("DynamicResources", "spec.resourceClaims")
    return ""


def _text(plugin: str, what: str) -> str:
    return f"{plugin} is not supported yet: cannot honour {what}"
