"""The smallest valid objects, for tests to add to."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def pod(name: str, *, namespace: str = "default", node: str = "", scheduler: str = "data-locality-scheduler") -> Json:
    spec: Json = {"schedulerName": scheduler, "containers": [{"name": "main", "image": "example/main:1"}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def node(name: str, *, labels: dict[str, str] | None = None, cpu: str = "4", memory: str = "8Gi") -> Json:
    allocatable = {"cpu": cpu, "memory": memory, "pods": "110"}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {}, "status": {"allocatable": allocatable}}


def data_object(name: str, urn: str, *, namespace: str = "default", nodes: tuple[str, ...] = ()) -> Json:
    replicas = [{"node": holder, "available": True, "sizeBytes": 1000} for holder in nodes]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"urn": urn},
        "status": {"sizeBytes": 1000, "replicas": replicas},
    }
