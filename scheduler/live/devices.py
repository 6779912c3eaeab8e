"""Keeps which extended resources device classes claim: claims decide about those, which are not built.

An API server without dynamic resource allocation has no such classes, and a role of an earlier release does not let us
list them. Placing goes on in both cases, and does not wait for the first list: until then a pod that asks for such a
resource is placed only where a device plugin offers it.
"""

from __future__ import annotations

from typing import Final

import structlog

from scheduler.api import devices
from scheduler.kernel import events
from scheduler.kube import client, informer, reading
from scheduler.live import driver

log = structlog.get_logger(__name__)

DEVICE_CLASSES: Final = "/apis/resource.k8s.io/v1/deviceclasses"


class DeviceClasses:
    """An informer's handler that keeps what device classes claim."""

    def __init__(self, scheduling: driver.Driver) -> None:
        self._driver = scheduling

    def apply(self, device_class: devices.DeviceClass) -> None:
        self._driver.handle(events.DevicesSeen(self._driver.clock(), device_class))

    def remove(self, key: informer.Key) -> None:
        self._driver.handle(events.DevicesGone(self._driver.clock(), "DeviceClass", "", key.name))

    def replaced(self, count: int) -> None:
        log.info("device classes read", device_classes=count)


async def are_listable(api: client.Api) -> bool:
    """Whether there are device classes that we may see; says so where not."""
    error = await reading.why_withheld(api, DEVICE_CLASSES)
    if error is not None:
        log.info("device classes are not followed", error=str(error))
    return error is None
