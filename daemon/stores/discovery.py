"""Which stores does this node's daemon look after? Services say it, the configuration, and the node's volumes.

A PersistentVolume counts where it is a directory (``local`` or ``hostPath``) that its node affinity ties to this node,
and where its label ``scheduler.thesis/storage-bucket`` says which bucket the directory stands for: the files below
it are the bucket's keys. Everything is answered from the objects given, without asking anybody.

A store outside the cluster would be asked by every daemon that may; one is enough. The daemons that may agree on the
asker without talking: each of them knows the nodes that may, and the node that comes first in an order that a hash of
store and node gives is the one. So several such stores spread over the nodes, and when a node is gone the next one
takes over.

A node describes so many stores and no more. Where it has more, those that speak for everybody go first, and the others
take turns by namespace, so that no namespace can push out another's (``shared_out``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import os.path
from collections.abc import Iterable, Sequence
from typing import Final

from daemon import config
from daemon.stores import addresses, model, services
from scheduler.api import core, names, storage, urns

MAX_STORES: Final = 64  # the bound of NodeCapability's schema

_MAX_PATH: Final = 1024  # characters of a directory's path, which a status shows

# What the control plane taints a node with that does not answer any more.
_NOT_READY: Final = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What the API server says that bears on this node's stores.

    Attributes:
        node: This node.
        services: All Services.
        pods: The pods of this node.
        volumes: All PersistentVolumes with the label.
        nodes: All nodes that may ask for stores outside the cluster; this one counts even where it is missing.
        shared: The namespaces whose stores speak for everybody: the scheduler's own, and those labelled so.
        refused: Addresses that no namespace's Service may have asked, beside the node's own: the API server's.
    """

    node: core.Node
    services: Sequence[storage.Service] = ()
    pods: Sequence[core.Pod] = ()
    volumes: Sequence[storage.PersistentVolume] = ()
    nodes: Sequence[core.Node] = ()
    shared: frozenset[str] = frozenset()
    refused: frozenset[addresses.Address] = frozenset()


def find(cluster: Cluster, settings: config.Settings, *, host_root: str = "/") -> tuple[model.Store, ...]:
    """The stores of this node, in the order of their names; of several with one name the first found.

    Args:
        host_root: Where the node's file system is, unless the configuration says it.
    """
    root = settings.volumes_root or host_root
    own = [addresses.literal(entry.address) for entry in cluster.node.status.addresses]
    refused = cluster.refused.union(address for address in own if address is not None)
    guard = addresses.Guard(settings.allowed_endpoints, refused)
    found = [
        *services.discover(cluster.services, cluster.pods, everybodys=cluster.shared, guard=guard),
        *(entry.store for entry in settings.stores if _looks_after(cluster, entry)),
        *(_of_path(entry, root) for entry in settings.paths if _includes(entry.nodes, cluster.node)),
        *_of_volumes(cluster, root),
    ]
    by_name = {store.name: store for store in reversed(found)}
    return tuple(by_name[name] for name in sorted(by_name))


def shared_out(
    found: Sequence[model.Store], limit: int = MAX_STORES
) -> tuple[tuple[model.Store, ...], tuple[model.Store, ...]]:
    """The stores that are looked after and those that there is no room for, both in the order of their names."""
    turns: dict[tuple[bool, bool, str], list[model.Store]] = {}
    for store in sorted(found, key=lambda store: store.name):
        kind = (bool(store.speaks_for), bool(store.service), store.namespace if store.service else "")
        turns.setdefault(kind, []).append(store)

    def turn(one: tuple[tuple[bool, bool, str], int]) -> tuple[bool, bool, int, str]:
        (is_private, is_announced, namespace), number = one
        # Not the alphabet: it would leave out the same namespaces on every node.
        return is_private, is_announced, number, hashlib.sha256(namespace.encode()).hexdigest()

    order = sorted(((kind, number) for kind, some in turns.items() for number in range(len(some))), key=turn)
    chosen = [turns[kind][number] for kind, number in order]
    kept, left = (tuple(sorted(part, key=lambda store: store.name)) for part in (chosen[:limit], chosen[limit:]))
    return kept, left


def fellows(node: core.Node, settings: config.Settings) -> list[config.Nodes]:
    """The nodes that may ask what this one may ask, store by store: who does it depends on which of them are there."""
    return [entry.nodes for entry in settings.stores if entry.store.place is not None and _includes(entry.nodes, node)]


def _looks_after(cluster: Cluster, entry: config.ConfiguredStore) -> bool:
    if not _includes(entry.nodes, cluster.node):
        return False
    if entry.store.place is None:
        return True
    mine = cluster.node.metadata.name
    willing = {node.metadata.name for node in cluster.nodes if _includes(entry.nodes, node) and is_ready(node)}
    return min(willing | {mine}, key=lambda node: _rank(entry.store.name, node)) == mine


def _rank(store: str, node: str) -> str:
    return hashlib.sha256(f"{store} {node}".encode()).hexdigest()


def is_ready(node: core.Node) -> bool:
    """Whether the control plane hears from the node, and hears that it is ready."""
    said = next((condition.status for condition in node.status.conditions if condition.type == "Ready"), "True")
    return said == "True" and _NOT_READY.isdisjoint(taint.key for taint in node.spec.taints)


def _includes(nodes: config.Nodes, node: core.Node) -> bool:
    return nodes.include(node.metadata.name, node.metadata.labels)


def _of_path(entry: config.Directory, root: str) -> model.Store:
    return _local(f"path:{entry.path}", entry.bucket, entry.path, root)


def _of_volumes(cluster: Cluster, root: str) -> Iterable[model.Store]:
    for volume in cluster.volumes:
        bucket, directory = volume.metadata.labels.get(names.STORAGE_BUCKET), _directory(volume)
        if bucket is not None and directory and _is_of(volume, cluster.node):
            yield _local(f"volume:{volume.metadata.name}", bucket, directory, root)


def _local(name: str, bucket: str, path: str, root: str) -> model.Store:
    problem = urns.bucket_fault(bucket)
    if problem:
        problem = f'{names.STORAGE_BUCKET}: "{bucket[:80]}": {problem}'
    elif not path.startswith("/") or ".." in path.split("/") or len(path) > _MAX_PATH:
        problem = f'"{path[:80]}" is not an absolute path without "..", of at most {_MAX_PATH} characters'
    return model.Store(
        namespace="",
        service="",
        service_uid="",
        endpoint=f"file://{path[:_MAX_PATH]}",
        secret="",
        problem=problem,
        alias=name[:253],
        technology="local",
        directory=os.path.normpath(f"{root}/{path}"),
        bucket=bucket,
    )


def _directory(volume: storage.PersistentVolume) -> str:
    source = volume.spec.local or volume.spec.host_path
    return source.path if source else ""


def _is_of(volume: storage.PersistentVolume, node: core.Node) -> bool:
    """Whether the volume is tied to a node, and to this one."""
    affinity = volume.spec.node_affinity
    selector = affinity.required if affinity else None
    return selector is not None and any(_matches(term, node) for term in selector.node_selector_terms)


def _matches(term: core.NodeSelectorTerm, node: core.Node) -> bool:
    held = [_holds(one, node.metadata.labels) for one in term.match_expressions]
    held += [_holds(one, {"metadata.name": node.metadata.name}) for one in term.match_fields]
    return bool(held) and all(held)


def _holds(requirement: core.Requirement, labels: dict[str, str]) -> bool:
    """One requirement; an operator that no local volume is seen with (Gt, Lt) ties it to no node."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False
