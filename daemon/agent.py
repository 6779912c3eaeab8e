"""The daemon's work: know the cluster's side (knowledge), know the stores' side (asking), write down what differs.

One task does all the writing. It is woken by whatever changes on either side, and looks only at the DataObjects that
the change is about, so that a key is in its object's status some milliseconds after somebody named it. Once in
``interval_s`` comes a regular round: every store is listed, every object is looked at. So a lost event or a failed
write is made good by the next round and needs no bookkeeping. The round asks the API server nothing.

Nothing here waits for a store. What comes late is written late: a store that hangs delays neither the others nor the
writing; only the first description of the node waits a moment for the stores that it is about to name.

The work has parts (``_PARTS``), each with its own pace: what fails is tried again ever more seldom, and keeps none of
the others from being done. Nothing is concluded from what could not be read: a store that was not found stays as it
was written down as long as the cluster's side cannot say that it is gone.

It works without Kopf, too: then changes of the own NodeCapability are seen once in ``_REREAD`` rounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import math
import pathlib
import random
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from daemon import config, metrics
from daemon.cluster import knowledge, pace, watches, writer
from daemon.status import conditions, dataobject, description, objectwriter
from daemon.stores import addresses, askers, contents, discovery, finder, model
from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.kube import client, events, mishaps

log = structlog.get_logger(__name__)

# When to look for a copy that another node's store has already: over a slow line, or on a busy machine, it takes time.
_REPLICATION_S: Final = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)
_MOST_S: Final = 120.0  # between two attempts at what fails
_REREAD: Final = 20  # rounds until the own NodeCapability is read again, were an event lost

# The parts of the work, in the order in which they are done, and the least time between two times of one.
_PARTS: Final = {"capability": 1.0, "stores": 0.3, "buckets": 0.2, "objects": 0.0, "description": 0.2}


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
        self._failures = mishaps.Mishaps(lambda part: figures.faults.labels(part=part).inc())
        self._cluster = knowledge.Cluster(
            api, settings.node, self, self._failures, home=settings.namespace, interval_s=settings.interval_s
        )
        self._finder = finder.Finder(
            self._cluster,
            self._failures,
            home=settings.namespace,
            host_root=str(settings.host_root),
            api_addresses=settings.api_addresses,
        )
        self._asking = askers.Asking(
            api, self._cluster, self._failures, figures, limits=settings.limits, changed=self._store_changed
        )
        self._writer = writer.Writer(api, self._cluster.objects, figures)
        self._writing = objectwriter.Writing(
            self._cluster,
            self._writer,
            self._failures,
            node=settings.node,
            namespace=settings.namespace,
            views=self._asking.views,
            is_open=self._finder.is_open,
            figures=figures,
        )
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
        self._wake = asyncio.Event()
        self._round_due_s = 0.0
        self._rounds = 0
        self._due = set[str]()  # parts of the work that something has made necessary
        self._pace = {part: pace.Pace(gap_s=gap_s, most_s=_MOST_S) for part, gap_s in _PARTS.items()}
        self._complaints: dict[str, str] = {}  # part -> what went wrong with it last
        self._unread: dict[str, str] = {}
        self._known: object = None  # what the last discovery came to
        self._left = set[str]()  # what is to be done of the regular round
        self._is_regular = False
        self._watches_all = False  # for they are too many to be selected by name
        self._chases: dict[watches.Place, list[asyncio.TimerHandle]] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._cluster.run(), name="watch")
            tasks.create_task(self._work(tasks), name="write")

    # ---- what the watches call, and the Kopf handlers ----

    def object_seen(self, item: crd.DataObject, before: crd.DataObject | None) -> None:
        self._writing.changed(item, before)
        self._wake.set()
        if "/" not in item.spec.urn:
            return
        if before is None:
            self._asking.look_up(item)
        elif dataobject.is_behind(item, before, node=self._settings.node):
            self._chase(item)

    def object_gone(self, item: crd.DataObject) -> None:
        if "/" not in item.spec.urn:
            self._due.add("buckets")
        has_ours = any(replica.node == self._settings.node for replica in item.status.replicas)
        if has_ours and not self._cluster.is_listed(contents.bucket_of(item.spec.urn)):
            # A location was taken back, and with it the label by which we saw the object.
            self._writing.leaves(item)
        self._wake.set()

    def objects_listed(self) -> None:
        self._need("buckets")

    def cluster_changed(self) -> None:
        self._pace["stores"].forgive("stores", time.monotonic())
        self._need("stores")

    def capability_seen(self, capability: crd.NodeCapability, *, gone: bool) -> None:
        with self._failures.contained("capability"):
            standing = self._description.capability
            known = standing.metadata if standing is not None else core.ObjectMeta()
            if gone or capability.metadata.uid != known.uid:
                self._need("capability", "description")
            elif watches.version_of(capability.metadata) > watches.version_of(known):
                self._description.capability, self._description.is_known = capability, True
                self._need("description")

    def _need(self, *parts: str) -> None:
        self._due.update(parts)
        self._wake.set()

    def _chase(self, item: crd.DataObject) -> None:
        """Look whether replication brings here what another node has; the newest change alone is chased."""
        place, etags = (item.metadata.namespace, item.metadata.name), dataobject.etags_of(item, self._settings.node)
        for timer in self._chases.pop(place, ()):
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._chases[place] = [loop.call_later(delay_s, self._catch_up, place, etags) for delay_s in _REPLICATION_S]
        loop.call_later(_REPLICATION_S[-1], self._chases.pop, place, None)

    def _catch_up(self, place: watches.Place, etags: set[str]) -> None:
        """Look whether replication has brought here what another node has, unless it has already."""
        item = self._cluster.objects.by_place.get(place)
        if item is not None and dataobject.etags_of(item, self._settings.node) == etags:
            self._asking.look_up(item)

    def _store_changed(self, urns: Collection[str] | None) -> None:
        """A store told something else than before about ``urns``, or about all that it has."""
        if urns is None:
            for item in self._cluster.objects.by_place.values():
                self._writing.look_at(item)
            self._need("buckets", "description")
            return
        for urn in urns:
            for item in self._cluster.objects.with_urn(urn):
                self._writing.look_at(item)
        self._wake.set()

    # ---- the work ----

    async def _work(self, tasks: asyncio.TaskGroup) -> None:
        await self._cluster.settle()
        todo: dict[str, Callable[[], Awaitable[None]]] = {
            "capability": self._description.read,
            "stores": lambda: self._discover(tasks),
            "buckets": self._find_buckets,
            "objects": self._writing.run_due,
            "description": self._describe,
        }
        while True:
            self._wake.clear()
            if time.monotonic() >= self._round_due_s:
                with self._failures.contained("round"):
                    self._begin_round()
            for part, do in todo.items():
                if self._free_s(part) <= time.monotonic():
                    await self._do(part, do)
            if self._is_regular and not self._left and not self._complaints and self._writing.is_idle():
                self._is_regular = False
                self.last_round_s = time.monotonic()
                self._figures.rounds.inc()
            next_s = min(self._round_due_s, *map(self._free_s, todo))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, next_s - time.monotonic())):
                    await self._wake.wait()

    def _free_s(self, part: str) -> float:
        """When a part of the work can be done; never while it is not due."""
        free_s = self._pace[part].free_s(part)
        if self._known is None and part in {"objects", "description"}:
            return math.inf  # nothing is written before it is known which stores there are
        if part == "objects":
            waiting_s = self._writing.next_s()
            return math.inf if waiting_s is None else max(free_s, waiting_s)
        if part not in self._due:
            return math.inf
        if part == "description" and self._asking.is_early():
            return time.monotonic() + askers.PATIENCE_S / 5
        if part == "description":
            return max(free_s, self._description.written_s + objectwriter.GAP_S)
        return free_s

    async def _do(self, part: str, do: Callable[[], Awaitable[None]]) -> None:
        """Do one part; where it fails, it is due again, later and later."""
        self._due.discard(part)
        try:
            await do()
        except Exception as error:  # noqa: BLE001 - what fails here must not keep the other parts from being done
            self._due.add(part)
            if part == "description" and isinstance(error, errors.NotFoundError):
                self._due.add("capability")  # it is gone, and made anew
            self._pace[part].failed(part, time.monotonic(), at_least_s=getattr(error, "retry_after_s", 0.0))
            if not isinstance(error, errors.LocalityError):
                self._failures.caught(part, error)
            elif self._complaints.get(part) != str(error):
                log.warning("not done, still trying", part=part, error=str(error))
            self._complaints[part] = str(error)
        else:
            self._complaints.pop(part, None)
            self._left.discard(part)
            self._pace[part].done(part, time.monotonic())

    def _begin_round(self) -> None:
        """Have every store listed and every object looked at."""
        interval_s = self._settings.interval_s * random.uniform(0.9, 1.1)  # noqa: S311 - spreads many daemons
        self._round_due_s = time.monotonic() + interval_s
        if self._rounds % _REREAD == 0 or not self._description.is_known:
            self._due.add("capability")
        self._rounds += 1
        self._settings.configuration.refresh()
        self._figures.config_good.set(self._settings.configuration.is_good)
        self._asking.ask()
        for item in self._cluster.objects.by_place.values():
            self._writing.look_at(item, heals=True)
        parts = {"stores", "buckets", "description"}
        self._due |= parts
        if not self._is_regular:  # else the round before counts once all of it is done
            self._left, self._is_regular = parts, True

    async def _discover(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to ask stores that are new, and end it for those that are gone or stand elsewhere now."""
        if self._cluster.lacks_node:
            remedy = "there is no such Node; give --node or NODE_NAME its exact name"
            raise errors.InputError("node", self._settings.node, remedy)
        unread = self._cluster.complaints()
        if unread != self._unread:
            log.warning("what cannot be read stays as it was written down", unread=unread)
        self._unread = unread
        self._figures.unread.set(len(unread))
        if self._cluster.node is not None:  # else nobody knows what is configured for it
            found = self._finder.find(self._cluster.node, self._settings.configuration.settings)
            names_found = {store.name for store in found}
            # One that is not found is asked on as long as it may be there.
            missing = (one for one in self._discovered if one.name not in names_found)
            standing = [one for one in missing if self._finder.is_open(one.name)]
            self._discovered, self._left_out = discovery.shared_out([*found, *standing])
            self._figures.left_out.labels(kind="stores").set(len(self._left_out))
            self._writing.discovered = self._discovered
            by_name = {store.name: store for store in self._discovered}
            configured = {entry.store.name for entry in self._settings.configuration.settings.stores}
            await self._writing.let_go(self._asking.without(by_name), configured)
            await self._asking.set(by_name, tasks)
        open_names = [store.name for store in self._open()]
        known = (self._discovered, self._unread, self._cluster.node, open_names)
        if known != self._known:
            self._known = known
            for item in self._cluster.objects.by_place.values():
                self._writing.look_at(item)
            self._need("buckets", "description")

    async def _find_buckets(self) -> None:
        """Watch the objects of the buckets that our stores hold, and make those that are missing."""
        self._follow()
        if not await self._writing.create_missing():
            self._due.add("buckets")

    def _follow(self) -> None:
        """Watch the objects of the buckets that our stores hold, held when last seen, or have entries of ours for."""
        capability = self._description.capability
        standing = capability.status.stores if capability is not None else ()
        buckets = {bucket for store in standing for bucket in store.buckets} | self._asking.buckets()
        node = self._settings.node
        for item in self._cluster.objects.by_place.values():
            mine = (
                r.node == node or (r.node == names.EXTERNAL and self._asking.asks(r.store))
                for r in item.status.replicas
            )
            if any(mine):
                buckets.add(contents.bucket_of(item.spec.urn))
        is_selected = self._cluster.follow(buckets)
        if is_selected == self._watches_all:
            self._watches_all = not is_selected
            log.warning("buckets are watched by name, or all of them, as they are many", all=self._watches_all)
        self._figures.unselected.set(self._watches_all)

    # ---- the node's description ----

    async def _describe(self) -> None:
        now = conditions.rfc3339(datetime.datetime.now(datetime.UTC))
        if not self._description.is_known:
            raise errors.InputError(
                "NodeCapability", self._settings.node, "not read yet, so nothing is written over it"
            )
        if self._cluster.node is None:
            if not self._cluster.lacks_node:  # else the NodeCapability goes, too
                await self._description.write_unread(self._unread, now)
            return
        node = await self._description.write(
            self._cluster.node,
            [*self._discovered, *self._open()],
            self._asking.views(),
            now,
            left_out=self._left_out,
            unread=self._unread,
        )
        self._cluster.wrote_node(node)

    def _open(self) -> list[model.Store]:
        """The stores that stand in the NodeCapability and were not found, which proves nothing yet."""
        capability = self._description.capability
        found = {store.name for store in self._discovered}
        return [
            objectwriter.unknown_store(entry.name, entry.namespace)
            for entry in (capability.status.stores if capability is not None else ())
            if entry.name not in found and self._finder.is_open(entry.name)
        ]
