"""Writes what is decided of a pod's claims before it is bound, and tells the kernel how that went.

Of claims to volumes: whose volumes are, and which nodes claims are for. Each write is one of the version that was
decided on, so that whoever was first prevails. What is written is not taken back where something else fails: the next
attempt goes on from there. What the volume controller makes of it is seen by the watches.

Of claims to devices: what they are given, and who uses them (scheduler.live.claimwriter). That a pod uses them is taken
back where the kernel says so.
"""

from __future__ import annotations

import asyncio
import datetime
import urllib.parse
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from scheduler import errors
from scheduler.api import volumes
from scheduler.kernel import commands, deviceclaims, events, volumebinding
from scheduler.kube import client
from scheduler.live import claimwriter, driver, metrics, volumefeed

log = structlog.get_logger(__name__)

_CLAIMS: Final = "/api/v1/namespaces/{}/persistentvolumeclaims/{}"


class Reserver:
    """Performs Reserve, and Release and Deallocate, which nobody waits for.

    Args:
        now: The time of day.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        scheduling: driver.Driver,
        counters: metrics.Metrics,
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._api = api
        self._devices = claimwriter.ClaimWriter(api, now)
        self._driver = scheduling
        self._metrics = counters
        self._tasks: set[asyncio.Task[None]] = set()
        scheduling.on(commands.Reserve, lambda command: self._spawn(self._reserve(command), command.name))
        scheduling.on(commands.Release, lambda command: self._spawn(self._release(command), command.name))
        scheduling.on(commands.Deallocate, lambda command: self._spawn(self._deallocate(command), command.name))

    def stop(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"claims of {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reserve(self, command: commands.Reserve) -> None:
        problem, plugin, held = "", volumebinding.PLUGIN, commands.NOTHING
        try:
            for given in command.given:
                await self._give(given)
            for name, version in command.selected:
                await self._select(command.namespace, name, version, command.node)
            plugin = deviceclaims.PLUGIN
            for one in command.used:
                await self._devices.use(command, one)
                held = commands.Held((*held.used, (one.name, one.uid)))
            if command.extended is not None:
                made = await self._devices.extend(command, command.extended)
                held = commands.Held(held.used, made.name)
                await self._devices.use(command, made)
                await self._devices.tell(command, command.extended, made.name)
        except errors.ApiError as error:
            problem = error.message if error.reason == claimwriter.CHANGED else str(error)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._metrics.failures.caught("reserver", bug, pod=f"{command.namespace}/{command.name}")
            problem = f"internal error: {type(bug).__name__}"
        with self._metrics.failures.contained("reserver", pod=command.name):
            answer = events.ReserveAnswered(self._driver.clock(), command.uid, command.number, problem, plugin, held)
            self._driver.handle(answer)

    async def _release(self, command: commands.Release) -> None:
        with self._metrics.failures.contained("reserver", pod=command.name):
            try:
                await self._devices.release(command)
            except errors.ApiError as error:
                log.warning("claims not released", pod=f"{command.namespace}/{command.name}", error=str(error))

    async def _deallocate(self, command: commands.Deallocate) -> None:
        with self._metrics.failures.contained("reserver", claim=command.name):
            try:
                await self._devices.deallocate(command)
            except errors.ApiError as error:
                log.warning("claim not deallocated", claim=f"{command.namespace}/{command.name}", error=str(error))

    async def _give(self, given: commands.Given) -> None:
        """Make a volume a claim's."""
        ref = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": given.namespace,
            "name": given.claim,
            "uid": given.claim_uid,
            "resourceVersion": given.claim_version,
        }
        meta: dict[str, object] = {"resourceVersion": given.version}
        if given.is_ours:
            meta["annotations"] = {volumes.BOUND_BY_CONTROLLER: "yes"}
        path = f"{volumefeed.VOLUMES}/{urllib.parse.quote(given.volume, safe='')}"
        await self._api.patch(path, msgspec.json.encode({"metadata": meta, "spec": {"claimRef": ref}}))

    async def _select(self, namespace: str, name: str, version: str, node: str) -> None:
        """Tell a claim its node."""
        meta = {"resourceVersion": version, "annotations": {volumes.SELECTED_NODE: node}}
        path = _CLAIMS.format(urllib.parse.quote(namespace, safe=""), urllib.parse.quote(name, safe=""))
        await self._api.patch(path, msgspec.json.encode({"metadata": meta}))
