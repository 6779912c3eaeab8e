"""The DataObjects that concern this node, watched with the server doing the filtering.

Those whose bucket label names a bucket that this node's stores hold, and those whose location label names this node.
Watches on buckets are split into groups of ``GROUP``, so that the request's URL stays short, and a bucket more or less
opens only its own group's watch anew. Each watch is a connection, of which a daemon has about a hundred: where the
buckets are more than ``MOST_GROUPS`` groups, one watch brings the objects of all buckets, and those of other nodes'
buckets are left aside here.

The labels that this relies on are set by the scheduler, which watches all DataObjects, and by the daemons on what they
create.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable
from typing import Final, Protocol

from daemon.stores import contents
from scheduler.api import core, crd, names
from scheduler.kube import client, informer, mishaps

GROUP: Final = 100  # buckets of a watch: 6 kB of URL
MOST_GROUPS: Final = 20

_OBJECTS: Final = f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}"

Place = tuple[str, str]  # namespace and name


class Listener(Protocol):
    """Who is told of changes. The methods must not await."""

    def object_seen(self, item: crd.DataObject, before: crd.DataObject | None) -> None:
        """It is there (then there is no ``before``), or changed."""

    def object_gone(self, item: crd.DataObject) -> None:
        """It was deleted, or is none of this node's business any more."""

    def objects_listed(self) -> None:
        """A group of buckets is known completely from now on."""


class Objects:
    """The DataObjects that concern this node, by place, by urn and by bucket."""

    def __init__(self) -> None:
        self.by_place: dict[Place, crd.DataObject] = {}
        self._by_urn: dict[str, set[Place]] = {}
        self._by_bucket: dict[str, set[Place]] = {}
        self._sources: dict[Place, set[object]] = {}

    def with_urn(self, urn: str) -> list[crd.DataObject]:
        return [self.by_place[place] for place in self._by_urn.get(urn, ())]

    def in_bucket(self, bucket: str) -> list[crd.DataObject]:
        """The bucket's own objects, and those of its keys and prefixes."""
        return [self.by_place[place] for place in self._by_bucket.get(bucket, ())]

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
    """One watch on DataObjects; opened anew when its selector changes, and then it takes back what it lacks.

    Args:
        selects_all: Whether the server sends the objects of all buckets, of which only the group's are kept.
    """

    def __init__(
        self,
        api: client.Api,
        objects: Objects,
        listener: Listener,
        failures: mishaps.Mishaps,
        *,
        watch_s: tuple[int, int],
        selects_all: bool = False,
    ) -> None:
        self.buckets: frozenset[str] = frozenset()
        self.listed: frozenset[str] = frozenset()  # the buckets that a full list has covered
        self.selects_all = selects_all
        self._api = api
        self._objects = objects
        self._listener = listener
        self._failures = failures
        self._watch_s = watch_s
        self._seen: set[Place] = set()
        self._unseen: set[Place] = set()
        self._task: asyncio.Task[None] | None = None

    def select(self, buckets: frozenset[str], tasks: asyncio.TaskGroup) -> None:
        """Watch the objects of ``buckets``."""
        if buckets == self.buckets:
            return
        fewer, self.buckets = buckets < self.buckets, buckets
        self.listed &= buckets
        if not buckets:
            self.stop()
            self._unseen = set(self._seen)
            self.replaced(0)
        elif not self.selects_all:
            self.follow(f"{names.BUCKET_LABEL} in ({','.join(sorted(buckets))})", tasks)
        elif not fewer:
            self.follow(names.BUCKET_LABEL, tasks)
        else:
            for place in [place for place in self._seen if not self._concerns(self._objects.by_place[place])]:
                self._forget(place)

    def follow(self, selector: str, tasks: asyncio.TaskGroup) -> None:
        self.stop()
        self._unseen = set(self._seen)
        watch = informer.Informer(
            self._api,
            _OBJECTS,
            crd.DataObject,
            self,
            {"labelSelector": selector},
            failures=self._failures,
            watch_s=self._watch_s,
        )
        self._task = tasks.create_task(watch.run(), name=f"watch {selector[:80]}")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # ---- what the informer calls ----

    def apply(self, obj: crd.DataObject) -> None:
        place = (obj.metadata.namespace, obj.metadata.name)
        if not self._concerns(obj):
            self._unseen.discard(place)
            if place in self._seen:
                self._forget(place)
            return
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

    def _concerns(self, item: crd.DataObject) -> bool:
        return not self.selects_all or item.metadata.labels.get(names.BUCKET_LABEL) in self.buckets

    def _forget(self, place: Place) -> None:
        self._seen.discard(place)
        gone = self._objects.drop(place, self)
        if gone is not None:
            self._listener.object_gone(gone)


class Following:
    """All the watches on DataObjects; what each sees goes into ``objects``, and the listener is told."""

    def __init__(
        self,
        api: client.Api,
        objects: Objects,
        listener: Listener,
        failures: mishaps.Mishaps,
        *,
        watch_s: tuple[int, int],
    ) -> None:
        self._new_group = functools.partial(_Group, api, objects, listener, failures, watch_s=watch_s)
        self._located = self._new_group()
        self._groups: list[_Group] = []
        self._rest = self._new_group(selects_all=True)
        self._tasks: asyncio.TaskGroup | None = None

    def start(self, location: str, tasks: asyncio.TaskGroup) -> None:
        """Watch the objects with the label ``location`` from now on, and what ``follow`` says."""
        self._tasks = tasks
        self._located.follow(location, tasks)

    def is_listed(self, bucket: str) -> bool:
        """Whether all DataObjects of ``bucket`` are known."""
        return any(bucket in group.listed for group in (*self._groups, self._rest))

    def follow(self, buckets: Iterable[str]) -> bool:
        """Watch the DataObjects of exactly these buckets; False where they are too many to be selected by name.

        Each stays in its group, and new ones fill the gaps. Those that find no room go, with all others, to the watch
        that selects all; it has to list everything when a bucket is added, so new ones get groups of their own again
        until these are full. What passes from one watch to another stays in the first until the second has listed it.
        """
        wanted = set(buckets)
        if self._tasks is None:
            return True
        kept = [group.buckets & wanted for group in self._groups]
        rest = self._rest.buckets & wanted
        if len(wanted) <= GROUP * MOST_GROUPS // 2:  # few, perhaps again
            rest = rest.difference(*(group.listed for group in self._groups))
            new = sorted(wanted.difference(*kept))
        else:
            kept = [some - self._rest.listed for some in kept]
            new = sorted(wanted.difference(rest, *kept))
            if sum(len(some) for some in kept) + len(new) > GROUP * MOST_GROUPS:
                rest, new = frozenset(wanted), []
        for number, some in enumerate(kept):
            room = GROUP - len(some)
            kept[number] = some.union(new[:room])
            del new[:room]
        while new:
            kept.append(frozenset(new[:GROUP]))
            self._groups.append(self._new_group())
            del new[:GROUP]
        for group, selected in zip((*self._groups, self._rest), (*kept, rest), strict=True):
            group.select(selected, self._tasks)
        return not rest


def version_of(metadata: core.ObjectMeta) -> int:
    """How new an object is; the API server counts its versions upwards."""
    text = metadata.resource_version
    return int(text) if text.isdecimal() else 0
