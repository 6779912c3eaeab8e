"""Brings what the API server holds to the kernel, as events: the one source of its state, on the loop's thread.

Nodes, namespaces and assigned pods come from informers, which notice what vanished. So do the two custom resources, of
which Kopf tells too (scheduler.live.twodoors); pending pods, of which it tells likewise, have a module of their own
(scheduler.live.podfeed).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, TypeVarTuple

import structlog

from scheduler.api import core, crd, names
from scheduler.kernel import events
from scheduler.kube import informer
from scheduler.live import driver, metrics, twodoors
from scheduler.live.places import Place

log = structlog.get_logger(__name__)

Ts = TypeVarTuple("Ts")
O = TypeVar("O", bound=informer.HasMetadata)  # noqa: E741 (a type, not a number)

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
NAMESPACES = "/api/v1/namespaces"
DATA_OBJECTS = f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}"
NODE_CAPABILITIES = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"

TURN_EVERY = 50  # objects looked at between two turns of the loop: a millisecond or two
PAUSE_S = 0.02  # likewise, while pods are being bound: who looks through all of them has all the time that there is


class Nodes:
    """An informer's handler that keeps the cluster's nodes."""

    def __init__(self, scheduling: driver.Driver) -> None:
        self._driver = scheduling

    def apply(self, node: core.Node) -> None:
        self._driver.handle(events.NodeSeen(self._driver.clock(), node))

    def remove(self, key: informer.Key) -> None:
        self._driver.handle(events.NodeGone(self._driver.clock(), key.name))

    def has(self, name: str) -> bool:
        """Whether there is a node of that name, even where a value of it cannot be read."""
        world = self._driver.kernel.world
        return name in world.nodes or name in world.unreadable_nodes

    def replaced(self, count: int) -> None:
        log.info("nodes read", nodes=count)


class Namespaces:
    """An informer's handler that keeps the labels of namespaces, by which the affinity of pods may select."""

    def __init__(self, scheduling: driver.Driver) -> None:
        self._driver = scheduling

    def apply(self, namespace: core.Namespace) -> None:
        self._driver.handle(events.NamespaceSeen(self._driver.clock(), namespace))

    def remove(self, key: informer.Key) -> None:
        self._driver.handle(events.NamespaceGone(self._driver.clock(), key.name))

    def replaced(self, count: int) -> None:
        log.info("namespaces read", namespaces=count)


class AssignedPods:
    """An informer's handler that keeps what runs on the nodes."""

    def __init__(self, scheduling: driver.Driver, counters: metrics.Metrics) -> None:
        self.on_seen: list[Callable[[core.Pod], None]] = []
        self.on_gone: list[Callable[[core.Pod], None]] = []
        self._uids: dict[str, str] = {}  # by namespace/name
        self._driver = scheduling
        self._metrics = counters

    def apply(self, pod: core.Pod) -> None:
        self._driver.handle(events.PodSeen(self._driver.clock(), pod))
        if self.has(pod.metadata.uid):
            self._uids[pod.key] = pod.metadata.uid
            tell_all(self.on_seen, self._metrics, pod.key, pod)

    def remove(self, key: informer.Key) -> None:
        pod = self._driver.kernel.world.pods.get(key.uid)
        self._driver.handle(events.PodGone(self._driver.clock(), key.uid))
        if pod is not None:
            if self._uids.get(pod.key) == key.uid:
                del self._uids[pod.key]
            tell_all(self.on_gone, self._metrics, pod.key, pod)

    def has(self, uid: str) -> bool:
        """Whether a pod is assigned and not finished."""
        return uid in self._driver.kernel.world.pods

    def uid_of(self, key: str) -> str | None:
        """Which pod of that namespace/name is; None if none is."""
        return self._uids.get(key)

    def replaced(self, count: int) -> None:
        log.info("assigned pods read", pods=count)


class Resources(Generic[O]):
    """One of the two kinds of custom resources: an informer's handler, and what Kopf's is handed on to.

    Args:
        seen: Hears of each version of each object.
        gone: Hears the namespace and name of each that is gone.
    """

    def __init__(
        self,
        kind: type[O],
        switch: twodoors.Switch,
        counters: metrics.Metrics,
        *,
        seen: Callable[[O], None],
        gone: Callable[[Place], None],
    ) -> None:
        self.of: dict[Place, O] = {}
        self._name = kind.__name__
        self._switch = switch
        self._metrics = counters
        self._seen = seen
        self._gone = gone
        self._heard = twodoors.Heard(switch, kind, self._tell, counters)

    def apply(self, obj: O) -> None:
        try:
            self._switch.surge.came()
            self._heard.by_informer(obj)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._metrics.failures.caught("watch", bug, object=f"{obj.metadata.namespace}/{obj.metadata.name}")

    def remove(self, key: informer.Key) -> None:
        with self._metrics.failures.contained("watch", gone=f"{key.namespace}/{key.name}"):
            self._remove((key.namespace, key.name), key.uid)

    def replaced(self, count: int) -> None:
        log.info("custom resources read", kind=self._name, objects=count)

    def event(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """Kopf brings a watch event: DELETED, or anything else for an object that is there."""
        with self._metrics.failures.contained("watch", object=twodoors.name_of(body)):
            if kind == "DELETED":
                meta = body["metadata"]
                self._remove((meta.get("namespace", ""), meta["name"]), meta["uid"])
            else:
                self._heard.by_kopf(body)

    def _remove(self, place: Place, uid: str) -> None:
        self._heard.gone(uid)
        held = self.of.get(place)
        if held is not None and held.metadata.uid == uid:  # else it was made anew under its name
            del self.of[place]
            self._gone(place)

    def _tell(self, obj: O) -> None:
        self.of[obj.metadata.namespace, obj.metadata.name] = obj
        self._seen(obj)


class CustomResources:
    """The DataObjects and NodeCapabilities that there are.

    Args:
        is_urgent: Whether pods are being bound.

    Attributes:
        on_object: Hear of each DataObject that is new, changed, or (None) gone, by namespace and name.
    """

    def __init__(
        self,
        scheduling: driver.Driver,
        counters: metrics.Metrics,
        switch: twodoors.Switch,
        is_urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_urgent = is_urgent
        self.on_object: list[Callable[[Place, crd.DataObject | None], None]] = []
        self._driver = scheduling
        self._metrics = counters
        self.objects = Resources(crd.DataObject, switch, counters, seen=self._object_seen, gone=self._object_gone)
        self.nodes = Resources(
            crd.NodeCapability, switch, counters, seen=self._capability_seen, gone=self._capability_gone
        )

    def data_object(self, place: Place) -> crd.DataObject | None:
        """One of them, by namespace and name."""
        return self.objects.of.get(place)

    def data_objects(self) -> list[crd.DataObject]:
        return list(self.objects.of.values())

    def capabilities(self) -> list[crd.NodeCapability]:
        return list(self.nodes.of.values())

    async def each_data_object(self) -> AsyncIterator[crd.DataObject]:
        """Each that there was at the start and still is; the loop turns now and then."""
        for count, place in enumerate(list(self.objects.of), 1):
            if (obj := self.objects.of.get(place)) is not None:
                yield obj
            if not count % TURN_EVERY:
                await asyncio.sleep(PAUSE_S if self._is_urgent() else 0)

    async def tell_again(self) -> None:
        """Tell the listeners of each DataObject, as if it were new; the loop turns now and then."""
        async for obj in self.each_data_object():
            self._tell((obj.metadata.namespace, obj.metadata.name), obj)

    def _object_seen(self, obj: crd.DataObject) -> None:
        self._driver.handle(events.ObjectSeen(self._driver.clock(), obj))
        self._tell((obj.metadata.namespace, obj.metadata.name), obj)

    def _object_gone(self, place: Place) -> None:
        self._driver.handle(events.ObjectGone(self._driver.clock(), *place))
        self._tell(place, None)

    def _tell(self, place: Place, obj: crd.DataObject | None) -> None:
        tell_all(self.on_object, self._metrics, place, place, obj)

    def _capability_seen(self, capability: crd.NodeCapability) -> None:
        self._driver.handle(events.CapabilitySeen(self._driver.clock(), capability))

    def _capability_gone(self, place: Place) -> None:
        self._driver.handle(events.CapabilityGone(self._driver.clock(), place[1]))


def tell_all(listeners: Sequence[Callable[[*Ts], None]], counters: metrics.Metrics, name: object, *what: *Ts) -> None:
    """Tell each listener, whatever another one does with it."""
    for told in listeners:
        try:
            told(*what)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            counters.failures.caught("listeners", bug, listener=getattr(told, "__qualname__", ""), of=name)
