"""The daemon's work: know the cluster's side (watching), know the stores' side (asking), write down what differs.

One task does all the writing. It is woken by whatever changes on either side, and looks only at the DataObjects that
the change is about, so that a key is in its object's status some milliseconds after somebody named it. Once in
``interval_s`` comes a regular round: the cluster is read where it is not watched, every store is listed, every object
is looked at. So a lost event or a failed write is made good by the next round and needs no bookkeeping.

Nothing here waits for a store. What comes late is written late: a store that hangs delays neither the others nor the
writing; only the first description of the node waits a moment for the stores that it is about to name.

It works without Kopf, too: then changes of the own NodeCapability are seen in the next regular round.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import pathlib
import random
import time
from collections.abc import Collection, Iterable
from typing import Final

import structlog

from daemon import config, metrics
from daemon.cluster import watches, writer
from daemon.status import conditions, dataobject, description
from daemon.stores import addresses, asker, contents, discovery, model, named, services
from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.kube import client, events

log = structlog.get_logger(__name__)

_PATIENCE_S: Final = 1.0  # how long the node's description waits for a store's first answer
_DEBOUNCE_S: Final = 0.3  # several events, one round
_RETRY_S: Final = 2.0  # after the API server failed us
# When to look for a copy that another node's store has already: over a slow line, or on a busy machine, it takes time.
_REPLICATION_S: Final = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)
_AT_ONCE: Final = 8  # writes in flight


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """For which node this daemon speaks, and how; ``host_root`` and ``has_host_files`` are those of machine.read.

    ``api_addresses`` are the API server's, which no namespace's Service may have the daemon ask.
    """

    node: str
    namespace: str
    interval_s: float
    limits: contents.Limits
    host_root: pathlib.Path = pathlib.Path("/")
    has_host_files: bool = True
    configuration: config.Source = dataclasses.field(default_factory=lambda: config.Source(None))
    api_addresses: frozenset[addresses.Address] = frozenset()


class Agent:
    """Finds the stores of one node and keeps its NodeCapability and its part of the DataObjects.

    Attributes:
        last_round_s: Monotonic time at which a regular round last succeeded, None before the first.
    """

    def __init__(self, api: client.Api, settings: Settings, sink: events.EventSink, figures: metrics.Metrics) -> None:
        self.last_round_s: float | None = None
        self._api = api
        self._settings = settings
        self._figures = figures
        self._cluster = watches.Cluster(api, settings.node, self)
        self._writer = writer.Writer(api, self._cluster.objects, figures)
        self._description = description.Description(
            api,
            self._writer,
            sink,
            settings.node,
            host_root=settings.host_root,
            has_host_files=settings.has_host_files,
        )
        self._discovered: tuple[model.Store, ...] = ()
        self._left_out: tuple[model.Store, ...] = ()  # there is no room for them in the node's description
        self._askers: dict[str, asker.Asker] = {}
        self._inherited: dict[str, set[str]] = {}  # store outside the cluster -> buckets that its last asker told of
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._round_due_s = 0.0
        self._buckets_due = False
        self._capability_due = False
        self._is_regular = False  # whether a regular round is under way: begun and not yet written down
        self._dirty: dict[watches.Place, bool] = {}  # objects to look at, and whether to heal them
        self._crowded: set[watches.Place] = set()  # objects that have no room for this node's copy
        self._leaving: dict[watches.Place, crd.DataObject] = {}  # not watched any more, with entries of ours
        self._complaint = ""

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._cluster.run(), name="watch")
            tasks.create_task(self._work(tasks), name="write")

    # ---- what the watches call, and the Kopf handlers ----

    def object_seen(self, item: crd.DataObject, before: crd.DataObject | None) -> None:
        self._look_at(item)
        if "/" not in item.spec.urn:
            return
        if before is None:
            self._look_up(item)
        elif dataobject.is_behind(item, before, node=self._settings.node):
            place, etags = (item.metadata.namespace, item.metadata.name), dataobject.etags_of(item, self._settings.node)
            for delay_s in _REPLICATION_S:
                asyncio.get_running_loop().call_later(delay_s, self._catch_up, place, etags)

    def object_gone(self, item: crd.DataObject) -> None:
        if "/" not in item.spec.urn:
            self._buckets_due = True
        has_ours = any(replica.node == self._settings.node for replica in item.status.replicas)
        if has_ours and not self._cluster.is_listed(contents.bucket_of(item.spec.urn)):
            # A location was taken back, and with it the label by which we saw the object.
            self._leaving[item.metadata.namespace, item.metadata.name] = item
            self._look_at(item)
        self._wake.set()

    def _look_up(self, item: crd.DataObject) -> None:
        for one in self._askers.values():
            if one.store.counts_in(item.metadata.namespace):
                one.look_up(item.spec.urn)

    def _catch_up(self, place: watches.Place, etags: set[str]) -> None:
        """Look whether replication has brought here what another node has, unless it has already."""
        item = self._cluster.objects.by_place.get(place)
        if item is not None and dataobject.etags_of(item, self._settings.node) == etags:
            self._look_up(item)

    def objects_listed(self) -> None:
        self._buckets_due = True
        self._wake.set()

    def pod_seen(self, pod: core.Pod) -> None:
        is_new = not self._cluster.has_services_of(pod.metadata.namespace)
        is_store = pod.metadata.labels.get(services.APP_LABEL) in services.STORE_APPS
        if is_new or is_store or any(services.serves(pod, service) for service in self._cluster.services):
            self._hurry()

    def capability_seen(self, capability: crd.NodeCapability, *, gone: bool) -> None:
        standing = self._description.capability
        known = standing.metadata if standing is not None else core.ObjectMeta()
        seen = capability.metadata
        if gone or (seen.uid, seen.generation) != (known.uid, known.generation):
            self._hurry()
        elif watches.version_of(seen) > watches.version_of(known):
            self._description.capability, self._capability_due = capability, True
            self._wake.set()

    def _hurry(self) -> None:
        """Have a regular round soon."""
        self._round_due_s = min(self._round_due_s, time.monotonic() + _DEBOUNCE_S)
        self._wake.set()

    def _look_at(self, item: crd.DataObject, *, heals: bool = False) -> None:
        place = (item.metadata.namespace, item.metadata.name)
        self._dirty[place] = heals or self._dirty.get(place, False)
        self._wake.set()

    def _store_changed(self, urns: Collection[str] | None) -> None:
        """A store told something else than before about ``urns``, or about all that it has."""
        if urns is None:
            self._buckets_due = self._capability_due = True
            for item in self._cluster.objects.by_place.values():
                self._look_at(item)
            self._wake.set()
            return
        for urn in urns:
            for item in self._cluster.objects.with_urn(urn):
                self._look_at(item)

    # ---- the work ----

    async def _work(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            try:
                if time.monotonic() >= self._round_due_s:
                    await self._begin_round(tasks)
                await self._write()
                self._complaint = ""
            except errors.LocalityError as error:
                if str(error) != self._complaint:  # once, not every two seconds
                    self._complaint = str(error)
                    log.warning("round failed, still trying", error=self._complaint)
                self._round_due_s = 0.0
                pause_s = max(_RETRY_S, getattr(error, "retry_after_s", 0.0))
                await asyncio.sleep(min(self._settings.interval_s, pause_s) * random.uniform(0.8, 1.2))  # noqa: S311
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._round_due_s - time.monotonic())):
                    await self._wake.wait()

    async def _begin_round(self, tasks: asyncio.TaskGroup) -> None:
        """Read what is not watched, have every store listed and every object looked at."""
        interval_s = self._settings.interval_s * random.uniform(0.9, 1.1)  # noqa: S311 - spreads many daemons
        self._round_due_s = time.monotonic() + interval_s
        await self._cluster.refresh()
        await self._description.read()
        self._settings.configuration.refresh()
        self._figures.config_good.set(self._settings.configuration.is_good)
        await self._discover(tasks)
        for one in self._askers.values():
            one.ask()
        for item in self._cluster.objects.by_place.values():
            self._look_at(item, heals=True)
        self._buckets_due = self._capability_due = self._is_regular = True

    async def _discover(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to ask stores that are new, and end it for those that are gone or stand elsewhere now."""
        assert self._cluster.node is not None  # noqa: S101 - a round begins with reading it
        settings = self._settings.configuration.settings
        seen = discovery.Cluster(
            self._cluster.node,
            list(self._cluster.services),
            list(self._cluster.pods),
            self._cluster.volumes,
            await self._cluster.nodes(discovery.fellows(self._cluster.node, settings)),
            self._cluster.shared_namespaces | {self._settings.namespace},
            self._settings.api_addresses,
        )
        found = discovery.find(seen, settings, host_root=str(self._settings.host_root))
        self._discovered, self._left_out = discovery.shared_out(found)
        self._figures.left_out.labels(kind="stores").set(len(self._left_out))
        by_name = {store.name: store for store in self._discovered}
        await self._let_go(one.store for name, one in self._askers.items() if name not in by_name)
        for name, one in list(self._askers.items()):
            if by_name.get(name) != one.store:
                self._tasks.pop(name).cancel()
                self._inherited.pop(name, None)
                del self._askers[name]
                if name not in by_name:
                    self._figures.forget(name)
        for name in by_name.keys() - self._askers.keys():
            if by_name[name].place is not None:
                self._inherited[name] = await self._cluster.buckets_outside(name)
            one = asker.Asker(
                self._api,
                by_name[name],
                limits=self._settings.limits,
                wanted=named.Named(self._cluster.objects, by_name[name]),
                changed=self._store_changed,
                figures=self._figures,
            )
            self._askers[name] = one
            self._tasks[name] = tasks.create_task(one.run(), name=f"ask {name}")

    async def _let_go(self, gone: Iterable[model.Store]) -> None:
        """Take back what stands of stores outside the cluster that are no longer configured, for no daemon would."""
        configured = {entry.store.name for entry in self._settings.configuration.settings.stores}
        for store in gone:
            if store.place is None or store.name in configured:  # another node asks it now
                continue
            left = [
                item
                for item in self._cluster.objects.by_place.values()
                if any(r.node == names.EXTERNAL and r.store == store.name for r in item.status.replicas)
            ]
            await self._writer.let_go(left, manager=dataobject.field_manager(names.EXTERNAL, store.name))

    def _views(self) -> dict[str, dataobject.View]:
        return {name: one.view for name, one in self._askers.items() if one.view is not None}

    def _follow(self) -> None:
        """Watch the objects of the buckets that our stores hold, held when last seen, or have entries of ours for."""
        capability = self._description.capability
        standing = capability.status.stores if capability is not None else ()
        buckets = {bucket for store in standing for bucket in store.buckets}.union(*self._inherited.values())
        for view in self._views().values():
            buckets.update(dataobject.listed_buckets(view))
        node = self._settings.node
        for item in self._cluster.objects.by_place.values():
            mine = (
                r.node == node or (r.node == names.EXTERNAL and r.store in self._askers) for r in item.status.replicas
            )
            if any(mine):
                buckets.add(contents.bucket_of(item.spec.urn))
        self._cluster.follow(buckets)

    # ---- writing ----

    async def _write(self) -> None:
        if self._buckets_due:
            self._buckets_due = False
            self._follow()
            await self._create_missing()
        await self._write_objects()
        if self._capability_due and not self._is_early():
            self._capability_due = False
            assert self._cluster.node is not None  # noqa: S101 - a round begins with reading it
            self._cluster.node = await self._description.write(
                self._cluster.node, self._discovered, self._views(), _now(), left_out=self._left_out
            )
        if self._is_regular and not self._capability_due:
            self._is_regular = False
            self.last_round_s = time.monotonic()
            self._figures.rounds.inc()

    def _is_early(self) -> bool:
        """Whether a store that was just found will probably answer in a moment."""
        young_s = time.monotonic() - _PATIENCE_S
        early = any(one.view is None and one.born_s > young_s for one in self._askers.values())
        if early:
            asyncio.get_running_loop().call_later(_PATIENCE_S / 5, self._wake.set)
        return early

    async def _create_missing(self) -> None:
        known = self._cluster.objects.by_place.values()
        for body in dataobject.to_create(known, self._views().values(), self._settings.namespace):
            if self._cluster.is_listed(body["spec"]["urn"]):
                await self._writer.create(body)

    async def _write_objects(self) -> None:
        while self._dirty:
            batch = [self._dirty.popitem() for _ in range(min(_AT_ONCE, len(self._dirty)))]
            views, now = self._views(), _now()
            written = [self._write_object(place, views, now, heals=heals) for place, heals in batch]
            failed = [e for e in await asyncio.gather(*written, return_exceptions=True) if e is not None]
            if failed:
                for place, heals in batch:
                    self._dirty[place] = heals or self._dirty.get(place, False)
                raise failed[0]

    async def _write_object(
        self, place: watches.Place, views: dict[str, dataobject.View], now: str, *, heals: bool
    ) -> None:
        item = self._cluster.objects.by_place.get(place) or self._leaving.pop(place, None)
        if item is None:  # deleted meanwhile
            self._crowded.discard(place)
            return
        for speaker, manager, found in dataobject.speakers(self._settings.node, self._discovered):
            leads = self._leads(item, speaker)
            compute = functools.partial(
                dataobject.status_to_apply,
                node=speaker,
                discovered=found,
                views=views,
                now=now,
                leads=leads,
                heals=heals,
            )
            item = await self._writer.settle(item, compute, manager=manager)
        crowded = dataobject.is_crowded_out(item, self._settings.node, self._discovered, views)
        (self._crowded.add if crowded else self._crowded.discard)(place)
        self._figures.left_out.labels(kind="copies").set(len(self._crowded))

    def _leads(self, item: crd.DataObject, speaker: str) -> bool:
        """Whether the speaker comes first among those that have the bucket: then it says that they lack the key."""
        bucket = contents.bucket_of(item.spec.urn)
        speaking = {item.metadata.namespace, self._settings.namespace}
        holders = {
            replica.node
            for whole in self._cluster.objects.with_urn(bucket)
            if whole.metadata.namespace in speaking
            for replica in whole.status.replicas
            if replica.available
        }
        return not holders or min(holders) == speaker


def _now() -> str:
    return conditions.rfc3339(datetime.datetime.now(datetime.UTC))
