"""The node's own description: its NodeCapability, its labels, and the Events about its stores."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from daemon.cluster import writer
from daemon.facts import machine
from daemon.status import dataobject, labels, nodecapability, storeevents
from daemon.stores import model
from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.kube import client, events, reading

_CAPABILITIES: Final = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
_NODES: Final = "/api/v1/nodes"


class Description:
    """What stands about one node, and how it is brought up to date.

    Attributes:
        capability: As last read or written, None where there is none yet.
        is_known: Whether it was read: what is not known must not be written over.
        written_s: Monotonic time of the last write.
    """

    def __init__(
        self,
        api: client.Api,
        writer: writer.Writer,
        sink: events.EventSink,
        node: str,
        *,
        host_root: pathlib.Path,
        has_host_files: bool,
    ) -> None:
        self.capability: crd.NodeCapability | None = None
        self.is_known = False
        self.written_s = 0.0
        self._api = api
        self._writer = writer
        self._sink = sink
        self._node = node
        self._path = f"{_CAPABILITIES}/{node}"
        self._manager = dataobject.field_manager(node)
        self._host_root = host_root
        self._has_host_files = has_host_files
        self._machine = machine.NOTHING

    async def read(self) -> None:
        """Read the NodeCapability.

        Raises:
            LocalityError: it cannot be read; what was known of it stays.
        """
        self.capability = await reading.get(self._api, self._path, crd.NodeCapability)
        self.is_known = True

    async def write_unread(self, unread: Mapping[str, str], now: str) -> None:
        """Say of a NodeCapability whose Node is not known that it may not be true any more."""
        body = nodecapability.unread_to_apply(self.capability, unread, now) if self.capability is not None else None
        if body is not None:
            answer = await self._apply(f"{self._path}/status", body)
            self.capability = core.decode(answer, crd.NodeCapability, self._path)

    async def write(
        self,
        node: labels.ManagedNode,
        discovered: Sequence[model.Store],
        views: Mapping[str, dataobject.View],
        now: str,
        *,
        left_out: Sequence[model.Store] = (),
        unread: Mapping[str, str] | None = None,
    ) -> labels.ManagedNode:
        """Write what differs, and tell of stores that came or went; returns the Node as it is then."""
        capability = self.capability
        owners = {owner.uid for owner in capability.metadata.owner_references} if capability else set()
        if capability is None or node.metadata.uid not in owners:
            answer = await self._apply(self._path, nodecapability.to_create(node))
            capability = core.decode(answer, crd.NodeCapability, self._path)
        self._machine = await asyncio.to_thread(
            machine.read, self._host_root, has_files=self._has_host_files, before=self._machine
        )
        body = nodecapability.status_to_apply(
            capability,
            node=labels.without_own(node, self._manager),
            seen=self._machine,
            discovered=discovered,
            views=views,
            unread=unread,
            now=now,
            left_out=left_out,
        )
        if body is not None:
            told = nodecapability.transitions(capability.status, discovered, views)
            answer = await self._apply(f"{self._path}/status", body)
            capability = core.decode(answer, crd.NodeCapability, self._path)
            for transition in told:
                storeevents.tell(self._sink, self._node, transition)
        self.capability = capability
        return await self._write_labels(node, capability, now)

    async def _write_labels(
        self, node: labels.ManagedNode, capability: crd.NodeCapability, now: str
    ) -> labels.ManagedNode:
        body = labels.to_apply(node, capability, manager=self._manager, now=now)
        if body is None:
            return node
        path = f"{_NODES}/{self._node}"
        with contextlib.suppress(errors.ConflictError):  # labelled by somebody meanwhile: the next round sees it
            answer = await self._apply(path, body, force=False)
            return core.decode(answer, labels.ManagedNode, path)
        return node

    async def _apply(self, path: str, body: dict[str, Any], *, force: bool = True) -> bytes:
        self.written_s = time.monotonic()
        return await self._writer.apply(path, body, manager=self._manager, force=force)
