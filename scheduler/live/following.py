"""What every replica does: read the cluster and keep up with it. Nothing in here writes to the API server.

A replica that follows holds the same state and the same queue as the one that leads, as both are told by the same
watches; only its kernel is never given a turn to decide. So whichever leads next decides at once. What the one before
it bound shows up as for any other pod; what it had only begun to bind is bound or is not, and the API server refuses a
second Binding of a pod.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib.metadata
import pathlib
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import structlog

from scheduler import config, errors
from scheduler.api import core, crd
from scheduler.kernel import kernel, recording
from scheduler.kube import client, informer
from scheduler.live import (
    budgetfeed,
    devicefeed,
    driver,
    feed,
    health,
    kopfwatch,
    metrics,
    podfeed,
    podgroupfeed,
    recorder,
    selectorfeed,
    twodoors,
    volumefeed,
)

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
        self.switch = twodoors.Switch(clock=clock)
        self.pending = podfeed.PendingPods(api, settings.scheduler_names, self.driver, counters, self.switch)
        self.resources = feed.CustomResources(self.driver, counters, self.switch, api.is_urgent)
        self._nodes_fed = feed.Nodes(self.driver)
        self._nodes = informer.Informer(
            api, feed.NODES, core.Node, self._nodes_fed, failures=failures, on_misfit=counters.bad_input
        )
        self._namespaces = informer.Informer(
            api,
            feed.NAMESPACES,
            core.Namespace,
            feed.Namespaces(self.driver),
            metadata_only=True,
            failures=failures,
            on_misfit=counters.bad_input,
        )
        self._pods = informer.Informer(
            api,
            feed.PODS,
            core.Pod,
            podfeed.Pods(self.assigned, self.pending),
            podfeed.UNFINISHED,
            failures=failures,
            on_misfit=counters.bad_input,
        )
        self._data_objects = informer.Informer(
            api,
            feed.DATA_OBJECTS,
            crd.DataObject,
            self.resources.objects,
            failures=failures,
            on_misfit=counters.bad_input,
        )
        self._capabilities = informer.Informer(
            api,
            feed.NODE_CAPABILITIES,
            crd.NodeCapability,
            self.resources.nodes,
            failures=failures,
            on_misfit=counters.bad_input,
        )
        self._volumes = volumefeed.Volumes(api, self.driver, failures)
        self._selectors = selectorfeed.Selectors(api, self.driver, failures)
        self._budgets = budgetfeed.Budgets(api, self.driver, failures)
        self._devices = devicefeed.Devices(api, self.driver, failures)
        self._pod_groups = podgroupfeed.PodGroups(api, self.driver, failures)

    def watches(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What is to run from the start on, by name."""
        return {
            "watch of nodes": self._nodes.run(),
            "watch of namespaces": self._namespaces.run(),
            "watch of pods": self._pods.run(),
            "watch of data objects": self._data_objects.run(),
            "watch of node capabilities": self._capabilities.run(),
            "watch of volumes": self._volumes.run(),
            "watch of selectors": self._selectors.run(),
            "watch of pod disruption budgets": self._budgets.run(),
            "watch of devices": self._devices.run(),
            "watch of pod groups": self._pod_groups.run(),
        }

    async def sync(self, *, kopf_started: Callable[[], None]) -> dict[str, Coroutine[Any, Any, None]]:
        """Read the cluster in full; returns what is to run from then on, by name.

        Args:
            kopf_started: Called each time after Kopf has taken the process's signals.
        """
        needed = (
            self._nodes,
            self._namespaces,
            self._pods,
            self._data_objects,
            self._capabilities,
            self._volumes,
            self._selectors,
            self._budgets,
            self._devices,
        )
        synced = (each.synced.wait() for each in needed)
        await asyncio.gather(*synced)
        watch = kopfwatch.KopfWatch(
            api=self._api,
            scheduler_names=self._settings.scheduler_names,
            pods=self.pending,
            resources=self.resources,
            switch=self.switch,
            started=kopf_started,
        )
        return {"kopf": watch.run(), "refresh": self._refresh()}

    def close(self) -> None:
        """End the recording, if there is one."""
        if self._recorder is not None:
            self._recorder.close()

    def is_node(self, name: str) -> bool:
        """Whether there is a node of that name, even one that cannot be read."""
        return self._nodes_fed.has(name) or ("", name) in self._nodes.misfits

    def ready(self) -> Mapping[str, health.Check]:
        return {
            "nodes": lambda: "" if self._nodes.synced.is_set() else "not read yet",
            "namespaces": lambda: "" if self._namespaces.synced.is_set() else "not read yet",
            "pods": lambda: "" if self._pods.synced.is_set() else "not read yet",
            "data objects": lambda: "" if self._data_objects.synced.is_set() else "not read yet",
            "node capabilities": lambda: "" if self._capabilities.synced.is_set() else "not read yet",
            "volumes": lambda: "" if self._volumes.synced.is_set() else "not read yet",
            "selectors": lambda: "" if self._selectors.synced.is_set() else "not read yet",
            "pod disruption budgets": lambda: "" if self._budgets.synced.is_set() else "not read yet",
            "devices": lambda: "" if self._devices.synced.is_set() else "not read yet",
        }

    async def _refresh(self) -> None:
        """Find now and then what a full queue dropped."""
        since_s = self._clock()
        while True:
            interval_s = self.kernel.settings.refresh_interval_s
            await asyncio.sleep(min(OVERFLOW_INTERVAL_S, interval_s))
            if self._clock() < since_s + interval_s and not self.kernel.queue.overflowed:
                continue
            try:
                await self.pending.refresh(self._clock)
            except errors.ApiError as error:
                log.warning("refresh failed, the next one may not", error=str(error))
            except Exception as bug:  # noqa: BLE001 (costs this item alone)
                self._metrics.failures.caught("watch", bug, at="refresh")
            since_s = self._clock()
