"""What is known of the cluster: each object as last seen, the state that decisions read, and whom a change helps.

The state (scheduler.state) holds what decisions need, as arrays; the objects themselves are kept beside it, to tell
what a new version changes, and to hand out the question of a decision.
"""

from __future__ import annotations

from collections.abc import Callable

from scheduler import config, errors
from scheduler.api import core, crd
from scheduler.kernel import commands, events, queue
from scheduler.plugins import capability as node_capability
from scheduler.plugins.pod_affinity import requiring
from scheduler.state import cluster, podterms, witnesses

Place = tuple[str, str]


class World:
    """Takes in what was seen, and wakes whom it may help.

    Args:
        home: The namespace whose DataObjects serve everybody's pods.
    """

    def __init__(self, settings: config.Settings, home: str, waiting: queue.Queue) -> None:
        self.state = cluster.Cluster(settings.network, home, witness_max_age_s=settings.witness_max_age_s)
        self.nodes: dict[str, core.Node] = {}
        self.unreadable_nodes: set[str] = set()
        self.namespaces: dict[str, core.Namespace] = {}
        self.device_classes: dict[str, core.DeviceClass] = {}
        self.objects: dict[Place, crd.DataObject] = {}
        self.capabilities: dict[str, crd.NodeCapability] = {}
        self.pods: dict[str, core.Pod] = {}  # by uid: those that have a node and are not finished
        self.nominated: dict[str, core.Pod] = {}  # by uid: those of ours that wait and have a node reserved by eviction
        self._queue = waiting
        self._told: list[commands.Command] = []

    def drain(self) -> list[commands.Command]:
        """What there is to tell of since the last time."""
        told, self._told = self._told, []
        return told

    # ------------------------------------------------------------------------------------------------------- nodes

    def node_seen(self, event: events.NodeSeen) -> None:
        node = event.node
        name = node.metadata.name
        try:
            self.state.apply_node(node)
        except errors.InputError as error:
            self._told.append(commands.Unreadable("Node", name, str(error)))
            self.unreadable_nodes.add(name)
            return
        self.unreadable_nodes.discard(name)
        before = self.nodes.get(name)
        self.nodes[name] = node
        if before is None or _offer(before) != _offer(node):
            self.wake()
        elif witnesses.is_ready(node) and not witnesses.is_ready(before):
            self._wake_refused(node_capability.FILTER.name)  # its stores can be had again

    def node_gone(self, event: events.NodeGone) -> None:
        self.unreadable_nodes.discard(event.name)
        self.nodes.pop(event.name, None)
        self.state.remove_node(event.name)

    # -------------------------------------------------------------------------------- namespaces and device classes

    def namespace_seen(self, event: events.NamespaceSeen) -> None:
        namespace = event.namespace
        self.state.apply_namespace(namespace)
        before = self.namespaces.get(namespace.metadata.name)
        self.namespaces[namespace.metadata.name] = namespace
        if before is None or before.metadata.labels != namespace.metadata.labels:
            self._wake_refused(requiring.FILTER.name)

    def namespace_gone(self, event: events.NamespaceGone) -> None:
        self.namespaces.pop(event.name, None)
        self.state.remove_namespace(event.name)

    def device_class_seen(self, event: events.DeviceClassSeen) -> None:
        self.device_classes[event.device_class.metadata.name] = event.device_class
        self.state.apply_device_class(event.device_class)
        self.wake()

    def device_class_gone(self, event: events.DeviceClassGone) -> None:
        self.device_classes.pop(event.name, None)
        self.state.remove_device_class(event.name)
        self.wake()

    # -------------------------------------------------------------------------------------------------------- data

    def object_seen(self, event: events.ObjectSeen) -> None:
        obj = event.obj
        self.objects[obj.metadata.namespace, obj.metadata.name] = obj
        self.state.apply_data_object(obj)

    def object_gone(self, event: events.ObjectGone) -> None:
        self.objects.pop((event.namespace, event.name), None)
        self.state.remove_data_object(event.namespace, event.name)

    def capability_seen(self, event: events.CapabilitySeen) -> None:
        capability = event.capability
        before = self.capabilities.get(capability.metadata.name)
        self.capabilities[capability.metadata.name] = capability
        came_back = self.state.apply_capability(capability)
        if before is None or _abilities(before) != _abilities(capability):
            self.wake()
        elif came_back:
            self._wake_refused(node_capability.FILTER.name)

    def capability_gone(self, event: events.CapabilityGone) -> None:
        self.capabilities.pop(event.name, None)
        self.state.remove_capability(event.name)

    # -------------------------------------------------------------------------------------------------------- pods

    def pod_seen(self, event: events.PodSeen) -> None:
        pod = event.pod
        uid = pod.metadata.uid
        try:
            self.state.apply_pod(pod)
        except errors.InputError as error:
            self._told.append(commands.Unreadable("Pod", pod.key, str(error)))
            return
        self.nominated.pop(uid, None)
        before = self.pods.get(uid)
        self.pods[uid] = pod
        if before is None:
            self._wake_refused(requiring.FILTER.name, lambda waiting: self._may_draw(waiting, pod))
        elif before.metadata.labels != pod.metadata.labels:
            self._wake_refused(requiring.FILTER.name)
        if before is not None and before.status.phase == "Running" and _footprint(before) != _footprint(pod):
            self.wake()  # resized in place, perhaps to less

    def pod_gone(self, uid: str) -> None:
        self.pods.pop(uid, None)
        self.nominated.pop(uid, None)
        self.state.remove_pod(uid)
        self.wake()

    def nominate(self, uid: str, pod: core.Pod | None) -> None:
        """Count a pod that waits where eviction makes room for it, or (None, or no node named) no longer."""
        if self.state.is_placed(uid):
            self.nominated.pop(uid, None)
        elif pod is not None and pod.status.nominated_node_name:
            self.nominated[uid] = pod
            self.state.apply_pod(pod)
        elif self.nominated.pop(uid, None) is not None:
            self.state.remove_pod(uid)
            self.wake()  # what was kept for it is free

    # ---------------------------------------------------------------------------------------------------- wake-ups

    def wake(self) -> None:
        """Something happened that may let any pod fit that did not."""
        for uid in self._queue.lines[queue.Place.UNSCHEDULABLE].uids():
            entry = self._queue.get(uid)
            if entry is not None:
                self._queue.rouse(entry)

    def _wake_refused(self, plugin: str, may_help: Callable[[core.Pod], bool] | None = None) -> None:
        """Something happened that may change what a filter says of those pods, or of all (None)."""
        for entry in self._queue.sleepers(plugin):
            if may_help is None or may_help(entry.pod):
                self._queue.rouse(entry)

    def _may_draw(self, waiting: core.Pod, pod: core.Pod) -> bool:
        """Whether the company of a pod may help one that waits; one of which that cannot be told is tried again."""
        try:
            return podterms.may_draw(waiting, pod)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._told.append(commands.Defect("queue", waiting.key, bug))
            return True


def _offer(node: core.Node) -> tuple[object, ...]:
    """What of a node decides whether a pod fits."""
    return node.spec, node.metadata.labels, node.status.allocatable, node.status.declared_features


def _footprint(pod: core.Pod) -> tuple[object, ...]:
    """What of an assigned pod decides how much it holds."""
    spec, status = pod.spec, pod.status
    granted = [
        (container.name, container.allocated_resources, container.resources)
        for container in (*status.container_statuses, *status.init_container_statuses)
    ]
    whole = status.allocated_resources, status.resources
    return spec.containers, spec.init_containers, spec.resources, granted, whole


def _abilities(capability: crd.NodeCapability) -> tuple[object, ...]:
    """What of a NodeCapability decides whether a pod fits; probe times and link rates do not."""
    status = capability.status
    stores = [(store.name, store.namespace, store.available) for store in status.stores]
    return capability.spec, status.node_type, status.capabilities, status.accelerators, stores
