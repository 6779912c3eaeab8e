"""What a daemon knows of the cluster, kept fresh at a cost that does not grow with the cluster.

Watched, with the server doing the filtering: the own Node; the pods of this node; the DataObjects that concern it
(daemon.cluster.watches); the Services of the namespaces in which it has stores (daemon.cluster.announcements); the
namespaces whose stores speak for everybody, where it has a store that this matters to. Read in turn
(daemon.cluster.turns): the other Services, the volumes that stand for a bucket, the nodes that may ask for a store
outside the cluster. So a change is an event for the daemons that it concerns, and a daemon at rest reads once in a
while, however many things it has to read. docs/decisions/0004-daemons-watch-little.md has the figures.

What cannot be read stays as it was, and ``complaints`` says so. ``doubt`` says of a store that was not found whether
that proves anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol, TypeVar

from daemon import config
from daemon.cluster import announcements, doubt, sources, turns, watches
from daemon.status import labels
from daemon.stores import contents
from scheduler.api import core, crd, names, storage
from scheduler.kube import client, informer, mishaps, reading

WATCH_S: Final = (1800, 3600)  # a thousand daemons open theirs anew with some requests a second
_PACE: Final = 4 / 3  # of the interval: from one read to the next

_OBJECTS: Final = f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}"
_FINISHED: Final = frozenset({"Succeeded", "Failed"})

T = TypeVar("T", bound=informer.HasMetadata)


class Listener(watches.Listener, Protocol):
    """Who is told of changes. The methods must not await."""

    def cluster_changed(self) -> None:
        """What bears on which stores this node has, and on what the node is, may have changed."""


class _Pods:
    """This node's pods."""

    def __init__(self, changed: Callable[[core.Pod | None, core.Pod | None], None]) -> None:
        self.by_place: dict[watches.Place, core.Pod] = {}
        self._changed = changed

    def apply(self, obj: core.Pod) -> None:
        place = (obj.metadata.namespace, obj.metadata.name)
        before, self.by_place[place] = self.by_place.get(place), obj
        self._changed(before, obj)

    def remove(self, key: informer.Key) -> None:
        gone = self.by_place.pop((key.namespace, key.name), None)
        if gone is not None:
            self._changed(gone, None)

    def replaced(self, count: int) -> None:  # noqa: ARG002 - the informer's signature
        self._changed(None, None)


class _Node:
    """The own Node."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.last: labels.ManagedNode | None = None
        self._changed = changed

    def apply(self, obj: labels.ManagedNode) -> None:
        last = self.last
        # The watch may bring what was before our own last write.
        if last is None or last.metadata.uid != obj.metadata.uid or _version(obj) >= _version(last):
            self.last = obj
            self._changed()

    def remove(self, key: informer.Key) -> None:
        if self.last is not None and self.last.metadata.uid == key.uid:
            self.last = None
            self._changed()

    def replaced(self, count: int) -> None:  # noqa: ARG002 - the informer's signature
        self._changed()


class _Shared:
    """The namespaces with the label."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.names: set[str] = set()
        self._changed = changed

    def apply(self, obj: core.Namespace) -> None:
        self.names.add(obj.metadata.name)
        self._changed()

    def remove(self, key: informer.Key) -> None:
        self.names.discard(key.name)
        self._changed()

    def replaced(self, count: int) -> None:  # noqa: ARG002 - the informer's signature
        self._changed()


class Cluster:
    """The cluster as this node's daemon sees it: ``run`` it and read it.

    Args:
        home: The namespace whose stores speak for everybody.
        interval_s: The daemon's regular interval, on which the turns depend.

    Attributes:
        volumes: The PersistentVolumes that stand for a bucket, of all nodes.
        objects: The DataObjects that concern this node.
    """

    def __init__(
        self, api: client.Api, node: str, listener: Listener, failures: mishaps.Mishaps, *, home: str, interval_s: float
    ) -> None:
        self.volumes: list[storage.PersistentVolume] = []
        self.objects = watches.Objects()
        self._api = api
        self._name = node
        self._home = home
        self._listener = listener
        self._failures = failures
        self._fellows: dict[str, core.Node] = {}
        self._groups: tuple[config.Nodes, ...] = ()
        self._node = _Node(self._changed)
        self._pods = _Pods(self._pod_changed)
        self._shared = _Shared(self._changed)
        self._turns = turns.Turns(failures, pace_s=_PACE * interval_s, changed=lambda _: self._changed())
        self._announced = announcements.Announcements(
            api, self._turns, failures, watch_s=WATCH_S, changed=self._changed
        )
        self._following = watches.Following(api, self.objects, listener, failures, watch_s=WATCH_S)
        self._stores_in: frozenset[str] = frozenset()
        self._tasks: asyncio.TaskGroup | None = None
        self._node_source: sources.Watched | None = None
        self._pods_source: sources.Watched | None = None
        self._shared_source: sources.Watched | None = None
        self._volumes_thing = turns.Thing("PersistentVolumes", self._read_volumes)
        self._fellows_thing = turns.Thing("Nodes that may ask for stores outside", self._read_fellows)

    async def run(self) -> None:
        """Watch and read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            own = {"fieldSelector": f"metadata.name={self._name}"}
            self._node_source = self._watch("/api/v1/nodes", labels.ManagedNode, self._node, own)
            here = {"fieldSelector": f"spec.nodeName={self._name}"}
            self._pods_source = self._watch("/api/v1/pods", core.Pod, self._pods, here)
            self._following.start(crd.location_label(self._name), tasks)
            self._turns.add(self._volumes_thing)
            tasks.create_task(self._turns.run(), name="read in turn")

    async def settle(self) -> None:
        """Wait until all that is asked for at first is known or was refused, or until it takes too long."""
        ends_s = time.monotonic() + client.DEADLINE_S
        while not self._is_settled() and time.monotonic() < ends_s:  # noqa: ASYNC110 - many things, once
            await asyncio.sleep(0.02)

    # ---- what is known ----

    @property
    def node(self) -> labels.ManagedNode | None:
        """The own Node, None while it is not known."""
        return self._node.last

    @property
    def lacks_node(self) -> bool:
        """Whether there is surely no such Node."""
        return self._node.last is None and self._node_source is not None and self._node_source.is_known

    def wrote_node(self, node: labels.ManagedNode) -> None:
        """The answer to a write, which is known before the watch brings it; unless that has brought its end."""
        if self.node is not None and self.node.metadata.uid == node.metadata.uid:
            self._node.last = node

    @property
    def pods(self) -> Collection[core.Pod]:
        return self._pods.by_place.values()

    @property
    def services(self) -> Iterable[storage.Service]:
        """The Services of the namespaces in which this node runs pods."""
        return self._announced.all()

    @property
    def shared_namespaces(self) -> frozenset[str]:
        """The namespaces whose stores speak for everybody; ``knows_shared`` says whether they were read."""
        return frozenset(self._shared.names)

    @property
    def knows_shared(self) -> bool:
        return self._shared_source is not None and self._shared_source.is_known

    @property
    def fellows(self) -> list[core.Node] | None:
        """The nodes asked for by ``ask_for``, None while they are not known."""
        return list(self._fellows.values()) if not self._groups or self._fellows_thing.is_known else None

    def complaints(self) -> dict[str, str]:
        """What cannot be read as it is now, and why; sorted, and nothing of it twice."""
        found: dict[str, sources.Source | None] = {
            "Node": self._node_source,
            "pods": self._pods_source,
            "namespaces": self._shared_source,
            **self._turns.things,
            **{f"Services of {name}": source for name, source in self._announced.sources.items()},
        }
        said = {what: source.complaint for what, source in found.items() if source is not None}
        return {what: why for what, why in sorted(said.items()) if why}

    def doubt(self) -> doubt.Doubt:
        """What is not known at this moment."""
        if self.node is None or self._pods_source is None:
            return doubt.NOTHING_KNOWN
        by_namespace = self._announced.sources
        unread = {namespace for namespace, source in by_namespace.items() if not source.is_known}
        misfit_pods = {name.partition("/")[0] for name in self._pods_source.misfits}
        volumes = self._volumes_thing
        return doubt.Doubt(
            configured=self.fellows is None,
            volumes=not volumes.is_known,
            announced=not self._pods_source.is_known,
            namespaces=frozenset(unread | misfit_pods),
            home=self._home if self._shared_source is not None and not self.knows_shared else None,
            stores=frozenset().union(
                (f"volume:{name}" for name in volumes.misfits), *(source.misfits for source in by_namespace.values())
            ),
        )

    # ---- what is asked for ----

    def attend(self, stores_in: Collection[str]) -> None:
        """Watch closely the namespaces in which this node has stores that Services announce."""
        self._stores_in = frozenset(stores_in)
        if any(namespace != self._home for namespace in stores_in) and self._shared_source is None:
            labelled = {"labelSelector": f"{names.STORES_LABEL}={names.SHARED}"}
            self._shared_source = self._watch(
                "/api/v1/namespaces", core.Namespace, self._shared, labelled, metadata_only=True
            )
        self._attend()

    def ask_for(self, groups: Iterable[config.Nodes]) -> None:
        """Know the nodes of ``groups``."""
        if (wanted := tuple(groups)) == self._groups:
            return
        self._groups = wanted
        if not wanted:
            self._turns.drop(self._fellows_thing.key)
            return
        self._fellows_thing = turns.Thing(self._fellows_thing.key, self._read_fellows)
        self._turns.add(self._fellows_thing)

    def is_listed(self, bucket: str) -> bool:
        """Whether all DataObjects of ``bucket`` are known."""
        return self._following.is_listed(bucket)

    def follow(self, buckets: Iterable[str]) -> bool:
        """Watch the DataObjects of exactly these buckets; False where they are too many to be selected by name."""
        return self._following.follow(buckets)

    async def buckets_outside(self, store: str) -> set[str]:
        """The buckets that a store outside the cluster is said to have, by whoever asked it until now.

        It may be down just now, and then nobody but its next asker can say so.
        """
        items = await reading.list_all(self._api, _OBJECTS, crd.DataObject)
        return {
            contents.bucket_of(item.spec.urn)
            for item in items
            if any(replica.node == names.EXTERNAL and replica.store == store for replica in item.status.replicas)
        }

    # ---- how it comes about ----

    def _watch(
        self,
        path: str,
        kind: type[T],
        handler: informer.Handler[T],
        params: dict[str, str],
        *,
        metadata_only: bool = False,
    ) -> sources.Watched:
        assert self._tasks is not None  # noqa: S101 - nothing is watched before ``run``
        watch = informer.Informer(
            self._api,
            path,
            kind,
            handler,
            params,
            metadata_only=metadata_only,
            failures=self._failures,
            watch_s=WATCH_S,
            first_from_cache=True,
        )
        self._tasks.create_task(watch.run(), name=f"watch {path}")
        return sources.Watched(watch)

    def _is_settled(self) -> bool:
        if self._node_source is None or self._pods_source is None:
            return False
        first: list[sources.Source] = [self._node_source, self._pods_source, *self._turns.things.values()]
        return all(source.is_settled for source in first)

    def _changed(self) -> None:
        self._listener.cluster_changed()

    def _pod_changed(self, before: core.Pod | None, now: core.Pod | None) -> None:
        """A pod is new, changed or gone; neither: they were all listed."""
        is_new = now is not None and (before is None or before.metadata.uid != now.metadata.uid)
        self._attend()
        if now is not None and is_new and self._pods_source is not None and self._pods_source.is_known:
            self._announced.hurry(now.metadata.namespace)
        if before is None or now is None or _tells(before) != _tells(now):
            self._changed()

    def _attend(self) -> None:
        if self._tasks is not None and self._pods_source is not None:
            running = (pod for pod in self.pods if pod.status.phase not in _FINISHED)
            self._announced.attend(running, self._stores_in, self._tasks)

    async def _read_volumes(self) -> frozenset[str]:
        labelled = {"labelSelector": names.STORAGE_BUCKET, "resourceVersion": "0"}
        found = await reading.collect(self._api, "/api/v1/persistentvolumes", storage.PersistentVolume, labelled)
        kept = [volume for volume in self.volumes if volume.metadata.name in found.misfits]
        self.volumes = [*found.items, *kept]
        return found.misfits

    async def _read_fellows(self) -> frozenset[str]:
        found: dict[str, core.Node] = {}
        misfits: set[str] = set()
        for group in self._groups:
            if group.labels:
                selector = ",".join(f"{key}={value}" for key, value in group.labels.items())
                selected = {"labelSelector": selector, "resourceVersion": "0"}
                listed = await reading.collect(self._api, "/api/v1/nodes", core.Node, selected)
                found.update((node.metadata.name, node) for node in listed.items)
                misfits |= listed.misfits
            for name in set(group.names) - found.keys():
                if (node := await reading.get(self._api, f"/api/v1/nodes/{name}", core.Node)) is not None:
                    found[name] = node
        found.update({name: node for name, node in self._fellows.items() if name in misfits})
        self._fellows = found
        return frozenset(misfits)


def _version(node: labels.ManagedNode) -> int:
    return watches.version_of(node.metadata)


def _tells(pod: core.Pod) -> tuple[object, ...]:
    """What of a pod bears on the stores of its node."""
    return pod.metadata.uid, pod.metadata.labels, pod.metadata.deletion_timestamp, pod.status, pod.spec.containers
