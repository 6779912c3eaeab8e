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
import concurrent.futures
import contextlib
import dataclasses
import datetime
import pathlib
import random
import time
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
import structlog

from daemon import (
    asking,
    conditions,
    config,
    discovery,
    labels,
    listing,
    metrics,
    neighbours,
    objects,
    publish,
    reading,
    stores,
    telling,
    watching,
)
from daemon.facts import machine
from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.kube import client, events

log = structlog.get_logger(__name__)

_PATIENCE_S: Final = 1.0  # how long the node's description waits for a store's first answer
_DEBOUNCE_S: Final = 0.3  # several events, one round
_RETRY_S: Final = 2.0  # after the API server failed us
_TRIES: Final = 3  # a write, and two corrections where other daemons wrote at the same moment
_AT_ONCE: Final = 8  # writes in flight
_MAX_STORES: Final = 64  # the schema's bound

_CAPABILITIES: Final = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
_NODES: Final = "/api/v1/nodes"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """For which node this daemon speaks, and how; ``host_root`` and ``has_host_files`` are those of machine.read."""

    node: str
    namespace: str
    interval_s: float
    limits: listing.Limits
    host_root: pathlib.Path = pathlib.Path("/")
    has_host_files: bool = True
    configuration: config.Source = dataclasses.field(default_factory=lambda: config.Source(None))


class Agent:
    """Finds the stores of one node and keeps its NodeCapability and its part of the DataObjects.

    Attributes:
        last_round_s: Monotonic time at which a regular round last succeeded, None before the first.
    """

    def __init__(self, api: client.Api, settings: Settings, sink: events.EventSink, figures: metrics.Metrics) -> None:
        self.last_round_s: float | None = None
        self._api = api
        self._settings = settings
        self._sink = sink
        self._figures = figures
        self._manager = objects.field_manager(settings.node)
        self._machine = machine.NOTHING
        self._cluster = watching.Cluster(api, settings.node, self)
        self._capability: crd.NodeCapability | None = None
        self._discovered: tuple[stores.Store, ...] = ()
        self._askers: dict[str, asking.Asker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None
        self._wake = asyncio.Event()
        self._round_due_s = 0.0
        self._rounds = 0
        self._buckets_due = False
        self._capability_due = False
        self._is_regular = False  # whether a regular round is under way: begun and not yet written down
        self._dirty: dict[watching.Place, bool] = {}  # objects to look at, and whether to heal them
        self._refusals: dict[str, str] = {}
        self._complaint = ""

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._cluster.run(), name="watch")
                tasks.create_task(self._work(tasks), name="write")
        finally:
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)

    # ---- what the watches call, and the Kopf handlers ----

    def object_seen(self, item: crd.DataObject, *, new: bool) -> None:
        self._look_at(item)
        if new and "/" in item.spec.urn:
            for asker in self._askers.values():
                asker.look_up(item.spec.urn)

    def object_gone(self, item: crd.DataObject) -> None:
        if "/" not in item.spec.urn:
            self._buckets_due = True
            self._wake.set()

    def objects_listed(self) -> None:
        self._buckets_due = True
        self._wake.set()

    def pod_seen(self, pod: core.Pod) -> None:
        is_new = not self._cluster.has_services_of(pod.metadata.namespace)
        is_store = pod.metadata.labels.get(stores.APP_LABEL) in stores.STORE_APPS
        if is_new or is_store or any(stores.serves(pod, service) for service in self._cluster.services):
            self._hurry()

    def capability_seen(self, capability: crd.NodeCapability, *, gone: bool) -> None:
        known = self._capability.metadata if self._capability is not None else core.ObjectMeta()
        seen = capability.metadata
        if gone or (seen.uid, seen.generation) != (known.uid, known.generation):
            self._hurry()
        elif watching.version_of(seen) > watching.version_of(known):
            self._capability, self._capability_due = capability, True
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
        path = f"{_CAPABILITIES}/{self._settings.node}"
        self._capability = await reading.get(self._api, path, crd.NodeCapability)
        self._settings.configuration.refresh()
        self._figures.config_good.set(self._settings.configuration.is_good)
        await self._discover(tasks)
        for asker in self._askers.values():
            asker.ask()
        for item in self._cluster.objects.by_place.values():
            self._look_at(item, heals=True)
        self._buckets_due = self._capability_due = self._is_regular = True
        self._rounds += 1
        if self._rounds % neighbours.EVERY == 0:
            await neighbours.clear(self._api, self._settings.node, self._cluster.objects)

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
        )
        found = discovery.find(seen, settings, host_root=str(self._settings.host_root))
        if len(found) > _MAX_STORES:
            log.warning("too many stores on this node, the rest is left out", stores=len(found), limit=_MAX_STORES)
        self._discovered = found[:_MAX_STORES]
        by_name = {store.name: store for store in self._discovered}
        await self._let_go(asker.store for name, asker in self._askers.items() if name not in by_name)
        for name, asker in list(self._askers.items()):
            if by_name.get(name) != asker.store:
                self._tasks.pop(name).cancel()
                del self._askers[name]
                if name not in by_name:
                    self._figures.forget(name)
        for name in by_name.keys() - self._askers.keys():
            asker = asking.Asker(
                self._api,
                by_name[name],
                threads=self._pool,
                limits=self._settings.limits,
                wanted=self._cluster.objects,
                changed=self._store_changed,
                figures=self._figures,
            )
            self._askers[name] = asker
            self._tasks[name] = tasks.create_task(asker.run(), name=f"ask {name}")

    async def _let_go(self, gone: Iterable[stores.Store]) -> None:
        """Take back what stands of stores outside the cluster that are no longer configured, for no daemon would."""
        configured = {entry.store.name for entry in self._settings.configuration.settings.stores}
        for store in gone:
            if store.place is None or store.name in configured:  # another node asks it now
                continue
            for place, item in list(self._cluster.objects.by_place.items()):
                if any(r.node == names.EXTERNAL and r.store == store.name for r in item.status.replicas):
                    manager = objects.field_manager(names.EXTERNAL, store.name)
                    path = f"{_object_path(*place)}/status"
                    await self._apply_to_object(path, objects.letting_go(item), manager=manager)

    def _pool(self) -> concurrent.futures.Executor:
        """Threads are made when there is a store to ask: most nodes have none."""
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(3 * _MAX_STORES, thread_name_prefix="store")
        return self._threads

    def _views(self) -> dict[str, objects.View]:
        return {name: asker.view for name, asker in self._askers.items() if asker.view is not None}

    def _follow(self) -> None:
        """Watch the objects of the buckets that our stores hold, held when last seen, or have entries of ours for."""
        standing = self._capability.status.stores if self._capability is not None else ()
        buckets = {bucket for store in standing for bucket in store.buckets}
        for view in self._views().values():
            buckets.update(objects.listed_buckets(view))
        node = self._settings.node
        for item in self._cluster.objects.by_place.values():
            mine = (
                r.node == node or (r.node == names.EXTERNAL and r.store in self._askers) for r in item.status.replicas
            )
            if any(mine):
                buckets.add(listing.bucket_of(item.spec.urn))
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
            await self._write_capability()
        if self._is_regular and not self._capability_due:
            self._is_regular = False
            self.last_round_s = time.monotonic()
            self._figures.rounds.inc()

    def _is_early(self) -> bool:
        """Whether a store that was just found will probably answer in a moment."""
        young_s = time.monotonic() - _PATIENCE_S
        early = any(asker.view is None and asker.born_s > young_s for asker in self._askers.values())
        if early:
            asyncio.get_running_loop().call_later(_PATIENCE_S / 5, self._wake.set)
        return early

    async def _create_missing(self) -> None:
        known = self._cluster.objects.by_place.values()
        for body in objects.to_create(known, self._views().values(), self._settings.namespace):
            if self._cluster.is_listed(body["spec"]["urn"]):
                await self._create(body)

    async def _create(self, body: dict[str, Any]) -> None:
        """Create a bucket's object; where its plain name is taken by another urn, under a name that is not."""
        namespace, urn = body["metadata"]["namespace"], body["spec"]["urn"]
        for name in dict.fromkeys([body["metadata"]["name"], objects.hashed_name_of(urn)]):
            body["metadata"]["name"] = name
            path = _object_path(namespace, name)
            # One manager for all daemons: what they apply is the same.
            if await self._apply_to_object(path, body, manager=names.DAEMON_FIELD_MANAGER) is not None:
                log.info("bucket found", bucket=urn, data_object=f"{namespace}/{name}")
                return

    async def _write_objects(self) -> None:
        views, now = self._views(), _now()
        while self._dirty:
            batch = [self._dirty.popitem() for _ in range(min(_AT_ONCE, len(self._dirty)))]
            written = [self._write_object(place, views, now, heals=heals) for place, heals in batch]
            failed = [e for e in await asyncio.gather(*written, return_exceptions=True) if e is not None]
            if failed:
                for place, heals in batch:
                    self._dirty[place] = heals or self._dirty.get(place, False)
                raise failed[0]

    async def _write_object(
        self, place: watching.Place, views: dict[str, objects.View], now: str, *, heals: bool
    ) -> None:
        for speaker, manager, found in objects.speakers(self._settings.node, self._discovered):
            item = self._cluster.objects.by_place.get(place)
            for _ in range(_TRIES):
                if item is None:  # deleted, or refused
                    break
                body = objects.status_to_apply(
                    item,
                    node=speaker,
                    discovered=found,
                    views=views,
                    now=now,
                    leads=self._leads(item, speaker),
                    heals=heals,
                )
                if body is None:
                    break
                item = await self._apply_to_object(f"{_object_path(*place)}/status", body, manager=manager)
                if item is not None:
                    self._cluster.objects.put(item)

    def _leads(self, item: crd.DataObject, speaker: str) -> bool:
        """Whether the speaker comes first among those that have the bucket: then it says that they lack the key."""
        bucket = listing.bucket_of(item.spec.urn)
        holders = {
            replica.node
            for whole in self._cluster.objects.with_urn(bucket)
            for replica in whole.status.replicas
            if replica.available
        }
        return not holders or min(holders) == speaker

    async def _apply_to_object(self, path: str, body: dict[str, Any], *, manager: str) -> crd.DataObject | None:
        """Apply; None where the API server refuses this one object, which is said once and harms no other."""
        try:
            data = await self._apply(path, body, manager=manager)
        except (errors.UnreachableError, errors.ThrottledError, errors.DeniedError):
            raise  # the others would fare no better
        except errors.ApiError as error:
            gone = isinstance(error, errors.NotFoundError) and path.endswith("/status")  # deleted meanwhile
            if not gone and self._refusals.get(path) != str(error):
                self._refusals[path] = str(error)
                log.warning("DataObject not written", path=path, error=str(error))
            return None
        self._refusals.pop(path, None)
        return core.decode(data, crd.DataObject, path)

    async def _write_capability(self) -> None:
        node, capability = self._cluster.node, self._capability
        assert node is not None  # noqa: S101 - a round begins with reading it
        path = f"{_CAPABILITIES}/{self._settings.node}"
        owners = {owner.uid for owner in capability.metadata.owner_references} if capability else set()
        if capability is None or node.metadata.uid not in owners:
            body = publish.to_create(node)
            capability = core.decode(await self._apply(path, body, manager=self._manager), crd.NodeCapability, path)
        settings, views = self._settings, self._views()
        self._machine = await asyncio.to_thread(
            machine.read, settings.host_root, has_files=settings.has_host_files, before=self._machine
        )
        body_or_none = publish.status_to_apply(
            capability,
            node=labels.without_own(node, self._manager),
            seen=self._machine,
            discovered=self._discovered,
            views=views,
            now=_now(),
        )
        if body_or_none is not None:
            told = publish.transitions(capability.status, self._discovered, views)
            answer = await self._apply(f"{path}/status", body_or_none, manager=self._manager)
            capability = core.decode(answer, crd.NodeCapability, path)
            for transition in told:
                telling.tell(self._sink, settings.node, transition)
        self._capability = capability
        await self._write_labels(node, capability)

    async def _write_labels(self, node: labels.ManagedNode, capability: crd.NodeCapability) -> None:
        body = labels.to_apply(node, capability, manager=self._manager, now=_now())
        if body is None:
            return
        with contextlib.suppress(errors.ConflictError):  # labelled by somebody meanwhile: the next round sees it
            path = f"{_NODES}/{self._settings.node}"
            answer = await self._apply(path, body, manager=self._manager, force=False)
            self._cluster.node = core.decode(answer, labels.ManagedNode, path)

    async def _apply(self, path: str, body: dict[str, Any], *, manager: str, force: bool = True) -> bytes:
        """Server-side apply. Of our own resources we know best; a Node belongs to everybody."""
        self._figures.writes.labels(kind=body["kind"]).inc()
        return await self._api.patch(
            path,
            msgspec.json.encode(body),
            client.APPLY_PATCH,
            params={"fieldManager": manager, "force": str(force).lower()},
        )


def _object_path(namespace: str, name: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.DATA_OBJECTS}/{name}"


def _now() -> str:
    return conditions.rfc3339(datetime.datetime.now(datetime.UTC))
