"""The keys that pods name: each gets a DataObject when a pod names it, and loses it when none has for a while.

A bucket is always known; which of its stores holds a key is found out by the daemons once there is a DataObject for the
key. So when a pending pod of ours names a key as an input that no DataObject covers exactly, and its bucket is known,
one is made in the home namespace, labelled scheduler.thesis/on-demand. The pod, if its turn comes meanwhile, is put
aside until the object says something, but not beyond ``data_wait_s`` after it was first seen; then it is placed by what
is known of the bucket. Other pods do not wait for it.

An object says something when a copy is available or an output is expected; or, if no pod is about to write the key,
when a copy is known that cannot be had now. That nobody has the key is no answer at first: the daemon that says so may
be quicker than the one that has it, and the pod that is to write the key may come with the one that reads it. It is one
when it has stood for ``data_wait_s``.

What no pending or assigned pod names any more is deleted after ``data_retention_s``. All of it follows from labels and
pods, so a restart only starts the retention anew. Pods that wait for another scheduler are not watched; theirs count
once they are assigned, which the retention bridges.

Daemons select DataObjects by labels that follow from the spec: the bucket, and the nodes of declared locations. Users
do not set them, so they are set here, once for each spec; whoever changes them back prevails, and the log says so.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from scheduler import config, errors
from scheduler.api import annotations as intents
from scheduler.api import core, crd, names
from scheduler.kube import client
from scheduler.loop import clerk, feed, metrics, queue
from scheduler.state import replicas

log = structlog.get_logger(__name__)

LIMIT: Final = 10_000  # objects made on demand, some kB each for everybody who lists them
DENIED_S: Final = 60.0  # how long a refusal to create is taken for the answer
READY: Final = "Ready"

UNDONE: Final = math.inf

Place = tuple[str, str]  # namespace and name of a DataObject


def name_of(urn: str) -> str:
    """The name of the DataObject made for a key."""
    return f"key-{hashlib.sha256(urn.encode()).hexdigest()[:20]}"


def is_key(urn: str) -> bool:
    """Whether a urn names one key, rather than a bucket or a prefix."""
    return "/" in urn and not urn.endswith("/")


def object_path(namespace: str, name: str = "") -> str:
    """The API path of a DataObject, or of those of a namespace."""
    path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.DATA_OBJECTS}"
    return f"{path}/{name}" if name else path


@dataclasses.dataclass(frozen=True, slots=True)
class _Named:
    """The keys that a pod names."""

    namespace: str
    annotations: dict[str, str]
    is_pending: bool
    inputs: frozenset[str]
    outputs: frozenset[str]


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
        resources: feed.CustomResources,
        waiting: queue.Queue,
        writer: clerk.Clerk,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        is_there: Callable[[str], bool],
    ) -> None:
        self._api = api
        self._settings = settings
        self._home = home
        self._table = table
        self._resources = resources
        self._queue = waiting
        self._clerk = writer
        self._metrics = counters
        self._clock = clock
        self._is_there = is_there
        self._named: dict[str, _Named] = {}  # by uid
        self._users: collections.Counter[str] = collections.Counter()  # urn -> pods that name it
        self._producers: collections.Counter[str] = collections.Counter()  # urn -> pods that will write it
        self._made: dict[Place, str] = {}  # the objects made on demand -> urn
        self._idle: dict[Place, float] = {}  # those of them that no pod names -> since when
        self._creating: set[str] = set()
        self._lacking: dict[Place, float] = {}  # objects that say that nobody has the key -> since when
        self._held: dict[str, set[str]] = {}  # urn -> pods put aside for it
        self._waiters: set[str] = set()
        self._denied_until = -DENIED_S
        self._is_full = False
        self._labels: dict[Place, tuple[int, float]] = {}  # labelled objects -> generation, and the version this made

    # ------------------------------------------------------------------------------------------------ what is seen

    def pod_seen(self, pod: core.Pod) -> None:
        """Take note of the keys that a pending or assigned pod names."""
        uid, is_pending = pod.metadata.uid, not pod.spec.node_name
        before = self._named.get(uid)
        if before is not None and before.is_pending == is_pending and before.annotations == pod.metadata.annotations:
            return
        intent = intents.parse(pod.metadata.annotations)[0]
        inputs = frozenset(filter(is_key, (each.urn for each in intent.inputs)))
        outputs = frozenset(filter(is_key, (each.urn for each in intent.outputs)))
        self._forget(uid)
        if inputs or outputs:
            named = _Named(pod.metadata.namespace, pod.metadata.annotations, is_pending, inputs, outputs)
            self._named[uid] = named
            self._users.update(inputs | outputs)
            self._producers.update(outputs - inputs)
            if is_pending:
                self._want(named)

    def object_seen(self, place: Place, obj: crd.DataObject | None) -> None:
        """A DataObject is new, changed, or (None) gone."""
        if obj is None:
            for known in (self._labels, self._made, self._idle, self._lacking):
                known.pop(place, None)
            return
        urn = obj.spec.urn
        if place[0] == self._home and obj.metadata.labels.get(names.ON_DEMAND_LABEL) == "true":
            self._made[place] = urn
        if _says_where(obj) or not any(each.type == READY for each in obj.status.conditions):
            self._lacking.pop(place, None)
        else:
            self._lacking.setdefault(place, self._clock())
        self._creating.discard(urn)
        self._release(urn)
        self._look_at_labels(place, obj)

    # ------------------------------------------------------------------------------------------ what the cycle asks

    def hold_until(self, pod: core.Pod, arrived: float) -> float | None:
        """Until when a pod whose turn has come is to be put aside at most; None if it is to be decided now."""
        uid, now, deadline = pod.metadata.uid, self._clock(), arrived + self._settings.data_wait_s
        named = self._named.get(uid)
        if now < deadline and named is not None:
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
        if not await self._make_room():
            return None
        labels = {names.BUCKET_LABEL: urn.partition("/")[0], names.ON_DEMAND_LABEL: "true"}
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "DataObject",
            "metadata": {"name": name_of(urn), "namespace": self._home, "labels": labels},
            "spec": {"urn": urn},
        }
        path = object_path(self._home)
        params = {"fieldManager": names.SCHEDULER_FIELD_MANAGER}
        made = core.decode(await self._api.post(path, msgspec.json.encode(body), params=params), crd.DataObject, path)
        self._made[self._home, made.metadata.name] = urn
        self._metrics.upkeep("created")
        return made

    def sweep(self) -> None:
        """Make good what was missed, and delete what has not been named for long."""
        for uid in [uid for uid in self._named if not self._is_there(uid)]:
            self._forget(uid)
        self._waiters = {uid for uid in self._waiters if self._is_there(uid)}
        self._held = {urn: kept for urn, uids in self._held.items() if (kept := self._waiters & uids)}
        self._creating.clear()  # what was asked for and not answered is asked for again
        for named in self._named.values():
            if named.is_pending:
                self._want(named)
        now = self._clock()
        for place, urn in self._made.items():
            if self._users[urn]:
                self._idle.pop(place, None)
            elif now - self._idle.setdefault(place, now) >= self._settings.data_retention_s:
                self._clerk.ask(("delete", *place), functools.partial(self._delete, place))

    # ------------------------------------------------------------------------------------------------------- inside

    def _forget(self, uid: str) -> None:
        named = self._named.pop(uid, None)
        if named is not None:
            _less(self._users, named.inputs | named.outputs)
            _less(self._producers, named.outputs - named.inputs)

    def _want(self, named: _Named) -> None:
        """Have objects made for a pending pod's inputs where there are none."""
        for urn in named.inputs:
            if (
                urn not in self._creating
                and not self._table.exactly(named.namespace, urn)
                and self._table.knows_bucket(named.namespace, urn.partition("/")[0])
                and self._clock() >= self._denied_until
            ):
                self._creating.add(urn)
                self._clerk.ask(("create", urn), functools.partial(self._create, named.namespace, urn))

    async def _create(self, namespace: str, urn: str) -> None:
        try:
            if await self.ensure(namespace, urn) is None:
                self._give_up(urn)
        except (errors.UnreachableError, errors.ThrottledError):
            raise  # tried again; whoever waits does not beyond its time
        except errors.ConflictError:
            pass  # it is there, and the watch will show it
        except errors.ApiError as error:
            if isinstance(error, errors.DeniedError):
                self._denied_until = self._clock() + DENIED_S
            self._give_up(urn)
            raise

    def _give_up(self, urn: str) -> None:
        """Nothing will be said of the key."""
        self._creating.discard(urn)
        self._release(urn)

    def _is_awaited(self, namespace: str, urn: str) -> bool:
        places = self._table.exactly(namespace, urn)
        return not any(self._has_answered(place) for place in places) if places else urn in self._creating

    def _has_answered(self, place: Place) -> bool:
        obj = self._resources.data_object(place)
        if obj is None:
            return False
        if _says_where(obj):
            return True
        if self._producers[obj.spec.urn]:
            return False
        since = self._lacking.get(place, math.inf)
        return bool(obj.status.replicas) or self._clock() - since >= self._settings.data_wait_s

    def _release(self, urn: str) -> None:
        for uid in self._held.pop(urn, ()):
            self._queue.release(uid)

    # ------------------------------------------------------------------------------------------- room and deletion

    async def _make_room(self) -> bool:
        """Whether another object may be made; the one that was idle for longest goes for it."""
        if len(self._made) < LIMIT:
            self._is_full = False
            return True
        idle = {since: place for place, since in self._idle.items() if not self._users[self._made[place]]}
        if idle:
            await self._delete(idle[min(idle)])
            return True
        self._metrics.upkeep("full")
        if not self._is_full:
            self._is_full = True
            log.warning("no more DataObjects are made on demand, keys are placed by their buckets", limit=LIMIT)
        return False

    async def _delete(self, place: Place) -> None:
        urn, obj = self._made.get(place), self._resources.data_object(place)
        if urn is None or self._users[urn]:
            return  # gone, or named again meanwhile
        preconditions = {"preconditions": {"uid": obj.metadata.uid}} if obj is not None else {}
        try:
            await self._api.delete(object_path(*place), msgspec.json.encode(preconditions))
            self._metrics.upkeep("deleted")
        except errors.NotFoundError:
            pass
        self._made.pop(place, None)
        self._idle.pop(place, None)

    # -------------------------------------------------------------------------------------------------- labels

    def _look_at_labels(self, place: Place, obj: crd.DataObject) -> None:
        wrong = _wrong_labels(obj)
        if not wrong:
            return
        generation, version = self._labels.get(place, (-1, 0.0))
        if generation != obj.metadata.generation:
            self._clerk.ask(("label", *place), functools.partial(self._label, place))
        elif _version(obj) > version:
            self._labels[place] = generation, UNDONE
            log.warning(
                "labels changed back, so they are left alone; daemons do not look after this DataObject",
                object="/".join(place),
                labels=sorted(wrong),
            )

    async def _label(self, place: Place) -> None:
        obj = self._resources.data_object(place)
        labels = _wrong_labels(obj) if obj is not None else {}
        if obj is None or not labels or self._labels.get(place, (-1, 0.0))[0] == obj.metadata.generation:
            return
        body = {"metadata": {"uid": obj.metadata.uid, "labels": labels}}
        params = {"fieldManager": names.SCHEDULER_FIELD_MANAGER}
        path = object_path(*place)
        answer = await self._api.patch(path, msgspec.json.encode(body), params=params)
        self._labels[place] = obj.metadata.generation, _version(core.decode(answer, crd.DataObject, path))
        self._metrics.upkeep("labelled")
        self.object_seen(place, self._resources.data_object(place))  # they may have been changed back already


def _says_where(obj: crd.DataObject) -> bool:
    """Whether an object says where its data can be had, or will be."""
    status = obj.status
    return bool(obj.spec.locations or status.expected or any(replica.available for replica in status.replicas))


def _wrong_labels(obj: crd.DataObject) -> dict[str, str | None]:
    """The labels that do not follow from the spec, as a patch."""
    wanted: dict[str, str | None] = {names.BUCKET_LABEL: obj.spec.urn.partition("/")[0]}
    wanted |= {crd.location_label(location.node): "true" for location in obj.spec.locations}
    standing = obj.metadata.labels
    stale = {label: None for label in standing if label.startswith(names.LOCATION_PREFIX) and label not in wanted}
    return {label: value for label, value in wanted.items() if standing.get(label) != value} | stale


def _version(obj: crd.DataObject) -> float:
    """Where in the order of versions an object is; the API server counts them."""
    version = obj.metadata.resource_version
    return float(version) if version.isdecimal() else UNDONE


def _less(counts: collections.Counter[str], urns: frozenset[str]) -> None:
    for urn in urns:
        counts[urn] -= 1
        if counts[urn] <= 0:
            del counts[urn]
