"""Deletes the DataObjects of buckets that are gone: that daemons made, that no store has any more, and nobody names.

A daemon makes one for each bucket that it finds, and may delete nothing. So whoever makes and deletes buckets by the
thousand would fill the cluster's memory. One is deleted when it has stood for ``data_retention_s``, the time for which
keys that nobody names are kept, that

    it bears the daemons' label and says nothing in its spec that somebody would have had to write
    no copy stands in it, and the daemons say that there is none: Ready is False, NotFound
    no store that speaks there is known to have the bucket, and no pod names anything in it

If the bucket comes back, so does the object. What people made stays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from scheduler import errors
from scheduler.api import crd, names
from scheduler.kube import client
from scheduler.live import clerk, feed, mentions, metrics, places
from scheduler.state import replicas

log = structlog.get_logger(__name__)

NOT_FOUND: Final = "NotFound"
MANY: Final = 50_000  # buckets; some kB each in the API server and in everybody who lists them


class Buckets:
    """Looks through the DataObjects of buckets now and then.

    Args:
        after_s: How long one must have been of no use.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        resources: feed.CustomResources,
        table: replicas.ReplicaTable,
        named: mentions.Mentions,
        writer: clerk.Clerk,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        after_s: float,
    ) -> None:
        self.count = 0  # of DataObjects of buckets that daemons made, as of the last look
        self._api = api
        self._resources = resources
        self._table = table
        self._mentions = named
        self._clerk = writer
        self._metrics = counters
        self._clock = clock
        self.after_s = after_s
        self._useless: dict[places.Place, float] = {}  # since when
        self._is_many = False

    async def sweep(self) -> None:
        """Look through all once; the loop turns meanwhile."""
        now, count = self._clock(), 0
        useless: dict[places.Place, float] = {}
        async for obj in self._resources.each_data_object():
            if not is_daemons(obj):
                continue
            count += 1
            if self._is_useless(obj):
                place = (obj.metadata.namespace, obj.metadata.name)
                since = useless[place] = self._useless.get(place, now)
                if now - since >= self.after_s:
                    self._clerk.ask(("delete", *place), functools.partial(self._delete, place), group=place[0])
        self._useless = useless
        self.count = count
        if count > MANY and not self._is_many:
            log.warning("very many buckets, each with a DataObject", buckets=count, comfortable=MANY)
        self._is_many = count > MANY

    def _is_useless(self, obj: crd.DataObject) -> bool:
        namespace, bucket = obj.metadata.namespace, obj.spec.urn
        return (
            not obj.status.replicas
            and any(
                one.type == places.READY and one.status == "False" and one.reason == NOT_FOUND
                for one in obj.status.conditions
            )
            and not self._table.served.knows(namespace, bucket)
            and not self._mentions.is_bucket_used(namespace, bucket)
        )

    async def _delete(self, place: places.Place) -> None:
        obj = self._resources.data_object(place)
        if obj is None or place not in self._useless or not (is_daemons(obj) and self._is_useless(obj)):
            return
        # The version makes the server refuse it where a daemon has found the bucket again meanwhile.
        meta = obj.metadata
        body = {"preconditions": {"uid": meta.uid, "resourceVersion": meta.resource_version}}
        try:
            await self._api.delete(places.path(*place), msgspec.json.encode(body))
        except errors.NotFoundError:
            return
        self._metrics.upkeep("deleted")


def is_daemons(obj: crd.DataObject) -> bool:
    """Whether daemons made a DataObject, for a bucket, and nobody else has said anything in it."""
    urn = obj.spec.urn
    is_made = obj.metadata.labels.get(names.MANAGED_BY_LABEL) == names.DAEMON_FIELD_MANAGER
    return is_made and bool(urn) and "/" not in urn and obj.spec == crd.DataObjectSpec(urn=urn)
