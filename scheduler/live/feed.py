"""Brings what the API server holds to the kernel, as events: the one source of its state, on the loop's thread.

Nodes, namespaces and assigned pods come from informers, which notice what vanished; pending pods have a module of their
own (scheduler.live.podfeed). The two custom resources come from Kopf, which loses deletions over a relist;
`CustomResources.refresh` therefore lists them now and then and drops what is absent. Nothing of a list but absences is
used once the watches run: a list may be older than the last event.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar, TypeVarTuple

import structlog

from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.kernel import events
from scheduler.kube import client, informer, reading
from scheduler.live import driver, metrics

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


@dataclasses.dataclass(slots=True)
class _Held:
    obj: Any
    seen: float


class CustomResources:
    """The DataObjects and NodeCapabilities, as Kopf reports them."""

    def __init__(
        self,
        api: client.Api,
        scheduling: driver.Driver,
        counters: metrics.Metrics,
    ) -> None:
        self.synced = False
        self.on_object: list[Callable[[tuple[str, str], crd.DataObject | None], None]] = []  # None: it is gone
        self._api = api
        self._driver = scheduling
        self._metrics = counters
        self._clock = scheduling.clock
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

    async def tell_again(self) -> None:
        """Tell the listeners of each DataObject, as if it were new; the loop turns now and then."""
        async for obj in self.each_data_object():
            place = (obj.metadata.namespace, obj.metadata.name)
            tell_all(self.on_object, self._metrics, place, place, obj)

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
        place = (obj.metadata.namespace, obj.metadata.name)
        self._objects[place] = _Held(obj, self._clock())
        self._driver.handle(events.ObjectSeen(self._clock(), obj))
        tell_all(self.on_object, self._metrics, place, place, obj)

    def _remove_object(self, place: tuple[str, str]) -> None:
        self._objects.pop(place, None)
        self._driver.handle(events.ObjectGone(self._clock(), *place))
        tell_all(self.on_object, self._metrics, place, place, None)

    def _apply_capability(self, capability: crd.NodeCapability) -> None:
        self._capabilities[capability.metadata.name] = _Held(capability, self._clock())
        self._driver.handle(events.CapabilitySeen(self._clock(), capability))

    def _remove_capability(self, name: str) -> None:
        self._capabilities.pop(name, None)
        self._driver.handle(events.CapabilityGone(self._clock(), name))


def tell_all(listeners: Sequence[Callable[[*Ts], None]], counters: metrics.Metrics, name: object, *what: *Ts) -> None:
    """Tell each listener, whatever another one does with it."""
    for told in listeners:
        try:
            told(*what)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            counters.failures.caught("listeners", bug, listener=getattr(told, "__qualname__", ""), of=name)


def name_of(body: Mapping[str, Any]) -> str:
    meta = body.get("metadata") or {}
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}"
