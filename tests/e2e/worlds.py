"""Generated clusters and pods for the real API server: what the offline door is asked about, and the scheduler does.

Everything is drawn from one generator, so a seed repeats a world. Values stay among few, so that constraints meet.
"""

from __future__ import annotations

import random
from typing import Any

Json = dict[str, Any]

APPS = ("front", "back")
REGIONS = ("north", "south")
BUCKETS = ("raw", "clean", "models", "reports")
TAINTS = (
    {"key": "dedicated", "value": "ml", "effect": "NoSchedule"},
    {"key": "flaky", "value": "", "effect": "PreferNoSchedule"},
    {"key": "drain", "value": "", "effect": "NoExecute"},
)


def nodes(rng: random.Random, prefix: str, count: int) -> list[Json]:
    """Node objects with the allocatable of real ones, some tainted, some cordoned."""
    made = []
    for number in range(count):
        region = rng.choice(REGIONS)
        resources = {"cpu": rng.choice(["1", "2", "4"]), "memory": rng.choice(["2Gi", "8Gi"]), "pods": "8"}
        if rng.random() < 0.3:
            resources["example.com/fpga"] = "2"
        name = f"{prefix}{number}"
        made.append(
            {
                "metadata": {
                    "name": name,
                    "labels": {
                        "kubernetes.io/hostname": name,
                        "topology.kubernetes.io/region": region,
                        "topology.kubernetes.io/zone": f"{region}-{rng.randrange(2)}",
                        "node-capability/node-type": rng.choice(["edge", "cloud"]),
                        "disk": rng.choice(["ssd", "hdd"]),
                        "generation": str(rng.randrange(1, 5)),
                    },
                },
                "spec": {
                    "taints": [rng.choice(TAINTS)] if rng.random() < 0.25 else [],
                    "unschedulable": rng.random() < 0.1,
                },
                "status": {
                    "allocatable": resources,
                    "capacity": resources,
                    "images": [{"names": ["example/big:1"], "sizeBytes": 600_000_000}] if rng.random() < 0.4 else [],
                },
            }
        )
    return made


def data_objects(rng: random.Random, names: list[str]) -> list[Json]:
    """A DataObject for most buckets, with declared locations."""
    return [
        {
            "apiVersion": "scheduler.thesis/v1alpha1",
            "kind": "DataObject",
            "metadata": {"name": bucket},
            "spec": {
                "urn": bucket,
                "locations": [{"node": name} for name in rng.sample(names, rng.randrange(1, min(3, len(names)) + 1))],
            },
        }
        for bucket in BUCKETS
        if rng.random() < 0.8
    ]


def pod(rng: random.Random, name: str, **spec: Any) -> Json:
    """A pod with some of the constraints and wishes that are built."""
    requests = {"cpu": rng.choice(["0", "100m", "700m", "3"]), "memory": rng.choice(["64Mi", "1Gi"])}
    if rng.random() < 0.1:
        requests["example.com/fpga"] = "1"
    container: Json = {
        "name": "main",
        "image": rng.choice(["example/big:1", "example/small:1"]),
        "resources": {"requests": requests, "limits": {k: v for k, v in requests.items() if "/" in k}},
    }
    if rng.random() < 0.1:
        container["ports"] = [{"containerPort": 8000, "hostPort": 8000}]
    wanted: Json = {"containers": [container], **spec}
    if rng.random() < 0.2:
        wanted["nodeSelector"] = {"disk": "ssd"}
    if rng.random() < 0.3:
        wanted["tolerations"] = [{"key": "dedicated", "operator": "Exists"}]
    affinity = {"nodeAffinity": _node_affinity(rng)} if rng.random() < 0.3 else {}
    affinity |= {kind: _pod_affinity(rng) for kind in ("podAffinity", "podAntiAffinity") if rng.random() < 0.25}
    if affinity:
        wanted["affinity"] = affinity
    labels = {"app": rng.choice(APPS), "version": rng.choice(["1", "2"])}
    return {"metadata": {"name": name, "labels": labels, "annotations": _annotations(rng)}, "spec": wanted}


def _pod_affinity(rng: random.Random) -> Json:
    """A term about the pods of an app; some leave it to the API server to say which of its versions is meant."""
    term: Json = {
        "topologyKey": rng.choice(["kubernetes.io/hostname", "topology.kubernetes.io/zone"]),
        "labelSelector": {"matchLabels": {"app": rng.choice(APPS)}},
    }
    if rng.random() < 0.3:
        term[rng.choice(["matchLabelKeys", "mismatchLabelKeys"])] = ["version"]
    if rng.random() < 0.3:
        term["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": rng.choice(["default", "other"])}}
    if rng.random() < 0.5:
        return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    weighted = {"weight": rng.randrange(1, 100), "podAffinityTerm": term}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]}


def _node_affinity(rng: random.Random) -> Json:
    if rng.random() < 0.5:
        expression = {"key": "generation", "operator": rng.choice(["Gt", "Lt"]), "values": ["2"]}
        terms = [{"matchExpressions": [expression]}]
        return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    expression = {"key": "disk", "operator": "NotIn", "values": ["hdd"]}
    preferred = [{"weight": rng.randrange(1, 100), "preference": {"matchExpressions": [expression]}}]
    return {"preferredDuringSchedulingIgnoredDuringExecution": preferred}


def _annotations(rng: random.Random) -> dict[str, str]:
    if rng.random() < 0.3:
        return {}
    made = {}
    for number in range(rng.randrange(3)):
        key = f"part-{rng.randrange(9)}" if rng.random() < 0.7 else "out"  # which others are about to write
        urn = f"{rng.choice(BUCKETS)}/{key}"
        made[f"data.scheduler.thesis/input-{number}"] = f"{urn},{rng.randrange(10**9)},{rng.randrange(20)}"
    if rng.random() < 0.4:
        made["data.scheduler.thesis/output-1"] = f"{rng.choice(BUCKETS)}/out,{rng.randrange(10**8)}"
    for wish in ("prefer-edge", "data-intensive", "compute-intensive"):
        if rng.random() < 0.2:
            made[f"scheduler.thesis/{wish}"] = "true"
    if rng.random() < 0.2:
        made["scheduler.thesis/prefer-region"] = rng.choice(REGIONS)
    if rng.random() < 0.1:
        made["scheduler.thesis/capability-requirements"] = "node-type=cloud"
    return made
