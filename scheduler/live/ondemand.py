"""The keys that pods name: each gets a DataObject when a pod names it, and loses it when none has for a while.

A bucket is always known; which of its stores holds a key is found out by the daemons once there is a DataObject for the
key. So when a pending pod of ours names a key as an input that no DataObject covers exactly, and its bucket is known,
one is made, labelled scheduler.thesis/on-demand: in the pod's namespace if that knows of the bucket by itself,
else in the home namespace, which knows of the stores that speak for everybody. The pod, if its turn comes meanwhile, is
put aside until the object says something, but not beyond ``data_wait_s`` after it was first seen; then it is placed by
what is known of the bucket. Other pods do not wait for it.

An object says something when a copy is available or an output is expected; or, if no pod is about to write the key,
when a copy is known that cannot be had now. That nobody has the key is no answer at first: the daemon that says so may
be quicker than the one that has it, and the pod that is to write the key may come with the one that reads it. It is one
when it has stood for ``data_wait_s``.

What no pending or assigned pod names any more is deleted after ``data_retention_s``. All of it follows from labels and
pods, so a restart only starts the retention anew. Pods that wait for another scheduler are not watched; theirs count
once they are assigned, which the retention bridges.

How many there may be is bounded, fairly between namespaces (scheduler.live.room): who gets no more is told so.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from scheduler import config, errors
from scheduler.api import core, crd, names
from scheduler.kube import client
from scheduler.live import clerk, driver, feed, mentions, metrics, places, reports, room
from scheduler.live.places import Place
from scheduler.state import replicas

log = structlog.get_logger(__name__)

DENIED_S: Final = 60.0  # how long a refusal to create in a namespace is taken for the answer
FULL_S: Final = 10.0  # likewise that it has had its share
FULL_SAID_S: Final = 600.0  # how often a namespace is told so


def name_of(urn: str) -> str:
    """The name of the DataObject made for a key."""
    return f"key-{hashlib.sha256(urn.encode()).hexdigest()[:20]}"


class Keys:
    """Which keys pods name, and the objects made for them.

    Args:
        is_there: Whether a pod, by its uid, is pending or assigned.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        settings: config.Settings,
        home: str,
        table: replicas.ReplicaTable,
        named: mentions.Mentions,
        resources: feed.CustomResources,
        waiting: driver.Driver,
        writer: clerk.Clerk,
        reporter: reports.Reporter,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        is_there: Callable[[str], bool],
    ) -> None:
        self._api = api
        self.settings = settings
        self._home = home
        self._table = table
        self._mentions = named
        self._resources = resources
        self._queue = waiting
        self._clerk = writer
        self._reporter = reporter
        self._metrics = counters
        self._clock = clock
        self._is_there = is_there
        self._room = room.Room(home, named)
        self._creating: set[tuple[str, str]] = set()  # namespace of the object, and urn
        self._lacking: dict[Place, float] = {}  # objects that say that nobody has the key -> since when
        self._held: dict[str, set[str]] = {}  # urn -> pods put aside for it
        self._waiters: set[str] = set()
        self._unheard_of: set[str] = set()  # pods that named a bucket of which nothing was known when they were seen
        self._refused_until: dict[str, float] = {}  # namespace in which nothing is made, or whose pods get nothing
        self._full_said: dict[str, float] = {}  # namespace -> when it was told that it has had its share

    def count(self) -> int:
        """How many objects there are that were made on demand."""
        return len(self._room)

    # ------------------------------------------------------------------------------------------------ what is seen

    def pod_seen(self, pod: core.Pod) -> None:
        """Take note of the keys that a pending or assigned pod names."""
        named = self._mentions.see(pod)
        if named is not None and named.is_pending:
            self._want(named)

    def object_seen(self, place: Place, obj: crd.DataObject | None) -> None:
        """A DataObject is new, changed, or (None) gone."""
        if obj is None:
            self._lacking.pop(place, None)
            urn = self._room.urn(place)
            self._room.remove(place)
            if urn is not None:
                self._release(urn)
            return
        urn = obj.spec.urn
        # By its name too: what somebody made and labelled is not ours to delete.
        if obj.metadata.labels.get(names.ON_DEMAND_LABEL) == "true" and place[1] == name_of(urn):
            self._room.add(place, urn, obj.metadata.annotations.get(names.ON_DEMAND_FOR, ""))
        if _says_where(obj) or not any(each.type == places.READY for each in obj.status.conditions):
            self._lacking.pop(place, None)
        else:
            self._lacking.setdefault(place, self._clock())
        self._creating.discard((place[0], urn))
        self._release(urn)

    # ------------------------------------------------------------------------------------------ what the cycle asks

    def hold_until(self, pod: core.Pod, arrived: float) -> float | None:
        """Until when a pod whose turn has come is to be put aside at most; None if it is to be decided now."""
        uid, now, deadline = pod.metadata.uid, self._clock(), arrived + self.settings.data_wait_s
        named = self._mentions.of(uid)
        if now < deadline and named is not None:
            if uid in self._unheard_of:
                self._want(named)
            awaited = [urn for urn in named.inputs if self._is_awaited(named.namespace, urn)]
            for urn in awaited:
                self._held.setdefault(urn, set()).add(uid)
            if awaited:
                self._waiters.add(uid)
                return deadline
        if uid in self._waiters:
            self._waiters.discard(uid)
            self._metrics.data_wait("answered" if now < deadline else "expired")
        return None

    # ------------------------------------------------------------------------------------------------- from outside

    def place_of(self, namespace: str, urn: str) -> Place | None:
        """The DataObject of exactly this key that a namespace's pods see first, as far as the watch has shown."""
        return next(iter(self._table.exactly(namespace, urn)), None)

    async def ensure(self, namespace: str, urn: str) -> crd.DataObject | None:
        """The same, made if there is none; None where there is no room for another.

        Raises:
            ApiError: it could not be made; ConflictError if it is there, but the watch has not shown it yet.
        """
        place = self.place_of(namespace, urn)
        if place is not None:
            return self._resources.data_object(place)
        answer = self._room.ask(namespace)
        if not answer.granted:
            return None
        if answer.goes is not None:
            await self._delete(answer.goes, is_evicted=self._is_used(answer.goes))
        bucket = urn.partition("/")[0]
        home = self._home_of(namespace, bucket) or namespace
        meta = {
            "name": name_of(urn),
            "namespace": home,
            "labels": {names.BUCKET_LABEL: bucket, names.ON_DEMAND_LABEL: "true"},
            "annotations": {names.ON_DEMAND_FOR: namespace},
        }
        body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": meta, "spec": {"urn": urn}}
        path = places.path(home)
        params = {"fieldManager": names.SCHEDULER_FIELD_MANAGER}
        made = core.decode(await self._api.post(path, msgspec.json.encode(body), params=params), crd.DataObject, path)
        self._room.add((home, made.metadata.name), urn, namespace)
        self._metrics.upkeep("created")
        return made

    def sweep(self) -> None:
        """Make good what was missed, and delete what has not been named for long."""
        now = self._clock()
        self._mentions.keep(self._is_there)
        self._waiters = {uid for uid in self._waiters if self._is_there(uid)}
        self._unheard_of = {uid for uid in self._unheard_of if self._is_there(uid)}
        self._held = {urn: kept for urn, uids in self._held.items() if (kept := self._waiters & uids)}
        self._creating.clear()  # what was asked for and not answered is asked for again
        self._refused_until = {one: until for one, until in self._refused_until.items() if until > now}
        self._full_said = {one: since for one, since in self._full_said.items() if now - since < FULL_SAID_S}
        for named in self._mentions.pending():
            self._want(named)
        for place in self._room.expire(now, self.settings.data_retention_s):
            self._clerk.ask(("delete", *place), functools.partial(self._delete, place), patient=True)

    # ------------------------------------------------------------------------------------------------------- inside

    def _home_of(self, namespace: str, bucket: str) -> str | None:
        """In which namespace stands what a namespace's pods see of a bucket, their own first; None where nothing is."""
        return self._table.speaks_in(namespace, bucket)

    def _want(self, named: mentions.Named) -> None:
        """Have objects made for a pending pod's inputs where there are none."""
        namespace, now = named.namespace, self._clock()
        self._unheard_of.discard(named.uid)
        for urn in named.inputs:
            home = self._home_of(namespace, urn.partition("/")[0])
            if home is None:
                self._unheard_of.add(named.uid)
            elif (
                (home, urn) not in self._creating
                and not self._table.exactly(namespace, urn)
                and now >= self._refused_until.get(home, now)
                and now >= self._refused_until.get(namespace, now)
            ):
                self._creating.add((home, urn))
                job = functools.partial(self._create, namespace, home, urn)
                self._clerk.ask(("create", home, urn), job, group=namespace)

    async def _create(self, namespace: str, home: str, urn: str) -> None:
        try:
            if await self.ensure(namespace, urn) is None:
                self._tell_full(namespace, urn)
                self._give_up(home, urn)
        except (errors.UnreachableError, errors.ThrottledError):
            raise  # tried again; whoever waits does not beyond its time
        except errors.ConflictError:
            pass  # it is there, and the watch will show it
        except errors.ApiError as error:
            if isinstance(error, errors.DeniedError):
                self._refused_until[home] = self._clock() + DENIED_S
            self._give_up(home, urn)
            raise

    def _give_up(self, home: str, urn: str) -> None:
        """Nothing will be said of the key."""
        self._creating.discard((home, urn))
        self._release(urn)

    def _is_awaited(self, namespace: str, urn: str) -> bool:
        places = self._table.exactly(namespace, urn)
        return not any(self._has_answered(place) for place in places) if places else self._is_being_made(namespace, urn)

    def _is_being_made(self, namespace: str, urn: str) -> bool:
        return (self._home_of(namespace, urn.partition("/")[0]), urn) in self._creating

    def _is_used(self, place: Place) -> bool:
        urn = self._room.urn(place)
        return urn is not None and self._mentions.is_used(place[0], urn)

    def _has_answered(self, place: Place) -> bool:
        obj = self._resources.data_object(place)
        if obj is None:
            return False
        if _says_where(obj):
            return True
        if self._mentions.is_written(place[0], obj.spec.urn):
            return False
        since = self._lacking.get(place, math.inf)
        return bool(obj.status.replicas) or self._clock() - since >= self.settings.data_wait_s

    def _release(self, urn: str) -> None:
        for uid in self._held.pop(urn, ()):
            self._queue.release(uid)

    # ------------------------------------------------------------------------------------------- room and deletion

    def _tell_full(self, namespace: str, urn: str) -> None:
        """A namespace has had its share: its pods are placed by what is known of buckets, and somebody is told."""
        now = self._clock()
        self._metrics.upkeep("full")
        self._refused_until[namespace] = now + FULL_S
        reader = self._mentions.reader(namespace, urn)
        if reader is None or now - self._full_said.get(namespace, now - FULL_SAID_S) < FULL_SAID_S:
            return
        self._full_said[namespace] = now
        has, share = self._room.count_of(namespace), self._room.share(namespace)
        note = (
            f"no DataObject is made for {urn} and others, as this namespace has {has} of {room.LIMIT} in all and a "
            f"share of {share}: pods are placed by their buckets; name prefixes or buckets instead of keys"
        )
        log.warning("no more DataObjects are made on demand", namespace=namespace, has=has, share=share)
        self._reporter.keys_not_looked_up(namespace, reader.name, reader.uid, note)

    async def _delete(self, place: Place, *, is_evicted: bool = False) -> None:
        urn, obj = self._room.urn(place), self._resources.data_object(place)
        if urn is None or (self._is_used(place) and not is_evicted):
            return  # gone, or named again meanwhile
        preconditions = {"preconditions": {"uid": obj.metadata.uid}} if obj is not None else {}
        try:
            await self._api.delete(places.path(*place), msgspec.json.encode(preconditions))
            self._metrics.upkeep("evicted" if is_evicted else "deleted")
        except errors.NotFoundError:
            pass
        self._room.remove(place)


def _says_where(obj: crd.DataObject) -> bool:
    """Whether an object says where its data can be had, or will be."""
    status = obj.status
    return bool(obj.spec.locations or status.expected or any(replica.available for replica in status.replicas))
