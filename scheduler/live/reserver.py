"""Writes whose volumes are and which nodes claims are for, and tells the kernel how that went.

Each write is one of the version that was decided on, so that whoever was first prevails. What is written is not taken
back where something else fails: the next attempt goes on from there. What the volume controller makes of it is seen by
the watches.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import volumes
from scheduler.kernel import commands, events
from scheduler.kube import client
from scheduler.live import driver, metrics, volumefeed

_CLAIMS: Final = "/api/v1/namespaces/{}/persistentvolumeclaims/{}"


class Reserver:
    """Performs Reserve."""

    def __init__(self, *, api: client.Api, scheduling: driver.Driver, counters: metrics.Metrics) -> None:
        self._api = api
        self._driver = scheduling
        self._metrics = counters
        self._tasks: set[asyncio.Task[None]] = set()
        scheduling.on(commands.Reserve, self._spawn)

    def stop(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()

    def _spawn(self, command: commands.Reserve) -> None:
        task = asyncio.create_task(self._reserve(command), name=f"reserve for {command.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reserve(self, command: commands.Reserve) -> None:
        problem, plugin = "", "VolumeBinding"
        try:
            for given in command.given:
                await self._give(given)
            for name, version in command.selected:
                await self._select(command.namespace, name, version, command.node)
        except errors.ApiError as error:
            problem = str(error)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._metrics.failures.caught("reserver", bug, pod=f"{command.namespace}/{command.name}")
            problem = f"internal error: {type(bug).__name__}"
        with self._metrics.failures.contained("reserver", pod=command.name):
            self._driver.handle(events.ReserveAnswered(self._driver.clock(), command.uid, problem, plugin))

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
