"""Clears away what the daemons of nodes that are gone left in DataObjects.

A node's entries are its own daemon's business, and when the node is deleted nobody's. So each daemon looks after one
neighbour in each object that it shares: the node whose name follows its own in the ring of those that have an entry.
That finds every entry of a gone node, as long as one node with an entry is left, with hardly more than one request for
a daemon; nobody watches all nodes.

A gone node's entries belong to its field manager, so they go by applying nothing under that name. Before, everything
else in the status is applied under our own name, for what the gone one owned alone would vanish with its entries.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from daemon import objects, reading, watching, writing
from scheduler.api import core, crd, names
from scheduler.kube import client

log = structlog.get_logger(__name__)

EVERY: Final = 4  # regular rounds: leftovers do no harm where the scheduler passes over nodes that are gone
_MOST: Final = 8  # neighbours in one go


class _Head(msgspec.Struct):
    metadata: core.ObjectMeta


async def clear(api: client.Api, writer: writing.Writer, node: str, known: watching.Objects) -> None:
    """Look whether our neighbours are there, and clear away what those that are not left."""
    shared = of(node, known.by_place.values())
    for neighbour in sorted(shared)[:_MOST]:
        if await reading.get(api, f"/api/v1/nodes/{neighbour}", _Head) is not None:
            continue
        for item in shared[neighbour]:
            await writer.write_status(item, objects.adopting(item, node=node), manager=objects.field_manager(node))
        await writer.let_go(shared[neighbour], manager=objects.field_manager(neighbour))
        log.info("replicas of a node that is gone removed", node=neighbour, data_objects=len(shared[neighbour]))


def of(node: str, items: objects.Items) -> dict[str, list[crd.DataObject]]:
    """The neighbours of ``node``, each with the objects in which it is one."""
    shared: dict[str, list[crd.DataObject]] = {}
    for item in items:
        ring = sorted({replica.node for replica in item.status.replicas} - {names.EXTERNAL})
        if node in ring and len(ring) > 1:
            shared.setdefault(ring[(ring.index(node) + 1) % len(ring)], []).append(item)
    return shared
