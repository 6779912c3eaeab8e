"""The daemon's work, round by round: read the cluster's side, ask the stores, write down what changed.

A round comes every ``interval_s``, and at once when something relevant changed (``..._seen``, called by the Kopf
handlers) or when a store that was slow to answer has answered. Every round starts from fresh reads, so a lost event or
a failed write is made good by the next round and needs no bookkeeping.

Each store is asked in a thread of its own, and a round waits for all of them only as long as healthy ones take. What
comes later is written later: a store that hangs delays neither the others nor the shutdown of a round.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import datetime
import functools
import hashlib
import pathlib
import random
import time
from typing import Any, Final

import msgspec
import structlog

from daemon import access, conditions, labels, listing, metrics, objects, publish, reading, stores
from daemon.facts import machine
from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.kube import client, events

log = structlog.get_logger(__name__)

_PATIENCE_S: Final = 1.0  # how long a round waits for its stores; a healthy one needs milliseconds
_DEBOUNCE_S: Final = 0.3  # several events, one round
_RETRY_S: Final = 2.0  # after the API server failed us
_TRIES: Final = 3  # a write, and two corrections where other daemons wrote at the same moment
_MAX_STORES: Final = 64  # the schema's bound

_CAPABILITIES: Final = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
_NODES: Final = "/api/v1/nodes"
_OBJECTS: Final = f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """For which node this daemon speaks, and how; ``host_root`` and ``has_host_files`` are those of machine.read."""

    node: str
    namespace: str
    interval_s: float
    limits: listing.Limits
    host_root: pathlib.Path = pathlib.Path("/")
    has_host_files: bool = True


@dataclasses.dataclass(frozen=True)
class _World:
    """The cluster's side of a round."""

    node: labels.ManagedNode
    services: list[core.Service]
    capability: crd.NodeCapability | None
    objects: list[crd.DataObject]
    discovered: tuple[stores.Store, ...]


def field_manager(node: str) -> str:
    """This node's name as an owner of fields; the API server allows 128 characters."""
    name = f"{names.DAEMON_FIELD_MANAGER}-{node}"
    if len(name) <= 128:
        return name
    return f"{name[:111]}-{hashlib.sha256(node.encode()).hexdigest()[:16]}"


class Agent:
    """Finds the stores of one node and keeps its NodeCapability and its part of the DataObjects.

    Attributes:
        last_round_s: Monotonic time at which a round last succeeded, None before the first.
    """

    def __init__(self, api: client.Api, settings: Settings, sink: events.EventSink, figures: metrics.Metrics) -> None:
        self.last_round_s: float | None = None
        self._api = api
        self._settings = settings
        self._sink = sink
        self._figures = figures
        self._manager = field_manager(settings.node)
        self._machine = machine.NOTHING
        self._threads = concurrent.futures.ThreadPoolExecutor(_MAX_STORES, thread_name_prefix="store")
        self._wake = asyncio.Event()
        self._due = True
        self._views: dict[str, objects.View] = {}
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._services: list[core.Service] = []
        self._generations: dict[str, int] = {}
        self._refusals: dict[str, str] = {}
        self._complaint = ""

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._wake.clear()
                pause_s = self._settings.interval_s * random.uniform(0.9, 1.1)  # noqa: S311 - spreads many daemons
                try:
                    await self._round()
                    self.last_round_s, self._complaint = time.monotonic(), ""
                except errors.LocalityError as error:
                    pause_s = min(pause_s, max(_RETRY_S, getattr(error, "retry_after_s", 0.0)))
                    self._complain(error)
                await self._pause(pause_s)
        finally:
            for probe in self._probes.values():
                probe.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    # ---- what the Kopf handlers call ----

    def service_seen(self, service: core.Service) -> None:
        was_store = any(service.metadata.uid == known.metadata.uid for known in self._services)
        if was_store or stores.may_be_store(service):
            self._hurry()

    def pod_seen(self, pod: core.Pod) -> None:
        if any(stores.serves(pod, service) for service in self._services):
            self._hurry()

    def object_seen(self, item: crd.DataObject, *, gone: bool) -> None:
        if not gone and self._generations.get(item.metadata.uid) == item.metadata.generation:
            return  # a status was written, perhaps by ourselves
        node = self._settings.node
        concerns = (
            any(listing.bucket_of(item.spec.urn) in objects.listed_buckets(view) for view in self._views.values())
            or any(location.node == node for location in item.spec.locations)
            or any(replica.node == node for replica in item.status.replicas)
        )
        if concerns:
            self._hurry()

    def capability_seen(self, capability: crd.NodeCapability, *, gone: bool) -> None:
        if gone or self._generations.get(capability.metadata.uid) != capability.metadata.generation:
            self._hurry()

    def _hurry(self) -> None:
        """Have a round at once, with every store asked again."""
        self._due = True
        self._wake.set()

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
        except TimeoutError:
            self._due = True
        await asyncio.sleep(_DEBOUNCE_S)

    def _complain(self, error: errors.LocalityError) -> None:
        """Say what is wrong once, not every two seconds."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            log.warning("round failed, still trying", error=self._complaint)

    # ---- a round ----

    async def _round(self) -> None:
        world = await self._read()
        self._remember(world)
        if self._due:
            self._due = False
            self._ask(world)
        if self._probes:
            await asyncio.wait(self._probes.values(), timeout=_PATIENCE_S)
        missing = objects.to_create(world.objects, self._views.values(), self._settings.namespace)
        made = [await self._create(body) for body in missing]
        for item in [*world.objects, *(item for item in made if item is not None)]:
            await self._write_object(item, world.discovered)
        await self._write_capability(world)
        self._figures.rounds.inc()

    async def _read(self) -> _World:
        node_name = self._settings.node
        node = await reading.get(self._api, f"{_NODES}/{node_name}", labels.ManagedNode)
        if node is None:
            raise errors.InputError("node", node_name, "there is no such Node; give --node or NODE_NAME its exact name")
        pods = await reading.list_all(
            self._api, "/api/v1/pods", core.Pod, {"fieldSelector": f"spec.nodeName={node_name}"}
        )
        services = await reading.list_all(self._api, "/api/v1/services", core.Service)
        found = await reading.list_all(self._api, _OBJECTS, crd.DataObject)
        capability = await reading.get(self._api, f"{_CAPABILITIES}/{node_name}", crd.NodeCapability)
        discovered = stores.discover(services, pods)
        if len(discovered) > _MAX_STORES:
            log.warning("too many stores on this node, the rest is left out", stores=len(discovered), limit=_MAX_STORES)
        return _World(node, services, capability, found, discovered[:_MAX_STORES])

    def _remember(self, world: _World) -> None:
        """Keep what tells relevant events from others, and drop what is known of stores that are gone or moved."""
        known = {store.name for store in world.discovered}
        standing = {name: view.store for name, view in self._views.items()}
        for store in world.discovered:
            if standing.get(store.name, store) != store:  # another endpoint or Secret
                self._due = True
            self._due |= store.name not in standing
        for name in standing.keys() - known:
            del self._views[name]
            self._figures.forget(name)
        self._services = [service for service in world.services if stores.may_be_store(service)]
        self._generations = {item.metadata.uid: item.metadata.generation for item in world.objects}
        if world.capability is not None:
            self._generations[world.capability.metadata.uid] = world.capability.metadata.generation

    def _ask(self, world: _World) -> None:
        urns = objects.to_look_up(world.objects)
        for store in world.discovered:
            if store.name not in self._probes:  # else its last answer is still being waited for
                probe = asyncio.create_task(self._probe(store, urns), name=f"probe {store.name}")
                self._probes[store.name] = probe
                probe.add_done_callback(functools.partial(self._probed, store.name))

    def _probed(self, name: str, probe: asyncio.Task[None]) -> None:
        del self._probes[name]
        if not probe.cancelled() and (error := probe.exception()) is not None:
            log.error("asking a store failed", store=name, exc_info=error)
        self._wake.set()

    async def _probe(self, store: stores.Store, urns: tuple[str, ...]) -> None:
        limits = self._settings.limits
        began_s = time.monotonic()
        try:
            found = await access.read(self._api, store)
        except errors.ApiError as error:
            log.warning("store not asked: its Secret could not be read", store=store.name, error=str(error))
            return
        if isinstance(found, listing.Failure):
            self._view(store, found)
            return
        ask = functools.partial(listing.list_store, store, found.credentials, found.ca_pem, urns=urns, limits=limits)
        answer = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        # Timeouts bound every read; a server that trickles byte after byte is bounded only here.
        done, _ = await asyncio.wait([answer], timeout=limits.budget_s + 3 * limits.timeout_s)
        if not done:
            self._view(store, listing.Failure("Timeout", f"{store.endpoint} did not finish its answer"))
            self._wake.set()
            await asyncio.wait([answer])  # a thread cannot be stopped, and one at a time is enough
            return
        self._view(store, answer.result())
        self._figures.asked(store.name, time.monotonic() - began_s)

    def _view(self, store: stores.Store, outcome: listing.Listing | listing.Failure) -> None:
        self._views[store.name] = objects.View(store, outcome, _now())
        self._figures.seen(store.name, outcome)

    # ---- writing ----

    async def _create(self, body: dict[str, Any]) -> crd.DataObject | None:
        meta = body["metadata"]
        path = _object_path(meta["namespace"], meta["name"])
        # One manager for all daemons: what they apply is the same.
        item = await self._apply_to_object(path, body, manager=names.DAEMON_FIELD_MANAGER)
        if item is not None:
            self._generations[item.metadata.uid] = item.metadata.generation
            log.info("bucket found", bucket=item.spec.urn, data_object=f"{meta['namespace']}/{meta['name']}")
        return item

    async def _write_object(self, item: crd.DataObject, discovered: tuple[stores.Store, ...]) -> None:
        path = f"{_object_path(item.metadata.namespace, item.metadata.name)}/status"
        for _ in range(_TRIES):
            body = objects.status_to_apply(
                item, node=self._settings.node, discovered=discovered, views=self._views, now=_now()
            )
            if body is None:
                return
            answer = await self._apply_to_object(path, body, manager=self._manager)
            if answer is None:
                return
            item = answer

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

    async def _write_capability(self, world: _World) -> None:
        capability = world.capability
        path = f"{_CAPABILITIES}/{self._settings.node}"
        owners = {owner.uid for owner in capability.metadata.owner_references} if capability else set()
        if capability is None or world.node.metadata.uid not in owners:
            body = publish.to_create(world.node)
            capability = core.decode(await self._apply(path, body, manager=self._manager), crd.NodeCapability, path)
            self._generations[capability.metadata.uid] = capability.metadata.generation
        settings = self._settings
        self._machine = await asyncio.to_thread(
            machine.read, settings.host_root, has_files=settings.has_host_files, before=self._machine
        )
        body_or_none = publish.status_to_apply(
            capability,
            node=labels.without_own(world.node, self._manager),
            seen=self._machine,
            discovered=world.discovered,
            views=self._views,
            now=_now(),
        )
        if body_or_none is not None:
            told = publish.transitions(capability.status, world.discovered, self._views)
            answer = await self._apply(f"{path}/status", body_or_none, manager=self._manager)
            capability = core.decode(answer, crd.NodeCapability, path)
            for transition in told:
                self._tell(transition)
        await self._write_labels(world.node, capability)

    async def _write_labels(self, node: labels.ManagedNode, capability: crd.NodeCapability) -> None:
        body = labels.to_apply(node, capability, manager=self._manager, now=_now())
        if body is None:
            return
        with contextlib.suppress(errors.ConflictError):  # labelled by somebody meanwhile: the next round sees it
            await self._apply(f"{_NODES}/{self._settings.node}", body, manager=self._manager, force=False)

    async def _apply(self, path: str, body: dict[str, Any], *, manager: str, force: bool = True) -> bytes:
        """Server-side apply. Of our own resources we know best; a Node belongs to everybody."""
        self._figures.writes.labels(kind=body["kind"]).inc()
        return await self._api.patch(
            path,
            msgspec.json.encode(body),
            client.APPLY_PATCH,
            params={"fieldManager": manager, "force": str(force).lower()},
        )

    def _tell(self, transition: publish.Transition) -> None:
        """One line and one Event for a store that came or went."""
        store, failure = transition.store, transition.failure
        if failure is None:
            kind, reason, note = "Normal", "StoreAvailable", f"{store.endpoint} can be read again"
            log.info("store is available again", store=store.name, endpoint=store.endpoint)
        else:
            kind, reason, note = "Warning", "StoreUnavailable", failure.message
            log.warning("store is not available", store=store.name, reason=failure.reason, message=failure.message)
        service = events.Reference("Service", store.service, store.namespace, store.service_uid)
        capability = events.Reference("NodeCapability", self._settings.node, api_version=names.API_VERSION)
        self._sink.emit(service, type=kind, reason=reason, action="Probe", note=note, related=capability)


def _object_path(namespace: str, name: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.DATA_OBJECTS}/{name}"


def _now() -> str:
    return conditions.rfc3339(datetime.datetime.now(datetime.UTC))
