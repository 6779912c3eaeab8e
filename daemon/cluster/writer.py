"""Writes by server-side apply: what a daemon owns, under the field manager that owns it.

A DataObject that the API server refuses harms no other one: it is said once, and tried again when it changes or the
next round comes. What would befall every write (no connection, no right) is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
import structlog

from daemon import metrics
from daemon.cluster import watches
from daemon.status import dataobject
from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.kube import client

log = structlog.get_logger(__name__)

_TRIES: Final = 3  # a write, and two corrections where other daemons wrote at the same moment

Compute = Callable[[crd.DataObject], dict[str, Any] | None]


class Writer:
    """Applies, counts the writes, and remembers what was refused."""

    def __init__(self, api: client.Api, known: watches.Objects, figures: metrics.Metrics) -> None:
        self._api = api
        self._known = known
        self._figures = figures
        self._refusals: dict[str, str] = {}

    async def apply(self, path: str, body: dict[str, Any], *, manager: str, force: bool = True) -> bytes:
        """Of our own resources we know best, so that we force; a Node belongs to everybody."""
        self._figures.writes.labels(kind=body["kind"]).inc()
        params = {"fieldManager": manager, "force": str(force).lower()}
        return await self._api.patch(path, msgspec.json.encode(body), client.APPLY_PATCH, params=params)

    async def create(self, body: dict[str, Any]) -> None:
        """Create a bucket's object; where its plain name is taken by another urn, under a name that is not."""
        meta, urn = body["metadata"], body["spec"]["urn"]
        for name in dict.fromkeys([meta["name"], dataobject.hashed_name_of(urn)]):
            meta["name"] = name
            # One manager for all daemons: what they apply is the same.
            path = _path(meta["namespace"], name)
            if await self._apply_to_object(path, body, manager=names.DAEMON_FIELD_MANAGER) is not None:
                log.info("bucket found", bucket=urn, data_object=f"{meta['namespace']}/{name}")
                return

    async def settle(self, item: crd.DataObject, compute: Compute, *, manager: str) -> crd.DataObject:
        """Apply the status that ``compute`` gives for the object, and again for the answer; returns the last one."""
        for _ in range(_TRIES):
            body = compute(item)
            answer = await self.write_status(item, body, manager=manager) if body is not None else None
            if answer is None:
                break
            item = answer
        return item

    async def write_status(self, item: crd.DataObject, body: dict[str, Any], *, manager: str) -> crd.DataObject | None:
        """Apply one status; None where it was refused, or the object is gone."""
        path = f"{_path(item.metadata.namespace, item.metadata.name)}/status"
        answer = await self._apply_to_object(path, body, manager=manager)
        if answer is not None:
            self._known.put(answer)
        return answer

    async def let_go(self, items: Collection[crd.DataObject], *, manager: str) -> None:
        """Take back all that ``manager`` owns in the objects' status."""
        for item in items:
            await self.write_status(item, dataobject.letting_go(item), manager=manager)

    async def _apply_to_object(self, path: str, body: dict[str, Any], *, manager: str) -> crd.DataObject | None:
        try:
            data = await self.apply(path, body, manager=manager)
        except (errors.UnreachableError, errors.ThrottledError):
            raise  # the others would fare no better
        except errors.ApiError as error:
            if isinstance(error, errors.DeniedError) and "AdmissionPolicy" not in error.message:
                raise  # nor here: this is no policy on one object, but a right that is missing
            gone = isinstance(error, errors.NotFoundError) and path.endswith("/status")  # deleted meanwhile
            if not gone and self._refusals.get(path) != str(error):
                self._refusals[path] = str(error)
                log.warning("DataObject not written", path=path, error=str(error))
            return None
        self._refusals.pop(path, None)
        return core.decode(data, crd.DataObject, path)


def _path(namespace: str, name: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.DATA_OBJECTS}/{name}"
