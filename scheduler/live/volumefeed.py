"""Brings claims, volumes, and what says which can be had where, to the kernel, by informers.

A role of an earlier release does not let us list them. Placing goes on then, but for pods with claims.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from scheduler.api import volumes
from scheduler.kernel import events
from scheduler.kube import client, informer, mishaps, reading
from scheduler.live import driver

log = structlog.get_logger(__name__)

_STORAGE: Final = "/apis/storage.k8s.io/v1"
CLAIMS: Final = "/api/v1/persistentvolumeclaims"
VOLUMES: Final = "/api/v1/persistentvolumes"
PATHS: Final[dict[type[volumes.Object], str]] = {
    volumes.PersistentVolumeClaim: CLAIMS,
    volumes.PersistentVolume: VOLUMES,
    volumes.StorageClass: f"{_STORAGE}/storageclasses",
    volumes.CSINode: f"{_STORAGE}/csinodes",
    volumes.CSIDriver: f"{_STORAGE}/csidrivers",
    volumes.CSIStorageCapacity: f"{_STORAGE}/csistoragecapacities",
    volumes.VolumeAttachment: f"{_STORAGE}/volumeattachments",
}


class Kind:
    """An informer's handler that keeps the objects of a kind."""

    def __init__(self, scheduling: driver.Driver, kind: type[volumes.Object]) -> None:
        self._driver = scheduling
        self._kind = kind

    def apply(self, obj: volumes.Object) -> None:
        self._driver.handle(events.StorageSeen(self._driver.clock(), obj))

    def remove(self, key: informer.Key) -> None:
        self._driver.handle(events.StorageGone(self._driver.clock(), self._kind.__name__, key.namespace, key.name))

    def replaced(self, count: int) -> None:
        log.info("storage read", kind=self._kind.__name__, objects=count)


class Volumes:
    """The informers.

    Attributes:
        synced: Set once all kinds have been read, or are known not to be ours to read.
    """

    def __init__(self, api: client.Api, scheduling: driver.Driver, failures: mishaps.Mishaps) -> None:
        self.synced = asyncio.Event()
        self._api = api
        self._informers = [
            informer.Informer[Any](api, path, kind, Kind(scheduling, kind), failures=failures)
            for kind, path in PATHS.items()
        ]

    async def run(self) -> None:
        """Follow all of them until cancelled."""
        can_be_seen = all(await asyncio.gather(*map(self._is_listable, PATHS.values())))
        await informer.run_all(self._informers if can_be_seen else [], self.synced)

    async def _is_listable(self, path: str) -> bool:
        error = await reading.why_withheld(self._api, path)
        if error is not None:
            log.warning("claims and volumes are not followed: pods with claims stay pending", error=str(error))
        return error is None
