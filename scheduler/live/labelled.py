"""Keeps the labels of DataObjects by which daemons select them: they follow from the spec.

They are the bucket, and the nodes of declared locations. Users do not set them, so they are set here, once for each
spec; whoever changes them back prevails, and the log says so.
"""

from __future__ import annotations

import functools
from typing import Final

import msgspec
import structlog

from scheduler.api import core, crd, names
from scheduler.kube import client
from scheduler.live import clerk, feed, metrics, places
from scheduler.live.places import Place

log = structlog.get_logger(__name__)

UNDONE: Final = places.UNKNOWN


class Labels:
    """Looks at each DataObject that is new or changed."""

    def __init__(
        self, *, api: client.Api, resources: feed.CustomResources, writer: clerk.Clerk, counters: metrics.Metrics
    ) -> None:
        self._api = api
        self._resources = resources
        self._clerk = writer
        self._metrics = counters
        self._done: dict[Place, tuple[int, float]] = {}  # labelled objects -> generation, and the version this made

    def object_seen(self, place: Place, obj: crd.DataObject | None) -> None:
        """A DataObject is new, changed, or (None) gone."""
        if obj is None:
            self._done.pop(place, None)
            return
        wrong = _wrong_labels(obj)
        if not wrong:
            return
        generation, version = self._done.get(place, (-1, 0.0))
        if generation != obj.metadata.generation:
            self._clerk.ask(("label", *place), functools.partial(self._label, place), patient=True)
        elif places.version(obj) > version:
            self._done[place] = generation, UNDONE
            log.warning(
                "labels changed back, so they are left alone; daemons do not look after this DataObject",
                object="/".join(place),
                labels=sorted(wrong),
            )

    async def _label(self, place: Place) -> None:
        obj = self._resources.data_object(place)
        labels = _wrong_labels(obj) if obj is not None else {}
        if obj is None or not labels or self._done.get(place, (-1, 0.0))[0] == obj.metadata.generation:
            return
        body = {"metadata": {"uid": obj.metadata.uid, "labels": labels}}
        params = {"fieldManager": names.SCHEDULER_FIELD_MANAGER}
        path = places.path(*place)
        answer = await self._api.patch(path, msgspec.json.encode(body), params=params)
        self._done[place] = obj.metadata.generation, places.version(core.decode(answer, crd.DataObject, path))
        self._metrics.upkeep("labelled")
        self.object_seen(place, self._resources.data_object(place))  # they may have been changed back already


def _wrong_labels(obj: crd.DataObject) -> dict[str, str | None]:
    """The labels that do not follow from the spec, as a patch."""
    wanted: dict[str, str | None] = {names.BUCKET_LABEL: obj.spec.urn.partition("/")[0]}
    wanted |= {crd.location_label(location.node): "true" for location in obj.spec.locations}
    standing = obj.metadata.labels
    stale = {label: None for label in standing if label.startswith(names.LOCATION_PREFIX) and label not in wanted}
    return {label: value for label, value in wanted.items() if standing.get(label) != value} | stale
