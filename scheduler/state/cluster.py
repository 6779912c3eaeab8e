"""The one copy of cluster state, and the only code that changes it: apply what was seen, assume what was decided.

Every node has a slot (an index) for as long as it lives; slots of deleted nodes are used again. Every assigned pod is
counted on its node's slot exactly once, whether it was seen there or only assumed there because a binding is under way.
An assumed pod stays counted until the watch confirms it or the binder takes it back with ``forget``; it never expires.
All methods are synchronous and run on the loop's thread.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.api import core, crd
from scheduler.state import demand, facts, images, labels, neighbours, network, replicas, snapshot, usage, witnesses

_FINISHED: Final = ("Succeeded", "Failed")
_FIRST_CAPACITY: Final = 64


class Counts(NamedTuple):
    """Nodes, counted pods, and those of them that are only assumed."""

    nodes: int
    pods: int
    assumed: int


class Cluster:
    """Nodes, assigned pods, namespaces, DataObjects and NodeCapabilities.

    Args:
        prior: Bandwidth and latency by topology class.
        home_namespace: Whose DataObjects every pod may use.
        capacity: Node slots to begin with; grows by doubling.
        witness_max_age_s: For how long a copy of data counts that nobody has seen since.
    """

    def __init__(
        self,
        prior: config.Network,
        home_namespace: str,
        capacity: int = _FIRST_CAPACITY,
        *,
        witness_max_age_s: float = config.Settings.witness_max_age_s,
    ) -> None:
        self.generation = 0
        self._names: list[str] = []  # by slot; "" where free
        self._index_of: dict[str, int] = {}
        self.witnesses = witnesses.Witnesses(witness_max_age_s)
        self.replicas = replicas.ReplicaTable(home_namespace, self.witnesses)
        self._free: list[int] = []
        self._nodes: dict[str, core.Node] = {}
        self._capabilities: dict[str, crd.NodeCapability] = {}
        self._placed: dict[str, snapshot.Placed] = {}  # by pod uid
        self._on_node: dict[str, set[str]] = {}  # node name -> uids, known node or not
        self._nominated: dict[str, core.Pod] = {}
        self._neighbours = neighbours.Neighbours(self._placed)
        self._taint_ids: dict[tuple[core.Taint, ...], int] = {}
        self._capacity = max(capacity, 1)
        self._alive = np.zeros(self._capacity, np.bool_)
        self._unschedulable = np.zeros(self._capacity, np.bool_)
        self._taint_set = np.zeros(self._capacity, np.int32)
        self._node_type = np.zeros(self._capacity, np.int8)
        self._hardware = np.zeros((2, self._capacity), np.bool_)  # gpu, fast storage
        self._images = images.ImageTable(self._capacity)
        self._labels = labels.LabelTable(self._capacity)
        self._capability_table = labels.LabelTable(self._capacity)
        self._features = labels.LabelTable(self._capacity)
        self._device_classes: dict[str, str] = {}  # name -> extended resource, where it claims one
        self._usage = usage.Usage(self._capacity)
        self._network = network.Network(prior, self._capacity)

    # Nodes

    def apply_node(self, node: core.Node) -> None:
        """Add a node or take in its new version.

        Raises:
            InputError: a quantity of it cannot be read; nothing is changed then.
        """
        name = node.metadata.name
        offered = usage.amounts(node.status.allocatable)
        index = self._index_of.get(name)
        is_new = index is None
        if index is None:
            index = self._take_slot(name)
        before = self._nodes.get(name)
        self._nodes[name] = node
        self.witnesses.set_node(node)
        self._usage.set_node(index, offered)
        self._unschedulable[index] = node.spec.unschedulable
        self._taint_set[index] = self._taint_ids.setdefault(node.spec.taints, len(self._taint_ids))
        if len(self._taint_ids) > 2 * self._capacity:
            self._forget_unused_taints()
        self._labels.set_row(index, node.metadata.labels)
        self._features.set_row(index, dict.fromkeys(node.status.declared_features, ""))
        self._images.replace(index, before.status.images if before else (), node.status.images)
        self._set_facts(name, index)
        if is_new:
            for uid in self._on_node.get(name, ()):
                placed = self._placed[uid]
                placed.index = index
                self._usage.add(index, placed.asked, placed.ports, 1)
                self._neighbours.add(placed.pod, index, 1)
        self.generation += 1

    def remove_node(self, name: str) -> None:
        """Forget a node; its pods stay known and count again if it comes back."""
        index = self._index_of.pop(name, None)
        if index is None:
            return
        self._images.replace(index, self._nodes.pop(name).status.images, ())
        for uid in self._on_node.get(name, ()):
            placed = self._placed[uid]
            self._neighbours.add(placed.pod, index, -1)
            placed.index = -1
        self._usage.clear_node(index)
        self._labels.set_row(index, {})
        self._capability_table.set_row(index, {})
        self._features.set_row(index, {})
        self.witnesses.remove_node(name)
        self.replicas.served.serve(name, ())
        self._network.set_links(name, ("", ""), ())
        self._alive[index] = False
        self._names[index] = ""
        self._free.append(index)
        self.generation += 1

    def apply_capability(self, capability: crd.NodeCapability) -> bool:
        """Add or replace a NodeCapability; it counts once its node is known.

        Returns:
            Whether a store of it may count again that was silent for too long.
        """
        name = capability.metadata.name
        self._capabilities[name] = capability
        came_back = self.witnesses.set_stores(name, capability.status.stores)
        if name in self._index_of:
            self._set_facts(name, self._index_of[name])
        self.generation += 1
        return came_back

    def remove_capability(self, name: str) -> None:
        """Forget a NodeCapability."""
        if self._capabilities.pop(name, None) is not None:
            self.witnesses.set_stores(name, ())
            if name in self._index_of:
                self._set_facts(name, self._index_of[name])
            self.generation += 1

    # Namespaces

    def apply_namespace(self, namespace: core.Namespace) -> None:
        """Add a namespace or take in its labels."""
        self._neighbours.namespaces[namespace.metadata.name] = namespace.metadata.labels
        self.generation += 1

    def remove_namespace(self, name: str) -> None:
        """Forget a namespace."""
        if self._neighbours.namespaces.pop(name, None) is not None:
            self.generation += 1

    # Device classes

    def apply_device_class(self, device_class: core.DeviceClass) -> None:
        """Add a device class or take in which extended resource it claims."""
        self.remove_device_class(device_class.metadata.name)
        if device_class.spec.extended_resource_name:
            self._device_classes[device_class.metadata.name] = device_class.spec.extended_resource_name
            self.generation += 1

    def remove_device_class(self, name: str) -> None:
        """Forget a device class."""
        if self._device_classes.pop(name, None) is not None:
            self.generation += 1

    # Data

    def apply_data_object(self, obj: crd.DataObject) -> None:
        """Add or replace a DataObject."""
        self.replicas.apply(obj)
        self.generation += 1

    def remove_data_object(self, namespace: str, name: str) -> None:
        """Forget a DataObject."""
        self.replicas.remove(namespace, name)
        self.generation += 1

    # Pods

    def apply_pod(self, pod: core.Pod) -> None:
        """Take in a pod as seen: counted while assigned and unfinished; seeing an assumed one confirms it.

        Raises:
            InputError: a quantity of it cannot be read; the pod is then not counted.
        """
        uid = pod.metadata.uid
        placed = self._placed.get(uid)
        if not pod.spec.node_name or pod.status.phase in _FINISHED:
            if placed is not None and placed.assumed and pod.status.phase not in _FINISHED:
                return  # an older version of a pod whose binding is under way
            self.remove_pod(uid)
            if pod.status.nominated_node_name and pod.status.phase not in _FINISHED:
                self._nominated[uid] = pod
            return
        if placed is not None and placed.node == pod.spec.node_name and _counts_alike(placed.pod, pod):
            placed.pod, placed.assumed = pod, False
        else:
            if placed is not None or uid in self._nominated:
                self._drop(uid)
            self._place(pod, pod.spec.node_name, assumed=False)
        self.generation += 1

    def remove_pod(self, uid: str) -> None:
        """Forget a pod that is gone; an unknown one is no error."""
        if self._drop(uid):
            self.generation += 1

    def assume(self, pod: core.Pod, node: str) -> None:
        """Count a pod on the node it is about to be bound to.

        Raises:
            KeyError: the node is unknown, or the pod is counted already.
        """
        if node not in self._index_of or pod.metadata.uid in self._placed:
            raise KeyError(f"{pod.key} cannot be assumed on {node!r}")
        self._nominated.pop(pod.metadata.uid, None)
        self._place(pod, node, assumed=True)
        self.generation += 1

    def forget(self, uid: str) -> None:
        """Take back an assumption that did not come true; a pod seen as bound meanwhile stays counted."""
        if self.is_assumed(uid):
            pod = self._placed[uid].pod
            self.remove_pod(uid)
            if pod.status.nominated_node_name:
                self._nominated[uid] = pod

    def is_assumed(self, uid: str) -> bool:
        """Whether a pod is counted only because its binding is under way."""
        placed = self._placed.get(uid)
        return placed is not None and placed.assumed

    def is_placed(self, uid: str) -> bool:
        """Whether a pod is counted on a node, assumed or seen."""
        return uid in self._placed

    # Reading

    def counts(self) -> Counts:
        """How much is known."""
        assumed = sum(placed.assumed for placed in self._placed.values())
        return Counts(nodes=len(self._index_of), pods=len(self._placed), assumed=assumed)

    def freeze(self, now_s: float | None = None) -> snapshot.Snapshot:
        """The state as the engine reads it; valid until the next change.

        Args:
            now_s: The time to which the ages of measurements and of copies are reckoned, in seconds since 1970; None
                takes that of the latest of them.
        """
        if now_s is None:
            now_s = max(self._network.newest_s(), self.witnesses.newest_s(), self.replicas.newest_s())
        size, use = len(self._names), self._usage
        view = slice(0, size)
        return snapshot.Snapshot(
            generation=self.generation,
            size=size,
            count=len(self._index_of),
            names=self._names,
            index_of=self._index_of,
            alive=_read_only(self._alive[view]),
            unschedulable=_read_only(self._unschedulable[view]),
            taint_set=_read_only(self._taint_set[view]),
            taint_sets=list(self._taint_ids),
            node_labels=self._labels,
            capabilities=self._capability_table,
            features=self._features,
            node_type=_read_only(self._node_type[view]),
            has_gpu=_read_only(self._hardware[0, view]),
            has_fast_storage=_read_only(self._hardware[1, view]),
            resource_row=use.rows,
            offered=_read_only(use.offered[:, view]),
            taken=_read_only(use.taken[:, view]),
            ports=use.ports,
            images=self._images.by_name,
            neighbours=self._neighbours,
            nominated_pods=self._nominated,
            placed=self._placed,
            locations=self.replicas,
            witnesses=self.witnesses,
            links=self._network,
            device_resources=frozenset(self._device_classes.values()),
            now_s=now_s,
        )

    # Inside

    def _take_slot(self, name: str) -> int:
        if self._free:
            index = self._free.pop()
            self._names[index] = name
        else:
            index = len(self._names)
            self._names.append(name)
            if index == self._capacity:
                self._grow(2 * self._capacity)
        self._index_of[name] = index
        self._alive[index] = True
        return index

    def _grow(self, capacity: int) -> None:
        for attribute in ("_alive", "_unschedulable", "_taint_set", "_node_type", "_hardware"):
            array = getattr(self, attribute)
            wider = np.zeros((*array.shape[:-1], capacity), array.dtype)
            wider[..., : array.shape[-1]] = array
            setattr(self, attribute, wider)
        for table in (self._labels, self._capability_table, self._features, self._images, self._usage, self._network):
            table.grow(capacity)
        self._capacity = capacity

    def _forget_unused_taints(self) -> None:
        """Drop the sets that no slot has any more: a taint whose value is a time would collect them for ever."""
        by_id = list(self._taint_ids)
        used, renumbered = np.unique(self._taint_set, return_inverse=True)
        self._taint_set = renumbered.astype(np.int32)
        self._taint_ids = {by_id[old]: new for new, old in enumerate(used.tolist())}

    def _set_facts(self, name: str, index: int) -> None:
        found = facts.of(self._nodes[name], self._capabilities.get(name))
        self._node_type[index] = found.type_code
        self._hardware[:, index] = (found.has_gpu, found.has_fast_storage)
        self._capability_table.set_row(index, found.capabilities)
        self._network.place(index, found.site)
        self._network.set_links(name, (found.site.region, found.site.zone), found.links)
        self.replicas.served.serve(name, found.stores)

    def _place(self, pod: core.Pod, node: str, *, assumed: bool) -> None:
        placed = snapshot.Placed(
            pod=pod,
            node=node,
            index=self._index_of.get(node, -1),
            asked=demand.of(pod),
            ports=demand.host_ports(pod),
            assumed=assumed,
        )
        uid = pod.metadata.uid
        self._placed[uid] = placed
        self._on_node.setdefault(node, set()).add(uid)
        if placed.index >= 0:
            self._usage.add(placed.index, placed.asked, placed.ports, 1)
            self._neighbours.add(pod, placed.index, 1)

    def _drop(self, uid: str) -> bool:
        nominated = self._nominated.pop(uid, None)
        placed = self._placed.pop(uid, None)
        if placed is None:
            return nominated is not None
        uids = self._on_node[placed.node]
        uids.discard(uid)
        if not uids:
            del self._on_node[placed.node]
        if placed.index >= 0:
            self._usage.add(placed.index, placed.asked, placed.ports, -1)
            self._neighbours.add(placed.pod, placed.index, -1)
        return True


def _counts_alike(old: core.Pod, new: core.Pod) -> bool:
    """Whether two versions of a pod count alike, so that most status updates cost a comparison only."""
    return (
        old.metadata.labels == new.metadata.labels
        and old.spec.affinity == new.spec.affinity
        and old.spec.containers == new.spec.containers
        and old.spec.init_containers == new.spec.init_containers
        and old.spec.resources == new.spec.resources
        and old.status.container_statuses == new.status.container_statuses
        and old.status.init_container_statuses == new.status.init_container_statuses
        and old.status.conditions == new.status.conditions
        and old.status.resources == new.status.resources
        and old.status.allocated_resources == new.status.allocated_resources
    )


Scalar = TypeVar("Scalar", bound=np.generic)


def _read_only(view: NDArray[Scalar]) -> NDArray[Scalar]:
    view.flags.writeable = False
    return view
