"""The life of the scheduler's process: check, read the cluster, place pods, stop in order.

Start: access is checked, the health port opens, the cluster is read in full, and only then are pods popped: no decision
is taken on half a cluster. Stop (SIGTERM, SIGINT): no more pods are popped, bindings under way are waited for, Events
and conditions are written, then the watches end. If a part that should run for ever ends by itself, the process ends
with exit code 1, as a restart repairs more than half a scheduler does.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import os
import secrets
import signal
import socket
import time
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from scheduler import config, errors
from scheduler.api import core, names
from scheduler.kernel import kernel, queue
from scheduler.kube import client, events, informer
from scheduler.live import (
    access,
    binder,
    cycle,
    devices,
    doors,
    driver,
    feed,
    handlers,
    health,
    metrics,
    podfeed,
    reports,
    storage,
    teller,
    upkeep,
)

log = structlog.get_logger(__name__)

OK: Final = 0
FAILED: Final = 1
CANNOT_START: Final = 2

OVERFLOW_INTERVAL_S: Final = 5.0  # how soon pods that found the queue full are looked for
BINDS_WITHIN_S: Final = 5.0
REPORTS_WITHIN_S: Final = 5.0
MAX_LAG_S: Final = 10.0

_START: Final = "start"  # the one task that is meant to end


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        kubeconfig: A file, or None for the pod's service account.
        health_host: "" for every address.
        health_port: None for the configuration's; 0 takes a free one.
    """

    kubeconfig: str | None = None
    health_host: str = ""
    health_port: int | None = None


async def run(settings: config.Settings, options: Options, stop: asyncio.Event | None = None) -> int:
    """Run the scheduler until a signal, ``stop`` or a failure; returns the exit code.

    Raises:
        InputError: the kubeconfig cannot be used.
    """
    if settings.ignored:
        log.info("configuration keys without an effect here", keys=settings.ignored)
    api = await client.Api.connect(options.kubeconfig)
    try:
        problems = await access.check(api)
        for problem in problems:
            log.error("cannot start", problem=problem)
        return CANNOT_START if problems else await _Process(api, settings, options, stop or asyncio.Event()).run()
    finally:
        await api.close()


class _Process:
    """The parts, wired together."""

    def __init__(self, api: client.Api, settings: config.Settings, options: Options, stop: asyncio.Event) -> None:
        clock = self._clock = time.monotonic
        self._api = api
        self._settings = settings
        self._stop = stop
        self._code = OK
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._operator: handlers.Operator | None = None

        self._metrics = metrics.Metrics(settings.scheduler_name)
        home = os.environ.get("POD_NAMESPACE") or names.HOME_NAMESPACE
        self._seed = secrets.randbits(63) if settings.seed is None else settings.seed
        self._kernel = kernel.Kernel(settings, home, self._seed)
        self._cluster, self._queue = self._kernel.state, self._kernel.queue
        self._driver = driver.Driver(self._kernel, clock=clock, wall=lambda: _now().timestamp(), counters=self._metrics)
        failures = self._metrics.failures
        self._sink = events.EventSink(api, settings.scheduler_name, socket.gethostname(), failures=failures)
        self._reporter = reports.Reporter(api=api, sink=self._sink, now=_now, failures=failures)
        self._nodes_fed = feed.Nodes(self._driver)
        self._namespaces_fed = feed.Namespaces(self._driver)
        self._pods_fed = feed.AssignedPods(self._driver, self._metrics)
        self._pending = podfeed.PendingPods(api, settings.scheduler_name, self._driver, self._metrics, clock=clock)
        self._resources = feed.CustomResources(api, self._driver, self._metrics)
        self._upkeep = upkeep.Upkeep(
            api=api,
            settings=settings,
            home=home,
            state=self._cluster,
            is_node=self._is_node,
            assigned=self._pods_fed,
            pending=self._pending,
            resources=self._resources,
            waiting=self._driver,
            reporter=self._reporter,
            counters=self._metrics,
            clock=clock,
            now=_now,
        )
        self._binder = binder.Binder(api=api, scheduling=self._driver, counters=self._metrics)
        self._cycle = cycle.Cycle(self._driver, self._upkeep.keys.hold_until, self._metrics)
        teller.Teller(
            scheduling=self._driver,
            reporter=self._reporter,
            counters=self._metrics,
            on_bound=self._upkeep.outputs.bound,
        )
        self._nodes = informer.Informer(api, feed.NODES, core.Node, self._nodes_fed, failures=failures)
        self._namespaces = informer.Informer(
            api, feed.NAMESPACES, core.Namespace, self._namespaces_fed, metadata_only=True, failures=failures
        )
        self._pods = informer.Informer(
            api,
            feed.PODS,
            core.Pod,
            podfeed.Pods(self._pods_fed, self._pending),
            podfeed.UNFINISHED,
            failures=failures,
        )
        self._device_classes = informer.Informer(
            api,
            devices.DEVICE_CLASSES,
            core.DeviceClass,
            devices.DeviceClasses(self._driver),
            failures=failures,
        )
        self._pulse = health.Pulse(clock)
        port = settings.health_port if options.health_port is None else options.health_port
        self._server = health.Server(
            self._sources(),
            host=options.health_host,
            port=port,
            guard=doors.Doors(api),
            open_storage_info=settings.open_storage_info,
        )
        self._watch_counters()

    async def run(self) -> int:
        self._catch_signals()
        try:
            await self._server.start()
        except OSError as error:
            problem = f"port {self._server.port} cannot be opened: {error.strerror or error}; choose --health-port"
            log.error("cannot start", problem=problem)  # noqa: TRY400 (the problem is the message)
            return CANNOT_START
        log.info("health server listens", port=self._server.port)
        try:
            for name, work in (
                ("event loop pulse", self._pulse.run()),
                ("watch of nodes", self._nodes.run()),
                ("watch of namespaces", self._namespaces.run()),
                ("watch of pods", self._pods.run()),
                ("writer of events", self._sink.run()),
                ("writer of conditions", self._reporter.run()),
                (_START, self._start()),
            ):
                self._spawn(name, work)
            await self._stop.wait()
            await self._wind_down()
        finally:
            await _cancel(*self._tasks.values())
            await self._server.stop()
            self._release_signals()
        return self._code

    async def _start(self) -> None:
        """Read the cluster, then begin to place pods."""
        synced = (each.synced.wait() for each in (self._nodes, self._namespaces, self._pods))
        await asyncio.gather(*synced, self._read_resources())
        if await devices.are_listable(self._api):
            self._spawn("watch of device classes", self._device_classes.run())
        self._operator = await handlers.Operator.for_resources(self._api, self._resources)
        self._catch_signals()  # again: Kopf has just taken them
        self._spawn("kopf operator", self._operator.run())
        pod_watch = handlers.PodWatch(
            self._api, self._settings.scheduler_name, self._pending, started=self._catch_signals
        )
        self._spawn("watch of pending pods", pod_watch.run())
        self._spawn("refresh", self._refresh())
        self._spawn("writer of data objects", self._upkeep.writer.run())
        self._spawn("look after data objects", self._upkeep.run())
        self._spawn("scheduling", self._cycle.run())
        log.info("scheduling", scheduler=self._settings.scheduler_name)

    async def _read_resources(self) -> None:
        while not self._resources.synced:
            try:
                await self._resources.refresh()
            except errors.ApiError as error:
                log.warning("custom resources could not be read, trying again", error=str(error))
                await asyncio.sleep(max(1.0, error.retry_after_s))

    async def _refresh(self) -> None:
        """Find now and then what Kopf lost, and what a full queue dropped."""
        interval_s = self._settings.refresh_interval_s
        due = self._clock() + interval_s
        while True:
            await asyncio.sleep(min(OVERFLOW_INTERVAL_S, interval_s))
            if self._clock() < due and not self._queue.overflowed:
                continue
            try:
                await self._pending.refresh(self._clock)
                await self._resources.refresh()
            except errors.ApiError as error:
                log.warning("refresh failed, the next one may not", error=str(error))
            except Exception as bug:  # noqa: BLE001 (costs this item alone)
                self._metrics.failures.caught("watch", bug, at="refresh")
            due = self._clock() + interval_s

    async def _wind_down(self) -> None:
        log.info("stopping")
        await _cancel(self._tasks.get("scheduling"), self._tasks.get(_START))
        left = await self._binder.drain(BINDS_WITHIN_S)
        if left:
            log.warning("bindings given up, their outcome is unknown", bindings=left)
        await asyncio.gather(
            self._reporter.drain(REPORTS_WITHIN_S),
            self._sink.drain(REPORTS_WITHIN_S),
            self._upkeep.writer.drain(REPORTS_WITHIN_S),
        )
        log.info("stopped placing pods")

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[name] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part ended. Only the start may, unless everything is to."""
        name = task.get_name()
        if name == _START:
            del self._tasks[name]
        error = None if task.cancelled() else task.exception()
        if self._stop.is_set() or (name == _START and error is None):
            return
        log.error("a part of the scheduler ended, so all of it does", part=name, error=repr(error), exc_info=error)
        self._code = FAILED
        self._stop.set()

    def _is_node(self, name: str) -> bool:
        """Whether there is a node of that name, even one that cannot be read."""
        return self._nodes_fed.has(name) or ("", name) in self._nodes.misfits

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)

    def _release_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _sources(self) -> health.Sources:
        return health.Sources(
            live={
                "event loop": lambda: _over(self._pulse.lag_s(), MAX_LAG_S),
                "watches": lambda: self._operator.not_live() if self._operator is not None else "",
                "parts": lambda: ", ".join(name for name, task in self._tasks.items() if task.done()),
            },
            ready={
                "nodes": lambda: "" if self._nodes.synced.is_set() else "not read yet",
                "namespaces": lambda: "" if self._namespaces.synced.is_set() else "not read yet",
                "pods": lambda: "" if self._pods.synced.is_set() else "not read yet",
                "custom resources": lambda: (
                    "not read yet"
                    if self._operator is None or not self._resources.synced
                    else self._operator.not_ready()
                ),
            },
            metrics=self._metrics,
            journal=self._kernel.journal,
            storage=lambda: storage.Inventory.take(
                self._resources.capabilities(),
                self._resources.data_objects(),
                self._settings.network,
                now_s=_now().timestamp(),
            ),
        )

    def _watch_counters(self) -> None:
        places = {
            "active": (queue.Place.ACTIVE, queue.Place.ASKED, queue.Place.CROWDED),
            "backoff": (queue.Place.BACKOFF, queue.Place.ERROR_BACKOFF, queue.Place.HELD),
            "unschedulable": (queue.Place.UNSCHEDULABLE,),
            "gated": (queue.Place.GATED,),
        }
        self._metrics.watch_pending(lambda name: self._queue.count(*places[name]))
        self._metrics.watch_cache("nodes", lambda: self._cluster.counts().nodes)
        self._metrics.watch_cache("pods", lambda: self._cluster.counts().pods)
        self._metrics.watch_cache("assumed_pods", lambda: self._cluster.counts().assumed)
        self._metrics.watch_dropped("pods", lambda: self._queue.dropped)
        self._metrics.watch_dropped("events", lambda: self._sink.dropped)
        self._metrics.watch_dropped("conditions", lambda: self._reporter.dropped)
        self._metrics.watch_dropped("data_objects", lambda: self._upkeep.writer.dropped)
        self._metrics.watch_data_objects("bucket", lambda: self._upkeep.buckets.count)
        self._metrics.watch_data_objects("on_demand", self._upkeep.keys.count)
        self._metrics.watch_data_objects("with_doubtful_copies", lambda: self._upkeep.availability.count)
        self._metrics.watch_source(lambda source: self._pending.source == source)
        self._metrics.watch_lag(self._pulse.lag_s)
        self._metrics.watch_efficiency(self._efficiency)

    def _efficiency(self) -> float:
        """Requested share of allocatable cpu and memory, averaged over the two."""
        view = self._cluster.freeze(_now().timestamp())
        rows = [view.resource_row[name] for name in ("cpu", "memory") if name in view.resource_row]
        capacity = [float(view.offered[row][view.alive].sum()) for row in rows]
        if not capacity or min(capacity) <= 0:
            return 0.0
        used = [float(view.taken[row][view.alive].sum()) for row in rows]
        return sum(part / whole for part, whole in zip(used, capacity, strict=True)) / len(rows)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _over(value_s: float, limit_s: float) -> str:
    return f"{value_s:.1f} s late" if value_s > limit_s else ""


async def _cancel(*tasks: asyncio.Task[None] | None) -> None:
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
