"""Brings what Services and controllers of pods select to the kernel, by informers: by that, pods spread by default.

A role of an earlier release does not let us list them. Placing goes on then, without what cannot be seen, and the log
says so once for each kind.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from scheduler.api import services
from scheduler.kernel import events
from scheduler.kube import client, informer, mishaps, reading
from scheduler.live import driver

log = structlog.get_logger(__name__)

KINDS: Final[dict[str, tuple[str, type[services.Service | services.Controller]]]] = {
    "Service": ("/api/v1/services", services.Service),
    "ReplicationController": ("/api/v1/replicationcontrollers", services.Service),
    "ReplicaSet": ("/apis/apps/v1/replicasets", services.Controller),
    "StatefulSet": ("/apis/apps/v1/statefulsets", services.Controller),
}


class Kind:
    """An informer's handler that keeps what the objects of a kind select."""

    def __init__(self, scheduling: driver.Driver, kind: str) -> None:
        self._driver = scheduling
        self._kind = kind

    def apply(self, obj: services.Service | services.Controller) -> None:
        meta, selector = obj.metadata, services.selector_of(obj)
        self._driver.handle(events.SelectorSeen(self._driver.clock(), self._kind, meta.namespace, meta.name, selector))

    def remove(self, key: informer.Key) -> None:
        self._driver.handle(events.SelectorGone(self._driver.clock(), self._kind, key.namespace, key.name))

    def replaced(self, count: int) -> None:
        log.info("selectors read", kind=self._kind, objects=count)


class Selectors:
    """The informers.

    Attributes:
        synced: Set once all kinds have been read, or are known not to be ours to read.
    """

    def __init__(self, api: client.Api, scheduling: driver.Driver, failures: mishaps.Mishaps) -> None:
        self.synced = asyncio.Event()
        self._api = api
        self._informers: dict[str, informer.Informer[Any]] = {
            kind: informer.Informer[Any](api, path, struct, Kind(scheduling, kind), failures=failures)
            for kind, (path, struct) in KINDS.items()
        }

    async def run(self) -> None:
        """Follow all of them that can be seen, until cancelled."""
        seen = await asyncio.gather(*map(self._is_listable, KINDS))
        followed = [self._informers[kind] for kind, can_be_seen in zip(KINDS, seen, strict=True) if can_be_seen]
        await informer.run_all(followed, self.synced)

    async def _is_listable(self, kind: str) -> bool:
        path, _ = KINDS[kind]
        error = await reading.why_withheld(self._api, path)
        if error is not None:
            log.warning("not followed: pods are not spread by what these select", kind=kind, error=str(error))
        return error is None
