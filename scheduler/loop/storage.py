"""The answer of /storage-info: which stores and buckets there are, on which nodes, and how fast the links are."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any

from scheduler import config
from scheduler.api import crd, names, units


def describe(
    capabilities: Iterable[crd.NodeCapability],
    objects: Iterable[crd.DataObject],
    network: config.Network,
    *,
    now_s: float,
) -> dict[str, Any]:
    """Plain data, sorted by name.

    Returns:
        ``nodes``: those that serve stores, with each store's endpoint, technology, state and buckets.
        ``buckets``: who serves a bucket, how many DataObjects are known in it (the bucket's own not counted), and how
        many keys and bytes it holds, where its DataObject says so.
        ``links``: what was measured, with the node that reports it, how many samples it rests on, how far it was
        trusted when measured, and how long ago that is.
        ``bandwidth``: what a link is assumed to do before it is measured, by distance.
    """
    nodes: dict[str, Any] = {}
    holders: dict[str, set[str]] = collections.defaultdict(set)
    links: list[dict[str, Any]] = []
    for capability in sorted(capabilities, key=lambda each: each.metadata.name):
        status = capability.status
        links += (_link(capability.metadata.name, link, now_s) for link in status.links)
        if not status.stores:
            continue
        name = capability.metadata.name
        stores = [
            {
                "name": store.name,
                "endpoint": store.endpoint,
                "technology": store.technology,
                "available": store.available,
                "message": store.message,
                "buckets": list(store.buckets),
            }
            for store in status.stores
        ]
        nodes[name] = {"type": status.node_type, "region": status.region, "zone": status.zone, "stores": stores}
        for store in status.stores:
            for bucket in store.buckets:
                holders[bucket].add(name)
    buckets: dict[str, dict[str, Any]] = {}
    known = 0
    for obj in objects:
        known += 1
        bucket, _, key = obj.spec.urn.partition("/")
        entry = buckets.setdefault(bucket, {"nodes": [], "dataObjects": 0, "objectCount": None, "sizeBytes": None})
        holders[bucket].update(
            crd.place_name(replica.region, replica.zone) if replica.node == names.EXTERNAL else replica.node
            for replica in obj.status.replicas
        )
        holders[bucket].update(location.node for location in obj.spec.locations)
        if key:
            entry["dataObjects"] += 1
        else:
            entry["objectCount"] = obj.status.object_count
            entry["sizeBytes"] = obj.status.size_bytes
    for bucket, held_by in holders.items():
        entry = buckets.setdefault(bucket, {"nodes": [], "dataObjects": 0, "objectCount": None, "sizeBytes": None})
        entry["nodes"] = sorted(held_by)
    return {
        "nodes": nodes,
        "buckets": dict(sorted(buckets.items())),
        "dataObjects": known,
        "links": links,
        "bandwidth": {
            _camel(name): {"bandwidthBytesPerSecond": link.bandwidth_bytes_per_s, "latencySeconds": link.latency_s}
            for name, link in vars(network).items()
        },
    }


def _link(reporter: str, link: crd.Link, now_s: float) -> dict[str, Any]:
    measured_at_s = units.time_s(link.last_probe_time)
    ends = ("from", "to") if link.direction != "From" else ("to", "from")
    return {
        ends[0]: reporter,
        ends[1]: link.peer,
        "reporter": reporter,
        "bandwidthBytesPerSecond": link.bandwidth_bytes_per_second,
        "bandwidthLowBytesPerSecond": link.bandwidth_low_bytes_per_second,
        "latencySeconds": link.latency_seconds,
        "samples": link.samples,
        "confidence": link.confidence,
        "ageSeconds": max(now_s - measured_at_s, 0.0) if measured_at_s is not None else None,
    }


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
