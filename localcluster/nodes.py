"""Node objects of a topology.

The capacity is written at creation, as a kubelet would report it; KWOK adds the conditions and keeps what is there.
Labels are those that a real cluster has plus the node's type; what the daemon finds out is left to the daemon.
"""

from __future__ import annotations

from localcluster import names, rest, topology


def manifest(node: topology.Node) -> rest.Object:
    """The Node object."""
    resources = {
        "cpu": node.cpu,
        "memory": node.memory,
        "pods": str(node.pods),
        "ephemeral-storage": "100Gi",
        **{name: str(count) for name, count in node.accelerators.items()},
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {
                names.HOSTNAME_LABEL: node.name,
                names.REGION_LABEL: node.region,
                names.ZONE_LABEL: node.zone,
                names.NODE_TYPE_LABEL: node.type,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                **node.labels,
            },
            "annotations": {names.KWOK_ANNOTATION: names.KWOK_ANNOTATION_VALUE},
        },
        "spec": {"taints": [{"key": t.key, "value": t.value, "effect": t.effect} for t in node.taints]},
        "status": {"capacity": resources, "allocatable": resources},
    }


def is_ready(node: rest.Object) -> bool:
    """Whether the node takes pods: it reports Ready, and no taint of the control plane is left from before it did."""
    conditions = node.get("status", {}).get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    taints = node.get("spec", {}).get("taints", ())
    return ready and not any(taint["key"].startswith("node.kubernetes.io/") for taint in taints)
