"""Writes into DataObjects what this node's stores hold: what differs, and not more often than it is worth.

``look_at`` names an object that may have to be written, and ``run_due`` does what is due. An object is written at most
once a second: the first change at once, those that follow as one. One that the API server refuses is tried ever more
seldom, and harms no other one.
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from daemon import metrics
from daemon.cluster import knowledge, pace, watches, writer
from daemon.status import conditions, dataobject
from daemon.stores import contents, model
from scheduler import errors
from scheduler.api import crd, names
from scheduler.kube import mishaps

GAP_S: Final = 1.0  # between two writes of one object
_AT_ONCE: Final = 8  # writes in flight
_CREATED: Final = 256  # bucket objects made before others get their turn

Views = Mapping[str, dataobject.View]


class Writing:
    """What is to be looked at, and the looking.

    Args:
        views: What is known of each store, by name.
        is_open: Whether a store of a name may be there, though it was not found.

    Attributes:
        discovered: The stores of this node.
    """

    def __init__(
        self,
        cluster: knowledge.Cluster,
        writer: writer.Writer,
        failures: mishaps.Mishaps,
        *,
        node: str,
        namespace: str,
        views: Callable[[], Views],
        is_open: Callable[[str], bool],
        figures: metrics.Metrics,
    ) -> None:
        self.discovered: Sequence[model.Store] = ()
        self._cluster = cluster
        self._writer = writer
        self._failures = failures
        self._node = node
        self._namespace = namespace
        self._views = views
        self._is_open = is_open
        self._figures = figures
        self._pace = pace.Pace(gap_s=GAP_S)
        self._dirty: dict[watches.Place, bool] = {}  # objects to look at, and whether to heal them
        self._crowded: set[watches.Place] = set()  # objects that have no room for this node's copy
        self._leaving: dict[watches.Place, crd.DataObject] = {}  # not watched any more, with entries of ours

    def look_at(self, item: crd.DataObject, *, heals: bool = False) -> None:
        place = (item.metadata.namespace, item.metadata.name)
        self._dirty[place] = heals or self._dirty.get(place, False)

    def changed(self, item: crd.DataObject, before: crd.DataObject | None) -> None:
        """Somebody changed it: where it was refused, it may be taken now."""
        if before is None or before.spec != item.spec:
            self._pace.forgive((item.metadata.namespace, item.metadata.name), time.monotonic())
        self.look_at(item)

    def leaves(self, item: crd.DataObject) -> None:
        """It is not watched any more, and has entries of ours."""
        self._leaving[item.metadata.namespace, item.metadata.name] = item
        self.look_at(item)

    def next_s(self) -> float | None:
        """When something is due, None where nothing is waiting."""
        return min(map(self._pace.free_s, self._dirty), default=None)

    def is_idle(self) -> bool:
        """Whether nothing is waiting but what was refused."""
        soon_s = time.monotonic() + GAP_S
        return all(self._pace.free_s(place) > soon_s for place in self._dirty)

    async def run_due(self) -> None:
        """Look at all that is due.

        Raises:
            ApiError: what would befall every write; all that was not written is still waiting.
        """
        while True:
            now_s = time.monotonic()
            due = [place for place in self._dirty if self._pace.free_s(place) <= now_s]
            if not due:
                return
            for start in range(0, len(due), _AT_ONCE):
                batch = [(place, self._dirty.pop(place)) for place in due[start : start + _AT_ONCE]]
                views, now = self._views(), _now()
                looks = [self._look(place, views, now, heals=heals) for place, heals in batch]
                failed = [error for error in await asyncio.gather(*looks) if error is not None]
                if failed:
                    raise failed[0]

    async def create_missing(self) -> bool:
        """Make the objects of buckets that have none; False where some are left for another time.

        Raises:
            ApiError: as by ``run_due``.
        """
        now_s = time.monotonic()
        known = self._cluster.objects.by_place.values()
        missing = [
            body
            for body in dataobject.to_create(known, self._views().values(), self._namespace)
            if self._cluster.is_listed(body["spec"]["urn"]) and self._pace.free_s(_key(body)) <= now_s
        ]
        for start in range(0, min(len(missing), _CREATED), _AT_ONCE):
            batch = missing[start : min(start + _AT_ONCE, _CREATED)]
            made = await asyncio.gather(*(self._create(body) for body in batch), return_exceptions=True)
            failed = [error for error in made if isinstance(error, BaseException)]
            if failed:
                raise failed[0]
        return len(missing) <= _CREATED

    async def let_go(self, gone: Iterable[model.Store], configured: Collection[str]) -> None:
        """Take back what stands of stores outside the cluster that are no longer configured, for no daemon would."""
        for store in gone:
            if store.place is None or store.name in configured:  # another node asks it now
                continue
            left = [
                item
                for item in self._cluster.objects.by_place.values()
                if any(r.node == names.EXTERNAL and r.store == store.name for r in item.status.replicas)
            ]
            await self._writer.let_go(left, manager=dataobject.field_manager(names.EXTERNAL, store.name))

    async def _create(self, body: dict[str, Any]) -> None:
        if await self._writer.create(body):
            self._pace.done(_key(body), time.monotonic())
        else:
            self._pace.failed(_key(body), time.monotonic())

    async def _look(self, place: watches.Place, views: Views, now: str, *, heals: bool) -> errors.ApiError | None:
        """Write what differs in one object; what went wrong is returned where it would befall every write."""
        try:
            await self._write(place, views, now, heals=heals)
        except errors.ApiError as error:
            self._again(place, heals=heals)
            self._pace.failed(place, time.monotonic())
            return error
        except Exception as error:  # noqa: BLE001 - one object must not keep the others from being written
            self._failures.caught("write", error, of="/".join(place))
            self._again(place, heals=heals)
            self._pace.failed(place, time.monotonic())
        return None

    def _again(self, place: watches.Place, *, heals: bool) -> None:
        self._dirty[place] = heals or self._dirty.get(place, False)

    async def _write(self, place: watches.Place, views: Views, now: str, *, heals: bool) -> None:
        item = self._cluster.objects.by_place.get(place) or self._leaving.get(place)
        if item is None:  # deleted meanwhile
            self._pace.forget(place)
            self._note_crowd(place, crowded=False)
            return
        self._note_crowd(place, crowded=dataobject.is_crowded_out(item, self._node, self.discovered, views))
        for speaker, manager, found in dataobject.speakers(self._node, [*self.discovered, *self._open(item)]):
            body = dataobject.status_to_apply(
                item,
                node=speaker,
                discovered=found,
                views=views,
                now=now,
                leads=self._leads(item, speaker),
                heals=heals,
            )
            if body is None:
                continue
            refused = await self._writer.write_status(item, body, manager=manager)
            if refused is None:
                # Looked at again: others may have written at the same moment, and there may be another speaker.
                self._pace.done(place, time.monotonic())
            elif not refused.gone:
                self._pace.failed(place, time.monotonic())
            if self._leaving.pop(place, None) is None and (refused is None or not refused.gone):
                self._again(place, heals=heals)
            return
        self._leaving.pop(place, None)

    def _note_crowd(self, place: watches.Place, *, crowded: bool) -> None:
        (self._crowded.add if crowded else self._crowded.discard)(place)
        self._figures.left_out.labels(kind="copies").set(len(self._crowded))

    def _open(self, item: crd.DataObject) -> list[model.Store]:
        """The stores of this node that have entries in ``item`` and were not found, which proves nothing yet."""
        found = {store.name for store in self.discovered}
        return [
            unknown_store(replica.store)
            for replica in item.status.replicas
            if replica.node == self._node
            and replica.store
            and replica.store not in found
            and self._is_open(replica.store)
        ]

    def _leads(self, item: crd.DataObject, speaker: str) -> bool:
        """Whether the speaker comes first among those that have the bucket: then it says that they lack the key."""
        bucket = contents.bucket_of(item.spec.urn)
        speaking = {item.metadata.namespace, self._namespace}
        holders = {
            replica.node
            for whole in self._cluster.objects.with_urn(bucket)
            if whole.metadata.namespace in speaking
            for replica in whole.status.replicas
            if replica.available
        }
        return not holders or min(holders) == speaker


def unknown_store(name: str, speaks_for: str = "") -> model.Store:
    """A store of which only what stands of it is known: nobody asks it, and that stays."""
    return model.Store(
        namespace="", service="", service_uid="", endpoint="", secret="", alias=name, speaks_for=speaks_for
    )


def _key(body: dict[str, Any]) -> tuple[str, str, str]:
    return "create", body["metadata"]["namespace"], body["spec"]["urn"]


def _now() -> str:
    return conditions.rfc3339(datetime.datetime.now(datetime.UTC))
