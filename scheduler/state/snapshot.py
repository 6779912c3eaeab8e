"""The cluster at one moment, as the engine reads it: read-only arrays over nodes and the tables behind them.

A snapshot shares its arrays with the state it was taken from and is valid until the next change of that state; a
decision runs between two changes on the same thread, so it never sees one half done. All vectors have ``size`` entries;
an entry whose ``alive`` is false is a free slot, not a node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.api import core
from scheduler.state import (
    budgets,
    changes,
    demand,
    durations,
    images,
    labels,
    neighbours,
    network,
    pipelines,
    priorities,
    replicas,
    selecting,
    taints,
    traffic,
    usage,
    witnesses,
)
from scheduler.state.claims import store
from scheduler.state.volumes import storage

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Placed(msgspec.Struct):
    """An assigned pod: ``index`` is its node's slot, or -1 while that node is unknown; then it has no ``company``."""

    pod: core.Pod
    node: str
    index: int
    asked: demand.Demand
    ports: tuple[demand.Port, ...]
    assumed: bool
    company: neighbours.Company | None = None

    def counts_like(self, new: core.Pod) -> bool:
        """Whether another version of the pod counts alike, so that most status updates cost a comparison only."""
        old = self.pod
        return (
            old.metadata.namespace == new.metadata.namespace
            and old.metadata.labels == new.metadata.labels
            and bool(old.metadata.deletion_timestamp) == bool(new.metadata.deletion_timestamp)
            and old.spec.priority == new.spec.priority
            and old.spec.affinity == new.spec.affinity
            and old.spec.containers == new.spec.containers
            and old.spec.init_containers == new.spec.init_containers
            and old.spec.resources == new.spec.resources
            and old.status.container_statuses == new.status.container_statuses
            and old.status.init_container_statuses == new.status.init_container_statuses
            and old.status.conditions == new.status.conditions
            and old.status.start_time == new.status.start_time
            and old.status.resources == new.status.resources
            and old.status.allocated_resources == new.status.allocated_resources
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """See the module. Resource rows are looked up in ``resource_row``; taint sets in ``taint_sets``.

    ``features`` are those that kubelets declared, each a label without value. ``now_s`` is the time of the snapshot in
    seconds since 1970. ``placed`` are pods by uid, ``placed_on`` the same by node. ``expected`` are the nominated
    pods as they would be on their nodes. ``priorities`` are those of the placed pods, ``budgets`` the
    PodDisruptionBudgets.
    """

    changes: changes.Log
    size: int
    count: int
    names: list[str]
    index_of: dict[str, int]
    alive: Mask
    unschedulable: Mask
    taint_set: NDArray[np.int32]
    taint_sets: list[taints.Taints]
    node_labels: labels.LabelTable
    capabilities: labels.LabelTable
    features: labels.LabelTable
    node_type: NDArray[np.int8]
    has_gpu: Mask
    has_fast_storage: Mask
    resource_row: Mapping[str, int]
    offered: Ints
    taken: Ints
    ports: usage.PortCounts
    offering: Mapping[int, Mapping[str, int]]
    images: Mapping[str, images.Image]
    neighbours: neighbours.Neighbours
    selectors: selecting.SelectorTable
    nominated_pods: Mapping[str, core.Pod]
    expected: Mapping[str, Placed]
    placed: Mapping[str, Placed]
    placed_on: Mapping[str, Mapping[str, Placed]]
    priorities: priorities.PriorityTable
    budgets: budgets.Budgets
    locations: replicas.ReplicaTable
    witnesses: witnesses.Witnesses
    storage: storage.Storage
    links: network.Network
    claims: store.Claims
    traffic: traffic.Traffic
    durations: durations.Durations
    pipelines: pipelines.Pipelines
    now_s: float

    # One node in plain integers and strings, for what is worked out for one alone: numpy takes longer for one than for
    # a thousand.

    def offer_of(self, index: int) -> list[int]:
        """What a node offers, by resource row."""
        row: list[int] = self.offered[:, index].tolist()
        return row

    def use_of(self, index: int) -> list[int]:
        """What is taken of it, by resource row."""
        row: list[int] = self.taken[:, index].tolist()
        return row

    def taints_of(self, index: int) -> taints.Taints:
        """Its taints."""
        return self.taint_sets[self.taint_set.item(index)]

    # Many nodes

    def reach(self, index: int, *, outward: bool) -> tuple[network.Floats, network.Floats]:
        """Bandwidth (bytes/s) and latency (s) from node ``index`` to every node, or from every node to it."""
        return self.links.reach(index, now_s=self.now_s, outward=outward)

    def reach_place(self, place: network.Site, *, outward: bool) -> tuple[network.Floats, network.Floats]:
        """The same between a place outside the cluster and every node."""
        return self.links.reach_place(place, now_s=self.now_s, outward=outward)

    def links_of(self, end: int | network.Site, *, outward: bool) -> network.Row:
        """What ``reach`` gives for a node or a place, and where it comes from."""
        return self.links.row(end, now_s=self.now_s, outward=outward)

    def link_of(self, end: int | network.Site, at: int, *, outward: bool) -> network.Used:
        """One entry of the same."""
        return self.links.used(end, at, now_s=self.now_s, outward=outward)

    def site_row(self, end: int | network.Site, *, outward: bool) -> tuple[network.Floats, network.Floats]:
        """[sites] what ``reach`` or ``reach_place`` give at the nodes of each site but for ``exceptions``; read-only.

        As long as ``links.made_of(now_s)`` is equal, so are all site rows.
        """
        row = self.links.site_row(end, now_s=self.now_s, outward=outward)
        return row.bandwidth, row.latency

    def exceptions(self, end: int | network.Site, *, outward: bool) -> dict[int, tuple[float, float]]:
        """Bandwidth and latency of the few nodes that ``end`` reaches otherwise, the node ``end`` itself among them."""
        return self.links.exceptions(end, now_s=self.now_s, outward=outward)

    def where_is(self, namespace: str, urn: str) -> replicas.Entry | None:
        """Where a namespace's pods can read a urn now; None when nothing is known of it."""
        return self.locations.resolve(namespace, urn, self.now_s)

    def stores_for(self, namespace: str, urn: str) -> replicas.Entry | None:
        """Where they can write it."""
        return self.locations.stores(namespace, urn, self.now_s)

    def local_storage(self, namespace: str) -> frozenset[int]:
        """The slots of nodes with a store that can be had now and that speaks for a namespace."""
        return self.locations.storage.slots(namespace, self.now_s, self.index_of)


Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(view: NDArray[Scalar]) -> NDArray[Scalar]:
    """The same view, that nobody can write through."""
    view.flags.writeable = False
    return view
