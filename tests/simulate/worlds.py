"""Small scenarios: nodes with stores, data that lies there, and pods that read and write."""

from __future__ import annotations

import dataclasses
from typing import Any

from scheduler import config
from scheduler.api import core, crd
from scheduler.simulate import scenario
from tests.fakeapi import objects

Json = dict[str, Any]

MB = 10**6
# Round numbers: 100 MB/s in a zone, 50 in a region, 10 between regions, a second of latency between regions.
NETWORK = config.Network(
    local=config.Link(1000 * MB, 0.0),
    same_zone=config.Link(100 * MB, 0.0),
    same_region=config.Link(50 * MB, 0.0),
    cross_region=config.Link(10 * MB, 1.0),
    edge_cloud=config.Link(5 * MB, 2.0),
)
TOGETHER = config.Settings(network=NETWORK, seed=1)
# Each pod by itself: for how long some wait for each other would stand in all figures.
SETTINGS = dataclasses.replace(TOGETHER, batch_window_s=0.0)


def node(name: str, *, zone: str = "r1/a", cpu: str = "4", kind: str = "", **changes: Json) -> core.Node:
    region, _, short = zone.partition("/")
    labels = {"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": short}
    if kind:
        labels["node-capability/node-type"] = kind
    body = objects.node(name, cpu=cpu, labels=labels)
    for part, change in changes.items():
        body[part] = body[part] | change
    return core.convert(body, core.Node, name)


def store(node: str, *buckets: str, **status: Any) -> crd.NodeCapability:
    """A node's NodeCapability, with one store for everybody."""
    stores = [{"name": "store", "available": True, "buckets": list(buckets)}] if buckets else []
    body = {"metadata": {"name": node}, "status": {"stores": stores} | status}
    return core.convert(body, crd.NodeCapability, node)


def data(urn: str, *nodes: str, size_bytes: int = 100 * MB, namespace: str = "default") -> crd.DataObject:
    """A DataObject with a copy on each of some nodes."""
    body = objects.data_object(urn.replace("/", "-"), urn, namespace=namespace, nodes=nodes)
    body["status"] = {
        "sizeBytes": size_bytes,
        "replicas": [{"node": each, "available": True, "sizeBytes": size_bytes} for each in nodes],
    }
    return core.convert(body, crd.DataObject, urn)


def work(
    name: str,
    *,
    reads: dict[str, int] | None = None,
    writes: dict[str, int] | None = None,
    cpu: str = "1",
    at_s: float = 0.0,
    after: tuple[str, ...] = (),
    works_s: float = 0.0,
    annotations: dict[str, str] | None = None,
    image: str = "",
    **spec: Any,
) -> scenario.Work:
    """A pod to come, with the sizes in bytes of what it reads and writes."""
    body = objects.pod(name)
    told = dict(annotations or {})
    for kind, wants in (("input", reads), ("output", writes)):
        for number, (urn, size_bytes) in enumerate((wants or {}).items(), start=1):
            told[f"data.scheduler.thesis/{kind}-{number}"] = f"{urn},{size_bytes}"
    body["metadata"]["annotations"] = told
    body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    if image:
        body["spec"]["containers"][0]["image"] = image
    body["spec"] |= spec
    return scenario.Work(
        pod=core.convert(body, core.Pod, name),
        arrives_s=at_s,
        after=tuple(f"default/{each}" for each in after),
        works_s=works_s,
    )


def world(*nodes: core.Node, name: str = "small", **parts: Any) -> scenario.Scenario:
    return scenario.Scenario(name=name, nodes=nodes, **({"settings": SETTINGS} | parts))
