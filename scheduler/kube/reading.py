"""Reads whole collections and single objects from the API server, typed, a page at a time.

One object that does not fit its type (somebody's broken custom resource) is logged and named; the others count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kube import client

log = structlog.get_logger(__name__)

_PAGE = "500"

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Collection(Generic[T]):
    """What a collection holds: what could be decoded, and the names (``namespace/name``) of what could not."""

    items: list[T]
    misfits: frozenset[str]


class _Meta(msgspec.Struct):
    next_page: str | None = msgspec.field(default=None, name="continue")


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    metadata: _Meta = msgspec.field(default_factory=_Meta)


class _Name(msgspec.Struct):
    namespace: str = ""
    name: str = ""


class _Head(msgspec.Struct):
    metadata: _Name


async def why_withheld(api: client.Api, path: str) -> errors.ApiError | None:
    """Why a collection is not ours to list, as the server does not know it or denies it; None where it may be.

    It may be, too, where the server cannot tell at the moment: an informer asks again.
    """
    try:
        await api.get(path, {"limit": "1"})
    except (errors.NotFoundError, errors.DeniedError) as error:
        return error
    except errors.ApiError:
        return None
    return None


async def get(api: client.Api, path: str, kind: type[T]) -> T | None:
    """One object, None where there is none."""
    try:
        data = await api.get(path)
    except errors.NotFoundError:
        return None
    return core.decode(data, kind, path)


async def collect(api: client.Api, path: str, kind: type[T], params: Mapping[str, str] | None = None) -> Collection[T]:
    """All objects of a collection.

    Raises:
        ApiError: as by the client; a list that expired between two pages (GoneError) is for the next time.
    """
    found: list[T] = []
    misfits: set[str] = set()
    next_page: str | None = ""
    while next_page is not None:
        asked = {**(params or {}), "limit": _PAGE} | ({"continue": next_page} if next_page else {})
        page = core.decode(await api.get(path, asked), _List, path)
        for item in page.items or ():
            try:
                found.append(core.decode(item, kind, path))
            except errors.InputError as error:
                meta = core.decode(item, _Head, path).metadata
                name = f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name
                misfits.add(name)
                log.warning("object ignored, as it cannot be read", path=path, object=name, error=str(error))
        next_page = page.metadata.next_page or None
    return Collection(found, frozenset(misfits))


async def list_all(api: client.Api, path: str, kind: type[T], params: Mapping[str, str] | None = None) -> list[T]:
    """All objects of a collection that can be decoded, for those to whom the others make no difference."""
    return (await collect(api, path, kind, params)).items
