"""Says on DataObjects which of their copies do not count now, and why: the condition Available.

A copy on a node that is not ready, or that nobody has seen for long, moves no pods (scheduler.state.witnesses decides).
Its daemon cannot say so, as it is what is silent. So the scheduler writes Available=Unknown, with the reason

    NodeNotReady    a node is not ready or cannot be reached, or a declared location is not in the cluster
    WitnessSilent   nobody has seen the copy for longer than maxWitnessAgeMinutes

and Available=True once all count again. An object that never had the condition never gets it for being well. Nothing is
written while what stands says the same, whatever times it names, so that a dead node costs one write an object, at the
writer's pace; after a restart, none.

It is applied on the server side under a name of its own, so that it takes nothing from what daemons write.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from scheduler.api import core, crd, names
from scheduler.kube import client
from scheduler.live import clerk, feed, metrics, places
from scheduler.state import cluster, replicas, witnesses

AVAILABLE: Final = "Available"
FIELD_MANAGER: Final = f"{names.SCHEDULER_FIELD_MANAGER}-available"
NAMED: Final = 10  # copies in a message

_NODE: Final = frozenset({witnesses.Doubt.NODE_NOT_READY, witnesses.Doubt.NODE_GONE})
_TOLD: Final = _NODE | {witnesses.Doubt.WITNESS_SILENT}
_SINCE: Final = re.compile(r" (since|at) [0-9TZ:-]+")


class Availability:
    """Looks through the DataObjects now and then.

    Args:
        now: The time of day.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        resources: feed.CustomResources,
        state: cluster.Cluster,
        writer: clerk.Clerk,
        counters: metrics.Metrics,
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._api = api
        self._resources = resources
        self._cluster = state
        self._clerk = writer
        self._metrics = counters
        self._now = now
        self._written: dict[places.Place, crd.DataObject] = {}  # answers to writes that the watch has not shown yet
        self._since: dict[str, str] = {}  # node that is not ready -> since when that is known
        self.count = 0  # of DataObjects with copies that do not count, as of the last look

    async def sweep(self) -> None:
        """Look through all once; the loop turns meanwhile."""
        count, away = 0, set()
        self._written = {place: one for place, one in self._written.items() if self._is_unseen(place, one)}
        async for obj in self._resources.each_data_object():
            place = (obj.metadata.namespace, obj.metadata.name)
            with self._metrics.failures.contained("sweep", object="/".join(place)):
                doubts = self._doubts(obj)
                count += bool(doubts)
                away |= {one.copy.node for one in doubts}
                if self._wanted(obj, doubts) is not None:
                    self._clerk.ask(("available", *place), functools.partial(self._write, place), patient=True)
        self.count = count
        self._since = {node: since for node, since in self._since.items() if node in away}

    async def _write(self, place: places.Place) -> None:
        obj = self._resources.data_object(place)
        wanted = self._wanted(obj, self._doubts(obj)) if obj is not None else None
        if obj is None or wanted is None:
            return
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "DataObject",
            "metadata": {"name": place[1], "namespace": place[0], "uid": obj.metadata.uid},
            "status": {"conditions": [wanted]},
        }
        path = f"{places.path(*place)}/status"
        answer = await self._api.patch(
            path,
            msgspec.json.encode(body),
            client.APPLY_PATCH,
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
        )
        self._metrics.upkeep("available")
        self._written[place] = core.decode(answer, crd.DataObject, path)

    def _wanted(self, obj: crd.DataObject, doubts: list[replicas.Absent]) -> crd.Condition | None:
        """The condition to write; None where what stands says the same, or nothing and rightly so."""
        now = self._now()
        written = self._written.get((obj.metadata.namespace, obj.metadata.name))
        if written is not None and written.metadata.uid == obj.metadata.uid:
            obj = max(obj, written, key=places.version)
        standing = next((one for one in obj.status.conditions if one.type == AVAILABLE), None)
        if not doubts and standing is None:
            return None
        status, reason, message = self._say(doubts, _text(now)) if doubts else ("True", "Seen", "all copies count")
        if (
            standing is not None
            and (standing.status, standing.reason) == (status, reason)
            and _SINCE.sub("", standing.message) == _SINCE.sub("", message)
        ):
            return None
        is_turn = standing is None or standing.status != status or not standing.last_transition_time
        return crd.Condition(
            type=AVAILABLE,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=_text(now) if is_turn or standing is None else standing.last_transition_time,
            observed_generation=obj.metadata.generation,
        )

    def _is_unseen(self, place: places.Place, written: crd.DataObject) -> bool:
        seen = self._resources.data_object(place)
        return seen is not None and places.version(seen) < places.version(written)

    def _doubts(self, obj: crd.DataObject) -> list[replicas.Absent]:
        now_s = self._now().timestamp()
        found = self._cluster.replicas.doubts(obj.metadata.namespace, obj.metadata.name, now_s)
        return [one for one in found if one.doubt in _TOLD and not _is_cleared_away(one)]

    def _say(self, doubts: Iterable[replicas.Absent], now: str) -> tuple[str, str, str]:
        words = sorted({self._describe(one, now) for one in doubts})
        more = f", and {len(words) - NAMED} more" if len(words) > NAMED else ""
        is_node = any(one.doubt in _NODE for one in doubts)
        reason = "NodeNotReady" if is_node else "WitnessSilent"
        return "Unknown", reason, f"copies that do not count: {'; '.join(words[:NAMED])}{more}"

    def _describe(self, absent: replicas.Absent, now: str) -> str:
        copy = absent.copy
        where = f"{copy.store} on {copy.where}" if copy.store else f"on {copy.where}"
        if absent.doubt is witnesses.Doubt.WITNESS_SILENT:
            seen_s = self._cluster.witnesses.last_seen_s(copy)
            if seen_s is None:
                return f"{where} (not seen)"
            seen = _text(datetime.datetime.fromtimestamp(seen_s, datetime.UTC))
            return where + (f" (not seen since {seen})" if seen <= now else f" (dated ahead of this clock, at {seen})")
        since = self._since.setdefault(copy.node, now)
        what = "node not ready" if absent.doubt is witnesses.Doubt.NODE_NOT_READY else "node not in the cluster"
        return f"{where} ({what} since {since})"


def _is_cleared_away(absent: replicas.Absent) -> bool:
    """Whether a copy goes by itself within a minute (scheduler.live.departed); a declared location stays."""
    return absent.doubt is witnesses.Doubt.NODE_GONE and bool(absent.copy.store)


def _text(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
