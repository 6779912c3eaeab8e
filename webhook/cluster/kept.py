"""What is kept of the cluster's objects: of workloads their relevant annotations, of DataObjects their sizes.

Everything here is fed by informers and read by admission requests, both on the event loop's thread. Of most objects
nothing is kept but that they exist, as that tells an owner that says nothing from one that the watch has yet to bring.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler.api import annotations as intents
from scheduler.api import core, names
from scheduler.kube import informer
from webhook import facts

Place = tuple[str, str]
"""Namespace and name."""


class Object(msgspec.Struct):
    """An object of which the server sends the metadata alone."""

    metadata: core.ObjectMeta


class Workload(msgspec.Struct, frozen=True, gc=False):
    """What a workload (or a namespace) says of its pods' data, and whose part it is."""

    annotations: Mapping[str, str] = {}
    above: str = ""
    """The name of what stands above it, in its namespace: a Job's CronJob, a Deployment's Knative Service."""


class Size(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The size in a DataObject's spec or status."""

    urn: str = ""
    size_bytes: core.Count | None = None


class DataObject(msgspec.Struct, frozen=True):
    """A DataObject, as far as it tells a size."""

    metadata: core.ObjectMeta
    spec: Size = Size()
    status: Size = Size()


_SILENT: Final = Workload()


class Readers:
    """Who reads what lies in a bucket, by the ``data-sources`` of all workloads."""

    def __init__(self) -> None:
        self._by_bucket: dict[str, dict[tuple[str, Place], facts.Consumer]] = {}

    def put(self, title: str, place: Place, workload: Workload) -> None:
        """Take note of a new workload."""
        text = workload.annotations.get(names.DATA_SOURCES, "")
        consumer = facts.Consumer(place[0], workload.above or place[1])
        for bucket in _buckets(text):
            self._by_bucket.setdefault(bucket, {})[title, place] = consumer

    def drop(self, title: str, place: Place, workload: Workload) -> None:
        """Take back what ``put`` did."""
        for bucket in _buckets(workload.annotations.get(names.DATA_SOURCES, "")):
            readers = self._by_bucket.get(bucket, {})
            readers.pop((title, place), None)
            if not readers:
                self._by_bucket.pop(bucket, None)

    def of(self, bucket: str) -> list[facts.Consumer]:
        return list(dict.fromkeys(self._by_bucket.get(bucket, {}).values()))


class Workloads:
    """All objects of one kind, and a way to wait for one that is about to come.

    Args:
        title: What one of them is called in front of people: "Deployment".
        readers: Where the buckets go that these workloads read; None for what has no pods of its own.
        above: The kind of owner, or the label, by which an object tells what stands above it.
    """

    def __init__(self, title: str, readers: Readers | None = None, *, above: str = "") -> None:
        self.title = title
        self._readers = readers
        self._above = above
        self._kept: dict[Place, Workload] = {}
        self._awaited: dict[Place, list[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def apply(self, obj: Object) -> None:
        place = (obj.metadata.namespace, obj.metadata.name)
        before = self._kept.get(place, _SILENT)
        now = self._read(obj.metadata)
        self._kept[place] = now
        if self._readers is not None and now != before:
            self._readers.drop(self.title, place, before)
            self._readers.put(self.title, place, now)
        for waiting in self._awaited.pop(place, ()):
            if not waiting.done():
                waiting.set_result(None)

    def remove(self, key: informer.Key) -> None:
        place = (key.namespace, key.name)
        gone = self._kept.pop(place, _SILENT)
        if self._readers is not None:
            self._readers.drop(self.title, place, gone)

    def replaced(self, count: int) -> None:
        """Nothing hangs on a list being complete."""

    def get(self, place: Place) -> Workload | None:
        return self._kept.get(place)

    async def find(self, place: Place, until_s: float) -> Workload | None:
        """The object, awaited until then (in the loop's time) if it is not known yet."""
        if place not in self._kept and asyncio.get_running_loop().time() < until_s:
            waiting = asyncio.get_running_loop().create_future()
            self._awaited.setdefault(place, []).append(waiting)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(until_s):
                        await waiting
            finally:
                others = self._awaited.get(place, [])
                if waiting in others:
                    others.remove(waiting)
                if not others:
                    self._awaited.pop(place, None)
        return self._kept.get(place)

    def source(self, place: Place) -> facts.Source | None:
        """What it says, as a source; None if nothing."""
        found = self._kept.get(place, _SILENT).annotations
        return facts.Source(f"{self.title} {'/'.join(filter(None, place))}", found) if found else None

    def _read(self, metadata: core.ObjectMeta) -> Workload:
        relevant = {key: text for key, text in metadata.annotations.items() if _is_relevant(key)}
        above = metadata.labels.get(self._above, "")
        for owner in metadata.owner_references:
            if owner.controller and owner.kind == self._above:
                above = owner.name
        return Workload(relevant, above) if relevant or above else _SILENT


class Sizes:
    """The sizes of all DataObjects, by namespace and urn."""

    def __init__(self) -> None:
        self._said: dict[Place, Size] = {}
        # Nothing forbids two DataObjects of one urn; the one that remains must still count when the other goes.
        self._by_urn: dict[tuple[str, str], dict[str, int]] = {}

    def __len__(self) -> int:
        return len(self._said)

    def apply(self, obj: DataObject) -> None:
        namespace, name = obj.metadata.namespace, obj.metadata.name
        size_bytes = obj.status.size_bytes if obj.spec.size_bytes is None else obj.spec.size_bytes
        self._forget(namespace, name)
        if obj.spec.urn and size_bytes is not None:
            self._said[namespace, name] = Size(obj.spec.urn, size_bytes)
            self._by_urn.setdefault((namespace, obj.spec.urn), {})[name] = size_bytes

    def remove(self, key: informer.Key) -> None:
        self._forget(key.namespace, key.name)

    def replaced(self, count: int) -> None:
        """Nothing hangs on a list being complete."""

    def of(self, namespace: str, urn: str) -> int | None:
        return max(self._by_urn.get((namespace, urn), {}).values(), default=None)

    def _forget(self, namespace: str, name: str) -> None:
        said = self._said.pop((namespace, name), None)
        if said is not None:
            named = self._by_urn[namespace, said.urn]
            del named[name]
            if not named:
                del self._by_urn[namespace, said.urn]


def _is_relevant(key: str) -> bool:
    return (
        key.startswith(names.DATA_PREFIX)
        or intents.is_hint(key)
        or key in {names.EVENT_DATA, names.SCHEDULER_NAME_ANNOTATION}
    )


def _buckets(text: str) -> tuple[str, ...]:
    return intents.parse({names.DATA_SOURCES: text})[0].sources if text else ()
