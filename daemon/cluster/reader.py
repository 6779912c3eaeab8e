"""Reads whole collections and single objects from the API server, typed, a page at a time.

One object that does not fit its type (somebody's broken custom resource) is logged and left out; the others count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kube import client

log = structlog.get_logger(__name__)

_PAGE = "500"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

T = TypeVar("T")


class _Meta(msgspec.Struct):
    next_page: str | None = msgspec.field(default=None, name="continue")


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    metadata: _Meta = msgspec.field(default_factory=_Meta)


async def get(api: client.Api, path: str, kind: type[T]) -> T | None:
    """One object, None where there is none."""
    try:
        data = await api.get(path)
    except errors.NotFoundError:
        return None
    return core.decode(data, kind, path)


async def list_all(
    api: client.Api, path: str, kind: type[T], params: Mapping[str, str] | None = None, *, accept: str = client.JSON
) -> list[T]:
    """All objects of a collection.

    Raises:
        ApiError: as by the client; a list that expired between two pages (GoneError) is for the next round.
    """
    found: list[T] = []
    next_page: str | None = ""
    while next_page is not None:
        asked = {**(params or {}), "limit": _PAGE} | ({"continue": next_page} if next_page else {})
        page = core.decode(await api.get(path, asked, accept=accept), _List, path)
        for item in page.items or ():
            try:
                found.append(core.decode(item, kind, path))
            except errors.InputError as error:
                log.warning("object left out", error=str(error))
        next_page = page.metadata.next_page or None
    return found


async def list_metadata(api: client.Api, path: str, kind: type[T]) -> list[T]:
    """All objects of a collection, of which the server sends nothing but the metadata."""
    return await list_all(api, path, kind, accept=_METADATA)
