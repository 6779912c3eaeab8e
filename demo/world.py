"""The demo's data and pods: what lies where, what each stage asks for, and what a placement moves over the network."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from localcluster import cluster
from scheduler.api import annotations as intents
from scheduler.api import core

HERE = pathlib.Path(__file__).parent
_BYTES_PER_MB = 1_000_000


class Bucket(msgspec.Struct, forbid_unknown_fields=True):
    """A bucket, the node whose store holds it, and its first objects with their sizes in MB."""

    bucket: str
    node: str
    objects: dict[str, int] = {}


@dataclass(frozen=True)
class Stage:
    """Pods that are submitted together; ``manifests`` are plain objects without namespace or scheduler name."""

    name: str
    manifests: list[dict[str, Any]]


@dataclass(frozen=True)
class Move:
    """One input or output of a pod: its bucket's node is the other end."""

    urn: str
    size_bytes: int
    node: str


@dataclass(frozen=True)
class World:
    """Buckets by name, stages in order, and by pod name what it moves."""

    buckets: Mapping[str, Bucket]
    stages: list[Stage]
    moves: dict[str, list[Move]] = field(default_factory=dict)


def load() -> World:
    """Read the files beside this module."""
    buckets = {
        bucket.bucket: bucket
        for bucket in msgspec.convert(yaml.safe_load((HERE / "data.yaml").read_text()), list[Bucket])
    }
    stages = [
        Stage(name=path.stem, manifests=list(yaml.safe_load_all(path.read_text())))
        for path in sorted((HERE / "stages").glob("*.yaml"))
    ]
    world = World(buckets=buckets, stages=stages)
    for stage in stages:
        for manifest in stage.manifests:
            pod = core.convert(manifest, core.Pod, stage.name)
            intent, problems = intents.parse(pod.metadata.annotations)
            if problems:
                raise problems[0]
            world.moves[pod.metadata.name] = [
                Move(urn=transfer.urn, size_bytes=transfer.size_bytes, node=buckets[transfer.bucket].node)
                for transfer in (*intent.inputs, *intent.outputs)
            ]
    return world


def upload(world: World, running: cluster.Cluster) -> int:
    """Put the first objects into their stores; returns the bytes stored."""
    total_bytes = 0
    for bucket in world.buckets.values():
        store = running.stores[bucket.node]
        client = store.client()
        if not client.bucket_exists(bucket.bucket):
            client.make_bucket(bucket.bucket)
        for key, size_mb in bucket.objects.items():
            store.upload(bucket.bucket, key, size_mb * _BYTES_PER_MB)
            total_bytes += size_mb * _BYTES_PER_MB
    return total_bytes


def write_outputs(world: World, running: cluster.Cluster, stage: Stage) -> None:
    """Do what the stage's pods would do when they run: write their outputs to the buckets' stores."""
    for manifest in stage.manifests:
        pod = core.convert(manifest, core.Pod, stage.name)
        intent, _ = intents.parse(pod.metadata.annotations)
        for transfer in intent.outputs:
            key = transfer.urn.partition("/")[2]
            running.stores[world.buckets[transfer.bucket].node].upload(transfer.bucket, key, transfer.size_bytes)


def moved_bytes(world: World, pod: str, node: str) -> int:
    """The bytes that cross the network when a pod runs on a node: all its data whose store is on another node."""
    return sum(move.size_bytes for move in world.moves[pod] if move.node != node)
