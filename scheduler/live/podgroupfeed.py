"""Brings groups of pods to the kernel, by an informer, where the API server has them.

They are off by default in Kubernetes, and a role of an earlier release does not let us list them. Placing goes on in
both cases, and does not wait for the first list: until then a pod that names its group is told that this cannot be
honoured.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from scheduler.api import podgroups
from scheduler.kernel import events
from scheduler.kube import client, informer, mishaps, reading
from scheduler.live import driver

log = structlog.get_logger(__name__)

POD_GROUPS: Final = "/apis/scheduling.k8s.io/v1beta1/podgroups"


class _Handler:
    """Hands them in."""

    def __init__(self, scheduling: driver.Driver) -> None:
        self._driver = scheduling

    def apply(self, group: podgroups.PodGroup) -> None:
        self._driver.handle(events.GroupSeen(self._driver.clock(), group))

    def remove(self, key: informer.Key) -> None:
        self._driver.handle(events.GroupGone(self._driver.clock(), key.namespace, key.name))

    def replaced(self, count: int) -> None:
        self._driver.handle(events.GroupsKnown(self._driver.clock()))
        log.info("groups of pods read", groups=count)


class PodGroups:
    """The informer."""

    def __init__(self, api: client.Api, scheduling: driver.Driver, failures: mishaps.Mishaps) -> None:
        self._api = api
        self._informer = informer.Informer(api, POD_GROUPS, podgroups.PodGroup, _Handler(scheduling), failures=failures)

    async def run(self) -> None:
        """Follow them until cancelled, if they can be seen."""
        error = await reading.why_withheld(self._api, POD_GROUPS)
        if error is not None:
            log.info("groups of pods are not followed", error=str(error))
            await asyncio.Event().wait()
        await self._informer.run()
