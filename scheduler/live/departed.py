"""Takes the copies of nodes that are gone out of the DataObjects: their daemons cannot do it any more.

Such a copy counts for nothing already (no pod is placed by a node that is not there); what is mended here is what users
see. A node must have been unknown for ABSENT_S, for a kubelet that registers anew deletes and creates its Node. The
patch carries the version of the object that it was made from, so what a daemon wrote meanwhile is never lost, and it is
made from the object as the server has it, so that no field is lost that this program does not know.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from typing import Any, Final

import msgspec

from scheduler.api import names
from scheduler.kube import client, events
from scheduler.live import clerk, feed, metrics, places

ABSENT_S: Final = 60.0
_MAX_NODES_TEXT: Final = 4096  # the schema's bound
GONE_TEXT: Final = "every node that held it is gone"


class Departed:
    """Finds and removes the entries of nodes that are gone.

    Args:
        is_node: Whether there is a node of that name, even one that cannot be read.
        now: The time of day.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        resources: feed.CustomResources,
        is_node: Callable[[str], bool],
        writer: clerk.Clerk,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._api = api
        self._resources = resources
        self._is_node = is_node
        self._clerk = writer
        self._metrics = counters
        self._clock = clock
        self._now = now
        self._absent: dict[str, float] = {}  # node that an object names and that is not there -> since when

    async def sweep(self) -> None:
        """Look through all objects once; the loop turns meanwhile."""
        named: dict[str, list[places.Place]] = {}
        async for obj in self._resources.each_data_object():
            for replica in obj.status.replicas:
                if replica.node != names.EXTERNAL and not self._is_node(replica.node):
                    named.setdefault(replica.node, []).append((obj.metadata.namespace, obj.metadata.name))
        now = self._clock()
        self._absent = {node: self._absent.get(node, now) for node in named}
        for node, since in self._absent.items():
            if now - since >= ABSENT_S:
                for place in named[node]:
                    self._clerk.ask(("clean", *place), functools.partial(self._clean, place))

    def _is_gone(self, node: str) -> bool:
        return not self._is_node(node) and self._clock() - self._absent.get(node, self._clock()) >= ABSENT_S

    async def _clean(self, place: places.Place) -> None:
        path = places.path(*place)
        obj = msgspec.json.decode(await self._api.get(path))
        status: dict[str, Any] = obj.get("status", {})
        replicas = status.get("replicas", [])
        kept = [replica for replica in replicas if not self._is_gone(replica["node"])]
        if len(kept) == len(replicas):
            return
        patch = {
            "metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]},
            "status": {"replicas": kept, **self._summary(kept, status)},
        }
        params = {"fieldManager": names.SCHEDULER_FIELD_MANAGER}
        await self._api.patch(f"{path}/status", msgspec.json.encode(patch), params=params)
        self._metrics.upkeep("cleaned")

    def _summary(self, kept: list[Any], status: dict[str, Any]) -> dict[str, Any]:
        """What else in the status follows from the copies; the daemons that are left keep it from here on."""
        available = sorted({replica["node"] for replica in kept if replica.get("available")})
        count = sum(bool(replica.get("available")) for replica in kept)
        summary: dict[str, Any] = {"replicaCount": count, "nodesText": events.cut(",".join(available), _MAX_NODES_TEXT)}
        if not kept:
            when = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
            ready = {"type": places.READY, "status": "False", "reason": "NotFound", "message": GONE_TEXT}
            summary["conditions"] = [
                {**one, **ready, "lastTransitionTime": when} if one["type"] == places.READY else one
                for one in status.get("conditions", [])
            ]
        return summary
