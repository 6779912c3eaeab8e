"""What a daemon knows of the cluster, kept fresh at a cost that does not grow with the cluster.

Watched, with the server doing the filtering: the pods of this node; the DataObjects whose bucket label names a bucket
that this node's stores hold; those whose location label names this node. Watches on buckets are split into groups of
``GROUP``, so that the request's URL stays short, and a bucket more or less opens only its own group's watch anew.
Asked for once in an interval (``refresh``): the own Node, the volumes that stand for a bucket, and the Services of the
namespaces in which this node runs pods, their metadata alone at first; only one that may be a store and has changed is
read whole. So a change of a DataObject or a Service is no event for a daemon that it does not concern.

The labels that this relies on are set by the scheduler, which watches all DataObjects, and by the daemons on what they
create.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

import msgspec

from daemon import config
from daemon.cluster import reader
from daemon.status import labels
from daemon.stores import contents, services
from scheduler import errors
from scheduler.api import core, crd, names, storage
from scheduler.kube import client, informer

GROUP: Final = 100  # buckets of a watch: 6 kB of URL

_OBJECTS: Final = f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}"

_FINISHED: Final = frozenset({"Succeeded", "Failed"})

Place = tuple[str, str]  # namespace and name


class Listener(Protocol):
    """Who is told of changes. The methods must not await."""

    def object_seen(self, item: crd.DataObject, before: crd.DataObject | None) -> None:
        """It is there (then there is no ``before``), or changed."""

    def object_gone(self, item: crd.DataObject) -> None:
        """It was deleted, or is none of this node's business any more."""

    def objects_listed(self) -> None:
        """A group of buckets is known completely from now on."""

    def pod_seen(self, pod: core.Pod) -> None:
        """A pod of this node is new, changed or gone."""


class Objects:
    """The DataObjects that concern this node, by place, by urn and by bucket."""

    def __init__(self) -> None:
        self.by_place: dict[Place, crd.DataObject] = {}
        self._by_urn: dict[str, set[Place]] = {}
        self._by_bucket: dict[str, set[Place]] = {}
        self._sources: dict[Place, set[object]] = {}

    def with_urn(self, urn: str) -> list[crd.DataObject]:
        return [self.by_place[place] for place in self._by_urn.get(urn, ())]

    def has(self, urn: str) -> bool:
        return urn in self._by_urn

    def in_bucket(self, bucket: str) -> list[crd.DataObject]:
        """The bucket's own objects, and those of its keys and prefixes."""
        return [self.by_place[place] for place in self._by_bucket.get(bucket, ())]

    def urns(self, bucket: str) -> set[str]:
        """The urns of keys and prefixes in ``bucket`` that somebody has a DataObject for."""
        return {item.spec.urn for item in self.in_bucket(bucket) if "/" in item.spec.urn}

    def put(self, item: crd.DataObject, source: object = None) -> bool:
        """Keep ``item`` unless a newer version is known already, and say whether it was kept.

        Args:
            source: The watch that saw it; None for the answer to a write, which no watch has to take back.
        """
        place = (item.metadata.namespace, item.metadata.name)
        if source is not None:
            self._sources.setdefault(place, set()).add(source)
        elif place not in self._sources:
            return False  # deleted meanwhile, or not watched
        known = self.by_place.get(place)
        if known is not None:
            if version_of(known.metadata) > version_of(item.metadata) and known.metadata.uid == item.metadata.uid:
                return False
            self._unindex(place, known.spec.urn)
        self.by_place[place] = item
        self._by_urn.setdefault(item.spec.urn, set()).add(place)
        self._by_bucket.setdefault(contents.bucket_of(item.spec.urn), set()).add(place)
        return True

    def drop(self, place: Place, source: object) -> crd.DataObject | None:
        """``source`` does not see the object any more; returns it where no other watch sees it either."""
        sources = self._sources.get(place, set())
        sources.discard(source)
        if sources or place not in self.by_place:
            return None
        self._sources.pop(place, None)
        item = self.by_place.pop(place)
        self._unindex(place, item.spec.urn)
        return item

    def _unindex(self, place: Place, urn: str) -> None:
        for index, key in ((self._by_urn, urn), (self._by_bucket, contents.bucket_of(urn))):
            places = index[key]
            places.discard(place)
            if not places:
                del index[key]


class _Group:
    """One watch on DataObjects; opened anew when its selector changes, and then it takes back what it lacks."""

    def __init__(self, api: client.Api, objects: Objects, listener: Listener) -> None:
        self.buckets: frozenset[str] = frozenset()
        self.listed: frozenset[str] = frozenset()  # the buckets that a full list has covered
        self._api = api
        self._objects = objects
        self._listener = listener
        self._seen: set[Place] = set()
        self._unseen: set[Place] = set()
        self._task: asyncio.Task[None] | None = None

    def select(self, buckets: frozenset[str], tasks: asyncio.TaskGroup) -> None:
        """Watch the objects of ``buckets``."""
        if buckets == self.buckets:
            return
        self.buckets = buckets
        self.listed &= buckets
        if buckets:
            self.follow(f"{names.BUCKET_LABEL} in ({','.join(sorted(buckets))})", tasks)
        else:
            self.stop()
            self._unseen = set(self._seen)
            self.replaced(0)

    def follow(self, selector: str, tasks: asyncio.TaskGroup) -> None:
        self.stop()
        self._unseen = set(self._seen)
        watch = informer.Informer(self._api, _OBJECTS, crd.DataObject, self, {"labelSelector": selector})
        self._task = tasks.create_task(watch.run(), name=f"watch {selector[:80]}")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # ---- what the informer calls ----

    def apply(self, obj: crd.DataObject) -> None:
        place = (obj.metadata.namespace, obj.metadata.name)
        self._seen.add(place)
        self._unseen.discard(place)
        before = self._objects.by_place.get(place)
        if self._objects.put(obj, self):
            self._listener.object_seen(obj, before)

    def remove(self, key: informer.Key) -> None:
        self._forget((key.namespace, key.name))

    def replaced(self, count: int) -> None:  # noqa: ARG002 - the informer's signature
        for place in self._unseen:
            self._forget(place)
        self._unseen = set()
        self.listed = self.buckets
        self._listener.objects_listed()

    def _forget(self, place: Place) -> None:
        self._seen.discard(place)
        gone = self._objects.drop(place, self)
        if gone is not None:
            self._listener.object_gone(gone)


class _Pods:
    """This node's pods, and whether they were all listed."""

    def __init__(self, seen: Callable[[core.Pod], None]) -> None:
        self.by_place: dict[Place, core.Pod] = {}
        self.listed = asyncio.Event()
        self._seen = seen

    def apply(self, obj: core.Pod) -> None:
        self.by_place[obj.metadata.namespace, obj.metadata.name] = obj
        self._seen(obj)

    def remove(self, key: informer.Key) -> None:
        gone = self.by_place.pop((key.namespace, key.name), None)
        if gone is not None:
            self._seen(gone)

    def replaced(self, count: int) -> None:  # noqa: ARG002 - the informer's signature
        self.listed.set()


class _Head(msgspec.Struct):
    """An object of which only the metadata was asked for."""

    metadata: core.ObjectMeta


class Cluster:
    """The cluster as this node's daemon sees it: ``run`` it, ``refresh`` it now and then, and read it.

    Attributes:
        node: The own Node, None before the first refresh.
        volumes: The PersistentVolumes that stand for a bucket, of all nodes.
        shared_namespaces: Those that are labelled to have their stores speak for everybody.
    """

    def __init__(self, api: client.Api, node: str, listener: Listener) -> None:
        self.node: labels.ManagedNode | None = None
        self.volumes: list[storage.PersistentVolume] = []
        self.shared_namespaces: frozenset[str] = frozenset()
        self.objects = Objects()
        self._api = api
        self._name = node
        self._listener = listener
        self._pods = _Pods(listener.pod_seen)
        self._services: dict[str, dict[str, storage.Service]] = {}  # namespace -> name -> those that may be stores
        self._located = _Group(api, self.objects, listener)
        self._groups: list[_Group] = []
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            selector = f"spec.nodeName={self._name}"
            watch = informer.Informer(self._api, "/api/v1/pods", core.Pod, self._pods, {"fieldSelector": selector})
            tasks.create_task(watch.run(), name="watch pods")
            self._located.follow(crd.location_label(self._name), tasks)

    @property
    def pods(self) -> Collection[core.Pod]:
        return self._pods.by_place.values()

    @property
    def services(self) -> Iterable[storage.Service]:
        """The Services that may be stores of this node."""
        return [service for by_name in self._services.values() for service in by_name.values()]

    def has_services_of(self, namespace: str) -> bool:
        """Whether the namespace's Services were ever asked for."""
        return namespace in self._services

    def is_listed(self, bucket: str) -> bool:
        """Whether all DataObjects of ``bucket`` are known."""
        return any(bucket in group.listed for group in self._groups)

    def follow(self, buckets: Iterable[str]) -> None:
        """Watch the DataObjects of exactly these buckets. Each stays in its group, new ones fill the gaps."""
        wanted = set(buckets)
        if self._tasks is None:
            return
        kept = [group.buckets & wanted for group in self._groups]
        new = sorted(wanted.difference(*kept))
        for number, some in enumerate(kept):
            room = max(0, GROUP - len(some))
            kept[number] = some.union(new[:room])
            del new[:room]
        while new:
            kept.append(frozenset(new[:GROUP]))
            self._groups.append(_Group(self._api, self.objects, self._listener))
            del new[:GROUP]
        for group, buckets_of_it in zip(self._groups, kept, strict=True):
            group.select(buckets_of_it, self._tasks)

    async def refresh(self) -> None:
        """Ask for what is not watched.

        Raises:
            InputError: there is no such Node.
        """
        path = f"/api/v1/nodes/{self._name}"
        self.node = await reader.get(self._api, path, labels.ManagedNode)
        if self.node is None:
            raise errors.InputError(
                "node", self._name, "there is no such Node; give --node or NODE_NAME its exact name"
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(client.DEADLINE_S):
                await self._pods.listed.wait()
        mine = {pod.metadata.namespace for pod in self.pods if pod.status.phase not in _FINISHED}
        for namespace in sorted(mine):
            self._services[namespace] = await self._services_of(namespace)
        for namespace in self._services.keys() - mine:
            del self._services[namespace]
        shared = {"labelSelector": f"{names.STORES_LABEL}={names.SHARED}", "resourceVersion": "0"}
        namespaces = await reader.list_all(self._api, "/api/v1/namespaces", core.Namespace, shared)
        self.shared_namespaces = frozenset(namespace.metadata.name for namespace in namespaces)
        labelled = {"labelSelector": names.STORAGE_BUCKET, "resourceVersion": "0"}
        path = "/api/v1/persistentvolumes"
        self.volumes = await reader.list_all(self._api, path, storage.PersistentVolume, labelled)

    async def nodes(self, groups: Iterable[config.Nodes]) -> list[core.Node]:
        """The nodes of all ``groups``, as far as they are there."""
        found: dict[str, core.Node] = {}
        for group in groups:
            if group.labels:
                selector = ",".join(f"{key}={value}" for key, value in group.labels.items())
                selected = {"labelSelector": selector, "resourceVersion": "0"}
                listed = await reader.list_all(self._api, "/api/v1/nodes", core.Node, selected)
                found.update((node.metadata.name, node) for node in listed)
            for name in set(group.names) - found.keys():
                if (node := await reader.get(self._api, f"/api/v1/nodes/{name}", core.Node)) is not None:
                    found[name] = node
        return list(found.values())

    async def buckets_outside(self, store: str) -> set[str]:
        """The buckets that a store outside the cluster is said to have, by whoever asked it until now.

        It may be down just now, and then nobody but its next asker can say so.
        """
        items = await reader.list_all(self._api, _OBJECTS, crd.DataObject)
        return {
            contents.bucket_of(item.spec.urn)
            for item in items
            if any(replica.node == names.EXTERNAL and replica.store == store for replica in item.status.replicas)
        }

    async def _services_of(self, namespace: str) -> dict[str, storage.Service]:
        path = f"/api/v1/namespaces/{namespace}/services"
        known = self._services.get(namespace, {})
        pods = [pod for pod in self.pods if pod.metadata.namespace == namespace]
        found: dict[str, storage.Service] = {}
        for head in await reader.list_metadata(self._api, path, _Head):
            meta = head.metadata
            if not _may_be_store(meta, pods):
                continue
            service = known.get(meta.name)
            if service is None or service.metadata.resource_version != meta.resource_version:
                service = await reader.get(self._api, f"{path}/{meta.name}", storage.Service)
            if service is not None:
                found[meta.name] = service
        return found


def _may_be_store(service: core.ObjectMeta, pods: Iterable[core.Pod]) -> bool:
    """Whether a Service, of which only the metadata is known, may be a store of one of its namespace's ``pods``."""
    word = service.annotations.get(names.STORAGE_SERVICE)
    if word is not None:
        return word.strip().lower() == "true"
    return any(pod.metadata.labels.get(services.APP_LABEL) in services.STORE_APPS for pod in pods)


def version_of(metadata: core.ObjectMeta) -> int:
    """How new an object is; the API server counts its versions upwards."""
    text = metadata.resource_version
    return int(text) if text.isdecimal() else 0
