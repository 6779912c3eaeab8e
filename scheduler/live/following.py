"""What every replica does: read the cluster and keep up with it. Nothing in here writes to the API server.

A replica that follows holds the same state and the same queue as the one that leads, as both are told by the same
watches; only its kernel is never given a turn to decide. So whichever leads next decides at once. What the one before
it bound shows up as for any other pod; what it had only begun to bind is bound or is not, and the API server refuses a
second Binding of a pod.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib
import importlib.metadata
import pathlib
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog

from scheduler import config, errors
from scheduler.api import core
from scheduler.kernel import kernel, recording
from scheduler.kube import client, informer
from scheduler.live import devices, driver, feed, health, metrics, podfeed, recorder

if TYPE_CHECKING:
    from scheduler.live import handlers

log = structlog.get_logger(__name__)

OVERFLOW_INTERVAL_S: Final = 5.0  # how soon pods that found the queue full are looked for


class Following:
    """The kernel, and what feeds it: ``sync``, then ``keep_up``.

    Args:
        home: The scheduler's namespace.
        clock: Monotonic seconds.
        now: The time of day.
        record: A file for a recording of the kernel's run; None for none.

    Raises:
        InputError: that file cannot be made.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        settings: config.Settings,
        home: str,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        now: Callable[[], datetime.datetime],
        record: pathlib.Path | None = None,
    ) -> None:
        self._api = api
        self._settings = settings
        self._metrics = counters
        self._clock = clock
        self._operator: handlers.Operator | None = None
        failures = counters.failures
        seed = secrets.randbits(63) if settings.seed is None else settings.seed
        self.kernel = kernel.Kernel(settings, home, seed)
        self._recorder: recorder.Recorder | None = None
        if record is not None:
            version = importlib.metadata.version("data-locality-scheduler")
            header = recording.Header(version=version, settings=settings, home=home, seed=seed)
            self._recorder = recorder.Recorder(record, header)
        self.driver = driver.Driver(
            self.kernel,
            clock=clock,
            wall=lambda: now().timestamp(),
            counters=counters,
            recorder=self._recorder,
        )
        self.assigned = feed.AssignedPods(self.driver, counters)
        self.pending = podfeed.PendingPods(api, settings.scheduler_name, self.driver, counters, clock=clock)
        self.resources = feed.CustomResources(api, self.driver, counters)
        self._nodes_fed = feed.Nodes(self.driver)
        self._nodes = informer.Informer(api, feed.NODES, core.Node, self._nodes_fed, failures=failures)
        self._namespaces = informer.Informer(
            api,
            feed.NAMESPACES,
            core.Namespace,
            feed.Namespaces(self.driver),
            metadata_only=True,
            failures=failures,
        )
        self._pods = informer.Informer(
            api,
            feed.PODS,
            core.Pod,
            podfeed.Pods(self.assigned, self.pending),
            podfeed.UNFINISHED,
            failures=failures,
        )
        self._device_classes = informer.Informer(
            api,
            devices.DEVICE_CLASSES,
            core.DeviceClass,
            devices.DeviceClasses(self.driver),
            failures=failures,
        )

    def watches(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What is to run from the start on, by name."""
        return {
            "watch of nodes": self._nodes.run(),
            "watch of namespaces": self._namespaces.run(),
            "watch of pods": self._pods.run(),
        }

    async def sync(self, *, kopf_started: Callable[[], None]) -> dict[str, Coroutine[Any, Any, None]]:
        """Read the cluster in full; returns what is to run from then on, by name.

        Args:
            kopf_started: Called each time after Kopf has taken the process's signals.
        """
        synced = (each.synced.wait() for each in (self._nodes, self._namespaces, self._pods))
        has_devices, *_ = await asyncio.gather(devices.are_listable(self._api), *synced, self._read_resources())
        parts = {"kopf": self._have_kopf_watch(kopf_started), "refresh": self._refresh()}
        if has_devices:
            parts["watch of device classes"] = self._device_classes.run()
        return parts

    def close(self) -> None:
        """End the recording, if there is one."""
        if self._recorder is not None:
            self._recorder.close()

    def is_node(self, name: str) -> bool:
        """Whether there is a node of that name, even one that cannot be read."""
        return self._nodes_fed.has(name) or ("", name) in self._nodes.misfits

    def live(self) -> Mapping[str, health.Check]:
        return {"watches": lambda: self._operator.not_live() if self._operator is not None else ""}

    def ready(self) -> Mapping[str, health.Check]:
        return {
            "nodes": lambda: "" if self._nodes.synced.is_set() else "not read yet",
            "namespaces": lambda: "" if self._namespaces.synced.is_set() else "not read yet",
            "pods": lambda: "" if self._pods.synced.is_set() else "not read yet",
            "custom resources": lambda: (
                "not read yet" if self._operator is None or not self.resources.synced else self._operator.not_ready()
            ),
        }

    async def _have_kopf_watch(self, kopf_started: Callable[[], None]) -> None:
        """Start Kopf beside the first decisions, which need it as little as they need the 0.2 s of its import."""
        found = await asyncio.to_thread(importlib.import_module, "scheduler.live.handlers")
        self._operator = await found.Operator.for_resources(self._api, self.resources)
        kopf_started()
        pod_watch: handlers.PodWatch = found.PodWatch(
            self._api, self._settings.scheduler_name, self.pending, started=kopf_started
        )
        async with asyncio.TaskGroup() as watches:
            watches.create_task(self._operator.run(), name="kopf operator")
            watches.create_task(pod_watch.run(), name="watch of pending pods")

    async def _read_resources(self) -> None:
        while not self.resources.synced:
            try:
                await self.resources.refresh()
            except errors.ApiError as error:
                log.warning("custom resources could not be read, trying again", error=str(error))
                await asyncio.sleep(max(1.0, error.retry_after_s))

    async def _refresh(self) -> None:
        """Find now and then what Kopf lost, and what a full queue dropped."""
        interval_s = self._settings.refresh_interval_s
        due = self._clock() + interval_s
        while True:
            await asyncio.sleep(min(OVERFLOW_INTERVAL_S, interval_s))
            if self._clock() < due and not self.kernel.queue.overflowed:
                continue
            try:
                await self.pending.refresh(self._clock)
                await self.resources.refresh()
            except errors.ApiError as error:
                log.warning("refresh failed, the next one may not", error=str(error))
            except Exception as bug:  # noqa: BLE001 (costs this item alone)
                self._metrics.failures.caught("watch", bug, at="refresh")
            due = self._clock() + interval_s
