"""Brings claims to devices, the devices, their classes and taints to the kernel, by informers.

An API server without dynamic resource allocation has none of these, one before 1.37 no rules that taint devices, and a
role of an earlier release does not let us list them. Placing goes on then, by what can be seen: pods with such claims
wait, and the log says so once for each kind.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from scheduler import errors
from scheduler.api import devices
from scheduler.kernel import events
from scheduler.kube import client, informer, mishaps, reading
from scheduler.live import driver

log = structlog.get_logger(__name__)

_RESOURCE: Final = "/apis/resource.k8s.io/v1"
PATHS: Final[dict[type[devices.Object], str]] = {
    devices.ResourceClaim: f"{_RESOURCE}/resourceclaims",
    devices.ResourceSlice: f"{_RESOURCE}/resourceslices",
    devices.DeviceClass: f"{_RESOURCE}/deviceclasses",
    devices.DeviceTaintRule: f"{_RESOURCE}/devicetaintrules",
}


class Kind:
    """An informer's handler that keeps the objects of a kind."""

    def __init__(self, scheduling: driver.Driver, kind: type[devices.Object]) -> None:
        self._driver = scheduling
        self._kind = kind

    def apply(self, obj: devices.Object) -> None:
        self._driver.handle(events.DevicesSeen(self._driver.clock(), obj))

    def remove(self, key: informer.Key) -> None:
        self._driver.handle(events.DevicesGone(self._driver.clock(), self._kind.__name__, key.namespace, key.name))

    def replaced(self, count: int) -> None:
        log.info("devices read", kind=self._kind.__name__, objects=count)


class Devices:
    """The informers.

    Attributes:
        synced: Set once all kinds have been read, or are known not to be ours to read.
    """

    def __init__(self, api: client.Api, scheduling: driver.Driver, failures: mishaps.Mishaps) -> None:
        self.synced = asyncio.Event()
        self._api = api
        self._informers: dict[type[devices.Object], informer.Informer[Any]] = {
            kind: informer.Informer[Any](api, path, kind, Kind(scheduling, kind), failures=failures)
            for kind, path in PATHS.items()
        }

    async def run(self) -> None:
        """Follow all of them that can be seen, until cancelled."""
        seen = await asyncio.gather(*map(self._is_listable, PATHS))
        followed = [one for one, can_be_seen in zip(self._informers.values(), seen, strict=True) if can_be_seen]
        await informer.run_all(followed, self.synced)

    async def _is_listable(self, kind: type[devices.Object]) -> bool:
        error = await reading.why_withheld(self._api, PATHS[kind])
        if error is not None:
            tell = log.info if isinstance(error, errors.NotFoundError) else log.warning
            tell(f"not followed: {_WITHOUT.get(kind, _NONE)}", kind=kind.__name__, error=str(error))
        return error is None


_NONE: Final = "pods with claims to devices stay pending"
_WITHOUT: Final[dict[type[devices.Object], str]] = {
    devices.DeviceTaintRule: "devices are tainted by their drivers alone",
}
