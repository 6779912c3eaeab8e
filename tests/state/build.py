"""API objects as the API server returns them, with only what a test speaks of, and a cluster made of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scheduler import config
from scheduler.api import core, crd, names
from scheduler.state import cluster

Object = dict[str, Any]
HOME = names.HOME_NAMESPACE
PRIOR = config.Network()


def node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    more: Mapping[str, str] | None = None,
    region: str = "",
    zone: str = "",
    kind: str = "",
    can: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Object] = (),
    cordoned: bool = False,
    images: Mapping[str, int] | None = None,
    ready: str = "",
) -> Object:
    """A node; ``can`` are labels under node-capability/, ``kind`` is edge or cloud, ``ready`` its condition, if any."""
    marks = {names.REGION_LABEL: region, names.ZONE_LABEL: zone, names.NODE_TYPE_LABEL: kind}
    marks = {key: value for key, value in marks.items() if value}
    marks |= {f"{names.NODE_CAPABILITY_PREFIX}{key}": value for key, value in (can or {}).items()}
    return {
        "metadata": {"name": name, "labels": marks | dict(labels or {})},
        "spec": {"taints": list(taints), "unschedulable": cordoned},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": pods} | dict(more or {}),
            "images": [{"names": [image], "sizeBytes": size} for image, size in (images or {}).items()],
            "conditions": [{"type": "Ready", "status": ready}] if ready else [],
        },
    }


def container(name: str = "main", *, image: str = "app:1", ports: Sequence[Object] = (), **requests: str) -> Object:
    """A container; resource names are written with underscores for what Python cannot spell (``ephemeral_storage``)."""
    asked = {key.replace("_", "-"): value for key, value in requests.items()}
    return {"name": name, "image": image, "ports": list(ports), "resources": {"requests": asked}}


def pod(
    name: str = "new",
    *containers: Object,
    on: str = "",
    namespace: str = "default",
    notes: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """A pod; ``on`` is the node it runs on, ``notes`` are its annotations."""
    metadata: Object = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "annotations": dict(notes or {})}
    whole: Object = {"containers": list(containers) or [container()], **spec}
    if on:
        whole["nodeName"] = on
    return {"metadata": metadata | {"labels": dict(labels or {})}, "spec": whole, "status": dict(status or {})}


def data(*, inputs: Sequence[str] = (), outputs: Sequence[str] = (), **hints: str) -> dict[str, str]:
    """Annotations: inputs and outputs in the order given, and hints by name with underscores for hyphens."""
    notes = {f"{names.INPUT_PREFIX}{number}": text for number, text in enumerate(inputs, start=1)}
    notes |= {f"{names.OUTPUT_PREFIX}{number}": text for number, text in enumerate(outputs, start=1)}
    return notes | {f"{names.HINT_PREFIX}{key.replace('_', '-')}": value for key, value in hints.items()}


def data_object(
    urn: str,
    *,
    at: Sequence[str] = (),
    gone: Sequence[str] = (),
    declared: Sequence[str] = (),
    size: int | None = None,
    pinned: int | None = None,
    namespace: str = "default",
    name: str = "",
    replicas: Sequence[Object] = (),
) -> Object:
    """A DataObject: replicas ``at`` nodes and, not available, at ``gone``; ``size`` as seen, ``pinned`` as wished."""
    spec: Object = {"urn": urn, "locations": [{"node": where} for where in declared]}
    found = [{"node": where, "available": True} for where in at] + [{"node": where} for where in gone]
    status: Object = {"replicas": [*found, *replicas]}
    if pinned is not None:
        spec["sizeBytes"] = pinned
    if size is not None:
        status["sizeBytes"] = size
    return {"metadata": {"name": name or f"o-{urn}", "namespace": namespace}, "spec": spec, "status": status}


def replica(node: str, store: str = "minio", *, seen: str = "", available: bool = True, **more: Any) -> Object:
    """A copy of a DataObject; ``seen`` is when, in RFC 3339."""
    return {"node": node, "store": store, "available": available, "lastProbeTime": seen, **more}


def capability(
    name: str,
    *,
    declared: Mapping[str, str] | None = None,
    found: Mapping[str, str] | None = None,
    stores: Sequence[Object] = (),
    links: Sequence[Object] = (),
    accelerators: Sequence[Object] = (),
    kind: str = "",
    region: str = "",
    zone: str = "",
) -> Object:
    """A NodeCapability."""
    status: Object = {"capabilities": dict(found or {}), "stores": list(stores), "links": list(links)}
    status |= {"accelerators": list(accelerators), "nodeType": kind, "region": region, "zone": zone}
    return {"metadata": {"name": name}, "spec": {"declared": dict(declared or {})}, "status": status}


def store(
    *buckets: str,
    available: bool = True,
    name: str = "minio",
    namespace: str = "",
    seen: str = "",
    role: str = "Stores",
) -> Object:
    """A store of a NodeCapability; ``seen`` is when it was asked, in RFC 3339."""
    told = {"name": name, "namespace": namespace, "available": available, "buckets": list(buckets)}
    return told | {"lastProbeTime": seen, "role": role}


def link(peer: str, *, bandwidth: int = 0, latency_s: float = 0.0) -> Object:
    """A measured link of a NodeCapability."""
    return {"peer": peer, "bandwidthBytesPerSecond": bandwidth, "latencySeconds": latency_s}


def time_s(text: str) -> float:
    """Seconds since 1970 of a time in RFC 3339."""
    return datetime.datetime.fromisoformat(text).timestamp()


def as_node(obj: Object) -> core.Node:
    return core.convert(obj, core.Node, "node")


def as_pod(obj: Object) -> core.Pod:
    return core.convert(obj, core.Pod, "pod")


def as_namespace(obj: Object) -> core.Namespace:
    return core.convert(obj, core.Namespace, "namespace")


def as_data_object(obj: Object) -> crd.DataObject:
    return core.convert(obj, crd.DataObject, "dataObject")


def as_capability(obj: Object) -> crd.NodeCapability:
    return core.convert(obj, crd.NodeCapability, "nodeCapability")


def state(
    nodes: Iterable[Object] = (),
    *,
    pods: Iterable[Object] = (),
    objects: Iterable[Object] = (),
    capabilities: Iterable[Object] = (),
    prior: config.Network = PRIOR,
    capacity: int = 2,
) -> cluster.Cluster:
    """A cluster of those objects."""
    made = cluster.Cluster(prior, HOME, capacity=capacity)
    for obj in nodes:
        made.apply_node(as_node(obj))
    for obj in capabilities:
        made.apply_capability(as_capability(obj))
    for obj in pods:
        made.apply_pod(as_pod(obj))
    for obj in objects:
        made.apply_data_object(as_data_object(obj))
    return made
