"""Writes by server-side apply: what a daemon owns, under the field manager that owns it.

A DataObject that the API server refuses harms no other one: it is said once, and is the caller's to try again later.
What would befall every write (no connection, no right) is raised.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection
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

_BY_RBAC: Final = re.compile(r'is forbidden: User "[^"]*" cannot ')
_REMEMBERED: Final = 10_000  # objects whose refusal was said


@dataclasses.dataclass(frozen=True)
class Refused:
    """A write that the API server did not take, for reasons of that object.

    ``gone`` where there is none any more; ``forbidden`` where it is nothing that a daemon may write.
    """

    gone: bool
    forbidden: bool


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
        try:
            return await self._api.patch(path, msgspec.json.encode(body), client.APPLY_PATCH, params=params)
        except errors.ApiError:
            self._figures.write_failures.labels(kind=body["kind"]).inc()
            raise

    async def create(self, body: dict[str, Any]) -> bool:
        """Create a bucket's object; where its plain name is taken by another urn, under a name that is not.

        Returns:
            Whether it is there now.
        """
        meta, urn = body["metadata"], body["spec"]["urn"]
        for name in dict.fromkeys([meta["name"], dataobject.hashed_name_of(urn)]):
            meta["name"] = name
            # One manager for all daemons: what they apply is the same.
            path = _path(meta["namespace"], name)
            answer = await self._apply_to_object(path, body, manager=names.DAEMON_FIELD_MANAGER)
            if not isinstance(answer, Refused):
                log.info("bucket found", bucket=urn, data_object=f"{meta['namespace']}/{name}")
                return True
            if answer.forbidden:  # what stands there is of this urn and somebody else's, who filled it
                return False
        return False

    async def write_status(self, item: crd.DataObject, body: dict[str, Any], *, manager: str) -> Refused | None:
        """Apply one status; None where it was taken, and then ``known`` has the answer."""
        path = f"{_path(item.metadata.namespace, item.metadata.name)}/status"
        answer = await self._apply_to_object(path, body, manager=manager)
        if isinstance(answer, Refused):
            return answer
        self._known.put(answer)
        return None

    async def let_go(self, items: Collection[crd.DataObject], *, manager: str) -> None:
        """Take back all that ``manager`` owns in the objects' status."""
        for item in items:
            await self.write_status(item, dataobject.letting_go(item), manager=manager)

    async def _apply_to_object(self, path: str, body: dict[str, Any], *, manager: str) -> crd.DataObject | Refused:
        try:
            answer = core.decode(await self.apply(path, body, manager=manager), crd.DataObject, path)
        except (errors.UnreachableError, errors.ThrottledError):
            raise  # the others would fare no better
        except (errors.ApiError, errors.InputError) as error:
            if isinstance(error, errors.DeniedError) and _lacks_right(error):
                raise  # nor here
            gone = isinstance(error, errors.NotFoundError) and path.endswith("/status")  # deleted meanwhile
            if not gone and self._refusals.get(path) != str(error):
                if len(self._refusals) >= _REMEMBERED:
                    self._refusals.clear()
                self._refusals[path] = str(error)
                log.warning("DataObject not written", path=path, error=str(error))
            return Refused(gone, isinstance(error, errors.DeniedError))
        self._refusals.pop(path, None)
        return answer


def _lacks_right(error: errors.DeniedError) -> bool:
    """Whether it is RBAC that says no, or the token that is not accepted.

    A policy, a webhook, the quota of a namespace or its end, which answer with the same status, are about one object or
    one namespace: who owns that must not keep what others have from being written.
    """
    return error.status != 403 or _BY_RBAC.search(error.message) is not None


def _path(namespace: str, name: str) -> str:
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.DATA_OBJECTS}/{name}"
