"""Brings what the API server holds into the cluster state and the queue: the one writer of both, on the loop's thread.

Nodes, namespaces and assigned pods come from informers, which notice what vanished; pending pods have a module of their
own (scheduler.live.podfeed). The two custom resources come from Kopf, which loses deletions over a relist;
`CustomResources.refresh` therefore lists them now and then and drops what is absent. Nothing of a list but absences is
used once the watches run: a list may be older than the last event.

A change that may let a waiting pod fit wakes the queue: a node that is new or offers something else, a capability that
changed, an assigned pod that is gone or asks for less. Heartbeats and start-ups do not. What may only bring a pod the
company that it waits for, an assigned pod that is new or relabelled, wakes those alone that InterPodAffinity refused;
a node that becomes ready and a daemon that speaks again, whose stores count anew, those that NodeCapability refused.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar, TypeVarTuple

import structlog

from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.engine.filters import capability as node_capability
from scheduler.engine.filters import pod_affinity
from scheduler.kube import client, informer, reading
from scheduler.live import metrics, queue
from scheduler.state import cluster, podterms, witnesses

log = structlog.get_logger(__name__)

Ts = TypeVarTuple("Ts")
O = TypeVar("O", crd.DataObject, crd.NodeCapability)  # noqa: E741 (a type, not a number)

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
NAMESPACES = "/api/v1/namespaces"
DATA_OBJECTS = f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}"
NODE_CAPABILITIES = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"

TURN_EVERY = 500  # objects looked at between two turns of the loop


class Nodes:
    """An informer's handler that keeps the cluster's nodes."""

    def __init__(self, state: cluster.Cluster, waiting: queue.Queue, counters: metrics.Metrics) -> None:
        self._by_name: dict[str, core.Node] = {}
        self._unreadable: set[str] = set()
        self._cluster = state
        self._queue = waiting
        self._metrics = counters

    def apply(self, node: core.Node) -> None:
        name = node.metadata.name
        try:
            self._cluster.apply_node(node)
        except errors.InputError as error:
            self._metrics.bad_input("Node")
            self._unreadable.add(name)
            log.warning("node ignored, as a value of it cannot be read", node=name, error=str(error))
            return
        self._unreadable.discard(name)
        before = self._by_name.get(name)
        self._by_name[name] = node
        if before is None or _offer(before) != _offer(node):
            self._queue.wake()
        elif witnesses.is_ready(node) and not witnesses.is_ready(before):
            self._queue.wake_refused(node_capability.PLUGIN)  # its stores can be had again

    def remove(self, key: informer.Key) -> None:
        self._unreadable.discard(key.name)
        self._by_name.pop(key.name, None)
        self._cluster.remove_node(key.name)

    def has(self, name: str) -> bool:
        """Whether there is a node of that name, even where a value of it cannot be read."""
        return name in self._by_name or name in self._unreadable

    def replaced(self, count: int) -> None:
        log.info("nodes read", nodes=count)


class Namespaces:
    """An informer's handler that keeps the labels of namespaces, by which the affinity of pods may select."""

    def __init__(self, state: cluster.Cluster, waiting: queue.Queue) -> None:
        self._labels: dict[str, dict[str, str]] = {}
        self._cluster = state
        self._queue = waiting

    def apply(self, namespace: core.Namespace) -> None:
        name, labels = namespace.metadata.name, namespace.metadata.labels
        self._cluster.apply_namespace(namespace)
        if self._labels.get(name) != labels:
            self._labels[name] = labels
            self._queue.wake_refused(pod_affinity.PLUGIN)

    def remove(self, key: informer.Key) -> None:
        self._labels.pop(key.name, None)
        self._cluster.remove_namespace(key.name)

    def replaced(self, count: int) -> None:
        log.info("namespaces read", namespaces=count)


class AssignedPods:
    """An informer's handler that keeps what runs on the nodes."""

    def __init__(self, state: cluster.Cluster, waiting: queue.Queue, counters: metrics.Metrics) -> None:
        self.on_seen: list[Callable[[core.Pod], None]] = []
        self.on_gone: list[Callable[[core.Pod], None]] = []
        self._pods: dict[str, core.Pod] = {}  # by uid
        self._uids: dict[str, str] = {}  # by namespace/name
        self._cluster = state
        self._queue = waiting
        self._metrics = counters

    def apply(self, pod: core.Pod) -> None:
        uid = pod.metadata.uid
        try:
            self._cluster.apply_pod(pod)
        except errors.InputError as error:
            self._metrics.bad_input("Pod")
            log.warning("assigned pod not counted, as a value of it cannot be read", pod=pod.key, error=str(error))
            return
        before = self._pods.get(uid)
        self._pods[uid] = pod
        self._uids[pod.key] = uid
        if before is None:
            self._queue.wake_refused(pod_affinity.PLUGIN, lambda waiting: self._may_draw(waiting, pod))
        elif before.metadata.labels != pod.metadata.labels:
            self._queue.wake_refused(pod_affinity.PLUGIN)
        if before is not None and before.status.phase == "Running" and _footprint(before) != _footprint(pod):
            self._queue.wake()  # resized in place, perhaps to less
        tell_all(self.on_seen, self._metrics, pod.key, pod)

    def remove(self, key: informer.Key) -> None:
        pod = self._pods.pop(key.uid, None)
        self._cluster.remove_pod(key.uid)
        self._queue.remove(key.uid)
        self._queue.wake()
        if pod is not None:
            if self._uids.get(pod.key) == key.uid:
                del self._uids[pod.key]
            tell_all(self.on_gone, self._metrics, pod.key, pod)

    def has(self, uid: str) -> bool:
        """Whether a pod is assigned and not finished."""
        return uid in self._pods

    def uid_of(self, key: str) -> str | None:
        """Which pod of that namespace/name is; None if none is."""
        return self._uids.get(key)

    def replaced(self, count: int) -> None:
        log.info("assigned pods read", pods=count)

    def _may_draw(self, waiting: core.Pod, pod: core.Pod) -> bool:
        """Whether the company of a pod may help one that waits; one of which that cannot be told is tried again."""
        try:
            return podterms.may_draw(waiting, pod)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._metrics.failures.caught("queue", bug, pod=waiting.key)
            return True


@dataclasses.dataclass(slots=True)
class _Held:
    obj: Any
    seen: float


class CustomResources:
    """The DataObjects and NodeCapabilities, as Kopf reports them."""

    def __init__(
        self,
        api: client.Api,
        state: cluster.Cluster,
        waiting: queue.Queue,
        counters: metrics.Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.synced = False
        self.on_object: list[Callable[[tuple[str, str], crd.DataObject | None], None]] = []  # None: it is gone
        self._api = api
        self._cluster = state
        self._queue = waiting
        self._metrics = counters
        self._clock = clock
        self._objects: dict[tuple[str, str], _Held] = {}
        self._capabilities: dict[str, _Held] = {}

    def data_object(self, place: tuple[str, str]) -> crd.DataObject | None:
        """One of them, by namespace and name."""
        held = self._objects.get(place)
        return held.obj if held is not None else None

    def data_objects(self) -> list[crd.DataObject]:
        return [held.obj for held in self._objects.values()]

    async def each_data_object(self) -> AsyncIterator[crd.DataObject]:
        """Each that there was at the start and still is; the loop turns now and then."""
        for count, place in enumerate(list(self._objects), 1):
            if (held := self._objects.get(place)) is not None:
                yield held.obj
            if not count % TURN_EVERY:
                await asyncio.sleep(0)

    def capabilities(self) -> list[crd.NodeCapability]:
        return [held.obj for held in self._capabilities.values()]

    def data_object_event(self, kind: str | None, body: Mapping[str, Any]) -> None:
        with self._metrics.failures.contained("watch", object=name_of(body)):
            if kind == "DELETED":
                self._remove_object((body["metadata"]["namespace"], body["metadata"]["name"]))
            elif (obj := self._read(body, crd.DataObject)) is not None:
                self._apply_object(obj)

    def capability_event(self, kind: str | None, body: Mapping[str, Any]) -> None:
        with self._metrics.failures.contained("watch", object=name_of(body)):
            if kind == "DELETED":
                self._remove_capability(body["metadata"]["name"])
            elif (obj := self._read(body, crd.NodeCapability)) is not None:
                self._apply_capability(obj)

    async def refresh(self) -> None:
        """List both kinds once; the first time everything is taken in, later only what is absent is dropped.

        Raises:
            ApiError: a list could not be had; NotFoundError if the server does not know the kinds.
        """
        asked = self._clock()
        objects = await reading.list_all(self._api, DATA_OBJECTS, crd.DataObject)
        capabilities = await reading.list_all(self._api, NODE_CAPABILITIES, crd.NodeCapability)
        if not self.synced:
            for obj in objects:
                with self._metrics.failures.contained("watch", object=f"{obj.metadata.namespace}/{obj.metadata.name}"):
                    self._apply_object(obj)
            for capability in capabilities:
                with self._metrics.failures.contained("watch", object=capability.metadata.name):
                    self._apply_capability(capability)
            self.synced = True
        there = {(obj.metadata.namespace, obj.metadata.name) for obj in objects}
        for place in [place for place, held in self._objects.items() if place not in there and held.seen < asked]:
            with self._metrics.failures.contained("watch", gone="/".join(place)):
                self._remove_object(place)
        known = {capability.metadata.name for capability in capabilities}
        for name in [name for name, held in self._capabilities.items() if name not in known and held.seen < asked]:
            with self._metrics.failures.contained("watch", gone=name):
                self._remove_capability(name)

    def _read(self, body: Mapping[str, Any], kind: type[O]) -> O | None:
        try:
            return core.convert(body, kind, kind.__name__)
        except errors.InputError as error:
            self._metrics.bad_input(kind.__name__)
            log.warning("custom resource ignored, as it cannot be read", object=name_of(body), error=str(error))
            return None

    def _apply_object(self, obj: crd.DataObject) -> None:
        self._objects[obj.metadata.namespace, obj.metadata.name] = _Held(obj, self._clock())
        self._cluster.apply_data_object(obj)
        place = (obj.metadata.namespace, obj.metadata.name)
        tell_all(self.on_object, self._metrics, place, place, obj)

    def _remove_object(self, place: tuple[str, str]) -> None:
        self._objects.pop(place, None)
        self._cluster.remove_data_object(*place)
        tell_all(self.on_object, self._metrics, place, place, None)

    def _apply_capability(self, capability: crd.NodeCapability) -> None:
        name = capability.metadata.name
        before = self._capabilities.get(name)
        self._capabilities[name] = _Held(capability, self._clock())
        came_back = self._cluster.apply_capability(capability)
        if before is None or _abilities(before.obj) != _abilities(capability):
            self._queue.wake()
        elif came_back:
            self._queue.wake_refused(node_capability.PLUGIN)

    def _remove_capability(self, name: str) -> None:
        self._capabilities.pop(name, None)
        self._cluster.remove_capability(name)


def tell_all(listeners: Sequence[Callable[[*Ts], None]], counters: metrics.Metrics, name: object, *what: *Ts) -> None:
    """Tell each listener, whatever another one does with it."""
    for told in listeners:
        try:
            told(*what)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            counters.failures.caught("listeners", bug, listener=getattr(told, "__qualname__", ""), of=name)


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


def name_of(body: Mapping[str, Any]) -> str:
    meta = body.get("metadata") or {}
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}"
